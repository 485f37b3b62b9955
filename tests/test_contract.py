"""One suite over all steps: the same calls get the same answers wherever a step has them."""

import io
from zipfile import ZIP_DEFLATED, ZipFile

import httpx
import openpyxl
import pytest

from workshop.processes import running
from workshop.steps import all_steps, find_step
from workshop.testing import Person, names_in

CAPABILITIES = {
    "01-sync": {"page"},
    "02-celery-polling": {"page", "queue", "tokens"},
    "03-threaded-sse": {"page", "queue", "tokens"},
    "04-pubsub-sse": {"page", "queue", "tokens"},
    "05-gunicorn-gevent": {"page", "queue", "tokens"},
}
SAMPLE = find_step("1") / "static" / "samples" / "lessons.xlsx"


def steps_with(capability):
    return pytest.mark.parametrize(
        "step",
        [step for step in all_steps() if capability in CAPABILITIES[step.name]],
        ids=lambda step: step.name,
        indirect=True,
    )


@pytest.fixture(scope="module")
def step(request):
    with running(request.param, env={"JOB_PACE": "0"}) as step_is_running:
        yield step_is_running


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

    def test_the_sample_can_be_had(self, person):
        assert person.get("/static/samples/lessons.xlsx").content == SAMPLE.read_bytes()

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
    def test_post_answers_202_with_where_to_ask(self, person):
        answer = person.start("optimize")
        assert answer.status_code == 202
        task = answer.json()
        assert task["status"] == "queued"
        assert task["status_url"] == f"/tasks/{task['task_id']}"
        assert answer.headers["Location"] == task["status_url"]

    def test_the_status_of_a_task(self, person):
        task = person.ended(person.task_id("worksheets", sample="yes"))
        assert task["state"] == "SUCCESS"
        assert (task["progress"], task["current"], task["total"]) == (100, 6, 6)
        assert task["metrics"]["words"] == 48
        assert task["updated_at"]
        assert [file["name"] for file in task["files"]][::6] == ["lesson_1.zip", "all.zip"]
        assert task["result"] == task["files"][-1]
        for file in task["files"]:
            assert len(person.get(file["url"]).content) == file["size"]

    def test_no_retry_after_when_it_has_ended(self, person):
        task_id = person.task_id("optimize")
        person.ended(task_id)
        assert "Retry-After" not in person.get(f"/tasks/{task_id}").headers

    @pytest.mark.parametrize("path", ["", "/files/all.zip", "/files/no", ":files", ":document"])
    def test_what_is_not_mine_is_404_as_if_it_were_not(self, step, person, path):
        task_id = person.task_id("optimize")
        person.ended(task_id)
        with Person(step.url) as somebody_else:
            theirs = somebody_else.get(f"/tasks/{task_id}{path}")
            unknown = somebody_else.get(f"/tasks/unknown{path}")
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


@steps_with("tokens")
def test_a_program_needs_only_a_token(step):
    token = httpx.post(f"{step.url}/tokens").json()
    assert token["expires_in"] == 24 * 60 * 60
    bearer = {"Authorization": f"Bearer {token['token']}"}
    answer = httpx.post(f"{step.url}/tasks", data={"kind": "optimize"}, headers=bearer)
    assert answer.status_code == 202
    listed = httpx.get(f"{step.url}/tasks", headers=bearer).json()["tasks"]
    assert [task["task_id"] for task in listed] == [answer.json()["task_id"]]
