"""One suite over all steps: a call gets the same response in every step that has it."""

import contextlib
import io
import re
from html import unescape
from zipfile import ZIP_DEFLATED, ZipFile

import httpx
import openpyxl
import pytest

from workshop.processes import embedded_valkey, free_port, running
from workshop.steps import all_steps, find_step
from workshop.testing import Person, eventually, names_in

CAPABILITIES = {
    "01-sync": {"page"},
    "02-celery-polling": {"page", "queue"},
    "03-threaded-sse": {"page", "queue", "stream"},
    "04-pubsub-sse": {"page", "queue", "stream", "replay"},
    "05-gunicorn-gevent": {"page", "queue", "stream", "replay"},
}
SAMPLE = find_step("1") / "page" / "static" / "samples" / "lessons.xlsx"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}  # as a browser sends it


def steps_with(capability, fixture="step"):
    return pytest.mark.parametrize(
        fixture,
        [step for step in all_steps() if capability in CAPABILITIES[step.name]],
        ids=lambda step: step.name,
        indirect=True,
    )


@pytest.fixture(scope="module")
def step(request):
    with running(request.param, env={"JOB_PACE": "0"}) as step_is_running:
        yield step_is_running


@pytest.fixture
def slow_person(request):
    """A person at a step whose jobs take some seconds."""
    with running(request.param, env={"JOB_PACE": "1"}) as slow, Person(slow.url) as someone:
        yield someone


@pytest.fixture
def person_without_redis(request):
    """A person at a step whose Redis was stopped after the person came."""
    with contextlib.ExitStack() as stack:
        with embedded_valkey(free_port()) as url:
            commands = {"worker": None}
            step = stack.enter_context(running(request.param, redis_url=url, commands=commands))
            person = stack.enter_context(Person(step.url))
        yield person


@pytest.fixture
def stranger(step):
    with Person(step.url) as someone:
        yield someone


def workbook(rows):
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def bomb():
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(60 * 1024 * 1024))
    return file.getvalue()


OLE = bytes.fromhex("D0CF11E0A1B11AE1")
SHEET, PAPER = {"kind": "worksheets"}, {"kind": "review"}
BAD_INPUT = {
    "a bomb for the sheet": (SHEET, bomb(), "This file would unpack to 60 MB."),
    "a bomb for the paper": (PAPER, bomb(), "This file would unpack to 60 MB."),
    "encrypted sheet": (SHEET, OLE + bytes(9), "This file is encrypted"),
    "encrypted paper": (PAPER, OLE + bytes(9), "This file is encrypted"),
    "a sheet for a paper": (PAPER, SAMPLE.read_bytes(), "This is not a .docx file"),
    "cut off": (SHEET, SAMPLE.read_bytes()[:2000], "This is not a .xlsx file"),
    "UTF-16": (PAPER, "Übung".encode("utf-16"), "This is not a text in UTF-8"),
    "no text": (PAPER, b" ", "The document has no text."),
    "no file": ({"kind": "worksheets"}, None, "No document was sent."),
    "an empty file": ({"kind": "worksheets"}, b"", "The document is empty: 0 bytes."),
    "no workbook": ({"kind": "worksheets"}, b"hello", "This is not a .xlsx file"),
    "missing columns": ({"kind": "worksheets"}, workbook([["a"]]), "The sheet has no column"),
    "no lessons": (
        {"kind": "worksheets"},
        workbook([["Lesson", "Word", "Meaning"]]),
        "The sheet has no lessons",
    ),
    "10,000 lessons": (
        {"kind": "worksheets"},
        workbook([["Lesson", "Word", "Meaning"], *([n, "w", "m"] for n in range(10_000))]),
        "The sheet has more than 5000 rows.",
    ),
    "unknown kind": ({"kind": "magic"}, None, "There is no kind of job 'magic'."),
    "no kind": ({}, None, "There is no kind of job ''."),
    "unknown programme": (
        {"kind": "worksheets", "programme": "magic", "sample": "yes"},
        None,
        "There is no programme 'magic'.",
    ),
}


@steps_with("page")
class TestPage:
    def test_the_page_has_a_form_for_each_kind(self, step, person):
        page = person.get("/").text
        assert step.step.name in page
        for words in (
            "Make worksheets",
            "Review a document",
            "Optimize a delivery round",
            "Caterpillar",
            "Document",
        ):
            assert words in page

    def test_everything_that_the_page_needs_is_served(self, person):
        paths = re.findall(r' (?:src|href)="([^"]+)"', person.get("/").text)
        assert {"/page/style.css", "/page/icon.svg", "/page/samples/lessons.xlsx"} <= set(paths)
        assert {path: person.get(path).status_code for path in paths} == dict.fromkeys(paths, 200)
        assert person.get("/page/samples/lessons.xlsx").content == SAMPLE.read_bytes()

    def test_health(self, person):
        assert person.get("/healthz").json() == {"status": "ok"}

    def test_a_bad_upload_hurts_nobody_else(self, person):
        for fields, document, _ in BAD_INPUT.values():
            person.start(document=document, **({"kind": ""} | fields))
        assert person.start("review", b"# One\n\nWords.").status_code in (200, 202)
        assert person.get("/healthz").status_code == 200

    @pytest.mark.parametrize("bad", BAD_INPUT)
    def test_bad_input_is_400_with_error_and_hint(self, person, bad):
        fields, document, error = BAD_INPUT[bad]
        files = {"document": ("document", document)} if document is not None else None
        answer = person.post("/tasks", data=fields, files=files)
        assert answer.status_code == 400
        assert error in answer.json()["error"]
        assert answer.json()["hint"]

    def test_an_upload_over_the_limit_is_413(self, person):
        answer = person.start("worksheets", b"x" * (6 * 1024 * 1024))
        assert answer.status_code == 413
        assert "5 MB" in answer.json()["hint"]

    def test_an_unknown_address_is_404(self, person):
        answer = person.get("/nothing/here")
        assert answer.status_code == 404
        assert set(answer.json()) == {"error", "hint"}

    def test_an_error_is_json_for_a_program_and_the_page_for_a_browser(self, person):
        for method, path, status in (("GET", "/nothing", 404), ("POST", "/tasks", 400)):
            for_program = person.request(method, path, headers={"Accept": "application/json"})
            for_browser = person.request(method, path, headers=HTML)
            assert for_program.status_code == for_browser.status_code == status
            assert for_program.headers["Content-Type"] == "application/json"
            assert for_browser.headers["Content-Type"] == "text/html; charset=utf-8"
            assert set(for_program.json()) == {"error", "hint"}
            for words in for_program.json().values():
                assert words in unescape(for_browser.text)

    def test_a_token_can_be_had(self, step):
        answer = httpx.post(f"{step.url}/tokens")
        assert answer.status_code == 201
        assert set(answer.json()) == {"token", "expires_in"}
        assert answer.json()["expires_in"] == 24 * 60 * 60

    def test_a_wrong_method_is_405(self, person):
        answer = person.delete("/")
        assert answer.status_code == 405
        assert "GET" in answer.headers["Allow"]


@steps_with("page")
@pytest.mark.parametrize("kind", ["worksheets", "optimize", "review"])
def test_a_job_ends_in_a_zip(person, kind):
    document = {"worksheets": SAMPLE.read_bytes(), "review": b"# One\n\nTODO\n\n# Two\n\nDone."}
    answer = person.start(kind, document.get(kind))
    if answer.status_code == 202:
        task = person.ended(answer.json()["task_id"])
        answer = person.get(task["result"]["url"])
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == "attachment; filename=all.zip"
    assert (
        names_in(answer.content)
        == {
            "worksheets": [f"lesson_{number}.zip" for number in range(1, 7)],
            "optimize": ["round.svg"],
            "review": ["section_1.docx", "section_2.docx", "report.docx"],
        }[kind]
    )


@steps_with("queue")
class TestQueue:
    def test_post_answers_202_with_the_addresses_of_the_task(self, step, person):
        answer = person.start("optimize")
        assert answer.status_code == 202
        task = answer.json()
        url = f"/tasks/{task['task_id']}"
        expected = {"task_id": task["task_id"], "status": "queued", "status_url": url}
        if "stream" in CAPABILITIES[step.step.name]:
            expected["stream_url"] = f"/tasks/stream?task_ids={task['task_id']}"
            expected["cancel_url"] = f"{url}/cancel"
        assert task == expected
        assert answer.headers["Location"] == url

    def test_the_status_of_a_task(self, step, person):
        task_id = person.task_id("worksheets", sample="yes")
        task = person.ended(task_id)
        names = ("current", "files", "kind", "message", "metrics", "progress", "result", "stage")
        names += ("state", "task_id", "total", "updated_at")
        # The page shows its Cancel button only if the state has this.
        names += ("cancel_url",) if "stream" in CAPABILITIES[step.step.name] else ()
        assert set(task) == set(names)
        assert (task["task_id"], task["kind"], task["state"]) == (task_id, "worksheets", "SUCCESS")
        assert (task["progress"], task["current"], task["total"]) == (100, 6, 6)
        assert task["metrics"]["words"] == 48
        assert [file["name"] for file in task["files"]][::6] == ["lesson_1.zip", "all.zip"]
        assert task["result"] == task["files"][-1]
        for file in task["files"]:
            assert set(file) == {"name", "topic", "size", "url"}
            assert len(person.get(file["url"]).content) == file["size"]

    def test_no_retry_after_when_it_has_ended(self, person):
        task_id = person.task_id("optimize")
        person.ended(task_id)
        assert "Retry-After" not in person.get(f"/tasks/{task_id}").headers

    def test_my_tasks_newest_first(self, person, stranger):
        task_ids = [person.task_id("optimize") for _ in range(3)]
        stranger.task_id("optimize")
        listed = person.get("/tasks").json()["tasks"]
        assert [task["task_id"] for task in listed] == task_ids[::-1]
        assert set(listed[0]) >= {"task_id", "kind", "state", "progress", "files"}

    @pytest.mark.parametrize("path", ["", "/files/all.zip", "/files/no", ":files", ":document"])
    def test_the_task_of_another_user_is_404_like_one_that_never_existed(
        self, person, stranger, path
    ):
        task_id = person.task_id("optimize")
        person.ended(task_id)
        theirs = stranger.get(f"/tasks/{task_id}{path}")
        unknown = stranger.get(f"/tasks/unknown{path}")
        assert theirs.status_code == unknown.status_code == 404
        assert theirs.json() == unknown.json()

    def test_an_unknown_file_is_404(self, person):
        task_id = person.task_id("optimize")
        person.ended(task_id)
        for name in ("nothing", "..%2f..%2fetc%2fpasswd"):
            assert person.get(f"/tasks/{task_id}/files/{name}").status_code == 404

    def test_without_a_session_it_is_401(self, step):
        for method, path in (("POST", "/tasks"), ("GET", "/tasks"), ("GET", "/tasks/x")):
            answer = httpx.request(method, step.url + path)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].lower() == "bearer"
            assert "POST /tokens" in answer.json()["hint"]

    def test_a_program_needs_only_a_token(self, step):
        bearer = {"Authorization": f"Bearer {httpx.post(f'{step.url}/tokens').json()['token']}"}
        answer = httpx.post(f"{step.url}/tasks", data={"kind": "optimize"}, headers=bearer)
        assert answer.status_code == 202
        listed = httpx.get(f"{step.url}/tasks", headers=bearer).json()["tasks"]
        assert [task["task_id"] for task in listed] == [answer.json()["task_id"]]


@steps_with("queue", "slow_person")
def test_a_running_task_says_when_to_ask_again(slow_person):
    url = f"/tasks/{slow_person.task_id('optimize')}"
    running_task = eventually(
        lambda: (answer := slow_person.get(url)).json()["state"] == "PROGRESS" and answer
    )
    assert running_task.headers["Retry-After"] == "2"


@steps_with("queue", "person_without_redis")
def test_without_redis_it_is_503_with_retry_after(person_without_redis):
    for method, path in (("GET", "/healthz"), ("GET", "/tasks"), ("GET", "/tasks/x")):
        answer = person_without_redis.request(method, path)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert set(answer.json()) == {"error", "hint"}
    assert person_without_redis.start("optimize").status_code == 503
    assert person_without_redis.get("/").status_code == 200


@steps_with("stream")
class TestStream:
    def test_the_headers_and_the_first_lines(self, person):
        url = person.start("optimize").json()["stream_url"]
        with person.stream("GET", url) as stream:
            assert_is_event_stream(stream)
            text = "".join(stream.iter_text())
        assert text.startswith(": connected\n\nretry: ")
        assert 2000 <= int(re.search(r"^retry: (\d+)$", text, re.MULTILINE)[1]) <= 4000
        assert text.count("retry: ") == 1

    def test_head_has_the_headers_and_no_body(self, person):
        url = person.start("optimize").json()["stream_url"]
        answer = person.head(url)
        assert_is_event_stream(answer)
        assert answer.content == b""

    def test_the_last_event_is_the_end_with_the_state_of_the_task(self, person):
        task_id = person.task_id("worksheets", sample="yes")
        *before, (_, type, data) = person.listen(f"task_ids={task_id}")
        assert {type for _, type, _ in before} <= {"progress"}
        assert type == "complete"
        assert data == person.task(task_id)

    @pytest.mark.parametrize("query", ["task_ids={},{}", "task_ids={}&task_ids={}"])
    def test_it_is_about_the_requested_tasks(self, person, query):
        requested = [person.task_id("optimize") for _ in range(2)]
        person.task_id("optimize")
        events = list(person.listen(query.format(*requested)))
        assert {data["task_id"] for _, _, data in events} == set(requested)
        assert [type for _, type, _ in events].count("complete") == 2

    @pytest.mark.parametrize("query", ["all=true", ""])
    def test_it_is_about_all_of_my_tasks_if_none_is_requested(self, person, stranger, query):
        mine = {person.task_id("optimize") for _ in range(2)}
        stranger.task_id("optimize")
        assert {data["task_id"] for _, _, data in person.listen(query)} == mine

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_without_a_task_it_is_204(self, person, method):
        answer = person.request(method, "/tasks/stream?all=true")
        assert (answer.status_code, answer.content) == (204, b"")

    @pytest.mark.parametrize("query", ["task_ids=", "task_ids=,", "task_ids=&task_ids="])
    def test_no_id_is_400(self, person, query):
        person.task_id("optimize")
        answer = person.get(f"/tasks/stream?{query}")
        assert answer.status_code == 400
        assert set(answer.json()) == {"error", "hint"}

    def test_the_task_of_another_user_is_404(self, person, stranger):
        mine, theirs = person.task_id("optimize"), stranger.task_id("optimize")
        for task_ids in (theirs, f"{mine},{theirs}", "unknown"):
            answer = person.get(f"/tasks/stream?task_ids={task_ids}")
            assert answer.status_code == 404
            assert set(answer.json()) == {"error", "hint"}

    def test_without_a_session_it_is_401(self, step):
        for method, path in (("GET", "/tasks/stream"), ("POST", "/tasks/x/cancel")):
            assert httpx.request(method, step.url + path).status_code == 401

    def test_cancelling_a_task_that_has_ended_changes_nothing(self, person):
        task_id = person.task_id("optimize")
        before = person.ended(task_id)
        assert person.post(f"/tasks/{task_id}/cancel").status_code == 202
        assert person.task(task_id) == before

    def test_only_its_user_cancels_a_task(self, person, stranger):
        task_id = person.task_id("optimize")
        for unknown in (task_id, "unknown"):
            assert stranger.post(f"/tasks/{unknown}/cancel").status_code == 404
        assert person.ended(task_id)["state"] == "SUCCESS"


@steps_with("stream", "slow_person")
def test_to_cancel_is_to_end(slow_person):
    task = slow_person.start("optimize").json()
    events = slow_person.listen(f"task_ids={task['task_id']}")
    next(events)
    answer = slow_person.post(task["cancel_url"])
    assert answer.status_code == 202
    assert answer.json() == {"task_id": task["task_id"], "status": "cancelling"}
    assert slow_person.task(task["task_id"])["state"] == "CANCELLED"
    *_, (_, type, data) = events
    assert (type, data["state"]) == ("cancelled", "CANCELLED")


@steps_with("replay")
class TestReplay:
    def test_a_stream_goes_on_after_the_last_event_that_arrived(self, person):
        *_, (last_id, _, _) = person.listen(f"task_ids={person.task_id('optimize')}")
        missed = person.task_id("worksheets", sample="yes")
        person.ended(missed)
        events = list(person.listen(f"task_ids={missed}", **{"Last-Event-ID": last_id}))
        assert events == list(person.listen(f"task_ids={missed}&last_event_id={last_id}"))
        assert [data["stage"] for _, _, data in events][:2] == ["queued", "started"]
        assert sorted({data["current"] for _, _, data in events}) == [0, 1, 2, 3, 4, 5, 6]
        assert events[-1][1] == "complete"
        assert len({id for id, _, _ in events}) == len(events)

    def test_it_is_204_once_everything_was_sent(self, person):
        query = f"task_ids={person.task_id('optimize')}"
        *_, (last_id, _, _) = person.listen(query)
        url = f"/tasks/stream?{query}"
        for method in ("GET", "HEAD"):
            assert person.request(method, f"{url}&last_event_id={last_id}").status_code == 204
            answer = person.request(method, url, headers={"Last-Event-ID": last_id})
            assert (answer.status_code, answer.content) == (204, b"")

    def test_the_id_in_the_header_is_newer_than_that_in_the_address(self, person):
        *_, (old_id, _, _) = person.listen(f"task_ids={person.task_id('optimize')}")
        query = f"task_ids={person.task_id('optimize')}"
        *_, (new_id, _, _) = person.listen(query)
        url = f"/tasks/stream?{query}&last_event_id={old_id}"
        assert person.get(url).status_code == 200
        assert person.get(url, headers={"Last-Event-ID": new_id}).status_code == 204


def assert_is_event_stream(answer):
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"
