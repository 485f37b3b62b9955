"""The optimiser improves, truly, and tells it in numbers."""

from math import dist
from xml.etree import ElementTree

import pytest

from documents import updates
from jobs import optimize


def test_an_update_every_100_of_600_iterations():
    told = updates("optimize")
    assert [update.current for update in told] == [100, 200, 300, 400, 500, 600]
    assert [update.progress for update in told] == [16, 33, 50, 66, 83, 100]


def test_it_never_gets_worse_and_ends_much_better():
    improvement = [update.metrics["improvement"] for update in updates("optimize")]
    assert improvement == sorted(improvement)
    assert improvement[-1] > 50


def test_the_numbers_agree_with_the_round_that_it_draws():
    last = updates("optimize")[-1]
    svg = ElementTree.fromstring(last.file.data)
    points = svg.find("{http://www.w3.org/2000/svg}polygon").get("points").split()
    corners = [tuple(map(float, point.split(","))) for point in points]
    towns = optimize.read(None)
    assert sorted(corners) == sorted((round(x, 1), round(y, 1)) for x, y in towns)
    around = zip(corners, corners[1:] + corners[:1], strict=True)
    assert sum(dist(a, b) for a, b in around) == pytest.approx(last.metrics["best"], rel=0.01)


def test_it_is_the_same_for_everybody():
    first, second = updates("optimize"), updates("optimize")
    assert [update.message for update in first] == [update.message for update in second]


def test_only_the_last_update_has_a_file():
    assert [bool(update.file) for update in updates("optimize")] == [False] * 5 + [True]
