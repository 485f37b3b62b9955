"""Remembers tasks, with their documents and files, in a dict: they end with this process."""

import threading
from uuid import uuid4

import jobs

MOST_TASKS = 500
MAX_FILES = 20 * 1024 * 1024
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

tasks: dict[str, dict] = {}
lock = threading.Lock()


def create(user: str, kind: str, options: dict, document: bytes | None) -> str:
    """Stores a new task, and returns its id. If there are many, the oldest that ended go."""
    task_id = uuid4().hex
    task = {
        "task_id": task_id,
        "user": user,
        "kind": kind,
        "options": options,
        "document": document,
        "files": {},
        "cancelled": False,
        "status": QUEUED,
    }
    with lock:
        tasks[task_id] = task
        ended = [old for old, task in tasks.items() if task["status"]["state"] in ENDED]
        for old in ended[: max(0, len(tasks) - MOST_TASKS)]:
            del tasks[old]
    return task_id


def get(task_id: str) -> dict | None:
    """Everything about a task; None if it never was or has been forgotten."""
    return tasks.get(task_id)


def tasks_of(user: str) -> list[dict]:
    """The tasks of a user, newest first."""
    with lock:
        return [task for task in reversed(tasks.values()) if task["user"] == user]


def forget(user: str, task_id: str):
    del tasks[task_id]


def document(task_id: str) -> bytes | None:
    return tasks[task_id]["document"]


def cancel(task_id: str):
    if task := get(task_id):
        task["cancelled"] = True


def is_cancelled(task_id: str) -> bool:
    return tasks[task_id]["cancelled"]


def tell(task_id: str, news: dict) -> dict:
    """Adds the news to what was told before, and returns the task as described() does."""
    task = tasks[task_id]
    task["status"] = task["status"] | news
    if task["status"]["state"] in ENDED:
        task["document"] = None
    return described(task)


def save(task_id: str, file: jobs.File):
    """Raises JobError if the files of this task grow too large for memory."""
    kept = tasks[task_id]["files"] | {file.name: file}
    if sum(len(old.data) for old in kept.values()) > MAX_FILES:
        raise jobs.JobError("The files of this task are too large.", "Split the document.")
    tasks[task_id]["files"] = kept


def files(task: dict) -> list[dict]:
    """[{name, topic, size in bytes, url}], in the order in which they were finished."""
    return [about(task["task_id"], file) for file in task["files"].values()]


def file(task_id: str, name: str) -> bytes | None:
    task = get(task_id)
    kept = task and task["files"].get(name)
    return kept and kept.data


def described(task: dict) -> dict:
    """{task_id, kind, state, progress, stage, message, ..., files, result?, error?, hint?}."""
    status = task["status"]
    kept = files(task)  # read after the state, which is never ahead of them
    result = {"result": kept[-1]} if status["state"] == "SUCCESS" else {}
    return {"task_id": task["task_id"], "kind": task["kind"], "files": kept} | status | result


def about(task_id, file):
    url = f"/tasks/{task_id}/files/{file.name}"
    return {"name": file.name, "topic": file.topic, "size": len(file.data), "url": url}
