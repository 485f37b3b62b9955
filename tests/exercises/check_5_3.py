"""5.3: nginx in front of the copy, once holding the news back, and once mended."""

from urllib.parse import urlsplit

import pytest

from nginx import NGINX, nginx
from workshop.processes import free_port, running
from workshop.testing import Person

INSTALL = (
    "no nginx here: 'sudo apt install nginx' (Debian, Ubuntu) or 'brew install nginx' (macOS)"
)
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
