"""The bench: what `workshop` starts, says and leaves behind."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
import redis
from click.testing import CliRunner

from workshop import cli, load, processes
from workshop.steps import ROOT, all_steps, find_step
from workshop.testing import Person, eventually

LAST = all_steps()[-1]


class Bench:
    """`workshop start` in a session of its own, as a person starts it in a terminal."""

    def __init__(self, **env):
        self.port, self.redis_port = processes.free_port(), processes.free_port()
        ports = ["--port", str(self.port), "--redis-port", str(self.redis_port)]
        self.popen = subprocess.Popen(
            [Path(sys.executable).parent / "workshop", "start", "2", *ports],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=os.environ | {"JOB_PACE": "0.3"} | env,
        )
        self.url = f"http://127.0.0.1:{self.port}"
        self.family = []
        self.heard = ""

    def hear(self, words):
        for line in self.popen.stdout:  # ends with the bench, which gives up after a while
            self.heard += line
            if words in line:
                break
        assert words in self.heard, self.heard

    def ready(self):
        self.hear("is ready")
        self.family = psutil.Process(self.popen.pid).children(recursive=True)
        return self

    def said(self):
        output, _ = self.popen.communicate(timeout=60)
        return self.heard + output

    def kill(self):
        for process in [*self.family, self.popen]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def ended(self):
        return self.popen.poll() is not None and not any(p.is_running() for p in self.family)


@pytest.fixture
def bench(valkey_url):
    made = Bench(REDIS_URL=valkey_url)
    yield made.ready()
    made.kill()


@pytest.fixture
def valkey_url():
    with processes.embedded_valkey(processes.free_port()) as url:
        yield url


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_start_stops_all_of_it_in_order_and_without_a_traceback(bench, sign):
    os.killpg(bench.popen.pid, sign)  # a terminal tells the whole group
    bench.hear("stopping web")
    os.killpg(bench.popen.pid, signal.SIGHUP)  # and then somebody closes it
    said = bench.said()
    assert bench.popen.returncode == 0
    assert said.index("stopping web") < said.index("stopping worker") < said.index("all stopped")
    assert "Traceback" not in said
    eventually(bench.ended)


def test_start_lets_a_job_in_progress_finish(bench, valkey_url):
    with Person(bench.url) as person:
        task_id = person.task_id("optimize")
        eventually(lambda: person.task(task_id)["state"] == "PROGRESS")
        bench.popen.send_signal(signal.SIGINT)
        assert "Traceback" not in bench.said()
        web_only = {"worker": None}
        with processes.running(find_step("2"), redis_url=valkey_url, commands=web_only) as again:
            answer = httpx.get(f"{again.url}/tasks/{task_id}", cookies=person.cookies)
            assert answer.json()["state"] == "SUCCESS"


def test_start_with_an_embedded_valkey_leaves_nothing_running(monkeypatch):
    monkeypatch.delenv("REDIS_URL", raising=False)
    bench = Bench().ready()
    assert any("valkey" in process.name() for process in bench.family)
    os.killpg(bench.popen.pid, signal.SIGINT)
    said = bench.said()
    assert f"$ | workshop redis serve --port {bench.redis_port}" in said
    assert "$ | celery -A tasks worker" in said
    assert f"02-celery-polling is ready: {bench.url}" in said
    assert said.index("stopping worker") < said.index("stopping Valkey")
    eventually(bench.ended)


def test_one_process_dies_and_the_others_are_stopped(bench):
    worker = next(p for p in bench.family if "celery" in " ".join(p.cmdline()))
    worker.kill()
    said = bench.said()
    assert bench.popen.returncode == 1
    assert "worker ended with status -9" in said
    eventually(bench.ended)


def test_a_taken_port_is_named_with_the_mend():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = CliRunner().invoke(cli.main, ["start", "1", "--port", str(port)])
    assert answer.exit_code == 1
    assert f"Port {port}, for the page, is taken." in answer.output
    assert "--port" in answer.output


def test_a_step_that_cannot_start_says_why():
    missing = {"worker": "no-such-program"}
    with (
        pytest.raises(processes.click.ClickException, match="no-such-program: not found"),
        processes.running(find_step("2"), commands=missing) as _,
    ):
        pass


def test_an_unknown_step_is_named_with_those_that_exist():
    answer = CliRunner().invoke(cli.main, ["start", "9"])
    assert answer.exit_code == 2
    assert "There is no step 9." in answer.output
    assert "01-sync" in answer.output


def test_diff_shows_the_code_in_reading_order_and_names_the_rest():
    answer = CliRunner().invoke(cli.main, ["diff", "1", "2"])
    shown = re.findall(r"^\S*diff --git a/\S+ b/(?:[\w-]+/)?(\S+)", answer.output, re.MULTILINE)
    assert [name for name in shown if name in ("Procfile", "app.py", "tasks.py", "store.py")] == [
        "Procfile",
        "app.py",
        "tasks.py",
        "store.py",
    ]
    assert not [name for name in shown if name.startswith(("tests/", "jobs/"))]
    assert "Not shown without --all: README.md" in answer.output


def test_diff_of_named_files_shows_them_as_they_are_named():
    answer = CliRunner().invoke(cli.main, ["diff", "1", "2", "tasks.py", "README.md", "app.py"])
    assert re.findall(r"[+]{3} b/\S+/(\S+)", answer.output) == ["tasks.py", "README.md", "app.py"]
    answer = CliRunner().invoke(cli.main, ["diff", "1", "2", "jobs/geo.py"])
    assert answer.exit_code == 2
    assert "Nothing has changed in jobs/geo.py" in answer.output


def test_what_follows_the_step_goes_to_pytest():
    answer = CliRunner().invoke(cli.main, ["test", "1", "-q", "-k", "no_such_test"])
    assert answer.exit_code == pytest.ExitCode.NO_TESTS_COLLECTED


def test_doctor_says_yes_or_how_to_mend():
    answer = CliRunner().invoke(cli.main, ["doctor"])
    assert answer.exit_code == 0
    assert "the embedded Valkey starts" in answer.output
    verdicts = [line for line in answer.output.splitlines() if not line.startswith("     ")]
    assert all(line.startswith(("yes ", "NO  ")) for line in verdicts)
    assert answer.output.count("->") == sum(line.startswith("NO") for line in verdicts)


def test_redis_looks_into_a_running_step(valkey_url, monkeypatch):
    monkeypatch.setenv("REDIS_URL", valkey_url)

    def ask(*words):
        return CliRunner().invoke(cli.main, ["redis", *words]).output

    assert ask("ask", "SET", "greeting", "hello") == "True\n"
    assert "hello" in ask("ask", "GET", "greeting")
    assert re.search(r"string +\d+ bytes +-1 s  greeting", ask("keys"))
    assert "wrong number of arguments" in ask("ask", "GET")
    assert ask("channels") == ""


def test_redis_finds_that_of_a_running_step_whatever_its_port(bench, valkey_url, monkeypatch):
    monkeypatch.delenv("REDIS_URL", raising=False)
    with redis.Redis.from_url(valkey_url) as client:
        client.set("greeting", "hello")
    answer = CliRunner().invoke(cli.main, ["redis", "--step", "2", "ask", "GET", "greeting"])
    assert "hello" in answer.output


@pytest.fixture
def monitor(valkey_url):
    command = [Path(sys.executable).parent / "workshop", "redis", "monitor"]
    env = os.environ | {"REDIS_URL": valkey_url, "PYTHONUNBUFFERED": "1"}
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with (
        subprocess.Popen(command, env=env, **output) as process,
        redis.Redis.from_url(valkey_url) as client,
    ):
        process.redis = client
        eventually(lambda: client.info("clients")["connected_clients"] == 2)
        yield process
        process.kill()


def test_redis_monitor_shows_what_redis_is_asked(monitor):
    monitor.redis.set("greeting", "hello")
    line = next(line for line in monitor.stdout if "greeting" in line)
    assert line.endswith("SET greeting hello\n")
    monitor.send_signal(signal.SIGINT)
    assert monitor.wait(10) == 0


def test_redis_monitor_says_so_when_redis_goes(monitor):
    monitor.redis.shutdown(nosave=True)
    said, _ = monitor.communicate(timeout=30)
    assert said.endswith("Error: Redis has gone; was its step stopped?\n")


@pytest.mark.parametrize("command", [("redis", "keys"), ("start", "2")])
@pytest.mark.parametrize("url", ["redis://127.0.0.1:{}", "127.0.0.1:{}"])
def test_redis_away_is_named_with_the_mend(monkeypatch, command, url):
    monkeypatch.setenv("REDIS_URL", url.format(processes.free_port()))
    answer = CliRunner().invoke(cli.main, command)
    assert answer.exit_code == 1
    assert "workshop redis serve" in answer.output


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "localhost@example.org"])
def test_load_goes_to_this_machine_only(host):
    answer = CliRunner().invoke(cli.main, ["load", "1", "--url", f"http://{host}:9"])
    assert answer.exit_code == 2
    assert "this machine only" in answer.output


@pytest.mark.parametrize("step", all_steps(), ids=lambda step: step.name)
def test_load_measures_what_people_feel(step):
    arguments = ["load", step.name, "--users", "3", "--pace", "0.2", "--time", "60"]
    answer = CliRunner().invoke(cli.main, arguments)
    assert answer.exit_code == 0, answer.output
    for metric in ("submit", "first update", "finish", "bystander"):
        assert re.search(rf"^  {metric} +\d+ +0 ", answer.output, re.MULTILINE), answer.output
    assert "3 of 3 people got their result" in answer.output
    assert "requests per finished job" in answer.output


def test_load_computes_what_a_hand_calculation_gives():
    entry = {"response_times": {"10": 2, "20": 1, "1000": 1}, "max_response_time": 995.5}
    assert [load.percentile(entry, share) for share in (0.5, 0.75, 0.95)] == [10, 20, 995.5]
    stats = {
        name: {"num_requests": number, "num_failures": 0}
        for name, number in {"submit": 2, "poll": 8, "nothing new": 6, "finish": 2}.items()
    }
    assert list(load.sums(stats)) == [
        "5.0 requests per finished job",
        "75 % of 8 polls brought nothing new",
    ]


def test_the_bench_is_small():
    lines = sum(len(file.read_text().splitlines()) for file in (ROOT / "workshop").glob("*.py"))
    assert lines <= 1000


def test_no_file_names_a_machine_or_a_registry():
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
    named = [
        name
        for name in tracked
        if re.search(
            rb"/(home|root|Users|work)/\w|pypi" + rb"\.org|files\.python",
            (ROOT / name).read_bytes(),
        )
    ]
    assert named == []
