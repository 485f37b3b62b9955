"""Prints the exercises of a lesson as Word documents: the worksheet, and the same solved."""

import io
from functools import singledispatch
from string import ascii_uppercase

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_TAB_LEADER
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Mm, Pt, RGBColor

from jobs.contract import File, zipped
from jobs.worksheets.puzzles import (
    FillTheGap,
    MatchTheMeaning,
    Trace,
    Unscramble,
    WordSearch,
)

GREY = RGBColor(0xB0, 0xB0, 0xB0)
TEXT_WIDTH = Mm(170)


def printed(number: int, topic: str, exercises: list) -> File:
    """lesson_N.zip with the worksheet and the key as .docx (A4)."""
    name = f"lesson_{number}"
    return File(
        f"{name}.zip",
        topic,
        zipped(
            [
                File(f"{name}_worksheet.docx", topic, document(topic, exercises, solved=False)),
                File(f"{name}_key.docx", topic, document(topic, exercises, solved=True)),
            ]
        ),
    )


def document(topic, exercises, solved):
    page = a4()
    page.add_heading(f"{topic}: answer key" if solved else topic, 1)
    if not solved:
        page.add_paragraph("Name: " + "_" * 32 + "    Date: " + "_" * 14)
    for exercise in exercises:
        draw(exercise, page, solved)
    file = io.BytesIO()
    page.save(file)
    return file.getvalue()


def a4():
    page = Document()
    section = page.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(20)
    section.top_margin = section.bottom_margin = Mm(18)
    page.styles["Normal"].font.name = "Arial"
    return page


@singledispatch
def draw(exercise, page, solved):
    raise TypeError(f"no way to print {exercise!r}")


@draw.register
def _(exercise: FillTheGap, page, solved):
    title(page, "Fill the gap", "Write the missing letters. The meaning helps you.")
    questions(page, exercise.lines, solved)


@draw.register
def _(exercise: Unscramble, page, solved):
    title(page, "Unscramble", "Put the letters in the right order.")
    questions(page, exercise.lines, solved, room="_" * 14)


@draw.register
def _(exercise: MatchTheMeaning, page, solved):
    title(page, "Match the meaning", "Write the letter of the right meaning beside each word.")
    rows = table(page, len(exercise.lines), Mm(15), Mm(55), Mm(100))
    for number, (line, (answer, word, meaning)) in enumerate(
        zip(exercise.lines, rows, strict=True), 1
    ):
        write(answer, line.answer if solved else "____", bold=solved)
        write(word, f"{number}. {line.question}")
        write(meaning, f"{ascii_uppercase[number - 1]}. {line.clue}")


@draw.register
def _(exercise: Trace, page, solved):
    if solved:
        return
    title(page, "Trace", "Go over the grey word with your pencil. Then write it yourself.")
    for word in exercise.words:
        line = page.add_paragraph()
        line.paragraph_format.tab_stops.add_tab_stop(TEXT_WIDTH, leader=WD_TAB_LEADER.LINES)
        grey = line.add_run(word)
        grey.font.size, grey.font.color.rgb = Pt(30), GREY
        line.add_run("   \t")


@draw.register
def _(exercise: WordSearch, page, solved):
    title(page, "Word search", "Find these words, across and down:")
    page.add_paragraph("   ".join(sorted(exercise.places))).runs[0].bold = True
    hidden = {place for way in exercise.places.values() for place in way}
    squares = page.add_table(len(exercise.grid), len(exercise.grid), "Table Grid")
    for row, (line, clusters) in enumerate(zip(squares.rows, exercise.grid, strict=True)):
        line.height = Mm(8)
        for column, (cell, cluster) in enumerate(zip(line.cells, clusters, strict=True)):
            mark = solved and (row, column) in hidden
            write(cell, cluster, bold=mark, centred=True)
            if mark:
                shade(cell)


def title(page, text, instruction):
    page.add_heading(text, 2)
    page.add_paragraph(instruction).paragraph_format.keep_with_next = True


def questions(page, lines, solved, room=""):
    """The question, or its answer, beside the clue and the room to write in."""
    rows = table(page, len(lines), Mm(55), Mm(75), Mm(40))
    for number, (line, (question, clue, blank)) in enumerate(zip(lines, rows, strict=True), 1):
        write(question, f"{number}. {line.answer if solved else line.question}", bold=solved)
        write(clue, line.clue)
        write(blank, "" if solved else room)


def table(page, rows, *widths):
    """The rows of a new table, as cells. Word reads the cells' widths, others the columns'."""
    made = page.add_table(rows, len(widths))
    for column, width in zip(made.columns, widths, strict=True):
        column.width = width
    for row in made.rows:
        for cell, width in zip(row.cells, widths, strict=True):
            cell.width = width
        yield row.cells


def write(cell, text, bold=False, centred=False):
    paragraph = cell.paragraphs[0]
    run = paragraph.add_run(text)
    if bold:
        run.bold = True
    if centred:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER


def shade(cell):
    grey = parse_xml(f'<w:shd {nsdecls("w")} w:val="clear" w:fill="D9D9D9"/>')
    cell._tc.get_or_add_tcPr().append(grey)
