"""Remembers whose task it is and what was requested, and keeps its runs and its files, in Redis.

Web and worker share nothing but this store, so they may run on different machines. Everything
about a task expires after a day.
"""

import json
import os
import time
from collections.abc import Iterable
from uuid import uuid4

from redis import BlockingConnectionPool, Redis
from redis.backoff import ConstantBackoff, NoBackoff
from redis.exceptions import ConnectionError, OutOfMemoryError, TimeoutError
from redis.retry import Retry

import jobs
import page

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")
TTL = 24 * 60 * 60
MAX_FILES = 20 * 1024 * 1024
MOST_WAITING = 20  # tasks of one user in the queue
MOST_RUNS = 3
QUEUED = {
    "state": "PENDING",
    "progress": 0,
    "stage": "queued",
    "message": "Queued",
    "current": 0,
    "total": 0,
    "metrics": {},
    "files": [],
}
PATIENCE = 5  # seconds in the queue, before the page says why nothing happens
WAITING = {
    "stage": "waiting",
    "message": "Waiting for a worker: all are busy, or none is running",
}
RUNNING = ("PENDING", "PROGRESS")
UNAVAILABLE = (ConnectionError, OutOfMemoryError, TimeoutError)

# When Redis is away, a request fails after a second. The one retry is for a connection that Redis
# has closed since it was last used. A request that finds all connections in use waits for one.
redis = Redis.from_pool(
    BlockingConnectionPool.from_url(
        REDIS_URL,
        timeout=5,
        socket_connect_timeout=1,
        socket_timeout=1,
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
    )
)


def be_patient(**_):
    """For a worker: its jobs wait for Redis for a minute, where a request would fail."""
    redis.connection_pool.timeout = None
    redis.connection_pool.connection_kwargs["retry"] = Retry(ConstantBackoff(1), 60)


def unavailable(error):
    """The answer to a request that fails because Redis does."""
    if isinstance(error, OutOfMemoryError):
        hint = "Try again later. Tasks are deleted after a day, which frees memory."
        return page.answer(503, "Redis has no memory left.", hint, {"Retry-After": 60})
    hint = "Try again in a moment."
    return page.answer(503, "Redis is away.", hint, {"Retry-After": 5})


def create(user: str, kind: str, options: dict, document: bytes | None) -> str:
    """Stores a new task, and returns its id. Raises Refused if too many tasks wait already."""
    task_id, now = uuid4().hex, time.time()
    task = {"user": user, "kind": kind, "options": json.dumps(options), "created_at": now}
    with redis.pipeline() as pipe:
        pipe.hset(f"task:{task_id}", mapping=task)
        pipe.set(f"document:{task_id}", document or b"")
        for key in (f"tasks:{user}", f"waiting:{user}"):
            pipe.zadd(key, {task_id: now})
            pipe.zremrangebyscore(key, 0, now - TTL)
            pipe.expire(key, TTL)
        expire(pipe, task_id)
        pipe.zcard(f"waiting:{user}")  # it counts this task too, so two requests can't both pass
        waiting = pipe.execute()[-1]
    if waiting > MOST_WAITING:
        forget(user, task_id)
        error = f"{MOST_WAITING} of your tasks are waiting already."
        hint = "Wait until a worker has taken one of them."
        raise page.Refused(429, error, hint, retry_after=30)
    return task_id


def get(task_id: str) -> dict | None:
    """{task_id, user, kind, options, created_at, ...}; None if it is unknown or has expired."""
    return task_in(task_id, redis.hgetall(f"task:{task_id}"))


def ids_of(user: str, client: Redis = redis) -> list[str]:
    """The ids of a user's tasks, newest first. Some may have expired."""
    return [task_id.decode() for task_id in client.zrevrange(f"tasks:{user}", 0, -1)]


def tasks_of(user: str, task_ids: Iterable[str] | None = None) -> list[dict]:
    """These tasks, or all of the user's, newest first. Those that have expired are left out."""
    task_ids = ids_of(user) if task_ids is None else list(task_ids)
    with redis.pipeline(transaction=False) as pipe:
        for task_id in task_ids:
            pipe.hgetall(f"task:{task_id}")
        return list(filter(None, map(task_in, task_ids, pipe.execute())))


def task_in(task_id, fields):
    task = {name.decode(): value.decode() for name, value in fields.items()}
    if "user" not in task:  # it has expired, even if a run has written other fields since
        return None
    options, created_at = json.loads(task["options"]), float(task["created_at"])
    return task | {"task_id": task_id, "options": options, "created_at": created_at}


def document(task_id: str) -> bytes | None:
    return redis.get(f"document:{task_id}") or None


def stop_waiting(user: str, task_id: str):
    redis.zrem(f"waiting:{user}", task_id)


def forget(user: str, task_id: str):
    redis.zrem(f"tasks:{user}", task_id)
    stop_waiting(user, task_id)
    redis.delete(*keys(task_id))


def begin_run(task: dict, run: str):
    """Makes this run the current one. Raises JobError if the task was run too often: a job that
    crashes its worker is delivered again, and would crash one worker after another."""
    task_id = task["task_id"]
    with redis.pipeline() as pipe:
        pipe.hset(f"task:{task_id}", "run", run)
        pipe.sadd(f"runs:{task_id}", run)  # in a set, a call that redis-py repeats counts once
        pipe.scard(f"runs:{task_id}")
        pipe.zrem(f"waiting:{task['user']}", task_id)
        expire(pipe, task_id)
        runs = pipe.execute()[2]
    if runs > MOST_RUNS:
        raise jobs.JobError(
            f"This job was started {MOST_RUNS} times, and never finished.",
            "Try a smaller document.",
        )


def is_current(task_id: str, run: str) -> bool:
    return redis.hget(f"task:{task_id}", "run") == run.encode()


def save(task_id: str, file: jobs.File) -> list[dict]:
    """Keeps a file, and returns files(task_id). Raises JobError if the files grow too large."""
    url = f"/tasks/{task_id}/files/{file.name}"
    about = {"name": file.name, "topic": file.topic, "size": len(file.data), "url": url}
    kept = {old["name"]: old for old in files(task_id)} | {file.name: about}
    if sum(old["size"] for old in kept.values()) > MAX_FILES:
        raise jobs.JobError("The files of this task are too large.", "Split the document.")
    with redis.pipeline() as pipe:
        pipe.hset(f"files:{task_id}", file.name, file.data)
        pipe.hset(f"task:{task_id}", "files", json.dumps(list(kept.values())))
        expire(pipe, task_id)
        pipe.execute()
    return list(kept.values())


def files(task_id: str) -> list[dict]:
    """[{name, topic, size in bytes, url}], in the order in which they were finished."""
    return json.loads(redis.hget(f"task:{task_id}", "files") or "[]")


def file(task_id: str, name: str) -> bytes | None:
    return redis.hget(f"files:{task_id}", name)


def keys(task_id):
    return [f"{kind}:{task_id}" for kind in ("task", "document", "files", "runs")]


def expire(pipe, task_id):
    for key in keys(task_id):
        pipe.expire(key, TTL)
