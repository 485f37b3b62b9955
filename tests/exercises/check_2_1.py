"""2.1: a job that its user has cancelled stops at its next update."""

import pytest

from workshop.processes import running
from workshop.testing import Person, eventually

ONE_AT_A_TIME = {"worker": "celery -A tasks worker --concurrency 1 --loglevel info"}


@pytest.fixture(scope="module")
def step(folder):
    with running(folder, env={"JOB_PACE": "0.3"}, commands=ONE_AT_A_TIME) as step_is_running:
        yield step_is_running


def test_a_running_job_stops_and_one_in_the_queue_never_begins(person):
    active, queued, wanted = [person.task_id("optimize") for _ in range(3)]
    eventually(lambda: person.task(active)["progress"] > 0)
    for task_id in (active, queued):
        status = person.post(f"/tasks/{task_id}/cancel").status_code
        assert status == 202, f"POST /tasks/<id>/cancel answered {status}, and not 202"
    assert person.ended(wanted)["state"] == "SUCCESS"
    # The one worker process has finished with the other two, and writes nothing more about them.
    for task_id in (active, queued):
        task = person.task(task_id)
        assert task["state"] == "CANCELLED", f"the state is {task['state']} in the end"
        assert task["progress"] < 100, "the job went on to its end"
        assert task["files"] == [], "a cancelled job has no ZIP of all files"
    assert person.task(active)["progress"] > 0, "the progress up to then is lost"


def test_another_user_cannot_cancel_the_job(person):
    task_id = person.task_id("optimize")
    with Person(str(person.base_url)) as stranger:
        status = stranger.post(f"/tasks/{task_id}/cancel").status_code
        assert status == 404, f"another user got {status}, and not 404"
    assert person.ended(task_id)["state"] == "SUCCESS"


def test_the_page_learns_where_to_cancel(person):
    # The page shows its button for a task that has a cancel_url.
    answer = person.start("optimize").json()
    task = person.task(answer["task_id"])
    for said, where in ((answer, "POST /tasks"), (task, "GET /tasks/<id>")):
        url = said.get("cancel_url")
        assert url == f"/tasks/{answer['task_id']}/cancel", f"{where} says cancel_url: {url}"
