"""The rules of events.py: which updates are accepted, what is read, and when a stream is over."""

import json
import time
from threading import Event, Thread

import pytest

import events
import store

USER = "the user of these tests"


@pytest.fixture
def task():
    store.redis.flushall()
    return new_task()


def new_task():
    task = store.get(store.create(USER, "optimize", {}, None))
    store.stop_waiting(USER, task["task_id"])  # there is no worker that would take it
    assert events.publish(task)  # 'queued'
    return task


def progress(task, number):
    assert events.publish(task, state="PROGRESS", progress=number)


def ids():
    return [id.decode() for id, _ in store.redis.xrange(events.buffer(USER))]


def progress_in(these):
    return [json.loads(event.data)["progress"] for event in these]


class TestPublish:
    def test_the_state_of_a_task_is_the_data_of_its_last_event(self, task):
        progress(task, 10)
        _, fields = store.redis.xrevrange(events.buffer(USER), count=1)[0]
        assert fields[b"state"].decode() == store.get(task["task_id"])["state"] == task["state"]

    def test_a_run_that_was_replaced_is_refused(self, task):
        old, new = store.get(task["task_id"]), store.get(task["task_id"])
        store.begin_run(old, "old run")
        assert events.publish(old, "old run", state="PROGRESS", progress=10)
        store.begin_run(new, "new run")
        assert not events.publish(old, "old run", progress=20)
        assert events.publish(new, "new run", state="PROGRESS", progress=1)
        assert events.status(store.get(task["task_id"]))["progress"] == 1
        assert len(ids()) == 3

    def test_a_run_goes_on_if_redis_has_lost_the_last_update(self, task):
        store.begin_run(task, "run")
        assert events.publish(task, "run", state="PROGRESS", progress=10)
        before = store.redis.dump(f"task:{task['task_id']}")
        assert events.publish(task, "run", progress=20)
        store.redis.restore(f"task:{task['task_id']}", 0, before, replace=True)
        assert events.publish(task, "run", progress=30)
        assert events.status(store.get(task["task_id"]))["progress"] == 30

    def test_a_task_that_has_ended_stays_ended(self, task):
        store.begin_run(task, "run")
        assert events.publish(task, "run", state="PROGRESS")
        events.end(task["task_id"], state="CANCELLED")
        assert not events.publish(task, "run", progress=10)
        assert not events.publish(store.get(task["task_id"]), progress=10)
        events.end(task["task_id"], state="FAILURE")
        assert events.status(store.get(task["task_id"]))["state"] == "CANCELLED"

    def test_a_task_that_has_expired_is_refused_and_leaves_nothing_behind(self, task):
        fresh = store.get(store.create(USER, "optimize", {}, None))
        for gone in (task, fresh):
            store.forget(USER, gone["task_id"])
            assert not events.publish(gone, state="PROGRESS")
            assert not events.publish(gone, "run", state="PROGRESS")
            events.end(gone["task_id"], state="CANCELLED")
            assert not store.redis.exists(f"task:{gone['task_id']}")

    def test_a_call_that_is_repeated_because_the_reply_was_lost_counts_once(
        self, task, monkeypatch
    ):
        script = events.PUBLISH
        monkeypatch.setattr(events, "PUBLISH", lambda *call: script(*call) and script(*call))
        progress(task, 10)
        progress(task, 20)
        assert len(ids()) == 3

    def test_an_end_from_outside_keeps_the_update_that_came_just_before(self, task, monkeypatch):
        store.begin_run(task, "run")
        script, updates = events.PUBLISH, []

        def just_before_the_end(*call):
            monkeypatch.setattr(events, "PUBLISH", script)
            updates.append(events.publish(task, "run", state="PROGRESS", progress=70))
            return script(*call)

        monkeypatch.setattr(events, "PUBLISH", just_before_the_end)
        events.end(task["task_id"], state="CANCELLED")
        state = events.status(store.get(task["task_id"]))
        assert (updates, state["state"], state["progress"]) == ([True], "CANCELLED", 70)

    def test_the_time_of_an_update_never_goes_back(self, task, monkeypatch):
        monkeypatch.setattr(events, "time_now", lambda: "2000-01-01T00:00:00.000+00:00")
        progress(task, 10)
        times = [json.loads(fields[b"state"])["updated_at"] for _, fields in entries()]
        assert times == sorted(times)

    def test_an_event_that_is_too_large_is_refused_unless_it_is_the_last(self, task):
        with pytest.raises(events.jobs.JobError, match="too large"):
            events.publish(task, message="x" * events.MAX_EVENT)
        assert events.publish(task, state="FAILURE", message="x" * events.MAX_EVENT)


class TestRead:
    def test_a_large_buffer_is_read_page_by_page(self, task):
        for number in range(250):
            progress(task, number)
        pages, last_id = [], ids()[0]
        while page := events.read(USER, last_id):
            pages.append(page)
            last_id = page[-1].id
        assert [len(page) for page in pages] == [99, 99, 52]
        assert progress_in(event for page in pages for event in page) == list(range(250))

    def test_nothing_is_after_the_newest_and_a_gap_is_none(self, task):
        progress(task, 10)
        first, last = ids()
        assert progress_in(events.read(USER, first)) == [10]
        assert events.read(USER, last) == []
        store.redis.xdel(events.buffer(USER), first)
        for unknown in (first, "9999999999999-0", events.EMPTY, "no id", None):
            assert events.read(USER, unknown) is None
        store.redis.delete(events.buffer(USER))
        assert events.read(USER, events.EMPTY) == []

    def test_the_id_of_a_snapshot_fits_its_states_while_updates_go_on(self, task):
        """Each update is in the snapshot, or after its id, and never in both."""
        stop = Event()

        def publish():
            number = 0
            while not stop.is_set():
                progress(task, number := number + 1)

        publisher = Thread(target=publish)
        publisher.start()
        try:
            deadline = time.monotonic() + 20
            for _ in range(200):
                (event,) = events.snapshot(USER, None)
                (_, fields), *_ = store.redis.xrange(events.buffer(USER), min=event.id, count=1)
                assert fields[b"state"].decode() == event.data
                assert time.monotonic() < deadline
        finally:
            stop.set()
            publisher.join(10)

    def test_a_task_that_is_added_during_a_snapshot_is_in_it_or_after_it(self, task, monkeypatch):
        ids_of, added = store.ids_of, []

        def ids_just_before_a_new_task(*arguments):
            ids = ids_of(*arguments)
            if not added:
                added.append(new_task())
            return ids

        monkeypatch.setattr(store, "ids_of", ids_just_before_a_new_task)
        snapshot = events.snapshot(USER, None)
        received = [*snapshot, *events.read(USER, snapshot[-1].id)]
        assert sorted(event.task_id for event in received) == sorted(ids_of(USER))

    def test_only_the_last_event_of_a_snapshot_has_an_id(self, task):
        for _ in range(2):
            new_task()
        assert [event.id for event in events.snapshot(USER, None)] == [None, None, ids()[-1]]
        assert [event.id for event in events.snapshot(USER, {task["task_id"]})] == [ids()[-1]]


class TestIsOver:
    def test_when_all_has_been_sent_that_the_stream_wants(self, task):
        other = new_task()
        wanted = {task["task_id"]}
        assert not events.is_over(USER, wanted, ids()[-1])
        events.publish(task, state="SUCCESS")
        before_end, end = ids()[-2:]
        for number in range(2 * events.PAGE_SIZE):  # events that the stream doesn't want
            progress(other, number)
        assert not events.is_over(USER, wanted, None)
        assert not events.is_over(USER, wanted, before_end)
        assert events.is_over(USER, wanted, end)
        assert not events.is_over(USER, None, end)
        events.publish(other, state="FAILURE")
        assert events.is_over(USER, None, ids()[-1])

    def test_without_tasks_it_is_over(self, task):
        events.publish(task, state="SUCCESS")
        store.forget(USER, task["task_id"])
        for last_id in (None, ids()[0], ids()[-1]):
            assert events.is_over(USER, None, last_id)


class TestStream:
    @pytest.fixture
    def open_stream(self):
        streams = []

        def opened(*arguments):
            streams.append(events.Stream(USER, *arguments))
            return iter(streams[-1])

        yield opened
        for stream in streams:
            stream.close()

    def test_a_slow_client_receives_all_events_in_pages(self, task, open_stream):
        batches = open_stream(None, ids()[0])
        for number in range(250):
            progress(task, number)
        events.publish(task, state="SUCCESS", progress=250)
        received = list(batches)
        assert progress_in(event for batch in received for event in batch) == list(range(251))
        assert max(len(batch) for batch in received) <= events.PAGE_SIZE

    def test_an_event_costs_no_more_with_twenty_old_tasks(self, task, open_stream):
        costs = []
        for old_tasks in (0, 20):
            for _ in range(old_tasks):
                events.publish(new_task(), state="SUCCESS")
            batches = open_stream(None, None)
            next(batches)
            for number in range(11):
                if number == 1:  # once after the snapshot, it looks whether it is over
                    before = task_reads()
                progress(task, number)
                assert progress_in(next(batches)) == [number]
            costs.append(task_reads() - before)
        assert costs[0] == costs[1] == 10  # of the script that publishes

    def test_ids_are_those_of_the_buffer_and_each_comes_once(self, task, open_stream):
        batches = open_stream(None, ids()[0])
        received = []
        for number in range(5):
            progress(task, number)
            received += next(batches)
        assert [event.id for event in received] == ids()[1:]


def entries():
    return store.redis.xrange(events.buffer(USER))


def task_reads():
    stats = store.redis.info("commandstats")
    reads = ("hget", "hgetall", "hmget", "zrevrange")
    return sum(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"] for command in reads)
