"""A task's state, and how its events get to the streams: here through a buffer in Redis.

The buffer, a Redis stream for each user, keeps every event under an id, and Pub/Sub only rings a
bell. One rule covers a new stream, a lost message, a lost connection and a slow client:

    When the bell rings, send what the buffer has after the last event that was sent.

A message also carries the event, and says which event it follows. If that is the last one that was
sent, the message is enough, and the stream doesn't read the buffer.
"""

import json
import re
from datetime import UTC, datetime
from functools import lru_cache

from redis.exceptions import RedisError

import jobs
import store
from bell import Bell, channel
from hub import RING
from sse import Event
from store import redis

KEEP = 1000  # events in the buffer of a user
PAGE_SIZE = 100  # of these events are read together
MAX_EVENT = 256 * 1024  # bytes
LOOK_AFTER = 20  # heartbeats: no event says that Redis has lost all tasks
EMPTY = "0-0"  # the newest id in an empty buffer
TYPES = {"SUCCESS": "complete", "FAILURE": "error", "CANCELLED": "cancelled"}
LAST = (*TYPES.values(), "reset")  # after one of these, a stream may be over
RESET = Event(None, "reset", "{}")

# One script, because Redis runs one at a time: a state and its event can't disagree, and no other
# process comes in between. It runs even without memory, so that a task can say how it ended.
# https://redis.io/docs/latest/develop/programmability/eval-intro/
PUBLISH = redis.register_script("""#!lua flags=allow-oom
local task, buffer, channel = unpack(KEYS)
local run, seen, state, ended, keep, ttl = unpack(ARGV)
local found = redis.call('HMGET', task, 'user', 'ended', 'run', 'state')
local user, has_ended, newest_run, latest = unpack(found)
if latest == state then return 1 end  -- redis-py has lost the reply of this call, and repeats it
if not user or has_ended == 'yes' then return 0 end
if run ~= '' and run ~= newest_run then return 0 end
if run == '' and seen ~= (latest or '') then return 0 end
redis.call('HSET', task, 'state', state, 'ended', ended)
local newest = redis.call('XREVRANGE', buffer, '+', '-', 'COUNT', 1)[1]
local follows = newest and newest[1] or '0-0'  -- an entry is {id, fields}
local id = redis.call('XADD', buffer, 'MAXLEN', '~', keep, '*', 'state', state)
redis.call('EXPIRE', buffer, ttl)
redis.call('PUBLISH', channel, table.concat({follows, id, state}, ' '))
return 1
""")


def status(task: dict) -> dict:
    """{task_id, kind, state, progress, stage, message, ..., files, result?, error?, hint?}."""
    state = {"task_id": task["task_id"], "kind": task["kind"]} | store.QUEUED
    return state | json.loads(task.get("state", "{}"))


def publish(task: dict, run: str | None = None, **changes) -> bool:
    """Changes the state of a task, and sends the new state to the streams as an event.

    Returns False, and does nothing, if the task has ended or expired, or if a newer run has begun.
    Without a run, the state must still be the one in `task`. Raises JobError for a large event.
    """
    before = status(task)
    now = max(time_now(), before.get("updated_at", ""))  # the clocks of two machines may differ
    state = before | changes | {"updated_at": now}
    ended = "" if state["state"] in store.RUNNING else "yes"
    data = json.dumps(state)
    if len(data) > MAX_EVENT and not ended:
        raise jobs.JobError("The updates of this job are too large.", "Split the document.")
    keys = [f"task:{task['task_id']}", buffer(task["user"]), channel(task["user"])]
    if not PUBLISH(keys, [run or "", task.get("state", ""), data, ended, KEEP, store.TTL]):
        return False
    task["state"] = data
    return True


def end(task_id: str, **changes):
    """Ends a task from outside its run, which may be publishing at the same time."""
    while (task := store.get(task_id)) and is_running(task):
        if publish(task, **changes):
            return


def is_over(user: str, task_ids: set[str] | None, last_id: str | None) -> bool:
    """Whether nothing is left to send that a stream of these tasks wants after this event."""
    tasks = store.tasks_of(user, task_ids)
    if any(map(is_running, tasks)):
        return False
    unsent = read(user, last_id)
    while unsent and not any(wants(task_ids, event) for event in unsent):
        unsent = read(user, unsent[-1].id)
    return unsent == [] or not tasks


class Stream:
    """Batches of events of these tasks, or of all tasks of the user if None. Must be closed.

    Begins after the event with this id. Without an id, the first batch is a snapshot of what the
    tasks are now. The stream ends when all of the tasks have ended.
    """

    def __init__(self, user: str, task_ids: set[str] | None, last_id: str | None):
        self.user, self.task_ids = user, task_ids
        self.last_id = last_id if is_id(last_id) else None
        self.heartbeats = 0
        self.may_be_over = False
        self.bell = Bell(user)  # here, where the response can still be an error

    def __iter__(self):
        while (batch := self.next_batch()) is not None:
            if batch:
                yield batch

    def next_batch(self):
        """None when the stream is over."""
        try:
            messages = self.bell.wait()
            if messages is None:
                return None  # the process is stopping
            if not messages:
                return [self.heartbeat()]
            if self.may_be_over and is_over(self.user, self.task_ids, self.last_id):
                return None
            return self.unsent(messages)
        except RedisError:  # the heartbeat shows that the server is alive; the next call retries
            self.bell.pause()
            return [self.heartbeat()]

    def unsent(self, messages):
        """The messages, or what the buffer has after the last event. If that is gone, what the
        tasks are now."""
        events = chain_of(messages, self.last_id) or read(self.user, self.last_id)
        if events is None:
            reset = [RESET] if self.last_id else []
            events = reset + snapshot(self.user, self.task_ids)
        elif len(events) == PAGE_SIZE - 1:
            self.bell.ring()  # there may be more
        if events:
            self.last_id = events[-1].id
        wanted = [event for event in events if wants(self.task_ids, event)]
        self.may_be_over = False
        if any(event.type in LAST for event in wanted):
            self.look()
        return wanted

    def look(self):
        """Before it waits again, the stream looks whether it is over."""
        self.may_be_over = True
        self.bell.ring()

    def heartbeat(self):
        """Has the id of the last event, even if this stream didn't want that one, so that a client
        that comes back has less to read."""
        self.heartbeats += 1
        if self.heartbeats % LOOK_AFTER == 0:
            self.look()
        return Event(self.last_id, "heartbeat", json.dumps({"time": time_now()}))

    def close(self):
        self.bell.close()


def chain_of(messages, last_id):
    """The events in these messages, if each of them follows the event before. Otherwise None."""
    events = []
    for message in messages:
        follows, event = parse(message)
        if follows != last_id:
            return None
        events.append(event)
        last_id = event.id
    return events


@lru_cache(maxsize=100)  # the same message goes to many streams
def parse(message):
    """(follows, event) from 'follows id state', as the script publishes it."""
    if message == RING:
        return "", None  # follows nothing, so the stream reads the buffer
    follows, id, data = message.decode().split(" ", 2)
    return follows, event_of(data, id)


def read(user, last_id):
    """The next events after this id. Reads from the id itself on, to see whether the buffer still
    has it. None if it doesn't, because then later events may be gone as well."""
    if not is_id(last_id):
        return None
    entries = redis.xrange(buffer(user), min=last_id, count=PAGE_SIZE)
    events = [event_of(fields[b"state"].decode(), id.decode()) for id, fields in entries]
    first = events[0].id if events else EMPTY
    return events[1:] if first == last_id else None


def snapshot(user, task_ids):
    """The states of the tasks. Only the last event has an id. A client that loses the connection
    before that one still has its old id, and gets a whole snapshot again."""

    def ask(pipe):
        ids = store.ids_of(user, pipe) if task_ids is None else task_ids
        pipe.multi()
        pipe.xrevrange(buffer(user), count=1)
        for task_id in ids:
            pipe.hget(f"task:{task_id}", "state")

    # In one transaction no update falls between the replies. It is repeated if a task was added.
    newest, *states = redis.transaction(ask, f"tasks:{user}")
    events = [event_of(state.decode()) for state in states if state]
    last_id = newest[0][0].decode() if newest else EMPTY
    return events[:-1] + [event._replace(id=last_id) for event in events[-1:]]


def event_of(data, id=None):
    """The event that sends this state, which is JSON."""
    state = json.loads(data)
    return Event(id, TYPES.get(state["state"], "progress"), data, state["task_id"])


def wants(task_ids, event):
    return event is RESET or task_ids is None or event.task_id in task_ids


def is_running(task):
    return status(task)["state"] in store.RUNNING


def is_id(text):
    return bool(re.fullmatch(r"\d{1,19}-\d{1,19}", text or "", re.ASCII))


def time_now():
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def buffer(user):
    return f"task_events:{user}"
