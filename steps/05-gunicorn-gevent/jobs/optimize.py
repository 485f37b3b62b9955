"""Shortens a delivery round: start anywhere, turn a stretch of it round, keep what is shorter."""

from collections.abc import Iterator
from math import dist
from random import Random

from jobs.contract import File, Update

TITLE = "Optimize a delivery round"
ABOUT = "600 attempts to shorten a round through 40 towns. Needs no document."
ACCEPTS = ()
SAMPLE = None
OPTIONS = {}

ITERATIONS = 600
EVERY = 100

Town = tuple[float, float]


def read(document: bytes | None) -> list[Town]:
    """The towns, x and y in kilometres; the same for everybody, so that runs can be compared."""
    random = Random(40)
    return [(random.uniform(2, 98), random.uniform(2, 98)) for _ in range(40)]


def run(towns: list[Town]) -> Iterator[Update]:
    random = Random(600)
    tour = list(towns)
    best = at_first = length(tour)
    for iteration in range(1, ITERATIONS + 1):
        attempt = with_a_stretch_reversed(tour, random)
        if length(attempt) < best:
            tour, best = attempt, length(attempt)
        if iteration % EVERY == 0:
            yield news(iteration, tour, at_first)


def length(tour):
    return sum(dist(here, there) for here, there in zip(tour, tour[1:] + tour[:1], strict=True))


def with_a_stretch_reversed(tour, random):
    first, last = sorted(random.sample(range(len(tour) + 1), 2))
    return tour[:first] + tour[first:last][::-1] + tour[last:]


def news(iteration, tour, at_first):
    improvement = 100 * (1 - length(tour) / at_first)
    return Update(
        progress=100 * iteration // ITERATIONS,
        stage="optimizing",
        message=f"Iteration {iteration} of {ITERATIONS}: {improvement:.1f} % shorter",
        current=iteration,
        total=ITERATIONS,
        metrics={
            "iteration": iteration,
            "best": round(length(tour), 1),
            "improvement": round(improvement, 1),
        },
        file=File("round.svg", "The shortest round", drawn(tour))
        if iteration == ITERATIONS
        else None,
    )


def drawn(tour):
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in tour)
    towns = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.2"/>' for x, y in tour)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" width="600" height="600">'
        f'<rect width="100" height="100" fill="#fff"/><g fill="#1f6f50">{towns}</g>'
        f'<polygon points="{corners}" fill="none" stroke="#1f6f50" stroke-width=".6"/></svg>'
    ).encode()
