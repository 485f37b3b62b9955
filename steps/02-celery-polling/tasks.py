"""Starts and runs a job as a Celery task, and reports its status, which Celery keeps."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from uuid import uuid4

from celery import Celery
from celery.exceptions import Ignore
from celery.signals import worker_init

import jobs
import store

STARTED = store.QUEUED | {
    "state": "PROGRESS",
    "stage": "started",
    "message": "The job has started",
}
DONE = {"state": "SUCCESS", "stage": "done", "message": "Done"}

celery = Celery("tasks")
celery.config_from_object("celeryconfig")
worker_init.connect(store.be_patient)


def start(task_id: str):
    run.apply_async([task_id], task_id=task_id)


@celery.task(bind=True)
def run(self, task_id):
    """Returns the last state, and Celery keeps it as the task's result."""
    task = store.get(task_id)
    if task is None or self.AsyncResult(task_id).ready():
        raise Ignore  # it has expired, or has ended: a return would replace its result
    this_run = uuid4().hex
    store.begin_run(task, this_run)
    state = {}
    for changes in chain([STARTED], work(task)):
        if not store.is_current(task_id, this_run):
            raise Ignore  # it was delivered again, and the newer run continues
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        state = state | changes | {"updated_at": now}
        self.update_state(state=state["state"], meta=state)
    return state


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
    # One read, so that state and meta belong together. AsyncResult's .state and .info are two.
    found = celery.backend.get_task_meta(task["task_id"])
    state = {"task_id": task["task_id"], "kind": task["kind"]} | store.QUEUED
    if isinstance(found["result"], Exception):
        return state | failed(found["result"]) | {"files": store.files(task["task_id"])}
    if found["status"] != "PENDING":
        return state | found["result"]
    waits = time.time() - task["created_at"] > store.PATIENCE
    return state | store.WAITING if waits else state


def failed(error):
    """What changes in the state of a task that ends with this error."""
    if not isinstance(error, jobs.JobError):
        error = jobs.JobError("The job failed.", "Try again. The log says why it failed.")
    words = {"message": error.error, "error": error.error, "hint": error.hint}
    return {"state": "FAILURE", "stage": "failed"} | words
