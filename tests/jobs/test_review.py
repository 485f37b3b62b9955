"""Each rule has a text that triggers it and one that must not; a good text is left in peace."""

import io

import docx
import pytest

import jobs
from documents import cells, lines, updates
from jobs.review.report import risk_of
from jobs.review.rules import review
from workshop.steps import find_step

SAMPLE = (find_step("1") / "page" / "static" / "samples" / "proposal.docx").read_bytes()
GOOD = """The library opens at eight. Ms Okafor unlocks the door and turns on the lights.
Pupils bring back their books before the first lesson. She puts each book on its shelf by ten.
Mr Lindqvist orders new books on the first Monday of the month. The parents pay for half of them.
A class visits every afternoon, and the pupils read to one another. They like the dragons best."""


@pytest.mark.parametrize(
    ("rule", "triggers", "must_not"),
    [
        (
            "Hard to read",
            "Organisational stakeholders necessitate comprehensive harmonisation. " * 6,
            "The cat sat on the mat and saw a bird. It ran to the tree at once. " * 3,
        ),
        ("Long sentence", "We walk " + "and walk " * 20 + "home.", "We walk. " * 40),
        (
            "Passive voice",
            "The books are moved. The shelves were painted. The door is closed.",
            "We move the books. We painted the shelves. The door is closed. It rains. We go.",
        ),
        ("Repeated word", "We saw the the book.", "We saw that there was a book."),
        ("Repeated word", "This project is a project. " * 3, "A project needs a plan and money."),
        (
            "Personal data: mail address",
            "Write to ines.okafor@school.example today.",
            "Meet us @ the library, or see github.com/library.",
        ),
        (
            "Personal data: phone number",
            "Call +44 20 7946 0018 today.",
            "Room 2079, 14,000 pounds, ISBN 978-3-16-148410-0, on 2026-11-22.",
        ),
        ("Personal data: phone number", "Call 020 7946 0018.", "It has 12345 books."),
        ("Absolute promise", "The system will never fail.", "We never knew his name."),
        ("Absolute promise", "It is 100 % safe.", "It is 10 % cheaper."),
        ("Absolute promise", "We guarantee it.", "The risk is small."),
        ("No owner", "Someone will enter the books.", "Ms Okafor will enter the books."),
        (
            "No owner",
            "The labels must be printed.",
            "The labels must be printed by Ms Okafor.",
        ),
        ("No date", "It starts as soon as possible.", "It starts on 2 June."),
        ("Unresolved", "TODO: ask the bank.", "There is much to do."),
        ("Unresolved", "It costs ??? pounds.", "What does it cost?"),
    ],
)
def test_a_rule_finds_what_it_should_and_no_more(rule, triggers, must_not):
    assert rule in [finding.rule for finding in review(triggers)]
    assert rule not in [finding.rule for finding in review(must_not)]


def test_a_good_text_gets_few_findings():
    assert len(review(GOOD)) <= 1


def test_the_sample_has_real_weaknesses():
    told = updates("review", SAMPLE)
    assert [update.file.name for update in told] == [
        *(f"section_{number}.docx" for number in range(1, 7)),
        "report.docx",
    ]
    assert told[-1].metrics["findings"] >= 20
    report = opened(told[-1])
    risks = {row[0]: row[1] for row in cells(report, 0)[1:]}
    assert risks["Contact"] == "high"
    assert risks["What we propose"] == "high"
    assert risks["The problem"] == "low"
    assert any("ines.okafor@eastbrook.example" in line for line in lines(report))


def test_a_section_report_says_what_was_found_there_and_nothing_else():
    contact = next(u for u in updates("review", SAMPLE) if u.file.topic == "Contact")
    text = "\n".join(lines(opened(contact)))
    assert "Risk: high." in text
    assert "TODO" in text
    assert "guarantee" not in text


def test_it_is_the_same_every_time():
    first, second = (lines(opened(updates("review", SAMPLE)[-1])) for _ in "ab")
    assert first == second


def test_personal_data_is_a_high_risk_and_a_single_other_one_is_not():
    assert risk_of([]) == "low"
    assert risk_of(review("It costs ??? pounds.")) == "medium"
    assert risk_of(review("Write to ines@school.example.")) == "high"


WORDS_OF_A_SECTION = {"Beginning": "Before.", "One": "First. Still first.", "Two": "Second."}


def word_document():
    document = docx.Document()
    document.add_paragraph("Before.")
    document.add_heading("One", 1)
    document.add_paragraph("First.")
    document.add_table(1, 1).rows[0].cells[0].text = "Still first."
    document.add_heading("Empty", 2)
    document.add_heading("Two", 1)
    document.add_paragraph("Second.")
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "document",
    [
        word_document(),
        b"Before.\n\n# One\n\nFirst.\n*Still* [first](/x).\n\n## Empty\n\n# Two\nSecond.",
        b"Before.\r\n\r\nOne\r\n\r\nFirst.\r\nStill first.\r\n\r\nEmpty\r\n\r\nTwo\r\n\r\nSecond.",
        b"\xef\xbb\xbfBefore.\n\nOne\n\nFirst.\n\nStill first.\n\nTwo\n\nSecond.",
    ],
    ids=["docx", "markdown", "text", "text with a BOM"],
)
def test_sections_are_found_in_every_kind_of_document(document):
    sections = jobs.KINDS["review"].read(document)
    found = {section.title: section.text.replace("\n", " ") for section in sections}
    assert found == WORDS_OF_A_SECTION


def test_code_in_markdown_is_not_prose():
    sections = jobs.KINDS["review"].read(b"# A\n\nWords.\n\n```\nTODO\n```\n")
    assert [section.text for section in sections] == ["Words."]


def opened(update):
    return docx.Document(io.BytesIO(update.file.data))
