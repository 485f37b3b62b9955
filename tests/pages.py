"""The pages of the workshop, and what is in them: listings, links, headings, code in a line."""

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

from workshop.steps import ROOT

PLACES = (
    "README.md",
    "CONTRIBUTING.md",
    "steps/*/README.md",
    "steps/05*/deploy/README.md",
    "notes/**/*.md",
)
PAGES = sorted({page for place in PLACES for page in ROOT.glob(place)})
MARKDOWN = MarkdownIt("commonmark").enable("table")


class Listing(NamedTuple):
    """A fenced block: ```language title="file"; `line` is that of its first line of text."""

    page: Path
    line: int
    language: str
    file: str | None
    text: str

    def __str__(self):
        return f"{name(self.page)}:{self.line}"

    @property
    def lines(self) -> range:
        return range(self.line, self.line + len(self.text.splitlines()))


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def listings(*languages: str) -> list[Listing]:
    """All listings in these languages, or in any."""
    found = [listing for page in PAGES for listing in listings_of(page)]
    return [listing for listing in found if not languages or listing.language in languages]


def listings_of(page: Path) -> list[Listing]:
    return [
        Listing(page, token.map[0] + 2, *language_and_file(token.info), token.content)
        for token in tokens(page)
        if token.type == "fence"
    ]


def language_and_file(info):
    titled = re.search(r'title="([^"]+)"', info)
    return (info.split() or [""])[0], titled and titled[1]


def links(page: Path) -> list[str]:
    """Where its links and pictures lead, also those in HTML."""
    found = []
    for token in tokens(page):
        for part in token.children or [token]:
            found += [part.attrs[where] for where in ("href", "src") if where in part.attrs]
            if part.type in ("html_block", "html_inline"):
                found += re.findall(r'(?:href|src|srcset)="([^"]+)"', part.content)
    return found


def anchors(page: Path) -> set[str]:
    """What a link to a heading of this page may end in, by GitHub's rule."""
    found = set()
    for heading in headings(page):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 0
        while (anchor := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(anchor)
    return found


def headings(page):
    """The text of each, as it is read: without marks and addresses."""
    for opening, inline in pairwise(tokens(page)):
        if opening.type == "heading_open":
            kinds = ("text", "code_inline")
            yield "".join(part.content for part in inline.children if part.type in kinds)


def code_in_lines(page: Path) -> list[str]:
    return [
        part.content
        for token in tokens(page)
        for part in token.children or []
        if part.type == "code_inline"
    ]


def html_blocks(page: Path) -> list[tuple[int, str]]:
    """(line, text) of what a browser gets as it is written."""
    return [
        (token.map[0] + 1, token.content) for token in tokens(page) if token.type == "html_block"
    ]


def tokens(page):
    return MARKDOWN.parse(page.read_text())
