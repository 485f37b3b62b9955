"""What does a stream cost? Holds many of one server, publishes events, and prints the cost.

python tests/load/streams.py --streams 1000 03 04 05 flask-sse sse-starlette

For each server: bytes per stream (PSS of the web processes, before and after each stream has had
an event), seconds to open them all, CPU of the web processes per delivery, and the age of the
events when they arrive. Linux only. No test runs it with as many streams.
"""

import contextlib
import csv
import statistics
import sys
import time
from pathlib import Path

import click
import psutil
from rich.console import Console
from rich.table import Table

import servers
from clients import Clients

COLUMNS = (
    "server", "processes", "streams", "open", "opened in s", "bytes each", "after events",
    "events", "delivered", "us each", "p50 ms", "p95 ms", "p99 ms",
)  # fmt: skip


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--streams", default=1000, show_default=True, help="Streams, each of its own user.")
@click.option("--processes", default=2, show_default=True, help="Web processes.")
@click.option("--events", default=1, show_default=True, help="Events to each user.")
@click.option(
    "--fanout", is_flag=True, help="All streams are of one user, with 10 events a second."
)
@click.option("--clients", default=2, show_default=True, help="Processes that hold the streams.")
@click.option("--results", type=click.Path(), help="Append the rows to this CSV file.")
def main(names, streams, processes, events, fanout, clients, results):
    rows = []
    for name in names:
        with servers.start(name, processes, streams, users=1 if fanout else streams) as server:
            rows.append(measured(server, name, streams, processes, events, fanout, clients))
        show(rows)
        if results:
            append(Path(results), rows[-1])


def measured(server, name, streams, processes, events, fanout, clients):
    row = dict.fromkeys(COLUMNS, "") | {"server": name, "processes": processes, "streams": streams}
    before = memory(server)
    began = time.time()
    requests = [server.request(number) for number in range(streams)]
    held = Clients(server.address, requests, clients, server.silent)
    with contextlib.closing(held):
        row["open"] = held.opened()
        if server.silent:
            row["open"] = open_after_a_first_event(server, held, streams)
        row["opened in s"] = round(time.time() - began, 1)
        time.sleep(2)  # what was needed only to open them is given back
        row["bytes each"] = (memory(server) - before) // max(1, row["open"])
        held.ages()
        idle = cpu_rate(server)
        began, spent = time.time(), cpu(server)
        server.publish(events, pause=0.1 if fanout else 0)
        ages = arrived(held, events * row["open"], server.patience)
        spent = cpu(server) - spent - idle * (time.time() - began)
        row |= {"events": events, "delivered": len(ages)}
        row["after events"] = (memory(server) - before) // max(1, row["open"])
        if ages:
            cuts = statistics.quantiles(ages, n=100, method="inclusive") if len(ages) > 1 else ages
            row["us each"] = round(spent / len(ages) * 1e6, 1)
            for percent in (50, 95, 99):
                row[f"p{percent} ms"] = round(1000 * cuts[min(percent, len(cuts)) - 1], 1)
    return row


def open_after_a_first_event(server, held, streams):
    time.sleep(streams / 200)  # to subscribe
    server.publish(1, pause=0)
    return len(arrived(held, streams, server.patience))


def arrived(held, expected, patience):
    """The ages of the events, when all have come or no more come."""
    ages, last = [], time.time()
    while len(ages) < expected and time.time() - last < patience:
        time.sleep(0.5)
        if new := held.ages():
            ages, last = ages + new, time.time()
    return ages


def memory(server):
    """PSS in bytes: memory that processes share is counted once."""
    return sum(process.memory_full_info().pss for process in server.processes())


def cpu(server):
    return sum(sum(process.cpu_times()[:2]) for process in server.processes())


def cpu_rate(server):
    """What the server spends on nothing, such as heartbeats: seconds a second."""
    before = cpu(server)
    time.sleep(3)
    return (cpu(server) - before) / 3


def show(rows):
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(
            *(f"{row[name]:,}" if type(row[name]) is int else str(row[name]) for name in COLUMNS)
        )
    Console(width=150).print(table)


def append(file, row):
    new = not file.exists()
    with file.open("a", newline="") as out:
        writer = csv.DictWriter(out, ["date", "cores", "command", *COLUMNS], lineterminator="\n")
        if new:
            writer.writeheader()
        command = " ".join(["streams.py", *sys.argv[1:]])
        writer.writerow(
            row
            | {"date": time.strftime("%Y-%m-%d"), "cores": psutil.cpu_count(), "command": command}
        )


if __name__ == "__main__":
    main()
