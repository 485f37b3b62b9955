"""Where messages wait for one stream: in a Redis connection of its own."""

import os
import random
import time

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import MaxConnectionsError, RedisError
from redis.retry import Retry

import store
from sse import Event

GAP, HEARTBEAT = "gap", "heartbeat"
MOST_PINGS = 2  # without an answer from Redis, before the connection counts as lost
HEARTBEAT_SECONDS = min(30, float(os.environ.get("HEARTBEAT_SECONDS", "15")))

# A client for streams alone. redis-py opens 100 connections at most: when streams have taken all
# of these, whatever uses store.redis goes on.
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
        self.status, self.error, self.hint = status, error, hint


class Inbox:
    """What arrives for a user: events, a HEARTBEAT by the clock, and a GAP wherever events may
    have been missed. Subscribes at once, and raises Refused if it cannot."""

    def __init__(self, user: str):
        self.next_beat = time.monotonic() + HEARTBEAT_SECONDS
        self.pubsub = redis.pubsub()
        try:
            self.pubsub.subscribe(channel(user))
        except MaxConnectionsError:
            raise Refused(
                503,
                "The server has no room for another stream.",
                "Ask GET /tasks meanwhile, and try again later.",
            ) from None

    def wait(self) -> list:
        """What has come since the last time: at least one."""
        while (seconds := self.next_beat - time.monotonic()) > 0:
            if item := self.received(seconds):
                return [item]
        self.next_beat = time.monotonic() + HEARTBEAT_SECONDS
        return [HEARTBEAT]

    def received(self, seconds):
        try:
            message = self.pubsub.get_message(timeout=seconds) or {"type": None}
            if self.pubsub.health_check_response_counter > MOST_PINGS:
                self.pubsub.connection.disconnect()
        except RedisError:  # the next call connects and subscribes again
            self.pause(random.uniform(0.5, 1.5))
            return None
        if message["type"] == "subscribe":
            return GAP  # the first time, and again after each lost connection
        return parsed(message["data"]) if message["type"] == "message" else None

    def pause(self, seconds):
        time.sleep(seconds)

    def close(self):
        self.pubsub.close()


def channel(user: str) -> str:
    return f"task_progress:{user}"


def parsed(message: bytes) -> Event:
    """'id type task_id data', as events.publish() sends it."""
    id, type, task_id, data = message.decode().split(" ", 3)
    return Event(id, type, data, task_id)
