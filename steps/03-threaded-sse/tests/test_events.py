"""Streams: which events each one gets, what a slow one loses, and when it ends."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from itertools import chain
from threading import Thread

import pytest

import events
import store
import tasks
from workshop.testing import eventually

USER = "the user of these tests"
RUN = f"{os.getppid()}-run"  # of a process that lives


@pytest.fixture
def task():
    return new_task()


@pytest.fixture
def eager_threads():
    """Threads take turns so often that a missing lock shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.01)


@pytest.fixture
def follow():
    """Opens a stream of these tasks, and returns its batches. None is left open."""
    with contextlib.ExitStack() as streams:

        def batches(*tasks):
            task_ids = {task["task_id"] for task in tasks}
            stream = streams.enter_context(
                contextlib.closing(events.Stream(USER, task_ids or None))
            )
            return iter(stream)

        yield batches
    assert events.streams == {}


def new_task():
    return store.get(store.create(USER, "optimize", {}, None))


def progress(task, number):
    assert events.publish(task, state="PROGRESS", progress=number)


def progress_in(batch):
    return [json.loads(event.data)["progress"] for event in batch]


def test_a_late_stream_starts_with_a_snapshot(task, follow):
    progress(task, 30)
    batches = follow(task)
    assert progress_in(next(batches)) == [30]
    progress(task, 60)
    assert progress_in(next(batches)) == [60]


def test_a_batch_is_empty_after_a_second_of_silence(task, quick, follow):
    batches = follow(task)
    next(batches)
    assert next(batches) == []


def test_all_streams_get_every_event(task, follow):
    streams = [follow(task) for _ in range(3)]
    for batches in streams:
        next(batches)
    progress(task, 50)
    assert [progress_in(next(batches)) for batches in streams] == [[50], [50], [50]]


def test_a_stream_gets_only_the_tasks_that_it_wants(task, follow):
    other = new_task()
    batches = follow(task)
    next(batches)
    progress(other, 10)
    progress(task, 20)
    assert progress_in(next(batches)) == [20]


def test_a_stream_of_all_takes_up_a_task_that_starts_later(task, follow):
    batches = follow()
    next(batches)
    other = new_task()
    progress(other, 10)
    assert next(batches)[0].task_id == other["task_id"]


def test_a_slow_stream_gets_a_snapshot_and_delays_no_other(task, follow):
    slow, quick = follow(task), follow(task)
    next(slow), next(quick)
    for number in range(events.MAX_WAITING + 10):
        progress(task, number)
        assert progress_in(next(quick)) == [number]
    assert progress_in(next(slow)) == [events.MAX_WAITING + 9]


def test_an_overflow_never_loses_the_event_that_ends_a_task(task, follow):
    other = new_task()
    batches = follow(task, other)
    next(batches)
    events.publish(task, state="FAILURE")
    for number in range(events.MAX_WAITING):
        progress(other, number)
    events.publish(other, state="FAILURE")
    ended = [event.task_id for event in chain.from_iterable(batches) if event.type == "error"]
    assert sorted(ended) == sorted([task["task_id"], other["task_id"]])


def test_a_stream_of_tasks_that_have_ended_sends_them_and_ends(task, follow):
    events.publish(task, state="SUCCESS")
    batches = follow(task)
    assert [event.type for event in chain.from_iterable(batches)] == ["complete"]


def test_nothing_is_missing_for_streams_that_join_while_it_goes_on(task, eager_threads, follow):
    received = []

    def listen():
        received.append(progress_in(chain.from_iterable(follow(task))))

    threads = []
    for number in range(1, 51):
        threads.append(Thread(target=listen))
        threads[-1].start()
        progress(task, number)
    events.publish(task, state="FAILURE", progress=100)
    for thread in threads:
        thread.join(20)
    assert len(received) == 50
    for first, *others in received:
        assert [first, *others] == [*range(first, 51), 100][: len(others) + 1]
        assert [first, *others][-1] == 100


def test_a_task_that_has_ended_stays_ended(task):
    assert events.publish(task, state="PROGRESS", progress=50)
    assert events.publish(task, state="CANCELLED")
    assert not events.publish(task, state="PROGRESS", progress=60)
    assert not events.publish(task, state="FAILURE")
    assert events.status(store.get(task["task_id"]))["state"] == "CANCELLED"


def test_a_job_stops_at_the_update_after_it_was_cancelled(task, monkeypatch):
    updates = []

    def run(_):
        for number in range(5):
            updates.append(number)
            tasks.cancel(task)
            yield tasks.jobs.Update(number, "", "", number, 5)

    monkeypatch.setattr(tasks.jobs.KINDS["optimize"], "run", run)
    tasks.run(task, RUN)
    assert updates == [0]
    assert events.status(store.get(task["task_id"]))["state"] == "CANCELLED"


def test_a_task_whose_thread_has_ended_is_lost(task):
    assert events.publish(task, **tasks.STARTED)
    for run in (ended_process(), f"{os.getpid()}-a thread that is not there"):
        store.begin_run(task, run)
        state = events.status(store.get(task["task_id"]))
        assert (state["state"], state["stage"]) == ("FAILURE", "lost")
        assert state["hint"]
    store.begin_run(task, RUN)
    assert events.status(store.get(task["task_id"]))["state"] == "PROGRESS"


def ended_process():
    """A run of a process that is gone."""
    process = subprocess.Popen(["true"])
    process.wait()
    return f"{process.pid}-run"


def test_a_job_that_raises_ends_in_words_for_people(monkeypatch):
    logged = []
    monkeypatch.setattr(threading, "excepthook", logged.append)
    task_id = store.create(USER, "nonsense", {}, None)
    tasks.start(task_id)
    ended = eventually(lambda: (state := state_of(task_id))["state"] == "FAILURE" and state)
    assert ended["error"] == "There is no kind of job 'nonsense'."
    assert ended["hint"]
    eventually(lambda: [error.exc_type for error in logged] == [tasks.jobs.BadInput])


def test_an_unexpected_error_is_shown_without_its_details(task, monkeypatch):
    def run(_):
        raise RuntimeError("secret")
        yield

    monkeypatch.setattr(tasks.jobs.KINDS["optimize"], "run", run)
    with pytest.raises(RuntimeError, match="secret"):  # for the log
        tasks.run(task, RUN)
    state = state_of(task["task_id"])
    assert state["error"] == "The job failed."
    assert "secret" not in str(state)


def state_of(task_id):
    return events.status(store.get(task_id))
