"""People at this step: each starts one job and follows it to the end. All times are measured.

locust -f locustfile.py --headless --users 4 --host http://127.0.0.1:8000   # 3 and a bystander
"""

import json
import time
from datetime import datetime

import gevent
from locust import FastHttpUser, constant, task


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
        events = self.listen(answer.json()["stream_url"])
        for number, status in enumerate(events):
            if status["state"] == "FAILURE":
                raise RuntimeError(status["error"])
            if number == 0:
                self.measured("first update", time.time() - began)
            if "updated_at" in status:  # not yet, if the job has not started
                told = datetime.fromisoformat(status["updated_at"]).timestamp()
                self.measured("update delay", time.time() - told)
        if status["state"] != "SUCCESS":
            raise RuntimeError("the stream ended before the job did")
        self.measured("finish", time.time() - began)

    def listen(self, stream_url):
        """The data of each event. Unlike a browser, this person does not reconnect."""
        answer = self.client.get(stream_url, name="stream", stream=True)
        answer.raise_for_status()
        # Line by line: iter_lines() would wait for a kilobyte, and so for several events.
        for line in iter(lambda: answer.stream.readline(b"\n"), b""):
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))
        answer.stream.release()

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
