"""Step 01 has no script: the browser itself sends the form, and waits for the response."""

import re

import pytest

from actions import for_steps, open_form
from workshop.steps import find_step
from workshop.testing import names_in

pytestmark = [pytest.mark.slow, for_steps([find_step("1")])]
JOB_PACE = "0.3"
OWN = {"name": "lessons.xlsx", "mimeType": "application/octet-stream"}
SAMPLE = find_step("1") / "page" / "static" / "samples" / "lessons.xlsx"


def test_there_is_no_script_and_nothing_that_only_a_script_could_fill(page):
    assert page.locator("script").count() == 0
    assert page.locator("section h2").all_text_contents() == ["New task"]


def test_an_error_comes_as_html_with_the_forms_to_try_again(step, new_page):
    page = new_page(step.url, java_script_enabled=False)
    with page.expect_response("**/tasks") as refused:
        send(page, OWN | {"buffer": b"no workbook"})
    assert refused.value.status == 400
    assert refused.value.headers["content-type"].startswith("text/html")
    page.get_by_role("alert").get_by_text("This is not a .xlsx file").wait_for()
    with page.expect_download() as download:
        send(page, SAMPLE)
    assert len(names_in(download.value.path().read_bytes())) == 6


def test_a_page_that_does_not_exist_says_so_in_html(step, new_page):
    page = new_page(f"{step.url}/nothing")
    assert "Not Found." in page.get_by_role("alert").inner_text()


def send(page, document):
    form = open_form(page, "Make worksheets")
    form.get_by_label(re.compile("Document")).set_input_files(document)
    form.get_by_role("button", name="Start").click()
