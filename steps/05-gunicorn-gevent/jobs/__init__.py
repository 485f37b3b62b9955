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
    chosen = choose(kind, options)
    return paced(KINDS[kind].run(read(kind, document), **chosen))


def check(kind: str, document: bytes | None, options: Mapping[str, str]) -> dict[str, str]:
    """The options that this job would have, if it could start; else raises BadInput."""
    chosen = choose(kind, options)
    read(kind, document)
    return chosen


def choose(kind, options):
    """A value for each option of this kind: the first of its choices, if nothing is said."""
    if kind not in KINDS:
        raise BadInput(f"There is no kind of job '{kind}'.", f"Choose one of {', '.join(KINDS)}.")
    chosen = {}
    for name, choices in KINDS[kind].OPTIONS.items():
        chosen[name] = options.get(name) or next(iter(choices))
        if chosen[name] not in choices:
            error = f"There is no {name} '{chosen[name]}'."
            raise BadInput(error, f"Choose one of {', '.join(choices)}.")
    return chosen


def read(kind, document):
    suffixes = KINDS[kind].ACCEPTS
    choice = f"Choose a file ({', '.join(suffixes)})"
    if suffixes and document is None:
        raise BadInput("No document was sent.", f"{choice}, or take the sample.")
    if suffixes and not document:
        raise BadInput("The document is empty: 0 bytes.", f"{choice} with content.")
    return KINDS[kind].read(document)


def paced(updates: Iterable[Update]) -> Iterator[Update]:
    """Waits before each update, and adds what a clock tells: seconds and units a second."""
    began = time.monotonic()
    for update in updates:
        time.sleep(PACE)
        seconds = time.monotonic() - began
        clock = {"seconds": round(seconds, 1), "rate": round(update.current / seconds, 2)}
        yield replace(update, metrics=update.metrics | clock)
