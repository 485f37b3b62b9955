"""Where this spike ends, proved: everything is in one process. Step 04 removes each limit."""

import httpx

from workshop.testing import Person, eventually

JOB_PACE = 0.3


def test_a_restart_loses_every_job_which_step_04_ends(start_step):
    first = start_step()
    with Person(first.url) as person:
        task_id = person.task_id("optimize")
        first.processes["web"].stop()
        again = start_step()
        answer = httpx.get(f"{again.url}/tasks/{task_id}", cookies=person.cookies)
    assert answer.status_code == 404


def test_a_second_process_has_never_heard_of_the_task_which_step_04_ends(step, person, start_step):
    task_id = person.task_id("optimize")
    second = start_step()
    for path in (f"/tasks/{task_id}", f"/tasks/stream?task_ids={task_id}"):
        assert httpx.get(second.url + path, cookies=person.cookies).status_code == 404
        # no cookie is at fault: the first process knows the task
    assert person.get(f"/tasks/{task_id}").status_code == 200


def test_two_streams_stop_two_sync_workers_which_step_05_ends(start_step):
    gunicorn = "gunicorn --no-control-socket -w 2 -b 127.0.0.1:$PORT app:app"
    step = start_step(commands={"web": gunicorn}, JOB_PACE=60)
    streams = [open_stream(step) for _ in range(2)]
    try:
        eventually(lambda: does_not_answer(step))
    finally:
        for person, stream in streams:
            stream.close()
            person.close()
    eventually(lambda: not does_not_answer(step))


def open_stream(step):
    """A person whose task and stream ended up in the same process, which is a matter of luck."""
    person = Person(step.url)
    person.__enter__()

    def lucky():
        task_id = person.task_id("optimize")
        url = f"/tasks/stream?task_ids={task_id}"
        stream = person.send(person.build_request("GET", url), stream=True)
        if stream.status_code == 200:
            return stream
        stream.close()
        return None

    return person, eventually(lucky)


def does_not_answer(step):
    try:
        return not httpx.get(f"{step.url}/healthz", timeout=1)
    except httpx.ReadTimeout:
        return True
