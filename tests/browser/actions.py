"""What the tests do on a page and watch there, again and again, and in which steps."""

import json
from urllib.parse import urlsplit

import pytest

from workshop.processes import Process
from workshop.steps import all_steps, procfile
from workshop.testing import eventually

WITH_PROGRESS = [step for step in all_steps() if (step / "static" / "follow.js").exists()]
WITH_A_WORKER = [step for step in all_steps() if "worker" in procfile(step)]
STREAMING = [step for step in all_steps() if (step / "sse.py").exists()]
RESUMING = [step for step in all_steps() if (step / "bell.py").exists()]


def for_steps(steps):
    return pytest.mark.parametrize("step", steps, ids=lambda step: step.name, indirect=True)


def open_form(page, title):
    card = page.locator("details", has=page.get_by_text(title))
    if card.get_attribute("open") is None:
        card.locator("summary").click()
    return card


def sample_button(page):
    return open_form(page, "Make worksheets").get_by_role("button", name="Use the sample")


def start_sample(page):
    """Starts the sample workbook, and returns the card of its task."""
    cards = page.locator("#tasks article")
    before = cards.count()
    sample_button(page).click()
    cards.nth(before).wait_for()
    # By its id, because another card may come before it.
    return page.locator(f"#tasks article[id='{cards.first.get_attribute('id')}']")


def wait_for_state(card, state):
    card.locator(".state", has_text=state).wait_for(timeout=60_000)


def wait_for_requests(page, number):
    """Waits until the page has the responses to so many requests, and has shown them."""
    meter = page.locator("#meter-requests")
    eventually(lambda: int(meter.inner_text()) >= number)


def progress_of(card):
    return card.locator("progress").evaluate("bar => bar.value")


def look_at(page):
    """What the browser reports when the user comes back to this tab."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def requests_to(page, path, method="GET"):
    """The requests that this page sends from now on. The list grows."""
    sent = []

    def keep(request):
        if (urlsplit(request.url).path, request.method) == (path, method):
            sent.append(request)

    page.on("request", keep)
    return sent


def refuse(route):
    route.fulfill(status=503, body="{}")


def lessons_in_log(page):
    """The number of the lesson in each event. The last number comes twice, because the last event
    says that the task is done."""
    lines = page.locator(".log li").all_text_contents()
    numbers = [json.loads(line.split(" ", 1)[1]).get("current") for line in lines]
    return [number for number in numbers if number]


def restart_web(step, meanwhile, **env):
    """Stops the web process of a running step, waits for `meanwhile`, and starts it again."""
    step.processes["web"].stop()
    meanwhile()
    env |= {"PORT": step.url.rsplit(":", 1)[1], "REDIS_URL": step.redis_url}
    web = Process("web", procfile(step.step)["web"], step.step, env, lambda name, line: None)
    step.processes["web"] = web
