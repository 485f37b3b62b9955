"""Starts, runs and cancels a job as a Celery task, and reports its status."""

import time
from collections.abc import Iterator
from itertools import chain
from uuid import uuid4

from celery import Celery
from celery.exceptions import TimeLimitExceeded
from celery.signals import task_failure, worker_init

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

celery = Celery("tasks")
celery.config_from_object("celeryconfig")
worker_init.connect(store.be_patient)


def start(task_id: str):
    # 'Queued' comes first. Otherwise a fast worker could publish its first update before it.
    events.publish(store.get(task_id), cancel_url=f"/tasks/{task_id}/cancel")
    run.apply_async([task_id], task_id=task_id)


def cancel(task: dict):
    """Ends the task. Its job stops at its next update, which is no longer published."""
    events.end(task["task_id"], **CANCELLED)
    store.stop_waiting(task["user"], task["task_id"])


@celery.task
def run(task_id):
    task = store.get(task_id)
    if task is None:
        return  # it has expired
    this_run = uuid4().hex
    try:
        store.begin_run(task, this_run)
        for changes in chain([STARTED], work(task)):
            if not events.publish(task, this_run, **changes):
                return  # it has ended, or was delivered again: then the newer run continues
    except Exception as error:
        events.publish(task, this_run, **failed(error))
        raise


@task_failure.connect
def report_killed(task_id, exception, **_):
    """A job that ignores its soft time limit is killed at the hard one, and can't report its end.
    The worker's main process calls this."""
    if isinstance(exception, TimeLimitExceeded):
        events.end(task_id, **failed(exception))


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
    state = events.status(task)
    waits = state["state"] == "PENDING" and time.time() - task["created_at"] > store.PATIENCE
    return state | store.WAITING if waits else state


def failed(error):
    """What changes in the state of a task that ends with this error."""
    if not isinstance(error, jobs.JobError):
        error = jobs.JobError("The job failed.", "Try again. The log says why it failed.")
    words = {"message": error.error, "error": error.error, "hint": error.hint}
    return {"state": "FAILURE", "stage": "failed"} | words
