"""How progress looks to the user: in the steps that show any."""

import re

import pytest

from actions import (
    WITH_PROGRESS,
    for_steps,
    look_at,
    open_form,
    progress_of,
    refuse,
    requests_to,
    sample_button,
    start_sample,
    wait_for_requests,
    wait_for_state,
)

pytestmark = [pytest.mark.slow, for_steps(WITH_PROGRESS)]


def test_progress_moves_without_a_reload_and_files_come_one_by_one(page):
    page.evaluate("window.loadedOnce = true")
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    assert 0 < progress_of(card) < 100
    assert card.locator(".state").inner_text() == "running"
    assert card.locator(".metrics dt", has_text="lesson").count() == 1
    wait_for_state(card, "done")
    assert progress_of(card) == 100
    assert card.locator(".files a").count() == 7
    assert page.evaluate("window.loadedOnce")


@pytest.mark.parametrize("leave", ["reload", "leave and come back"])
def test_leaving_or_reloading_changes_nothing(page, leave):
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    if leave == "reload":
        page.reload()
    else:
        page.goto("about:blank")
        page.go_back()
    card.locator("h3", has_text="Make worksheets").wait_for()
    assert progress_of(card) > 0
    wait_for_state(card, "done")
    assert card.locator(".files a").count() == 7


def test_the_metrics_keep_the_order_of_the_job(page):
    metrics = page.locator("#tasks .metrics dt")
    wait_for_state(start_sample(page), "done")
    before = metrics.all_text_contents()
    page.reload()
    metrics.first.wait_for()
    assert (
        before
        == metrics.all_text_contents()
        == ["lesson", "words", "seconds elapsed", "per second"]
    )


def test_the_newest_task_is_at_the_top_before_and_after_a_reload(page):
    for title in ("Make worksheets", "Review a document"):
        open_form(page, title).get_by_role("button", name="Use the sample").click()
        page.locator("#tasks article").first.locator(".kind", has_text=title).wait_for()
    page.reload()
    page.locator("#tasks article").nth(1).wait_for()
    titles = page.locator("#tasks .kind").all_text_contents()
    assert titles == ["Review a document", "Make worksheets"]


def test_a_removed_task_does_not_come_back(page):
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    card.get_by_role("button", name="Remove").click()
    page.reload()
    wait_for_requests(page, 1)
    assert page.locator("#tasks article").count() == 0
    assert len(tasks_of(page)) == 1  # the server still has it


def test_the_meter_counts_what_goes_over_the_wire(page):
    wait_for_state(start_sample(page), "done")
    requests, updates = (
        int(page.locator(f"#meter-{name}").inner_text()) for name in ("requests", "updates")
    )
    size = int(page.locator("#meter-bytes").inner_text().replace(",", ""))
    assert requests > 0
    assert 2 <= updates <= 9  # queued, started, six lessons, done
    assert size > 500 * requests
    assert re.fullmatch(r"\d\.\d\d s", page.locator("#meter-age").inner_text())


def test_another_browser_sees_nothing_of_it(step, page, new_page):
    wait_for_state(start_sample(page), "done")
    other = new_page(step.url)
    wait_for_requests(other, 1)
    assert other.locator("#tasks article").count() == 0
    assert tasks_of(other) == []


def test_a_double_click_starts_one_task(page):
    sent = requests_to(page, "/tasks", "POST")
    button = sample_button(page)
    button.dblclick()
    wait_for_state(page.locator("#tasks article"), "done")
    assert len(sent) == 1
    assert button.is_enabled()


def test_a_tab_shows_what_another_tab_has_started_when_the_user_comes_back_to_it(page):
    tab = page.context.new_page()
    tab.goto(page.url)
    start_sample(tab)
    look_at(page)
    wait_for_state(page.locator("#tasks article"), "done")


def test_two_tabs_both_show_the_end(page):
    card = start_sample(page)
    tab = page.context.new_page()
    tab.goto(page.url)
    for seen in (card, tab.locator("#tasks article")):
        wait_for_state(seen, "done")
        assert seen.locator(".files a").count() == 7


def test_offline_the_page_says_so_and_then_catches_up(step, new_page):
    page = new_page(step.url)
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    page.context.set_offline(True)
    sample_button(page).click()
    page.locator("#form-problem").get_by_text("The server does not answer.").wait_for()
    look_at(page)
    page.locator("#stream-problem").get_by_text("The server does not answer.").wait_for()
    page.context.set_offline(False)
    wait_for_state(card, "done")
    assert card.locator(".files a").count() == 7
    page.locator("#stream-problem").wait_for(state="hidden")
    second = start_sample(page)
    page.locator("#form-problem").wait_for(state="hidden")
    wait_for_state(second, "done")


def test_a_browser_that_the_server_no_longer_knows_learns_why_and_stops_asking(step, new_page):
    page = new_page(step.url)
    page.clock.install()
    page.reload()
    start_sample(page).get_by_role("link", name="Animals").wait_for()
    page.context.clear_cookies()
    look_at(page)
    problem = page.locator("#stream-problem")
    problem.get_by_text("Unauthorized.").wait_for()
    assert "Open the page first" in problem.inner_text()
    polls, streams = requests_to(page, "/tasks"), requests_to(page, "/tasks/stream")
    page.clock.run_for(120_000)
    sample_button(page).click()
    page.locator("#form-problem").get_by_text("Unauthorized.").wait_for()
    assert polls == streams == []


def test_an_answer_in_html_is_no_answer_and_the_page_asks_again(step, new_page, start_again):
    slow = start_again(JOB_PACE="2")
    page = new_page(slow.url)
    page.route("**/tasks/stream**", refuse)
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    page.route("**/tasks", lambda route: route.fulfill(body="<p>Please log in."))
    page.locator("#stream-problem").get_by_text("The server's answer can't be read.").wait_for()
    page.unroute("**/tasks")
    wait_for_state(card, "done")
    assert page.get_by_role("alert").count() == 0


def tasks_of(page):
    return page.evaluate("fetch('/tasks').then(answer => answer.json())")["tasks"]
