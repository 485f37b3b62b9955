"""Every step under the same load, in two tables and four charts.

workshop compare --quick      # the same as: python tests/load/compare.py --quick
"""

import csv
import platform
import re
import resource
import time
from importlib.metadata import version
from pathlib import Path

import click
import psutil
from rich.console import Console

import charts
import story
from sampling import cost, sampled
from workshop.load import count, percentile, roomy_worker, run_locust
from workshop.processes import running
from workshop.steps import ROOT, find_step

COMMITTED = ROOT / "notes" / "results"
STEPS, PEOPLE = ("1", "2", "3", "4", "5"), (10, 50, 100, 200, 1000)
UPDATES = 6  # of a job
COLUMNS = (
    "date", "machine", "versions", "command", "step", "people", "repeat", "served", "failed %",
    "ended", "submit p50 s", "finish max s", "bystander p95 s", "delay p50 s", "delay p95 s",
    "requests per job", "web MB", "KB per person", "web threads", "web files",
    "redis connections", "CPU s per 1000 updates", "locust CPU share",
)  # fmt: skip


@click.command()
@click.option("--quick", is_flag=True, help="10 and 50 people, once: about 3 minutes.")
@click.option("--steps", default=",".join(STEPS), show_default=True)
@click.option("--people", default=",".join(map(str, PEOPLE)), show_default=True)
@click.option("--repeats", default=2, show_default=True)
@click.option("--pace", default=2.0, show_default=True, help="JOB_PACE, in seconds.")
@click.option("--longest", default=140, show_default=True, help="Seconds for a point.")
@click.option("--results", type=click.Path(path_type=Path), help="A folder; by default in mine/.")
def compare(quick, steps, people, repeats, pace, longest, results):
    """Measure the steps one after another, and draw charts. Started again, it continues."""
    if quick:
        people, repeats, pace, longest = "10,50", 1, 0.5, 40
    results = results or ROOT / "mine" / ("quick" if quick else "compared")
    command = f"workshop compare --pace {pace:g} --longest {longest}"
    file, steps = results / "compare.csv", steps.split(",")
    check_that_it_can_go_on(file, command)
    points = [
        (step, int(number), repeat)
        for step in steps
        for number in people.split(",")
        for repeat in range(1, repeats + 1)
    ]
    clock = Clock(len(points))
    for point in points:
        rows = read(file)
        if reason := needless(rows, *point):
            clock.skip(f"{describe(*point)}: {reason}")
            continue
        clock.start(describe(*point))
        write(file, [*rows, {"command": command, **measured(*point, pace, longest)}])
    if not quick:
        story.measure(steps, results)
    draw(results)
    click.echo(f"Done. The tables and charts are in {results}; delete it to measure anew.")


def check_that_it_can_go_on(file, command):
    others = {row["command"] for row in read(file)} - {command}
    if others:
        raise click.ClickException(
            f"{file} has rows of another command ({', '.join(others)}). Delete it, or choose "
            "another folder with --results."
        )


class Clock:
    """Says what is measured, how far it is, and about how long it will still take."""

    def __init__(self, points: int):
        self.left, self.points = points, points
        self.began, self.measured = time.monotonic(), 0

    def skip(self, what):
        self.say(what)

    def start(self, what):
        self.say(f"{what}{self.still()}")
        self.measured += 1

    def say(self, what):
        click.echo(f"{self.points - self.left + 1} of {self.points}: {what}")
        self.left -= 1

    def still(self):
        if not self.measured:
            return ""
        each = (time.monotonic() - self.began) / self.measured
        return f"; {each * self.left / 60:.0f} minutes left at most, if it goes on like this"


def describe(step, people, repeat):
    return f"{find_step(step).name}, {people} people, run {repeat}"


def needless(rows, step, people, repeat):
    """Why this point need not be measured: it was already, or the step ended at fewer people."""
    name = find_step(step).name
    mine = [row for row in rows if row["step"] == name]
    if any((int(row["people"]), int(row["repeat"])) == (people, repeat) for row in mine):
        return "measured already"
    ends = [int(row["people"]) for row in mine if row["ended"]]
    return f"ended at {min(ends)} people" if ends and min(ends) < people else ""


def measured(step, people, repeat, pace, longest):
    folder = find_step(step)
    commands = {"worker": roomy_worker(folder, people)}
    env = {"JOB_PACE": f"{pace:g}"}
    with running(folder, env=env, commands=commands) as step_is_running:
        began, spent = time.monotonic(), children_cpu()
        with sampled(step_is_running) as sample:
            stats = run_locust(folder, step_is_running.url, people, longest)
        share = (children_cpu() - spent) / (time.monotonic() - began)
    return {
        **where(),
        "step": folder.name,
        "people": people,
        "repeat": repeat,
        **felt(stats, people, longest),
        **cost(sample, people, count(stats, "finish") * UPDATES),
        "locust CPU share": round(share, 2),
    }


def where():
    packages = ("flask", "celery", "redis", "gunicorn", "gevent", "locust")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{psutil.cpu_count()} cores, {platform.system()}",
        "versions": f"python {platform.python_version()} "
        + " ".join(f"{name} {version(name)}" for name in packages),
    }


def felt(stats: dict, people: int, longest: int) -> dict:
    """What people felt, from locust's statistics."""
    served = count(stats, "finish")
    asked = ("open page", "submit", "poll", "stream", "finish")
    tried = sum(stats[name]["num_requests"] for name in asked if name in stats)
    failures = sum(stats[name]["num_failures"] for name in asked if name in stats)
    failed = 100 * failures / tried if tried else 100
    requests = sum(count(stats, name) for name in asked[:-1])
    refused = stats.get("stream", {}).get("num_failures", 0)
    ended = ""
    if refused:
        ended = f"{refused} streams refused"
    elif served < 0.95 * people:
        ended = f"{people - served} not served in {longest} s"
    elif failed > 5:
        ended = f"{failed:.0f} % of requests failed"
    return {
        "served": served,
        "failed %": round(failed, 1),
        "ended": ended,
        "submit p50 s": seconds(stats, "submit", 0.5),
        "finish max s": seconds(stats, "finish", 1),
        "bystander p95 s": seconds(stats, "bystander", 0.95),
        "delay p50 s": seconds(stats, "update delay", 0.5),
        "delay p95 s": seconds(stats, "update delay", 0.95),
        "requests per job": round(requests / served, 1) if served else "",
    }


def seconds(stats, name, share):
    return round(percentile(stats[name], share) / 1000, 3) if name in stats else ""


def children_cpu():
    """Of processes that have ended: locust, while the step still runs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read(file: Path) -> list[dict]:
    if not file.exists():
        return []
    with file.open(newline="") as source:
        return list(csv.DictReader(source))


def write(file: Path, rows: list[dict]):
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as target:
        writer = csv.DictWriter(target, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def draw(results: Path):
    """The table and the charts, of nothing but the CSV: the same data give the same bytes."""
    rows = read(results / "compare.csv")
    if stories := read(results / "story.csv"):
        (results / "story.md").write_text(charts.markdown(stories, story.SHOWN))
    (results / "compare.md").write_text(charts.table(rows))
    (results / "summary.md").write_text(charts.summary(rows))
    if results.resolve() == COMMITTED:
        include(ROOT / "README.md")
    try:
        charts.draw_all(rows, results)
    except ImportError:
        Console().print("No charts: get matplotlib with 'uv sync --group charts'.")


def include(page: Path):
    """Puts the tables between their marks: <!-- results/summary.md --> and <!-- end -->."""
    marked = r"(<!-- results/(\S+) -->\n).*?(<!-- end -->)"

    def filled(match):
        return match[1] + (COMMITTED / match[2]).read_text() + match[3]

    page.write_text(re.sub(marked, filled, page.read_text(), flags=re.DOTALL))


if __name__ == "__main__":
    compare()
