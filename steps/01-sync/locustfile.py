"""People at a step: each starts one job and follows it to the end. All times are measured.

locust -f locustfile.py --headless --users 4 --host http://127.0.0.1:8000   # 3 and a bystander
"""

import json
import random
import time
from datetime import datetime

import gevent
from locust import FastHttpUser, constant, task

POLL_SECONDS = 2
RUNNING = ("PENDING", "PROGRESS")
UPDATES = ("progress", "complete", "error", "cancelled")


class Person(FastHttpUser):
    """Follows the job in the way that the step offers: a stream, polls, or the one answer."""

    network_timeout = connection_timeout = 600
    left = 0

    @task
    def one_job(self):
        began = time.time()
        try:
            self.client.get("/", name="open page")
            self.follow_a_job(began)
        except Exception as error:
            self.measured("finish", time.time() - began, error)
        self.leave()

    def follow_a_job(self, began):
        answer = self.client.post("/tasks", data={"kind": "optimize"}, name="submit")
        answer.raise_for_status()
        if answer.status_code == 202:
            self.follow(began, **answer.json())
        else:
            self.measured("first update", time.time() - began)
        self.measured("finish", time.time() - began)

    def follow(self, began, status_url, stream_url=None, **_):
        self.ids = []
        newest = None
        for state in self.updates(status_url, stream_url):
            if state["state"] == "FAILURE":
                raise RuntimeError(state["error"])
            updated_at = state.get("updated_at")
            if updated_at == newest:
                self.measured("nothing new", 0)
                continue
            if newest is None:
                self.measured("first update", time.time() - began)
            age = time.time() - datetime.fromisoformat(updated_at).timestamp()
            self.measured("update delay", age)
            newest = updated_at
        if self.ids:
            self.count_ids(stream_url)

    def updates(self, status_url, stream_url):
        """As the page does: listens, comes back after a lost connection, and polls if refused."""
        state = {"state": "PENDING"}
        while stream_url and state["state"] in RUNNING:
            last_id = {"Last-Event-ID": self.ids[-1]} if self.ids else {}
            stream = self.client.get(stream_url, headers=last_id, name="stream", stream=True)
            if stream.status_code != 200:
                break
            for state in self.events(stream.stream):
                yield state
            stream.stream.release()
            if state["state"] in RUNNING:
                self.measured("reconnect", 0)
                time.sleep(random.uniform(2, 4))
        if state["state"] in RUNNING:
            yield from self.polls(status_url)

    def events(self, stream):
        """The state in each event, whose id is noted if it has one. Ends when the stream does."""
        id = None
        # Line by line: iter_lines() would wait for a kilobyte, and so for several events.
        for line in iter(lambda: stream.readline(b"\n"), b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                id = value
            elif name == "event":
                type = value
            elif name == "data" and type in UPDATES:
                self.ids += [id] if id else []
                yield json.loads(value)

    def polls(self, status_url):
        state, pause = {"state": "PENDING"}, random.uniform(0, POLL_SECONDS)
        while state["state"] in RUNNING:
            time.sleep(pause)
            answer = self.client.get(status_url, name="poll")
            answer.raise_for_status()
            state = answer.json()
            yield state
            pause = POLL_SECONDS

    def count_ids(self, stream_url):
        """Compares the ids that arrived with those that the server's buffer has."""
        first, *received = self.ids
        answer = self.client.get(f"{stream_url}&last_event_id={first}", name="check")
        ids = [line.split()[1] for line in answer.text.splitlines() if line.startswith("id: ")]
        for _ in set(ids) - set(received):
            self.measured("gap", 0)
        for _ in range(len(received) - len(set(received))):
            self.measured("duplicate", 0)

    def measured(self, name, seconds, error=None):
        self.environment.events.request.fire(
            request_type="measured",
            name=name,
            response_time=seconds * 1000,
            response_length=0,
            exception=error,
            context={},
        )

    def leave(self):
        Person.left += 1
        if Person.left == self.environment.parsed_options.num_users - Bystander.fixed_count:
            gevent.spawn(self.environment.runner.quit)  # not from here: quitting ends this person
        gevent.sleep(3600)  # locust would replace a user who stops while others still come


class Bystander(FastHttpUser):
    """Wants nothing but the front page."""

    network_timeout = connection_timeout = 600
    fixed_count = 1
    wait_time = constant(0.5)

    @task
    def look(self):
        self.client.get("/", name="bystander")
