"""What a curve does not show: three people at once, the price of an update, a restart of the web
process, and a second web process beside the first."""

import contextlib
import csv
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import httpx

from relay import relay
from workshop.processes import Process, answers, free_port, running
from workshop.steps import find_step, procfile
from workshop.testing import Person, eventually

UPDATES = 6  # of a job
PACE = 5  # as on a learner's machine
POLL_SECONDS = 2
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


def tell(steps: list[str], results: Path):
    """Writes a row for each step, unless it is there already."""
    file = results / "story.csv"
    for number in steps:
        folder = find_step(number)
        if folder.name in told(file):
            click.echo(f"{folder.name}: told already")
            continue
        click.echo(f"{folder.name}: three people, a restart, a second process; about 2 minutes")
        add(file, {"step": folder.name, **story_of(folder)})


def told(file):
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
            "failed beside a second %": failures_beside(step, second),
        }


def has_updates(folder):  # step 01 tells nothing before the end
    return (folder / "tasks.py").exists()


@contextlib.contextmanager
def three_people(step):
    """Each with a session, and a pool in which they act at once."""
    with contextlib.ExitStack() as stack:
        people = [stack.enter_context(Person(step.url)) for _ in range(3)]
        for person in people:
            person.timeout = LONGEST
        yield people, stack.enter_context(ThreadPoolExecutor(3))


def three_at_once(step):
    """When the last of three was answered, and when the last had a result, after they began."""
    with three_people(step) as (people, pool):
        began = time.monotonic()
        tasks = list(pool.map(start_a_job, people))
        answered = time.monotonic() - began
        list(pool.map(has_result, people, tasks))
        finished = time.monotonic() - began
    return {"three submits s": round(answered, 2), "three finish s": round(finished, 1)}


def start_a_job(person):
    """The id of the task. None if the answer was the result (step 01), or if there was none, as
    the process that should have given it has ended."""
    try:
        answer = person.start("optimize")
    except httpx.TransportError:
        return None
    return answer.json()["task_id"] if answer.status_code == 202 else None


def knows(person, task_id):
    return task_id is not None and person.get(f"/tasks/{task_id}").status_code == 200


def has_result(person, task_id):
    if not knows(person, task_id):
        return False
    eventually(lambda: is_over(person, task_id), LONGEST)
    return True


def is_over(person, task_id):
    return person.task(task_id)["state"] == "SUCCESS"


def bytes_per_update(step):
    """Both ways, with headers, after the job was started: as a page polls, or listens."""
    with relay(step.url) as (url, wire), Person(url) as person:
        answer = person.start("optimize").json()
        before = wire.bytes
        if "stream_url" in answer:
            for _ in person.listen(f"task_ids={answer['task_id']}"):
                pass
        else:
            while not is_over(person, answer["task_id"]):
                time.sleep(POLL_SECONDS)
        return round((wire.bytes - before) / UPDATES)


def restart(step, env):
    """Three people have jobs that run, and the web process is stopped and started again."""
    with three_people(step) as (people, pool):
        answers_to_come = [pool.submit(start_a_job, person) for person in people]
        time.sleep(1.5 * PACE)  # in the middle of the job, also where nothing tells of it
        began = time.monotonic()
        start_again(step, env)
        tasks = [answer.result() for answer in answers_to_come]
        known = list(pool.map(knows, people, tasks))
        right = time.monotonic() - began
        kept = sum(pool.map(has_result, people, tasks))
    return {
        "jobs lost by restart": len(people) - kept,
        "right again s": round(right, 1) if all(known) else "",
    }


def start_again(step, env):
    old = step.processes["web"]
    old.stop()
    env = env | {"PORT": str(httpx.URL(step.url).port), "REDIS_URL": step.redis_url or ""}
    command = procfile(step.step)["web"]
    step.processes["web"] = Process("web", command, step.step, env, old.say)
    step.wait_until_ready()


def failures_beside(step, second):
    """Of requests that a balancer hands to two processes in turn, after a job was started."""
    with three_people(step) as ((person, *_), _):
        other = httpx.Client(base_url=f"http://127.0.0.1:{second}", cookies=person.cookies)
        task_id = start_a_job(person)
        path = f"/tasks/{task_id}" if task_id else "/"
        statuses = [(person, other)[turn % 2].get(path).status_code for turn in range(20)]
        other.close()
    return round(100 * sum(status >= 400 for status in statuses) / len(statuses))
