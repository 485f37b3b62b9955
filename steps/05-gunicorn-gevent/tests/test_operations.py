"""What an operator needs: numbers, a log without secrets, and a Redis behind TLS."""

import json
import shutil
import signal
import subprocess

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from workshop.processes import Process, answers, free_port
from workshop.steps import procfile
from workshop.testing import Person, eventually, log_with

JOB_PACE = 0.2


@pytest.fixture
def start_deployed(start_step, folder):
    """Starts the step with the settings in deploy/. Returns it, and the port of its numbers."""
    settings = "gunicorn -c deploy/gunicorn.conf.py"

    def start(workers=4, **env):
        web = (
            procfile(folder)["web"].replace("gunicorn", settings).replace("-w 4", f"-w {workers}")
        )
        port = free_port()
        step = start_step(commands={"web": web}, METRICS_PORT=port, **env)
        eventually(lambda: answers(f"http://127.0.0.1:{port}/metrics"))
        return step, port

    return start


def test_the_numbers_of_all_workers_are_on_a_port_of_their_own(start_deployed):
    step, port = start_deployed()
    with Person(step.url) as person:
        task_id = person.task_id("worksheets", sample="yes")
        events = person.listen(f"task_ids={task_id}")
        next(events)
        eventually(lambda: numbers(port)["streams_open"] == 1)
        assert [type for _, type, _ in events][-1] == "complete"
    eventually(lambda: numbers(port)["streams_open"] == 0)
    seen = numbers(port)
    assert seen["hub_lag_seconds_count"] == seen["events_delivered_total"] >= 6
    # Most events came with their message. The stream read the buffer only when it began and ended.
    assert 0 < seen["buffer_reads_total"] < seen["events_delivered_total"]
    assert seen["bell_overflows_total"] == 0


def test_the_numbers_survive_a_reload_and_end_with_gunicorn(start_deployed, tmp_path):
    step, port = start_deployed(TMPDIR=tmp_path)
    with Person(step.url) as person:
        list(person.listen(f"task_ids={person.task_id('optimize')}"))
    eventually(lambda: numbers(port)["streams_open"] == 0)
    before = numbers(port)
    gunicorn = step.processes["web"]
    gunicorn.popen.send_signal(signal.SIGHUP)
    eventually(lambda: sum("Worker exiting" in line for line in gunicorn.output) == 4)
    assert numbers(port) == before
    assert before["events_delivered_total"] > 0
    assert list(tmp_path.rglob("*.db"))
    gunicorn.popen.send_signal(signal.SIGTERM)
    gunicorn.popen.wait(60)  # workers that have just begun end late
    with pytest.raises(httpx.ConnectError):
        numbers(port)
    assert not list(tmp_path.rglob("*.db"))


def test_a_refused_stream_is_counted(start_deployed):
    step, port = start_deployed(workers=1, MAX_STREAMS_OF_USER=1)
    with Person(step.url) as person:
        url = f"/tasks/stream?task_ids={person.task_id('worksheets', sample='yes')}"
        with person.stream("GET", url):
            assert person.get(url).status_code == 429
    assert numbers(port)["streams_refused_total"] == 1


def test_the_access_log_is_json_without_tokens(start_deployed):
    step, _ = start_deployed()
    line = json.loads(logged(step, '/tasks/"strange\\path'))
    assert (line["method"], line["path"], line["status"]) == ("GET", '/tasks/"strange\\path', 404)
    assert line["bytes"] > 0


def test_the_plain_access_log_is_without_tokens(step):
    assert logged(step, "/tasks/strange") == "GET /tasks/strange 404"


def logged(step, path):
    """The line for a request with a token that asks for this path. The token isn't in the log."""
    token = httpx.post(f"{step.url}/tokens").json()["token"]
    httpx.get(f"{step.url}{path}", params={"token": token})
    log = log_with(step.processes["web"], "strange")
    assert token not in log
    return next(line for line in log.splitlines() if "strange" in line)


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which("redis-server"), reason="no redis-server (with TLS): install Redis"
)
def test_a_redis_with_tls_and_a_password_serves_the_queue_and_the_streams(start_step, tmp_path):
    certificate, port = certified(tmp_path), free_port()
    command = (
        f"redis-server --port 0 --tls-port {port} --requirepass secret --save '' "
        f"--tls-cert-file {certificate} --tls-key-file {tmp_path}/key.pem --tls-auth-clients no"
    )
    server = Process("redis", command, tmp_path, {}, lambda name, line: None)
    try:
        log_with(server, "Ready to accept connections")
        url = f"rediss://:secret@localhost:{port}?ssl_ca_certs={certificate}"
        step = start_step(redis_url=url)
        with Person(step.url) as person:
            task_id = person.task_id("worksheets", sample="yes")
            *_, last = person.listen(f"task_ids={task_id}")
            assert last[1] == "complete"
        assert "secret" not in "\n".join(step.processes["web"].output)
    finally:
        server.stop()


def certified(folder):
    certificate = folder / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += f" -addext subjectAltName=DNS:localhost -keyout {folder}/key.pem -out {certificate}"
    subprocess.run(command.split(), check=True, capture_output=True)
    return certificate


def numbers(port):
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics").raise_for_status()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
