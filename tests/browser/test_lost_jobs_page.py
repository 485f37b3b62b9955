"""Step 03 loses its jobs with its process, and the page says so instead of waiting forever."""

import pytest

from actions import (
    for_steps,
    lessons_in_log,
    open_form,
    requests_to,
    restart_web,
    start_sample,
    wait_for_state,
)
from workshop.processes import running
from workshop.steps import find_step
from workshop.testing import log_with

pytestmark = [pytest.mark.slow, for_steps([find_step("3")])]
LOST = "This job is lost: nothing runs it any more."
LONGEST_SILENCE = 65_000  # milliseconds without an event, before the page asks for the tasks


def test_a_restart_loses_the_jobs_and_each_card_says_so(new_page, start_again):
    slow = start_again(JOB_PACE="2")
    page = new_page(slow.url)
    cards = [start_sample(page) for _ in range(3)]
    for card in cards:
        card.get_by_role("link", name="Animals").wait_for()
    restart_web(slow, page.locator('.light[data-light="lost"]').wait_for, JOB_PACE="0")
    for card in cards:
        problem = card.get_by_role("alert")
        problem.get_by_text(LOST).wait_for()
        assert "Start it again." in problem.inner_text()
        assert card.locator(".state").inner_text() == "failed"
        assert not card.get_by_role("button", name="Cancel").is_visible()
        assert card.locator(".files a").count() > 0
    wait_for_state(start_sample(page), "done")


def test_twenty_tasks_need_one_stream_and_no_other_request(page):
    lists, streams = requests_to(page, "/tasks"), requests_to(page, "/tasks/stream")
    cards = [start_sample(page) for _ in range(20)]
    for card in cards:
        wait_for_state(card, "done")
    assert len(streams) == 1
    assert lists == []


def test_a_job_that_cannot_reach_redis_is_lost_and_the_page_says_so(
    new_page, start_again, stopped_redis
):
    running = start_again(JOB_PACE="0.7")
    page = new_page(running.url)
    page.clock.install()
    page.reload()
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    with stopped_redis(running):
        open_form(page, "Optimize").get_by_role("button", name="Start").click()
        page.locator("#form-problem").get_by_text("Redis is away.").wait_for()
        log_with(running.processes["web"], "Exception in thread")
    page.clock.run_for(LONGEST_SILENCE)
    card.get_by_role("alert").get_by_text(LOST).wait_for()


def test_a_second_process_shows_the_task_but_does_not_send_its_updates(step, page):
    with running(step.step, redis_url=step.redis_url) as second:
        card = start_sample(page)
        card.get_by_role("link", name="Animals").wait_for()
        other = page.context.new_page()
        other.clock.install()
        other.goto(second.url)
        wait_for_state(other.locator("#tasks article"), "running")
        other.locator('.light[data-light="live"]').wait_for()
        wait_for_state(card, "done")
        assert 6 not in lessons_in_log(other)
        assert other.locator("#tasks .state").inner_text() == "running"
        other.clock.run_for(LONGEST_SILENCE)
        wait_for_state(other.locator("#tasks article"), "done")
