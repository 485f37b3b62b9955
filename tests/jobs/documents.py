"""Workbooks made for a test, and readers of what a job made of them."""

import io
from zipfile import ZipFile

import docx
import openpyxl

import jobs

HEADER = ("Lesson", "Word", "Meaning")


def workbook(*rows, header=HEADER) -> bytes:
    made = openpyxl.Workbook()
    for row in ([header] if header else []) + list(rows):
        made.active.append(row)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def updates(kind, document=None, **options):
    return list(jobs.start(kind, document, options))


def unzipped(file: jobs.File) -> dict[str, bytes]:
    archive = ZipFile(io.BytesIO(file.data))
    return {name: archive.read(name) for name in archive.namelist()}


def worksheet_and_key(update):
    """Both documents of a lesson, opened."""
    content = unzipped(update.file)
    stem = update.file.name.removesuffix(".zip")
    return tuple(
        docx.Document(io.BytesIO(content[f"{stem}_{part}.docx"])) for part in ("worksheet", "key")
    )


def lines(document) -> list[str]:
    return [paragraph.text for paragraph in document.paragraphs]


def cells(document, table: int) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in document.tables[table].rows]
