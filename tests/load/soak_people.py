"""People who start jobs, leave and come back, and compare what they received with the buffer.

An event is lost if it is in the user's buffer and was not received, unless a `reset` said so.
"""

import asyncio
import contextlib
import itertools
import json
import random
import time
from dataclasses import dataclass
from datetime import datetime

import httpx
import redis
from httpx_sse import EventSource, ServerSentEvent, aconnect_sse

import servers

UPDATES = ("progress", "complete", "error", "cancelled")
LAST = UPDATES[1:]
JOBS_OF_A_PERSON = 5  # then a new person comes
SECONDS_ON_A_STREAM = 60  # on average, before a person drops it and comes back
LONGEST_PAUSE = 5  # between two jobs. Without it, all would soon start theirs together
LONGEST_JOB = 300
NUMBERS = itertools.count()


@dataclass
class Counts:
    """Sums over all people; `streams` are open now, `oldest` is of the last few seconds."""

    streams: int = 0
    events: int = 0
    lost: int = 0
    duplicates: int = 0
    resets: int = 0
    reconnects: int = 0
    refused: int = 0
    finished: int = 0
    failed: int = 0
    hung: int = 0
    oldest: float = 0


class Person:
    """Has a client of its own: to find a free connection among hundreds takes httpx long."""

    def __init__(self, url: str, store: redis.Redis, counts: Counts):
        self.store, self.counts = store, counts
        one_each = httpx.Limits(max_keepalive_connections=0)
        self.web = httpx.AsyncClient(base_url=url, timeout=60, verify=False, limits=one_each)

    async def live(self, seconds_to_come: float):
        await asyncio.sleep(random.uniform(0, seconds_to_come))
        async with self.web:
            await self.live_on()

    async def live_on(self):
        while True:
            self.become_a_new_user()
            try:
                for _ in range(JOBS_OF_A_PERSON):
                    await self.one_job()
                    await asyncio.sleep(random.uniform(0, LONGEST_PAUSE))
            except httpx.HTTPError:  # to start a job, which may run, but its id is unknown
                self.counts.refused += 1
                await asyncio.sleep(random.uniform(0.5, 2))
            except TimeoutError:
                self.counts.hung += 1

    def become_a_new_user(self):
        self.user = f"soak-{next(NUMBERS)}"
        self.headers = {"Authorization": f"Bearer {servers.token(self.user)}"}
        self.last_id = self.checked = ""
        self.received = set()

    async def one_job(self):
        answer = await self.web.post("/tasks", data={"kind": "optimize"}, headers=self.headers)
        url = answer.raise_for_status().json()["stream_url"]
        self.ended = False
        async with asyncio.timeout(LONGEST_JOB):
            await self.listen_for_a_while(url)
            while not self.ended:
                self.counts.reconnects += 1
                await asyncio.sleep(random.uniform(0, 2))
                await self.listen_for_a_while(url)
        self.compare_with_the_buffer()

    async def listen_for_a_while(self, url):
        """Until the stream ends, is cut off, or this person drops it."""
        last_id = {"Last-Event-ID": self.last_id} if self.last_id else {}
        patience = asyncio.timeout(random.expovariate(1 / SECONDS_ON_A_STREAM))
        with contextlib.suppress(TimeoutError, httpx.TransportError):
            async with (
                patience,
                aconnect_sse(self.web, "GET", url, headers=self.headers | last_id) as source,
            ):
                if source.response.status_code == 200:
                    await self.listen(source)
                elif source.response.status_code == 204:
                    self.ended = True  # says the server; compare_with_the_buffer checks it
                else:
                    self.counts.refused += 1

    async def listen(self, source: EventSource):
        self.counts.streams += 1
        try:
            async for event in source.aiter_sse():
                if event.event == "reset":
                    self.counts.resets += 1
                    self.last_id = self.checked = ""
                elif event.event in UPDATES:
                    self.receive(event)
        finally:
            self.counts.streams -= 1

    def receive(self, event: ServerSentEvent):
        self.counts.events += 1
        status = json.loads(event.data)
        updated_at = datetime.fromisoformat(status["updated_at"]).timestamp()
        self.counts.oldest = max(self.counts.oldest, time.time() - updated_at)
        if not self.last_id:  # a snapshot: what came before it is not asked for
            self.checked = event.id
            self.received = set()
        elif parts(event.id) <= parts(self.last_id):
            self.counts.duplicates += 1
        self.received.add(event.id)
        self.last_id = event.id
        if event.event in LAST:
            self.ended = True
            self.counts.finished += event.event == "complete"
            self.counts.failed += event.event == "error"

    def compare_with_the_buffer(self):
        """When the only job of this user has ended, so that nothing more can come."""
        entries = self.store.xrange(f"task_events:{self.user}", min=f"({self.checked or '0-0'}")
        self.counts.lost += len({id.decode() for id, _ in entries} - self.received)
        self.checked, self.received = self.last_id, set()


def parts(id: str) -> list[int]:
    return [int(part) for part in id.split("-")]
