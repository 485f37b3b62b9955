"""The wire format of server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.5
"""

import random
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from flask import Response

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


class Event(NamedTuple):
    """`data` is text, in this workshop JSON. Without an `id` the browser keeps the one before.

    `task_id` says whose news it is; it is not sent.
    """

    id: str | None
    type: str
    data: str
    task_id: str | None = None


def response(batches: Iterator[list[Event]]) -> Response:
    """A stream that ends when the batches do; in any case it calls their close(). What is in one
    batch is sent in one piece, and for an empty one a comment, to keep the connection alive."""
    return Response(Stream(batches), headers=HEADERS, direct_passthrough=True)


class Stream:
    """A response's body: the server asks for piece after piece, and closes it in any case.

    A generator would not do: closed before it has begun, it runs no `finally`.
    """

    def __init__(self, batches):
        self.batches = batches
        self.pieces = 0

    def __iter__(self):
        return self

    def __next__(self) -> bytes:
        self.pieces += 1
        if self.pieces == 1:  # something at once, so that no proxy waits for the first byte
            return retry() + comment("connected")
        return b"".join(map(encode, next(self.batches))) or comment("keep-alive")

    def close(self):
        self.batches.close()


@lru_cache(maxsize=100)  # the same event goes to many streams
def encode(event: Event) -> bytes:
    """Raises ValueError for an id or type that would break out of its line."""
    lines = [field("event", event.type)]
    if event.id is not None:
        lines.insert(0, field("id", event.id))
    lines += [f"data: {line}" for line in re.split("\r\n|\r|\n", event.data)]
    return ("\n".join(lines) + "\n\n").encode()


def field(name, value):
    if re.search(r"[\r\n\0]", value):
        raise ValueError(f"no line break or NUL may be in {name}: {value!r}")
    return f"{name}: {value}"


def comment(text: str) -> bytes:
    return f": {text}\n\n".encode()


def retry() -> bytes:
    """After a lost connection, browsers come back in 2 to 4 seconds, and not all at once."""
    return f"retry: {random.randint(2000, 4000)}\n\n".encode()
