"""Remembers whose task it is, and keeps its document and its files. All of it expires together.

Web and worker share nothing but this store, so they may run on different machines.
"""

import json
import os
import time
from uuid import uuid4

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry

import jobs

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")
TTL = 24 * 60 * 60
MAX_FILES = 20 * 1024 * 1024
MOST_WAITING = 20  # tasks of one user in the queue
NO_RUN = ""  # until a worker begins one
ENDED = ("SUCCESS", "FAILURE", "CANCELLED")
QUEUED = {
    "state": "PENDING",
    "progress": 0,
    "stage": "queued",
    "message": "Queued",
    "current": 0,
    "total": 0,
    "metrics": {},
}

# When Redis is away, a person is told so after a second. The one retry is for a connection that
# Redis has closed since it was last used. Who finds all connections in use waits for one.
redis = Redis.from_pool(
    BlockingConnectionPool.from_url(
        REDIS_URL,
        timeout=5,
        socket_connect_timeout=1,
        socket_timeout=1,
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
    )
)


class QueueFull(Exception):
    """This user has as many tasks in the queue as one may have."""


def create(user: str, kind: str, options: dict, document: bytes | None) -> str:
    """Stores a new task, and returns its id. Raises QueueFull."""
    if redis.zcard(f"waiting:{user}") >= MOST_WAITING:
        raise QueueFull
    task_id = uuid4().hex
    task = {
        "user": user,
        "kind": kind,
        "options": json.dumps(options),
        "created_at": time.time(),
        "status": json.dumps(QUEUED),
        "run": NO_RUN,
    }
    with redis.pipeline() as pipe:
        pipe.hset(f"task:{task_id}", mapping=task)
        pipe.set(f"document:{task_id}", document or b"")
        for key in (f"tasks:{user}", f"waiting:{user}"):
            pipe.zadd(key, {task_id: task["created_at"]})
            pipe.zremrangebyscore(key, 0, task["created_at"] - TTL)
            pipe.expire(key, TTL)
        expire(pipe, task_id)
        pipe.execute()
    return task_id


def get(task_id: str) -> dict | None:
    """{task_id, user, kind, options, created_at, status, run, files}; None if it never was or has
    expired."""
    return known(task_id, redis.hgetall(f"task:{task_id}"))


def tasks_of(user: str) -> list[dict]:
    """The tasks of a user that have not expired, newest first."""
    task_ids = [task_id.decode() for task_id in redis.zrevrange(f"tasks:{user}", 0, -1)]
    with redis.pipeline(transaction=False) as pipe:
        for task_id in task_ids:
            pipe.hgetall(f"task:{task_id}")
        return list(filter(None, map(known, task_ids, pipe.execute())))


def known(task_id, fields):
    task = {name.decode(): value.decode() for name, value in fields.items()}
    if "user" not in task:
        return None
    return {
        "task_id": task_id,
        "user": task["user"],
        "kind": task["kind"],
        "options": json.loads(task["options"]),
        "created_at": float(task["created_at"]),
        "status": json.loads(task["status"]),
        "run": task["run"],
        "files": json.loads(task.get("files", "[]")),
    }


def forget(user: str, task_id: str):
    redis.zrem(f"tasks:{user}", task_id)
    no_longer_waits(user, task_id)
    redis.delete(*keys(task_id))


def no_longer_waits(user: str, task_id: str):
    redis.zrem(f"waiting:{user}", task_id)


def document(task_id: str) -> bytes | None:
    return redis.get(f"document:{task_id}") or None


def begin_run(task_id: str, run: str) -> int:
    """Makes this run the current one, and returns how many there were: a message that is
    delivered again starts another. Safe to repeat, as a client does that has lost its answer."""
    with redis.pipeline() as pipe:
        pipe.hset(f"task:{task_id}", "run", run)
        pipe.sadd(f"runs:{task_id}", run)
        pipe.scard(f"runs:{task_id}")
        expire(pipe, task_id)
        return pipe.execute()[2]


def cancel(task_id: str):
    with redis.pipeline() as pipe:
        pipe.hset(f"task:{task_id}", "cancelled", "yes")
        expire(pipe, task_id)
        pipe.execute()


def is_cancelled(task_id: str) -> bool:
    return redis.hexists(f"task:{task_id}", "cancelled")


def save(task_id: str, file: jobs.File):
    """Raises JobError if the files of this task grow too large for Redis."""
    kept = {old["name"]: old for old in files(task_id)} | {file.name: about(task_id, file)}
    if sum(old["size"] for old in kept.values()) > MAX_FILES:
        raise jobs.JobError("The files of this task are too large.", "Split the document.")
    with redis.pipeline() as pipe:
        pipe.hset(f"files:{task_id}", file.name, file.data)
        pipe.hset(f"task:{task_id}", "files", json.dumps(list(kept.values())))
        expire(pipe, task_id)
        pipe.execute()


def files(task_id: str) -> list[dict]:
    """[{name, topic, size in bytes, url}], in the order in which they were finished."""
    return json.loads(redis.hget(f"task:{task_id}", "files") or "[]")


def file(task_id: str, name: str) -> bytes | None:
    return redis.hget(f"files:{task_id}", name)


def described(task: dict) -> dict:
    """{task_id, kind, state, progress, stage, message, ..., files, result?, error?, hint?}."""
    status, kept = task["status"], task["files"]
    result = {"result": kept[-1]} if status["state"] == "SUCCESS" else {}
    return {"task_id": task["task_id"], "kind": task["kind"], "files": kept} | status | result


def about(task_id, file):
    url = f"/tasks/{task_id}/files/{file.name}"
    return {"name": file.name, "topic": file.topic, "size": len(file.data), "url": url}


def keys(task_id):
    return [f"{kind}:{task_id}" for kind in ("task", "document", "files", "runs")]


def expire(pipe, task_id):
    for key in keys(task_id):
        pipe.expire(key, TTL)
