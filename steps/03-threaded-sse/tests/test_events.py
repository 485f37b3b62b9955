"""Listeners: who gets what, who is let go, and what a slow one loses."""

import json
import sys
from itertools import chain
from threading import Thread

import pytest

import events
import store
import tasks
from workshop.testing import eventually


@pytest.fixture
def task_id():
    return store.create("somebody", "optimize", {}, None)


@pytest.fixture
def eager_threads():
    """Threads take turns so often that a missing lock shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def described(task_id):
    return store.described(store.get(task_id))


def progress(task_id, number):
    events.publish(task_id, state="PROGRESS", progress=number)


def progress_in(stream):
    """What the next batch says."""
    (event,) = next(stream)
    return json.loads(event.data)["progress"]


def test_a_late_listener_starts_from_what_is_now(task_id):
    progress(task_id, 30)
    stream = events.follow([task_id])
    assert progress_in(stream) == 30
    progress(task_id, 60)
    assert progress_in(stream) == 60


def test_silence_is_told_too(task_id, monkeypatch):
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.01)
    stream = events.follow([task_id])
    next(stream)
    assert next(stream) == []


def test_all_listeners_get_every_event_and_are_forgotten_when_they_leave(task_id):
    streams = [events.follow([task_id]) for _ in range(3)]
    for stream in streams:
        next(stream)
    progress(task_id, 50)
    assert [progress_in(stream) for stream in streams] == [50, 50, 50]
    for stream in streams:
        stream.close()
    assert task_id not in events.listeners


def test_a_slow_listener_loses_the_oldest_and_hinders_nobody(task_id):
    slow, quick = events.follow([task_id]), events.follow([task_id])
    next(slow), next(quick)
    for number in range(events.MAX_WAITING + 10):
        progress(task_id, number)
        assert progress_in(quick) == number
    assert progress_in(slow) == 10


def test_a_stream_of_two_ends_although_the_last_event_of_one_was_lost(task_id, monkeypatch):
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.01)
    other = store.create("somebody", "optimize", {}, None)
    stream = events.follow([task_id, other])
    next(stream)
    events.publish(task_id, state="FAILURE")
    for number in range(events.MAX_WAITING):
        progress(other, number)
    events.publish(other, state="FAILURE")
    ended = [event.task_id for event in chain.from_iterable(stream) if event.type == "error"]
    assert sorted(ended) == sorted([task_id, other])
    assert events.listeners == {}


def test_who_asks_for_a_forgotten_task_leaves_nothing_behind(task_id):
    del store.tasks[task_id]
    assert list(events.follow([task_id])) == []
    assert task_id not in events.listeners


def test_nothing_is_missing_for_those_who_join_while_it_goes_on(task_id, eager_threads):
    heard = []

    def listen():
        batches = chain.from_iterable(events.follow([task_id]))
        heard.append([json.loads(event.data)["progress"] for event in batches])

    threads = []
    for number in range(1, 51):
        threads.append(Thread(target=listen))
        threads[-1].start()
        progress(task_id, number)
    events.publish(task_id, state="FAILURE", progress=100)
    for thread in threads:
        thread.join(10)
    assert len(heard) == 50
    for first, *others in heard:
        assert [first, *others] == [*range(first, 51), 100][: len(others) + 1]
        assert [first, *others][-1] == 100


def test_a_job_that_raises_ends_in_words_for_people(task_id, caplog):
    store.tasks[task_id]["kind"] = "nonsense"
    tasks.start(task_id)
    task = eventually(lambda: (t := described(task_id))["state"] == "FAILURE" and t)
    assert task["error"] == "There is no kind of job 'nonsense'."
    assert task["hint"]
    assert "Traceback" in caplog.text


def test_an_error_that_nobody_expected_is_told_without_its_details(task_id, monkeypatch, caplog):
    def run(read):
        raise RuntimeError("secret")
        yield

    monkeypatch.setattr(tasks.jobs.KINDS["optimize"], "run", run)
    tasks.run(task_id)
    task = described(task_id)
    assert task["error"] == "The job failed."
    assert "secret" not in str(task)
    assert "secret" in caplog.text


def test_the_oldest_that_ended_makes_room(monkeypatch):
    monkeypatch.setattr(store, "tasks", {})
    monkeypatch.setattr(store, "MOST_TASKS", 3)
    first, second, third = (store.create("u", "optimize", {}, None) for _ in "abc")
    store.tell(second, {"state": "FAILURE"})
    fourth = store.create("u", "optimize", {}, None)
    assert list(store.tasks) == [first, third, fourth]
