"""A person at the page of a step. A watch notes what the page would show, in a class for each
transport: the one response, polling, a stream, and a stream that continues after an event."""

import contextlib
import threading
import time
from typing import NamedTuple

import httpx

from workshop.testing import ENDED, Person, eventually

PATIENCE = 60  # seconds, before the job counts as lost
EVERY = 100  # iterations from one update of the job to the next
MANY = httpx.Limits(max_connections=None)
UPDATES = ("progress", "complete", "error", "cancelled")
LONGEST_SILENCE = 65  # seconds without an event, before the page asks (page/static/live.js)
HELD = "threads or connections, which are not released"


class Outcome(NamedTuple):
    """What a fault did to a person: 'survived', 'recovered' after seconds, or 'lost' what."""

    result: str
    what: str = ""
    seconds: float | None = None


class Watch:
    """Follows a job from its start to its end, and comes back whenever it was cut off. One that
    `leaves` is gone for a moment, after the first update."""

    def __init__(self, lab, url, leaves=False):
        self.lab, self.url, self.leaves = lab, url, leaves
        self.before = lab.held()
        self.updates, self.troubles = [], []  # with the time at which they came
        self.end, self.gone = None, False
        self.person = Person(url, limits=MANY).__enter__()
        self.begin()
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()
        eventually(self.has_begun)
        self.broken = time.monotonic()  # the fault comes now

    def begin(self):
        self.task_id = self.person.task_id("optimize")

    def has_begun(self):
        return self.end or any(task["current"] for _, task in self.updates)

    def follow(self):
        deadline = time.monotonic() + PATIENCE
        while not self.end and not self.gone and time.monotonic() < deadline:
            try:
                self.listen()
            except httpx.TransportError as error:
                self.trouble(repr(error))
            except RuntimeError:
                return  # httpx's word for a closed client: this person's patience is over
            time.sleep(0.1)

    def show(self, task):
        if self.updates and begins_again(task, self.updates[-1][1]):
            self.trouble("the job began again")
        if not self.updates or task != self.updates[-1][1]:
            self.updates.append((time.monotonic(), task))
        if task["state"] in ENDED:
            self.end = task
        if self.leaves and self.has_begun():
            self.leaves = False
            raise httpx.ReadError("left")

    def ask(self):
        answer = self.person.get(f"/tasks/{self.task_id}")
        self.gone = answer.status_code == 404
        if answer.status_code == 200:
            return answer.json()
        return self.trouble(answer.text)

    def trouble(self, what):
        self.troubles.append((time.monotonic(), what))

    def wait(self):
        self.thread.join(PATIENCE + 15)

    def outcome(self) -> Outcome:
        self.wait()
        lost = self.lost()
        self.person.close()
        if leaked := self.lab.leaked(self.before):
            self.trouble(f"not released: {leaked}")
            lost = lost or HELD
        if lost:
            return Outcome("lost", lost)
        if not self.troubles:
            return Outcome("survived")
        last_trouble, _ = self.troubles[-1]
        after = [when for when, _ in self.updates if when >= last_trouble] or [last_trouble]
        return Outcome("recovered", seconds=round(max(0, after[0] - self.broken), 1))

    def is_behind(self):
        """Whether the update that has just come was already old."""
        first = next(task for _, task in self.updates if task["current"])
        return self.person.task(self.task_id)["current"] > first["current"] + EVERY

    def lost(self) -> str:
        if self.gone or (self.end and self.end["state"] != "SUCCESS"):
            return "the job, and the page says so"
        if not self.end:
            return "the job, and the page never says so"
        return "" if self.all_files_are_there() else "a file"

    def all_files_are_there(self):
        files = self.end["files"]
        sizes = [len(self.person.get(file["url"]).content) for file in files]
        return [(file["name"], file["size"]) for file in files] == list(
            zip(["round.svg", "all.zip"], sizes, strict=True)
        )


def begins_again(task, before):
    """Some steps keep the numbers of the old run until the first update of the new one."""
    return task["current"] < before["current"] or (
        task["stage"] == "started" and before["current"]
    )


class Waiting(Watch):
    """In step 01."""

    def begin(self):
        self.answer = None

    def follow(self):
        try:
            timeout = 0.5 if self.leaves else 60
            self.answer = self.person.post("/tasks", data={"kind": "optimize"}, timeout=timeout)
        except httpx.TransportError as error:
            self.trouble(repr(error))

    def has_begun(self):
        try:
            httpx.get(f"{self.lab.url}/healthz", timeout=0.2)
        except httpx.ReadTimeout:
            return True  # it is busy with our job
        return False

    def is_behind(self):
        return False  # there are no updates

    def lost(self):
        whole = self.answer is not None and self.answer.status_code == 200
        return "" if whole else "the job, and the page says so"


class Polling(Watch):
    def listen(self):
        if task := self.ask():
            self.show(task)


class Streaming(Watch):
    """In step 03. A client that comes back receives what the task is now."""

    silent = False

    def listen(self):
        try:
            with contextlib.closing(self.events()) as events:
                for event in events:
                    self.receive(*event)
            if not self.end:
                self.trouble("the stream ended")
        finally:
            if not self.end:
                self.ask()  # as the page does, before it opens another

    def events(self):
        return self.person.listen(f"task_ids={self.task_id}")

    def receive(self, id, type, data):
        self.received_at = time.monotonic()
        if type in UPDATES:
            self.show(data)

    def wait(self):
        """As the page does, asks after a long silence. Keep-alives are comments, not events."""
        until = time.monotonic() + PATIENCE + 15
        while self.thread.is_alive() and time.monotonic() < until and not self.silent:
            self.thread.join(0.1)
            self.silent = time.monotonic() > self.received_at + LONGEST_SILENCE
        if self.silent and not self.end:
            self.trouble("the stream was silent")
            if task := self.ask():
                self.show(task)

    def lost(self):
        lost = super().lost()
        is_late = lost and self.silent and (self.end or self.gone)
        return f"{lost} after {LONGEST_SILENCE} s of silence" if is_late else lost


class Resuming(Streaming):
    """In 04 and 05. Each event must arrive exactly once, unless there is a reset."""

    def begin(self):
        super().begin()
        self.ids, self.reset = [], False
        self.user = self.lab.redis.hget(f"task:{self.task_id}", "user")

    def events(self):
        headers = {"Last-Event-ID": self.ids[-1]} if self.ids else {}
        return self.person.listen(f"task_ids={self.task_id}", **headers)

    def receive(self, id, type, data):
        if type == "reset":
            self.reset = True
            self.trouble("reset")
        if type in UPDATES and id:
            self.ids.append(id)
        super().receive(id, type, data)

    def lost(self):
        return super().lost() or self.lost_on_the_way()

    def lost_on_the_way(self):
        kept = [id for id, _ in self.lab.redis.xrange(f"task_events:{self.user}")]
        if self.reset or self.ids == kept[-len(self.ids) :]:
            return ""
        return "events, without a reset"
