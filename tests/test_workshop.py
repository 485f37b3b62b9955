"""The command `workshop`: what it starts, prints and leaves behind."""

import contextlib
import os
import pty
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

from workshop import cli, load, processes, steps
from workshop.steps import ROOT, all_steps, find_step
from workshop.testing import Person, eventually


class Bench:
    """`workshop start` in a session of its own, as in a terminal."""

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
        self.seen = ""

    def read_until(self, words):
        for line in self.popen.stdout:  # ends with the process, which gives up after a while
            self.seen += line
            if words in line:
                break
        assert words in self.seen, self.seen

    def ready(self):
        self.read_until("is ready")
        self.family = psutil.Process(self.popen.pid).children(recursive=True)
        return self

    def everything(self):
        output, _ = self.popen.communicate(timeout=60)
        return self.seen + output

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
    os.killpg(bench.popen.pid, sign)  # a terminal sends it to the whole group
    bench.read_until("stopping web")
    os.killpg(bench.popen.pid, signal.SIGHUP)  # then the user closes the terminal
    said = bench.everything()
    assert bench.popen.returncode == 0
    assert said.index("stopping web") < said.index("stopping worker") < said.index("all stopped")
    assert "Traceback" not in said
    eventually(bench.ended)


def test_start_lets_a_job_in_progress_finish(bench, valkey_url):
    with Person(bench.url) as person:
        task_id = person.task_id("optimize")
        eventually(lambda: person.task(task_id)["state"] == "PROGRESS")
        bench.popen.send_signal(signal.SIGINT)
        assert "Traceback" not in bench.everything()
        web_only = {"worker": None}
        with processes.running(find_step("2"), redis_url=valkey_url, commands=web_only) as again:
            answer = httpx.get(f"{again.url}/tasks/{task_id}", cookies=person.cookies)
            assert answer.json()["state"] == "SUCCESS"


def test_start_with_an_embedded_valkey_leaves_nothing_running(monkeypatch):
    monkeypatch.delenv("REDIS_URL", raising=False)
    bench = Bench().ready()
    assert any("valkey" in process.name() for process in bench.family)
    os.killpg(bench.popen.pid, signal.SIGINT)
    said = bench.everything()
    assert f"$ | workshop redis serve --port {bench.redis_port}" in said
    assert "$ | celery -A tasks worker" in said
    assert f"02-celery-polling is ready: {bench.url}" in said
    assert said.index("stopping worker") < said.index("stopping Valkey")
    eventually(bench.ended)


def test_one_process_dies_and_the_others_are_stopped(bench):
    worker = next(p for p in bench.family if "celery" in " ".join(p.cmdline()))
    worker.kill()
    said = bench.everything()
    assert bench.popen.returncode == 1
    assert "worker ended with status -9" in said
    eventually(bench.ended)


def test_a_taken_port_is_named_with_the_fix():
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


@pytest.fixture
def two_steps(tmp_path):
    """Two small steps, whose later README says in which order to read three files."""
    before, after = tmp_path / "07-before", tmp_path / "08-after"
    files = {
        "Procfile": "web: true\n",
        "README.md": "# 7\n",
        "b.py": "old = 1\n",
        "same.py": "1\n",
    }
    for name, text in files.items():
        write(before / name, text)
        write(after / name, text)
    write(before / "gone.py", "1\n2\n")
    write(after / "a.py", "1\n2\n3\n")
    write(after / "b.py", "new = 1\nnew = 2\n")
    write(after / "z/c.py", "1\n")
    write(after / "tests/test_a.py", "1\n")
    write(after / "README.md", READ_IT)
    return str(before), str(after)


READ_IT = """# 8

1. `a.py`: this list is not the one

## Read it

1. `z/c.py`: the new part, which has
   a reason of two lines
2. `same.py`: has not changed
3. `b.py`: what is left of it

## What hurts now

1. `gone.py`: nor is this one
"""


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def diff(*arguments):
    return CliRunner().invoke(cli.main, ["diff", *arguments])


def test_diff_follows_the_order_of_the_later_readme(two_steps):
    output = diff(*two_steps).output
    table = output.partition("\ndiff --git")[0]
    assert [re.split(" {2,}", line) for line in table.splitlines()[2:]] == [
        ["z/c.py", "+1", "-0", "the new part, which has a reason of two lines"],
        ["b.py", "+2", "-1", "what is left of it"],
        ["a.py", "+3", "-0"],
        ["gone.py", "+0", "-2"],
        ["total", "+6", "-3"],
    ]
    diffs = re.findall(r"^diff --git \S+ b/\S*0[78]-\w+/(\S+)$", output, re.MULTILINE)
    assert diffs == ["z/c.py", "b.py", "a.py", "gone.py"]
    assert output.endswith("\nNot shown without --all: README.md, tests/test_a.py\n")
    assert "\x1b" not in output


def test_diff_back_to_the_earlier_step_has_the_same_order(two_steps):
    lines = diff(*reversed(two_steps), "--stat").output.splitlines()
    assert [line.split()[0] for line in lines[2:7]] == [
        "z/c.py",
        "b.py",
        "a.py",
        "gone.py",
        "total",
    ]
    assert lines[6].split() == ["total", "+3", "-6"]


def test_diff_stat_is_one_table_and_the_number_of_changed_lines(two_steps):
    output = diff(*two_steps, "--stat", "--all").output
    assert "diff --git" not in output
    assert re.search(r"^total +\+\d+ +-\d+$", output, re.MULTILINE)
    assert re.search(r"^tests/test_a.py +\+1 +-0$", output, re.MULTILINE)
    assert "Application code: 9 changed lines" in output
    assert "Not shown" not in output


def test_diff_of_named_files_shows_them_in_that_order(two_steps):
    output = diff(*two_steps, "a.py", "README.md", "b.py").output
    assert re.findall(r"[+]{3} b/\S+/(\S+)", output) == ["a.py", "README.md", "b.py"]
    assert "Not shown" not in output


def test_diff_of_a_file_that_has_not_changed_says_so(two_steps):
    unchanged, unknown = diff(*two_steps, "b.py", "same.py"), diff(*two_steps, "b.py", "no.py")
    assert unchanged.exit_code == unknown.exit_code == 2
    assert "same.py has not changed" in unchanged.output
    assert "No file is named no.py in 07-before, nor in 08-after." in unknown.output


def test_diff_with_mine_shows_my_changes_without_the_reasons_of_the_step(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "MINE", tmp_path)
    assert "You have no copy of 02-celery-polling yet" in diff("2", "mine").output
    CliRunner().invoke(cli.main, ["copy", "2"])
    with (tmp_path / "02-celery-polling" / "store.py").open("a") as store:
        store.write("mine = True\n")
    output = diff("2", "mine").output
    assert re.search(r"^store.py +\+1 +-0$", output, re.MULTILINE)
    assert "\n+mine = True\n" in output


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_diff_gives_a_reason_for_each_file_that_differs_from_the_step_before(number):
    output = diff(str(number), str(number + 1), "--stat").output
    *files, total = re.findall(r"^(\S+) +[+]\d+ +-\d+(?:  (\S.*))?$", output, re.MULTILINE)
    assert len(files) > 2
    assert all(reason for _, reason in files)
    assert total == ("total", "")


def in_a_terminal(*command, **env):
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm", "GIT_CONFIG_GLOBAL": os.devnull} | env
    program = Path(sys.executable).parent / command[0]
    with subprocess.Popen([program, *command[1:]], stdin=theirs, stdout=theirs, env=env):
        os.close(theirs)
        output = b""
        with contextlib.suppress(OSError):  # Linux's way to say that nobody writes any more
            while piece := os.read(ours, 10_000):
                output += piece
    os.close(ours)
    return output.decode().replace("\r\n", "\n")


def git_settings(**settings):
    """The environment that gives them to git, as a file ~/.gitconfig does."""
    env = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        env |= {
            f"GIT_CONFIG_KEY_{number}": name.replace("_", "."),
            f"GIT_CONFIG_VALUE_{number}": value,
        }
    return env


PAGED = "sed 's/^/paged: /'"


@pytest.mark.parametrize(
    ("env", "paged", "coloured"),
    [
        ({"GIT_PAGER": PAGED}, True, True),
        (git_settings(core_pager=PAGED), True, True),
        (git_settings(core_pager="false", pager_diff=PAGED), True, True),
        (git_settings(core_pager=PAGED, pager_diff="true"), True, True),
        (git_settings(core_pager=PAGED, color_ui="false"), True, False),
        (git_settings(core_pager=PAGED, pager_diff="false"), False, True),
        ({"GIT_PAGER": "cat"}, False, True),
        ({"GIT_PAGER": "cat", "TERM": "dumb"}, False, False),
    ],
)
def test_diff_uses_the_pager_and_the_colours_that_git_uses(two_steps, env, paged, coloured):
    output = in_a_terminal("workshop", "diff", *two_steps, **env)
    assert "diff --git" in output
    assert all(line.startswith("paged: ") == paged for line in output.splitlines())
    assert ("\x1b[" in output) == coloured


def test_arguments_after_the_step_go_to_pytest():
    answer = CliRunner().invoke(cli.main, ["test", "1", "-q", "-k", "no_such_test"])
    assert answer.exit_code == pytest.ExitCode.NO_TESTS_COLLECTED


def test_doctor_says_yes_or_prints_the_fix():
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


def test_redis_monitor_shows_the_commands_that_redis_receives(monitor):
    monitor.redis.set("greeting", "hello")
    line = next(line for line in monitor.stdout if "greeting" in line)
    assert line.endswith("SET greeting hello\n")
    monitor.send_signal(signal.SIGINT)
    assert monitor.wait(10) == 0


def test_redis_monitor_says_so_when_redis_goes(monitor):
    monitor.redis.shutdown(nosave=True)
    said, _ = monitor.communicate(timeout=30)
    assert said.endswith("Error: Redis has gone. Was its step stopped?\n")


@pytest.mark.parametrize("command", [("redis", "keys"), ("start", "2")])
@pytest.mark.parametrize("url", ["redis://127.0.0.1:{}", "127.0.0.1:{}"])
def test_a_missing_redis_is_named_with_the_fix(monkeypatch, command, url):
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
    stats["poll"]["num_requests"] = 0
    assert list(load.sums(stats)) == ["1.0 requests per finished job"]


def test_the_command_is_small():
    lines = sum(len(file.read_text().splitlines()) for file in (ROOT / "workshop").glob("*.py"))
    assert lines <= 1300


def test_no_file_names_a_machine_or_a_registry():
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listing, cwd=ROOT, text=True).splitlines()
    files = [ROOT / name for name in names if (ROOT / name).is_file()]
    unwanted = rb"/(home|root|Users|work)/\w|pypi" + rb"\.org|files\.python"
    assert [file for file in files if re.search(unwanted, file.read_bytes())] == []
    assert len(files) > 200
