"""Starts, runs and cancels a job in a thread of this process, with which it ends."""

import logging
from threading import Thread

import events
import jobs
import store

log = logging.getLogger(__name__)


def start(task_id: str):
    Thread(target=run, args=[task_id], daemon=True).start()


def cancel(task_id: str):
    """Asks a job to stop; it does so at its next update."""
    store.cancel(task_id)


def run(task_id):
    try:
        work(task_id)
    except Exception as error:
        log.exception("task %s failed", task_id)
        events.publish(task_id, **failed(error))


def work(task_id):
    task = store.get(task_id)
    events.publish(task_id, state="PROGRESS", stage="started", message="A thread has started")
    files = []
    for update in jobs.start(task["kind"], store.document(task_id), task["options"]):
        if store.is_cancelled(task_id):
            return events.publish(task_id, **cancelled())
        if update.file:
            files.append(update.file)
            store.save(task_id, update.file)
        events.publish(task_id, **update.without_file())
    store.save(task_id, jobs.File("all.zip", "All files", jobs.zipped(files)))
    return events.publish(task_id, state="SUCCESS", stage="done", message="Done")


def cancelled():
    return {"state": "CANCELLED", "stage": "cancelled", "message": "Cancelled"}


def failed(error):
    if not isinstance(error, jobs.JobError):
        error = jobs.JobError("The job failed.", "Try again. The server's log says why it failed.")
    told = {"message": error.error, "error": error.error, "hint": error.hint}
    return {"state": "FAILURE", "stage": "failed"} | told
