"""What a person can do with the page of every step, tried in a real browser."""

import io
import re

import docx
import pytest

from actions import open_form
from workshop.steps import find_step
from workshop.testing import names_in

pytestmark = pytest.mark.slow  # the quick tests need nothing but Python
SAMPLES = find_step("1") / "static" / "samples"


def downloaded_zip(page, press):
    """What the person has on disk at the end, wherever the step offers it."""
    if page.locator("#tasks").count():
        press()
        link = page.get_by_role("link", name="All files")
        with page.expect_download() as download:
            link.click(timeout=30_000)
    else:
        with page.expect_download(timeout=30_000) as download:
            press()
    return download.value.path().read_bytes()


def test_the_sample_workbook_from_click_to_opened_file(page):
    form = open_form(page, "Make worksheets")
    content = downloaded_zip(page, form.get_by_role("button", name="Use the sample").click)
    assert names_in(content) == [f"lesson_{number}.zip" for number in range(1, 7)]


def test_an_own_document_from_click_to_opened_file(page):
    form = open_form(page, "Review a document")
    form.get_by_label(re.compile("Document")).set_input_files(SAMPLES / "proposal.docx")
    content = downloaded_zip(page, form.get_by_role("button", name="Start").click)
    assert names_in(content)[-1] == "report.docx"
    report = docx.Document(io.BytesIO(_read(content, "report.docx")))
    assert report.paragraphs[0].text == "Review"


def test_an_option_is_chosen(page):
    form = open_form(page, "Make worksheets")
    form.get_by_label("Programme").select_option("caterpillar")
    content = downloaded_zip(page, form.get_by_role("button", name="Use the sample").click)
    lesson = _read(content, "lesson_1.zip")
    worksheet = docx.Document(io.BytesIO(_read(lesson, "lesson_1_worksheet.docx")))
    assert "Trace" in [paragraph.text for paragraph in worksheet.paragraphs]


def test_a_bad_file_shows_error_and_hint(page, tmp_path):
    bad = tmp_path / "lessons.xlsx"
    bad.write_text("no workbook")
    form = open_form(page, "Make worksheets")
    form.get_by_label(re.compile("Document")).set_input_files(bad)
    form.get_by_role("button", name="Start").click()
    problem = page.get_by_role("alert").first
    problem.get_by_text("This is not a .xlsx file that can be read.").wait_for()
    assert "save it as .xlsx again" in problem.inner_text()
    expect_complaint(page, "400")


def test_a_file_over_the_limit_shows_error_and_hint(page, tmp_path):
    large = tmp_path / "large.xlsx"
    large.write_bytes(b"x" * (6 * 1024 * 1024))
    form = open_form(page, "Make worksheets")
    form.get_by_label(re.compile("Document")).set_input_files(large)
    form.get_by_role("button", name="Start").click()
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
def test_nothing_scrolls_sideways_on_a_phone_and_axe_finds_nothing_serious(step, new_page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = new_page(step.url, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    if page.locator("#tasks").count():
        open_form(page, "Make worksheets").get_by_role("button", name="Use the sample").click()
        page.get_by_role("link", name="In the kitchen").wait_for()
    for summary in page.locator("summary").all():
        summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        violations = axe.run(page).response["violations"]
        assert [v["id"] for v in violations if v["impact"] in ("serious", "critical")] == []


def expect_complaint(page, status):
    """Chromium reports every answer of 4xx as an error on the console."""
    page.complaints[:] = [text for text in page.complaints if f"status of {status}" not in text]


def _read(archive, name):
    from zipfile import ZipFile

    return ZipFile(io.BytesIO(archive)).read(name)
