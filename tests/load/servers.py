"""The servers that the benchmark compares: how each is started, asked, and made to publish."""

import contextlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
from itsdangerous import URLSafeTimedSerializer

from workshop.processes import Process, embedded_valkey, free_port, running
from workshop.steps import find_step, procfile
from workshop.testing import eventually

HERE = Path(__file__).parent
KEY = "the key of the benchmark"
GUNICORN = "gunicorn -k gevent --worker-connections 30000 --no-control-socket -b 127.0.0.1:$PORT"
UVICORN = "uvicorn --port $PORT --workers {processes} --no-access-log"
PEERS = {
    "flask-sse": f"{GUNICORN} -w {{processes}} with_flask_sse:app",
    "sse-starlette": f"{UVICORN} with_starlette:app",
    "sse-starlette-hub": f"{UVICORN} with_starlette:hub_app",
}


class Server:
    """A web server with streams at `paths`. The process `speaker` publishes an update to each
    user. A server that is `silent` sends nothing before the first event, not even headers."""

    def __init__(
        self, web: Process, url: str, paths: list[str], speaker=None, silent=False, patience=20
    ):
        self.web, self.paths, self.speaker, self.silent = web, paths, speaker, silent
        self.patience = patience  # seconds without an event after which no more are expected
        self.address = (urlsplit(url).hostname, urlsplit(url).port)

    def processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.web.popen.pid)
        return [first, *first.children(recursive=True)]

    def request(self, number: int) -> bytes:
        path = self.paths[number % len(self.paths)]
        accept = "Accept: text/event-stream"
        return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{accept}\r\n\r\n".encode()

    def publish(self, events: int, pause: float):
        """Publishes so many events to each user, with a pause in seconds after each round."""
        if self.speaker:
            self.speaker.stdin.write(f"{events} {pause}\n")
            self.speaker.stdin.flush()
            self.speaker.stdout.readline()


@contextlib.contextmanager
def start(name: str, processes: int, streams: int, users: int):
    """Runs a step (as "05") or one of the PEERS until the block ends."""
    with contextlib.ExitStack() as stack:
        if name == "nchan":
            yield stack.enter_context(nchan(processes, users))
        elif name in PEERS:
            yield stack.enter_context(peer(name, processes, users))
        elif "worker" in procfile(find_step(name)):
            yield stack.enter_context(step_with_worker(name, processes, streams, users))
        else:
            yield stack.enter_context(step_with_threads(name, users))


@contextlib.contextmanager
def step_with_worker(name, processes, streams, users):
    """The speaker takes the place of the worker."""
    folder = find_step(name)
    web = re.sub(r"-w \d+", f"-w {processes}", procfile(folder)["web"])
    env = {
        "SECRET_KEY": KEY,
        "MAX_STREAMS": str(streams),
        "MAX_STREAMS_OF_USER": str(streams),
        "HEARTBEAT_SECONDS": "30",
    }
    with embedded_valkey(free_port()) as url:
        if not (folder / "hub.py").exists():
            url += f"?max_connections={2 * streams}"  # each stream holds one
        options = {"env": env, "commands": {"web": web, "worker": None}}
        with (
            running(folder, redis_url=url, **options) as step,
            ended(speaking("with_publish.py", folder, url, users)) as speaker,
        ):
            people = [speaker.stdout.readline().split() for _ in range(users)]
            paths = [f"/tasks/stream?task_ids={task}&token={token(user)}" for user, task in people]
            yield Server(step.processes["web"], step.url, paths, speaker)


@contextlib.contextmanager
def step_with_threads(name, users):
    """Only its own jobs can publish to its streams. They do, when all streams should be open."""
    pace = 30 + users / 25
    env = {"SECRET_KEY": KEY, "JOB_PACE": f"{pace:g}"}
    with running(find_step(name), env=env) as step, httpx.Client(base_url=step.url) as client:
        paths = []
        for number in range(users):
            mine = {"token": token(f"user-{number}")}
            task = client.post("/tasks", data={"kind": "optimize"}, params=mine).json()
            paths.append(f"{task['stream_url']}&token={mine['token']}")
        yield Server(step.processes["web"], step.url, paths, patience=20 + pace)


@contextlib.contextmanager
def peer(name, processes, users):
    with embedded_valkey(free_port()) as url, contextlib.ExitStack() as stack:
        port = free_port()
        env = {"PORT": str(port), "REDIS_URL": f"{url}?max_connections=30000"}
        command = PEERS[name].format(processes=processes)
        web = Process("web", command, HERE / "peers", env, print_nothing)
        stack.callback(web.stop)
        base = f"http://127.0.0.1:{port}"
        eventually(lambda: is_up(base))
        speaker = stack.enter_context(ended(speaking("with_publish.py", HERE, url, users)))
        paths = [f"/stream?channel=user-{number}" for number in range(users)]
        yield Server(web, base, paths, speaker, silent=name == "flask-sse")


@contextlib.contextmanager
def nchan(processes, users):
    """The module of nginx, in C: http://nchan.io. It receives events by HTTP, without Redis."""
    with contextlib.ExitStack() as stack:
        port = free_port()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        template = (HERE / "peers" / "nchan.conf").read_text()
        config = template.replace("PROCESSES", str(processes)).replace("PORT", str(port))
        (folder / "nginx.conf").write_text(config)
        web = Process(
            "web", f"nginx -p {folder} -c {folder}/nginx.conf", folder, {}, print_nothing
        )
        stack.callback(web.stop)
        base = f"http://127.0.0.1:{port}"
        eventually(lambda: is_up(base))
        speaker = stack.enter_context(ended(speaking("with_http.py", HERE, base, users)))
        yield Server(web, base, [f"/stream?channel=user-{n}" for n in range(users)], speaker)


def speaking(script, folder, url, users):
    command = [sys.executable, str(HERE / "speakers" / script), url, str(users)]
    return subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@contextlib.contextmanager
def ended(process):
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def token(user):
    return URLSafeTimedSerializer(KEY, salt="token").dumps(user)


def is_up(url):
    try:
        return httpx.get(url) is not None
    except httpx.TransportError:
        return False


def print_nothing(name, line):
    pass
