"""What a person sees of a stream: in the steps that have one."""

import contextlib
import json
import sys

import pytest
import redis

from actions import start_sample
from workshop.processes import Process, free_port, running
from workshop.steps import ROOT, all_steps, find_step, procfile

sys.path.insert(0, str(ROOT / "tests" / "load"))

from relay import relay

pytestmark = pytest.mark.slow  # the quick tests need nothing but Python
STREAMING = [step for step in all_steps() if (step / "sse.py").exists()]

THROUGH_REDIS = [step for step in STREAMING if (step / "inbox.py").exists()]
through_redis = pytest.mark.parametrize(
    "step", THROUGH_REDIS, ids=lambda step: step.name, indirect=True
)


@pytest.fixture(scope="module", params=STREAMING, ids=lambda step: step.name)
def step(request):
    with running(request.param, env={"JOB_PACE": "0.7"}) as step_is_running:
        yield step_is_running


@pytest.fixture
def start_with():
    """Starts a step once more, with other settings."""
    with contextlib.ExitStack() as stack:
        yield lambda step, **env: stack.enter_context(running(step, env=env))


def test_events_cards_and_light(page):
    card = start_sample(page)
    page.locator('.light[data-light="live"]').first.wait_for()
    card.get_by_role("link", name="Animals").wait_for()
    assert card.locator(".metrics dt", has_text="lesson").count() == 1
    page.locator(".log summary").first.click()
    assert page.locator(".log li").first.inner_text().startswith("progress {")
    card.locator(".state", has_text="done").wait_for(timeout=30_000)
    assert page.locator(".log li").last.inner_text().startswith("complete {")
    assert page.locator(".light").first.inner_text() == "closed"
    assert not card.get_by_role("button", name="Cancel").is_visible()


def test_cancel(page):
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    card.get_by_role("button", name="Cancel").click()
    card.locator(".state", has_text="cancelled").wait_for()
    assert card.locator(".files a").count() < 7


def test_a_refused_stream_is_asked_for_again(step, new_page, start_with):
    # Longer than the pause before the page asks again.
    slow = start_with(step.step, JOB_PACE="1.5")
    page = new_page(slow.url)
    refusals = []

    def refuse_once(route):
        refusals.append(route.request.url)
        if len(refusals) == 1:
            return route.fulfill(status=503, body="{}")
        return route.continue_()

    page.route("**/tasks/stream**", refuse_once)
    page.wait_for_load_state("networkidle")  # it has asked how all tasks are
    card = start_sample(page)
    page.get_by_text("is lost.").first.wait_for()
    card.locator(".state", has_text="done").wait_for(timeout=30_000)
    assert len(refusals) == 2
    assert page.get_by_role("alert").count() == 0


def test_two_tabs_both_see_every_event(page):
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    tab = page.context.new_page()
    tab.goto(page.url)
    other = tab.locator("#tasks article").first
    for seen in (card, other):
        seen.locator(".state", has_text="done").wait_for(timeout=30_000)
    texts = [seen.locator(".log li").all_text_contents() for seen in (page, tab)]
    assert texts[0][-3:] == texts[1][-3:]


def test_the_meter_shows_the_thrift_of_a_stream(step, page):
    start_sample(page).locator(".state", has_text="done").wait_for(timeout=30_000)
    # The POST and the stream; from step 04 on, the list of tasks before them.
    expected = "2" if step.step == find_step("3") else "3"
    assert page.locator("#meter-requests").inner_text() == expected
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


@through_redis
def test_one_stream_for_all_tasks_and_a_line_that_says_so(step, page):
    streams = []
    page.on("request", lambda request: "/stream" in request.url and streams.append(request.url))
    for _ in range(3):
        start_sample(page)
    page.get_by_text("News of all tasks come over one event stream.").wait_for()
    for number in range(3):
        card = page.locator("#tasks article").nth(number)
        card.locator(".state", has_text="done").wait_for(timeout=60_000)
    page.get_by_text("No task is running, and no stream is open.").wait_for()
    assert len(streams) == 1


@through_redis
def test_where_streams_keep_failing_the_page_polls_and_returns_to_the_stream_later(
    step, new_page, start_with
):
    slow = start_with(step.step, JOB_PACE="12")
    page = new_page(slow.url)
    page.route("**/tasks/stream**", lambda route: route.fulfill(status=503, body="{}"))
    card = start_sample(page)
    page.get_by_text("The page asks every 2 seconds").wait_for()
    card.get_by_role("link", name="Animals").wait_for()
    page.locator('.light[data-light="polling"]').wait_for()
    page.unroute("**/tasks/stream**")
    page.locator('.light[data-light="live"]').wait_for(timeout=60_000)
    card.get_by_role("link", name="The weather").wait_for(timeout=60_000)
    shown = card.locator("progress").evaluate("bar => bar.value")
    assert shown >= 50  # what the stream repeats from before does not turn the page back


@through_redis
def test_a_page_that_could_not_ask_at_first_still_follows_what_runs(step, new_page, start_with):
    slow = start_with(step.step, JOB_PACE="3")
    page = new_page(slow.url)
    start_sample(page)
    newest = start_sample(page)  # in a snapshot it comes first, and has ended
    page.locator("#tasks article").nth(1).wait_for()
    newest.get_by_role("button", name="Cancel").click()
    newest.locator(".state", has_text="cancelled").wait_for()
    tab = page.context.new_page()
    tab.route("**/tasks", lambda route: route.abort(), times=1)
    tab.goto(slow.url)
    tab.locator('.light[data-light="live"]').wait_for()
    tab.locator("#tasks .state", has_text="done").wait_for(timeout=60_000)


@through_redis
def test_of_a_server_that_was_away_for_long_the_page_misses_no_event(step, new_page, start_with):
    env = {"JOB_PACE": "4", "SECRET_KEY": "the same after the restart"}
    slow = start_with(step.step, **env)
    page = new_page(slow.url)
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    slow.processes["web"].stop()
    page.get_by_text("The server does not answer.").wait_for()
    env |= {"PORT": slow.url.split(":")[-1], "REDIS_URL": slow.redis_url}
    web = Process("web", procfile(step.step)["web"], step.step, env, lambda name, line: None)
    slow.processes["web"] = web
    card.locator(".state", has_text="done").wait_for(timeout=60_000)
    assert lessons_told(page) == [1, 2, 3, 4, 5, 6, 6]


def lessons_told(page):
    """As *Events, as they came* has them; the last number comes twice, as the job then ends."""
    lines = page.locator(".log li").all_text_contents()
    told = [json.loads(line.split(" ", 1)[1]).get("current") for line in lines]
    return [number for number in told if number]


@through_redis
def test_a_stream_that_was_cut_off_goes_on_from_the_last_event(step, new_page, start_with):
    slow = start_with(step.step, JOB_PACE="1.5")
    with relay(slow.url) as (url, wire):
        page = new_page(url)
        card = start_sample(page)
        card.get_by_role("link", name="Animals").wait_for()
        wire.cut()
        page.locator('.light[data-light="lost"]').wait_for()
        card.locator(".state", has_text="done").wait_for(timeout=60_000)
        assert lessons_told(page) == [1, 2, 3, 4, 5, 6, 6]


@through_redis
def test_with_the_next_news_redis_is_no_longer_away(step, new_page, start_with, stopped_redis):
    slow = start_with(step.step, JOB_PACE="2")
    page = new_page(slow.url)
    card = start_sample(page)
    card.get_by_role("link", name="Animals").wait_for()
    with stopped_redis(slow):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # it asks
        page.get_by_text("Redis is away.").wait_for()
    page.locator("#stream-problem").wait_for(state="hidden")
    assert page.locator(".light").inner_text() == "live"
    assert card.locator(".state").inner_text() == "running"


@through_redis
def test_a_task_that_waits_for_a_worker_is_not_turned_back_by_the_stream(step, new_page):
    with running(step.step, commands={"worker": None}) as alone:
        page = new_page(alone.url)
        start_sample(page).get_by_text("Waiting for a worker").wait_for()
        page.reload()
        page.locator(".log li").first.wait_for(state="attached")
        assert page.locator("#tasks .message").inner_text().startswith("Waiting for a worker")


@through_redis
def test_what_a_reset_does_not_name_is_gone_though_another_task_runs(step, new_page):
    env = {"HEARTBEAT_SECONDS": "0.2"}  # after twenty of them, the stream looks into the buffer
    with contextlib.ExitStack() as stack:
        alone = stack.enter_context(running(step.step, env=env, commands={"worker": None}))
        client = stack.enter_context(redis.Redis.from_url(alone.redis_url))
        page = new_page(alone.url)
        for number in range(3):
            newest = start_sample(page)
            page.locator("#tasks article").nth(number).wait_for()
        page.get_by_text("Waiting for a worker").nth(2).wait_for()  # it asks about none any more
        newest.get_by_role("button", name="Cancel").click()  # an event, so that there is a buffer
        newest.locator(".state", has_text="cancelled").wait_for()
        oldest = page.locator("#tasks article").last
        client.delete(f"task:{oldest.get_attribute('id')}", *client.keys("task_events:*"))
        oldest.locator(".state", has_text="gone").wait_for()
        assert page.locator("#tasks .state", has_text="queued").count() == 1
        assert page.locator(".light").inner_text() == "live"


@through_redis
def test_six_tabs_take_all_connections_of_a_browser_and_the_seventh_waits(
    step, new_page, start_with
):
    """Over HTTP/1.1, even with one stream for each page. A proxy that speaks HTTP/2 ends it."""
    slow = start_with(step.step, JOB_PACE="60")
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
