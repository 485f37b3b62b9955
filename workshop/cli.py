"""The command `workshop`. It prints every standard command line that it runs."""

import os
import shlex
import signal
import subprocess
import sys
import time

import click
from rich.console import Console
from rich.text import Text

from workshop import diff, doctor, exercises, faults, load, redis_tools
from workshop.processes import last_words, running
from workshop.steps import ROOT, find_step, number_of, uses_redis

COLOURS = {"$": "bold", "web": "green", "worker": "cyan", "redis": "magenta"}
console = Console(highlight=False, soft_wrap=True)


def say(name: str, line: str):
    console.print(Text.assemble((f"{name:>6} | ", COLOURS.get(name, "yellow")), line))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main():
    """From a slow Flask page to thousands of live progress streams, in steps."""
    for sign in (signal.SIGTERM, signal.SIGHUP):  # like Ctrl-C: stop the processes in order
        signal.signal(sign, signal.default_int_handler)


@main.command()
@click.argument("step")
@click.option("--port", default=8000, show_default=True, envvar="PORT", show_envvar=True)
@click.option("--redis-port", type=int, show_default="6400 + STEP", help="For the Valkey.")
def start(step, port, redis_port):
    """Start a step as its Procfile says, with an embedded Valkey unless REDIS_URL is set."""
    folder = find_step(step)
    url = os.environ.get("REDIS_URL")
    if url and uses_redis(folder):
        redis_tools.connected(url).close()
    redis = {"redis_url": url, "redis_port": redis_port or 6400 + number_of(folder)}
    try:
        with running(folder, port=port, say=say, **redis) as step_is_running:
            say("$", f"{folder.name} is ready: {step_is_running.url}   Ctrl-C stops it")
            while not (ended := step_is_running.ended()):
                time.sleep(0.2)
            raise click.ClickException(last_words(ended))
    except KeyboardInterrupt:
        say("$", "all stopped")


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("step")
@click.argument("arguments", nargs=-1)
def test(step, arguments):
    """Run the tests of one step. The arguments after the step go to pytest."""
    folder = find_step(step)
    say("$", f"cd {folder} && pytest {shlex.join(arguments)}".rstrip())
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", *arguments], cwd=folder))


@main.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1)
def compare(arguments):
    """Measure all steps under the same load, and draw charts. --help says more."""
    script = ROOT / "tests" / "load" / "compare.py"
    say("$", f"python {script} {shlex.join(arguments)}".rstrip())
    sys.exit(subprocess.call([sys.executable, str(script), *arguments]))


main.add_command(diff.diff)
main.add_command(exercises.copy)
main.add_command(exercises.check)
main.add_command(doctor.doctor)
main.add_command(faults.break_)
main.add_command(load.load)
main.add_command(redis_tools.redis)
