"""Draws what a long run has measured, from its CSV alone: the same data give the same bytes."""

import csv
from pathlib import Path

GREY = "#808080"
COLOURS = ("#b3541e", "#2a6fb0", "#2f7d4f", "#8a4fa3")  # readable on white and on black
PANELS = {  # title: columns, each with its name in the chart
    "memory, MB": {"web MB": "web processes", "redis MB": "Redis"},
    "held": {
        "streams": "streams",
        "web files": "descriptors",
        "redis connections": "connections to Redis",
        "web threads": "threads",
    },
    "age of the oldest event received, seconds": {"oldest": ""},
    "events": {"lost": "lost", "duplicates": "received twice", "resets": "resets"},
}
SHORT = {
    "pubsub connections cut": "p",
    "new Celery worker": "w",
    "a web worker killed": "k",
    "web restarted": "r",
}


def draw(source: Path, target: Path):
    with source.open(newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        import matplotlib
    except ImportError:
        print("No chart: get matplotlib with 'uv sync --group charts'.")
        return
    matplotlib.use("svg")
    settings = {"svg.hashsalt": "live progress", "font.size": 11}
    if rows:
        with matplotlib.rc_context(settings):
            draw_all(rows, target)


def draw_all(rows, target):
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(len(PANELS), sharex=True, figsize=(8, 11))
    for axes, (title, columns) in zip(panels, PANELS.items(), strict=True):
        draw_panel(axes, title, columns, rows)
    mark(panels[0], rows)
    letters = ", ".join(f"{letter}: {name}" for name, letter in SHORT.items())
    panels[-1].set_xlabel(f"minutes   ({letters})", color=GREY)
    figure.savefig(target, transparent=True, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


def draw_panel(axes, title, columns, rows):
    minutes = [float(row["minutes"]) for row in rows]
    lines = {name: [float(row[name]) for row in rows] for name in columns}
    axes.set_title(title, color=GREY, loc="left")
    axes.set_ylim(0, 1.15 * max(1, *(max(values) for values in lines.values())))
    heights = spread([values[-1] for values in lines.values()], axes.get_ylim()[1] / 10)
    for (name, values), height, colour in zip(lines.items(), heights, COLOURS, strict=False):
        axes.plot(minutes, values, color=colour, linewidth=2)
        label = f"{columns[name]} {values[-1]:g}".strip()
        axes.annotate(
            label, (1.01, height), xycoords=("axes fraction", "data"), color=colour, va="center"
        )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for part in (axes.spines["left"], axes.spines["bottom"]):
        part.set_color(GREY)
    axes.tick_params(which="both", colors=GREY)
    axes.margins(x=0.01)


def spread(heights, least):
    """The heights of the labels: as those of the lines, but not one upon another."""
    placed = {}
    below = -least
    for number in sorted(range(len(heights)), key=heights.__getitem__):
        below = placed[number] = max(heights[number], below + least)
    return [placed[number] for number in range(len(heights))]


def mark(axes, rows):
    """A letter for each disturbance."""
    for row in rows:
        letters = "".join(letter for name, letter in SHORT.items() if name in row["disturbance"])
        axes.annotate(
            letters,
            (float(row["minutes"]), 1),
            xycoords=("data", "axes fraction"),
            color=GREY,
            fontsize=8,
            ha="center",
        )
