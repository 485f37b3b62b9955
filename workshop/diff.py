"""`workshop diff`: what changed between two steps, in the order in which one should read it."""

import subprocess
from pathlib import Path

import click

from workshop.steps import STEPS, find_step

READING_ORDER = (
    "Procfile",
    "requirements.txt",
    "app.py",
    "tasks.py",
    "store.py",
    "events.py",
    "inbox.py",
    "metrics.py",
    "sse.py",
    "auth.py",
    "errors.py",
    "gunicorn.conf.py",
    "static/follow.js",
    "static/request.js",
    "static/meter.js",
    "static/page.js",
    "templates/index.html",
    "locustfile.py",
)
LEFT_BY_RUNS = ("__pycache__", ".pytest_cache", ".hypothesis")
FOR_LATER = ("tests/", "conftest.py", "README.md", "deploy/")


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("--all", "everything", is_flag=True, help="Tests and READMEs as well.")
@click.option("--stat", is_flag=True, help="Only how many lines of which file.")
def diff(before, after, everything, stat):
    """Show what changed from one step to another: code first, in reading order."""
    before, after = find_step(before), find_step(after)
    files = changed_files(before, after)
    shown = [name for name in files if everything or not name.startswith(FOR_LATER)]
    text = [f"$ git diff --no-index {before.name} {after.name}   # in steps/, file by file\n"]
    text += [git_diff(before / name, after / name, stat) for name in shown]
    if left := [name for name in files if name not in shown]:
        text.append(f"\nNot shown without --all: {', '.join(left)}\n")
    click.echo_via_pager(text)


def changed_files(before: Path, after: Path) -> list[str]:
    names = {name for step in (before, after) for name in files_of(step)}
    return sorted(
        (name for name in names if content(before / name) != content(after / name)),
        key=lambda name: (
            READING_ORDER.index(name) if name in READING_ORDER else len(READING_ORDER),
            name,
        ),
    )


def files_of(step: Path) -> list[str]:
    """What belongs to a step: nothing that a run has left there."""
    return [
        str(path.relative_to(step))
        for path in step.rglob("*")
        if path.is_file() and not any(part in LEFT_BY_RUNS for part in path.parts)
    ]


def content(path):
    return path.read_bytes() if path.is_file() else None


def git_diff(before, after, stat):
    old, new = (path if path.is_file() else Path("/dev/null") for path in (before, after))
    options = ["--stat"] if stat else ["--color=always"]
    names = (
        path.relative_to(STEPS) if path.is_relative_to(STEPS) else path for path in (old, new)
    )
    command = ["git", "diff", "--no-index", *options, "--", *map(str, names)]
    return subprocess.run(command, cwd=STEPS, capture_output=True, text=True).stdout
