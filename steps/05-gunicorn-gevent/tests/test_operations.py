"""What an operator needs: numbers, a log without secrets, and a Redis behind TLS."""

import json
import shutil
import subprocess

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from workshop.processes import Process, free_port
from workshop.testing import Person, eventually, log_with

JOB_PACE = 0.2


def test_the_numbers_of_all_workers_on_a_port_of_their_own(start_step, tmp_path):
    port = free_port()
    step = start_step(METRICS_PORT=port, TMPDIR=tmp_path)
    with Person(step.url) as person:
        task_id = person.task_id("worksheets", sample="yes")
        events = person.listen(f"task_ids={task_id}")
        next(events)
        eventually(lambda: numbers(port)["streams_open"] == 1)
        told = [type for _, type, _ in events]
    assert told[-1] == "complete"
    eventually(lambda: numbers(port)["streams_open"] == 0)
    seen = numbers(port)
    assert seen["stream_gaps_total"] == 1
    assert seen["hub_lag_seconds_count"] == seen["events_delivered_total"] >= 6
    step.processes["web"].stop()
    with pytest.raises(httpx.ConnectError):
        numbers(port)
    assert not list(tmp_path.rglob("*.db"))  # their folder is gone


def test_the_access_log_is_json_without_tokens(step):
    token = httpx.post(f"{step.url}/tokens").json()["token"]
    path = '/tasks/"strange\\path'
    httpx.get(f"{step.url}{path}", params={"token": token})
    log = log_with(step.processes["web"], "strange")
    assert token not in log
    line = json.loads(next(line for line in log.splitlines() if "strange" in line))
    assert (line["method"], line["path"], line["status"]) == ("GET", path, 404)
    assert line["bytes"] > 0


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
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
