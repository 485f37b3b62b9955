"""How a stream looks to the user: in the steps that have one."""

import pytest

from actions import (
    STREAMING,
    for_steps,
    progress_of,
    refuse,
    requests_to,
    restart_web,
    start_sample,
    wait_for_state,
)
from relay import relay

pytestmark = [pytest.mark.slow, for_steps(STREAMING)]


def test_events_and_light(page):
    assert not page.locator(".light").is_visible()
    assert not page.locator(".log").is_visible()
    card = start_sample(page)
    page.locator('.light[data-light="live"]').wait_for()
    page.locator(".log summary").click()
    assert page.locator(".log li").first.inner_text().startswith("progress {")
    wait_for_state(card, "done")
    assert page.locator(".log li").last.inner_text().startswith("complete {")
    assert page.locator(".light").inner_text() == "closed"
    assert not card.get_by_role("button", name="Cancel").is_visible()


def test_cancel(page):
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    card.get_by_role("button", name="Cancel").click()
    wait_for_state(card, "cancelled")
    assert card.locator(".files a").count() < 7
    assert not card.get_by_role("button", name="Cancel").is_visible()


def test_three_clicks_on_cancel_are_one_end(page):
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    card.get_by_role("button", name="Cancel").click(click_count=3)
    wait_for_state(card, "cancelled")
    page.get_by_text("No task is running, and no stream is open.").wait_for()
    events = page.locator(".log li").all_text_contents()
    assert [event.split(" ", 1)[0] for event in events].count("cancelled") == 1
    assert page.get_by_role("alert").count() == 0


def test_a_cancel_that_does_not_reach_the_server_says_so(step, new_page):
    page = new_page(step.url)
    card = start_sample(page)
    page.route("**/cancel", lambda route: route.abort())
    card.get_by_role("button", name="Cancel").click()
    card.get_by_role("alert").get_by_text("The server does not answer.").wait_for()
    wait_for_state(card, "done")
    assert page.get_by_role("alert").count() == 0


def test_one_stream_serves_three_tasks_and_a_line_says_so(page):
    streams, lists = requests_to(page, "/tasks/stream"), requests_to(page, "/tasks")
    cards = [start_sample(page) for _ in range(3)]
    page.get_by_text("One event stream brings the updates of all tasks.").wait_for()
    for card in cards:
        wait_for_state(card, "done")
    page.get_by_text("No task is running, and no stream is open.").wait_for()
    assert len(streams) == 1
    assert lists == []


def test_the_meter_shows_how_few_requests_a_stream_needs(page):
    wait_for_state(start_sample(page), "done")
    # The list of tasks when the page was opened, the POST and the stream.
    assert page.locator("#meter-requests").inner_text() == "3"
    assert int(page.locator("#meter-updates").inner_text()) >= 7


def test_two_tabs_both_receive_every_event(page):
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    tab = page.context.new_page()
    tab.goto(page.url)
    for seen in (card, tab.locator("#tasks article")):
        wait_for_state(seen, "done")
    texts = [seen.locator(".log li").all_text_contents() for seen in (page, tab)]
    assert texts[0][-3:] == texts[1][-3:]


def test_a_refused_stream_is_requested_again(new_page, start_again):
    # Longer than the pause before the page tries again.
    page = new_page(start_again(JOB_PACE="1.5").url)
    streams = requests_to(page, "/tasks/stream")
    page.route("**/tasks/stream**", refuse, times=1)
    card = start_sample(page)
    page.get_by_text("The event stream is lost.").wait_for()
    wait_for_state(card, "done")
    assert len(streams) == 2
    assert page.get_by_role("alert").count() == 0


def test_a_stream_that_was_cut_off_comes_back_by_itself(new_page, start_again):
    with relay(start_again(JOB_PACE="1.5").url) as (url, wire):
        page = new_page(url)
        card = start_sample(page)
        card.get_by_role("link", name="Animals").wait_for()
        streams = requests_to(page, "/tasks/stream")
        wire.cut()
        page.locator('.light[data-light="lost"]').wait_for()
        page.locator('.light[data-light="live"]').wait_for()
        wait_for_state(card, "done")
        assert card.locator(".files a").count() == 7
        assert len(streams) == 1


def test_where_streams_keep_failing_the_page_polls_and_returns_to_the_stream_later(
    new_page, start_again
):
    page = new_page(start_again(JOB_PACE="6").url)
    page.route("**/tasks/stream**", refuse)
    card = start_sample(page)
    page.get_by_text("The page polls every 2 seconds").wait_for()
    card.get_by_role("link", name="Animals").wait_for()
    page.locator('.light[data-light="polling"]').wait_for()
    page.unroute("**/tasks/stream**")
    page.locator('.light[data-light="live"]').wait_for()
    card.get_by_role("link", name="The weather").wait_for()
    assert progress_of(card) >= 50  # events from before don't turn the page back


def test_a_page_that_could_not_ask_at_first_still_follows_what_runs(new_page, start_again):
    slow = start_again(JOB_PACE="3")
    page = new_page(slow.url)
    start_sample(page)
    newest = start_sample(page)  # in a snapshot it comes first, and has ended
    newest.get_by_role("button", name="Cancel").click()
    wait_for_state(newest, "cancelled")
    tab = page.context.new_page()
    tab.route("**/tasks", lambda route: route.abort(), times=1)
    tab.goto(slow.url)
    tab.locator('.light[data-light="live"]').wait_for()
    wait_for_state(tab.locator("#tasks"), "done")


def test_a_server_that_no_longer_knows_the_browser_refuses_its_stream(new_page, start_again):
    slow = start_again(JOB_PACE="2", SECRET_KEY="before the restart")
    page = new_page(slow.url)
    start_sample(page).get_by_role("link", name="Animals").wait_for()
    lost = page.locator('.light[data-light="lost"]')
    restart_web(slow, lost.wait_for, SECRET_KEY="after it")
    page.get_by_text("The server no longer knows this browser. Reload the page.").wait_for()
    assert page.locator(".light").inner_text() == "refused"


def test_six_tabs_take_all_connections_of_a_browser_and_the_seventh_waits(new_page, start_again):
    """Over HTTP/1.1, with one stream for each tab. HTTP/2 has no such limit."""
    slow = start_again(JOB_PACE="60")
    first = new_page(slow.url)
    start_sample(first)
    tabs = [first] + [first.context.new_page() for _ in range(5)]
    for tab in tabs:
        if tab != first:
            tab.goto(slow.url)
        tab.locator('.light[data-light="live"]').wait_for()
    seventh = first.context.new_page()
    with pytest.raises(Exception, match="Timeout"):
        seventh.goto(slow.url, timeout=3000)
    tabs[-1].close()
    seventh.goto(slow.url)
    assert "Live progress" in seventh.title()
