"""What the tests share: waiting for a condition with a deadline, and people who use a step."""

import io
import json
import time
from collections.abc import Callable, Iterator
from zipfile import ZipFile

import httpx
from httpx_sse import connect_sse

ENDED = ("SUCCESS", "FAILURE", "CANCELLED")


def eventually(check: Callable, seconds: float = 30):
    """The first true value of check(). Raises AssertionError after the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < deadline, f"not within {seconds} s; last value: {value!r}"
        time.sleep(0.05)
    return value


class Person(httpx.Client):
    """An HTTP client with a session of its own, like a browser after GET /."""

    def __init__(self, url: str, **options):
        # It reads no certificates: that is quicker, and those of the tests are self-signed.
        super().__init__(base_url=url, timeout=60, verify=False, **options)

    def __enter__(self):
        super().__enter__()
        self.get("/").raise_for_status()
        return self

    def start(self, kind: str, document: bytes | None = None, **fields) -> httpx.Response:
        files = {"document": ("document", document)} if document is not None else None
        return self.post("/tasks", data={"kind": kind, **fields}, files=files)

    def task_id(self, kind: str, document: bytes | None = None, **fields) -> str:
        answer = self.start(kind, document, **fields)
        assert answer.status_code == 202, answer.text
        return answer.json()["task_id"]

    def task(self, task_id: str) -> dict:
        return self.get(f"/tasks/{task_id}").raise_for_status().json()

    def listen(self, query: str = "all=true", **headers) -> Iterator[tuple[str, str, dict]]:
        """(id, type, data) of each event, until the stream ends or the generator is closed."""
        with connect_sse(self, "GET", f"/tasks/stream?{query}", headers=headers) as stream:
            for event in stream.iter_sse():
                # By the standard, there is no event without data, but this library makes one.
                if event.data:
                    yield event.id, event.event, json.loads(event.data)

    def ended(self, task_id: str) -> dict:
        """The state of a task, once it has ended."""
        return eventually(lambda: (task := self.task(task_id))["state"] in ENDED and task)


def names_in(archive: bytes) -> list[str]:
    return ZipFile(io.BytesIO(archive)).namelist()


def log_with(process, words: str) -> str:
    """The output of a process of a running step, once these words are in it."""
    return eventually(lambda: words in (log := "\n".join(process.output)) and log)
