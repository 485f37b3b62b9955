"""5.3: nginx in front of the copy, once holding the news back, and once mended."""

import contextlib
import os
import shutil
from pathlib import Path

import httpx
import pytest

from workshop.processes import Process, free_port, running
from workshop.testing import Person, eventually

PLACES = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
NGINX = shutil.which("nginx", path=PLACES)
INSTALL = (
    "no nginx here: 'sudo apt install nginx' (Debian, Ubuntu) or 'brew install nginx' (macOS)"
)
BUFFERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
# As if the app had not asked for its news to be passed on at once.
DEAF = "proxy_http_version 1.0; proxy_ignore_headers X-Accel-Buffering;"
OLD = "proxy_http_version 1.0;"
IN_TIME = (100, 200, 300, 400)  # of 600 iterations: the last two may come together


@pytest.fixture(scope="module")
def app(folder):
    """The step with a single web process, and jobs that take their time."""
    web = "gunicorn -k gevent -w 1 -b 127.0.0.1:$PORT app:app"
    with running(folder, env={"JOB_PACE": "0.4"}, commands={"web": web}) as step:
        yield step


def test_both_files_are_there_and_nginx_is(folder):
    for name in ("silent.conf", "mended.conf"):
        assert (folder / "deploy" / name).is_file(), f"write deploy/{name}"
    assert NGINX, INSTALL  # a skipped check would look as if it had passed


def test_by_itself_the_app_asks_for_its_news_to_be_passed_on(app, tmp_path):
    assert heard_in_time(app, tmp_path, server=OLD) == list(IN_TIME)


def test_with_silent_conf_nothing_is_heard_before_the_end(app, folder, tmp_path):
    heard = heard_in_time(app, tmp_path, location=included(folder, "silent.conf"))
    assert heard == [], "these came while the job was still at work"


def test_with_mended_conf_everything_comes_at_once(app, folder, tmp_path):
    location = included(folder, "mended.conf")
    heard = heard_in_time(app, tmp_path, server=DEAF, location=location)
    assert heard == list(IN_TIME), "the others came too late"


def included(folder, name):
    return f"include {folder}/deploy/{name};"


def heard_in_time(app, tmp_path, server="", location=""):
    """The iterations of which somebody heard through nginx while the job was just there."""
    with nginx(tmp_path, app.url, server, location) as url, Person(url) as person:
        task_id = person.task_id("optimize")
        return [
            data["current"]
            for _, _, data in person.listen(f"task_ids={task_id}")
            if data.get("current") in IN_TIME
            and person.task(task_id)["current"] <= data["current"] + 100
        ]


@contextlib.contextmanager
def nginx(folder: Path, app_url, server, location):
    port = free_port()
    paths = "".join(f"{name}_temp_path {folder}/{name}; " for name in BUFFERS)
    # As root, nginx would give its workers to a user who may not write here.
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        f"{user} daemon off; error_log stderr; pid {folder}/nginx.pid; events {{}}\n"
        f"http {{ access_log off; {paths}\n"
        f"server {{ listen 127.0.0.1:{port}; {server}\n"
        f"location / {{ proxy_pass {app_url};\n{location}\n}} }} }}\n"
    )
    process = Process("nginx", f"{NGINX} -p {folder} -c {config}", folder, {}, lambda *_: None)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: not process.alive() or is_up(url))
        assert process.alive(), "\n".join(process.output)
        yield url
    finally:
        process.stop()


def is_up(url):
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False
