"""Wakes one stream when there is a new event: here through a Redis connection of its own."""

import os
import random
import time

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import MaxConnectionsError
from redis.retry import Retry

import page
import store

HEARTBEAT_SECONDS = min(30, float(os.environ.get("HEARTBEAT_SECONDS", "15")))
MOST_PINGS = 2  # without an answer from Redis, before the connection counts as lost

# A client for the streams alone. redis-py opens at most 100 connections by default, and when the
# streams have taken all of these, store.redis still works for everything else.
redis = Redis.from_url(
    store.REDIS_URL,
    socket_connect_timeout=1,
    health_check_interval=30,
    retry=Retry(NoBackoff(), 1),
)


class Bell:
    """Rings for each new event of a user, and after each new subscription, because events may have
    been missed before it. Subscribes immediately. Raises Refused if there is no room."""

    def __init__(self, user: str):
        self.next_beat = time.monotonic() + HEARTBEAT_SECONDS
        self.rung = False
        self.pubsub = redis.pubsub()
        try:
            self.pubsub.subscribe(channel(user))
        except MaxConnectionsError:
            error = "The server has no room for another stream."
            hint = "Ask GET /tasks in the meantime, and try again later."
            raise page.Refused(503, error, hint, retry_after=5) from None

    def wait(self) -> bool:
        """True: it rings. False: it is time for a heartbeat. Raises RedisError."""
        while not self.rung and (seconds := self.next_beat - time.monotonic()) > 0:
            self.rung = self.receives(timeout=seconds)
        while self.receives(timeout=0):
            self.rung = True  # rings that have piled up are answered together
        rung, self.rung = self.rung, False
        if not rung:
            self.next_beat = time.monotonic() + HEARTBEAT_SECONDS
        return rung

    def receives(self, timeout):
        message = self.pubsub.get_message(timeout=timeout)
        if self.pubsub.health_check_response_counter > MOST_PINGS:
            self.pubsub.connection.disconnect()  # the next call connects and subscribes again
            self.pubsub.health_check_response_counter = 0
        # redis-py subscribes again by itself. Only the acknowledgement shows that it did.
        return message is not None and message["type"] in ("subscribe", "message")

    def ring(self):
        self.rung = True

    def pause(self):
        """After an error. The next wait() connects and subscribes again."""
        time.sleep(random.uniform(0.5, 1.5))
        self.ring()

    def close(self):
        self.pubsub.close()


def channel(user: str) -> str:
    return f"task_progress:{user}"
