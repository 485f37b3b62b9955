"""The wire format of server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.5
"""

import json
import random
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import NamedTuple

from flask import Response

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class Event(NamedTuple):
    """`id` may be None: then the browser keeps the one before. `data` is sent as JSON."""

    id: str | None
    type: str
    data: dict


def response(events: Generator[Event | None]) -> Response:
    """A stream that ends when `events` do. For None a comment is sent, to keep it alive."""
    return Response(stream(events), mimetype="text/event-stream", headers=HEADERS)


def stream(events) -> Iterator[bytes]:
    """Something at once, so that no proxy waits for the first byte; then each event."""
    with closing(events):
        yield retry() + comment("connected")
        for event in events:
            yield encode(event) if event else comment("keep-alive")


def encode(event: Event) -> bytes:
    """Raises ValueError for an id or type that would break out of its line."""
    lines = [field("event", event.type)]
    if event.id is not None:
        lines.insert(0, field("id", event.id))
    lines.append(f"data: {json.dumps(event.data)}")  # JSON in ASCII has no line breaks
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
