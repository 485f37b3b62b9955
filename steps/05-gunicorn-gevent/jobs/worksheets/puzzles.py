"""The exercises of a worksheet, as plain data: what the pupil sees, and the answers.

A letter is what a reader sees as one (a grapheme cluster, Unicode Standard Annex 29), so words
in any script come apart in the right places. The same lesson always makes the same exercises.
"""

from dataclasses import dataclass
from itertools import count
from math import ceil, sqrt
from random import Random
from string import ascii_uppercase

import regex

from jobs.worksheets.workbook import Lesson

GAP = "_"
LONGEST_IN_GRID = 12
ACROSS, DOWN = (0, 1), (1, 0)


@dataclass(frozen=True)
class Line:
    """One question of an exercise."""

    question: str
    clue: str
    answer: str


@dataclass(frozen=True)
class FillTheGap:
    lines: list[Line]


@dataclass(frozen=True)
class MatchTheMeaning:
    """`lines` hold word, the meaning printed beside it (rarely its own), and its right letter."""

    lines: list[Line]


@dataclass(frozen=True)
class Trace:
    words: list[str]


@dataclass(frozen=True)
class Unscramble:
    lines: list[Line]


@dataclass(frozen=True)
class WordSearch:
    """`places` says for each word which (row, column) holds each of its letters."""

    grid: list[list[str]]
    places: dict[str, list[tuple[int, int]]]


def academy(lesson: Lesson):
    random = Random(repr(lesson))
    return [fill_the_gap(lesson, random), match_the_meaning(lesson, random)]


def caterpillar(lesson: Lesson):
    random = Random(repr(lesson))
    exercises = [trace(lesson), unscramble(lesson, random)]
    words = [word for word in map(grid_letters, lesson.words) if 1 < len(word) <= LONGEST_IN_GRID]
    return exercises + ([word_search(words, random)] if words else [])


def letters(word):
    return regex.findall(r"\X", word)


def is_letter(cluster):
    return cluster[0].isalpha()


def fill_the_gap(lesson, random):
    return FillTheGap(
        [Line(with_gaps(word.word, random), word.meaning, word.word) for word in lesson.words]
    )


def with_gaps(word, random):
    """About half of the letters are missing; the first one stays, where there are others."""
    clusters = letters(word)
    can_go = [place for place, cluster in enumerate(clusters) if is_letter(cluster)]
    can_go = can_go[1:] or can_go
    gone = random.sample(can_go, ceil(len(can_go) / 2))
    return " ".join(GAP if place in gone else cluster for place, cluster in enumerate(clusters))


def match_the_meaning(lesson, random):
    words = lesson.words
    mixed = random.sample(words, len(words))
    letter_of = dict(zip(mixed, ascii_uppercase, strict=False))
    return MatchTheMeaning(
        [
            Line(word.word, beside.meaning, letter_of[word])
            for word, beside in zip(words, mixed, strict=True)
        ]
    )


def trace(lesson):
    return Trace([word.word for word in lesson.words])


def unscramble(lesson, random):
    return Unscramble(
        [Line(scrambled(word.word, random), word.meaning, word.word) for word in lesson.words]
    )


def scrambled(word, random):
    parts = []
    for part in word.split():
        clusters = letters(part)
        mixed = random.sample(clusters, len(clusters))
        while mixed == clusters and len(set(clusters)) > 1:
            random.shuffle(mixed)
        parts.append(" ".join(mixed))
    return "   ".join(parts)


def grid_letters(word):
    return tuple(filter(is_letter, letters(word.word.upper())))


def word_search(words, random):
    """Words run across and down, as young readers look for them; the grid grows until all fit."""
    words = sorted(set(words), key=lambda word: (-len(word), word))
    smallest = max(len(words[0]), ceil(sqrt(2 * sum(map(len, words)))))
    return next(filter(None, (laid_out(words, size, random) for size in count(smallest))))


def laid_out(words, size, random):
    cells, places = {}, {}
    for word in words:
        free = [way for way in ways(word, size) if fits(word, way, cells)]
        if not free:
            return None
        way = random.choice(free)
        cells.update(zip(way, word, strict=True))
        places["".join(word)] = way
    fill = [cluster for word in words for cluster in word]
    grid = [
        [cells.get((row, column)) or random.choice(fill) for column in range(size)]
        for row in range(size)
    ]
    return WordSearch(grid, places)


def fits(word, way, cells):
    return all(
        cells.get(place, cluster) == cluster for place, cluster in zip(way, word, strict=True)
    )


def ways(word, size):
    """Every place where the word fits, as the list of its (row, column) cells."""
    for down, across in (ACROSS, DOWN):
        for row in range(size - down * (len(word) - 1)):
            for column in range(size - across * (len(word) - 1)):
                yield [(row + down * i, column + across * i) for i in range(len(word))]
