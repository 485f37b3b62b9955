"""What a page misses when its stream breaks: nothing, in the steps that keep the events."""

import pytest
import redis

from actions import (
    RESUMING,
    for_steps,
    lessons_in_log,
    look_at,
    requests_to,
    restart_web,
    sample_button,
    start_sample,
    wait_for_state,
)
from relay import relay

pytestmark = [pytest.mark.slow, for_steps(RESUMING)]


def test_after_a_long_restart_the_page_has_missed_no_event(new_page, start_again):
    key = {"JOB_PACE": "4", "SECRET_KEY": "the same after the restart"}
    slow = start_again(**key)
    page = new_page(slow.url)
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    restart_web(slow, page.get_by_text("The server does not answer.").wait_for, **key)
    wait_for_state(card, "done")
    assert lessons_in_log(page) == [1, 2, 3, 4, 5, 6, 6]


def test_a_stream_that_was_cut_off_continues_after_the_last_event(new_page, start_again):
    with relay(start_again(JOB_PACE="1.5").url) as (url, wire):
        page = new_page(url)
        card = start_sample(page)
        card.get_by_role("link", name="Animals").wait_for()
        wire.cut()
        page.locator('.light[data-light="lost"]').wait_for()
        wait_for_state(card, "done")
        assert lessons_in_log(page) == [1, 2, 3, 4, 5, 6, 6]


def test_the_next_event_shows_that_redis_is_back(new_page, start_again, stopped_redis):
    slow = start_again(JOB_PACE="2")
    page = new_page(slow.url)
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    with stopped_redis(slow):
        look_at(page)  # the page asks for the tasks
        page.get_by_text("Redis is away.").wait_for()
    page.locator("#stream-problem").wait_for(state="hidden")
    assert page.locator(".light").inner_text() == "live"
    assert card.locator(".state").inner_text() == "running"


def test_a_task_that_waits_for_a_worker_is_not_turned_back_by_the_stream(new_page, start_again):
    page = new_page(start_again(commands={"worker": None}).url)
    start_sample(page).get_by_text("Waiting for a worker").wait_for()
    page.reload()
    page.locator(".log li").first.wait_for(state="attached")
    assert page.locator("#tasks .message").inner_text().startswith("Waiting for a worker")


def test_twenty_waiting_tasks_share_a_few_requests(new_page, start_again):
    page = new_page(start_again(commands={"worker": None}).url)
    lists, streams = requests_to(page, "/tasks"), requests_to(page, "/tasks/stream")
    button = sample_button(page)
    for number in range(20):
        button.click()
        page.locator("#tasks article").nth(number).wait_for()
    page.get_by_text("Waiting for a worker").nth(19).wait_for()
    assert len(streams) == 1
    assert 1 <= len(lists) <= 4  # every six seconds, while a task is queued for less than five


def test_a_removed_task_that_waits_causes_no_more_requests(new_page, start_again):
    page = new_page(start_again(commands={"worker": None}).url)
    page.clock.install()
    page.reload()
    card = start_sample(page)
    wait_for_state(card, "queued")
    card.get_by_role("button", name="Remove").click()
    lists = requests_to(page, "/tasks")
    for _ in range(5):
        page.clock.run_for(6000)
    sample_button(page).click()  # a request that has a response, after all others
    page.locator("#tasks article").wait_for()
    assert lists == []


def test_a_task_that_a_reset_does_not_name_is_gone(new_page, start_again):
    # The stream reads the buffer after twenty heartbeats.
    alone = start_again(commands={"worker": None}, HEARTBEAT_SECONDS="0.2")
    page = new_page(alone.url)
    oldest, _, newest = [start_sample(page) for _ in range(3)]
    page.get_by_text("Waiting for a worker").nth(2).wait_for()  # the page asks about none now
    newest.get_by_role("button", name="Cancel").click()  # an event, so that there is a buffer
    wait_for_state(newest, "cancelled")
    with redis.Redis.from_url(alone.redis_url) as client:
        client.delete(f"task:{oldest.get_attribute('id')}", *client.keys("task_events:*"))
    wait_for_state(oldest, "gone")
    assert page.locator("#tasks .state", has_text="queued").count() == 1
    assert page.locator(".light").inner_text() == "live"
