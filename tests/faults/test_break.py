"""`workshop break` finds the running step, and does to it what it says."""

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import redis
from click.testing import CliRunner

from workshop import cli
from workshop.faults import FAULTS
from workshop.processes import running
from workshop.steps import find_step
from workshop.testing import Person, eventually


@pytest.fixture
def folder(tmp_path):
    """A copy, so that a step that you run in the meantime is not broken."""
    return shutil.copytree(find_step("2"), tmp_path / "02-celery-polling")


def test_the_list_has_a_line_for_each_fault():
    lines = workshop_break("--list").output.splitlines()
    assert [line.split()[0] for line in lines] == list(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_step_that_does_not_run_is_named_with_the_fix(folder, fault):
    answer = workshop_break(folder, fault)
    assert answer.exit_code == 1
    assert f"of {folder.name} runs. 'workshop start' starts it." in answer.output


@pytest.mark.slow
def test_another_process_takes_the_job_of_a_killed_one(folder):
    with (
        running(folder, env={"JOB_PACE": "0.3"}) as step,
        Person(step.url) as person,
        redis.Redis.from_url(step.redis_url) as store,
    ):
        task_id = person.task_id("optimize")
        eventually(lambda: person.task(task_id)["state"] == "PROGRESS")
        assert workshop_break(folder, "worker-children").exit_code == 0
        assert person.ended(task_id)["state"] == "SUCCESS"
        assert store.scard(f"runs:{task_id}") == 2


@pytest.mark.slow
def test_redis_is_away_for_a_while_and_comes_back(folder):
    with running(folder) as step:
        command = [Path(sys.executable).parent / "workshop", "break", folder, "redis"]
        with subprocess.Popen([*command, "--seconds", "5"]) as away:
            eventually(lambda: status_of(step) == 503)
            assert away.wait(30) == 0
        assert status_of(step) == 200


def workshop_break(*arguments):
    return CliRunner().invoke(cli.main, ["break", *map(str, arguments)])


def status_of(step):
    return httpx.get(f"{step.url}/healthz", timeout=10).status_code
