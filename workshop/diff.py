"""`workshop diff`: what changed between two steps, in the order in which one should read it."""

import os
import subprocess
from pathlib import Path

import click

from workshop.steps import STEPS, copy_of, find_step

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
@click.argument("files", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Tests and READMEs as well.")
@click.option("--stat", is_flag=True, help="Only how many lines of which file.")
def diff(before, after, files, everything, stat):
    """Show what changed from a step to another, or to 'mine': code in reading order, or FILES."""
    before = find_step(before)
    after = copy_of(before) if after == "mine" else find_step(after)
    changed = changed_files(before, after)
    if unchanged := set(files) - set(changed):
        raise click.UsageError(f"Nothing has changed in {', '.join(sorted(unchanged))}.")
    shown = files or [name for name in changed if everything or not name.startswith(FOR_LATER)]
    names = " ".join(os.path.relpath(step, STEPS) for step in (before, after))
    text = [f"$ git diff --no-index {names}   # in steps/, file by file\n"]
    text += [git_diff(before / name, after / name, stat) for name in shown]
    if not files and (left := [name for name in changed if name not in shown]):
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
    sides = (os.path.relpath(p, STEPS) if p.is_file() else os.devnull for p in (before, after))
    option = "--stat" if stat else "--color=always"
    command = ["git", "diff", "--no-index", option, "--", *sides]
    return subprocess.run(command, cwd=STEPS, capture_output=True, text=True).stdout
