"""5.2: a document that takes seconds to parse doesn't stop the streams."""

import contextlib
import io
import os
import subprocess
import sys
import threading
import time
from itertools import pairwise
from zipfile import ZIP_DEFLATED, ZipFile

import docx
import pytest

from workshop.testing import Person, eventually

HEARTBEAT_SECONDS = 0.25
ONE_WORKER = "gunicorn -k gevent -w 1 -b 127.0.0.1:$PORT app:app"
EMPTY = b"<w:p/>"
FEWEST, MOST = 10_000, 200_000  # empty paragraphs
LONG = 3  # seconds that parsing should take, on any machine


@pytest.fixture
def web(start_step):
    """One web process, and no worker."""
    return start_step(commands={"web": ONE_WORKER, "worker": None})


def test_streams_go_on_while_a_document_is_parsed(web, folder):
    document, seconds = slow_document(folder)
    with Person(web.url) as person, Person(web.url) as other:
        person.task_id("optimize")
        with heartbeats(person) as times:
            eventually(lambda: len(times) > 2)
            began = time.monotonic()
            answer = other.start("review", document)
            taken = time.monotonic() - began
            eventually(lambda: time.monotonic() > began + seconds)  # if it is parsed afterwards
            longest = longest_silence([began, *(t for t in times if t > began), time.monotonic()])
    assert answer.status_code == 202, answer.text
    allowed = max(taken / 2, 4 * HEARTBEAT_SECONDS)
    assert longest < allowed, (
        f"POST took {taken:.1f} s, and no stream got data for {longest:.1f} s"
    )


def test_a_document_that_cannot_be_read_still_gets_the_same_error(start_step):
    step = start_step(commands={"web": ONE_WORKER})
    with Person(step.url) as person:
        answer = person.start("review", b"PK and nothing else")
        problem = answer.json()
        if answer.status_code == 202:
            problem = person.ended(problem["task_id"])
        assert problem["error"] == "This is not a .docx file that can be read."
        assert problem["hint"]


def slow_document(folder):
    """A small file that is slow to parse here, and how many seconds it takes."""
    seconds = seconds_to_parse(folder, document_of(FEWEST))
    number = min(MOST, int(FEWEST * LONG / seconds))
    document = document_of(number)
    return document, seconds_to_parse(folder, document)


def document_of(paragraphs):
    """One paragraph with words, and many without."""
    document, plain, slow = docx.Document(), io.BytesIO(), io.BytesIO()
    document.add_paragraph("A paragraph with some words.")
    document.save(plain)
    with ZipFile(plain) as parts, ZipFile(slow, "w", ZIP_DEFLATED) as archive:
        for name in parts.namelist():
            content = parts.read(name)
            if name == "word/document.xml":
                content = content.replace(b"<w:sectPr", EMPTY * paragraphs + b"<w:sectPr", 1)
            archive.writestr(name, content)
    return slow.getvalue()


def seconds_to_parse(folder, document):
    code = (
        "import sys, time\n"
        "import jobs\n"
        "document, began = sys.stdin.buffer.read(), time.monotonic()\n"
        "jobs.check('review', document, {})\n"
        "print(time.monotonic() - began)\n"
    )
    env = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, input=document, capture_output=True, check=True)
    return float(done.stdout)


@contextlib.contextmanager
def heartbeats(person):
    """The times at which a stream receives an event, by the clock of this process."""
    times, enough = [], threading.Event()
    listener = threading.Thread(target=listen, args=[person.listen(), times, enough])
    listener.start()
    try:
        yield times
    finally:
        enough.set()
        listener.join()


def listen(events, times, enough):
    for _ in events:
        times.append(time.monotonic())
        if enough.is_set():
            break
    events.close()


def longest_silence(times):
    return max(later - earlier for earlier, later in pairwise(times))
