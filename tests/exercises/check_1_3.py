"""1.3: what the server saves when a proxy gives up. The check measures the step itself."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx

from answers import answers_in
from workshop.processes import running
from workshop.steps import find_step
from workshop.testing import log_with

PACE = 0.25
PATIENCE = 1.5 * 6 * PACE  # of the proxy: one and a half jobs
DONE = '"POST /tasks HTTP/1.1" 200'


def test_the_numbers_are_those_of_such_a_run(folder):
    names = ("predicted_jobs_done", "results", "jobs_done", "jobs_done_with_a_retry")
    predicted, *answers = answers_in(folder, *names)
    assert predicted > 0, "a prediction is more than 0 jobs"
    results, jobs_done = three_people(tries=1)
    _, jobs_done_with_a_retry = three_people(tries=2)
    measured = [results, jobs_done, jobs_done_with_a_retry]
    for name, answer, here in zip(names[1:], answers, measured, strict=True):
        assert answer == here, f"{name} is {answer}; measured here: {here}"


def three_people(tries):
    """How many got a result, and how many jobs the server has done in the end."""
    step = find_step("1")
    with running(step, env={"JOB_PACE": str(PACE)}) as server, ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: gets_a_result(server, tries), range(3)))
        httpx.get(server.url, timeout=60)  # one at a time: this comes after all jobs
        log = log_with(server.processes["web"], '"GET / HTTP/1.1" 200')
        return sum(results), log.count(DONE)


def gets_a_result(server, tries):
    for _ in range(tries):
        with suppress(httpx.ReadTimeout):
            data = {"kind": "optimize"}
            httpx.post(f"{server.url}/tasks", data=data, timeout=PATIENCE).raise_for_status()
            return True
    return False
