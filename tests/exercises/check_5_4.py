"""5.4: the limit counts a user's streams in all processes, but not those of a killed process."""

import contextlib

import httpx
import psutil
import pytest

from workshop.processes import free_port, running
from workshop.testing import Person, eventually

HEARTBEAT = 0.5
MOST = 4
STREAM = "/tasks/stream?all=true"
MANY = httpx.Limits(max_connections=None)
SHARED = {"SECRET_KEY": "the same for both", "MAX_STREAMS_OF_USER": str(MOST)}


@pytest.fixture(scope="module")
def two_webs(folder):
    """The step with two gunicorns, each with one worker, and no Celery worker: tasks wait."""
    port = free_port()
    gunicorn = "gunicorn -k gevent -w 1 -b 127.0.0.1:{} app:app".format
    commands = {"web": gunicorn("$PORT"), "second": gunicorn(port), "worker": None}
    env = SHARED | {"HEARTBEAT_SECONDS": str(HEARTBEAT)}
    with running(folder, env=env, commands=commands) as step:
        step.second_url = f"http://127.0.0.1:{port}"
        eventually(lambda: is_up(step.second_url))
        yield step


@pytest.fixture
def one(two_webs):
    """A user at the first web, with a task that waits."""
    with Person(two_webs.url, limits=MANY) as person:
        person.task_id("optimize")
        yield person


@pytest.fixture
def same(two_webs, one):
    """The same user at the second web."""
    with Person(two_webs.second_url, cookies=one.cookies, limits=MANY) as person:
        yield person


def test_the_limit_counts_the_streams_of_all_processes(two_webs, one, same):
    with contextlib.ExitStack() as streams:
        assert [opened(person, streams) for person in (one, one, same, same)] == [200] * MOST
        for person in (one, same):
            refused = asked(person)
            assert refused.status_code == 429, f"{MOST} are allowed, and more are open"
            assert refused.headers["Retry-After"]
            assert set(refused.json()) == {"error", "hint"}
        with Person(two_webs.url) as other:
            other.task_id("optimize")
            assert opened(other, streams) == 200, "each user has a limit of their own"


def test_closing_a_stream_makes_room_for_another_anywhere(one, same):
    with contextlib.ExitStack() as streams:
        with contextlib.ExitStack() as first:
            assert [opened(one, first) for _ in range(MOST)] == [200] * MOST
        eventually(lambda: opened(same, streams) == 200)


def test_a_stream_counts_for_as_long_as_it_is_open(one, same):
    events = one.listen()
    with contextlib.closing(events), contextlib.ExitStack() as streams:
        next(events)
        assert [opened(one, streams) for _ in range(MOST - 1)] == [200] * (MOST - 1)
        for _ in range(12):  # heartbeats
            next(events)
        assert asked(same).status_code == 429


def test_the_streams_of_a_killed_process_stop_counting(two_webs, one, same):
    with contextlib.ExitStack() as streams:
        assert [opened(one, streams) for _ in range(MOST - 1)] == [200] * (MOST - 1)
        assert (
            opened(same, streams) == 200
        )  # stays open, so the counter of this user stays in Redis
        for worker in psutil.Process(two_webs.processes["web"].popen.pid).children():
            worker.kill()
        for _ in range(MOST - 1):
            eventually(lambda: opened(same, streams) == 200)
        assert asked(same).status_code == 429


def opened(person, streams):
    """The status of another stream, which stays open."""
    return streams.enter_context(person.stream("GET", STREAM)).status_code


def asked(person):
    """The response to another stream, read to its end if it is a refusal."""
    with person.stream("GET", STREAM) as answer:
        if answer.status_code != 200:
            answer.read()
        return answer


def is_up(url):
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False
