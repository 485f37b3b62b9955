"""The READMEs say what is so, and the commands in them do what they say."""

import os
import re
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from workshop.diff import FOR_LATER, changed_files, files_of
from workshop.processes import free_port, running
from workshop.steps import ROOT, all_steps, find_step
from workshop.testing import eventually

README = (ROOT / "README.md").read_text()
MOST_LINES = 90
TO_READ = re.compile(r"^(\d+)\. `([^`]+)`: (\S.*)$", re.MULTILINE)  # `workshop diff` reads these


def test_the_two_commands_are_there_word_for_word():
    setup = "python3 -m venv .uv && .uv/bin/pip install uv && .uv/bin/uv run "
    last = all_steps()[-1].name.split("-")[0].lstrip("0")
    assert re.findall(r"^python3 .*$", README, re.MULTILINE) == [
        f"{setup}workshop start {last}",
        f"{setup}pytest",
    ]


@pytest.mark.parametrize("step", all_steps(), ids=lambda step: step.name)
def test_a_steps_readme_is_short_and_says_what_it_is(step):
    text = readme_of(step)
    assert "END of its stage" in text
    assert f"workshop start {int(step.name[:2])}" in text
    assert len(text.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("step", all_steps(), ids=lambda step: step.name)
def test_a_steps_readme_gives_the_order_in_which_its_files_are_read(step):
    section = re.search(r"^## Read it$(.*?)^## ", readme_of(step), re.MULTILINE | re.DOTALL)[1]
    items = re.findall(r"^\d.*$", section, re.MULTILINE)
    numbers = [int(TO_READ.fullmatch(item)[1]) for item in items]
    assert numbers == list(range(1, len(items) + 1))


@pytest.mark.parametrize(("before", "step"), list(pairwise(all_steps())), ids=lambda s: s.name)
def test_the_files_to_read_are_those_that_have_changed(before, step):
    changed = {name for name in changed_files(before, step) if not name.startswith(FOR_LATER)}
    listed = to_read(step)
    assert listed.keys() == changed
    gone = {name for name, why in listed.items() if why.startswith("gone")}
    assert gone == {name for name in changed if not (step / name).exists()}


def test_the_files_to_read_in_the_first_step_are_there():
    first = all_steps()[0]
    assert {"app.py", "Procfile"} < to_read(first).keys() < set(files_of(first))


@pytest.mark.slow
def test_the_first_command_starts_the_last_step_in_a_fresh_clone_with_an_empty_cache(tmp_path):
    clone, port = tmp_path / "clone", free_port()
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    command = re.search(r"^python3 .* start \d$", README, re.MULTILINE)[0]
    process = subprocess.Popen(
        command.replace("&& .uv/bin/uv run", "&& exec .uv/bin/uv run"),  # signals reach it
        shell=True,
        cwd=clone,
        env=clean_environment() | {"UV_CACHE_DIR": str(tmp_path / "cache"), "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = ""
    for line in process.stdout:
        said += line
        if "is ready" in line:
            break
    try:
        assert f"is ready: http://127.0.0.1:{port}" in said, said
        assert "Live progress" in httpx.get(f"http://127.0.0.1:{port}").text
    finally:
        process.send_signal(signal.SIGTERM)
        assert "all stopped" in process.communicate(timeout=60)[0]


@pytest.mark.slow
def test_flower_starts_as_the_readme_says():
    step, port = find_step("2"), free_port()
    typed = re.search(r"^REDIS_URL=redis://127.0.0.1:6402 (celery .*)$", readme_of(step), re.M)[1]
    flower = typed.replace("--workdir steps", f"--workdir {ROOT}/steps") + f" --port={port}"
    with running(step, commands={"flower": flower}):
        eventually(lambda: answers(f"http://127.0.0.1:{port}/"))


def to_read(step):
    """{file: why it differs from the step before}, in the order of the README."""
    return {name: why for _, name, why in TO_READ.findall(readme_of(step))}


def readme_of(step):
    return (step / "README.md").read_text()


def answers(url):
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def clean_environment():
    """Without what `uv run` has set for these tests."""
    ours = str(Path(sys.executable).parent)
    path = [folder for folder in os.environ["PATH"].split(os.pathsep) if folder != ours]
    dropped = ("VIRTUAL_ENV", "UV", "REDIS_URL", "JOB_PACE")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"PATH": os.pathsep.join(path)}
