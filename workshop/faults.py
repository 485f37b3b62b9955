"""`workshop break`: does a fault to a step that runs, while somebody watches its page."""

import json
import time
from signal import SIGHUP, SIGKILL, SIGTERM

import click
from psutil import Process

from workshop.processes import USUAL_REDIS, process_in
from workshop.redis_tools import connected
from workshop.steps import find_step


def send(sign, to=lambda process: [process]):
    return lambda process, seconds: [one.send_signal(sign) for one in to(process)]


def suspend(redis, seconds):
    server = Process(redis.info("server")["process_id"])
    server.suspend()
    try:
        time.sleep(seconds)
    finally:
        server.resume()


def cut_off(redis, seconds):
    redis.client_kill_filter(_type="pubsub")


def empty(redis, seconds):
    redis.flushall()
    redis.script_flush()
    cut_off(redis, seconds)
    redis.client_kill_filter(_type="normal", skipme=True)


def flood(redis, seconds):
    limit = redis.config_get("client-output-buffer-limit")
    redis.config_set("client-output-buffer-limit", "pubsub 100000 0 0")
    with redis.pipeline() as pipe:  # all in one go: Redis writes to subscribers only after it
        for channel in 500 * redis.pubsub_channels("task_progress:*"):
            pipe.publish(channel, "0-0 progress nobody " + 1000 * "x")
        pipe.execute()
    redis.config_set(*limit.popitem())


def deliver_again(redis, seconds):
    for kept in redis.hvals("unacked"):
        redis.lpush("celery", json.dumps(json.loads(kept)[0]))


FAULTS = {  # a line of the Procfile or Redis, what is done to it, and what that shows
    "web": ("web", send(SIGKILL), "the web process dies; 'workshop start' stops the rest"),
    "web-term": ("web", send(SIGTERM), "the web process is asked to stop; likewise"),
    "web-hup": ("web", send(SIGHUP), "05: gunicorn replaces its workers, a rolling restart"),
    "web-workers": ("web", send(SIGKILL, Process.children), "05: gunicorn's workers die"),
    "web-workers-term": ("web", send(SIGTERM, Process.children), "05: they are asked to stop"),
    "worker": ("worker", send(SIGKILL), "Celery dies: its tasks wait for a long time"),
    "worker-term": ("worker", send(SIGTERM), "Celery ends its tasks, and takes no more"),
    "worker-children": ("worker", send(SIGKILL, Process.children), "who does the tasks dies"),
    "redis": ("redis", suspend, "Redis does not answer for --seconds"),
    "redis-empty": ("redis", empty, "Redis forgets all, and cuts all off, as if restarted empty"),
    "subscribers": ("redis", cut_off, "Redis cuts off all who have subscribed"),
    "slow-subscribers": ("redis", flood, "Redis cuts off who has more waiting than it may"),
    "redelivery": ("redis", deliver_again, "tasks that run are overdue, and done again"),
}


@click.command("break")
@click.argument("step", required=False)
@click.argument("fault", required=False, type=click.Choice(list(FAULTS)))
@click.option("--seconds", default=15.0, show_default=True, help="How long Redis is away.")
@click.option("--list", "listed", is_flag=True, help="The faults, and what each one shows.")
def break_(step, fault, seconds, listed):
    """Do a fault to a step that runs already: workshop break 4 redis"""
    if listed or fault is None:
        return [click.echo(f"{name:17} {shows}") for name, (*_, shows) in FAULTS.items()]
    needs, do, shows = FAULTS[fault]
    process = process_in(find_step(step), "web" if needs == "redis" else needs)
    url = process.environ().get("REDIS_URL", USUAL_REDIS)
    do(connected(url) if needs == "redis" else process, seconds)
    return click.echo(shows)
