"""1.1: three people at the same time, served one at a time, and two at a time."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from answers import answers_in
from workshop.processes import running

JOB_PACE = 0.4
ONE_AT_A_TIME = {"web": "flask run --without-threads --port $PORT"}


@pytest.fixture(scope="module")
def two_threads(step):
    """How much longer than one person alone the last of three waits, in the learner's copy."""
    return times_as_long(step)


@pytest.fixture
def one_thread(folder):
    with running(folder, commands=ONE_AT_A_TIME, env={"JOB_PACE": str(JOB_PACE)}) as step:
        return times_as_long(step)


def test_two_are_served_at_a_time(two_threads):
    assert 1.6 < two_threads < 2.5, (
        f"the last of three waited {two_threads:.1f} times as long as one person alone; "
        "with two served at a time it would be about twice"
    )


def test_the_numbers_are_those_of_such_a_run(folder, two_threads, one_thread):
    names = ("predicted", "alone", "last_of_three", "last_of_three_with_two_threads")
    predicted, alone, last, last_with_two = answers_in(folder, *names)
    assert min(predicted, alone) > 0, "predicted and alone are more than 0 seconds"
    for name, answer, times in (
        ("last_of_three", last, one_thread),
        ("last_of_three_with_two_threads", last_with_two, two_threads),
    ):
        assert answer / alone == pytest.approx(times, rel=0.3), (
            f"{name} is {answer / alone:.1f} times alone; measured here: {times:.1f} times"
        )


def times_as_long(step):
    seconds_of(step, people=1)  # the first time takes longer
    return seconds_of(step, people=3) / seconds_of(step, people=1)


def seconds_of(step, people):
    began = time.monotonic()
    with ThreadPoolExecutor(people) as pool:
        for status in pool.map(lambda _: post_a_job(step), range(people)):
            assert status == 200, f"POST /tasks answered {status}"
    return time.monotonic() - began


def post_a_job(step):
    return httpx.post(f"{step.url}/tasks", data={"kind": "optimize"}, timeout=60).status_code
