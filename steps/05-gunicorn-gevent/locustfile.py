"""People at this step: each starts one job and follows it to the end. All times are measured.

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
NEWS = ("progress", "complete", "error", "cancelled")


class Person(FastHttpUser):
    network_timeout = connection_timeout = 600
    left = 0

    @task
    def one_job(self):
        self.client.get("/", name="open page")
        began = time.time()
        try:
            self.follow_a_job(began)
        except Exception as error:
            self.measured("finish", time.time() - began, error)
        self.leave()

    def follow_a_job(self, began):
        answer = self.client.post("/tasks", data={"kind": "optimize"}, name="submit")
        answer.raise_for_status()
        self.ids = []
        told = None
        for number, status in enumerate(self.news(**answer.json())):
            if status["state"] == "FAILURE":
                raise RuntimeError(status["error"])
            if number == 0:
                self.measured("first update", time.time() - began)
            news = status.get("updated_at")
            if news != told:  # who asks is told the same again
                self.measured(
                    "update delay", time.time() - datetime.fromisoformat(news).timestamp()
                )
            told = news
        self.measured("finish", time.time() - began)
        self.count_ids(answer.json()["stream_url"])

    def news(self, stream_url, status_url, **_):
        """What the page does: listens, comes back if it was cut off, and asks if it is refused."""
        status = {"state": "PENDING"}
        while status["state"] in RUNNING:
            last_id = {"Last-Event-ID": self.ids[-1]} if self.ids else {}
            stream = self.client.get(stream_url, headers=last_id, name="stream", stream=True)
            if stream.status_code != 200:
                return (yield from self.poll(status_url))
            for status in self.events(stream.stream):
                yield status
            stream.stream.release()
            if status["state"] in RUNNING:
                self.measured("reconnect", 0)
                time.sleep(random.uniform(2, 4))

    def events(self, stream):
        """The news of each event, whose id is noted. Ends when the stream does."""
        id = None
        # Line by line: iter_lines() would wait for a kilobyte, and so for several events.
        for line in iter(lambda: stream.readline(b"\n"), b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                id = value
            elif name == "event":
                type = value
            elif name == "data" and type in NEWS:
                self.ids.append(id)
                yield json.loads(value)

    def poll(self, status_url):
        status = {"state": "PENDING"}
        while status["state"] in RUNNING:
            answer = self.client.get(status_url, name="poll")
            answer.raise_for_status()
            status = answer.json()
            yield status
            time.sleep(POLL_SECONDS)

    def count_ids(self, stream_url):
        """Compares what was heard with what the server's buffer has."""
        if not self.ids:
            return
        first, *heard = self.ids
        answer = self.client.get(f"{stream_url}&last_event_id={first}", name="check")
        ids = [line.split()[1] for line in answer.text.splitlines() if line.startswith("id: ")]
        for _ in set(ids) - set(heard):
            self.measured("gap", 0)
        for _ in range(len(heard) - len(set(heard))):
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
        gevent.sleep(3600)  # who stops while others still come is replaced by locust


class Bystander(FastHttpUser):
    """Wants nothing but the front page."""

    network_timeout = connection_timeout = 600
    fixed_count = 1
    wait_time = constant(0.5)

    @task
    def look(self):
        self.client.get("/", name="bystander")
