"""2.4: a request waits for news, not for ever, and only if it is asked to."""

import time
from concurrent.futures import ThreadPoolExecutor

from workshop.testing import ENDED, Person, eventually

JOB_PACE = 0.5
MOST_ANSWERS = 10  # 'A worker has started', six updates, 'Done', and some grace


def test_each_answer_brings_news(person):
    task_id = person.task_id("optimize")
    seen, state, answers = "", "PENDING", 0
    while state not in ENDED:
        task = wait_for_news(person, task_id, wait=10, seen=seen)
        assert task.get("updated_at", "") != seen, "an answer brought nothing new"
        seen, state, answers = task["updated_at"], task["state"], answers + 1
    assert answers <= MOST_ANSWERS, f"a job of six updates took {answers} answers"
    began = time.monotonic()
    wait_for_news(person, task_id, wait=10, seen=seen)
    assert time.monotonic() - began < 5, "of an ended task no more news comes: why wait?"


def test_it_waits_as_long_as_it_is_asked_to_but_not_for_ever(start_step):
    step = start_step(commands={"worker": None})  # so there never is news
    with Person(step.url) as person, ThreadPoolExecutor() as pool:
        task_id = person.task_id("optimize")
        long, short = [
            pool.submit(wait_for_news, person, task_id, wait=wait, seen="") for wait in (1e9, 2)
        ]
        at_once = person.task(task_id)
        assert at_once["state"] == "PENDING"
        assert not short.done(), "with wait=2, and no news, the answer came at once"
        eventually(short.done, seconds=8)
        assert not long.done(), "who asks for more than 2 seconds gets more"
        eventually(long.done, seconds=20)
        assert long.result()["state"] == "PENDING"


def test_nobody_waits_for_the_task_of_somebody_else(step, person):
    task_id = person.task_id("optimize")
    with Person(step.url) as somebody_else:
        assert somebody_else.get(f"/tasks/{task_id}?wait=10").status_code == 404


def wait_for_news(person, task_id, **query):
    answer = person.get(f"/tasks/{task_id}", params=query)
    assert answer.status_code == 200, f"GET /tasks/<id>?wait={query['wait']}: {answer.status_code}"
    return answer.json()
