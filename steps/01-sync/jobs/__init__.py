"""A job takes a document and yields an `Update` whenever there is news.

It knows nothing of Flask, Celery, threads or Redis. A kind of job is a module of this package
with TITLE, ABOUT, ACCEPTS (file suffixes; none if it needs no document), SAMPLE, OPTIONS
({name: {value: label}}), `read(document)` and `run(what_was_read, **options)`.
"""

import os
import pkgutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module

from jobs.contract import BadInput, File, JobError, Update, zipped

__all__ = ["KINDS", "BadInput", "File", "JobError", "Update", "check", "start", "zipped"]

# The wait before each update, in seconds. It stands for the slow service that such a job waits
# for in real life: an AI model, a renderer.
PACE = float(os.environ.get("JOB_PACE", "5"))


def find_kinds():
    modules = {m.name: import_module(f"jobs.{m.name}") for m in pkgutil.iter_modules(__path__)}
    kinds = {name: module for name, module in modules.items() if hasattr(module, "TITLE")}
    return dict(sorted(kinds.items(), key=lambda item: item[1].TITLE))


KINDS = find_kinds()


def start(kind: str, document: bytes | None, options: Mapping[str, str]) -> Iterator[Update]:
    """Reads the document at once, and returns the generator that does the work.

    Raises BadInput if the kind, the document or an option cannot be used.
    """
    if kind not in KINDS:
        raise BadInput(f"There is no kind of job '{kind}'.", f"Choose one of {', '.join(KINDS)}.")
    job = KINDS[kind]
    chosen = {name: choose(name, job.OPTIONS[name], options) for name in job.OPTIONS}
    return paced(job.run(job.read(required(document, job.ACCEPTS)), **chosen))


def check(kind: str, document: bytes | None, options: Mapping[str, str]) -> None:
    """Raises BadInput if this job could not start; does none of its work."""
    start(kind, document, options)


def choose(name, choices, options):
    value = options.get(name) or next(iter(choices))
    if value not in choices:
        raise BadInput(f"There is no {name} '{value}'.", f"Choose one of {', '.join(choices)}.")
    return value


def required(document, suffixes):
    choice = f"Choose a file ({', '.join(suffixes)})"
    if suffixes and document is None:
        raise BadInput("No document was sent.", f"{choice}, or take the sample.")
    if suffixes and not document:
        raise BadInput("The document is empty: 0 bytes.", f"{choice} with content.")
    return document


def paced(updates: Iterable[Update]) -> Iterator[Update]:
    """Waits before each update, and adds what a clock tells: seconds and units a second."""
    began = time.monotonic()
    for update in updates:
        time.sleep(PACE)
        seconds = time.monotonic() - began
        clock = {"seconds": round(seconds, 1), "rate": round(update.current / seconds, 2)}
        yield replace(update, metrics=update.metrics | clock)
