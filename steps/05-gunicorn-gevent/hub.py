"""One subscription for all streams of a process. The hub reads it, and hands out the messages."""

import logging
import os
import random
import time
from threading import Thread

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry

import page
import store

RING = b""  # a message that only says: read the buffer
HEARTBEAT_SECONDS = min(30, float(os.environ.get("HEARTBEAT_SECONDS", "15")))
MAX_STREAMS = int(os.environ.get("MAX_STREAMS", "10000"))  # of this process
MAX_STREAMS_OF_USER = int(os.environ.get("MAX_STREAMS_OF_USER", "20"))
TICK = 0.05  # seconds, after which the reader looks for streams that have joined or left
MOST_PINGS = 100  # without an answer: 5 s, because redis-py sends one at each tick
# Nothing is published here. The reader subscribes to it first, because a SUBSCRIBE that is sent
# while redis-py still connects can be lost.
CONTROL = b"task_progress"

log = logging.getLogger(__name__)
redis = Redis.from_url(
    store.REDIS_URL,
    socket_connect_timeout=1,
    health_check_interval=30,
    retry=Retry(NoBackoff(), 1),
)


class Hub:
    """Only the reader may touch the subscription. A stream that joins or leaves puts its channel
    into `changed`, and the reader subscribes or unsubscribes for it.

    Under gevent the threads are greenlets. They switch only where they wait, so no lock is needed.
    """

    def __init__(self):
        self.bells = {CONTROL: set()}  # by channel
        self.changed = set()  # channels that got their first bell, or lost their last
        self.subscribed = set()
        self.streams = 0
        self.started = self.stopping = False

    def join(self, bell):
        if self.streams >= MAX_STREAMS:
            error = "The server has no room for another stream."
            hint = "Ask GET /tasks in the meantime, and try again later."
            raise page.Refused(503, error, hint, retry_after=5)
        if len(self.bells.get(bell.channel, ())) >= MAX_STREAMS_OF_USER:
            error = f"You have {MAX_STREAMS_OF_USER} streams here already."
            hint = "One stream follows all of your tasks: close the others."
            raise page.Refused(429, error, hint, retry_after=5)
        self.start()
        self.streams += 1
        self.bells.setdefault(bell.channel, set()).add(bell)
        if bell.channel in self.subscribed:
            bell.ring()
        else:
            self.changed.add(bell.channel)  # the acknowledgement will ring

    def leave(self, bell):
        bells = self.bells.get(bell.channel, set())
        if bell in bells:
            self.streams -= 1
            bells.remove(bell)
            if not bells:
                del self.bells[bell.channel]
                self.changed.add(bell.channel)

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
            except Exception:  # the reader must survive every error
                log.exception("the subscription is lost for a moment")
                time.sleep(random.uniform(0.2, 1))

    def read_from(self, pubsub):
        with pubsub:
            self.changed, self.subscribed = set(self.bells), set()
            while True:
                self.subscribe(pubsub)
                self.receive(pubsub.get_message(timeout=TICK))
                if pubsub.health_check_response_counter > MOST_PINGS:
                    raise ConnectionError("Redis does not answer")

    def subscribe(self, pubsub):
        changed, self.changed = self.changed, set()
        joined = {channel for channel in changed if channel in self.bells}
        left = changed - joined
        # Before anything that waits, so that a stream that joins in the meantime sees it.
        self.subscribed -= left
        if joined:
            pubsub.subscribe(*joined)
        if left:
            pubsub.unsubscribe(*left)

    def receive(self, message):
        if not message:
            return
        channel = message["channel"]
        if message["type"] == "message":
            self.hand_out(channel, message["data"])
        elif message["type"] == "subscribe" and channel in self.bells:
            self.subscribed.add(channel)
            self.hand_out(channel, RING)  # messages may have been missed until now
        elif message["type"] == "subscribe":
            # After a lost connection, redis-py subscribes again to channels that no stream uses.
            self.changed.add(channel)

    def hand_out(self, channel, message):
        for bell in self.bells.get(channel, ()):
            bell.put(message)

    def beat(self):
        """One clock for all heartbeats. The streams joined at different times, so they are not all
        written to at the same time."""
        while True:
            time.sleep(min(1, HEARTBEAT_SECONDS / 4))
            now = time.monotonic()
            for bells in self.bells.values():
                for bell in bells:
                    if bell.next_beat <= now and bell.flag:  # without a flag, it is writing
                        bell.next_beat = now + HEARTBEAT_SECONDS
                        bell.wake()

    def stop(self):
        """Ends all streams. Their browsers reconnect after the time in their `retry:`."""
        self.stopping = True
        for bells in self.bells.values():
            for bell in bells:
                bell.wake()


hub = Hub()
