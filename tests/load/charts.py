"""Draws what `workshop compare` has measured: lines with names next to them, in light and dark."""

import math
from pathlib import Path

COLOURS = ("#b3541e", "#8a6d00", "#2f7d4f", "#2a6fb0", "#8a4fa3")  # readable on white and on black
GREY = "#808080"
LINE = 12  # points
BUSY = 0.9  # of a core: from there on, locust measures itself
CHARTS = {
    "delay.svg": ("delay p95 s", "update delay, p95, seconds"),
    "memory.svg": ("web MB", "memory of the web processes, MB"),
    "errors.svg": ("failed %", "requests that failed, %"),
    "requests.svg": ("requests per job", "requests for a finished job"),
}


def usable(rows: list[dict]) -> list[dict]:
    """Without the points at which the load generator was saturated."""
    return [row for row in rows if float(row["locust CPU share"]) < BUSY]


def by_step(rows, column):
    """{step: {people: [values of all repeats]}}."""
    lines = {}
    for row in rows:
        if row[column] != "":
            points = lines.setdefault(row["step"], {})
            points.setdefault(int(row["people"]), []).append(float(row[column]))
    return lines


SHOWN = {
    "served": "served",
    "delay p95 s": "update delay p95, s",
    "bystander p95 s": "bystander p95, s",
    "requests per job": "requests per job",
    "web MB": "web MB",
    "KB per person": "KB per person",
    "web threads": "threads",
    "redis connections": "connections to Redis",
    "CPU s per 1000 updates": "CPU s per 1,000 updates",
}


def table(rows: list[dict]) -> str:
    """A Markdown table: for each step and number of people, the mean of the repeats."""
    means = []
    for step, people in sorted({(row["step"], int(row["people"])) for row in rows}):
        mine = repeats(rows, step, people)
        ended = reason(mine)
        if not usable(mine):
            ended += " (locust was saturated: not used)"
        cells = {column: mean([row[column] for row in mine]) for column in SHOWN}
        means.append({"step": step, "people": f"{people:,}", "ended": ended.strip(), **cells})
    return markdown(means, {"people": "people", **SHOWN, "ended": "ended"})


def markdown(rows: list[dict], columns: dict[str, str]) -> str:
    """A table of these columns {name in the row: heading}, after the step."""
    lines = ["| step | " + " | ".join(columns.values()) + " |"]
    lines.append("| --- " + "| --- " * len(columns) + "|")
    for row in rows:
        cells = [row[name] for name in columns]
        lines.append(" | ".join([f"| {row['step']}", *cells]) + " |")
    return "\n".join(lines) + "\n"


def summary(rows: list[dict]) -> str:
    """For each step, how it was for the most people whom it served, and what came then."""
    lines = []
    for step in sorted({row["step"] for row in rows}):
        mine = [row for row in rows if row["step"] == step]
        where, why = ends(mine).get(step, (math.inf, ""))
        most = max((int(row["people"]) for row in mine if int(row["people"]) < where), default=0)
        there = [row for row in mine if int(row["people"]) == most]
        cells = {column: mean([row[column] for row in there]) for column in SHOWN}
        then = f"{where:,} people: {why}" if why else ""
        lines.append({"step": step, "most": f"{most:,}", "then": then, **cells})
    columns = ("delay p95 s", "bystander p95 s", "requests per job", "KB per person")
    headings = {column: SHOWN[column] for column in columns}
    return markdown(lines, {"most": "people", **headings, "then": "where it ended"})


def mean(values):
    numbers = [float(value) for value in values if value != ""]
    if not numbers:
        return ""
    average = sum(numbers) / len(numbers)
    return f"{average:,.0f}" if average >= 100 else f"{average:.3g}"


def draw_all(rows: list[dict], folder: Path):
    """Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "live progress", "font.size": 11})
    for name, (column, title) in CHARTS.items():
        draw(by_step(usable(rows), column), ends(rows), title, folder / name)


def ends(rows):
    """{step: (people, why)}, where it ended first."""
    ended = sorted({(row["step"], int(row["people"])) for row in rows if row["ended"]})
    return {
        step: (people, reason(repeats(rows, step, people))) for step, people in reversed(ended)
    }


def repeats(rows, step, people):
    return [row for row in rows if (row["step"], int(row["people"])) == (step, people)]


def reason(rows):
    """Why a step ended at this point; and in how many of the repeats, if not in all."""
    reasons = [row["ended"] for row in rows if row["ended"]]
    if 0 < len(reasons) < len(rows):
        return f"{reasons[0]}, in {len(reasons)} of {len(rows)} runs"
    return reasons[0] if reasons else ""


def draw(lines, ends, title, file):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5.5))
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=0.01 if "seconds" in title else 1)
    names = []
    for step, points in sorted(lines.items()):
        people = sorted(points)
        means = [sum(points[number]) / len(points[number]) for number in people]
        colour = COLOURS[int(step[:2]) - 1]
        axes.plot(people, means, color=colour, marker="o", linewidth=2)
        low = [min(points[number]) for number in people]
        high = [max(points[number]) for number in people]
        axes.fill_between(people, low, high, color=colour, alpha=0.2, linewidth=0)
        where, why = ends.get(step, (0, ""))
        if where in people:
            axes.plot(where, means[people.index(where)], "X", color=colour, markersize=12)
        name = f"{step}\nended at {where:,}: {why}" if why else step
        names.append((means[-1], name, colour))
    plain(axes, title)
    write_names(axes, names)
    figure.savefig(file, transparent=True, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


def plain(axes, title):
    axes.set_title(title, color=GREY, loc="left")
    axes.set_xlabel("people at once", color=GREY)
    axes.margins(x=0.02)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for part in (axes.spines["left"], axes.spines["bottom"]):
        part.set_color(GREY)
    axes.tick_params(which="both", colors=GREY)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:g}")


def write_names(axes, names):
    """Each name at the right edge, as high as its line ends; pushed up where it would cover
    another."""
    lowest = -math.inf
    for end, text, colour in sorted(names):
        _, y = axes.transData.transform((1, end)) * 72 / axes.figure.dpi  # points
        height = LINE * len(text.splitlines())
        low = max(y - height / 2, lowest)
        lowest = low + height
        axes.annotate(
            text,
            (1, end),
            (5, low + height / 2 - y),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=10,
        )
