"""`workshop load`: people at a step, simulated by its locust script, and what they felt."""

import contextlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from workshop.processes import running
from workshop.steps import find_step, procfile

METRICS = ("submit", "first update", "update delay", "finish", "bystander", "poll")


@click.command()
@click.argument("step")
@click.option("--users", default=10, show_default=True, help="People, each with a job.")
@click.option("--pace", default=5.0, show_default=True, help="JOB_PACE of the step, in seconds.")
@click.option("--time", "seconds", default=300, show_default=True, help="Stop after so long.")
@click.option("--url", help="A step that already runs; on this machine only.")
def load(step, users, pace, seconds, url):
    """Start a step (or take --url), let people use it, and say how it was for them."""
    folder = find_step(step)
    if url and urlsplit(url).hostname not in ("127.0.0.1", "localhost"):
        raise click.UsageError("Load goes to this machine only: http://127.0.0.1 and a port.")
    with contextlib.ExitStack() as stack:
        if url is None:
            commands = {"worker": roomy_worker(folder, users)}
            env = {"JOB_PACE": f"{pace:g}"}
            url = stack.enter_context(
                running(folder, env=env, commands=commands, say=show_command)
            ).url
        stats = run_locust(folder, url, users, seconds)
    show(stats)
    click.echo(f"{count(stats, 'finish')} of {users} people got their result")
    if not count(stats, "finish"):
        raise click.ClickException("No job finished.")


def roomy_worker(folder, users):
    """A thread for each person: such jobs mostly wait, and the web side is what is measured."""
    worker = procfile(folder).get("worker")
    roomy = f"--pool threads --concurrency {users}"
    return worker and re.sub(r"--concurrency \d+", roomy, worker)


def show_command(name, line):
    if name == "$":
        click.echo(f"$ {line}")


def run_locust(folder, url, users, seconds) -> dict[str, dict]:
    """The statistics of a run by name, as locust's --json-file has them (times in ms)."""
    with tempfile.TemporaryDirectory() as results:
        command = ["locust", "--headless", "--only-summary", "--loglevel", "CRITICAL"]
        command += ["-f", str(folder / "locustfile.py"), "--host", url, "--users", str(users + 1)]
        command += ["--spawn-rate", f"{max(4, users / 10):g}", "--run-time", f"{seconds}s"]
        show_command("$", " ".join(command) + f"   # {users} people and a bystander")
        command += ["--json-file", f"{results}/stats"]
        locust = [sys.executable, "-m", *command]
        with Console().status(f"{users} people are at work, for {seconds} s at most"):
            subprocess.run(locust, stdout=subprocess.DEVNULL, check=False)
        file = Path(results, "stats.json")
        if not file.exists():
            raise click.ClickException("locust did not finish; what it said is above.")
        return {entry["name"]: entry for entry in json.loads(file.read_text())}


def show(stats):
    table = Table(box=SIMPLE)
    table.add_column("seconds", no_wrap=True)
    for heading in ("count", "failed", "min", "average", "median", "p95", "max"):
        table.add_column(heading, justify="right")
    for name in (name for name in METRICS if name in stats):
        entry = stats[name]
        table.add_row(name, str(entry["num_requests"]), str(entry["num_failures"]), *times(entry))
    Console().print(table)
    for line in sums(stats):
        click.echo(line)


def times(entry):
    number = entry["num_requests"] or 1
    values = (
        entry["min_response_time"] or 0,
        entry["total_response_time"] / number,
        percentile(entry, 0.5),
        percentile(entry, 0.95),
        entry["max_response_time"],
    )
    return [f"{value / 1000:.3f}" for value in values]


def percentile(entry: dict, share: float) -> float:
    """The time in ms in which this share of the requests was answered, as locust rounds it."""
    ordered = sorted((float(time), number) for time, number in entry["response_times"].items())
    wanted = share * sum(number for _, number in ordered)
    seen = 0
    for time, number in ordered:
        seen += number
        if seen >= wanted:
            return min(time, entry["max_response_time"])
    return 0


def sums(stats):
    finished = count(stats, "finish")
    requests = sum(count(stats, name) for name in ("open page", "submit", "poll", "stream"))
    if finished:
        yield f"{requests / finished:.1f} requests per finished job"
    # Two events of a stream may have the same millisecond, and then one counts as nothing new.
    nothing, polls = count(stats, "nothing new"), count(stats, "poll")
    if nothing and polls:
        yield f"{100 * nothing / polls:.0f} % of {polls} polls brought nothing new"
    if "stream" in stats:
        refused = stats["stream"]["num_failures"]
        yield f"{count(stats, 'stream')} streams were held, {refused} refused"
    if "check" in stats:
        found = {name: count(stats, name) for name in ("reconnect", "gap", "duplicate")}
        yield "{reconnect} reconnects, {gap} gaps and {duplicate} duplicates".format(**found)


def count(stats, name):
    entry = stats.get(name, {"num_requests": 0, "num_failures": 0})
    return entry["num_requests"] - entry["num_failures"]
