"""Carries updates from the job to the streams: Pub/Sub for speed, a buffer against losses.

What was a lock in step 03 is a script here, and a listener's queue is its inbox. `Listener` is a
class, as a generator would not run, and so not subscribe, before it is asked for something.
"""

import json
import random
import re
from datetime import UTC, datetime

from redis.exceptions import RedisError

import jobs
import store
from inbox import GAP, HEARTBEAT, Inbox, channel
from sse import Event
from store import redis

KEEP = 1000  # events of a user in the buffer
MAX_EVENT = 256 * 1024  # but how a task has ended is always told
LOOK_AFTER = 20  # heartbeats: no event tells that a task was lost, with all that Redis had
EMPTY = "0-0"  # the last id of an empty buffer
RESET = Event(None, "reset", "{}")
TYPES = {"SUCCESS": "complete", "FAILURE": "error", "CANCELLED": "cancelled"}

# One script, so that the order of publishing is that of the ids, and no state is behind its event.
# https://redis.io/docs/latest/develop/programmability/eval-intro/
# It runs even where Redis has no memory left: last words are small.
SAY = redis.register_script("""#!lua flags=allow-oom
local task, buffer, channel = unpack(KEYS)
local run, status, ended, type, task_id, data, keep, ttl = unpack(ARGV)
if redis.call('HGET', task, 'status') == status then
    return 1  -- the same news, with the same time: redis-py has lost an answer, and asks again
end
if redis.call('HGET', task, 'run') ~= run or redis.call('HEXISTS', task, 'ended') == 1 then
    return 0
end
redis.call('HSET', task, 'status', status)
if ended == 'yes' then
    redis.call('HSET', task, 'ended', 'yes')
end
local id = redis.call('XADD', buffer, 'MAXLEN', '~', keep, '*',
    'type', type, 'task_id', task_id, 'data', data)
redis.call('EXPIRE', buffer, ttl)
redis.call('PUBLISH', channel, table.concat({id, type, task_id, data}, ' '))
return 1
""")


def publish(task_id: str, run: str, **news) -> bool:
    """Adds the news to what was told before, and tells all who listen.

    False if this run may not speak: the task has ended or expired, or another run has begun.
    Raises JobError if the news are too large.
    """
    task = store.get(task_id)
    if task is None:
        return False
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    now = max(now, task["status"].get("updated_at", now))  # clocks of two machines may differ
    task["status"] |= news | {"updated_at": now}
    event = event_of(task)
    if len(event.data) > MAX_EVENT and not is_last(event):
        raise jobs.JobError("The news of this job are too large.", "Split the document.")
    said = SAY(
        [f"task:{task_id}", buffer(task["user"]), channel(task["user"])],
        [
            run,
            json.dumps(task["status"]),
            "yes" if is_last(event) else "no",
            event.type,
            task_id,
            event.data,
            KEEP,
            store.TTL,
        ],
    )
    return bool(said)


def all_told(user: str, task_ids: set[str] | None, last_id: str | None) -> bool:
    """Whether nothing is left to say to someone who has heard all up to this id."""
    tasks = tasks_of(user, task_ids)
    if any(runs(task) for task in tasks):
        return False
    return not tasks or replay(user, last_id) == []


def follow(user: str, task_ids: set[str] | None, last_id: str | None) -> "Listener":
    """The events of these tasks (of all, if None) after this id; without one, what the tasks are
    now, and then their events. Ends when all of the tasks have ended."""
    return Listener(user, task_ids, last_id)


class Listener:
    """Batches of events, one after another. Must be closed.

    All rests on one rule: a GAP means 'read the buffer after the last id that was told'. The first
    thing in an inbox is a GAP, as soon as it is subscribed; a lost connection ends in another.
    """

    def __init__(self, user, task_ids, last_id):
        self.user, self.task_ids = user, task_ids
        self.last_id = last_id if is_id(last_id) else None
        self.running = None  # the tasks whose last event is still to come; not known yet
        self.behind = False
        self.beats = 0
        self.inbox = Inbox(user)  # here and now, so that a refusal can still be a status

    def __iter__(self):
        return self

    def __next__(self) -> list[Event]:
        batch = []
        while not batch:
            if self.running == set():
                raise StopIteration
            if not self.behind:
                for item in self.inbox.wait():
                    batch += self.taken(item)
            if self.behind:
                batch += self.missed()
        return batch

    def taken(self, item):
        if item is GAP:
            self.behind = True
            return []
        if item is HEARTBEAT:
            self.beats += 1
            if self.beats % LOOK_AFTER == 0:
                self.behind = True
            return [self.heartbeat()]
        # Before the first gap is read, or while another is open, the buffer has it.
        if self.running is None or self.behind or not after(item.id, self.last_id or EMPTY):
            return []
        return self.told([item])

    def missed(self):
        """What the buffer has after the last id. If it no longer has that, what the tasks are."""
        try:
            # Before the buffer: who ends in between is told by the buffer.
            running = {
                task["task_id"] for task in tasks_of(self.user, self.task_ids) if runs(task)
            }
            events = replay(self.user, self.last_id)
            if events is None:
                events = [RESET] if self.last_id else []
                events += snapshot(self.user, self.task_ids)
        except RedisError:  # stays behind, says that it is alive, and tries again
            self.inbox.pause(random.uniform(0.5, 1.5))
            return [self.heartbeat()]
        self.running, self.behind = running, False
        return self.told(events)

    def told(self, events):
        """Those that were asked for; from now on they count as told."""
        for event in events:
            self.last_id = event.id or self.last_id
        wanted = [event for event in events if self.wants(event)]
        for event in wanted:
            if is_last(event):
                self.running.discard(event.task_id)
            elif event.task_id:
                self.running.add(event.task_id)
        return wanted

    def wants(self, event):
        return event is RESET or self.task_ids is None or event.task_id in self.task_ids

    def heartbeat(self):
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return Event(self.last_id, "heartbeat", json.dumps({"time": now}))

    def close(self):
        self.inbox.close()


def replay(user, last_id):
    """All events after this id. Reads from the id itself, to see that it is still there: None if
    it is not, as then others may be gone as well."""
    if not is_id(last_id):
        return None
    entries = [(id.decode(), fields) for id, fields in redis.xrange(buffer(user), min=last_id)]
    first = entries[0][0] if entries else EMPTY
    return [event_in(*entry) for entry in entries[1:]] if first == last_id else None


def snapshot(user, task_ids):
    """What the tasks are now. Only the last event has an id: a client that is cut off before it
    asks from where it was, and gets the whole snapshot again."""
    newest = redis.xrevrange(buffer(user), count=1)  # before the tasks: later news come after it
    last_id = newest[0][0].decode() if newest else EMPTY
    snapshot = [event_of(task) for task in tasks_of(user, task_ids)]
    return [*snapshot[:-1], *[event._replace(id=last_id) for event in snapshot[-1:]]]


def tasks_of(user, task_ids):
    if task_ids is None:
        return store.tasks_of(user)
    return [task for task in map(store.get, task_ids) if task]


def event_in(id, fields):
    type, task_id, data = (fields[name].decode() for name in (b"type", b"task_id", b"data"))
    return Event(id, type, data, task_id)


def event_of(task):
    described = store.described(task)
    type = TYPES.get(described["state"], "progress")
    return Event(None, type, json.dumps(described), task["task_id"])


def is_id(text):
    return bool(re.fullmatch(r"\d{1,19}-\d{1,19}", text or "", re.ASCII))


def after(id, last_id):
    return [int(part) for part in id.split("-")] > [int(part) for part in last_id.split("-")]


def runs(task):
    return task["status"]["state"] not in store.ENDED


def is_last(event):
    return event.type in TYPES.values()


def buffer(user):
    return f"task_events:{user}"
