"""A real Chromium. No page may raise an error, and most may not even log one."""

import contextlib
import os
import sys

import psutil
import pytest
import redis

from workshop.doctor import find_chromium
from workshop.processes import running
from workshop.steps import ROOT, all_steps

sys.path.insert(1, str(ROOT / "tests" / "load"))  # for relay.py

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def browser():
    api = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright: get it with 'uv sync --group browser'"
    )
    chromium = find_chromium()
    if not chromium:
        pytest.skip("no Chromium: install it, or set CHROMIUM to where yours is")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses root
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET + as_root)
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser):
    """Opens pages, each as if in a browser of its own. `page.complaints` is what Chromium logs as
    an error, which includes each response of 4xx and 5xx."""
    contexts, errors = [], []

    def open_page(url, **options):
        context = browser.new_context(accept_downloads=True, **options)
        contexts.append(context)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda m: m.type == "error" and page.complaints.append(m.text))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="module", params=all_steps(), ids=lambda step: step.name)
def step(request):
    """A running step: each of them, unless the test module says for_steps(...). JOB_PACE of the
    module is the wait before each update, in seconds."""
    pace = getattr(request.module, "JOB_PACE", "0.7")
    with running(request.param, env={"JOB_PACE": pace}) as step_is_running:
        yield step_is_running


@pytest.fixture
def page(step, new_page):
    page = new_page(step.url)
    yield page
    assert page.complaints == []


@pytest.fixture
def start_again(step):
    """Starts the step once more, with other settings."""
    with contextlib.ExitStack() as stack:

        def start(commands=(), **env):
            return stack.enter_context(running(step.step, commands=commands, env=env))

        yield start


@pytest.fixture
def stopped_redis():
    """A block in which the Redis of a step does not answer."""

    @contextlib.contextmanager
    def stopped(step):
        with redis.Redis.from_url(step.redis_url) as client:
            server = psutil.Process(client.info("server")["process_id"])
        server.suspend()
        try:
            yield
        finally:
            server.resume()

    return stopped
