"""5.5: events go through sharded Pub/Sub, and none is lost on the way."""

import pytest
import redis

from workshop.processes import running
from workshop.testing import eventually

ONE_WORKER = "gunicorn -k gevent -w 1 -b 127.0.0.1:$PORT app:app"
SETTINGS = {"JOB_PACE": "0.2", "HEARTBEAT_SECONDS": "1"}
UPDATES = ("progress", "complete")


@pytest.fixture(scope="module")
def step(folder):
    with running(folder, env=SETTINGS, commands={"web": ONE_WORKER}) as step:
        yield step


@pytest.fixture
def store(step):
    with redis.Redis.from_url(step.redis_url, decode_responses=True) as store:
        yield store


def test_a_stream_listens_to_a_shard_channel_and_to_no_other(person, store):
    task_id = person.task_id("optimize")
    events = person.listen(f"task_ids={task_id}")
    next(events)
    sharded = store.pubsub_shardchannels("task_progress:*")
    assert sharded, "subscribe with SSUBSCRIBE: no channel of a user is a shard channel"
    assert store.pubsub_channels("task_progress*") == [], "some channels are not sharded yet"
    *_, (_, type, _) = events
    assert type == "complete"
    eventually(lambda: store.pubsub_shardchannels("task_progress:*") == [])


def test_every_event_arrives_live_and_in_order(person, store):
    task_id = person.task_id("optimize")
    arrived = ids(person.listen(f"task_ids={task_id}"))
    assert arrived == buffered(store)[-len(arrived) :]
    assert len(arrived) > 5
    assert store.info("commandstats")["cmdstat_spublish"]["calls"] >= len(arrived)


def test_no_event_is_lost_with_a_subscription(person, store):
    task_id = person.task_id("worksheets", sample="yes")
    events = []
    for event in person.listen(f"task_ids={task_id}"):
        events.append(event)
        if event[1] == "progress" and len(events) % 3 == 1:
            store.client_kill_filter(_type="pubsub")
    assert events[-1][1] == "complete"
    arrived = ids(events)
    assert arrived == buffered(store)[-len(arrived) :]


def ids(events):
    return [id for id, type, _ in events if type in UPDATES]


def buffered(store):
    """The ids in the buffer that has the newest event."""
    newest = max(store.keys("task_events:*"), key=lambda key: store.xrevrange(key, count=1)[0][0])
    return [id for id, _ in store.xrange(newest)]
