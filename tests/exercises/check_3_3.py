"""3.3: after a restart, the jobs that it ended start again, and no others."""

from workshop.testing import ENDED, Person, eventually, names_in

JOB_PACE = 0.3
MOST_RESTARTS = 6


def test_a_restart_starts_the_lost_jobs_again_and_no_others(start_step):
    step = start_step()
    with Person(step.url) as person:
        done = person.task_id("optimize")
        assert person.ended(done)["state"] == "SUCCESS"
        lost, cancelled = (person.task_id("optimize") for _ in range(2))
        person.post(f"/tasks/{cancelled}/cancel").raise_for_status()
        eventually(lambda: person.task(lost)["current"] >= 200)
        before = {task_id: person.task(task_id) for task_id in (done, cancelled)}
    with Person(restarted(start_step, step).url, cookies=person.cookies) as person:
        task = person.task(lost)
        assert task["state"] not in ENDED, f"after the restart the page says: {task['message']}"
        events = [event for _, _, event in person.listen(f"task_ids={lost}")]
        assert events[-1]["state"] == "SUCCESS", f"in the end it says: {events[-1]['message']}"
        assert not events[-1].get("error"), "a job that has succeeded still shows an error"
        archive = person.get(events[-1]["result"]["url"]).content
        assert names_in(archive) == ["round.svg"]
        after = {task_id: person.task(task_id) for task_id in (done, cancelled)}
    assert after == before, "a task that had ended has changed"


def test_a_job_that_is_lost_again_and_again_fails_in_the_end(start_step):
    step = start_step()
    with Person(step.url) as person:
        task_id = person.task_id("optimize")
        task = next_update(person, task_id, "")
    restarts = 0
    while task["state"] not in ENDED:
        assert restarts < MOST_RESTARTS, f"the job has started again {restarts} times"
        step = restarted(start_step, step)
        restarts += 1
        with Person(step.url, cookies=person.cookies) as person:
            task = next_update(person, task_id, task["updated_at"])
    assert restarts > 1, "one restart is no reason to give up"
    assert task["state"] == "FAILURE"
    assert task["stage"] != "lost", "it is lost, and the next restart would start it again"


def test_a_second_process_leaves_the_jobs_of_the_first_alone(start_step):
    step = start_step(JOB_PACE=1.5)  # the job goes on while the second process starts
    with Person(step.url) as person:
        task_id = person.task_id("optimize")
        eventually(lambda: person.task(task_id)["current"] >= 200)
        iterations = [person.task(task_id)["current"]]
        start_step(redis_url=step.redis_url)

        def ended():
            task = person.task(task_id)
            iterations.append(task["current"])
            return task["state"] in ENDED

        eventually(ended)
    assert iterations == sorted(iterations), "the job of the first process began again"
    assert iterations[-1] == 600


def restarted(start_step, step):
    step.processes["web"].stop()
    return start_step(redis_url=step.redis_url)


def next_update(person, task_id, updated_at):
    """The task after a new update of its job, or after its end."""

    def updated():
        task = person.task(task_id)
        new = task["stage"] == "optimizing" and task["updated_at"] > updated_at
        return (new or task["state"] in ENDED) and task

    return eventually(updated)
