"""The limit of this step, proved: the work happens inside the request, and everybody waits."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from workshop.testing import eventually, names_in

JOB_PACE = 0.3


def test_the_zip_comes_back_after_the_whole_wait(person):
    answer = person.start("worksheets", sample="yes")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert names_in(answer.content) == [f"lesson_{number}.zip" for number in range(1, 7)]


def test_three_people_at_once_wait_for_each_other_which_step_02_ends(step):
    alone = seconds_of(step, people=1)
    assert seconds_of(step, people=3) > 2.5 * alone


def test_even_the_front_page_waits_which_step_02_ends(step):
    with ThreadPoolExecutor() as people:
        job = people.submit(post_a_job, step)
        eventually(lambda: does_not_answer(step))
        assert not job.done()
        httpx.get(step.url, timeout=60).raise_for_status()
        assert job.result(timeout=5).status_code == 200


def test_a_person_without_javascript_sees_the_error_on_the_page(person):
    html = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = person.post("/tasks", data={"kind": "worksheets"}, headers=html)
    assert answer.status_code == 400
    assert "No document was sent." in answer.text
    assert "take the sample" in answer.text
    assert "<form" in answer.text


def seconds_of(step, people):
    began = time.monotonic()
    with ThreadPoolExecutor(people) as pool:
        for answer in pool.map(lambda _: post_a_job(step), range(people)):
            assert answer.status_code == 200
    return time.monotonic() - began


def post_a_job(step):
    return httpx.post(f"{step.url}/tasks", data={"kind": "optimize"}, timeout=60)


def does_not_answer(step):
    try:
        return not httpx.get(f"{step.url}/healthz", timeout=0.3)
    except httpx.ReadTimeout:
        return True
