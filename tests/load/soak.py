"""A long run of step 05 under disturbances: what does it lose, and what does it keep?

python tests/load/soak.py --minutes 60

People start jobs, drop their streams and come back, while web workers are restarted and killed,
subscriptions are cut and the Celery worker is replaced. Linux only; to be run by hand.
"""

import asyncio
import contextlib
import csv
import platform
import signal
import statistics
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click
import psutil
import redis

import servers
import soak_chart
from soak_disturbances import CYCLE, REPLACES_WEB_WORKERS, Disturber
from soak_people import Counts, Person
from workshop.load import roomy_worker, show_command
from workshop.processes import running
from workshop.steps import ROOT, find_step

RESULTS = ROOT / "notes" / "results"
SETTLING = 1  # minutes in which new web workers fill up
COLUMNS = (
    "date", "machine", "command", "minutes", "disturbance", "web MB", "web files", "web threads",
    "redis MB", "redis connections", "subscriptions", *Counts.__annotations__,
)  # fmt: skip


@click.command()
@click.option("--minutes", default=10, show_default=True, type=click.FloatRange(0, 120))
@click.option("--streams", default=500, show_default=True, type=click.IntRange(1, 2000))
@click.option("--every", default=30.0, show_default=True, help="Seconds between disturbances.")
@click.option("--sample", default=5.0, show_default=True, help="Seconds between two rows.")
@click.option("--pace", default=5.0, show_default=True, help="JOB_PACE, in seconds.")
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path), show_default=True)
def main(minutes, streams, every, sample, pace, results):
    """Interrupted, it stops its processes, and keeps and draws what it has."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows = []
    try:
        with recorded(results / "soak.csv", rows) as record:
            soak(record, minutes, streams, every, sample, pace)
    except KeyboardInterrupt:
        click.echo("interrupted")
    soak_chart.draw(results / "soak.csv", results / "soak.svg")
    click.echo(verdict(rows))


@contextlib.contextmanager
def recorded(file: Path, rows: list[dict]):
    """A function that adds a row, and writes it to the file immediately."""
    about = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{psutil.cpu_count()} cores, {platform.system()}, Python "
        f"{platform.python_version()}",
        "command": " ".join(["python tests/load/soak.py", *sys.argv[1:]]),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as target:
        writer = csv.DictWriter(target, COLUMNS, lineterminator="\n")
        writer.writeheader()

        def record(row):
            rows.append(about | row)
            writer.writerow(rows[-1])
            target.flush()

        yield record


def soak(record, minutes, streams, every, sample, pace):
    step_05 = find_step("5")
    worker = roomy_worker(step_05, streams)
    env = {"JOB_PACE": f"{pace:g}", "SECRET_KEY": servers.KEY}
    options = {"env": env, "commands": {"worker": worker}, "say": show_command}
    with running(step_05, **options) as step, redis.Redis.from_url(step.redis_url) as store:
        disturber = Disturber(step, worker, env, store)
        asyncio.run(live(step, store, disturber, record, minutes, streams, every, sample))


async def live(step, store, disturber, record, minutes, streams, every, sample):
    counts, happened = Counts(), []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60 * minutes), asyncio.TaskGroup() as group:
            for _ in range(streams):
                group.create_task(Person(step.url, store, counts).live(seconds_to_come=every))
            group.create_task(disturb(disturber, every, happened))
            group.create_task(watch(step, store, counts, happened, record, sample))


async def disturb(disturber, every, happened):
    while True:
        for name in CYCLE:
            await asyncio.sleep(every)
            disturber.disturb(name)
            happened.append(name)


async def watch(step, store, counts, happened, record, sample):
    began = time.monotonic()
    while True:
        await asyncio.sleep(sample)
        with contextlib.suppress(psutil.Error):  # one of the web workers has just gone
            seen = state(step, store)
            minutes = round((time.monotonic() - began) / 60, 2)
            now = {"minutes": minutes, "disturbance": " + ".join(happened)}
            record(now | seen | asdict(counts) | {"oldest": round(counts.oldest, 2)})
            happened.clear()
            counts.oldest = 0
            show(now, counts)


def state(step, store) -> dict:
    web = psutil.Process(step.processes["web"].popen.pid)
    processes = [web, *web.children(recursive=True)]
    info = store.info()
    channels = store.pubsub_numsub(*store.pubsub_channels())
    return {
        "web MB": round(sum(process.memory_full_info().pss for process in processes) / 1e6, 1),
        "web files": sum(process.num_fds() for process in processes),
        "web threads": sum(process.num_threads() for process in processes),
        "redis MB": round(info["used_memory"] / 1e6, 1),
        "redis connections": info["connected_clients"],
        "subscriptions": sum(subscribers for _, subscribers in channels),
    }


def show(now, counts):
    click.echo(
        f"{now['minutes']:6.2f} min  {counts.streams} streams, {counts.events} events, "
        f"{counts.lost} lost, {counts.duplicates} twice, {counts.resets} resets, "
        f"{counts.finished} jobs finished, {counts.failed} failed  {now['disturbance']}"
    )


def verdict(rows: list[dict]) -> str:
    if not rows:
        return "nothing was measured"
    last, grown = rows[-1], growth(rows)
    memory = "not measured" if grown is None else f"{grown:+.2f} MB a minute"
    return (
        f"{last['lost']} lost, {last['duplicates']} duplicates of {last['events']} events; "
        f"{last['hung']} jobs hung; growth of the web processes: {memory}"
    )


def growth(rows: list[dict]) -> float | None:
    """MB a minute, while the same web workers lived: the mean over all such stretches of time."""
    slopes = []
    for stretch in stretches(rows):
        minutes = [float(row["minutes"]) for row in stretch]
        settled = [n for n, minute in enumerate(minutes) if minute > minutes[0] + SETTLING]
        if len(settled) > 3:
            slope = statistics.linear_regression(
                [minutes[n] for n in settled], [float(stretch[n]["web MB"]) for n in settled]
            ).slope
            slopes += len(settled) * [slope]
    return statistics.mean(slopes) if slopes else None


def stretches(rows: list[dict]) -> list[list[dict]]:
    """Cut where web workers were replaced."""
    cut = [[]]
    for row in rows:
        if any(name in row["disturbance"] for name in REPLACES_WEB_WORKERS):
            cut.append([])
        cut[-1].append(row)
    return [stretch for stretch in cut if stretch]


if __name__ == "__main__":
    main()
