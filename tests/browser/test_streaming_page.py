"""What a person sees of a stream: in the steps that have one."""

import contextlib

import pytest

from actions import start_sample
from workshop.processes import free_port, running
from workshop.steps import all_steps, find_step

pytestmark = pytest.mark.slow  # the quick tests need nothing but Python
STREAMING = [step for step in all_steps() if (step / "sse.py").exists()]


@pytest.fixture(scope="module", params=STREAMING, ids=lambda step: step.name)
def step(request):
    with running(request.param, env={"JOB_PACE": "0.7"}) as step_is_running:
        yield step_is_running


def test_events_cards_and_light(page):
    card = start_sample(page)
    card.locator('.light[data-light="live"]').wait_for()
    card.get_by_role("link", name="Animals").wait_for()
    assert card.locator(".metrics dt", has_text="lesson").count() == 1
    card.locator(".log summary").click()
    assert card.locator(".log li").first.inner_text().startswith("progress {")
    card.locator(".state", has_text="done").wait_for(timeout=30_000)
    assert card.locator(".log li").last.inner_text().startswith("complete {")
    assert card.locator(".light").inner_text() == "closed"
    assert not card.get_by_role("button", name="Cancel").is_visible()


def test_cancel(page):
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    card.get_by_role("button", name="Cancel").click()
    card.locator(".state", has_text="cancelled").wait_for()
    assert card.locator(".files a").count() < 7


def test_a_refused_stream_is_asked_for_again(step, new_page):
    page = new_page(step.url)
    refusals = []

    def refuse_once(route):
        refusals.append(route.request.url)
        if len(refusals) == 1:
            return route.fulfill(status=503, body="{}")
        return route.continue_()

    page.route("**/tasks/stream**", refuse_once)
    card = start_sample(page)
    card.get_by_text("The connection is lost.").wait_for()
    card.locator(".state", has_text="done").wait_for(timeout=30_000)
    assert len(refusals) == 2
    assert card.get_by_role("alert").count() == 0


def test_two_tabs_both_see_every_event(page):
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    tab = page.context.new_page()
    tab.goto(page.url)
    other = tab.locator("#tasks article").first
    for seen in (card, other):
        seen.locator(".state", has_text="done").wait_for(timeout=30_000)
    texts = [seen.locator(".log li").all_inner_texts() for seen in (card, other)]
    assert texts[0][-3:] == texts[1][-3:]


def test_the_meter_shows_the_thrift_of_a_stream(page):
    start_sample(page).locator(".state", has_text="done").wait_for(timeout=30_000)
    assert page.locator("#meter-requests").inner_text() == "2"
    assert int(page.locator("#meter-updates").inner_text()) >= 7


def test_a_restart_of_step_03_loses_the_job_and_the_page_says_so(new_page):
    with contextlib.ExitStack() as stack:
        port, slow = free_port(), {"JOB_PACE": "1"}
        first = stack.enter_context(contextlib.ExitStack())
        page = new_page(first.enter_context(running(find_step("3"), port=port, env=slow)).url)
        card = start_sample(page)
        card.get_by_role("link", name="Animals").wait_for()
        first.close()
        card.get_by_text("The connection is lost.").wait_for()
        stack.enter_context(running(find_step("3"), port=port, env=slow))
        card.get_by_text("was lost with a restart").wait_for(timeout=30_000)
        assert card.locator(".state").inner_text() == "lost"
