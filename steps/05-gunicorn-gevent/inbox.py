"""Where messages wait for one stream; a hub hands them out, with one Redis connection for all."""

import logging
import os
import random
import time
from threading import Event as Bell
from threading import Thread

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry

import metrics
import store
from sse import Event

GAP, HEARTBEAT = "gap", "heartbeat"
HEARTBEAT_SECONDS = min(30, float(os.environ.get("HEARTBEAT_SECONDS", "15")))
MAX_STREAMS = int(os.environ.get("MAX_STREAMS", "10000"))  # in this process
MAX_STREAMS_OF_USER = int(os.environ.get("MAX_STREAMS_OF_USER", "20"))
MAX_WAITING = 100
MOST_PINGS = 100  # without an answer: the hub sends one every 0.05 s, after 30 s of silence
# Nobody publishes here: it is subscribed from the start, so that the connection is there before
# the first stream. What is subscribed while redis-py still connects can be lost.
CONTROL = b"task_progress"

log = logging.getLogger(__name__)
redis = Redis.from_url(
    store.REDIS_URL,
    socket_connect_timeout=1,
    health_check_interval=30,
    retry=Retry(NoBackoff(), 1),
)


class Refused(Exception):
    """There is no room for this stream."""

    def __init__(self, status: int, error: str, hint: str):
        super().__init__(error)
        metrics.REFUSED.labels(status).inc()
        self.status, self.error, self.hint = status, error, hint


class Inbox:
    """What arrives for a user: events, a HEARTBEAT by the clock, and a GAP wherever events may
    have been missed. Joins the hub at once, and raises Refused if that is full."""

    __slots__ = ("bell", "channel", "next_beat", "waiting")

    def __init__(self, user: str):
        self.channel = channel(user).encode()
        self.next_beat = time.monotonic() + HEARTBEAT_SECONDS
        self.waiting = []
        self.bell = None  # there only while somebody waits
        hub.join(self)

    def put(self, item):
        """Called by the hub, so it never blocks. Who is too slow starts again from the buffer."""
        if len(self.waiting) < MAX_WAITING:
            self.waiting.append(item)
        else:
            self.waiting = [GAP]
            metrics.OVERFLOWS.inc()
        self.ring()

    def ring(self):
        if self.bell:
            self.bell.set()

    def wait(self) -> list:
        """All that has come since the last time: at least one. When the process is asked to stop,
        raises StopIteration, which ends the Listener that asks."""
        if not self.waiting:
            self.pause(None)
        if hub.stopping:
            raise StopIteration
        items, self.waiting = self.waiting, []
        if GAP in items:
            metrics.GAPS.inc()
        return items

    def pause(self, seconds):
        """For so long, or until something more arrives. Raises StopIteration as wait() does."""
        if not hub.stopping:
            self.bell = Bell()
            self.bell.wait(seconds)
            self.bell = None
        if hub.stopping:
            raise StopIteration

    def close(self):
        hub.leave(self)


class Hub:
    """Hands out what it reads from one subscription. Only the thread that reads may touch that:
    those who join or leave put a name into a set, and the reader subscribes for them.

    Under gevent the threads are greenlets, which take turns only where they wait: no lock is
    needed.
    """

    def __init__(self):
        self.inboxes = {CONTROL: set()}
        self.changed = set()  # channels that were joined first, or left last
        self.subscribed = set()
        self.streams = 0
        self.started = self.stopping = False

    def join(self, inbox):
        if self.streams >= MAX_STREAMS:
            raise Refused(
                503,
                "The server has no room for another stream.",
                "Ask GET /tasks meanwhile, and try again later.",
            )
        if len(self.inboxes.get(inbox.channel, ())) >= MAX_STREAMS_OF_USER:
            raise Refused(
                429,
                f"You have {MAX_STREAMS_OF_USER} streams here already.",
                "One stream follows all of your tasks: close the others.",
            )
        self.start()
        self.streams += 1
        metrics.STREAMS.inc()
        self.inboxes.setdefault(inbox.channel, set()).add(inbox)
        if inbox.channel in self.subscribed:
            inbox.put(GAP)
        else:
            self.changed.add(inbox.channel)

    def leave(self, inbox):
        inboxes = self.inboxes.get(inbox.channel, set())
        if inbox in inboxes:
            self.streams -= 1
            metrics.STREAMS.dec()
            inboxes.remove(inbox)
            if not inboxes:
                del self.inboxes[inbox.channel]
                self.changed.add(inbox.channel)

    def start(self):
        """With the first stream: neither gunicorn's master nor a Celery worker needs a hub."""
        if not self.started:
            self.started = True
            Thread(target=self.read, daemon=True).start()
            Thread(target=self.beat, daemon=True).start()

    def read(self):
        while True:
            try:
                self.read_from(redis.pubsub())
            except Exception:
                log.exception("no news from Redis for a moment")
                time.sleep(random.uniform(0.2, 1))

    def read_from(self, pubsub):
        with pubsub:
            self.changed, self.subscribed = set(self.inboxes), set()
            while True:
                self.subscribe(pubsub)
                self.receive(pubsub.get_message(timeout=0.05))
                if pubsub.health_check_response_counter > MOST_PINGS:
                    raise ConnectionError("Redis does not answer")

    def subscribe(self, pubsub):
        changed, self.changed = self.changed, set()
        here, gone = changed & self.inboxes.keys(), changed - self.inboxes.keys()
        self.subscribed -= gone  # before anything that waits: who joins meanwhile has to see it
        if here:
            pubsub.subscribe(*here)
        if gone:
            pubsub.unsubscribe(*gone)

    def receive(self, message):
        if message and message["type"] == "subscribe":
            # Where nobody is left, redis-py has subscribed again by itself: to be left once more.
            known = self.subscribed if message["channel"] in self.inboxes else self.changed
            known.add(message["channel"])
            self.give(message["channel"], GAP)
        elif message and message["type"] == "message":
            event = parsed(message["data"])
            metrics.LAG.observe(time.time() - int(event.id.split("-")[0]) / 1000)
            metrics.DELIVERED.inc(len(self.inboxes.get(message["channel"], ())))
            self.give(message["channel"], event)

    def give(self, channel, item):
        for inbox in list(self.inboxes.get(channel, ())):
            inbox.put(item)

    def beat(self):
        """One clock for all; as they joined at different times, they are not written at once."""
        while True:
            time.sleep(min(1, HEARTBEAT_SECONDS / 4))
            now = time.monotonic()
            for inbox in [inbox for inboxes in list(self.inboxes.values()) for inbox in inboxes]:
                if inbox.next_beat <= now:
                    inbox.next_beat = now + HEARTBEAT_SECONDS
                    inbox.put(HEARTBEAT)

    def stop(self):
        """Ends all streams. Their browsers come back, after the pause that each was told."""
        self.stopping = True
        for inboxes in list(self.inboxes.values()):
            for inbox in inboxes:
                inbox.ring()


hub = Hub()


def channel(user: str) -> str:
    return f"task_progress:{user}"


def parsed(message: bytes) -> Event:
    """'id type task_id data', as events.publish() sends it."""
    id, type, task_id, data = message.decode().split(" ", 3)
    return Event(id, type, data, task_id)
