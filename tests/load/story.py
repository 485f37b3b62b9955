"""What a curve does not show: three people at the same time, the bytes of an update, a restart of
the web process, and a second web process next to the first."""

import contextlib
import csv
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import httpx

from relay import relay
from workshop.processes import Process, answers, free_port, running
from workshop.steps import find_step, procfile
from workshop.testing import ENDED, Person, eventually

UPDATES = 6  # of a job
PACE = 5  # as on a learner's machine
POLL_SECONDS = 2
TURNS = 20
KEY = "one key for two processes"
LONGEST = 4 * UPDATES * PACE  # seconds: three jobs one after another, and a little more
COLUMNS = (
    "step", "three submits s", "three finish s", "bytes per update", "jobs lost by restart",
    "right again s", "failed beside a second %",
)  # fmt: skip
SHOWN = {
    "three submits s": "three upload: answered after, s",
    "three finish s": "all three have their result after, s",
    "bytes per update": "bytes on the wire per update",
    "jobs lost by restart": "jobs of three lost by a restart",
    "right again s": "page right again after, s",
    "failed beside a second %": "requests that fail beside a second process, %",
}


def measure(steps: list[str], results: Path):
    """Writes a row for each step, unless it is there already."""
    file = results / "story.csv"
    for number in steps:
        folder = find_step(number)
        if folder.name in measured(file):
            click.echo(f"{folder.name}: measured already")
            continue
        click.echo(f"{folder.name}: three people, a restart, a second process; about 2 minutes")
        add(file, {"step": folder.name, **story_of(folder)})


def measured(file):
    if not file.exists():
        return []
    with file.open(newline="") as source:
        return [row["step"] for row in csv.DictReader(source)]


def add(file, row):
    new = not file.exists()
    with file.open("a", newline="") as target:
        writer = csv.DictWriter(target, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def story_of(folder):
    env = {"JOB_PACE": str(PACE), "SECRET_KEY": KEY}
    second = free_port()
    web = procfile(folder)["web"]
    commands = {"second": web.replace("${PORT:-8000}", str(second))}
    with running(folder, env=env, commands=commands) as step:
        eventually(lambda: answers(f"http://127.0.0.1:{second}/"))
        return {
            **three_at_once(step),
            "bytes per update": bytes_per_update(step) if has_updates(folder) else "",
            **restart(step, env),
            "failed beside a second %": failures_with_a_second(step, second),
        }


def has_updates(folder):  # step 01 reports nothing before the end
    return (folder / "tasks.py").exists()


@contextlib.contextmanager
def three_people(step):
    """Each with a session, and a pool in which they act at the same time."""
    with contextlib.ExitStack() as stack:
        people = [stack.enter_context(Person(step.url)) for _ in range(3)]
        for person in people:
            person.timeout = LONGEST
        yield people, stack.enter_context(ThreadPoolExecutor(3))


def three_at_once(step):
    """When the last of three was answered, and when the last had a result, after they began."""
    with three_people(step) as (people, pool):
        began = time.monotonic()
        jobs = list(pool.map(start_a_job, people))
        answered = time.monotonic() - began
        list(pool.map(last_state, people, jobs))
        finished = time.monotonic() - began
    return {"three submits s": round(answered, 2), "three finish s": round(finished, 1)}


def start_a_job(person):
    """The answer. Empty if it was the result (step 01), or if none came, because the process that
    should have sent it has ended."""
    try:
        answer = person.start("optimize")
    except httpx.TransportError:
        return {}
    return answer.json() if answer.status_code == 202 else {}


def state_now(person, job):
    """What the page would show now. None if the server doesn't know the job."""
    if not job:
        return None
    answer = person.get(job["status_url"])
    return answer.json()["state"] if answer.status_code == 200 else None


def last_state(person, job):
    """Waits for the end of a job that the server knows."""
    if state_now(person, job) is None:
        return None
    return eventually(lambda: (state := state_now(person, job)) in ENDED and state, LONGEST)


def bytes_per_update(step):
    """Both ways, with headers, after the job was started: as a page polls, or listens."""
    with relay(step.url) as (url, wire), Person(url) as person:
        job = person.start("optimize").json()
        before = wire.bytes
        if "stream_url" in job:
            for _ in person.listen(f"task_ids={job['task_id']}"):
                pass
        else:
            while state_now(person, job) not in ENDED:
                time.sleep(POLL_SECONDS)
        return round((wire.bytes - before) / UPDATES)


def restart(step, env):
    """Three people have jobs that run, and the web process is stopped and started again."""
    with three_people(step) as (people, pool):
        answers_to_come = [pool.submit(start_a_job, person) for person in people]
        time.sleep(1.5 * PACE)  # in the middle of the job, also where nothing reports that
        began = time.monotonic()
        start_again(step, env)
        jobs = [answer.result() for answer in answers_to_come]
        shown = list(pool.map(state_now, people, jobs))
        seconds = time.monotonic() - began
        last = list(pool.map(last_state, people, jobs))
    return {
        "jobs lost by restart": len(people) - last.count("SUCCESS"),
        "right again s": round(seconds, 1) if all(map(is_right, shown, last)) else "",
    }


def is_right(shown, last):
    """Whether the page showed what became of the job: it continues, or it is lost."""
    return shown is not None and (shown == last or (shown not in ENDED and last == "SUCCESS"))


def start_again(step, env):
    old = step.processes["web"]
    old.stop()
    env = env | {"PORT": str(httpx.URL(step.url).port), "REDIS_URL": step.redis_url or ""}
    command = procfile(step.step)["web"]
    step.processes["web"] = Process("web", command, step.step, env, old.say)
    step.wait_until_ready()


def failures_with_a_second(step, second):
    """Of requests that a balancer hands to two processes in turn, after a job was started. To
    answer is not enough for a stream: it has to bring an update."""
    with contextlib.ExitStack() as stack:
        person = stack.enter_context(Person(step.url))
        person.timeout = LONGEST
        job = start_a_job(person)
        other = httpx.Client(
            base_url=f"http://127.0.0.1:{second}", cookies=person.cookies, timeout=LONGEST
        )
        stack.enter_context(other)
        pool = stack.enter_context(ThreadPoolExecutor(TURNS))
        turns = [(person, other)[turn % 2] for turn in range(TURNS)]
        worked = list(pool.map(lambda client: works(client, job), turns))
    return round(100 * worked.count(False) / TURNS)


def works(client, job):
    if "stream_url" in job:
        return brings_an_update(client, job["stream_url"])
    return client.get(job.get("status_url", "/")).status_code == 200


def brings_an_update(client, url):
    """Whether something follows the snapshot, while the job runs. A silent stream sends comments,
    so this function doesn't wait forever."""
    deadline = time.monotonic() + UPDATES * PACE
    moments = set()
    with client.stream("GET", url) as stream:
        for line in stream.iter_lines():
            moments.update(re.findall(r'"updated_at": "([^"]+)"', line))
            if len(moments) > 1 or time.monotonic() > deadline:
                break
    return len(moments) > 1
