"""What a task survives, and how it ends when it cannot."""

import signal
import subprocess
import sys

import psutil
import pytest
import redis
from celery import Celery

from workshop.testing import Person, eventually, log_with

pytestmark = pytest.mark.slow  # faults
JOB_PACE = 0.3


def test_a_task_whose_worker_process_is_killed_is_done_by_another(step, person):
    with store_of(step) as store:
        task_id = started(person)
        kill_children_of(step.processes["worker"])
        task = person.ended(task_id)
        assert task["state"] == "SUCCESS"
        assert [file["name"] for file in task["files"]] == ["round.svg", "all.zip"]
        assert runs(store, task_id) == 2


def test_a_task_that_kills_its_worker_again_and_again_is_given_up(step, person):
    with store_of(step) as store:
        task_id = started(person)
        for run in (1, 2, 3):
            eventually(lambda run=run: runs(store, task_id) == run)
            kill_children_of(step.processes["worker"])
        task = person.ended(task_id)
        assert task["state"] == "FAILURE"
        assert task["error"] == "This job was started 3 times, and never finished."


def test_a_task_whose_worker_must_stop_at_once_is_put_back(start_step):
    step = start_step()
    with Person(step.url) as person:
        task_id = started(person)
        worker = step.processes["worker"].popen
        worker.send_signal(signal.SIGTERM)
        log_with(step.processes["worker"], "Warm shutdown")
        worker.send_signal(signal.SIGQUIT)
        worker.wait(20)
        assert person.task(task_id)["state"] == "PROGRESS"
        start_step(redis_url=step.redis_url)
        assert person.ended(task_id)["state"] == "SUCCESS"


def test_a_task_delivered_again_after_its_end_is_not_done_again(step, person):
    task_id = person.task_id("optimize")
    before = person.ended(task_id)
    with Celery(broker=step.redis_url) as celery:
        celery.send_task("tasks.run", [task_id], task_id=task_id)
    log_with(step.processes["worker"], f"tasks.run[{task_id}] ignored")
    assert person.task(task_id) == before


def test_a_run_that_was_replaced_stops_and_tells_nothing_more(step, person):
    with store_of(step) as store:
        task_id = started(person)
        store.hset(f"task:{task_id}", "run", "another")
        log_with(step.processes["worker"], f"tasks.run[{task_id}] ignored")
        assert person.task(task_id)["progress"] < 100


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("kind", "nonsense", "There is no kind of job 'nonsense'."),
        ("options", "[]", "The job failed."),
    ],
)
def test_a_job_that_fails_ends_in_words_for_people(start_step, field, value, error):
    step = start_step(commands={"worker": None})
    with Person(step.url) as person, store_of(step) as store:
        task_id = person.task_id("worksheets", sample="yes")
        store.hset(f"task:{task_id}", field, value)
        worker = start_step(commands={"web": None}, redis_url=step.redis_url)
        task = person.ended(task_id)
        assert (task["state"], task["error"]) == ("FAILURE", error)
        assert task["hint"]
        assert "Traceback" not in str(task)
        log_with(worker.processes["worker"], "Traceback")


def test_a_job_survives_seconds_without_redis(step, person):
    with store_of(step) as store:
        task_id = started(person)
        server = psutil.Process(store.info()["process_id"])
        server.suspend()
        try:
            away = person.get(f"/tasks/{task_id}")
        finally:
            server.resume()
        assert away.status_code == 503
        assert away.json()["error"] == "Redis is away."
        assert away.headers["Retry-After"]
        assert person.ended(task_id)["state"] == "SUCCESS"


def test_a_worker_is_patient_and_a_web_process_is_not(step):
    code = (
        "import tasks, store\n"
        "from celery.signals import worker_init\n"
        "pool = store.redis.connection_pool\n"
        "print(pool.timeout, pool.make_connection().retry.get_retries())\n"
        "worker_init.send(sender=None)\n"
        "print(pool.timeout, pool.make_connection().retry.get_retries())\n"
    )
    env = {"REDIS_URL": step.redis_url}
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, cwd=step.step, env=env, capture_output=True, text=True)
    assert said.stdout.split() == ["5", "1", "None", "60"], said.stderr


def started(person):
    task_id = person.task_id("optimize")
    eventually(lambda: person.task(task_id)["state"] == "PROGRESS")
    return task_id


def store_of(step):
    return redis.Redis.from_url(step.redis_url)


def runs(store, task_id):
    return store.scard(f"runs:{task_id}")


def kill_children_of(process):
    for child in psutil.Process(process.popen.pid).children():
        child.kill()
