"""The settings of the step, and what an operator wants: metrics and an access log in JSON.

gunicorn -c deploy/gunicorn.conf.py -k gevent -w 4 -b 127.0.0.1:8000 app:app
"""

from pathlib import Path

exec(Path("gunicorn.conf.py").read_text())  # begins with the monkey patch, so it comes first

import json  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from datetime import UTC, datetime  # noqa: E402

from gunicorn.glogging import Logger  # noqa: E402

METRICS_PORT = os.environ.get("METRICS_PORT")
METRICS = str(Path("deploy/metrics.py").resolve())


class logger_class(Logger):  # the name of gunicorn's setting
    """A line of JSON for each request that has ended, without its query, which may contain a
    token."""

    def access(self, response, request, environ, duration):
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "remote": environ.get("REMOTE_ADDR"),
            "method": environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"],
            "status": int(response.status.split()[0]),
            "bytes": response.sent,
            "seconds": round(duration.total_seconds(), 3),
        }
        self.access_log.info("%s", json.dumps(line))


prepare_step = on_starting
start_worker = post_worker_init


def on_starting(server):
    prepare_step(server)
    server.metrics_folder = None
    if METRICS_PORT and "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        server.metrics_folder = tempfile.mkdtemp()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = server.metrics_folder


def when_ready(server):
    """One more process serves the numbers of all workers, on a port of its own."""
    if METRICS_PORT:
        server.metrics = subprocess.Popen([sys.executable, METRICS, METRICS_PORT])


def post_worker_init(worker):
    start_worker(worker)
    if METRICS_PORT:
        sys.path.append(str(Path(METRICS).parent))
        import metrics

        metrics.watch()


def child_exit(server, worker):
    if METRICS_PORT:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid)


def on_exit(server):
    if METRICS_PORT:
        server.metrics.terminate()
    if server.metrics_folder:
        shutil.rmtree(server.metrics_folder, ignore_errors=True)
