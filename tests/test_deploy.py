"""What deploy/ of step 05 promises: nginx in front of two nodes that share only Redis."""

import contextlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nginx import NGINX, is_up, nginx
from workshop.processes import Process, embedded_valkey, free_port, running
from workshop.steps import find_step, procfile
from workshop.testing import Person, eventually

STEP = find_step("5")
DEPLOY = STEP / "deploy"
KEY = {"SECRET_KEY": "the same on both nodes", "JOB_PACE": "1"}
WEB = procfile(STEP)["web"].replace("gunicorn", "gunicorn -c deploy/gunicorn.conf.py")

needs_nginx = pytest.mark.skipif(
    not NGINX, reason="no nginx: install it with your system's packages"
)
needs_linters = pytest.mark.skipif(
    not (Path(sys.executable).parent / "hadolint").exists(),
    reason="no linters for deploy/: get them with 'uv sync --group deploy'",
)


class TwoNodes:
    """Two copies of the step in folders of their own, and a proxy with TLS in front of them."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack):
        redis_url = stack.enter_context(embedded_valkey(free_port()))
        self.nodes = []
        for name in ("one", "two"):
            copy = shutil.copytree(STEP, folder / name / STEP.name)
            node = running(copy, redis_url=redis_url, env=KEY, commands={"web": WEB})
            self.nodes.append(stack.enter_context(node))
        self.url = f"https://127.0.0.1:{free_port()}"
        http = site(self.url, folder, [node.url for node in self.nodes])
        stack.enter_context(nginx(folder, http, self.url))


@pytest.fixture
def two_nodes(tmp_path):
    with contextlib.ExitStack() as stack:
        yield TwoNodes(tmp_path, stack)


def site(url, folder, nodes):
    """Our nginx.conf, with addresses and certificates of this machine."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    openssl = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    run([*openssl.split(), "-keyout", str(key), "-out", str(certificate)])
    text = (DEPLOY / "nginx.conf").read_text()
    for name, node in zip(("web1:8000", "web2:8000"), nodes, strict=True):
        assert name in text
        text = text.replace(name, node.removeprefix("http://"))
    text = text.replace("listen 443", f"listen {urlsplit(url).netloc}")
    text = text.replace("/etc/nginx/tls/fullchain.pem", str(certificate))
    return text.replace("/etc/nginx/tls/privkey.pem", str(key))


@needs_nginx
@pytest.mark.slow
def test_a_job_of_one_node_is_followed_through_the_other_and_its_files_downloaded(two_nodes):
    one, two = two_nodes.nodes
    with Person(one.url) as person:
        task_id = person.task_id("worksheets", sample="yes")
        with Person(two.url, cookies=person.cookies) as other:
            *_, (_, type, last) = other.listen(f"task_ids={task_id}")
            assert type == "complete"
            for file in last["files"]:
                assert len(other.get(file["url"]).content) == file["size"]


@needs_nginx
@pytest.mark.slow
def test_the_proxy_holds_no_event_back(two_nodes):
    with Person(two_nodes.url) as person:
        task_id = person.task_id("worksheets", sample="yes")
        for _, type, data in person.listen(f"task_ids={task_id}"):
            if type == "progress" and 0 < data["current"] < 6:
                # If the proxy held events back, they would all come when the job is done.
                assert person.task(task_id)["current"] <= data["current"] + 1


@needs_nginx
@pytest.mark.slow
def test_a_node_stops_during_a_job_and_the_client_reconnects_to_the_other(two_nodes):
    numbers, last_id, data = [], "", {}
    with Person(two_nodes.url) as person:
        task_id = person.task_id("worksheets", sample="yes")
        stopped = False
        while data.get("state") != "SUCCESS":
            for id, type, data in person.listen(
                f"task_ids={task_id}", **{"Last-Event-ID": last_id}
            ):
                if type in ("progress", "complete"):
                    last_id = id
                    numbers.append(data["current"])
                if data.get("current") == 2 and not stopped:
                    stopped = True
                    restart_both_nodes(two_nodes)
    assert stopped
    assert [number for number in numbers if number] == [1, 2, 3, 4, 5, 6, 6]


def restart_both_nodes(two_nodes):
    """One after the other. One of them has the stream."""
    for node in two_nodes.nodes:
        web = node.processes["web"]
        web.stop()
        env = KEY | {"PORT": node.url.split(":")[-1], "REDIS_URL": node.redis_url}
        node.processes["web"] = Process("web", WEB, node.step, env, lambda name, line: None)
        eventually(lambda node=node: is_up(node.url))


@needs_nginx
@pytest.mark.slow
def test_the_client_gets_errors_as_json_and_never_notices_a_missing_node(two_nodes):
    with Person(two_nodes.url) as person:
        answer = person.start("worksheets", b"x" * (5 * 1024 * 1024 + 1000))
        assert answer.status_code == 413, answer.text
        assert set(answer.json()) == {"error", "hint"}
        two_nodes.nodes[0].processes["web"].stop()
        assert [person.get("/healthz").status_code for _ in range(6)] == [200] * 6


@needs_nginx
@pytest.mark.slow
def test_the_page_with_its_scripts_comes_through_the_proxy(two_nodes):
    with Person(two_nodes.url) as person:
        for path in ("/", "/page/page.js", "/page/style.css", "/static/follow.js"):
            assert person.get(path).status_code == 200


@needs_nginx
@pytest.mark.slow
def test_http_2_is_offered(two_nodes):
    port = two_nodes.url.split(":")[-1]
    offer = f"openssl s_client -connect 127.0.0.1:{port} -alpn h2"
    said = subprocess.run(offer.split(), input=b"", capture_output=True).stdout
    assert b"ALPN protocol: h2" in said


@needs_linters
@pytest.mark.slow
def test_compose_file_is_valid():
    run(
        [
            tool("check-jsonschema"),
            "--builtin-schema",
            "vendor.compose-spec",
            DEPLOY / "compose.yaml",
        ]
    )


@needs_linters
@pytest.mark.slow
def test_the_dockerfile_has_no_known_mistake():
    run([tool("hadolint"), "--failure-threshold", "warning", DEPLOY / "Dockerfile"])


def test_every_way_of_deployment_starts_what_the_procfile_does():
    fly = tomllib.loads((DEPLOY / "fly.toml").read_text())["processes"]
    compose = (DEPLOY / "compose.yaml").read_text()
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    image = re.search(r"^CMD \[(.+)\]$", dockerfile, re.MULTILINE)[1]
    web, worker = essence(WEB), procfile(STEP)["worker"]
    assert essence(image.replace('"', "").replace(",", "")) == web
    assert essence(fly["web"]) == web
    assert essence(started_by("live-progress-web.service")) == web
    assert fly["worker"] == started_by("live-progress-worker.service") == worker
    assert f"command: {worker}\n" in compose


def essence(command):
    """Without the address, which is different inside a container."""
    return re.sub(r"-b \S+ ", "", command)


def started_by(unit):
    text = (DEPLOY / unit).read_text()
    return re.search(r"^ExecStart=\S*/bin/(.+)$", text, re.MULTILINE)[1]


def test_the_image_has_the_libraries_of_the_step_and_of_its_settings():
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    install = re.search(r"^RUN pip install (.+)$", dockerfile, re.MULTILINE)[1]
    names = re.findall(r"--requirement (\S+)", install)
    assert names == ["requirements.txt", "deploy/requirements.txt"]
    assert all((STEP / name).is_file() for name in names)


def tool(name):
    return str(Path(sys.executable).parent / name)


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
