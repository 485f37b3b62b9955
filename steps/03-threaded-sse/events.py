"""A task's state, and how its events get to the streams: here through a queue for each stream."""

import json
import os
import threading
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, Queue

import store
from sse import Event

MAX_WAITING = 100  # events in a queue
KEEP_ALIVE_SECONDS = 1  # the server only notices that a client has left when it writes
TYPES = {"SUCCESS": "complete", "FAILURE": "error", "CANCELLED": "cancelled"}
LAST = tuple(TYPES.values())  # after one of these, a stream may be over
ERROR = "This job is lost: nothing runs it any more."
HINT = "Its server was restarted, or could not reach Redis. Start it again."
LOST = {"state": "FAILURE", "stage": "lost", "message": ERROR, "error": ERROR, "hint": HINT}

streams = defaultdict(set)  # the open streams of each user
# Under this lock, a stream gets each event once: in its snapshot or in its queue. Another process
# has a lock and queues of its own.
lock = threading.Lock()


def status(task: dict) -> dict:
    """{task_id, kind, state, progress, stage, message, ..., files, result?, error?, hint?}."""
    state = {"task_id": task["task_id"], "kind": task["kind"]} | store.QUEUED
    state |= json.loads(task.get("state", "{}"))
    lost = state["state"] in store.RUNNING and is_gone(task.get("run"))
    return state | LOST if lost else state


def publish(task: dict, **changes) -> bool:
    """Changes the state of a task, and sends the new state to the streams as an event.

    Returns False, and does nothing, if the task has ended or expired.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    with lock:
        latest = store.get(task["task_id"])
        if latest is None or not is_running(latest):
            return False
        event = event_of(json.dumps(status(latest) | changes | {"updated_at": now}))
        store.redis.hset(f"task:{task['task_id']}", "state", event.data)
        for stream in streams.get(task["user"], ()):
            stream.put(event)
    return True


class Stream:
    """Batches of events of these tasks, or of all tasks of the user if None. Must be closed.

    The first batch is a snapshot of what the tasks are now. A batch is empty after each second
    of silence. The stream ends when all of the tasks have ended.
    """

    def __init__(self, user: str, task_ids: set[str] | None):
        self.user, self.task_ids = user, task_ids
        self.queue = Queue(MAX_WAITING)
        self.needs_snapshot = True  # at first, and whenever an event was dropped
        with lock:
            streams[user].add(self)

    def __iter__(self):
        over = False
        while not over:
            batch = self.next_batch()
            yield batch
            over = any(event.type in LAST for event in batch) and self.is_over()

    def next_batch(self):
        if self.needs_snapshot:
            return self.snapshot()
        with suppress(Empty):
            return [self.queue.get(timeout=KEEP_ALIVE_SECONDS)]
        return []

    def snapshot(self):
        """The states of the tasks. The queue is emptied, because its events are older."""
        with lock:
            self.queue, self.needs_snapshot = Queue(MAX_WAITING), False
            states = map(status, store.tasks_of(self.user, self.task_ids))
            return [event_of(json.dumps(state)) for state in states]

    def is_over(self):
        """Whether nothing is left to send: no task runs, and no event waits in the queue."""
        with lock:
            tasks = store.tasks_of(self.user, self.task_ids)
            return self.queue.empty() and not any(map(is_running, tasks))

    def put(self, event):
        """Never blocks: if the client is too slow, the oldest event is dropped."""
        if not wants(self.task_ids, event):
            return
        if self.queue.full():
            self.needs_snapshot = True
            with suppress(Empty):
                self.queue.get_nowait()
        self.queue.put_nowait(event)

    def close(self):
        with lock:
            streams[self.user].discard(self)
            if not streams[self.user]:
                del streams[self.user]


def event_of(data):
    """The event that sends this state, which is JSON."""
    state = json.loads(data)
    return Event(None, TYPES.get(state["state"], "progress"), data, state["task_id"])


def wants(task_ids, event):
    return task_ids is None or event.task_id in task_ids


def is_running(task):
    return status(task)["state"] in store.RUNNING


def is_gone(run):
    """Whether the thread that runs a task has ended. It is named 'process id-unique id'."""
    if run is None:
        return False  # it has not begun
    pid = int(run.partition("-")[0])
    if pid == os.getpid():
        return run not in {thread.name for thread in threading.enumerate()}
    try:
        os.kill(pid, 0)  # sends nothing: it only looks for the process
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False
