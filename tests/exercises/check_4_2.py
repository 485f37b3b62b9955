"""4.2: more streams than redis-py's 100, and a 503 before the process runs out of files."""

import contextlib

import httpx
import psutil
import pytest

from answers import answers_in
from workshop.testing import Person, eventually

HEARTBEAT_SECONDS = 1
STREAM = "/tasks/stream?all=true"
MANY = httpx.Limits(max_connections=None)
FILES = 400  # that the web process may open
WEB = f"sh -c 'ulimit -n {FILES}; exec flask run --port $PORT'"
PATIENCE = 10  # seconds without a response
STREAMS = 60


@pytest.fixture
def small(start_step):
    """The step on a system that allows few open files; all of its tasks wait."""
    return start_step(commands={"web": WEB, "worker": None})


def test_there_is_room_for_more_than_100_and_the_next_is_refused(small):
    with Person(small.url, limits=MANY) as person, contextlib.ExitStack() as streams:
        person.task_id("optimize")
        held = 0
        while held < FILES and (status := status_of_a_stream(person, streams)) == 200:
            held += 1
        assert held > 100, "the 101st stream was refused: redis-py's pool is as it was"
        assert status == 503, (
            f"with {held} streams, the next was not even refused (it is {status})"
        )
        assert held >= FILES / 4, f"{held} streams, with {FILES} files?"
        for _ in range(20):
            assert answered(person, "/healthz") == 200, (
                "with all streams open, /healthz gets no response"
            )
    with Person(small.url) as person:  # all connections have been given back
        person.task_id("optimize")
        with contextlib.ExitStack() as streams:
            eventually(lambda: status_of_a_stream(person, streams) == 200)


def test_the_numbers_in_answers_toml_are_those_measured_here(step, folder):
    names = ("files_per_stream", "threads_per_stream", "kilobytes_per_stream")
    files, threads, kilobytes = answers_in(folder, *names)
    measured = cost_of_a_stream(step)
    assert files == pytest.approx(measured["files"], rel=0.25)
    assert threads == pytest.approx(measured["threads"], rel=0.25)
    assert measured["kilobytes"] / 2 < kilobytes < measured["kilobytes"] * 2


def cost_of_a_stream(step):
    web = psutil.Process(step.processes["web"].popen.pid)
    with Person(step.url, limits=MANY) as person, contextlib.ExitStack() as streams:
        step.processes["worker"].stop()
        person.task_id("optimize")
        assert status_of_a_stream(person, streams) == 200  # the first needs more than others
        before = held_by(web)
        for _ in range(STREAMS):
            assert status_of_a_stream(person, streams) == 200
        after = held_by(web)
    return {name: (after[name] - before[name]) / STREAMS for name in before}


def held_by(web):
    return {
        "files": web.num_fds(),
        "threads": web.num_threads(),
        "kilobytes": web.memory_info().rss / 1000,
    }


def status_of_a_stream(person, streams) -> int | None:
    """None if there is no response."""
    try:
        stream = person.stream("GET", STREAM, timeout=PATIENCE)
        return streams.enter_context(stream).status_code
    except httpx.TransportError:
        return None


def answered(person, path) -> int | None:
    try:
        return person.get(path, timeout=PATIENCE).status_code
    except httpx.TransportError:
        return None
