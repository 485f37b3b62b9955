"""The long run is sound: run shortly, it disturbs, compares and records; its chart repeats."""

import csv
import signal
import subprocess
import sys

import psutil
import pytest

from workshop.steps import ROOT
from workshop.testing import eventually

sys.path.insert(0, str(ROOT / "tests" / "load"))

import soak
import soak_chart
import soak_disturbances as disturbances

SCRIPT = ROOT / "tests" / "load" / "soak.py"
ROW = dict.fromkeys(soak.COLUMNS, "0") | {"disturbance": ""}


def written(file, rows):
    with file.open("w", newline="") as target:
        writer = csv.DictWriter(target, soak.COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def read(file):
    with file.open(newline="") as source:
        return list(csv.DictReader(source))


def command(folder, **options):
    said = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return [sys.executable, str(SCRIPT), "--results", str(folder), *said]


def test_the_same_numbers_give_the_same_chart(tmp_path):
    pytest.importorskip("matplotlib", reason="no matplotlib: 'uv sync --group charts'")
    rows = [
        ROW | {"minutes": "0.1", "web MB": "200", "streams": "20"},
        ROW | {"minutes": "0.2", "web MB": "210", "disturbance": disturbances.RESTART},
        ROW | {"minutes": "0.3", "web MB": "205", "streams": "20", "lost": "3"},
    ]
    written(tmp_path / "soak.csv", rows)
    for name in ("one.svg", "two.svg"):
        soak_chart.draw(tmp_path / "soak.csv", tmp_path / name)
    drawn = (tmp_path / "one.svg").read_bytes()
    assert drawn == (tmp_path / "two.svg").read_bytes()
    assert b"lost 3" in drawn


def test_growth_is_that_of_workers_that_lived_on_and_had_settled():
    grows_by_6 = [
        ROW | {"minutes": minute / 10, "web MB": 100 + 6 * minute / 10} for minute in range(20)
    ]
    replaced = ROW | {"minutes": 2, "web MB": 900, "disturbance": disturbances.RESTART}
    level = [ROW | {"minutes": 2 + minute / 10, "web MB": 50} for minute in range(1, 20)]
    assert soak.growth(grows_by_6) == pytest.approx(6)
    assert soak.growth([*grows_by_6, replaced, *level]) == pytest.approx(3, abs=0.2)
    assert soak.growth(grows_by_6[:3]) is None


@pytest.mark.slow
def test_20_streams_lose_nothing_whatever_is_disturbed(tmp_path):
    options = {"minutes": 0.5, "streams": 20, "every": 4.5, "sample": 2, "pace": 0.2}
    run = subprocess.run(command(tmp_path, **options), capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    rows = read(tmp_path / "soak.csv")
    last = rows[-1]
    assert (last["lost"], last["duplicates"], last["failed"], last["hung"]) == ("0", "0", "0", "0")
    assert int(last["finished"]) > 0
    assert int(last["events"]) > int(last["finished"])
    assert int(last["reconnects"]) > 0
    happened = " ".join(row["disturbance"] for row in rows)
    assert all(name in happened for name in disturbances.CYCLE)
    assert all(row[name] != "" for row in rows for name in soak.COLUMNS if name != "disturbance")
    assert all(
        float(row[name]) > 0 for row in rows for name in ("web MB", "web files", "redis MB")
    )
    assert run.stdout.splitlines()[-1].startswith("0 lost, 0 duplicates of ")


@pytest.mark.slow
def test_interrupted_it_stops_its_processes_and_keeps_what_it_has(tmp_path):
    file = tmp_path / "soak.csv"
    run = subprocess.Popen(
        command(tmp_path, minutes=5, streams=5, sample=1), stdout=subprocess.PIPE, text=True
    )
    try:
        eventually(lambda: file.exists() and read(file), seconds=90)
        children = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=60)
    finally:
        run.terminate()
        run.wait(60)
    assert "0 lost" in said.splitlines()[-1]
    assert read(file)
    eventually(lambda: not any(child.is_running() for child in children))
