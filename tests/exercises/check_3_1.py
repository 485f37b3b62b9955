"""3.1: who comes back with Last-Event-ID misses nothing, and hears nothing twice."""

import pytest

from workshop.testing import eventually

JOB_PACE = 0.3


def test_who_comes_back_hears_what_was_missed_and_nothing_twice(person):
    task_ids = [person.task_id("optimize") for _ in range(2)]
    before = until_half_way(person, task_ids)
    assert before[-1][0], "the events have no id"
    for task_id in task_ids:
        assert person.ended(task_id)["state"] == "SUCCESS"
    after = list(heard(person, task_ids, before[-1][0]))
    for task_id in task_ids:
        iterations = [task["current"] for _, task in before + after if is_update(task, task_id)]
        assert iterations == list(range(iterations[0], 700, 100)), (
            f"of one task these iterations were heard, on two connections: {iterations}"
        )
        assert after[-1][1]["state"] == "SUCCESS"
    ids = [id for id, _ in after]
    assert len(ids) == len(set(ids)), f"events share an id: {ids}"


def test_who_comes_back_while_it_goes_on_hears_the_rest_as_it_comes(person):
    task_id = person.task_id("optimize")
    before = until_half_way(person, [task_id])
    eventually(lambda: person.task(task_id)["current"] >= 400)
    after = list(heard(person, [task_id], before[-1][0]))
    iterations = [task["current"] for _, task in before + after if is_update(task, task_id)]
    assert iterations == list(range(iterations[0], 700, 100)), f"these were heard: {iterations}"


@pytest.mark.parametrize("last_id", ["nonsense", "987654321", "-1", ""])
def test_with_an_id_that_says_nothing_one_hears_what_is_now(person, last_id):
    task_id = person.task_id("optimize")
    eventually(lambda: person.task(task_id)["current"] >= 100)
    first = next(heard(person, [task_id], last_id))[1]
    assert first["current"] >= 100, "the first event is not what the task is now"


def until_half_way(person, task_ids):
    """What is heard until the first update, and of the next one; then the connection is lost."""
    news = []
    stream = heard(person, task_ids)
    for id, task in stream:
        news.append((id, task))
        if task["current"] >= 200:
            break
    stream.close()
    return news


def heard(person, task_ids, last_id=None):
    """(id, what the task is) of each event, until the stream ends."""
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    for id, _, task in person.listen(f"task_ids={','.join(task_ids)}", **headers):
        yield id, task


def is_update(task, task_id):
    return task["task_id"] == task_id and task["state"] == "PROGRESS" and task["current"]
