"""5.3: nginx in front of the copy, once holding the events back, and once passing them on."""

from urllib.parse import urlsplit

import pytest

from nginx import NGINX, nginx
from workshop.processes import free_port, running
from workshop.testing import Person

INSTALL = (
    "no nginx here: 'sudo apt install nginx' (Debian, Ubuntu) or 'brew install nginx' (macOS)"
)
# As if the app had not asked nginx to pass its events on immediately.
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
    for name in ("silent.conf", "live.conf"):
        assert (folder / "deploy" / name).is_file(), f"write deploy/{name}"
    assert NGINX, INSTALL  # a skipped check would look as if it had passed


def test_by_itself_the_app_asks_nginx_to_pass_events_on(app, tmp_path):
    assert arrived_in_time(app, tmp_path, server=OLD) == list(IN_TIME)


def test_with_silent_conf_no_event_arrives_before_the_end(app, folder, tmp_path):
    arrived = arrived_in_time(app, tmp_path, location=included(folder, "silent.conf"))
    assert arrived == [], "these events arrived while the job was still running"


def test_with_live_conf_every_event_arrives_immediately(app, folder, tmp_path):
    location = included(folder, "live.conf")
    arrived = arrived_in_time(app, tmp_path, server=DEAF, location=location)
    assert arrived == list(IN_TIME), "the others arrived too late"


def included(folder, name):
    return f"include {folder}/deploy/{name};"


def arrived_in_time(app, tmp_path, server="", location=""):
    """The iterations whose event came through nginx before the job was much further."""
    url = f"http://127.0.0.1:{free_port()}"
    passed_on = f"location / {{ proxy_pass {app.url};\n{location}\n}}"
    http = f"server {{ listen {urlsplit(url).netloc}; {server}\n{passed_on} }}"
    with nginx(tmp_path, http, url), Person(url) as person:
        task_id = person.task_id("optimize")
        return [
            data["current"]
            for _, _, data in person.listen(f"task_ids={task_id}")
            if data.get("current") in IN_TIME
            and person.task(task_id)["current"] <= data["current"] + 100
        ]
