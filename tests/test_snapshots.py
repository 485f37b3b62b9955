"""The steps differ only where the lesson is; a fix in the earliest step is carried forward."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise

import pytest

from workshop.diff import changed_files, files_of
from workshop.processes import running
from workshop.steps import ROOT, all_steps
from workshop.testing import Person

ALL = all_steps()
SAME_EVERYWHERE = (
    "jobs/",
    "static/style.css",
    "static/icon.svg",
    "static/samples/",
    "conftest.py",
)
MAY_DIFFER = {
    ("01-sync", "02-celery-polling"): {
        "Procfile",
        "README.md",
        "app.py",
        "auth.py",
        "errors.py",
        "locustfile.py",
        "requirements.txt",
        "static/follow.js",
        "static/meter.js",
        "static/page.js",
        "static/request.js",
        "store.py",
        "tasks.py",
        "templates/index.html",
        "tests/test_auth.py",
        "tests/test_polling.py",
        "tests/test_sync.py",
        "tests/test_worker.py",
    },
    ("02-celery-polling", "03-threaded-sse"): {
        "Procfile",
        "README.md",
        "app.py",
        "errors.py",
        "events.py",
        "locustfile.py",
        "requirements.txt",
        "sse.py",
        "static/follow.js",
        "static/page.js",
        "store.py",
        "tasks.py",
        "templates/index.html",
        "tests/test_events.py",
        "tests/test_limits.py",
        "tests/test_polling.py",
        "tests/test_sse.py",
        "tests/test_worker.py",
    },
    ("03-threaded-sse", "04-pubsub-sse"): {
        "Procfile",
        "README.md",
        "app.py",
        "errors.py",
        "events.py",
        "inbox.py",
        "locustfile.py",
        "requirements.txt",
        "static/follow.js",
        "static/page.js",
        "store.py",
        "tasks.py",
        "templates/index.html",
        "tests/test_events.py",
        "tests/test_limits.py",
        "tests/test_polling.py",
        "tests/test_replay.py",
        "tests/test_stream.py",
        "tests/test_worker.py",
    },
    ("04-pubsub-sse", "05-gunicorn-gevent"): {
        "Procfile",
        "README.md",
        "deploy/Dockerfile",
        "deploy/README.md",
        "deploy/compose.yaml",
        "deploy/fly.toml",
        "deploy/live-progress-web.service",
        "deploy/live-progress-worker.service",
        "deploy/nginx.conf",
        "gunicorn.conf.py",
        "inbox.py",
        "metrics.py",
        "requirements.txt",
        "tests/probe.py",
        "tests/test_gunicorn.py",
        "tests/test_limits.py",
        "tests/test_operations.py",
        "tests/test_worker.py",
    },
}
# What a requirement is called when it is imported.
IMPORT_NAMES = {
    "markdown-it-py": "markdown_it",
    "prometheus-client": "prometheus_client",
    "python-docx": "docx",
}
COMES_WITH = {"flask": {"werkzeug"}, "celery": {"kombu"}}


@pytest.mark.parametrize(("before", "after"), list(pairwise(ALL)), ids=lambda step: step.name)
def test_neighbours_differ_only_where_the_lesson_is(before, after):
    changed = set(changed_files(before, after))
    assert changed == MAY_DIFFER[before.name, after.name]
    assert not [name for name in changed if name.startswith(SAME_EVERYWHERE)]


@pytest.mark.parametrize("step", ALL, ids=lambda step: step.name)
def test_a_step_has_the_files_of_every_step(step):
    names = set(files_of(step))
    needed = {"README.md", "Procfile", "requirements.txt", "app.py", "locustfile.py"}
    assert needed <= names
    for same in SAME_EVERYWHERE:
        assert any(name.startswith(same) for name in names)


@pytest.mark.parametrize("step", ALL, ids=lambda step: step.name)
def test_a_step_imports_only_itself_and_its_requirements(step):
    allowed = set(sys.stdlib_module_names) | {path.stem for path in step.iterdir()}
    for name in requirements(step):
        allowed |= {IMPORT_NAMES.get(name, name)} | COMES_WITH.get(name, set())
    for source in [name for name in files_of(step) if is_code(name)]:
        assert imports(step / source) <= allowed, source


@pytest.mark.parametrize("step", ALL, ids=lambda step: step.name)
def test_requirements_are_those_of_the_one_environment(step):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in (step / "requirements.txt").read_text().split():
        assert line in project["dependencies"]


@pytest.mark.parametrize("step", ALL, ids=lambda step: step.name)
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


def requirements(step):
    return re.findall(r"^([\w-]+)", (step / "requirements.txt").read_text(), re.MULTILINE)


def is_code(name):
    """The locust script and the tests are for the workshop, and use its libraries."""
    return name.endswith(".py") and not name.startswith(("tests/", "locustfile", "conftest"))


def imports(file):
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." if node.level else node.module.split(".")[0])
    return names


def uv():
    """`uv run` tells where uv is; outside it, it has to be on the path."""
    found = os.environ.get("UV") or shutil.which("uv")
    assert found, "start the tests with 'uv run pytest', or put uv on the path"
    return found


def run(command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
