"""A real nginx in front of a step, as far as this machine has one."""

import contextlib
import os
import shutil
from pathlib import Path

import httpx

from workshop.processes import Process
from workshop.testing import eventually

PLACES = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
NGINX = shutil.which("nginx", path=PLACES)
BUFFERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextlib.contextmanager
def nginx(folder: Path, http: str, url: str):
    """Serves what `http` says, a text for nginx's http {}, as soon as `url` answers."""
    buffers = "".join(f"{name}_temp_path {folder}/{name};" for name in BUFFERS)
    # As root, nginx would give its workers to a user who may not write here.
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        f"{user} daemon off; error_log stderr; pid {folder}/nginx.pid; events {{}}\n"
        f"http {{ access_log off; {buffers}\n{http} }}\n"
    )
    process = Process("nginx", f"{NGINX} -p {folder} -c {config}", folder, {}, lambda *_: None)
    try:
        eventually(lambda: not process.alive() or is_up(url))
        assert process.alive(), "\n".join(process.output)
        yield process
    finally:
        process.stop()


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2, verify=False).status_code == 200
    except httpx.TransportError:
        return False
