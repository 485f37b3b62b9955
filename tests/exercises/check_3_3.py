"""3.3: a silent stream says that it lives and how many listen, and notices who has left."""

import json
import threading

import pytest

from workshop.testing import Person, eventually

JOB_PACE = 60  # nothing happens


@pytest.fixture
def task_id(person):
    return person.task_id("optimize")


@pytest.fixture
def listen(person, task_id):
    """Starts somebody who listens to the task."""
    listeners = []

    def start():
        listeners.append(Listener(person, task_id))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.leave()


def test_a_silent_stream_says_that_it_lives(listen):
    listener = listen()
    first, second = eventually(lambda: two_of(listener.heartbeats), seconds=10)
    assert {"time", "watching"} <= set(first), f"a heartbeat says {first}"
    assert first["time"] < second["time"]


def test_those_who_stay_hear_who_comes_and_who_leaves(listen):
    stays, leaves = listen(), listen()
    eventually(lambda: stays.counts() == 2)
    leaves.leave()
    eventually(lambda: stays.counts() == 1)


def test_the_news_come_as_before(start_step):
    with Person(start_step(JOB_PACE=0.3).url) as person:
        task_id = person.task_id("optimize")
        events = [type for _, type, _ in person.listen(f"task_ids={task_id}")]
    assert events.count("progress") >= 6, f"these events came: {events}"
    assert events[-1] == "complete"


def test_the_page_listens_to_it(folder):
    # A browser is not asked: try it in yours.
    text = (folder / "static" / "follow.js").read_text()
    assert "heartbeat" in text, "static/follow.js does not listen to heartbeats"


def two_of(heartbeats):
    return len(heartbeats) >= 2 and heartbeats[:2]


class Listener:
    """Reads a stream line by line, because comments come also where no event does."""

    def __init__(self, person, task_id):
        self.heartbeats = []
        self.left = threading.Event()
        self.url = f"/tasks/stream?task_ids={task_id}"
        self.thread = threading.Thread(target=self.read, args=[person])
        self.thread.start()

    def read(self, person):
        type = None
        with person.stream("GET", self.url) as stream:
            for line in stream.iter_lines():
                if self.left.is_set():
                    return
                name, _, value = line.partition(": ")
                if name == "event":
                    type = value
                elif name == "data" and type == "heartbeat":
                    self.heartbeats.append(json.loads(value))

    def counts(self):
        return self.heartbeats and self.heartbeats[-1]["watching"]

    def leave(self):
        self.left.set()
        self.thread.join(10)
