"""People at this step: each starts one job and follows it to the end. All times are measured.

locust -f locustfile.py --headless --users 4 --host http://127.0.0.1:8000   # 3 and a bystander
"""

import random
import time
from datetime import datetime

import gevent
from locust import FastHttpUser, constant, task

POLL_SECONDS = 2


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
        told = None
        for status in self.poll(answer.json()["status_url"]):
            if status["state"] == "FAILURE":
                raise RuntimeError(status["error"])
            news = status.get("updated_at")
            if news == told:
                self.measured("nothing new", 0)
            else:
                if told is None:
                    self.measured("first update", time.time() - began)
                self.measured(
                    "update delay", time.time() - datetime.fromisoformat(news).timestamp()
                )
            told = news
        self.measured("finish", time.time() - began)

    def poll(self, status_url):
        pause = random.uniform(0, POLL_SECONDS)  # people do not poll in step
        state = "PENDING"
        while state in ("PENDING", "PROGRESS"):
            time.sleep(pause)
            answer = self.client.get(status_url, name="poll")
            answer.raise_for_status()
            state = answer.json()["state"]
            yield answer.json()
            pause = POLL_SECONDS

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
