"""Fixtures for the tests of the steps and for those that span them: real processes, free ports."""

import contextlib
import os

import pytest

from workshop.processes import running
from workshop.steps import ROOT
from workshop.testing import Person

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / ".hypothesis"))  # not in a step

SETTINGS = ("JOB_PACE", "HEARTBEAT_SECONDS", "SECRET_KEY")


@pytest.fixture(scope="module")
def folder(request):
    """The folder of the step whose tests these are."""
    return next(folder for folder in request.path.parents if (folder / "Procfile").is_file())


@pytest.fixture(scope="module")
def step(folder, request):
    """The step whose tests these are, running with a Valkey of its own. Its jobs never wait,
    unless the test module sets JOB_PACE to a number of seconds. The other SETTINGS work the same
    way."""
    with running(folder, env=settings(request)) as step_is_running:
        yield step_is_running


@pytest.fixture
def start_step(folder, request):
    """Starts this step once more, for a test that needs other settings."""
    with contextlib.ExitStack() as stack:

        def start(commands=(), redis_url=None, **env):
            options = {
                "commands": commands,
                "redis_url": redis_url,
                "env": settings(request) | texts(env),
            }
            return stack.enter_context(running(folder, **options))

        yield start


@pytest.fixture
def person(step):
    """A person with a browser session at the running step."""
    with Person(step.url) as someone:
        yield someone


def settings(request):
    said = {name: getattr(request.module, name, None) for name in SETTINGS}
    return texts({"JOB_PACE": 0} | {name: value for name, value in said.items() if value})


def texts(env):
    return {name: str(value) for name, value in env.items()}
