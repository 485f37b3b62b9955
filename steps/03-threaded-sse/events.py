"""Carries updates from the job to the streams: a bounded queue for each listener."""

import json
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


def publish(task_id: str, **news):
    """Remembers the news of a task, and tells all who listen."""
    with lock:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        event = event_of(store.tell(task_id, news | {"updated_at": now}))
        for waiting in listeners.get(task_id, ()):
            put(waiting, event)


def put(waiting, event):
    """Never blocks: with a listener who is too slow, the oldest event is lost."""
    if waiting.full():
        with suppress(queue.Empty):
            waiting.get_nowait()
    waiting.put_nowait(event)


def follow(task_ids: list[str]) -> Iterator[list[Event]]:
    """What the tasks are now, then their events as they come, and nothing after a silent second.

    Ends when all of the tasks have ended.
    """
    waiting = queue.Queue(MAX_WAITING)
    try:
        with lock:
            for task_id in task_ids:
                listeners.setdefault(task_id, set()).add(waiting)
            snapshot = snapshot_of(task_ids)
        running = {event.task_id for event in snapshot}
        yield from until_the_last(running, chain([snapshot], arriving(waiting)))
    finally:
        with lock:
            for task_id in task_ids:
                leave(task_id, waiting)


def leave(task_id, waiting):
    if task_id in listeners:  # a task may be asked for twice in one stream
        listeners[task_id].discard(waiting)
        if not listeners[task_id]:
            del listeners[task_id]


def until_the_last(running, batches):
    while running:
        # In silence, see whether a full queue has lost somebody's last event.
        batch = next(batches) or list(filter(is_last, snapshot_of(running)))
        yield batch
        running -= {event.task_id for event in batch if is_last(event)}


def arriving(waiting):
    while True:
        try:
            yield [waiting.get(timeout=KEEP_ALIVE_SECONDS)]
        except queue.Empty:
            yield []


def snapshot_of(task_ids):
    """An event for each task that is still remembered."""
    known = [task for task in map(store.get, task_ids) if task]
    return [event_of(store.described(task)) for task in known]


def event_of(task):
    return Event(None, TYPES.get(task["state"], "progress"), json.dumps(task), task["task_id"])


def is_last(event):
    return event.type in TYPES.values()
