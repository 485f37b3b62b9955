"""The request ends at once, a worker does the work, and whoever asks learns how far it is."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from statistics import mean

import httpx
import pytest
import redis

from workshop.testing import Person, eventually, names_in

JOB_PACE = 0.3
SECRET_KEY = "the same for two web processes"


def test_post_answers_before_the_work_is_done(person):
    answer = person.start("optimize")
    assert answer.status_code == 202
    asked = person.get(answer.json()["status_url"])
    assert asked.json()["state"] in ("PENDING", "PROGRESS")
    assert asked.headers["Retry-After"] == "2"


def test_each_lesson_can_be_had_as_soon_as_it_is_done(person):
    task_id = person.task_id("worksheets", sample="yes")
    task = eventually(lambda: (task := person.task(task_id))["files"] and task)
    assert task["state"] == "PROGRESS"
    first = task["files"][0]
    assert first["topic"] == "Animals"
    documents = names_in(person.get(first["url"]).content)
    assert documents == ["lesson_1_worksheet.docx", "lesson_1_key.docx"]


def test_progress_only_grows_and_ends_at_100(person):
    task_id = person.task_id("optimize")
    seen = []
    while not seen or seen[-1]["state"] in ("PENDING", "PROGRESS"):
        seen.append(person.task(task_id))
    progress = [task["progress"] for task in seen]
    assert progress == sorted(progress)
    assert len(set(progress)) > 3
    assert progress[-1] == 100
    assert seen[-1]["result"]["name"] == "all.zip"


def test_three_people_at_once_are_served_at_once(step):
    alone = seconds_of(step, people=1)
    assert seconds_of(step, people=3) < 2 * alone


def test_without_a_worker_the_task_waits_and_says_so(start_step):
    step = start_step(commands={"worker": None})
    with Person(step.url) as person:
        task_id = person.task_id("optimize")
        assert person.task(task_id)["message"] == "Queued"
        task = eventually(lambda: (task := person.task(task_id))["stage"] == "waiting" and task)
        assert task["state"] == "PENDING"
        assert task["message"].startswith("Waiting for a worker")


def test_the_queue_holds_so_many_tasks_of_one_user_and_then_says_so(start_step):
    step = start_step(commands={"worker": None})
    with Person(step.url) as person, Person(step.url) as other:
        for _ in range(20):
            assert person.start("optimize").status_code == 202
        refused = person.start("optimize")
        assert refused.status_code == 429
        assert refused.json()["error"] == "20 of your tasks are waiting already."
        assert refused.headers["Retry-After"]
        assert other.start("optimize").status_code == 202
        assert len(person.get("/tasks").json()["tasks"]) == 20
        start_step(commands={"web": None}, redis_url=step.redis_url)
        eventually(lambda: person.start("optimize").status_code == 202)


def test_of_sixty_tasks_at_the_same_time_twenty_get_into_the_queue(start_step):
    step = start_step(commands={"worker": None})
    with Person(step.url) as person, ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda _: person.start("optimize").status_code, range(60)))
        assert sorted(answers) == 20 * [202] + 40 * [429]
        assert len(person.get("/tasks").json()["tasks"]) == 20


def test_a_task_that_cannot_be_queued_is_not_kept(start_step):
    step = start_step(commands={"worker": None})
    with Person(step.url) as person, redis.Redis.from_url(step.redis_url) as store:
        store.set("celery", "no list, so that nothing can be pushed")
        assert person.start("optimize").status_code >= 500
        assert person.get("/tasks").json() == {"tasks": []}
        assert not store.keys("task:*")


@pytest.mark.slow
def test_when_redis_is_full_it_is_said_and_what_is_there_stays(start_step):
    step = start_step()
    with Person(step.url) as person, redis.Redis.from_url(step.redis_url) as store:
        done = person.ended(person.task_id("optimize"))
        store.config_set("maxmemory", 1)
        refused = person.start("optimize")
        assert (refused.status_code, refused.json()["error"]) == (503, "Redis has no memory left.")
        assert person.get(done["result"]["url"]).status_code == 200
        store.config_set("maxmemory", 0)
        assert person.ended(person.task_id("optimize"))["state"] == "SUCCESS"


def test_a_new_browser_has_no_tasks(step, person):
    person.task_id("optimize")
    with Person(step.url) as somebody_else:
        assert somebody_else.get("/tasks").json() == {"tasks": []}
    assert len(person.get("/tasks").json()["tasks"]) == 1


def test_tasks_are_listed_newest_first(person):
    tasks = [person.task_id("optimize") for _ in range(3)]
    listed = [task["task_id"] for task in person.get("/tasks").json()["tasks"]]
    assert listed == tasks[::-1]


def test_another_web_process_knows_the_task_too(step, person, start_step):
    task_id = person.task_id("optimize")
    another = start_step(redis_url=step.redis_url, commands={"worker": None})
    answer = httpx.get(f"{another.url}/tasks/{task_id}", cookies=person.cookies)
    assert answer.json()["task_id"] == task_id


def test_news_is_about_half_a_polling_interval_old_which_step_03_ends(step):
    interval = 0.25  # less than JOB_PACE, or the page would not see all
    with ThreadPoolExecutor(5) as pool:
        ages = [
            age
            for ages in pool.map(lambda _: ages_of_news(step, interval), range(5))
            for age in ages
        ]
    assert len(ages) >= 20
    assert 0.3 < mean(ages) / interval < 0.8


def ages_of_news(step, interval):
    """How old each update is, in seconds, when somebody who asks at this interval hears of it."""
    ages, told = [], None
    with Person(step.url) as person:
        task_id = person.task_id("optimize")
        time.sleep(random.uniform(0, interval))
        while (task := person.task(task_id))["state"] != "SUCCESS":
            if "updated_at" in task and task["updated_at"] != told:
                told = task["updated_at"]
                ages.append(time.time() - datetime.fromisoformat(told).timestamp())
            time.sleep(interval)
    return ages


def seconds_of(step, people):
    def run_a_job(_):
        with Person(step.url) as person:
            assert person.ended(person.task_id("optimize"))["state"] == "SUCCESS"

    began = time.monotonic()
    with ThreadPoolExecutor(people) as pool:
        list(pool.map(run_a_job, range(people)))
    return time.monotonic() - began
