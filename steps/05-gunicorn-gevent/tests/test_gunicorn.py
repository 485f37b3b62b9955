"""Life and death of streams under gunicorn: what they hold, when they end, who is refused."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
import threading

import httpx
import psutil
import pytest
import redis

from workshop.load import count, run_locust
from workshop.processes import embedded_valkey, free_port
from workshop.testing import Person, eventually, log_with

HEARTBEAT_SECONDS = 1
STREAM = "/tasks/stream?all=true"
MANY = httpx.Limits(max_connections=None)
PROBED = "gunicorn -k gevent -w 1 -b 127.0.0.1:$PORT --pythonpath tests probe:app"


@pytest.fixture
def probed(start_step):
    """A single worker that tells what is in it. No Celery worker, so that all tasks wait."""
    return lambda **env: start_step(commands={"web": PROBED, "worker": None}, **env)


def say(step, task_id, number, size=10):
    """Publishes events as a job does, from a process of its own."""
    code = (
        "import events, store\n"
        f"task = store.get('{task_id}')\n"
        f"for number in range({number}):\n"
        f"    assert events.publish(task, current=number, message='x' * {size})\n"
    )
    env = {"REDIS_URL": step.redis_url}
    subprocess.run([sys.executable, "-c", code], cwd=step.step, env=env, check=True)


def test_nothing_in_the_process_can_block_it(probed):
    modules = httpx.get(f"{probed().url}/probe/patched").json()
    for name, module in modules.items():
        assert "gevent" in module, name


def test_what_500_streams_held_is_given_back(probed):
    step = probed(MAX_STREAMS=600)
    open_and_close(step, users=25)
    for _ in range(
        4
    ):  # pools of connections may grow with more than one crowd; a leak always does
        before = state(step)
        open_and_close(step, users=25)
        after = eventually(
            lambda most=before["greenlets"]: (now := state(step))["greenlets"] <= most and now
        )
        if after["files"] <= before["files"] + 3:  # give or take a request
            break
    else:
        pytest.fail(f"files before and after the last crowd: {before['files']}, {after['files']}")
    assert after["channels"] == 1
    with redis.Redis.from_url(step.redis_url) as store:
        eventually(lambda: store.pubsub_channels() == [b"task_progress"])


def open_and_close(step, users):
    with contextlib.ExitStack() as streams:
        for _ in range(users):
            person = streams.enter_context(Person(step.url, limits=MANY))
            person.task_id("optimize")
            for _ in range(20):
                stream = streams.enter_context(person.stream("GET", STREAM))
                assert stream.status_code == 200
        held = state(step)
        assert (held["streams"], held["channels"]) == (20 * users, users + 1)
        assert held["greenlets"] > 20 * users
    eventually(lambda: state(step)["streams"] == 0)


def test_one_subscription_serves_all_streams_of_a_process(probed):
    step = probed()
    with Person(step.url, limits=MANY) as person, redis.Redis.from_url(step.redis_url) as store:
        person.task_id("optimize")
        with contextlib.ExitStack() as streams:
            for _ in range(10):
                streams.enter_context(person.stream("GET", STREAM))
            (channel,) = eventually(lambda: store.pubsub_channels("task_progress:*"))
            assert store.pubsub_numsub(channel) == [(channel, 1)]


@pytest.mark.parametrize(
    ("limit", "opened", "status"), [({"MAX_STREAMS": 3}, 3, 503), ({}, 20, 429)]
)
def test_who_finds_no_room_is_told_and_all_else_goes_on(probed, limit, opened, status):
    step = probed(**limit)
    with Person(step.url, limits=MANY) as person:
        task_id = person.task_id("optimize")
        with contextlib.ExitStack() as streams:
            for _ in range(opened):
                stream = streams.enter_context(person.stream("GET", STREAM))
                assert stream.status_code == 200
            refused = person.get(STREAM)
            assert refused.status_code == status
            assert refused.headers["Retry-After"]
            assert set(refused.json()) == {"error", "hint"}
            assert person.get("/healthz").status_code == 200
            assert person.task(task_id)["state"] == "PENDING"
        eventually(lambda: person.head(STREAM) and status_of_a_stream(person) == 200)


def test_a_client_that_stops_reading_is_let_go_and_delays_nobody(probed):
    step = probed(SEND_SECONDS=2)
    with Person(step.url) as person, stalled(step, person):
        task_id = person.task_id("optimize")
        others = person.listen(f"task_ids={task_id}")
        next(others)
        eventually(lambda: state(step)["streams"] == 2)
        say(step, task_id, 80, size=200_000)
        heard = [data["current"] for _, type, data in others_until(others, 79)]
        assert heard == list(range(80))
        eventually(lambda: state(step)["streams"] == 1)
        others.close()


@pytest.mark.slow
def test_a_slow_client_that_reads_on_has_missed_nothing(probed):
    step = probed(SEND_SECONDS=60)
    with Person(step.url) as person, stalled(step, person) as slow:
        task_id = person.task_id("optimize")
        eventually(lambda: state(step)["streams"] == 1)
        say(step, task_id, 300, size=60_000)
        text = read_until(slow, '"current": 299')
    numbers = [int(number) for number in re.findall(r'"current": (\d+)', text)]
    assert numbers[-300:] == list(range(300))
    assert len(numbers) <= 302  # and two that said 'queued'


def test_streams_end_at_once_and_politely_when_their_worker_is_asked_to_stop(probed):
    step = probed()
    with Person(step.url, limits=MANY) as person, contextlib.ExitStack() as streams:
        person.task_id("optimize")
        opened = [streams.enter_context(person.stream("GET", STREAM)) for _ in range(10)]
        web = step.processes["web"]
        web.popen.send_signal(signal.SIGTERM)
        texts = [stream.read().decode() for stream in opened]  # raises if it is cut off
        web.popen.wait(20)
        assert "graceful timeout" not in "\n".join(web.output)
    pauses = [re.search(r"^retry: (\d+)$", text, re.MULTILINE)[1] for text in texts]
    assert len(set(pauses)) > 1


def test_an_old_client_and_strange_requests_get_an_answer(step):
    with Person(step.url) as person:
        task_id = person.task_id("optimize")
        assert person.request("GET", f"/tasks/{task_id}", content=b"a body").status_code == 200
        assert person.get("/", headers={"X-Long": "x" * 65_536}).status_code in (400, 431)
        cookie = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
    with connection(step) as old:
        old.sendall(f"GET {STREAM} HTTP/1.0\r\nCookie: {cookie}\r\n\r\n".encode())
        text = read_until(old, "event: complete")
    assert text.startswith("HTTP/1.0 200 OK")
    assert "Transfer-Encoding" not in text


@pytest.mark.slow
@pytest.mark.parametrize("sign", ["HUP to the master", "TERM to one worker after another"])
def test_a_rolling_restart_loses_and_doubles_nothing(start_step, sign):
    people = 200
    worker = f"celery -A tasks worker --pool threads --concurrency {people}"
    step = start_step(commands={"worker": worker}, JOB_PACE=3)
    restarts = threading.Thread(target=restart, args=[step, sign, people])
    restarts.start()
    stats = run_locust(step.step, step.url, people, seconds=120)
    restarts.join()
    assert count(stats, "finish") == people
    assert count(stats, "reconnect") > people / 2
    assert (count(stats, "gap"), count(stats, "duplicate")) == (0, 0)


@pytest.mark.slow
def test_redis_is_restarted_empty_and_life_goes_on(start_step):
    port = free_port()
    with embedded_valkey(port) as url:
        step = start_step(redis_url=url, JOB_PACE=2)
        person = Person(step.url).__enter__()
        events = person.listen(f"task_ids={person.task_id('optimize')}")
        last_id, *_ = next(events)
    types = []
    with embedded_valkey(port):
        types = [type for _, type, _ in events]
        assert types[-1] == "reset"
        assert person.get(STREAM, headers={"Last-Event-ID": last_id}).status_code == 204
        again = eventually(
            lambda: (answer := person.start("optimize")).status_code == 202 and answer
        )
        *_, last = person.listen(f"task_ids={again.json()['task_id']}")
        assert last[1] == "complete"
        person.close()


def restart(step, sign, people):
    with redis.Redis.from_url(step.redis_url) as store:
        eventually(lambda: len(store.pubsub_channels("task_progress:*")) == people)
    master = psutil.Process(step.processes["web"].popen.pid)
    if sign.startswith("HUP"):
        master.send_signal(signal.SIGHUP)
        return
    for worker in master.children():
        worker.terminate()
        log_with(step.processes["web"], f"Worker exiting (pid: {worker.pid})")


def state(step):
    return httpx.get(f"{step.url}/probe").json()


def status_of_a_stream(person):
    with person.stream("GET", STREAM) as stream:
        return stream.status_code


def others_until(events, last):
    for event in events:
        if event[1] != "heartbeat":
            yield event
            if event[2]["current"] == last:
                return


@contextlib.contextmanager
def connection(step):
    url = httpx.URL(step.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.settimeout(30)
        client.connect((url.host, url.port))
        yield client


@contextlib.contextmanager
def stalled(step, person):
    """A client that has asked for a stream, and reads nothing of it."""
    person.task_id("optimize")
    cookie = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
    with connection(step) as client:
        client.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n".encode())
        yield client


def read_until(client, words):
    text = b""
    while words.encode() not in text[-100_000:]:
        piece = client.recv(65_536)
        assert piece, text[-500:]
        text += piece
    return text.decode()
