"""Every step under the same load, in one table and four charts.

workshop compare --quick      # the same as: python tests/load/compare.py --quick
"""

import contextlib
import csv
import platform
import resource
import threading
import time
from pathlib import Path

import click
import psutil
import redis
from rich.console import Console

import charts
from workshop.load import count, percentile, roomy_worker, run_locust
from workshop.processes import running
from workshop.steps import ROOT, find_step

RESULTS = ROOT / "notes" / "results"
STEPS, PEOPLE = ("1", "2", "3", "4", "5"), (10, 50, 100, 200, 1000)
LONGEST = 140  # seconds for a point
COLUMNS = (
    "date", "machine", "command", "step", "people", "repeat", "served", "failed %", "ended",
    "finish max s", "bystander p95 s", "delay p50 s", "delay p95 s", "requests per job",
    "web MB", "web threads", "web files", "web CPU s", "redis connections", "locust CPU share",
)  # fmt: skip


@click.command()
@click.option("--quick", is_flag=True, help="10 and 50 people, once.")
@click.option("--steps", default=",".join(STEPS), show_default=True)
@click.option("--people", default=",".join(map(str, PEOPLE)), show_default=True)
@click.option("--repeats", default=2, show_default=True)
@click.option("--pace", default=2.0, show_default=True, help="JOB_PACE, in seconds.")
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path), show_default=True)
def compare(quick, steps, people, repeats, pace, results):
    """Measure the steps one after another, and draw what came of it. Interrupted, it goes on."""
    if quick:
        people, repeats, pace = "10,50", 1, 0.5
    points = [
        (step, int(number), repeat)
        for step in steps.split(",")
        for number in people.split(",")
        for repeat in range(1, repeats + 1)
    ]
    file = results / "compare.csv"
    for done, point in enumerate(points):
        rows = read(file)
        if reason := needless(rows, *point):
            click.echo(f"{done}/{len(points)} {describe(*point)}: {reason}")
            continue
        click.echo(f"{done}/{len(points)} {describe(*point)}, at most {LONGEST} s")
        write(file, [*rows, measured(*point, pace)])
    draw(results)


def describe(step, people, repeat):
    return f"{find_step(step).name}, {people} people, run {repeat}"


def needless(rows, step, people, repeat):
    """Why this point need not be measured: it was, or the step has ended before."""
    name = find_step(step).name
    mine = [row for row in rows if row["step"] == name]
    if any((int(row["people"]), int(row["repeat"])) == (people, repeat) for row in mine):
        return "measured already"
    ends = [int(row["people"]) for row in mine if row["ended"]]
    return f"ended at {min(ends)} people" if ends and min(ends) <= people else ""


def measured(step, people, repeat, pace):
    folder = find_step(step)
    commands = {"worker": roomy_worker(folder, people)}
    env = {"JOB_PACE": f"{pace:g}"}
    with running(folder, env=env, commands=commands) as step_is_running:
        began, spent = time.monotonic(), children_cpu()
        with sampled(step_is_running) as sample:
            stats = run_locust(folder, step_is_running.url, people, LONGEST)
        share = (children_cpu() - spent) / (time.monotonic() - began)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{psutil.cpu_count()} cores, {platform.system()}, Python "
        f"{platform.python_version()}",
        "command": f"workshop compare --pace {pace:g}",
        "step": folder.name,
        "people": people,
        "repeat": repeat,
        **felt(stats, people),
        **sample,
        "locust CPU share": round(share, 2),
    }


def felt(stats: dict, people: int) -> dict:
    """What people felt, of locust's statistics."""
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
        ended = f"{people - served} not served in {LONGEST} s"
    elif failed > 5:
        ended = f"{failed:.0f} % of requests failed"
    return {
        "served": served,
        "failed %": round(failed, 1),
        "ended": ended,
        "finish max s": seconds(stats, "finish", 1),
        "bystander p95 s": seconds(stats, "bystander", 0.95),
        "delay p50 s": seconds(stats, "update delay", 0.5),
        "delay p95 s": seconds(stats, "update delay", 0.95),
        "requests per job": round(requests / served, 1) if served else "",
    }


def seconds(stats, name, share):
    return round(percentile(stats[name], share) / 1000, 3) if name in stats else ""


@contextlib.contextmanager
def sampled(step):
    """Fills a dict with the most that the web processes had of each, while the block runs."""
    most, over = {}, threading.Event()
    web = psutil.Process(step.processes["web"].popen.pid)

    def look():
        processes = [web, *web.children(recursive=True)]
        cpu = sum(sum(process.cpu_times()[:2]) for process in processes)
        now = {
            "web MB": round(sum(p.memory_full_info().pss for p in processes) / 1e6, 1),
            "web threads": sum(process.num_threads() for process in processes),
            "web files": sum(process.num_fds() for process in processes),
            "web CPU s": round(cpu, 1),
            "redis connections": connections(step),
        }
        most.update({name: max(most.get(name, 0), value) for name, value in now.items()})

    def watch():
        while not over.wait(0.5):
            with contextlib.suppress(psutil.Error, redis.RedisError):
                look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def connections(step):
    if not step.redis_url:
        return 0
    with redis.Redis.from_url(step.redis_url) as client:
        return client.info("clients")["connected_clients"] - 1


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
    (results / "compare.md").write_text(charts.table(rows))
    try:
        charts.draw_all(rows, results)
    except ImportError:
        Console().print("No charts: get matplotlib with 'uv sync --group charts'.")


if __name__ == "__main__":
    compare()
