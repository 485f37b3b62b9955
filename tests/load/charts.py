"""Draws what `workshop compare` has measured: lines with names beside them, in light and dark."""

from pathlib import Path

COLOURS = ("#b3541e", "#8a6d00", "#2f7d4f", "#2a6fb0", "#8a4fa3")  # readable on white and on black
GREY = "#808080"
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


def table(rows: list[dict]) -> str:
    """A Markdown table: for each step and number of people, the mean of the repeats."""
    columns = (
        "served",
        "delay p95 s",
        "bystander p95 s",
        "requests per job",
        "web MB",
        "web threads",
    )
    text = ["| step | people | " + " | ".join(columns) + " | ended |", "| --- " * 9 + "|"]
    for step, people in sorted({(row["step"], int(row["people"])) for row in rows}):
        mine = [row for row in rows if (row["step"], int(row["people"])) == (step, people)]
        cells = [mean([row[column] for row in mine]) for column in columns]
        ended = mine[0]["ended"]
        if not usable(mine):
            ended += " (locust was saturated: not used)"
        text.append(f"| {step} | {people} | " + " | ".join(cells) + f" | {ended.strip()} |")
    return "\n".join(text) + "\n"


def mean(values):
    numbers = [float(value) for value in values if value != ""]
    return f"{sum(numbers) / len(numbers):.3g}" if numbers else ""


def draw_all(rows: list[dict], folder: Path):
    """Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "live progress", "font.size": 11})
    for name, (column, title) in CHARTS.items():
        draw(by_step(usable(rows), column), ends(rows), title, folder / name)


def ends(rows):
    return {row["step"]: (int(row["people"]), row["ended"]) for row in rows if row["ended"]}


def draw(lines, ends, title, file):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    for (step, points), colour in zip(sorted(lines.items()), COLOURS, strict=False):
        people = sorted(points)
        means = [sum(points[number]) / len(points[number]) for number in people]
        axes.plot(people, means, color=colour, marker="o", linewidth=2)
        low = [min(points[number]) for number in people]
        high = [max(points[number]) for number in people]
        axes.fill_between(people, low, high, color=colour, alpha=0.2, linewidth=0)
        where, why = ends.get(step, (0, ""))
        label = f"{step}: {why}" if where == people[-1] else step
        axes.annotate(
            label, (people[-1], means[-1]), (6, 4), textcoords="offset points", color=colour
        )
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=0.01 if "seconds" in title else 1)
    axes.set_title(title, color=GREY, loc="left")
    axes.set_xlabel("people at once", color=GREY)
    axes.margins(x=0.02)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for part in (axes.spines["left"], axes.spines["bottom"]):
        part.set_color(GREY)
    axes.tick_params(which="both", colors=GREY)
    figure.savefig(file, transparent=True, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
