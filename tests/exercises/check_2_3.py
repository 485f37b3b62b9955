"""2.3: a client that has the newest state gets 304 and no body, and only for its own tasks."""

import pytest

from workshop.testing import Person, eventually

JOB_PACE = 0.5


@pytest.fixture
def task_id(person):
    task_id = person.task_id("optimize")
    eventually(lambda: person.task(task_id)["state"] == "PROGRESS")
    return task_id


@pytest.fixture
def url(task_id):
    return f"/tasks/{task_id}"


def test_the_same_state_comes_without_a_body_and_a_new_one_with_it(person, url):
    etag = etag_of(person, url)
    same = eventually(lambda: ask_again(person, url, 304))
    assert same.content == b""
    assert same.headers.get("Retry-After") == "2", "a 304, too, says when to poll again"
    updated = eventually(lambda: ask(person, url, etag).status_code == 200)
    assert updated, "the ETag stays the same although there is an update"
    assert etag_of(person, url) != etag


def test_the_list_of_tasks_has_an_etag_as_well(person, task_id):
    etag = etag_of(person, "/tasks")
    assert eventually(lambda: ask_again(person, "/tasks", 304)).content == b""
    person.ended(task_id)
    assert ask(person, "/tasks", etag).status_code == 200, "the list has changed, its ETag has not"


def test_the_end_has_an_etag_as_well(person, task_id, url):
    person.ended(task_id)
    same = ask(person, url, etag_of(person, url))
    assert same.status_code == 304
    assert "Retry-After" not in same.headers


def test_an_etag_does_not_give_access(step, person, task_id, url):
    person.ended(task_id)
    etag = etag_of(person, url)
    with Person(step.url) as stranger:
        assert ask(stranger, url, etag).status_code == 404
        assert ask(stranger, url, "*").status_code == 404


def test_a_cache_in_between_does_not_answer_itself(person, url):
    said = person.get(url).headers.get("Cache-Control", "")
    assert "no-cache" in said, f"Cache-Control is '{said}': may a cache answer without asking?"


def etag_of(person, url):
    etag = person.get(url).headers.get("ETag")
    assert etag, f"GET {url} has no ETag"
    return etag


def ask(person, url, etag):
    return person.get(url, headers={"If-None-Match": etag})


def ask_again(person, url, status):
    """The response if it has this status. There may be an update between the two requests."""
    answer = ask(person, url, etag_of(person, url))
    return answer.status_code == status and answer
