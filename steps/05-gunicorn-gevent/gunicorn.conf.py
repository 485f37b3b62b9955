"""gunicorn reads this by itself: https://docs.gunicorn.org/en/stable/settings.html"""

from gevent import monkey

# Before any other import: a lock of the old kind stops the whole thread, and so all streams.
monkey.patch_all()

import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import secrets  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from datetime import UTC, datetime  # noqa: E402

import gevent  # noqa: E402
from gunicorn.glogging import Logger  # noqa: E402

MAX_STREAMS = int(os.environ.get("MAX_STREAMS", "10000"))  # in one worker, as in inbox.py
METRICS_PORT = os.environ.get("METRICS_PORT")
SEND_SECONDS = float(os.environ.get("SEND_SECONDS", "30"))

bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
worker_class = "gevent"
worker_connections = MAX_STREAMS + 1000  # there is room for /healthz when no stream has any
backlog = 4096
graceful_timeout = 10
control_socket_disable = True  # all gunicorns of a machine would share it
accesslog = "-"


class logger_class(Logger):  # the name of gunicorn's setting
    """A line of JSON for each request, when it has ended. Queries are left out: there may be a
    token in them."""

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


def on_starting(server):
    """Once, before there are workers; with HUP this file is read again, but this does not run."""
    server.metrics_folder = None
    if METRICS_PORT and "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        server.metrics_folder = tempfile.mkdtemp()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = server.metrics_folder
    if not os.environ.get("SECRET_KEY"):
        os.environ["SECRET_KEY"] = secrets.token_hex()
        server.log.warning("SECRET_KEY is not set: sessions will end with this process")
    allow_many_files(2 * worker_connections)


def when_ready(server):
    """The numbers of all workers are served on a port of their own, by a process of its own."""
    if METRICS_PORT:
        server.metrics = subprocess.Popen([sys.executable, "metrics.py", METRICS_PORT])


def child_exit(server, worker):
    if METRICS_PORT:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid)


def on_exit(server):
    if METRICS_PORT:
        server.metrics.terminate()
    if server.metrics_folder:
        shutil.rmtree(server.metrics_folder, ignore_errors=True)


def allow_many_files(wanted):
    """Each connection is a file; many systems allow 1,024 unless asked for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def post_worker_init(worker):
    gevent.spawn(end_streams_when_stopping, worker)


def end_streams_when_stopping(worker):
    """gunicorn would wait for the streams, and then kill them."""
    from inbox import hub

    while worker.alive:
        gevent.sleep(0.2)
    hub.stop()


def pre_request(worker, request):
    """A client that no longer reads is let go: after this time, writing to it fails."""
    request.unreader.sock.settimeout(SEND_SECONDS)  # not documented; a test tells if it moves
