"""4.4: a language model behind a job: here a small server with the same API."""

import os
import subprocess
import sys

import pytest

from model_server import WORDS, running_model
from workshop.processes import running
from workshop.testing import Person, eventually

DOCUMENT = b"# Harbour\n\nThe harbour opens in May, and closes when the ice comes."
KEY = "sk-not-a-real-key"
NOT_ASKED_YET = ("queued", "waiting", "started")


@pytest.fixture(scope="module")
def model():
    with running_model() as model:
        yield model


@pytest.fixture(scope="module")
def configured_step(folder, model):
    """The step, with a worker that knows where the model is."""
    env = {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": "small"}
    env |= {"MODEL_SECONDS": "2", "JOB_PACE": "0", "NO_PROXY": "127.0.0.1"}
    with running(folder, env=env) as step:
        yield step


@pytest.fixture
def user(configured_step):
    with Person(configured_step.url) as person:
        yield person


def test_the_words_are_shown_while_the_model_still_answers(user, model):
    model.be("normal")
    started = user.start("summary", DOCUMENT)
    assert started.status_code == 202, "a kind is a module: write jobs/summary.py, with a TITLE"
    updates = []
    for _, type, data in user.listen(f"task_ids={started.json()['task_id']}"):
        if type != "heartbeat" and data["stage"] not in NOT_ASKED_YET:
            updates.append(data)
            if data["metrics"].get("words"):
                model.go_on.set()
    in_time = model.go_on.is_set() and not model.waited_in_vain
    assert in_time, "no update had `words` before the whole answer was there"
    assert updates[-1]["state"] == "SUCCESS", updates[-1]
    (asked,) = model.asked
    assert asked["path"] == "/v1/chat/completions"
    assert (asked["key"], asked["model"]) == (f"Bearer {KEY}", "small")
    assert "The harbour opens in May" in str(asked["messages"])
    urls = {file["name"]: file["url"] for file in updates[-1]["files"]}
    assert "summary.txt" in urls
    assert " ".join(WORDS) in user.get(urls["summary.txt"]).text


@pytest.mark.parametrize("mood", [401, 429, 500, "silent", "breaks off"])
def test_every_failure_has_an_error_and_a_hint(user, model, mood):
    model.be(mood)
    task = user.ended(user.task_id("summary", DOCUMENT))
    assert task["state"] == "FAILURE", "an answer that stops too early is an error"
    assert task["error"] != "The job failed.", "raise jobs.contract.JobError"
    assert task["hint"]
    assert KEY not in str(task)


def test_failures_have_different_errors(user, model):
    errors = set()
    for mood in (401, 429, "silent"):
        model.be(mood)
        errors.add(user.ended(user.task_id("summary", DOCUMENT))["error"])
    assert len(errors) == 3


def test_without_a_key_the_model_gets_no_request(folder, model):
    model.be("normal")
    code = (
        "import jobs\n"
        "try:\n"
        f"    list(jobs.start('summary', {DOCUMENT!r}, {{}}))\n"
        "except jobs.JobError as error:\n"
        "    print(error.error, error.hint)\n"
    )
    env = os.environ | {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": model.url, "JOB_PACE": "0"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    assert "OPENAI_API_KEY" in done.stdout, done.stderr
    assert model.asked == []


def test_cancelling_closes_the_connection_to_the_model(user, model):
    model.be("endless")
    task_id = user.task_id("summary", DOCUMENT)
    eventually(lambda: user.task(task_id)["metrics"].get("words"))
    user.post(f"/tasks/{task_id}/cancel")
    assert user.ended(task_id)["state"] == "CANCELLED"
    assert eventually(model.left.is_set), "the connection to the model is still open"
