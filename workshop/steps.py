"""Finds the steps and reads their Procfiles."""

from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
STEPS = ROOT / "steps"
MINE = ROOT / "mine"


def all_steps() -> list[Path]:
    return sorted(path for path in STEPS.iterdir() if (path / "Procfile").is_file())


def find_step(number: str) -> Path:
    """The folder of a step, by its number ("2" or "02"), its name or a path to it."""
    for step in all_steps():
        if number in (step.name, step.name.split("-")[0].lstrip("0"), step.name.split("-")[0]):
            return step
    if (Path(number) / "Procfile").is_file():
        return Path(number).resolve()
    names = ", ".join(step.name for step in all_steps())
    raise click.UsageError(f"There is no step {number}. The steps are: {names}.")


def copy_of(step: Path) -> Path:
    """The learner's copy of a step."""
    if not (MINE / step.name).is_dir():
        make = f"workshop copy {number_of(step)}"
        raise click.ClickException(f"You have no copy of {step.name} yet. Make it: {make}")
    return MINE / step.name


def number_of(step: Path) -> int:
    number = step.name.split("-")[0]
    return int(number) if number.isdigit() else 0


def procfile(step: Path) -> dict[str, str]:
    """The command line of each process, by its name."""
    lines = (step / "Procfile").read_text().splitlines()
    pairs = (line.partition(":") for line in lines if line.strip())
    return {name.strip(): command.strip() for name, _, command in pairs}


def uses_redis(step: Path) -> bool:
    return "redis" in (step / "requirements.txt").read_text()
