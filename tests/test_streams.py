"""One suite over all steps that stream: read by a client library, not by our own parser."""

import contextlib
import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from workshop.processes import running
from workshop.steps import all_steps
from workshop.testing import Person

STREAMING = [step for step in all_steps() if (step / "sse.py").exists()]
LAST = {"complete": "SUCCESS", "error": "FAILURE", "cancelled": "CANCELLED"}


@pytest.fixture(scope="module", params=STREAMING, ids=lambda step: step.name)
def step(request):
    with running(request.param, env={"JOB_PACE": "0.2"}) as step_is_running:
        yield step_is_running


def followed(person, *task_ids):
    """All events until the stream ends, as (type, data)."""
    return [(type, data) for _, type, data in person.listen(f"task_ids={','.join(task_ids)}")]


def test_post_says_where_to_listen_and_where_to_cancel(person):
    answer = person.start("optimize").json()
    assert answer["stream_url"] == f"/tasks/stream?task_ids={answer['task_id']}"
    assert answer["cancel_url"] == f"/tasks/{answer['task_id']}/cancel"


def test_a_job_is_followed_from_its_start_to_its_end(person):
    task_id = person.task_id("worksheets", sample="yes")
    events = followed(person, task_id)
    assert [type for type, _ in events[:-1]] == ["progress"] * (len(events) - 1)
    progress = [data["progress"] for _, data in events]
    assert progress == sorted(progress)
    assert {16, 33, 50, 66, 83} <= set(progress)
    assert {data["task_id"] for _, data in events} == {task_id}
    type, last = events[-1]
    assert (type, last["state"], last["progress"]) == ("complete", "SUCCESS", 100)
    assert last["result"]["name"] == "all.zip"


def test_the_last_event_and_the_status_never_disagree(person):
    task_id = person.task_id("optimize")
    _, last = followed(person, task_id)[-1]
    status = person.task(task_id)
    assert {name: last[name] for name in status} == status


def test_a_file_is_there_as_soon_as_an_event_names_it(person):
    task_id = person.task_id("worksheets", sample="yes")
    with contextlib.closing(person.listen(f"task_ids={task_id}")) as events:
        update = next(data for _, _, data in events if data["files"])
        assert update["state"] == "PROGRESS"
        assert person.task(task_id)["state"] == "PROGRESS"  # and not all of them at the end
    file = update["files"][0]
    assert len(person.get(file["url"]).content) == file["size"]


def test_a_late_listener_catches_up_and_the_stream_ends(person):
    task_id = person.task_id("optimize")
    person.ended(task_id)
    ((type, data),) = followed(person, task_id)
    assert type == "complete"
    assert data["progress"] == 100


def test_two_listeners_see_the_same(step, person):
    task_id = person.task_id("optimize")
    with ThreadPoolExecutor() as tabs:
        first, second = tabs.map(lambda _: followed(person, task_id)[-4:], range(2))
    assert first == second


def test_one_stream_follows_several_tasks_until_the_last_has_ended(person):
    task_ids = [person.task_id("optimize"), person.task_id("worksheets", sample="yes")]
    events = followed(person, *task_ids)
    ended = [data["task_id"] for type, data in events if type == "complete"]
    assert sorted(ended) == sorted(task_ids)


def test_headers_and_first_bytes_come_before_the_job_ends(person):
    task_id = person.task_id("optimize")
    with person.stream("GET", f"/tasks/stream?task_ids={task_id}") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert stream.headers["Cache-Control"] == "no-cache"
        assert stream.headers["X-Accel-Buffering"] == "no"
        assert next(stream.iter_text()).startswith(": connected\n\n")
        assert person.task(task_id)["state"] != "SUCCESS"


def test_the_time_before_a_reconnect_is_sent_once_with_the_first_event(person):
    task_id = person.task_id("optimize")
    with person.stream("GET", f"/tasks/stream?task_ids={task_id}") as stream:
        first, *others = [
            block for block in stream.read().decode().split("\n\n") if "data: " in block
        ]
    assert 2000 <= int(re.fullmatch(r"retry: (\d+)", first.splitlines()[0])[1]) <= 4000
    assert others
    assert not any("retry: " in block for block in others)


def test_cancelling_ends_the_task_and_its_streams(person):
    task_id = person.task_id("worksheets", sample="yes")
    with contextlib.closing(person.listen(f"task_ids={task_id}")) as events:
        next(data for _, _, data in events if data["state"] == "PROGRESS")
        assert person.post(f"/tasks/{task_id}/cancel").status_code == 202
        cancelled = person.task(task_id)
        assert cancelled["state"] == "CANCELLED"
        assert cancelled["progress"] < 100
        _, type, last = list(events)[-1]
    assert (type, last) == ("cancelled", cancelled)


def test_a_cancelled_job_reports_nothing_any_more(person):
    task_id, other = person.task_id("worksheets", sample="yes"), person.task_id("optimize")
    person.post(f"/tasks/{task_id}/cancel")
    cancelled = person.task(task_id)
    person.ended(other)  # by then, the cancelled job would have reported several updates
    assert person.task(task_id) == cancelled


def test_cancelling_what_has_ended_changes_nothing(person):
    task_id = person.task_id("optimize")
    before = person.ended(task_id)
    assert person.post(f"/tasks/{task_id}/cancel").status_code == 202
    assert person.task(task_id) == before


def test_what_is_not_mine_cannot_be_followed_or_cancelled(step, person):
    task_id = person.task_id("optimize")
    with Person(step.url) as other:
        own = other.task_id("optimize")
        for asked in (task_id, "unknown", f"{own},{task_id}"):
            assert other.get(f"/tasks/stream?task_ids={asked}").status_code == 404
        assert other.post(f"/tasks/{task_id}/cancel").status_code == 404
    assert httpx.get(f"{step.url}/tasks/stream?task_ids={task_id}").status_code == 401
    assert person.ended(task_id)["state"] == "SUCCESS"


@pytest.mark.parametrize("query", ["?task_ids=", "?task_ids=,"])
def test_no_task_ids_are_400(person, query):
    answer = person.get(f"/tasks/stream{query}")
    assert answer.status_code == 400
    assert "?task_ids=" in answer.json()["hint"]


@pytest.mark.parametrize("task_ids", ["\r\n", "a,b", "x" * 3000, ",".join(["x"] * 1000)])
def test_strange_task_ids_are_404(person, task_ids):
    answer = person.get("/tasks/stream", params={"task_ids": task_ids})
    assert answer.status_code == 404
    assert answer.json()["hint"]
