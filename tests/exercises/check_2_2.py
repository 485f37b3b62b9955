"""2.2: Retry-After grows while there is no update, and clients keep to it."""

import time
from datetime import UTC, datetime
from itertools import pairwise

from flask import Flask

from workshop.testing import Person, eventually

JOB_PACE = 60  # after 'The job has started' there is no update
PAUSES = (1, 3, 1)  # what our server asks of the people of the load script


def test_the_pause_grows_in_silence_and_is_short_again_with_an_update(start_step):
    step = start_step(commands={"worker": None})
    with Person(step.url) as person:
        url = f"/tasks/{person.task_id('optimize')}"
        at_first = retry_after(person, url)
        assert 0 < at_first <= 2, f"right after POST, Retry-After is {at_first}"
        pause = when_it_has_grown(at_first, person, url)
        assert pause <= 30, f"Retry-After is {pause}: an update could then be as old as that"
        assert retry_after(person, "/tasks") >= pause, "GET /tasks says a shorter pause"
        start_step(commands={"web": None}, redis_url=step.redis_url)
        eventually(lambda: person.get(url).json()["state"] == "PROGRESS")
        for updated in (url, "/tasks"):
            pause = retry_after(person, updated)
            assert pause <= at_first, f"just after an update, Retry-After is {pause}"


def test_the_people_of_the_load_script_keep_to_it(one_person_at):
    asked_at = []
    one_person_at(our_step(asked_at))
    assert len(asked_at) == len(PAUSES) + 1, f"they asked {len(asked_at)} times"
    kept = [after - before for before, after in pairwise(asked_at)]
    for said, pause in zip(PAUSES, kept, strict=True):
        assert pause > 0.9 * said, f"Retry-After was {said}, and they asked after {pause:.1f} s"
    assert kept[1] > 1.5 * kept[2], "the pauses are long even when Retry-After is short"


def test_the_page_keeps_to_it_too(folder):
    # The check opens no browser: look at the network tab of yours.
    scripts = [*folder.glob("static/*.js"), *folder.glob("page/static/*.js")]
    text = "".join(script.read_text() for script in scripts).lower()
    assert "retry-after" in text, "no script of the page looks at Retry-After"


def our_step(asked_at):
    """An app that says what PAUSES says, and notes when it is asked about the task."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "the front page", endpoint="index")
    started = {"task_id": "1", "status_url": "/tasks/1"}
    app.add_url_rule("/tasks", view_func=lambda: (started, 202), methods=["POST"])

    @app.get("/tasks/1")
    def show_task():
        asked_at.append(time.monotonic())
        task = {"state": "PROGRESS", "updated_at": datetime.now(UTC).isoformat()}
        if len(asked_at) <= len(PAUSES):
            return task, {"Retry-After": PAUSES[len(asked_at) - 1]}
        return task | {"state": "SUCCESS"}

    return app


def when_it_has_grown(at_first, person, url):
    def grown():
        pause = retry_after(person, url)
        return pause >= 2 * at_first and pause

    try:
        return eventually(grown, seconds=10)
    except AssertionError:
        message = f"ten seconds without an update, and Retry-After is not twice {at_first}"
        raise AssertionError(message) from None


def retry_after(person, url):
    said = person.get(url).headers.get("Retry-After")
    assert said, f"GET {url} has no Retry-After"
    return int(said)
