"""No event is missing, doubled or out of order, whatever happens to clients, connections and the
buffer."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
import redis
from httpx_sse import EventSource

from workshop.testing import Person, eventually

pytestmark = pytest.mark.slow
JOB_PACE = 0.1
HEARTBEAT_SECONDS = 1
CLIENTS, KILLS, KEPT = 8, 50, 10
STREAM = "/tasks/stream?all=true"


def test_clients_come_and_go_while_subscriptions_are_killed_and_the_buffer_is_trimmed(
    step, start_step
):
    """Two workers publish in eight processes."""
    start_step(redis_url=step.redis_url, commands={"web": None})
    over = threading.Event()
    with (
        Person(step.url) as person,
        redis.Redis.from_url(step.redis_url, decode_responses=True) as store,
        ThreadPoolExecutor(CLIENTS + 1) as pool,
    ):
        person.task_id("optimize")
        (buffer,) = eventually(lambda: store.keys("task_events:*"))
        published = Published(store, buffer)
        disturbed = pool.submit(disturb, person, store, published, over)
        clients = [pool.submit(follow, person, seed, over) for seed in range(CLIENTS)]
        try:
            trims = disturbed.result()
        finally:
            over.set()
        received = [client.result() for client in clients]
        published.read()
    assert trims > 10
    assert any(len(stretches) > 1 for stretches in received), "no client was reset"
    for stretches in received:
        for ids in stretches:
            start = published.ids.index(ids[0])
            assert ids == published.ids[start : start + len(ids)]
        assert stretches[-1][-1] == published.ids[-1]


class Published:
    """The ids of all events, noted before the buffer is trimmed."""

    def __init__(self, store, buffer):
        self.store, self.buffer, self.ids = store, buffer, []

    def read(self):
        last = self.ids[-1] if self.ids else "-"
        entries = self.store.xrange(self.buffer, min=f"({last}" if self.ids else last)
        self.ids += [id for id, _ in entries]
        return len(self.ids)

    def trim(self):
        """Leaves the newest events. Whatever is published meanwhile is newer than these."""
        self.read()
        if len(self.ids) > KEPT:
            self.store.xtrim(self.buffer, minid=self.ids[-KEPT], approximate=False)
        return len(self.ids) > KEPT


def disturb(person, store, published, over):
    """Starts tasks, kills subscriptions and trims the buffer. Returns how often it was trimmed."""
    chance, trims = random.Random(0), 0
    for _ in range(KILLS):
        person.start("optimize")  # nine events, unless it is refused because many wait already
        store.client_kill_filter(_type="pubsub")
        wanted = len(published.ids) + chance.randint(1, 9)
        eventually(lambda wanted=wanted: published.read() >= wanted)
        trims += published.trim()
    tasks = [task["task_id"] for task in person.get("/tasks").json()["tasks"]]
    for task_id in tasks:
        assert person.ended(task_id)["state"] == "SUCCESS"
    return trims


def follow(person, seed, over):
    """The ids that a client received, over many connections. A reset begins a new stretch."""
    chance, stretches, last_id = random.Random(seed), [[]], ""
    with Person(str(person.base_url), cookies=person.cookies) as client:
        while not (nothing_is_left(client, last_id) and over.wait(0.1)):
            for type, id in some_events(client, last_id, chance.randint(1, 150)):
                if type == "reset":
                    stretches.append([])
                elif id and id != last_id:  # of a snapshot, only the last event has one
                    stretches[-1].append(id)
                    last_id = id
            over.wait(
                chance.choice([0, 0, 1])
            )  # then it comes back immediately, or too late for the buffer
    return [stretch for stretch in stretches if stretch]


def some_events(client, last_id, most):
    """(type, id) of events until the stream ends, or until the client has so many."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with client.stream("GET", STREAM, headers=headers) as response:
        if response.status_code != 204:
            events = EventSource(response).iter_sse()
            yield from ((event.event, event.id) for event in islice(events, most))


def nothing_is_left(client, last_id):
    return client.head(STREAM, headers={"Last-Event-ID": last_id}).status_code == 204
