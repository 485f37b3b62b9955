"""The comparison computes what a calculation by hand gives, and shows what was measured."""

import socket
import subprocess
import sys

import click
import httpx
import pytest

from workshop.steps import ROOT, find_step

sys.path.insert(0, str(ROOT / "tests" / "load"))

import charts
import compare
import sampling
import story
from relay import relay

RESULTS = ROOT / "notes" / "results"


def entry(times, failures=0):
    """Statistics of one name, as locust writes them: {milliseconds: number of requests}."""
    return {
        "num_requests": sum(times.values()),
        "num_failures": failures,
        "response_times": times,
        "max_response_time": max(times),
    }


def row(step, people, repeat=1, **values):
    return dict.fromkeys(compare.COLUMNS, "") | {
        "step": step,
        "people": str(people),
        "repeat": str(repeat),
        "locust CPU share": "0.2",
        **values,
    }


def test_what_people_felt_is_what_a_hand_calculation_gives():
    stats = {
        "open page": entry({5: 10}),
        "submit": entry({20: 10}),
        "stream": entry({1: 10}),
        "finish": entry({6000: 9, 6500: 1}),
        "update delay": entry({2: 50, 4: 40, 100: 10}),
        "bystander": entry({3: 19, 50: 1}),
    }
    felt = compare.felt(stats, people=10, longest=140)
    assert (felt["served"], felt["failed %"], felt["ended"]) == (10, 0, "")
    assert (felt["delay p50 s"], felt["delay p95 s"]) == (0.002, 0.1)
    assert (felt["bystander p95 s"], felt["finish max s"]) == (0.003, 6.5)
    assert (felt["submit p50 s"], felt["requests per job"]) == (0.02, 3)


def test_what_it_cost_is_what_a_hand_calculation_gives():
    def look(mb, cpu, threads):
        had = {"web MB": mb, "web CPU s": cpu, "web threads": threads}
        return had | {"web files": 20, "redis connections": 3}

    sample = [look(50, 1.0, 2), look(62, 2.0, 12), look(61, 2.2, 7)]
    cost = sampling.cost(sample, people=10, updates=60)
    assert cost == {
        "web MB": 62,
        "KB per person": 1200,
        "web threads": 12,
        "web files": 20,
        "redis connections": 3,
        "CPU s per 1000 updates": 20,
    }


def test_rows_of_another_command_are_not_mixed_in(tmp_path):
    file = tmp_path / "compare.csv"
    compare.write(file, [row("01-sync", 10, command="workshop compare --pace 2")])
    compare.check_that_it_can_go_on(file, "workshop compare --pace 2")
    with pytest.raises(click.ClickException, match="--results"):
        compare.check_that_it_can_go_on(file, "workshop compare --pace 1")


def test_bytes_that_pass_the_relay_are_counted_in_both_directions():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with relay(f"http://127.0.0.1:{port}") as (url, wire):
            with socket.create_connection(("127.0.0.1", httpx.URL(url).port)) as client:
                client.sendall(b"12345")
                there, _ = server.accept()
                with there:
                    there.sendall(b"123")
                    assert client.recv(10) == b"123"
                    assert there.recv(10) == b"12345"
            assert wire.bytes == 8


@pytest.mark.parametrize(
    ("stats", "reason"),
    [
        ({"stream": entry({1: 10}, failures=4), "finish": entry({9: 10})}, "4 streams refused"),
        ({"finish": entry({9: 5})}, "5 not served in 140 s"),
        ({"poll": entry({9: 90}, failures=9), "finish": entry({9: 10})}, "9 % of requests failed"),
    ],
)
def test_where_a_step_ends_is_reported_with_the_cause(stats, reason):
    assert compare.felt(stats, people=10, longest=140)["ended"] == reason


@pytest.mark.parametrize(
    ("shown", "last", "right"),
    [
        ("PROGRESS", "SUCCESS", True),
        ("FAILURE", "FAILURE", True),
        ("SUCCESS", "SUCCESS", True),
        ("PROGRESS", "FAILURE", False),  # the job was lost already, and the page didn't say so
        (None, None, False),
    ],
)
def test_a_page_is_right_that_shows_what_becomes_of_the_job(shown, last, right):
    assert story.is_right(shown, last) == right


@pytest.mark.slow
@pytest.mark.parametrize(("step", "lost", "failed"), [("3", 3, 50), ("5", 0, 0)])
def test_a_restart_and_a_second_process_show_what_a_step_cannot(monkeypatch, step, lost, failed):
    monkeypatch.setattr(story, "PACE", 2)
    row = story.story_of(find_step(step))
    assert row.keys() == set(story.COLUMNS) - {"step"}
    assert row["jobs lost by restart"] == lost
    assert row["right again s"] > 0
    assert row["failed beside a second %"] == failed
    assert row["three submits s"] < row["three finish s"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="this machine cannot: it has no epoll")
@pytest.mark.parametrize("server", ["03", "04", "05"])
def test_every_stream_is_opened_and_gets_every_event(tmp_path, server):
    script, file = ROOT / "tests" / "load" / "streams.py", tmp_path / "streams.csv"
    options = ["--streams", "20", "--results", str(file), server]
    subprocess.run([sys.executable, str(script), *options], check=True, timeout=180)
    (row,) = compare.read(file)
    assert (row["server"], row["open"], row["delivered"]) == (server, "20", "20")


def test_a_point_is_measured_once_and_not_beyond_the_end_of_a_step():
    rows = [row("01-sync", 10), row("01-sync", 50, ended="40 not served in 140 s")]
    assert compare.needless(rows, "1", 10, 1) == "measured already"
    assert compare.needless(rows, "1", 10, 2) == ""
    assert compare.needless(rows, "1", 50, 2) == ""  # where it ends is measured twice, too
    assert compare.needless(rows, "1", 100, 1) == "ended at 50 people"
    assert compare.needless(rows, "2", 100, 1) == ""


def test_repeats_are_averaged_and_saturated_points_are_marked_and_not_drawn():
    rows = [
        row("a", 10, 1, **{"web MB": "10"}),
        row("a", 10, 2, **{"web MB": "30"}),
        row("a", 50, 1, **{"web MB": "99", "locust CPU share": "0.97"}),
    ]
    table = charts.table(rows).splitlines()
    assert "| 20 |" in table[2]
    assert table[3].endswith("(locust was saturated: not used) |")
    assert charts.by_step(charts.usable(rows), "web MB") == {"a": {10: [10, 30]}}


def test_the_summary_has_the_most_people_before_a_step_ended():
    rows = [
        row("a", 10, 1, **{"delay p95 s": "2"}),
        row("a", 10, 2, **{"delay p95 s": "4"}),
        row("a", 50, 1, ended="5 not served in 140 s"),
        row("a", 50, 2),
    ]
    (line,) = charts.summary(rows).splitlines()[2:]
    assert line.startswith("| a | 10 | 3 |")
    assert line.endswith("| 50 people: 5 not served in 140 s, in 1 of 2 runs |")


def test_the_committed_tables_are_what_the_committed_numbers_give():
    rows, stories = (compare.read(RESULTS / name) for name in ("compare.csv", "story.csv"))
    assert rows
    assert (RESULTS / "compare.md").read_text() == charts.table(rows)
    assert (RESULTS / "summary.md").read_text() == charts.summary(rows)
    assert (RESULTS / "story.md").read_text() == charts.markdown(stories, story.SHOWN)


def test_the_committed_charts_are_what_the_committed_numbers_give(tmp_path):
    pytest.importorskip("matplotlib", reason="no matplotlib: 'uv sync --group charts'")
    charts.draw_all(compare.read(RESULTS / "compare.csv"), tmp_path)
    for name in charts.CHARTS:
        assert (tmp_path / name).read_bytes() == (RESULTS / name).read_bytes(), name
