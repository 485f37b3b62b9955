"""Reads the form for a new task."""

from pathlib import Path

from flask import request

import jobs

SAMPLES = Path(__file__).parent / "static" / "samples"


def submitted() -> tuple[str, bytes | None, dict[str, str]]:
    """The kind of job, the document and the options. Raises BadInput if they can't be used."""
    kind = request.form.get("kind", "")
    content = document(kind)
    return kind, content, jobs.check(kind, content, request.form)


def document(kind):
    """The uploaded file, or the sample of this kind if the user asked for it; otherwise None."""
    if "sample" in request.form and kind in jobs.KINDS and jobs.KINDS[kind].SAMPLE:
        return (SAMPLES / jobs.KINDS[kind].SAMPLE).read_bytes()
    upload = request.files.get("document")
    return upload.read() if upload and upload.filename else None
