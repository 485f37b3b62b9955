"""How progress looks to a person: in the steps that show any."""

import contextlib
import re

import pytest

from actions import open_form, start_sample
from workshop.processes import free_port, running
from workshop.steps import all_steps, procfile

pytestmark = pytest.mark.slow  # the quick tests need nothing but Python
WITH_PROGRESS = [step for step in all_steps() if (step / "static" / "page.js").exists()]
WITH_A_WORKER = [step for step in WITH_PROGRESS if "worker" in procfile(step)]
in_steps_with_a_worker = pytest.mark.parametrize(
    "step", WITH_A_WORKER, ids=lambda step: step.name, indirect=True
)


@pytest.fixture(scope="module", params=WITH_PROGRESS, ids=lambda step: step.name)
def step(request):
    with running(request.param, env={"JOB_PACE": "0.7"}) as step_is_running:
        yield step_is_running


def progress_of(card):
    return card.locator("progress").evaluate("bar => bar.value")


def wait_until_done(card):
    card.locator(".state", has_text="done").wait_for(timeout=60_000)


def test_progress_moves_without_a_reload_and_files_come_one_by_one(page):
    page.evaluate("window.loadedOnce = true")
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    early = progress_of(card)
    assert 0 < early < 100
    assert card.locator(".state").inner_text() == "running"
    wait_until_done(card)
    assert progress_of(card) == 100
    assert card.locator(".files a").count() == 7
    assert page.evaluate("window.loadedOnce")


def test_leaving_and_coming_back_resumes(page):
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    page.goto("about:blank")
    page.go_back()
    card = page.locator("#tasks article").first
    card.locator("h3", has_text="Make worksheets").wait_for()
    wait_until_done(card)


def test_a_removed_task_does_not_come_back(page):
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    card.get_by_role("button", name="Remove").click()
    page.reload()
    assert page.locator("#tasks article").count() == 0


def test_the_meter_counts_what_goes_over_the_wire(page):
    wait_until_done(start_sample(page))
    requests, updates = (
        int(page.locator(f"#meter-{name}").inner_text()) for name in ("requests", "updates")
    )
    size = int(page.locator("#meter-bytes").inner_text().replace(",", ""))
    assert requests > 0
    assert 2 <= updates <= 9  # queued, started, six lessons, done
    assert size > 500 * requests
    assert re.fullmatch(r"\d\.\d\d s", page.locator("#meter-age").inner_text())


def test_another_browser_sees_nothing_of_it(step, page, new_page):
    wait_until_done(start_sample(page))
    other = new_page(step.url)
    assert other.locator("#tasks article").count() == 0


@in_steps_with_a_worker
def test_a_task_without_a_worker_waits_and_says_so(step, new_page):
    port = free_port()
    with running(step.step, port=port, commands={"worker": None}) as alone:
        card = start_sample(new_page(alone.url))
        card.get_by_text("Waiting for a worker").wait_for(timeout=30_000)
        assert card.locator(".state").inner_text() == "queued"


@in_steps_with_a_worker
def test_the_server_goes_and_comes_back_and_the_page_catches_up(step, new_page):
    with contextlib.ExitStack() as stack:
        port = free_port()
        web = {"redis_url": step.redis_url, "port": port, "commands": {"worker": None}}
        web["env"] = {"SECRET_KEY": "the same after the restart"}
        first = stack.enter_context(contextlib.ExitStack())
        page = new_page(first.enter_context(running(step.step, **web)).url)
        card = start_sample(page)
        card.get_by_role("link", name="Animals").wait_for()
        first.close()
        page.get_by_text("The server does not answer.").wait_for()
        stack.enter_context(running(step.step, **web))
        wait_until_done(card)
        assert page.get_by_role("alert").count() == 0
        assert card.locator(".files a").count() == 7


@in_steps_with_a_worker
def test_an_answer_in_html_is_none_and_the_page_asks_again(step, new_page):
    with running(step.step, env={"JOB_PACE": "4"}) as slow:
        page = new_page(slow.url)
        page.route("**/tasks/stream**", lambda route: route.fulfill(status=503, body="{}"))
        card = start_sample(page)
        card.get_by_role("link", name="Animals").wait_for()
        answers = re.compile(r"/tasks(/\w{32})?$")
        page.route(answers, lambda route: route.fulfill(body="<p>Please log in."))
        page.get_by_text("The server's answer cannot be read.").wait_for()
        page.unroute(answers)
        wait_until_done(card)
        assert page.get_by_role("alert").count() == 0


@in_steps_with_a_worker
def test_redis_goes_and_comes_back_and_the_page_says_so(step, new_page, stopped_redis):
    page = new_page(step.url)
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    with stopped_redis(step):
        if not (step.step / "sse.py").exists():
            card.get_by_text("Redis is away.").wait_for()
        open_form(page, "Optimize").get_by_role("button", name="Start").click()
        page.locator("#form-problem").get_by_text("Redis is away.").wait_for()
    wait_until_done(card)
    assert card.get_by_role("alert").count() == 0
