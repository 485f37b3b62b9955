"""1.2: while a job runs, the front page answers, and a second job is refused immediately."""

import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx

JOB_PACE = 0.5


def test_the_front_page_does_not_wait(step):
    seconds_of(get_the_front_page, step)  # the first time takes longer
    with ThreadPoolExecutor() as pool:
        job = pool.submit(seconds_of, post_a_job, step)
        waits = []
        while not job.done():
            waits.append(seconds_of(get_the_front_page, step))
    longest = max(waits)
    assert longest < job.result() / 2, (
        f"the front page took {longest:.1f} s, and the job {job.result():.1f} s"
    )


def test_of_two_jobs_one_is_refused_immediately_and_in_words(step):
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(post_a_job, step) for _ in range(2)]
        first, second = [answer.result() for answer in as_completed(both)]
    assert first.status_code == 503, f"the first answer was {first.status_code}, and not 503"
    assert second.status_code == 200, f"the job that was let in got {second.status_code}"
    assert set(first.json()) == {"error", "hint"}, "an error is {error, hint}"
    assert first.headers.get("Retry-After"), "no Retry-After says when to try again"


def test_after_the_end_or_a_mistake_there_is_room_again(step):
    bad = httpx.post(f"{step.url}/tasks", data={"kind": "nonsense"}, timeout=60)
    assert bad.status_code == 400
    for _ in range(2):
        status = post_a_job(step).status_code
        assert status == 200, f"no job runs, and POST /tasks answered {status}"


def seconds_of(request, step):
    began = time.monotonic()
    request(step).raise_for_status()
    return time.monotonic() - began


def get_the_front_page(step):
    return httpx.get(step.url, timeout=60)


def post_a_job(step):
    return httpx.post(f"{step.url}/tasks", data={"kind": "optimize"}, timeout=60)
