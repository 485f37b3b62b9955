"""3.1: a client that comes back with Last-Event-ID gets every event once."""

import pytest

from workshop.testing import Person, eventually

JOB_PACE = 0.3


def test_a_client_that_comes_back_gets_what_it_missed_and_nothing_twice(person):
    task_ids = [person.task_id("optimize") for _ in range(2)]
    before = until_half_way(person, task_ids)
    for task_id in task_ids:
        assert person.ended(task_id)["state"] == "SUCCESS"
    after = list(received(person, task_ids, before[-1][0]))
    for task_id in task_ids:
        iterations = [task["current"] for _, task in before + after if is_update(task, task_id)]
        assert iterations == list(range(iterations[0], 700, 100)), (
            f"these iterations of one task arrived, on two connections: {iterations}"
        )
    assert {task["task_id"] for _, task in after if task["state"] == "SUCCESS"} == set(task_ids)
    ids = [id for id, _ in after]
    assert len(ids) == len(set(ids)), f"events share an id: {ids}"


def test_a_client_that_comes_back_while_a_job_runs_gets_the_rest_as_it_happens(person):
    task_id = person.task_id("optimize")
    before = until_half_way(person, [task_id])
    eventually(lambda: person.task(task_id)["current"] >= 400)
    after = list(received(person, [task_id], before[-1][0]))
    iterations = [task["current"] for _, task in before + after if is_update(task, task_id)]
    assert iterations == list(range(iterations[0], 700, 100)), f"these arrived: {iterations}"


def test_a_client_that_has_the_last_event_waits_for_no_other(person):
    task_id = person.task_id("optimize")
    *_, (last_id, _) = received(person, [task_id])
    assert last_id, "the last event has no id"
    again = [task["state"] for _, task in received(person, [task_id], last_id)]
    assert set(again) <= {"SUCCESS"}, f"after the last event there came {again}"


@pytest.mark.parametrize("last_id", ["nonsense", "987654321", "-1", ""])
def test_an_unknown_id_gets_what_the_task_is_now(person, last_id):
    task_id = person.task_id("optimize")
    eventually(lambda: person.task(task_id)["current"] >= 100)
    first = next(received(person, [task_id], last_id))[1]
    assert first["current"] >= 100, "the first event is not what the task is now"


def test_an_id_from_before_a_restart_is_unknown(start_step):
    step = start_step()
    with Person(step.url) as person:
        lost = person.task_id("optimize")
        last_id = until_half_way(person, [lost])[-1][0]
    step.processes["web"].stop()
    again = start_step(redis_url=step.redis_url)
    with Person(again.url, cookies=person.cookies) as person:
        other = person.task_id("optimize")
        assert person.ended(other)["state"] == "SUCCESS"
        ends = {task["task_id"]: task for _, task in received(person, [lost, other], last_id)}
    assert lost in ends, "no event says what became of the job that the restart ended"
    assert ends[lost]["state"] == "FAILURE"


def until_half_way(person, task_ids):
    """The events up to the first with 200 iterations. Then the connection is lost."""
    events = []
    stream = received(person, task_ids)
    for id, task in stream:
        events.append((id, task))
        if task["current"] >= 200:
            break
    stream.close()
    assert events[-1][0], "the events have no id"
    return events


def received(person, task_ids, last_id=None):
    """(id, what the task is) of each event, until the stream ends."""
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    for id, _, task in person.listen(f"task_ids={','.join(task_ids)}", **headers):
        yield id, task


def is_update(task, task_id):
    return task["task_id"] == task_id and task["state"] == "PROGRESS" and task["current"]
