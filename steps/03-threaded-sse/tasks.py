"""Starts, runs and cancels a job in a thread of this process, and reports its status."""

import os
from collections.abc import Iterator
from itertools import chain
from threading import Thread
from uuid import uuid4

import events
import jobs
import store

STARTED = store.QUEUED | {
    "state": "PROGRESS",
    "stage": "started",
    "message": "The job has started",
}
DONE = {"state": "SUCCESS", "stage": "done", "message": "Done"}
CANCELLED = {"state": "CANCELLED", "stage": "cancelled", "message": "Cancelled"}


def start(task_id: str):
    task = store.get(task_id)
    # 'Queued' comes first. Otherwise the thread could publish its first update before it.
    events.publish(task, cancel_url=f"/tasks/{task_id}/cancel")
    this_run = f"{os.getpid()}-{uuid4().hex}"
    Thread(target=run, args=[task, this_run], name=this_run, daemon=True).start()


def cancel(task: dict):
    """Ends the task. Its job stops at its next update, which is no longer published."""
    events.publish(task, **CANCELLED)
    store.stop_waiting(task["user"], task["task_id"])


def run(task, this_run):
    try:
        store.begin_run(task, this_run)
        for changes in chain([STARTED], work(task)):
            if not events.publish(task, **changes):
                return  # it was cancelled
    except Exception as error:
        events.publish(task, **failed(error))
        raise  # ends the thread, and writes the traceback to the log


def work(task: dict) -> Iterator[dict]:
    """Runs the job, and yields what each update changes in the task's state."""
    task_id = task["task_id"]
    files = []
    for update in jobs.start(task["kind"], store.document(task_id), task["options"]):
        changes = update.without_file()
        if update.file:
            files.append(update.file)
            changes["files"] = store.save(task_id, update.file)
        yield changes
    links = store.save(task_id, jobs.File("all.zip", "All files", jobs.zipped(files)))
    yield DONE | {"files": links, "result": links[-1]}


def status(task: dict) -> dict:
    """{task_id, kind, state, progress, stage, message, ..., files, result?, error?, hint?}."""
    return events.status(task)


def failed(error):
    """What changes in the state of a task that ends with this error."""
    if not isinstance(error, jobs.JobError):
        error = jobs.JobError("The job failed.", "Try again. The log says why it failed.")
    words = {"message": error.error, "error": error.error, "hint": error.hint}
    return {"state": "FAILURE", "stage": "failed"} | words
