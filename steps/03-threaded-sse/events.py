"""Carries updates from the job to the streams: a bounded queue for each listener."""

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain

import store
from sse import Event

MAX_WAITING = 100
KEEP_ALIVE_SECONDS = 1
TYPES = {"SUCCESS": "complete", "FAILURE": "error", "CANCELLED": "cancelled"}

listeners: dict[str, set[queue.Queue]] = {}
# Who joins while an update is published gets it once: in the snapshot, or in the queue.
lock = threading.Lock()


def publish(task_id: str, type: str, **news):
    """Remembers the news of a task, and tells all who listen."""
    with lock:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        store.tell(task_id, news | {"updated_at": now})
        for waiting in listeners.get(task_id, ()):
            put(waiting, Event(None, type, store.described(task_id)))


def put(waiting, event):
    """Never blocks: with a listener who is too slow, the oldest event is lost."""
    if waiting.full():
        with suppress(queue.Empty):
            waiting.get_nowait()
    waiting.put_nowait(event)


def follow(task_ids: list[str]) -> Iterator[Event | None]:
    """What the tasks are now, then their events as they come, and None after a silent second.

    Ends when all of the tasks have ended.
    """
    waiting = queue.Queue(MAX_WAITING)
    with lock:
        for task_id in task_ids:
            listeners.setdefault(task_id, set()).add(waiting)
        snapshot = [snapshot_of(task_id) for task_id in task_ids]
    try:
        yield from until_the_last(task_ids, chain(snapshot, arriving(waiting)))
    finally:
        with lock:
            for task_id in task_ids:
                leave(task_id, waiting)


def leave(task_id, waiting):
    if task_id in listeners:  # a task may be asked for twice in one stream
        listeners[task_id].discard(waiting)
        if not listeners[task_id]:
            del listeners[task_id]


def until_the_last(task_ids, events):
    running = set(task_ids)
    for event in events:
        yield event
        if event and event.type in TYPES.values():
            running.discard(event.data["task_id"])
        if not running:
            return


def arriving(waiting):
    while True:
        try:
            yield waiting.get(timeout=KEEP_ALIVE_SECONDS)
        except queue.Empty:
            yield None


def snapshot_of(task_id):
    task = store.described(task_id)
    return Event(None, TYPES.get(task["state"], "progress"), task)
