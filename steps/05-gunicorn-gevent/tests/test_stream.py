"""What a stream says: from which event on, about which tasks, and when it ends."""

import contextlib
import re
import signal
import time

import httpx
import psutil
import pytest
import redis

from workshop.testing import Person, eventually

JOB_PACE = 0.2
HEARTBEAT_SECONDS = 0.5
NEWS = ("progress", "complete", "error", "cancelled")


@pytest.fixture
def store(step):
    with redis.Redis.from_url(step.redis_url, decode_responses=True) as store:
        yield store


@pytest.fixture
def done(person):
    """A task that has ended, and the ids of its events."""
    task_id = person.task_id("optimize")
    assert person.ended(task_id)["state"] == "SUCCESS"
    return task_id


def buffered(store):
    """The ids in the one buffer that this test has filled."""
    return [id for id, _ in store.xrange(buffer_of(store))]


def buffer_of(store):
    return max(store.keys("task_events:*"), key=lambda key: store.xrevrange(key, count=1)[0][0])


def news(events):
    return [(id, data) for id, type, data in events if type in NEWS]


def test_every_event_has_the_id_under_which_the_buffer_keeps_it(person, store):
    task_id = person.task_id("optimize")
    events = news(person.listen(f"task_ids={task_id}"))
    kept = buffered(store)
    assert [id for id, _ in events] == kept[-len(events) :]
    assert events[-1][1]["state"] == "SUCCESS"


@pytest.mark.parametrize("way", ["header", "query"])
def test_who_comes_back_hears_what_was_missed_and_nothing_twice(person, store, done, way):
    first, *missed = buffered(store)
    how = {"header": ("", {"Last-Event-ID": first}), "query": (f"&last_event_id={first}", {})}
    query, headers = how[way]
    assert [id for id, _ in news(person.listen(f"task_ids={done}{query}", **headers))] == missed


def test_the_header_is_newer_than_the_query(person, store, done):
    first, *_, before_last, last = buffered(store)
    query = f"all=true&last_event_id={first}"
    assert [id for id, _ in news(person.listen(query, **{"Last-Event-ID": before_last}))] == [last]


def test_when_all_is_told_it_is_204(person, store, done):
    last = buffered(store)[-1]
    for query in (f"task_ids={done}", "all=true", ""):
        answer = person.get(f"/tasks/stream?{query}", headers={"Last-Event-ID": last})
        assert (answer.status_code, answer.content) == (204, b"")


def test_who_has_no_tasks_is_told_so_at_once(person):
    assert person.get("/tasks/stream?all=true").status_code == 204


@pytest.mark.parametrize("fate", ["trimmed", "expired"])
def test_what_the_buffer_no_longer_has_is_a_reset_and_a_snapshot(person, store, done, fate):
    other = person.task_id("optimize")
    person.ended(other)
    first = buffered(store)[0]
    key = buffer_of(store)
    if fate == "trimmed":
        store.xtrim(key, maxlen=3, approximate=False)
    else:
        store.pexpire(key, 1)
        eventually(lambda: not store.exists(key))
    events = list(person.listen("all=true", **{"Last-Event-ID": first}))
    assert [type for _, type, _ in events] == ["reset", "complete", "complete"]
    assert {data["task_id"] for _, _, data in events[1:]} == {done, other}
    # Only the end of a snapshot has an id: who is cut off before gets all of it again.
    last = events[-1][0]
    assert [id for id, _, _ in events] == ["", "", last]
    assert person.get("/tasks/stream", headers={"Last-Event-ID": last}).status_code == 204


def test_after_a_flush_there_is_nothing_to_follow(person, store, done):
    first = buffered(store)[0]
    store.flushall()
    assert person.get(f"/tasks/stream?task_ids={done}").status_code == 404
    assert person.get("/tasks/stream", headers={"Last-Event-ID": first}).status_code == 204
    assert person.get("/tasks").json() == {"tasks": []}


@pytest.mark.slow
def test_a_flush_under_an_open_stream_ends_it_in_a_while(start_step):
    alone = start_step(commands={"worker": None})
    with Person(alone.url) as person, redis.Redis.from_url(alone.redis_url) as store:
        person.task_id("optimize")
        events = person.listen()
        next(events)
        store.flushall()
        types = [type for _, type, _ in events]
        assert set(types) == {"heartbeat"}
        assert person.head("/tasks/stream").status_code == 204  # when its browser comes back


def test_a_reset_while_the_task_runs_goes_on_with_its_events(person, store):
    task_id = person.task_id("worksheets", sample="yes")
    eventually(lambda: len(buffered(store)) > 3)
    first = buffered(store)[0]
    store.delete(buffer_of(store))
    events = list(person.listen("all=true", **{"Last-Event-ID": first}))
    assert events[0][1] == "reset"
    assert [id for id, _ in news(events)[1:]] == buffered(store)[1 - len(news(events)) :]
    assert events[-1][2]["task_id"] == task_id
    assert events[-1][1] == "complete"


def test_a_last_event_id_that_is_no_id_is_ignored(person, done):
    for bad in ("no id", "ä", "1-", "-1", "9" * 40 + "-1", "²-²", "1-1%0A", "' OR 1=1"):
        types = [type for _, type, _ in person.listen(f"task_ids={done}&last_event_id={bad}")]
        assert types == ["complete"], bad


def test_an_id_from_the_future_or_of_another_user_is_a_reset(step, person, store, done):
    with Person(step.url) as other:
        other.ended(other.task_id("optimize"))
        theirs = buffered(store)[0]
    for id in (theirs, "9999999999999-0", "9999999999999999999-0"):
        types = [type for _, type, _ in person.listen("all=true", **{"Last-Event-ID": id})]
        assert types == ["reset", "complete"]


def test_only_the_tasks_that_were_asked_for(person):
    tasks = [person.task_id("optimize") for _ in range(3)]
    events = news(person.listen(f"task_ids={tasks[0]},{tasks[2]},{tasks[0]}"))
    assert {data["task_id"] for _, data in events} == {tasks[0], tasks[2]}
    assert len({id for id, _ in events[1:]}) == len(events[1:])


def test_a_stream_of_all_takes_up_a_task_that_starts_later(person):
    first = person.task_id("optimize")
    second = None
    ended = []
    for _, type, data in person.listen("all=true"):
        if second is None and data.get("progress"):
            second = person.task_id("optimize")
        if type == "complete":
            ended.append(data["task_id"])
    assert ended == [first, second]


def test_heartbeats_follow_the_clock_even_if_the_stream_has_nothing_else_to_say(step, start_step):
    alone = start_step(commands={"worker": None})
    with Person(alone.url) as person, contextlib.closing(person.listen()) as events:
        person.task_id("optimize")
        types = [type for _, type, _ in (next(events) for _ in range(4))]
        assert types == ["progress", "heartbeat", "heartbeat", "heartbeat"]


def test_a_heartbeat_tells_the_time_and_how_far_the_stream_is(person, store):
    task_id = person.task_id("worksheets", sample="yes")
    events = person.listen(f"task_ids={task_id}")
    id, _, beat = next(event for event in events if event[1] == "heartbeat")
    events.close()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.\d{3}\+00:00", beat["time"])
    assert id in buffered(store)


def test_head_subscribes_to_nothing(person, store):
    person.task_id("worksheets", sample="yes")
    eventually(lambda: store.pubsub_channels("task_progress:*") == [])  # of the tests before
    for _ in range(3):
        answer = person.head("/tasks/stream?all=true")
        assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert store.pubsub_channels("task_progress:*") == []


def test_a_client_that_left_is_forgotten(person, store):
    person.task_id("worksheets", sample="yes")
    eventually(lambda: store.pubsub_channels("task_progress:*") == [])  # of the tests before
    events = person.listen()
    next(events)
    assert len(store.pubsub_channels("task_progress:*")) == 1
    events.close()
    eventually(lambda: store.pubsub_channels("task_progress:*") == [])


def test_a_lost_subscription_is_made_up_for(person, store):
    task_id = person.task_id("worksheets", sample="yes")
    events = []
    for event in person.listen(f"task_ids={task_id}"):
        events.append(event)
        if event[1] == "progress" and len(events) % 3 == 1:
            store.client_kill_filter(_type="pubsub")
    ids = [id for id, _ in news(events)]
    assert events[-1][1] == "complete"
    assert ids == buffered(store)[-len(ids) :]


@pytest.mark.parametrize("seconds", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_a_stream_outlives_seconds_without_redis(person, store, seconds):
    task_id = person.task_id("optimize")
    events = person.listen(f"task_ids={task_id}")
    seen = [next(events)]
    server = psutil.Process(store.info("server")["process_id"])
    server.suspend()
    try:
        resumed = time.monotonic() + seconds
        while time.monotonic() < resumed:
            seen.append(next(events))  # heartbeats go on
    finally:
        server.send_signal(signal.SIGCONT)
    seen += events
    ids = [id for id, _ in news(seen)]
    assert seen[-1][1] == "complete"
    assert ids == buffered(store)[-len(ids) :]


@pytest.mark.slow
def test_while_redis_is_away_a_new_stream_is_refused_in_json(step, person, store):
    task_id = person.task_id("worksheets", sample="yes")
    server = psutil.Process(store.info("server")["process_id"])
    server.suspend()
    try:
        answer = httpx.get(f"{step.url}/tasks/stream", cookies=person.cookies, timeout=20)
    finally:
        server.send_signal(signal.SIGCONT)
    assert (answer.status_code, answer.json()["error"]) == (503, "Redis is away.")
    assert answer.headers["Retry-After"]
    assert person.ended(task_id)["state"] == "SUCCESS"
