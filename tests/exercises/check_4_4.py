"""4.4: a language model behind a job. It is a small server here, which speaks the same API."""

import os
import subprocess
import sys

import pytest

from model_server import WORDS, running_model
from workshop.processes import running
from workshop.testing import Person, eventually

DOCUMENT = b"# Harbour\n\nThe harbour opens in May, and closes when the ice comes."
KEY = "sk-known-to-nobody"
NOT_ASKED_YET = ("queued", "waiting", "started")


@pytest.fixture(scope="module")
def model():
    with running_model() as model:
        yield model


@pytest.fixture(scope="module")
def at_work(folder, model):
    """The step, whose worker knows where the model is."""
    env = {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": "small"}
    env |= {"MODEL_SECONDS": "2", "JOB_PACE": "0", "NO_PROXY": "127.0.0.1"}
    with running(folder, env=env) as step:
        yield step


@pytest.fixture
def somebody(at_work):
    with Person(at_work.url) as person:
        yield person


def test_the_answer_is_told_while_the_model_still_speaks(somebody, model):
    model.be("normal")
    started = somebody.start("summary", DOCUMENT)
    assert started.status_code == 202, "a kind is a module: write jobs/summary.py, with a TITLE"
    news = []
    for _, type, data in somebody.listen(f"task_ids={started.json()['task_id']}"):
        if type != "heartbeat" and data["stage"] not in NOT_ASKED_YET:
            news.append(data)
            if data["metrics"].get("words"):
                model.go_on.set()
    heard = model.go_on.is_set() and not model.waited_in_vain
    assert heard, "no `words` were told before the whole answer was there"
    assert news[-1]["state"] == "SUCCESS", news[-1]
    (asked,) = model.asked
    assert asked["path"] == "/v1/chat/completions"
    assert (asked["key"], asked["model"]) == (f"Bearer {KEY}", "small")
    assert "The harbour opens in May" in str(asked["messages"])
    urls = {file["name"]: file["url"] for file in news[-1]["files"]}
    assert "summary.txt" in urls
    assert " ".join(WORDS) in somebody.get(urls["summary.txt"]).text


@pytest.mark.parametrize("mood", [401, 429, 500, "silent", "breaks off"])
def test_what_goes_wrong_is_told_to_people(somebody, model, mood):
    model.be(mood)
    task = somebody.ended(somebody.task_id("summary", DOCUMENT))
    assert task["state"] == "FAILURE", "half an answer is no answer"
    assert task["error"] != "The job failed.", "raise jobs.contract.JobError"
    assert task["hint"]
    assert KEY not in str(task)


def test_each_of_these_has_words_of_its_own(somebody, model):
    errors = set()
    for mood in (401, 429, "silent"):
        model.be(mood)
        errors.add(somebody.ended(somebody.task_id("summary", DOCUMENT))["error"])
    assert len(errors) == 3


def test_without_a_key_nothing_is_asked(folder, model):
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


def test_who_cancels_hangs_up(somebody, model):
    model.be("endless")
    task_id = somebody.task_id("summary", DOCUMENT)
    eventually(lambda: somebody.task(task_id)["metrics"].get("words"))
    somebody.post(f"/tasks/{task_id}/cancel")
    assert somebody.ended(task_id)["state"] == "CANCELLED"
    assert eventually(model.left.is_set), "the connection to the model is still open"
