"""The wire format of Server-Sent Events.

https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.5
"""

import random
import re
from functools import lru_cache
from typing import NamedTuple

from flask import Response

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # otherwise nginx collects events before it passes them on
}


class Event(NamedTuple):
    id: str | None  # without an id, the browser keeps the last one
    type: str
    data: str  # JSON
    task_id: str | None = None  # is not sent


def response(stream) -> Response:
    """Sends the batches of a stream, and closes it when they end or the client leaves."""
    answer = Response(pieces(stream), headers=HEADERS)
    answer.call_on_close(stream.close)
    return answer


def pieces(batches):
    yield b": connected\n\n"  # a comment, because some proxies wait for the first byte
    # Browsers reconnect after 2 to 4 seconds, so that a crowd doesn't come at the same moment. The
    # line is sent with an event, because some clients take a block without data for an event.
    retry = f"retry: {random.randint(2000, 4000)}\n".encode()
    for batch in batches:
        if batch:
            yield retry + b"".join(map(encode, batch))
            retry = b""
        else:
            yield b": keep-alive\n\n"


@lru_cache(maxsize=100)  # the same event goes to many streams
def encode(event: Event) -> bytes:
    """Raises ValueError for an id or type that would break out of its line."""
    if re.search(r"[\r\n\0]", f"{event.id}{event.type}"):
        raise ValueError(f"no line break or NUL may be in an id or a type: {event}")
    lines = [f"id: {event.id}"] if event.id else []
    lines += [f"event: {event.type}"]
    lines += [f"data: {line}" for line in re.split("\r\n|\r|\n", event.data)]
    return ("\n".join(lines) + "\n\n").encode()
