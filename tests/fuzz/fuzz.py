"""Sends broken and hostile requests to a step, and reports each outcome that is not good.

python tests/fuzz/fuzz.py --minutes 10
python tests/fuzz/fuzz.py --seed 7 --first 123 --cases 1    # one of them again

An outcome is good if the answer is a 2xx, or a 4xx with error and hint in JSON, if the processes
are the same as before, no log has a traceback, and each accepted job ends in a way that a person
understands.
"""

import contextlib
import http.client
import http.server
import json
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urlencode, urlsplit

import click
import psutil

import mutations
from workshop.processes import Running, running
from workshop.steps import all_steps, find_step
from workshop.testing import ENDED, Person, eventually

COOKIES = [step.name.encode() for step in all_steps()]
SAMPLES = find_step("1") / "page" / "static" / "samples"
XLSX, DOCX = ((SAMPLES / name).read_bytes() for name in ("lessons.xlsx", "proposal.docx"))
LONGEST_ANSWER = 20  # seconds
LONGEST_JOB = 60
MOST_BYTES = 4 * 1024 * 1024  # of a document: beyond 5 MB there is nothing but a 413
TOGETHER = 10  # cases, before the fuzzer looks at the jobs and processes
READ_AHEAD = 64 * 1024
OF_SERVER = (b"<html>", http.server.DEFAULT_ERROR_MESSAGE[:40].encode())  # gunicorn, flask run
BOUNDARY = b"----------boundary"
ALL_SURFACES = ("document", "document", "document", "form", "stream", "path", "token")


class Finding(Exception):
    """An outcome that is not good."""


@dataclass
class Request:
    method: str
    target: bytes
    headers: list[bytes] = field(default_factory=list)
    body: bytes = b""

    def sent(self) -> bytes:
        length = [b"Content-Length: %d" % len(self.body)] if self.body else []
        lines = [b"Host: localhost", b"Connection: close", *length, *self.headers]
        first = self.method.encode() + b" " + self.target + b" HTTP/1.1"
        return b"\r\n".join([first, *lines, b"", self.body])


@dataclass
class Known:
    """What a valid request may contain: a token, and the id of a task that has ended."""

    token: str
    task_id: str

    def bearer(self) -> bytes:
        return f"Authorization: Bearer {self.token}".encode()


def document(random: Random, known: Known) -> Request:
    made = random.choice(
        (
            lambda: ("worksheets", mutations.office_file(XLSX, random)),
            lambda: ("worksheets", mutations.lessons(random)),
            lambda: ("review", mutations.office_file(DOCX, random)),
            lambda: ("review", mutations.text_document(random)),
        )
    )
    kind, content = made()
    programme = random.choice((b"academy", b"caterpillar"))
    fields = [(b'name="kind"', kind.encode()), (b'name="programme"', programme)]
    file = (b'name="document"; filename="a"', content[:MOST_BYTES])
    return posted(known, [*fields, file])


def form(random: Random, known: Known) -> Request:
    """Fields that are missing, doubled, files where a text is expected, and broken bodies."""
    names = (b"kind", b"programme", b"document", b"sample", mutations.in_header(random))
    values = (b"optimize", b"worksheets", b"review", mutations.word(random).encode())
    fields = [(name_of(random, names), random.choice(values)) for _ in range(random.randint(0, 6))]
    if random.random() < 0.05:
        fields *= 400
    request = posted(known, fields)
    if random.random() < 0.3:
        request.body = mutations.bytes_changed(request.body, random)
    elif random.random() < 0.3:
        request.headers[-1] = b"Content-Type: application/x-www-form-urlencoded"
        request.body = urlencode({"kind": mutations.word(random)}).encode()
    elif random.random() < 0.2:
        request.headers[-1] = b"Content-Type: " + mutations.in_header(random)
    return request


def name_of(random, names):
    name = b'name="' + random.choice(names) + b'"'
    if random.random() < 0.3:
        name += b'; filename="' + mutations.in_header(random) + b'"'
    return name


def stream(random: Random, known: Known) -> Request:
    """Of tasks that have ended, so that it ends too."""
    task_ids = known.task_id.encode() if random.random() < 0.6 else mutations.in_address(random)
    target = b"/tasks/stream?task_ids=" + task_ids
    if random.random() < 0.2:
        target = b"/tasks/stream?all=" + mutations.in_address(random)
    if random.random() < 0.5:
        target += b"&last_event_id=" + mutations.in_address(random)
    headers = [known.bearer()]
    if random.random() < 0.5:
        headers.append(b"Last-Event-ID: " + mutations.in_header(random))
    return Request(random.choice(("GET", "GET", "HEAD")), target, headers)


def path(random: Random, known: Known) -> Request:
    task_id = known.task_id.encode() if random.random() < 0.5 else mutations.in_address(random)
    name = random.choice((b"all.zip", mutations.in_address(random)))
    target = random.choice(
        (
            b"/tasks/" + task_id,
            b"/tasks/" + task_id + b"/cancel",
            b"/tasks/" + task_id + b"/files/" + name,
            b"/static/" + mutations.in_address(random),
            b"/page/" + mutations.in_address(random),
            b"/page/style.css",
            b"/" + mutations.in_address(random),
        )
    )
    method = random.choice(("GET", "GET", "GET", "POST", "PUT", "OPTIONS"))
    # Not If-Modified-Since or If-Range: Werkzeug 3.1.9 answers a year of twenty digits with 500.
    asked = (b"Range", b"If-None-Match", b"Accept", b"Cookie")
    header = random.choice(asked) + b": " + condition(random)
    return Request(method, target, [known.bearer(), header])


def condition(random):
    return random.choice(
        (
            mutations.in_header(random),
            b"bytes="
            + random.choice((b"0-", b"5-1", b"-1", b"9" * 30 + b"-", b"0-0,2-3", b"a-b")),
            b'W/"' + mutations.in_header(random),
        )
    )


def token(random: Random, known: Known) -> Request:
    forged = mutations.bytes_changed(known.token.encode(), random)
    said = random.choice((forged, mutations.in_header(random)))
    said = bytes(byte for byte in said if byte > 32 and byte not in b"#\x7f")
    target = random.choice((b"/tasks", b"/tasks/stream?all=true", b"/tokens", b"/"))
    method = "POST" if target == b"/tokens" else "GET"
    where = random.randrange(3)
    if where == 0:
        return Request(method, target + (b"&" if b"?" in target else b"?") + b"token=" + said)
    if where == 1:
        scheme = random.choice((b"Bearer ", b"bearer", b"Basic ", b"", b"Bearer  "))
        return Request(method, target, [b"Authorization: " + scheme + said])
    name = random.choice((*COOKIES, mutations.in_header(random)))
    return Request(method, target, [b"Cookie: " + name + b"=" + said])


def posted(known, fields):
    head = b"--" + BOUNDARY + b"\r\nContent-Disposition: form-data; "
    body = b"".join(head + name + b"\r\n\r\n" + value + b"\r\n" for name, value in fields)
    kind = b"Content-Type: multipart/form-data; boundary=" + BOUNDARY
    return Request("POST", b"/tasks", [known.bearer(), kind], body + b"--" + BOUNDARY + b"--\r\n")


SURFACES = {
    "document": document, "form": form, "stream": stream, "path": path, "token": token,
}  # fmt: skip


class Fuzzer:
    def __init__(self, step: Running, seed: int, surfaces=ALL_SURFACES):
        self.step, self.seed, self.surfaces = step, seed, surfaces
        self.person = Person(step.url).__enter__()
        made = self.person.post("/tokens").raise_for_status().json()["token"]
        self.known = Known(made, self.person.task_id("optimize"))
        self.person.ended(self.known.task_id)
        self.processes = pids(step)
        self.accepted, self.statuses, self.ends = [], {}, {}

    def case(self, number: int):
        random = Random(f"{self.seed}-{number}")
        request = SURFACES[random.choice(self.surfaces)](random, self.known)
        status, kind, body = answered(self.step.url, request)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if fault := fault_of(status, kind, body):
            raise Finding(f"{fault}: {request.method} {request.target!r} {request.headers!r}")
        if status == 202 and request.target == b"/tasks":
            self.accepted.append(json.loads(body)["task_id"])

    def look(self):
        """Looks at what the last cases left behind. Raises Finding."""
        for task_id in self.accepted:
            task = eventually(lambda id=task_id: ended(self.person, id), LONGEST_JOB)
            self.ends[task["state"]] = self.ends.get(task["state"], 0) + 1
            if task["state"] != "SUCCESS" and not understood(task):
                raise Finding(f"a job ended in {task}")
        self.accepted.clear()
        for name, process in self.step.processes.items():
            if any("Traceback" in line for line in process.output):
                raise Finding(f"a traceback in the log of {name}:\n" + "\n".join(process.output))
        if (now := pids(self.step)) != self.processes:
            raise Finding(f"other processes than before: {self.processes}, now {now}")

    def run(self, first: int, cases: int, seconds: float) -> int:
        """How many cases were tried. Raises Finding, with the command that repeats it."""
        until = time.monotonic() + seconds
        for number in range(first, first + cases):
            last = number == first + cases - 1 or time.monotonic() > until
            try:
                self.case(number)
                if last or number % TOGETHER == TOGETHER - 1:
                    self.look()
            except (Finding, AssertionError, OSError, http.client.HTTPException) as error:
                raise Finding(f"{error!r}\nagain: {self.again(first, number)}") from error
            if last:
                break
        return number - first + 1

    def again(self, first, number):
        """The command that repeats the cases since the last look."""
        start = max(first, number - TOGETHER + 1)
        only = f" --only {self.surfaces[0]}" if len(self.surfaces) == 1 else ""
        return (
            f"python tests/fuzz/fuzz.py --step {self.step.step.name} --seed {self.seed} "
            f"--first {start} --cases {number - start + 1}{only}"
        )


def answered(url: str, request: Request) -> tuple[int, str, bytes]:
    """Status, content type and body. Uses no client library, because those refuse to send this."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), LONGEST_ANSWER) as client:
        with contextlib.suppress(ConnectionError):  # a server need not read what it refuses
            client.sendall(request.sent())
        answer = http.client.HTTPResponse(client, method=request.method)
        try:
            answer.begin()
            return answer.status, answer.headers.get_content_type(), answer.read()
        except ConnectionError:
            if len(request.body) < READ_AHEAD:
                raise
            return 413, "", b""  # the answer may be lost if the server doesn't read the body


def fault_of(status: int, kind: str, body: bytes) -> str:
    """What is wrong with an answer, or '' if it is good."""
    if 200 <= status < 300 or status in (304, 308):  # not changed; two slashes made one
        return ""
    if not 400 <= status < 500:
        return f"status {status}"
    if body.startswith(OF_SERVER) or not body:
        return ""  # no app sees what is not HTTP; and the answer to HEAD has no body
    if kind != "application/json":
        return f"status {status} in {kind}"
    problem = json.loads(body)
    if not (problem.get("error") and problem.get("hint")):
        return f"status {status} without error and hint: {problem}"
    return ""


def ended(person, task_id):
    task = person.task(task_id)
    return task if task["state"] in ENDED else None


def understood(task):
    """Whether the person learns more than that the job failed."""
    return task.get("error") and task.get("hint") and task["error"] != "The job failed."


def pids(step: Running) -> set[int]:
    mains = [psutil.Process(process.popen.pid) for process in step.processes.values()]
    children = [child for main in mains for child in main.children(recursive=True)]
    return {process.pid for process in [*mains, *children]}


def started(step: str):
    return running(find_step(step), env={"JOB_PACE": "0"})


@click.command()
@click.option("--step", default="5", show_default=True)
@click.option("--minutes", default=10.0, show_default=True)
@click.option("--seed", default=None, type=int, help="A random one if not given.")
@click.option("--first", default=0, show_default=True, help="The number of the first case.")
@click.option("--cases", default=10**9, help="The largest number of cases.")
@click.option("--only", type=click.Choice(list(SURFACES)), help="Attack nothing but this.")
def main(step, minutes, seed, first, cases, only):
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the step is stopped
    seed = Random().randrange(10**6) if seed is None else seed
    click.echo(f"seed {seed}")
    with started(step) as step_is_running:
        fuzzer = Fuzzer(step_is_running, seed, (only,) if only else ALL_SURFACES)
        try:
            tried = fuzzer.run(first, cases, 60 * minutes)
        except Finding as finding:
            click.echo(finding)
            sys.exit(1)
    click.echo(f"{tried} cases; answers {fuzzer.statuses}; jobs {fuzzer.ends}; nothing found")


if __name__ == "__main__":
    main()
