"""5.1: what a forgotten monkey patch does, measured, and a server that notices it."""

import contextlib
import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from answers import answers_in
from workshop.diff import LEFT_BY_RUNS
from workshop.processes import Process, answers, embedded_valkey, free_port, running
from workshop.steps import find_step
from workshop.testing import Person, eventually

ONE_WORKER = "gunicorn -k gevent -w 1 -b 127.0.0.1:$PORT app:app"
PATCH = re.compile(r"^monkey\.patch_all\(\)$", re.MULTILINE)
PRELOAD = 'worker_class = "gevent"', 'worker_class = "gevent"\npreload_app = True'
BEAT, NAP = 0.25, 2  # seconds
ROUTE = f"""

@app.get("/nap")
def nap():
    sleep({NAP})
    return "slept"
"""
TOLERANCE = 0.35  # a share of eight heartbeats


@pytest.fixture(scope="module")
def redis_url():
    with embedded_valkey(free_port()) as url:
        yield url


def test_the_shares_in_answers_toml_are_those_measured_here(folder, redis_url, tmp_path):
    names = ("forgotten", "preloaded", "copied")
    written = dict(zip(names, answers_in(folder, *names), strict=True))
    with contextlib.ExitStack() as stack, ThreadPoolExecutor() as at_once:
        env = {"HEARTBEAT_SECONDS": str(BEAT)}
        options = {"redis_url": redis_url, "env": env}
        options |= {"commands": {"web": ONE_WORKER, "worker": None}}
        steps = [
            stack.enter_context(running(variant(tmp_path, name), **options)) for name in names
        ]
        measured = dict(zip(names, at_once.map(share_of_heartbeats, steps), strict=True))
    for name in names:
        assert written[name] == pytest.approx(measured[name], abs=TOLERANCE), name


def variant(tmp_path, name):
    """The step without its monkey patch, and with a request that sleeps."""
    step = copied(find_step("5"), tmp_path / name)
    replace(step / "gunicorn.conf.py", PATCH, "")
    if name != "forgotten":
        replace(step / "gunicorn.conf.py", re.compile(PRELOAD[0]), PRELOAD[1])
    app = step / "app.py"
    route = ROUTE
    if name == "copied":
        replace(app, re.compile(r"^import io$", re.MULTILINE), "import io\nfrom time import sleep")
    else:
        replace(app, re.compile(r"^import io$", re.MULTILINE), "import io\nimport time")
        route = ROUTE.replace("sleep(", "time.sleep(")
    app.write_text(app.read_text() + route)
    return step


def share_of_heartbeats(step):
    received = []
    with Person(step.url) as person:
        person.task_id("optimize")
        events = person.listen()
        next(events)
        listener = threading.Thread(target=listen, args=[events, received])
        listener.start()
        try:
            eventually(lambda: len(received) > 1)
            usual = rate_during(received, lambda: time.sleep(NAP))
            meanwhile = rate_during(received, lambda: httpx.get(f"{step.url}/nap", timeout=30))
        finally:
            received.append("enough")
            listener.join()
    return meanwhile / usual


def listen(events, received):
    """Notes every event, until another thread has noted that it is enough."""
    for _ in events:
        if "enough" in received:
            break
        received.append("heartbeat")
    events.close()


def rate_during(received, act):
    """Heartbeats a second. On a busy machine, both acts may take longer than they should."""
    before, began = len(received), time.monotonic()
    act()
    return (len(received) - before) / (time.monotonic() - began)


def test_a_server_without_the_patch_does_not_start(folder, redis_url, tmp_path):
    forgetful = copied(folder, tmp_path / "forgetful")
    replace(forgetful / "gunicorn.conf.py", PATCH, "")
    with started(forgetful, redis_url) as (web, url):
        eventually(lambda: not web.alive() or answers(f"{url}/healthz"))
        assert not web.alive(), "it serves without the patch: check for it in on_starting()"
        web.reader.join(5)
        assert "patch" in "\n".join(web.output), "it ended, and its output doesn't say why"


def test_a_server_with_the_patch_starts(folder, redis_url):
    with started(folder, redis_url) as (web, url):
        eventually(lambda: not web.alive() or answers(f"{url}/healthz"))
        assert web.alive(), "\n".join(web.output)


@contextlib.contextmanager
def started(folder, redis_url):
    port = str(free_port())
    env = {"PORT": port, "REDIS_URL": redis_url}
    web = Process("web", ONE_WORKER, folder, env, lambda name, line: None)
    try:
        yield web, f"http://127.0.0.1:{port}"
    finally:
        web.stop()


def copied(step, folder):
    ignored = shutil.ignore_patterns(*LEFT_BY_RUNS)
    return shutil.copytree(step, folder / step.name, ignore=ignored)


def replace(file, pattern, text):
    before = file.read_text()
    assert pattern.search(before), f"{file.name} has no line '{pattern.pattern}'"
    file.write_text(pattern.sub(text, before, count=1))
