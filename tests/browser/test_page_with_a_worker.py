"""How the page behaves when the worker, the server or Redis is away: in the steps whose jobs
survive that."""

import pytest
import redis

from actions import (
    WITH_A_WORKER,
    for_steps,
    open_form,
    restart_web,
    start_sample,
    wait_for_state,
)
from workshop.processes import Process
from workshop.steps import procfile

pytestmark = [pytest.mark.slow, for_steps(WITH_A_WORKER)]
KEY = {"SECRET_KEY": "the same after the restart"}


def test_a_task_without_a_worker_waits_and_says_so(new_page, start_again):
    page = new_page(start_again(commands={"worker": None}).url)
    card = start_sample(page)
    card.get_by_text("Waiting for a worker").wait_for()
    assert card.locator(".state").inner_text() == "queued"


def test_a_failed_task_shows_error_and_hint(step, new_page, start_again):
    alone = start_again(commands={"worker": None})
    page = new_page(alone.url)
    card = start_sample(page)
    with redis.Redis.from_url(alone.redis_url) as client:
        client.sadd(f"runs:{card.get_attribute('id')}", "first", "second", "third")
    env = {"REDIS_URL": alone.redis_url, "JOB_PACE": "0"}
    command = procfile(step.step)["worker"]
    alone.processes["worker"] = Process("worker", command, step.step, env, lambda *_: None)
    wait_for_state(card, "failed")
    problem = card.get_by_role("alert").inner_text()
    assert "This job was started 3 times, and never finished." in problem
    assert "Try a smaller document." in problem
    assert not card.get_by_role("button", name="Cancel").is_visible()


def test_the_server_is_restarted_and_the_page_catches_up(new_page, start_again):
    running = start_again(JOB_PACE="0.7", **KEY)
    page = new_page(running.url)
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    restart_web(running, page.get_by_text("The server does not answer.").wait_for, **KEY)
    wait_for_state(card, "done")
    assert page.get_by_role("alert").count() == 0
    assert card.locator(".files a").count() == 7


def test_redis_is_away_for_a_while_and_the_page_says_so(step, new_page, stopped_redis):
    page = new_page(step.url)
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    with stopped_redis(step):
        if not (step.step / "sse.py").exists():  # a stream stays open, and needs no request
            page.locator("#stream-problem").get_by_text("Redis is away.").wait_for()
        open_form(page, "Optimize").get_by_role("button", name="Start").click()
        page.locator("#form-problem").get_by_text("Redis is away.").wait_for()
    wait_for_state(card, "done")
    assert page.locator("#tasks").get_by_role("alert").count() == 0
    page.locator("#stream-problem").wait_for(state="hidden")
