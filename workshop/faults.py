"""`workshop break`: does a fault to a running step, while you watch its page."""

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
    """With empty messages, which only make the streams look into their buffers."""
    limit = redis.config_get("client-output-buffer-limit")
    redis.config_set("client-output-buffer-limit", "pubsub 100000 0 0")
    with redis.pipeline() as pipe:  # a transaction: Redis writes to subscribers only after it
        for channel in 2000 * redis.pubsub_channels("task_progress:*"):
            pipe.publish(channel, "")
        pipe.execute()
    redis.config_set(*limit.popitem())


def deliver_again(redis, seconds):
    for kept in redis.hvals("unacked"):
        redis.lpush("celery", json.dumps(json.loads(kept)[0]))


FAULTS = {  # a line of the Procfile or Redis, what is done to it, and what that shows
    "web": ("web", send(SIGKILL), "the web process is killed; 'workshop start' stops the others"),
    "web-term": ("web", send(SIGTERM), "the web process is asked to stop; the others stop, too"),
    "web-hup": ("web", send(SIGHUP), "05: gunicorn replaces its workers, a rolling restart"),
    "web-workers": ("web", send(SIGKILL, Process.children), "05: gunicorn's workers are killed"),
    "web-workers-term": ("web", send(SIGTERM, Process.children), "05: they are asked to stop"),
    "worker": ("worker", send(SIGKILL), "Celery is killed, and its tasks wait for a long time"),
    "worker-term": ("worker", send(SIGTERM), "Celery finishes its tasks, and accepts no more"),
    "worker-children": ("worker", send(SIGKILL, Process.children), "the jobs' processes die"),
    "redis": ("redis", suspend, "Redis does not answer for --seconds"),
    "redis-empty": ("redis", empty, "Redis loses all data, as if it was restarted without a file"),
    "subscribers": ("redis", cut_off, "Redis closes the connections of all subscribers"),
    "slow-subscribers": ("redis", flood, "Redis closes those with too many messages waiting"),
    "redelivery": ("redis", deliver_again, "running tasks count as lost, and are delivered again"),
}


@click.command("break")
@click.argument("step", required=False)
@click.argument("fault", required=False, type=click.Choice(list(FAULTS)))
@click.option("--seconds", default=15.0, show_default=True, help="How long Redis is away.")
@click.option("--list", "listed", is_flag=True, help="The faults, and what each one shows.")
def break_(step, fault, seconds, listed):
    """Do a fault to a step that is already running: workshop break 4 redis"""
    if listed or fault is None:
        return [click.echo(f"{name:17} {shows}") for name, (*_, shows) in FAULTS.items()]
    needs, do, shows = FAULTS[fault]
    process = process_in(find_step(step), "web" if needs == "redis" else needs)
    url = process.environ().get("REDIS_URL", USUAL_REDIS)
    do(connected(url) if needs == "redis" else process, seconds)
    return click.echo(shows)
