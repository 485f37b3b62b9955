"""What a job and the world outside agree on."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from zipfile import ZIP_DEFLATED, ZipFile


@dataclass(frozen=True)
class File:
    """A finished file. `name` is safe on every system; `topic` is what people call it."""

    name: str
    topic: str
    data: bytes


@dataclass(frozen=True)
class Update:
    """News of a job: `progress` in percent, `current` of `total` units done, `metrics` by name."""

    progress: int
    stage: str
    message: str
    current: int
    total: int
    metrics: dict[str, float] = field(default_factory=dict)
    file: File | None = None

    def without_file(self) -> dict:
        """What is told of it: every field but the file."""
        return {name: value for name, value in vars(self).items() if name != "file"}


class JobError(Exception):
    """The job cannot go on: `error` says why and `hint` how to mend it, both for people."""

    def __init__(self, error: str, hint: str):
        super().__init__(error, hint)
        self.error = error
        self.hint = hint


class BadInput(JobError):
    """The document or an option cannot be used."""


def zipped(files: Iterable[File]) -> bytes:
    archive = io.BytesIO()
    with ZipFile(archive, "w", ZIP_DEFLATED) as all_files:
        for file in files:
            all_files.writestr(file.name, file.data)
    return archive.getvalue()
