"""A running step, to which faults are done."""

import contextlib
import os
import socket
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psutil
import redis

from nginx import nginx
from watches import Polling, Resuming, Streaming, Waiting
from workshop import processes
from workshop.faults import FAULTS
from workshop.processes import Process, free_port, running
from workshop.steps import number_of, procfile
from workshop.testing import eventually

SETTINGS = {
    "JOB_PACE": "0.5",
    "HEARTBEAT_SECONDS": "0.5",
    "MAX_STREAMS_OF_USER": "600",
    "SEND_SECONDS": "2",
    "SECRET_KEY": "outlives a restart of the web process",
}
processes.READY_SECONDS = 120  # for gunicorn's four workers, while others need the machine
SLACK = 20  # what pools of connections may grow by; faults that could leak hold more than that
WATCHES = {1: Waiting, 2: Polling, 3: Streaming, 4: Resuming, 5: Resuming}


class Lab:
    def __init__(self, folder: Path, stack: contextlib.ExitStack, **env):
        self.folder, self.number = folder, number_of(folder)
        self.env, self.stack = SETTINGS | env, stack
        self.step = stack.enter_context(running(folder, env=self.env))
        self.url = self.step.url
        self.webs = [self.step.processes["web"].popen.pid]
        if self.step.redis_url:
            client = redis.Redis.from_url(self.step.redis_url, decode_responses=True)
            self.redis = stack.enter_context(client)

    def watch(self, url=None, **habits):
        """A person whose job has begun."""
        return WATCHES[self.number](self, url or self.url, **habits)

    def warm_up(self):
        """Every process has worked once, and holds from now on what it will always hold."""
        for _ in range(2):
            watches = [self.watch() for _ in range(1 if self.number == 1 else 4)]
            for watch in watches:
                watch.wait()
                assert not watch.lost(), watch.troubles

    def process(self, name) -> psutil.Process:
        return psutil.Process(self.step.processes[name].popen.pid)

    def do(self, fault: str, seconds=None):
        """What `workshop break` does."""
        needs, do, _ = FAULTS[fault]
        do(self.redis if needs == "redis" else self.process(needs), seconds)

    def start(self, name: str):
        """Starts a process once more, as a process manager would."""
        self.stack.callback(self.step.processes[name].stop)
        if name == "web":
            # The workers of a killed gunicorn hold the port until they notice that it is gone.
            eventually(lambda: not is_open(self.url))
        env = {"PORT": self.url.rpartition(":")[2]}
        if self.step.redis_url:
            env["REDIS_URL"] = self.step.redis_url
        self.run(name, procfile(self.folder)[name], self.folder, self.env | env)
        if name == "web":
            self.step.wait_until_ready()
        else:
            eventually(lambda: "ready." in "\n".join(self.step.processes[name].output), 120)

    def run(self, name, command, folder, env):
        process = Process(name, command, folder, env, lambda name, line: None)
        self.step.processes[name] = process
        if name == "web":
            self.webs.append(process.popen.pid)

    def repair(self):
        """Restarts what has ended, so that the next fault finds a whole step."""
        for name in procfile(self.folder):
            if not self.step.processes[name].alive():
                self.start(name)

    def held(self) -> dict[str, int]:
        """What the web processes hold now, including those that have lost their parent."""
        held = {"threads": 0, "files": 0}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if os.getpgid(process.pid) in self.webs:
                    held["threads"] += process.num_threads()
                    held["files"] += process.num_fds()
        if self.step.redis_url:
            held["connections to Redis"] = self.redis.info("clients")["connected_clients"]
            held["subscriptions"] = len(self.redis.pubsub_channels("task_progress:*"))
        return held

    def leaked(self, before: dict[str, int]) -> dict[str, int]:
        """What is still not released after a while, if anything."""
        deadline = time.monotonic() + 15
        while more := self.more_than(before):
            if time.monotonic() > deadline:
                return more
            time.sleep(0.1)
        return {}

    def more_than(self, before):
        more = {name: number - before[name] for name, number in self.held().items()}
        slack = dict.fromkeys(more, SLACK) | {"subscriptions": 0}
        return {name: number for name, number in more.items() if number > slack[name]}

    def proxy(self, options: str) -> str:
        """The address of an nginx in front of the step."""
        folder = Path(self.stack.enter_context(TemporaryDirectory()))
        url = f"http://127.0.0.1:{free_port()}"
        passed_on = f"proxy_pass {self.url}; proxy_http_version 1.1; {options}"
        server = f"listen {urlsplit(url).netloc}; location / {{ {passed_on} }}"
        self.stack.enter_context(nginx(folder, f"server {{ {server} }}", url))
        return url


def is_open(url: str) -> bool:
    """Whether a process listens at this address."""
    address = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname, address.port)) == 0
