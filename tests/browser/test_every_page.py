"""What a user can do with the page of every step, tried in a real browser."""

import io
import re
from zipfile import ZipFile

import docx
import pytest

from actions import open_form, sample_button
from workshop.steps import find_step
from workshop.testing import names_in

pytestmark = pytest.mark.slow  # the quick tests need nothing but Python
JOB_PACE = "0.3"
SAMPLES = find_step("1") / "page" / "static" / "samples"


def test_the_page_shows_the_name_of_its_step(step, page):
    assert page.locator(".step").inner_text() == step.step.name
    assert step.step.name in page.title()


def test_the_sample_workbook_from_click_to_opened_file(page):
    content = downloaded_zip(page, sample_button(page).click)
    assert names_in(content) == [f"lesson_{number}.zip" for number in range(1, 7)]


def test_an_own_document_from_click_to_opened_file(page):
    form = open_form(page, "Review a document")
    form.get_by_label(re.compile("Document")).set_input_files(SAMPLES / "proposal.docx")
    content = downloaded_zip(page, form.get_by_role("button", name="Start").click)
    assert names_in(content)[-1] == "report.docx"
    report = docx.Document(io.BytesIO(read(content, "report.docx")))
    assert report.paragraphs[0].text == "Review"


def test_an_option_is_chosen(page):
    form = open_form(page, "Make worksheets")
    form.get_by_label("Programme").select_option("caterpillar")
    content = downloaded_zip(page, sample_button(page).click)
    lesson = read(content, "lesson_1.zip")
    worksheet = docx.Document(io.BytesIO(read(lesson, "lesson_1_worksheet.docx")))
    assert "Trace" in [paragraph.text for paragraph in worksheet.paragraphs]


def test_the_samples_can_be_seen_first(page):
    with page.expect_download() as download:
        open_form(page, "Make worksheets").get_by_role("link", name="See the sample").click()
    assert download.value.path().read_bytes() == (SAMPLES / "lessons.xlsx").read_bytes()


def test_a_bad_file_shows_error_and_hint(page, tmp_path):
    bad = tmp_path / "lessons.xlsx"
    bad.write_text("no workbook")
    send_worksheets(page, bad)
    problem = page.get_by_role("alert").first
    problem.get_by_text("This is not a .xlsx file that can be read.").wait_for()
    assert "save it as .xlsx again" in problem.inner_text()
    expect_complaint(page, "400")


def test_a_file_over_the_limit_shows_error_and_hint(page, tmp_path):
    large = tmp_path / "large.xlsx"
    large.write_bytes(b"x" * (6 * 1024 * 1024))
    send_worksheets(page, large)
    page.get_by_text("Documents may have up to 5 MB.").wait_for()
    expect_complaint(page, "413")


def test_without_a_file_the_browser_itself_asks_for_one(page):
    form = open_form(page, "Make worksheets")
    form.get_by_role("button", name="Start").click()
    missing = form.get_by_label(re.compile("Document")).evaluate("i => i.validity.valueMissing")
    assert missing


def test_the_keyboard_is_enough(page):
    page.locator("summary", has_text="Make worksheets").focus()
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Start"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Use the sample"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_on_a_phone_and_axe_finds_nothing_serious(
    step, new_page, scheme, tmp_path
):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = new_page(step.url, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    bad = tmp_path / "lessons.xlsx"
    bad.write_text("no workbook")
    send_worksheets(page, bad)
    page.get_by_role("alert").first.wait_for()
    if page.locator("#tasks").count():
        for state in start_and_cancel_one(page):
            page.locator("#tasks .state", has_text=state).wait_for()
    for summary in page.locator("summary:visible").all():
        summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        violations = axe.run(page).response["violations"]
        assert [v["id"] for v in violations if v["impact"] in ("serious", "critical")] == []


def start_and_cancel_one(page):
    """Returns the states that the cards will show."""
    sample_button(page).click()
    page.get_by_role("link", name="In the kitchen").wait_for()
    cancel = page.get_by_role("button", name="Cancel")
    if not cancel.count():
        return ["done"]
    sample_button(page).click()
    cancel.nth(1).wait_for()
    cancel.first.click()
    return ["done", "cancelled"]


def send_worksheets(page, document):
    form = open_form(page, "Make worksheets")
    form.get_by_label(re.compile("Document")).set_input_files(document)
    form.get_by_role("button", name="Start").click()


def downloaded_zip(page, press):
    """What is on the user's disk at the end, wherever the step offers it."""
    if page.locator("#tasks").count():
        press()
        link = page.get_by_role("link", name="All files")
        with page.expect_download() as download:
            link.click(timeout=30_000)
    else:
        with page.expect_download(timeout=30_000) as download:
            press()
    return download.value.path().read_bytes()


def expect_complaint(page, status):
    """Chromium logs every response of 4xx as an error."""
    others = [text for text in page.complaints if f"status of {status}" not in text]
    assert len(others) < len(page.complaints)
    page.complaints[:] = others


def read(archive, name):
    return ZipFile(io.BytesIO(archive)).read(name)
