"""Reads the lessons of a workbook: a sheet with the columns Lesson, Word and Meaning."""

import io
from dataclasses import dataclass

import openpyxl
import regex

from jobs.contract import BadInput
from jobs.office import must_be_harmless, not_readable

COLUMNS = ("Lesson", "Word", "Meaning")
EXAMPLE = "The first row must name the columns Lesson, Word and Meaning, as in the sample."
MAX_ROWS = 5_000
MAX_COLUMNS = 50
MAX_LESSONS = 50
MAX_WORDS = 26  # as many as there are letters to match them with
MAX_LENGTH = 200
MAX_CELL = 1_000  # a text may be stored once, and be that of thousands of cells
CONTROL_CHARACTERS = regex.compile(r"\p{Cc}+")


@dataclass(frozen=True)
class Word:
    word: str
    meaning: str


@dataclass(frozen=True)
class Lesson:
    topic: str
    words: list[Word]


def read_lessons(document: bytes) -> list[Lesson]:
    """The lessons in the order of the sheet that was open when the workbook was saved.

    A row without a lesson belongs to the lesson above it. Raises BadInput, naming the row.
    """
    rows = read_rows(document)
    if not rows:
        raise BadInput("The sheet is empty.", EXAMPLE)
    where = find_columns(rows[0])
    lessons: dict[str, list[Word]] = {}
    topic = ""
    for number, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        topic, word = read_row(number, [row[column] for column in where], topic)
        add(word, lessons.setdefault(topic, []), number)
        if len(lessons) > MAX_LESSONS:
            raise BadInput(
                f"The workbook has more than {MAX_LESSONS} lessons.",
                "Split it into several workbooks.",
            )
    if not lessons:
        raise BadInput("The sheet has no lessons, only a first row.", "Add a row for each word.")
    return [Lesson(topic, words) for topic, words in lessons.items()]


def read_rows(document):
    must_be_harmless(document, ".xlsx")
    try:
        workbook = openpyxl.load_workbook(io.BytesIO(document), read_only=True, data_only=True)
        sheet = workbook.active
        # A width for all rows: a sheet may give each its own, or claim to have thousands.
        cells = sheet.iter_rows(max_row=MAX_ROWS + 1, max_col=MAX_COLUMNS, values_only=True)
        rows = [[text(cell) for cell in row] for row in cells]
    except Exception as error:  # a damaged file makes openpyxl raise almost anything
        raise not_readable(".xlsx") from error
    if len(rows) > MAX_ROWS:
        raise BadInput(f"The sheet has more than {MAX_ROWS} rows.", "Split it.")
    return rows


def text(cell):
    """What a person reads in a cell: 3.0 is 3, and no line breaks."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return CONTROL_CHARACTERS.sub(" ", str(cell)[:MAX_CELL]).strip()


def find_columns(first_row):
    names = [name.casefold() for name in first_row]
    missing = [column for column in COLUMNS if column.casefold() not in names]
    if missing:
        raise BadInput(f"The sheet has no column {' and no column '.join(missing)}.", EXAMPLE)
    return [names.index(column.casefold()) for column in COLUMNS]


def read_row(number, cells, topic_above):
    topic, word, meaning = cells
    topic = topic or topic_above
    for column, value in zip(COLUMNS, (topic, word, meaning), strict=True):
        if not value:
            raise BadInput(f"Row {number} has no {column}.", "Fill it in, or delete the row.")
        if len(value) > MAX_LENGTH:
            raise BadInput(
                f"The {column} in row {number} has more than {MAX_LENGTH} characters.",
                "Shorten it.",
            )
    return topic, Word(word, meaning)


def add(word, words, number):
    if word in words:
        return
    if len(words) == MAX_WORDS:
        raise BadInput(
            f"With row {number} its lesson has more than {MAX_WORDS} words.",
            "Split the lesson in two.",
        )
    words.append(word)
