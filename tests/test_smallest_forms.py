"""The smallest forms with which the chapters begin, typed exactly as they are printed."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import redis

from pages import listings
from workshop.processes import Process, embedded_valkey, free_port
from workshop.steps import ROOT
from workshop.testing import eventually, log_with

pytestmark = pytest.mark.slow


@pytest.fixture
def valkey():
    with embedded_valkey(free_port()) as url:
        yield url


@pytest.fixture
def start(tmp_path):
    started = []

    def start(command):
        started.append(Process("small", command, tmp_path, {}, lambda name, line: None))
        return started[-1]

    yield start
    for process in started:
        process.stop()


def listing(chapter, with_words):
    page = ROOT / "notes" / chapter
    (found,) = (one for one in listings() if one.page == page and with_words in one.text)
    return found.text


def type_in(text, folder):
    subprocess.run(["bash", "-ec", text], cwd=folder, check=True)


def test_a_task_of_celery_reports_its_state(tmp_path, start, valkey):
    type_in(listing("02-celery-polling.md", "mine/count.py").replace(*at(valkey)), tmp_path)
    worker = start(listing("02-celery-polling.md", "-A count worker").strip())
    log_with(worker, "ready")
    asked = "from count import count; result = count.delay(1); print(result.get(timeout=30))"
    answer = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path / "mine", capture_output=True, text=True
    )
    assert answer.stdout.strip() == "{'number': 1}", answer.stderr


def test_a_response_that_does_not_end(tmp_path, start):
    text, port = listing("03-threaded-sse.md", "mine/ticks.py"), str(free_port())
    *file, command = text.replace("8001", port).strip().splitlines()
    type_in("\n".join(file), tmp_path)
    log_with(start(command), "Running on")
    answer = httpx.get(f"http://127.0.0.1:{port}/")
    assert answer.text == "".join(f"data: {number}\n\n" for number in range(5))


def test_a_stream_of_one_channel(tmp_path, start, valkey):
    app = listing("04-pubsub-sse.md", 'DONE = b"I am done"')
    (tmp_path / "small.py").write_text(app.replace("redis.Redis()", f'redis.from_url("{valkey}")'))
    port = free_port()
    log_with(start(f"flask --app small run --port {port}"), "Running on")
    with ThreadPoolExecutor(1) as browser, redis.from_url(valkey) as publisher:
        answer = browser.submit(httpx.get, f"http://127.0.0.1:{port}/stream", timeout=60)
        eventually(lambda: publisher.publish("news", "half way"))
        publisher.publish("news", "I am done")
        assert answer.result().text == "data: half way\n\ndata: I am done\n\n"


def at(url):
    return "redis://127.0.0.1:6379", url
