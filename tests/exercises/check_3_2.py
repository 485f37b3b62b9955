"""3.2: with two processes, both know a task, and only the streams of one send its updates."""

import threading
from collections import defaultdict

import httpx
import pytest

from answers import answers_in
from workshop.testing import eventually

JOB_PACE = 2
REQUESTS = 20
STREAMS = 10


@pytest.fixture
def listen(person):
    """Opens a stream of a task, on a connection of its own."""
    listeners = []

    def start(task_id):
        listeners.append(Listener(person, task_id))
        eventually(lambda: listeners[-1].events)
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.leave()


def test_each_answer_says_which_process_gave_it(step):
    def processes():
        answers = [httpx.get(f"{step.url}/healthz") for _ in range(REQUESTS)]
        said = {answer.headers.get("X-Process") for answer in answers}
        assert None not in said, "an answer has no X-Process"
        return len(said) > 1 and said

    assert len(eventually(processes)) == 2


def test_the_numbers_are_those_of_such_a_run(folder, person, listen):
    names = ("predicted_silent", "found_silent", "processes_that_sent_updates", "statuses")
    predicted, silent, processes, statuses = answers_in(folder, *names)
    assert 0 <= predicted <= STREAMS, f"predicted_silent is a number of {STREAMS} streams"
    assert 0 < silent < STREAMS, "found_silent: some, and not all; with bad luck, run it again"
    task_id = person.task_id("optimize")
    answered = statuses_of(person, f"/tasks/{task_id}")
    assert statuses == len(answered), f"measured here, statuses: {answered}"
    streams = defaultdict(list)
    while len(streams) < 2:
        listener = listen(task_id)
        streams[listener.process].append(listener)
    # When a stream ends, it has sent all updates. A silent stream never ends.
    ended = eventually(lambda: [those for those in streams.values() if those[0].ended])
    sent = [those for those in streams.values() if those[0].events > 1]
    assert sent == ended, "a stream that has ended has sent no update"
    assert processes == len(sent), f"measured here: {len(sent)} sent updates"


def statuses_of(person, path):
    """Of some requests, each on a connection of its own."""
    url = url_of(person, path)
    return {httpx.get(url, cookies=person.cookies).status_code for _ in range(REQUESTS)}


def url_of(person, path):
    return f"{str(person.base_url).rstrip('/')}{path}"


class Listener:
    """Reads a stream line by line, because a silent stream has comments, and no events."""

    def __init__(self, person, task_id):
        self.events = 0
        self.ended = False
        self.left = threading.Event()
        self.url = url_of(person, f"/tasks/stream?task_ids={task_id}")
        self.cookies = person.cookies
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        with httpx.stream("GET", self.url, cookies=self.cookies) as stream:
            self.process = stream.headers.get("X-Process")
            for line in stream.iter_lines():
                self.events += line.startswith("event: ")
                if self.left.is_set():
                    return
        self.ended = True

    def leave(self):
        self.left.set()
        self.thread.join(10)
