"""Worksheets that a teacher can use: read back from the Word documents, and solved by the key."""

import io

import openpyxl
import pytest
import regex

import jobs
from documents import cells, lines, unzipped, updates, workbook, worksheet_and_key
from workshop.steps import find_step

SAMPLE = find_step("1") / "page" / "static" / "samples" / "lessons.xlsx"
SCRIPTS = workbook(
    ("Животные", "кошка", "домашнее животное"),
    ("Животные", "ёжик", "зверь с иголками"),
    ("どうぶつ", "きつね", "しっぽが大きい動物"),
    ("どうぶつ", "猫", "ニャーとなく動物"),
    ("हिन्दी", "नमस्ते", "a greeting"),
    ("हिन्दी", "किताब", "a book"),
    ("Phrases", "ice cream", "cold and sweet"),
    ("Phrases", "mother-in-law", "the mother of one's wife or husband"),
)


@pytest.fixture(params=["sample", "scripts"])
def document(request):
    return {"sample": SAMPLE.read_bytes(), "scripts": SCRIPTS}[request.param]


def clusters(word):
    return regex.findall(r"\X", word)


def test_the_sample_makes_six_lessons():
    told = updates("worksheets", SAMPLE.read_bytes())
    assert [update.file.name for update in told] == [f"lesson_{n}.zip" for n in range(1, 7)]
    assert [update.file.topic for update in told][:2] == ["Animals", "In the kitchen"]
    assert told[3].message == "Lesson 4 of 6: Going by train"
    assert told[-1].metrics["words"] == 48
    assert set(unzipped(told[0].file)) == {"lesson_1_worksheet.docx", "lesson_1_key.docx"}


def test_gaps_fit_the_word_and_its_first_letter_stays(document):
    for update in updates("worksheets", document, programme="academy"):
        worksheet, key = worksheet_and_key(update)
        for (asked, clue, _), (answer, same_clue, _) in zip(
            cells(worksheet, 0), cells(key, 0), strict=True
        ):
            asked, answer = asked.partition(". ")[2], answer.partition(". ")[2]
            assert clue == same_clue
            assert "_" in asked
            letters, gapped = clusters(answer), clusters(asked)[::2]
            assert len(letters) == len(gapped)
            assert all(gap in ("_", letter) for gap, letter in zip(gapped, letters, strict=True))
            assert gapped[0] == letters[0] or len(letters) == 1


def test_matching_is_solved_by_the_key(document):
    lessons = {lesson.topic: lesson for lesson in jobs.KINDS["worksheets"].read(document)}
    for update in updates("worksheets", document, programme="academy"):
        worksheet, key = worksheet_and_key(update)
        meanings = dict(meaning.split(". ", 1) for _, _, meaning in cells(worksheet, 1))
        solved = {word.split(". ", 1)[1]: meanings[answer] for answer, word, _ in cells(key, 1)}
        assert solved == {w.word: w.meaning for w in lessons[update.file.topic].words}


def test_words_with_the_same_meaning_have_letters_of_their_own():
    document = workbook(("A", "big", "not small"), ("A", "large", "not small"), ("A", "cat", "m"))
    _, key = worksheet_and_key(updates("worksheets", document, programme="academy")[0])
    assert sorted(answer for answer, _, _ in cells(key, 1)) == ["A", "B", "C"]


def test_a_sheet_whose_rows_have_lengths_of_their_own():
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (["Lesson", "Word", "Meaning"], ["A", "w", "m"], ["A"]):
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    with pytest.raises(jobs.BadInput) as refused:
        jobs.check("worksheets", file.getvalue(), {})
    assert refused.value.error == "Row 3 has no Word."


def test_scrambled_letters_are_those_of_the_word_in_another_order(document):
    for update in updates("worksheets", document, programme="caterpillar"):
        worksheet, key = worksheet_and_key(update)
        for (asked, _, room), (answer, _, _) in zip(
            cells(worksheet, 0), cells(key, 0), strict=True
        ):
            asked, answer = asked.partition(". ")[2], answer.partition(". ")[2]
            assert sorted(asked.replace(" ", "")) == sorted(answer.replace(" ", ""))
            assert asked.replace(" ", "") != answer.replace(" ", "") or len(clusters(answer)) == 1
            assert set(room) == {"_"}


def test_every_word_of_the_search_is_where_the_key_says(document):
    found = 0
    for update in updates("worksheets", document, programme="caterpillar"):
        worksheet, key = worksheet_and_key(update)
        grid = cells(worksheet, 1)
        assert grid == cells(key, 1)
        marked = {
            (row, column)
            for row, line in enumerate(key.tables[1].rows)
            for column, cell in enumerate(line.cells)
            if cell.paragraphs[0].runs[0].bold
        }
        words = lines(worksheet)[-1].split("   ")
        covered = {place for word in words for place in places_of(word, grid, marked)}
        assert covered == marked
        found += len(words)
    assert found >= 6


def places_of(word, grid, marked):
    """The marked cells that spell this word, across or down."""
    letters = clusters(word)
    for row in range(len(grid)):
        for column in range(len(grid)):
            for down, across in ((0, 1), (1, 0)):
                way = [(row + down * i, column + across * i) for i in range(len(letters))]
                if set(way) <= marked and [grid[r][c] for r, c in way] == letters:
                    return way
    raise AssertionError(f"{word} is not in the grid")


def test_words_to_trace_are_on_the_worksheet_and_not_in_the_key():
    worksheet, key = worksheet_and_key(
        updates("worksheets", SAMPLE.read_bytes(), programme="caterpillar")[0]
    )
    assert any(line.startswith("butterfly") for line in lines(worksheet))
    assert not any(line.startswith("butterfly") for line in lines(key))
    assert "Trace" not in lines(key)


def test_the_same_lesson_always_makes_the_same_worksheet():
    first, second = (updates("worksheets", SCRIPTS, programme="academy")[0] for _ in "ab")
    assert cells(worksheet_and_key(first)[0], 0) == cells(worksheet_and_key(second)[0], 0)


def test_columns_in_any_order_and_case_and_rows_under_their_lesson():
    document = workbook(
        ("cat", 7, "it purrs", "x"),
        ("dog", None, "it barks", ""),
        (None, None, None, None),
        (12.0, "Numbers", "a dozen", ""),
        header=("WORD", "lesson ", "Meaning", "Note"),
    )
    lessons = jobs.KINDS["worksheets"].read(document)
    assert [(lesson.topic, len(lesson.words)) for lesson in lessons] == [("7", 2), ("Numbers", 1)]
    assert lessons[1].words[0].word == "12"


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b"this is no workbook", "This is not a .xlsx file that can be read."),
        (b"PK\x03\x04 nor is this", "This is not a .xlsx file that can be read."),
        (SAMPLE.read_bytes()[:3000], "This is not a .xlsx file that can be read."),
        (workbook(header=None), "The sheet is empty."),
        (workbook(), "The sheet has no lessons, only a first row."),
        (workbook(header=("Lesson", "Word")), "The sheet has no column Meaning."),
        (workbook(header=("a", "b")), "The sheet has no column Lesson and no column Word"),
        (workbook(("A", "w", "")), "Row 2 has no Meaning."),
        (workbook(("A", "w", "m"), ("B", None, None)), "Row 3 has no Word."),
        (workbook((None, "w", "m")), "Row 2 has no Lesson."),
        (workbook(("A", "w" * 201, "m")), "The Word in row 2 has more than 200 characters."),
        (workbook(*((f"L{n}", "w", "m") for n in range(51))), "more than 50 lessons"),
        (workbook(*(("L", f"w{n}", "m") for n in range(27))), "more than 26 words"),
        (workbook(*((f"L{n}", "w", "m") for n in range(10_000))), "more than 5000 rows"),
    ],
)
def test_bad_workbooks_are_named_with_their_mend(document, error):
    with pytest.raises(jobs.BadInput) as refused:
        jobs.check("worksheets", document, {})
    assert error in refused.value.error
    assert refused.value.hint
