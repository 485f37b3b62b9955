"""3.2: with two processes, each answer says who gave it, and only one of them knows a task."""

import httpx

from answers import answers_in
from workshop.testing import Person, eventually

REQUESTS = 20


def test_each_answer_says_which_process_gave_it(step):
    def processes():
        answers = [httpx.get(f"{step.url}/healthz") for _ in range(REQUESTS)]
        said = {answer.headers.get("X-Process") for answer in answers}
        assert None not in said, "an answer has no X-Process"
        return len(said) > 1 and said

    assert len(eventually(processes)) == 2


def test_the_numbers_are_those_of_such_a_run(folder, step):
    names = ("predicted_404s", "found_404s", "processes_that_said_200", "over_one_connection")
    predicted, found, processes_that_knew, over_one_connection = answers_in(folder, *names)
    assert 0 <= predicted <= REQUESTS, f"predicted_404s is a number of {REQUESTS} requests"
    assert 0 < found < REQUESTS, "found_404s: some, and not all; with bad luck, run it again"
    with Person(step.url) as person:
        path = f"/tasks/{person.task_id('optimize')}"
        told = eventually(lambda: told_by_both(person, path))
        knew = {process for status, process in told if status == 200}
        assert processes_that_knew == len(knew), f"measured here: {len(knew)} said 200"
        assert knew.isdisjoint(process for status, process in told if status == 404)
        statuses = {person.get(path).status_code for _ in range(REQUESTS)}
        assert over_one_connection == len(statuses), f"measured here: {statuses}"


def told_by_both(person, path):
    """(status, process) of some requests, each on a connection of its own."""
    told = set()
    for _ in range(REQUESTS):
        answer = httpx.get(f"{str(person.base_url).rstrip('/')}{path}", cookies=person.cookies)
        told.add((answer.status_code, answer.headers.get("X-Process")))
    return len({process for _, process in told}) > 1 and told
