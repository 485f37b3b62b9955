"""2.4: a request waits for an update, not forever, and only if the client wants it to."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from flask import Flask, request

from workshop.testing import ENDED, Person, eventually

JOB_PACE = 0.5
MOST_ANSWERS = 10  # 'The job has started', six updates, 'Done', and some room


def test_each_answer_brings_an_update(person):
    task_id = person.task_id("optimize")
    seen, state, answers = "", "PENDING", 0
    while state not in ENDED:
        task = wait_for_an_update(person, f"/tasks/{task_id}", wait=10, seen=seen)
        assert task.get("updated_at", "") != seen, "an answer brought nothing new"
        seen, state, answers = task["updated_at"], task["state"], answers + 1
    assert answers <= MOST_ANSWERS, f"a job of six updates took {answers} answers"
    began = time.monotonic()
    wait_for_an_update(person, f"/tasks/{task_id}", wait=10, seen=seen)
    assert time.monotonic() - began < 5, "an ended task has no more updates: why wait?"


def test_the_list_waits_for_an_update_of_any_task(person):
    task_ids = [person.task_id("optimize") for _ in range(2)]
    seen, ended, answers = "", False, 0
    while not ended:
        found = wait_for_an_update(person, "/tasks", wait=10, seen=seen)["tasks"]
        assert {task["task_id"] for task in found} == set(task_ids)
        ended = all(task["state"] in ENDED for task in found)
        newest = max(task.get("updated_at", "") for task in found)
        # The two jobs may end in the same millisecond.
        assert newest != seen or ended, "an answer brought nothing new"
        seen, answers = newest, answers + 1
    assert answers <= 2 * MOST_ANSWERS, f"two jobs of six updates took {answers} answers"


def test_it_waits_as_long_as_the_client_wants_but_not_forever(start_step):
    step = start_step(commands={"worker": None})  # so there is never an update
    with Person(step.url) as person, ThreadPoolExecutor() as pool:
        url = f"/tasks/{person.task_id('optimize')}"
        long, short = [
            pool.submit(wait_for_an_update, person, url, wait=wait, seen="") for wait in (1e9, 2)
        ]
        assert person.get(url).json()["state"] == "PENDING"
        assert not short.done(), "with wait=2, and no update, the answer came immediately"
        eventually(short.done, seconds=8)
        assert not long.done(), "a client that wants to wait longer than 2 seconds may do so"
        eventually(long.done, seconds=20)
        assert long.result()["state"] == "PENDING"


def test_no_request_waits_for_the_task_of_another_user(step, person):
    task_id = person.task_id("optimize")
    with Person(step.url) as stranger:
        assert stranger.get(f"/tasks/{task_id}?wait=10").status_code == 404


def test_the_people_of_the_load_script_wait(one_person_at):
    queries, updates = [], []
    one_person_at(our_step(queries, updates))
    assert len(queries) == 3, f"they asked {len(queries)} times"
    assert all(query.get("wait", 0, float) > 0 for query in queries), f"they asked with {queries}"
    seen = [query.get("seen", "") for query in queries]
    assert seen == ["", *updates[:2]], f"the updates were {updates}; they said they saw {seen}"


def test_the_page_waits_too(folder):
    # The check opens no browser: look at the network tab of yours.
    scripts = [*folder.glob("static/*.js"), *folder.glob("page/static/*.js")]
    assert any("wait=" in script.read_text() for script in scripts), "no script says wait="


def our_step(queries, updates):
    """An app whose task ends with the third answer, and that notes what it is asked and says."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "the front page", endpoint="index")
    started = {"task_id": "1", "status_url": "/tasks/1"}
    app.add_url_rule("/tasks", view_func=lambda: (started, 202), methods=["POST"])

    @app.get("/tasks/1")
    def show_task():
        queries.append(request.args)
        updates.append(datetime.now(UTC).isoformat())
        state = "PROGRESS" if len(updates) < 3 else "SUCCESS"
        return {"state": state, "updated_at": updates[-1]}

    return app


def wait_for_an_update(person, url, **query):
    answer = person.get(url, params=query)
    assert answer.status_code == 200, f"GET {url}?wait={query['wait']}: {answer.status_code}"
    return answer.json()
