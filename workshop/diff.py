"""`workshop diff`: what changed between two steps, in the order in which to read it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click

from workshop.steps import STEPS, copy_of, find_step, number_of

LEFT_BY_RUNS = ("__pycache__", ".pytest_cache", ".hypothesis")
FOR_LATER = ("tests/", "conftest.py", "README.md", "deploy/")
# As in "1. `sse.py`: the wire format, new". An item may go on in indented lines.
ITEM = re.compile(r"^\d+\. `([^`]+)`: (.+(?:\n +.+)*)", re.MULTILINE)


class Change(NamedTuple):
    name: str
    added: int
    removed: int
    diff: str


@click.command()
@click.argument("before")
@click.argument("after")
@click.argument("files", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Tests, READMEs and deploy/ as well.")
@click.option("--stat", is_flag=True, help="Only the table: how many lines of which file.")
def diff(before, after, files, everything, stat):
    """Show what changed from a step to another, or to 'mine': the code, or these FILES."""
    before = find_step(before)
    after = copy_of(before) if after == "mine" else find_step(after)
    for name in files:
        must_have_changed(name, before, after)
    reasons = reasons_in(max(before, after, key=number_of))
    changed = changed_files(before, after, list(reasons))
    code = [name for name in changed if not name.startswith(FOR_LATER)]
    shown = files or (changed if everything else code)
    if number_of(before) == number_of(after):
        reasons = {}  # they say why a file differs from the step before, not from your copy
    sides = " ".join(os.path.relpath(step, STEPS) for step in (before, after))
    changes = [change_of(name, before, after) for name in shown]
    text = [f"$ git diff --no-index {sides}   # in steps/, file by file\n\n"]
    text += table(changes, reasons)
    text += [budget(code, before, after)] if stat else [f"\n{change.diff}" for change in changes]
    if not files and (left := [name for name in changed if name not in shown]):
        text.append(f"\nNot shown without --all: {', '.join(left)}\n")
    page("".join(text))


def must_have_changed(name, before, after):
    contents = {content(step / name) for step in (before, after)}
    if contents == {None}:
        raise click.UsageError(f"No file is named {name} in {before.name}, nor in {after.name}.")
    if len(contents) == 1:
        raise click.UsageError(f"{name} has not changed: it is the same in both.")


def reasons_in(step: Path) -> dict[str, str]:
    """The files that the step's README says to read, in its order, with the reason for each."""
    section = (step / "README.md").read_text().partition("\n## Read it\n")[2].partition("\n## ")[0]
    return {name: " ".join(reason.split()) for name, reason in ITEM.findall(section)}


def changed_files(before: Path, after: Path, order=()) -> list[str]:
    """Those that `order` names come first, and the others follow by name."""
    names = {name for step in (before, after) for name in files_of(step)}
    return sorted(
        (name for name in names if content(before / name) != content(after / name)),
        key=lambda name: (order.index(name) if name in order else len(order), name),
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


def change_of(name, before, after):
    paths = [before / name, after / name]
    sides = [os.path.relpath(path, STEPS) if path.is_file() else os.devnull for path in paths]
    # For a pager, git chooses the colours itself.
    env = {"GIT_PAGER_IN_USE": "true"} if sys.stdout.isatty() else {}
    text = git("diff", "--no-index", "--numstat", "--patch", "--", *sides, **env)
    numbers, _, diff = text.partition("\n\n")
    # A file that isn't text has dashes instead of numbers.
    added, removed, _ = numbers.replace("-\t", "0\t").split("\t", 2)
    return Change(name, int(added), int(removed), diff)


def table(changes, reasons):
    """A line for each file, and the sums."""
    rows = [(c.name, c.added, c.removed, reasons.get(c.name, "")) for c in changes]
    rows.append(("total", sum(c.added for c in changes), sum(c.removed for c in changes), ""))
    width = max(len(name) for name, *_ in rows)
    for name, added, removed, reason in rows:
        yield f"{name:{width}} {f'+{added}':>5} {f'-{removed}':>5}  {reason}".rstrip() + "\n"


def budget(code, before, after):
    changes = [change_of(name, before, after) for name in code]
    lines = sum(change.added + change.removed for change in changes)
    return f"\nApplication code: {lines} changed lines (without {', '.join(FOR_LATER)})\n"


def page(text):
    """Shows a text as git shows a diff: in a terminal, through the pager of git's settings."""
    if sys.stdout.isatty():
        env = {"LESS": "FRX", "LV": "-c"} | os.environ  # git's own defaults for the two pagers
        subprocess.run(pager(), shell=True, env=env, input=text, text=True)
    else:
        click.echo(text, nl=False)


def pager():
    """The command that git would use. It is 'cat' if git is set up not to page a diff."""
    setting = git("config", "pager.diff").strip()  # a command, or whether to page at all
    pages = git("config", "--type=bool", "pager.diff").strip()
    if pages == "false":
        return "cat"
    first = ["-c", f"core.pager={setting}"] if setting and not pages else []
    return git(*first, "var", "GIT_PAGER").strip()


def git(*arguments, **env):
    command, env = ["git", *arguments], os.environ | env
    return subprocess.run(command, cwd=STEPS, env=env, capture_output=True, text=True).stdout
