"""The numbers that a learner writes down: answers.toml in the copy of a step."""

import tomllib
from pathlib import Path


def answers_in(folder: Path, *names: str) -> list[float]:
    """Raises AssertionError, with what to do, for a missing file or number."""
    file = folder / "answers.toml"
    assert file.exists(), f"write your numbers into {file}: the exercise says which"
    try:
        written = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise AssertionError(f"{file} cannot be read: {error}") from None
    for name in names:
        number = written.get(name)
        assert isinstance(number, int | float), f"{file} needs a line '{name} = a number'"
    return [written[name] for name in names]
