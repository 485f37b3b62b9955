"""Starts and runs a job as a Celery task. Its state lives in Celery's result backend."""

import time
from datetime import UTC, datetime
from uuid import uuid4

from celery import Celery
from celery.exceptions import Ignore
from celery.signals import worker_init
from redis.backoff import ConstantBackoff
from redis.retry import Retry

import jobs
import store

MOST_RUNS = 3
LONGEST_RUN = 15 * 60
PATIENCE = 5  # seconds in the queue, before a person is told why nothing happens

celery = Celery("tasks", broker=store.REDIS_URL, backend=store.REDIS_URL)
celery.conf.update(
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    result_expires=store.TTL,
    # A task whose worker dies is delivered again, to another worker.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # Redis delivers a task again if it takes longer than this, even while it still runs.
    broker_transport_options={"visibility_timeout": LONGEST_RUN + 60},
    task_soft_time_limit=LONGEST_RUN,  # raised in the task, which can still say so
    task_time_limit=LONGEST_RUN + 30,
    # A worker takes no task that it cannot start at once.
    worker_prefetch_multiplier=1,
    # With Redis away, POST /tasks fails in a second instead of trying for twenty.
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0.2},
    broker_connection_timeout=1,
    broker_connection_retry_on_startup=True,
)


@worker_init.connect
def be_patient(**_):
    """A job outlives a minute without Redis; only a person at the page is told at once."""
    pool = store.redis.connection_pool
    pool.connection_kwargs["retry"] = Retry(ConstantBackoff(1), 60)  # of connections to come
    pool.timeout = None


def start(task_id: str):
    run.apply_async([task_id], task_id=task_id)


@celery.task(bind=True)
def run(self, task_id):
    if self.AsyncResult(task_id).ready():
        raise Ignore  # delivered again after it had ended
    task = store.get(task_id)
    if task is None:
        raise jobs.JobError("The task has expired before a worker was free.", "Start it again.")
    this_run = uuid4().hex
    store.no_longer_waits(task["user"], task_id)
    if store.begin_run(task_id, this_run) > MOST_RUNS:
        raise jobs.JobError(
            f"This job was started {MOST_RUNS} times, and never came to its end.",
            "Try a smaller document.",
        )
    self.update_state(state="PROGRESS", meta=news(stage="started", message="A worker has started"))
    files = []
    for update in jobs.start(task["kind"], store.document(task_id), task["options"]):
        if not store.is_current(task_id, this_run):
            raise Ignore  # delivered again meanwhile: the other run goes on
        if update.file:
            files.append(update.file)
            store.save(task_id, update.file)
        self.update_state(state="PROGRESS", meta=news(**update.without_file()))
    store.save(task_id, jobs.File("all.zip", "All files", jobs.zipped(files)))
    return news(**update.without_file()) | {"stage": "done", "message": "Done"}


def status(task: dict) -> dict:
    """{state, progress, stage, message, current, total, metrics, updated_at?, error?, hint?}."""
    result = celery.backend.get_task_meta(task["task_id"])  # one read: state and news fit together
    if result["status"] == "PENDING":
        return {"state": "PENDING"} | waiting(time.time() - task["created_at"])
    if result["status"] == "FAILURE":
        return {"state": "FAILURE"} | failed(result["result"])
    return {"state": result["status"]} | result["result"]


def waiting(seconds):
    if seconds < PATIENCE:
        return blank(stage="queued", message="Queued")
    return blank(stage="waiting", message="Waiting for a worker: all are busy, or none is running")


def failed(error):
    if not isinstance(error, jobs.JobError):
        error = jobs.JobError("The job failed.", "Try again. The worker's log says why it failed.")
    return blank(stage="failed", message=error.error, error=error.error, hint=error.hint)


def news(**what):
    return blank(**what) | {"updated_at": datetime.now(UTC).isoformat(timespec="milliseconds")}


def blank(**what):
    return {
        "progress": 0,
        "stage": "",
        "message": "",
        "current": 0,
        "total": 0,
        "metrics": {},
    } | what
