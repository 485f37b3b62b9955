"""2.3: who has the news already gets 304 and no body, and nobody gets what is not theirs."""

import pytest

from workshop.testing import Person, eventually

JOB_PACE = 0.5


@pytest.fixture
def task_id(person):
    task_id = person.task_id("optimize")
    eventually(lambda: person.task(task_id)["state"] == "PROGRESS")
    return task_id


def test_the_same_news_comes_without_a_body_and_other_news_with_one(person, task_id):
    etag = etag_of(person, task_id)
    same = eventually(lambda: ask_again(person, task_id, 304))
    assert same.content == b""
    assert same.headers.get("Retry-After") == "2", "a 304 says, too, when to ask again"
    other = eventually(lambda: ask(person, task_id, etag).status_code == 200)
    assert other, "the ETag stays the same although there is news"
    assert etag_of(person, task_id) != etag


def test_the_end_has_an_etag_as_well(person, task_id):
    person.ended(task_id)
    same = ask(person, task_id, etag_of(person, task_id))
    assert same.status_code == 304
    assert "Retry-After" not in same.headers


def test_an_etag_opens_no_door(step, person, task_id):
    person.ended(task_id)
    etag = etag_of(person, task_id)
    with Person(step.url) as somebody_else:
        assert ask(somebody_else, task_id, etag).status_code == 404
        assert ask(somebody_else, task_id, "*").status_code == 404


def test_a_cache_in_between_does_not_answer_itself(person, task_id):
    said = person.get(f"/tasks/{task_id}").headers.get("Cache-Control", "")
    assert "no-cache" in said, f"Cache-Control is '{said}': may a cache answer without asking?"


def etag_of(person, task_id):
    etag = person.get(f"/tasks/{task_id}").headers.get("ETag")
    assert etag, "GET /tasks/<id> has no ETag"
    return etag


def ask(person, task_id, etag):
    return person.get(f"/tasks/{task_id}", headers={"If-None-Match": etag})


def ask_again(person, task_id, status):
    """Between two requests there may be news: then this is false, and asked for once more."""
    answer = ask(person, task_id, etag_of(person, task_id))
    return answer.status_code == status and answer
