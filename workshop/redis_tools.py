"""`workshop redis`: a Redis for steps that you start by hand, and a view into that of a step."""

import os
import time

import click
import redis as redis_py

from workshop.processes import USUAL_REDIS, embedded_valkey, process_in
from workshop.steps import find_step


@click.group()
@click.option("--step", default=None, help="The running step, instead of REDIS_URL.")
@click.pass_context
def redis(context, step):
    """Watch or query the Redis of a running step, or serve one."""
    environ = process_in(find_step(step), "web").environ() if step else os.environ
    context.obj = environ.get("REDIS_URL", USUAL_REDIS)


@redis.command()
@click.option("--port", default=6379, show_default=True)
def serve(port):
    """Run a Redis for steps that you start by hand, until Ctrl-C. It keeps nothing on disk."""
    with embedded_valkey(port) as url:
        click.echo(f"In the other terminals: export REDIS_URL={url}")
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            click.echo("stopped")


@redis.command()
@click.pass_obj
def monitor(url):
    """Show every command that Redis receives, until Ctrl-C."""
    with connected(url) as client, client.monitor() as commands:
        try:
            for command in commands.listen():
                click.echo(f"{command['time']:.3f} {command['command'][:200]}")
        except KeyboardInterrupt:
            return
        except redis_py.ConnectionError as error:
            raise click.ClickException("Redis has gone. Was its step stopped?") from error


@redis.command()
@click.pass_obj
def keys(url):
    """List the keys with their types, sizes in bytes and seconds to live."""
    with connected(url) as client:
        for key in sorted(client.scan_iter(count=1000)):
            name = key.decode(errors="replace")
            size, kind, ttl = client.memory_usage(key), client.type(key).decode(), client.ttl(key)
            click.echo(f"{kind:8} {size or 0:>9} bytes {ttl:>6} s  {name}")


@redis.command()
@click.pass_obj
def channels(url):
    """List the Pub/Sub channels with the number of their subscribers."""
    with connected(url) as client:
        for channel, subscribers in client.pubsub_numsub(*client.pubsub_channels()):
            click.echo(f"{subscribers:>6}  {channel.decode(errors='replace')}")


@redis.command(context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, required=True)
@click.pass_obj
def ask(url, command):
    """Send one command, as redis-cli does: workshop redis ask GET key."""
    with connected(url) as client:
        try:
            click.echo(client.execute_command(*command))
        except redis_py.ResponseError as error:
            raise click.ClickException(str(error)) from error


def connected(url):
    try:  # no timeout: MONITOR may be silent for a long time
        client = redis_py.Redis.from_url(url, socket_timeout=None, socket_connect_timeout=5)
        client.ping()
    except (redis_py.RedisError, ValueError) as error:
        raise click.ClickException(
            f"No Redis answers at {url} ({error}). Start one with 'workshop redis serve', set "
            "REDIS_URL to the address of yours, or unset it. To look into a running step, name "
            "it: workshop redis --step 2"
        ) from error
    return client
