"""Starts, runs and cancels a job as a Celery task, which publishes its news."""

import time
from uuid import uuid4

from celery import Celery
from celery.exceptions import Ignore, TimeLimitExceeded
from celery.signals import task_failure, worker_init
from redis.backoff import ConstantBackoff
from redis.retry import Retry

import events
import jobs
import store

MOST_RUNS = 3
LONGEST_RUN = 15 * 60
PATIENCE = 5  # seconds in the queue, before a person is told why nothing happens
STARTED = store.QUEUED | {
    "state": "PROGRESS",
    "stage": "started",
    "message": "A worker has started",
}
WAITING = {
    "stage": "waiting",
    "message": "Waiting for a worker: all are busy, or none is running",
}

celery = Celery("tasks", broker=store.REDIS_URL)
celery.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,  # the events tell it
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
    events.publish(task_id, store.NO_RUN)  # 'queued'; refused if a worker has begun already


def cancel(task_id: str):
    """Asks a job to stop; it does so at its next update. What waits in the queue stops at once."""
    store.cancel(task_id)
    if events.publish(task_id, store.NO_RUN, **cancelled()):
        store.no_longer_waits(store.get(task_id)["user"], task_id)


@celery.task
def run(task_id):
    this_run = uuid4().hex
    try:
        work(task_id, this_run)
    except Ignore:
        raise
    except Exception as error:
        events.publish(task_id, this_run, **failed(error))
        raise


@task_failure.connect
def speak_for_the_killed(task_id, exception, **_):
    """A job that does not stop at its soft time limit is killed at the hard one. This runs in the
    worker's main process, as nobody else is left to tell how the task has ended."""
    if isinstance(exception, TimeLimitExceeded) and (task := store.get(task_id)):
        events.publish(task_id, task["run"], **failed(exception))


def work(task_id, this_run):
    task = store.get(task_id)
    if task is None:
        raise jobs.JobError("The task has expired before a worker was free.", "Start it again.")
    store.no_longer_waits(task["user"], task_id)
    if store.begin_run(task_id, this_run) > MOST_RUNS:
        raise jobs.JobError(
            f"This job was started {MOST_RUNS} times, and never came to its end.",
            "Try a smaller document.",
        )
    publish(task_id, this_run, **STARTED)
    files = []
    for update in jobs.start(task["kind"], store.document(task_id), task["options"]):
        if store.is_cancelled(task_id):
            return publish(task_id, this_run, **cancelled())
        if update.file:
            files.append(update.file)
            store.save(task_id, update.file)
        publish(task_id, this_run, **update.without_file())
    store.save(task_id, jobs.File("all.zip", "All files", jobs.zipped(files)))
    return publish(task_id, this_run, state="SUCCESS", stage="done", message="Done")


def publish(task_id, this_run, **news):
    if not events.publish(task_id, this_run, **news):
        raise Ignore  # delivered again after it had ended, or meanwhile: the other run goes on


def status(task: dict) -> dict:
    """As store.described() has it; and if it waits for long, why."""
    described = store.described(task)
    if described["state"] == "PENDING" and time.time() - task["created_at"] > PATIENCE:
        return described | WAITING
    return described


def cancelled():
    return {"state": "CANCELLED", "stage": "cancelled", "message": "Cancelled"}


def failed(error):
    if not isinstance(error, jobs.JobError):
        error = jobs.JobError("The job failed.", "Try again. The worker's log says why it failed.")
    told = {"message": error.error, "error": error.error, "hint": error.hint}
    return {"state": "FAILURE", "stage": "failed"} | told
