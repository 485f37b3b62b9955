"""2.2: Retry-After grows while nothing happens, and whoever asks keeps to it."""

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from flask import Flask
from werkzeug.serving import make_server

from workshop.processes import free_port
from workshop.testing import Person, eventually

JOB_PACE = 60  # after 'A worker has started' there is no news
PAUSES = (1, 3, 1)  # what our server asks of the people of the load script


def test_the_pause_grows_in_silence_and_is_short_again_with_news(start_step):
    step = start_step(commands={"worker": None})
    with Person(step.url) as person:
        task_id = person.task_id("optimize")
        at_first = retry_after(person, task_id)
        assert 0 < at_first <= 2, f"right after POST, Retry-After is {at_first}"
        pause = when_it_has_grown(at_first, person, task_id)
        assert pause <= 30, f"Retry-After is {pause}: so long nobody should wait for news"
        start_step(commands={"web": None}, redis_url=step.redis_url)
        eventually(lambda: person.task(task_id)["state"] == "PROGRESS")
        with_news = retry_after(person, task_id)
        assert with_news <= at_first, f"just after news, Retry-After is {with_news}"


def test_the_people_of_the_load_script_keep_to_it(folder, our_server):
    url, asked_at = our_server
    command = ["locust", "--headless", "--only-summary", "-f", folder / "locustfile.py"]
    command += ["--host", url, "--users", "2", "--run-time", "40s"]
    subprocess.run([sys.executable, "-m", *command], capture_output=True, timeout=90)
    assert len(asked_at) == len(PAUSES) + 1, f"they asked {len(asked_at)} times"
    kept = [after - before for before, after in pairwise(asked_at)]
    for said, pause in zip(PAUSES, kept, strict=True):
        assert pause > 0.9 * said, f"Retry-After was {said}, and they asked after {pause:.1f} s"
    assert kept[1] > 1.5 * kept[2], "the pauses are long also where Retry-After is short"


def test_the_page_keeps_to_it_too(folder):
    # A browser is not asked: look at the network tab of yours.
    scripts = [(folder / "static" / name).read_text() for name in ("follow.js", "request.js")]
    assert "retry-after" in "".join(scripts).lower(), "static/ does not look at Retry-After"


@pytest.fixture
def our_server():
    """A step that scripts what it says: its address, and when it was asked about the task."""
    asked_at = []
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "the front page", endpoint="index")
    app.add_url_rule("/tasks", view_func=lambda: {"status_url": "/tasks/1"}, methods=["POST"])

    @app.get("/tasks/1")
    def show_task():
        asked_at.append(time.monotonic())
        task = {"state": "PROGRESS", "updated_at": datetime.now(UTC).isoformat()}
        if len(asked_at) <= len(PAUSES):
            return task, {"Retry-After": PAUSES[len(asked_at) - 1]}
        return task | {"state": "SUCCESS"}

    server = make_server("127.0.0.1", free_port(), app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}", asked_at
    server.shutdown()
    thread.join()
    server.server_close()


def when_it_has_grown(at_first, person, task_id):
    def grown():
        pause = retry_after(person, task_id)
        return pause >= 2 * at_first and pause

    try:
        return eventually(grown, seconds=10)
    except AssertionError:
        message = f"ten seconds without news, and Retry-After has not doubled: it was {at_first}"
        raise AssertionError(message) from None


def retry_after(person, task_id):
    return int(person.get(f"/tasks/{task_id}").headers["Retry-After"])
