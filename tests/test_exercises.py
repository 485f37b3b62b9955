"""Exercises: each check fails on the untouched step, and passes with the solution."""

import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from workshop import cli, diff, exercises, steps
from workshop.steps import ROOT

EXERCISES = exercises.pages()
SECTIONS = ["Goal", "Why it matters", "Files", "Check", "Hints", "What a good answer explains"]
PASSES = "test_the_check_passes_with_the_solution"
every_exercise = pytest.mark.parametrize("number", EXERCISES)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Where copies go, instead of the folder of whoever runs these tests."""
    monkeypatch.setattr(steps, "MINE", tmp_path / "mine")
    return tmp_path / "mine"


def workshop(*words):
    return CliRunner().invoke(cli.main, words)


@pytest.fixture(scope="module")
def outcomes(request, tmp_path_factory):
    """(number, solved): what went wrong. Two checks at a time, as they mostly wait."""
    selected = [
        (item.callspec.params["number"], item.originalname == PASSES)
        for item in request.session.items
        if item.path == request.path and "outcomes" in item.fixturenames
    ]
    folders = {case: tmp_path_factory.mktemp(case[0]) for case in selected}
    with ThreadPoolExecutor(2) as pool:
        yield {case: pool.submit(outcome_of, *case, folders[case]) for case in selected}
        pool.shutdown(cancel_futures=True)


def outcome_of(number, solved, folder):
    copy = copied(number, folder)
    if solved:
        apply(number, cwd=copy)
    return check(number, copy)


@pytest.mark.slow
@every_exercise
def test_the_check_fails_on_the_untouched_step(number, outcomes):
    wrong = outcomes[number, False].result()
    assert wrong, "the check did not even run"
    for outcome in wrong:
        # An error would be the harness, another exception a check that does not tell what to do.
        assert outcome.tag == "failure", outcome.text
        assert re.match(r"AssertionError|assert ", outcome.get("message")), outcome.text


@pytest.mark.slow
@every_exercise
def test_the_check_passes_with_the_solution(number, outcomes):
    assert [outcome.text for outcome in outcomes[number, True].result()] == []


@every_exercise
def test_a_solution_fits_its_step_and_is_formatted_as_all_code(number, mine):
    folder = copied(number, mine)
    apply(number, cwd=folder)
    typed = f"git apply --directory=mine/{folder.name} notes/solutions/{number}.patch"
    assert typed in EXERCISES[number].read_text()
    config = f"--config={ROOT / 'pyproject.toml'}"
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, config, "--no-cache", folder]
        done = subprocess.run(ruff, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@every_exercise
def test_a_page_has_all_that_a_learner_needs(number):
    text = EXERCISES[number].read_text()
    assert text.startswith(f"# {number} ")
    assert re.search(r"^Time: .*\d+ minutes", text, re.MULTILINE)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    for command in (f"workshop copy {number[0]}", f"workshop check {number}"):
        assert command in text
    hints = [exercises.hint_of(EXERCISES[number], which) for which in (1, 2, 3)]
    assert all(hints)
    assert len(set(hints)) == 3


def test_there_is_nothing_without_a_page():
    checks = [path.stem for path in ROOT.glob("tests/exercises/check_*.py")]
    solutions = [path.stem for path in ROOT.glob("notes/solutions/*.patch")]
    assert sorted(checks) == [f"check_{number.replace('.', '_')}" for number in EXERCISES]
    assert sorted(solutions) == list(EXERCISES)


def test_copy_leaves_out_what_runs_leave_behind_and_loses_nothing(mine):
    cache = steps.find_step("2") / "__pycache__"
    cache.mkdir(exist_ok=True)
    answer = workshop("copy", "2")
    assert answer.exit_code == 0
    assert "$ cp -R" in answer.output
    folder = mine / "02-celery-polling"
    assert diff.changed_files(steps.find_step("2"), folder) == []
    assert not (folder / "__pycache__").exists()
    (folder / "app.py").write_text("mine")
    again = workshop("copy", "2")
    assert again.exit_code == 1
    assert "is there already" in again.output
    assert (folder / "app.py").read_text() == "mine"


def test_diff_shows_what_is_mine(mine):
    without = workshop("diff", "2", "mine")
    assert (without.exit_code, "workshop copy 2" in without.output) == (1, True)
    workshop("copy", "2")
    (mine / "02-celery-polling" / "new.py").write_text("mine = True\n")
    shown = workshop("diff", "2", "mine").output
    assert "+mine = True" in re.sub(r"\x1b\[\d*m", "", shown)
    assert "app.py" not in shown


def test_check_lists_what_there_is_and_says_what_is_missing(mine):
    listed = workshop("check")
    assert listed.exit_code == 0
    for page in EXERCISES.values():
        assert page.read_text().partition("\n")[0].removeprefix("# ") in listed.output
    assert "a copy of its step is there" not in listed.output
    unknown = workshop("check", "9.9")
    assert unknown.exit_code == 2
    assert listed.output.strip() in unknown.output
    no_copy = workshop("check", "2.1")
    assert no_copy.exit_code == 1
    assert "workshop copy 2" in no_copy.output
    workshop("copy", "2")
    assert "a copy of its step is there" in workshop("check").output


def test_check_shows_a_hint_of_the_page():
    hint = workshop("check", "2.1", "--hint", "2").output.strip()
    assert hint
    assert hint in EXERCISES["2.1"].read_text()
    assert workshop("check", "2.1", "--hint", "4").exit_code == 2


def test_check_says_what_it_runs_and_how_it_went(mine, monkeypatch):
    workshop("copy", "2")
    for status, words in ((0, "2.1 is done"), (1, "2.1 is not done yet")):
        monkeypatch.setattr(exercises.subprocess, "call", lambda *_, status=status, **__: status)
        answer = workshop("check", "2.1")
        assert answer.exit_code == status
        assert words in answer.output
        assert "$ pytest -qx --tb=short tests/exercises/check_2_1.py --folder=" in answer.output


def copied(number, mine):
    step = exercises.step_of(EXERCISES[number])
    ignored = shutil.ignore_patterns(*diff.LEFT_BY_RUNS)
    return shutil.copytree(step, mine / step.name, ignore=ignored)


def apply(number, cwd):
    patch = ROOT / "notes" / "solutions" / f"{number}.patch"
    done = subprocess.run(["git", "apply", patch], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def check(number, folder):
    """What went wrong in a check, as pytest reports it: a failure or an error for each test."""
    report = folder.parent / "report.xml"
    command = [sys.executable, "-m", *exercises.check_command(number, folder)]
    subprocess.run([*command, f"--junit-xml={report}"], cwd=ROOT, capture_output=True)
    cases = ElementTree.parse(report).iter("testcase")
    return [outcome for case in cases for outcome in case]
