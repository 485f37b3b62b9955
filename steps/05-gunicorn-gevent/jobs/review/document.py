"""Reads the sections of a Word document, a Markdown text or a plain text."""

import io
from dataclasses import dataclass

import docx
import regex
from docx.oxml.ns import qn
from markdown_it import MarkdownIt

from jobs.contract import BadInput
from jobs.office import must_be_harmless, not_readable

MOST_SECTIONS = 100
MOST_CHARACTERS = 200_000
# U+FFFE and U+FFFF as well: neither may be in XML, and so in a report.
CONTROL_CHARACTERS = regex.compile(r"[\p{Cc}\uFFFE\uFFFF--[\n]]+", regex.V1)
MARKDOWN_HEADING = regex.compile(r"^#{1,6} ", regex.MULTILINE)
# A short line of its own that does not end like a sentence.
PLAIN_HEADING = regex.compile(r"(?:\d+[.)] )?\p{Lu}[^\n]{0,58}[^\n.,;:!?]")


@dataclass(frozen=True)
class Section:
    title: str
    text: str


def read_sections(document: bytes) -> list[Section]:
    """The sections that have a text. What comes before the first heading is one of them.

    The kind of file is told by its content, so a wrong name does no harm. Raises BadInput.
    """
    blocks = word_blocks(document) if looks_like_office(document) else text_blocks(document)
    sections = [Section(title, text) for title, text in gathered(blocks) if text]
    if not sections:
        raise BadInput("The document has no text.", "Choose one with at least a paragraph.")
    if len(sections) > MOST_SECTIONS:
        raise BadInput(f"The document has more than {MOST_SECTIONS} sections.", "Split it.")
    must_be_short("".join(section.text for section in sections))
    return sections


def must_be_short(text):
    if len(text) > MOST_CHARACTERS:
        raise BadInput(f"The document has more than {MOST_CHARACTERS} characters.", "Split it.")


def looks_like_office(document):
    return document.startswith((b"PK", b"\xd0\xcf\x11\xe0"))


def word_blocks(document):
    """(is it a heading, text) for each paragraph, also for those in tables."""
    must_be_harmless(document, ".docx")
    try:
        opened = docx.Document(io.BytesIO(document))
        headings = {s.style_id for s in opened.styles if s.name.startswith(("Heading", "Title"))}
        paragraphs = opened.element.body.iter(qn("w:p"))
        return [(paragraph.style in headings, paragraph.text) for paragraph in paragraphs]
    except Exception as error:  # a damaged file makes python-docx raise almost anything
        raise not_readable(".docx") from error


def text_blocks(document):
    try:
        text = document.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"This is not a text in UTF-8: byte {error.start + 1} does not fit.",
            "Save it again with the encoding UTF-8, or as .docx.",
        ) from error
    must_be_short(text)
    return markdown_blocks(text) if MARKDOWN_HEADING.search(text) else plain_blocks(text)


def markdown_blocks(text):
    tokens = MarkdownIt().parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "inline":
            words = "".join(
                child.content if child.type in ("text", "code_inline") else " "
                for child in token.children
                if child.type in ("text", "code_inline", "softbreak", "hardbreak")
            )
            yield before.type == "heading_open", words


def plain_blocks(text):
    for block in regex.split(r"\n\s*\n", text):
        yield bool(PLAIN_HEADING.fullmatch(block.strip())), block


def gathered(blocks):
    """(title, text) of each section."""
    title, paragraphs = "Beginning", []
    for is_heading, block in blocks:
        words = " ".join(CONTROL_CHARACTERS.sub(" ", block).split())
        if is_heading and words:
            yield title, "\n".join(paragraphs)
            title, paragraphs = words[:200], []
        elif words:
            paragraphs.append(words)
    yield title, "\n".join(paragraphs)
