"""Where this step ends, proved: each stream holds a connection to Redis. Step 05 removes it."""

import contextlib

import httpx

from workshop.testing import Person, eventually

HEARTBEAT_SECONDS = 1
STREAM = "/tasks/stream?all=true"
POOL = 100  # redis-py's own


def test_the_101st_stream_is_refused_and_all_else_goes_on_which_step_05_ends(step):
    with Person(step.url, limits=httpx.Limits(max_connections=2 * POOL)) as person:
        done = person.ended(person.task_id("optimize"))
        step.processes["worker"].stop()
        waiting = person.task_id("optimize")
        with contextlib.ExitStack() as streams:
            for _ in range(POOL):
                assert streams.enter_context(person.stream("GET", STREAM)).status_code == 200
            refused = person.get(STREAM)
            assert refused.status_code == 503
            assert refused.json()["error"] == "The server has no room for another stream."
            assert refused.headers["Retry-After"]
            assert person.get("/healthz").status_code == 200
            assert person.start("optimize").status_code == 202
            assert person.task(waiting)["state"] == "PENDING"  # by polling, as the page does
            assert person.get(done["result"]["url"]).status_code == 200
        eventually(lambda: status_of_a_stream(person) == 200)


def status_of_a_stream(person):
    with person.stream("GET", STREAM) as stream:
        return stream.status_code
