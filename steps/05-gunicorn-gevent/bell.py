"""Wakes one stream when there is a new event: here through a place in the hub of the process."""

import random
import time
from threading import Event as Flag

from hub import HEARTBEAT_SECONDS, RING, hub

MAX_WAITING = 100  # messages


class Bell:
    """Holds the messages of a user until the stream takes them, and a RING whenever some may have
    been missed. Joins the hub immediately. Raises Refused if there is no room."""

    __slots__ = ("channel", "flag", "messages", "next_beat")

    def __init__(self, user: str):
        self.channel = channel(user).encode()
        self.next_beat = time.monotonic() + HEARTBEAT_SECONDS
        self.messages = []
        self.flag = None  # exists only while the stream waits
        hub.join(self)

    def wait(self) -> list[bytes] | None:
        """All messages since the last call; none if it is time for a heartbeat. Returns None when
        the process is stopping."""
        # First the flag, then the look at the messages: one that arrives in between sets the flag.
        self.flag = Flag()
        if not self.messages and not hub.stopping:
            self.flag.wait()
        self.flag = None
        messages, self.messages = self.messages, []
        return None if hub.stopping else messages

    def put(self, message):
        """Never blocks. A client that is too slow gets a RING instead of all that it missed."""
        if len(self.messages) < MAX_WAITING:
            self.messages.append(message)
        else:
            self.messages = [RING]
        self.wake()

    def ring(self):
        self.put(RING)

    def wake(self):
        if self.flag:
            self.flag.set()

    def pause(self):
        """After an error. The next wait() returns a ring."""
        time.sleep(random.uniform(0.5, 1.5))
        self.ring()

    def close(self):
        hub.leave(self)


def channel(user: str) -> str:
    return f"task_progress:{user}"
