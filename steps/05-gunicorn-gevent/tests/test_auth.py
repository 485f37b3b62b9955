"""Who is asking: cookies for browsers, tokens for programs, and nothing of them in the log."""

import httpx
import pytest
from itsdangerous import URLSafeTimedSerializer

from workshop.testing import log_with

SECRET_KEY = "the key of these tests"


@pytest.fixture
def token(step):
    return httpx.post(f"{step.url}/tokens").json()["token"]


def test_a_token_serves_in_the_header_and_in_the_query(step, token):
    bearer = {"Authorization": f"Bearer {token}"}
    answer = httpx.post(f"{step.url}/tasks", data={"kind": "optimize"}, headers=bearer)
    url = step.url + answer.json()["status_url"]
    assert httpx.get(url, headers=bearer).status_code == 200
    assert httpx.get(url, params={"token": token}).status_code == 200
    assert httpx.get(url).status_code == 401


def test_a_browser_gets_a_token_for_itself(person):
    task_id = person.task_id("optimize")
    token = person.post("/tokens").json()["token"]
    assert httpx.get(f"{person.base_url}/tasks/{task_id}", params={"token": token}).is_success


def test_a_program_renews_its_token_and_stays_who_it_is(step, token):
    answer = httpx.post(f"{step.url}/tasks", data={"kind": "optimize"}, params={"token": token})
    renewed = httpx.post(f"{step.url}/tokens", params={"token": token}).json()["token"]
    task = httpx.get(step.url + answer.json()["status_url"], params={"token": renewed})
    assert task.status_code == 200
    assert httpx.post(f"{step.url}/tokens", params={"token": "bad"}).status_code == 401


@pytest.mark.parametrize("bad", ["nonsense", "a.b.c", "ä", "x" * 3000])
def test_a_bad_token_is_refused_even_with_a_cookie(person, bad):
    answer = person.get("/tasks", params={"token": bad})
    assert answer.status_code == 401
    assert answer.json()["hint"]


def test_a_token_of_another_key_or_purpose_is_refused(step):
    for key, salt in (("another key", "token"), (SECRET_KEY, "another purpose")):
        forged = URLSafeTimedSerializer(key, salt=salt).dumps("somebody")
        assert httpx.get(f"{step.url}/tasks", params={"token": forged}).status_code == 401


def test_an_expired_token_is_refused(step, monkeypatch):
    tokens = URLSafeTimedSerializer(SECRET_KEY, salt="token")
    fresh = tokens.dumps("somebody")
    assert httpx.get(f"{step.url}/tasks", params={"token": fresh}).status_code == 200
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: 1_000_000_000)
    old = tokens.dumps("somebody")
    assert httpx.get(f"{step.url}/tasks", params={"token": old}).status_code == 401


def test_tokens_are_not_in_the_log(step, token):
    httpx.get(f"{step.url}/tasks/the-last", params={"token": token})
    assert token not in log_with(step.processes["web"], "/tasks/the-last")


def test_without_a_key_the_log_says_so(step, start_step):
    assert "SECRET_KEY" not in "\n".join(step.processes["web"].output)
    no_key = start_step(commands={"worker": None}, SECRET_KEY="")
    log_with(no_key.processes["web"], "SECRET_KEY is not set")
