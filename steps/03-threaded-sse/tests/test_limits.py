"""Where this prototype ends, proved: its jobs and its events are in one process. Step 04 removes
each limit."""

import contextlib
import signal

import httpx

from workshop.testing import Person, eventually

JOB_PACE = 0.3


def test_a_restart_loses_every_job_and_says_so_which_step_04_ends(step, start_step):
    first = start_step(redis_url=step.redis_url, JOB_PACE=60)
    with Person(first.url) as person:
        task_ids = [person.task_id("optimize") for _ in range(3)]
        for task_id in task_ids:
            eventually(lambda task_id=task_id: person.task(task_id)["state"] == "PROGRESS")
        first.processes["web"].popen.send_signal(signal.SIGKILL)
        first.processes["web"].popen.wait(10)
    with Person(step.url, cookies=person.cookies) as person:
        for task_id in task_ids:
            lost = person.task(task_id)
            assert (lost["state"], lost["stage"]) == ("FAILURE", "lost")
            assert lost["error"] == "This job is lost: nothing runs it any more."
            assert lost["hint"]
        events = list(person.listen(f"task_ids={','.join(task_ids)}"))
        assert {type for _, type, _ in events} == {"error"}
        assert {data["task_id"] for _, _, data in events} == set(task_ids)


def test_a_second_process_shows_the_task_and_receives_no_event_which_step_04_ends(
    step, person, start_step
):
    second = start_step(redis_url=step.redis_url)
    task_id = person.task_id("worksheets", sample="yes")
    with Person(second.url, cookies=person.cookies) as other:
        assert other.task(task_id)["state"] in ("PENDING", "PROGRESS")
        url = f"/tasks/stream?task_ids={task_id}"
        with other.stream("GET", url) as silent, contextlib.closing(silent.iter_lines()) as lines:
            next(line for line in lines if line.startswith("data: "))  # the snapshot
            assert person.ended(task_id)["state"] == "SUCCESS"
            assert [next(lines) for _ in range(5)] == ["", *2 * [": keep-alive", ""]]
        assert other.task(task_id)["state"] == "SUCCESS"


def test_two_streams_stop_two_sync_workers_which_step_05_ends(step, start_step):
    gunicorn = "gunicorn --no-control-socket -w 2 -b 127.0.0.1:$PORT app:app"
    sync = start_step(commands={"web": gunicorn}, redis_url=step.redis_url, JOB_PACE=60)
    with contextlib.ExitStack() as streams:
        for _ in range(2):
            person = streams.enter_context(Person(sync.url))
            task_id = person.task_id("optimize")
            url = f"/tasks/stream?task_ids={task_id}"
            assert streams.enter_context(person.stream("GET", url)).status_code == 200
        eventually(lambda: does_not_answer(sync))
    eventually(lambda: not does_not_answer(sync))


def does_not_answer(step):
    try:
        return not httpx.get(f"{step.url}/healthz", timeout=1)
    except httpx.ReadTimeout:
        return True
