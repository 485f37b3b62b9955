"""`workshop copy` and `workshop check`: the exercises, done in a copy of a step."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click

from workshop import diff, steps

PAGES = steps.ROOT / "notes" / "exercises"


@click.command()
@click.argument("step")
def copy(step):
    """Copy a step to mine/, where you can change it."""
    folder = steps.find_step(step)
    mine = steps.MINE / folder.name
    if mine.exists():
        see = f"See your changes: workshop diff {step} mine. To start again, rename it first."
        raise click.ClickException(f"{mine} is there already. {see}")
    click.echo(f"$ cp -R {folder} {mine}")
    shutil.copytree(folder, mine, ignore=shutil.ignore_patterns(*diff.LEFT_BY_RUNS))


@click.command()
@click.argument("number", required=False)
@click.option("--hint", type=click.IntRange(1, 3), help="Show this hint, and don't check.")
def check(number, hint):
    """Check an exercise in your copy of its step. Without a NUMBER, list the exercises."""
    if number is None:
        return click.echo(listing())
    if number not in pages():
        raise click.UsageError(f"There is no exercise {number}. The exercises are:\n{listing()}")
    page = pages()[number]
    text = page.relative_to(steps.ROOT)
    if hint:
        return click.echo(hint_of(page, hint))
    command = check_command(number, steps.copy_of(step_of(page)))
    click.echo(f"$ {shlex.join(command)}   # in {steps.ROOT}")
    if subprocess.call([sys.executable, "-m", *command], cwd=steps.ROOT):
        look = f"the lines that begin with E, and {text}. Or: workshop check {number} --hint 1"
        raise click.ClickException(f"{number} is not done yet. Look at {look}")
    return click.echo(f"{number} is done. Compare: 'What a good answer explains' in {text}")


def pages() -> dict[str, Path]:
    """The page of each exercise, by its number."""
    return {page.name.partition("-")[0]: page for page in sorted(PAGES.glob("*.*-*.md"))}


def step_of(page: Path) -> Path:
    return steps.find_step(page.name.partition(".")[0])


def listing() -> str:
    lines = []
    for page in pages().values():
        made = (steps.MINE / step_of(page).name).is_dir()
        title = page.read_text().partition("\n")[0].removeprefix("# ")
        lines.append(f"{title:50} {'a copy of its step is there' if made else 'no copy yet'}")
    return "\n".join(lines)


def hint_of(page, number):
    hint = rf"<details><summary>Hint {number}</summary>\s*(.*?)\s*</details>"
    return re.search(hint, page.read_text(), re.DOTALL)[1]


def check_command(number: str, folder: Path) -> list[str]:
    script = f"tests/exercises/check_{number.replace('.', '_')}.py"
    return ["pytest", "-qx", "--tb=short", script, f"--folder={folder}"]
