"""The steps differ only where the lesson is, and a diff stays short enough for one sitting."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise

import pytest

import same
from workshop.diff import FOR_LATER, changed_files, files_of
from workshop.processes import running
from workshop.steps import ROOT, STEPS, all_steps
from workshop.testing import Person

ALL = all_steps()
# The files that differ between neighbours, apart from READMEs, tests and deploy/.
LESSONS = {
    ("01-sync", "02-celery-polling"): {
        "Procfile",
        "app.py",
        "celeryconfig.py",
        "requirements.txt",
        "static/follow.js",
        "store.py",
        "tasks.py",
    },
    ("02-celery-polling", "03-threaded-sse"): {
        "Procfile",
        "app.py",
        "celeryconfig.py",
        "events.py",
        "requirements.txt",
        "sse.py",
        "static/follow.js",
        "tasks.py",
    },
    ("03-threaded-sse", "04-pubsub-sse"): {
        "Procfile",
        "app.py",
        "bell.py",
        "celeryconfig.py",
        "events.py",
        "requirements.txt",
        "static/follow.js",
        "tasks.py",
    },
    ("04-pubsub-sse", "05-gunicorn-gevent"): {
        "Procfile",
        "bell.py",
        "events.py",
        "gunicorn.conf.py",
        "hub.py",
        "requirements.txt",
    },
}
# Changed lines of application code, added and removed. These numbers may only shrink.
LENGTHS = {
    ("01-sync", "02-celery-polling"): 380,
    ("02-celery-polling", "03-threaded-sse"): 357,
    ("03-threaded-sse", "04-pubsub-sse"): 428,
    ("02-celery-polling", "04-pubsub-sse"): 479,
    ("04-pubsub-sse", "05-gunicorn-gevent"): 343,
}
NEARLY_THE_SAME = {  # these differ in at most 20 lines
    "app.py": ("03-threaded-sse", "04-pubsub-sse"),
    "celeryconfig.py": ("02-celery-polling", "04-pubsub-sse"),
}
# What a requirement is called when it is imported.
IMPORT_NAMES = {"markdown-it-py": "markdown_it", "python-docx": "docx"}
COMES_WITH = {"flask": {"werkzeug"}, "celery": {"kombu"}}

every_step = pytest.mark.parametrize("step", ALL, ids=lambda step: step.name)


@pytest.mark.parametrize(("before", "after"), list(pairwise(ALL)), ids=lambda step: step.name)
def test_neighbours_differ_only_where_the_lesson_is(before, after):
    changed = {name for name in changed_files(before, after) if not name.startswith(FOR_LATER)}
    assert changed == LESSONS[before.name, after.name]


def test_what_steps_share_is_the_same_everywhere():
    different = [copy for source, copy in same.copies() if contents(copy) != contents(source)]
    wrong = [str(file.relative_to(STEPS)) for file in [*different, *same.strays()]]
    help = "edit the earliest step that has the file, then run: python tests/same.py"
    assert not wrong, f"{', '.join(wrong)}: {help}"


def test_an_edit_of_the_earliest_step_is_copied_to_the_others(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(same, "STEPS", shutil.copytree(STEPS, tmp_path / "steps"))
    (same.STEPS / "03-threaded-sse/sse.py").write_text("# edited\n")
    (same.STEPS / "02-celery-polling/page/stray.py").write_text("# not in step 01\n")
    same.main()
    assert {
        "03-threaded-sse/sse.py -> 04-pubsub-sse/sse.py",
        "03-threaded-sse/sse.py -> 05-gunicorn-gevent/sse.py",
        "removed: 02-celery-polling/page/stray.py",
    } <= set(capsys.readouterr().out.splitlines())
    assert (same.STEPS / "05-gunicorn-gevent/sse.py").read_text() == "# edited\n"
    assert not (same.STEPS / "02-celery-polling/page/stray.py").exists()


@pytest.mark.parametrize(("before", "after"), list(LENGTHS), ids=str)
def test_a_diff_fits_one_sitting(before, after):
    lines = sum(changed_lines(before, after).values())
    pinned = LENGTHS[before, after]
    assert lines <= pinned, f"at most {pinned} lines may differ: make the change smaller"
    assert lines == pinned, f"only {lines} lines differ now: lower the pin in LENGTHS"


@pytest.mark.parametrize("name", list(NEARLY_THE_SAME))
def test_a_file_with_the_same_duty_is_nearly_the_same(name):
    assert 0 < changed_lines(*NEARLY_THE_SAME[name])[name] <= 20


@pytest.mark.parametrize(("before", "after"), list(LENGTHS), ids=str)
def test_the_same_functions_come_in_the_same_order(before, after):
    compared = 0
    for file in (STEPS / before).glob("*.py"):
        if (STEPS / after / file.name).is_file():
            ours, theirs = definitions(file), definitions(STEPS / after / file.name)
            both = [name for name in ours if name in theirs]
            assert both == [name for name in theirs if name in ours], file.name
            compared += len(both)
    assert compared


@every_step
def test_a_step_has_the_files_of_every_step(step):
    names = set(files_of(step))
    assert {"README.md", "Procfile", "requirements.txt", "app.py", "locustfile.py"} <= names
    for room in ("jobs/", "page/", "tests/"):
        assert any(name.startswith(room) for name in names)


@every_step
def test_a_step_imports_only_itself_and_its_requirements(step):
    allowed = set(sys.stdlib_module_names) | {path.stem for path in step.iterdir()}
    for name in requirements(step):
        allowed |= {IMPORT_NAMES.get(name, name)} | COMES_WITH.get(name, set())
    for source in [name for name in files_of(step) if is_code(name)]:
        assert imports(step / source) <= allowed, source


@pytest.mark.parametrize("file", sorted(STEPS.rglob("requirements.txt")), ids=str)
def test_requirements_are_those_of_the_one_environment(file):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in file.read_text().split():
        assert line in project["dependencies"]


@every_step
def test_a_step_copied_elsewhere_runs_with_its_requirements_alone(step, tmp_path, monkeypatch):
    folder = tmp_path / step.name
    shutil.copytree(step, folder, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    bare = tmp_path / "venv"
    run([uv(), "venv", "--python", sys.executable, bare], cwd=tmp_path)
    run([uv(), "pip", "install", "--python", bare, "-r", "requirements.txt"], cwd=folder)
    monkeypatch.setattr(sys, "executable", str(bare / "bin" / "python"))  # its flask, its celery
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    with running(folder, env={"JOB_PACE": "0"}) as alone, Person(alone.url) as person:
        answer = person.start("worksheets", sample="yes")
        if answer.status_code == 202:
            assert person.ended(answer.json()["task_id"])["state"] == "SUCCESS"
        else:
            assert answer.status_code == 200


def contents(file):
    return file.read_bytes() if file.is_file() else None


def changed_lines(before, after):
    """The number of changed lines of each file of the application, added and removed."""
    command = ["git", "diff", "--no-index", "--no-renames", "--numstat", "-z", before, after]
    plain = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    output = subprocess.run(command, cwd=STEPS, env=plain, capture_output=True, text=True).stdout
    lines = {}
    for added, removed, old, new in re.findall(r"(\d+)\t(\d+)\t\0([^\0]+)\0([^\0]+)\0", output):
        name = (old if new == os.devnull else new).partition("/")[2]
        if not name.startswith(FOR_LATER) and "__pycache__" not in name:
            lines[name] = int(added) + int(removed)
    return lines


def definitions(file):
    """The names of its functions and classes, with those inside of a class: ['read', 'A.b']."""
    found = []
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [inner for inner in node.body if isinstance(inner, ast.FunctionDef)]
            found += [f"{node.name}.{method.name}" for method in methods]
    return found


def requirements(step):
    return re.findall(r"^([\w-]+)", (step / "requirements.txt").read_text(), re.MULTILINE)


def is_code(name):
    """Tests, the locust script and deploy/ use libraries of their own."""
    return name.endswith(".py") and not name.startswith((*FOR_LATER, "locustfile"))


def imports(file):
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." if node.level else node.module.split(".")[0])
    return names


def uv():
    """`uv run` sets UV. Without it, uv has to be on the path."""
    found = os.environ.get("UV") or shutil.which("uv")
    assert found, "start the tests with 'uv run pytest', or put uv on the path"
    return found


def run(command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
