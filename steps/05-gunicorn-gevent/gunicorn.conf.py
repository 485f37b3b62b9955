"""gunicorn reads this file by itself: https://docs.gunicorn.org/en/stable/settings.html"""

from gevent import monkey

# Before any other import: a lock that is made before the patch would block all streams.
monkey.patch_all()

import os  # noqa: E402
import resource  # noqa: E402
import secrets  # noqa: E402

import gevent  # noqa: E402

SEND_SECONDS = float(os.environ.get("SEND_SECONDS", "30"))

bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
worker_class = "gevent"
# More than the streams of a process, so that /healthz finds room when no stream does.
worker_connections = int(os.environ.get("MAX_STREAMS", "10000")) + 1000
backlog = 4096
graceful_timeout = 10
control_socket_disable = True  # all gunicorns of a machine would share it
accesslog = "-"
access_log_format = "%(m)s %(U)s %(s)s"  # without the query, which may contain a token


def on_starting(server):
    """Runs once, before there are workers, and not again with HUP."""
    if not os.environ.get("SECRET_KEY"):
        os.environ["SECRET_KEY"] = secrets.token_hex()
        server.log.warning("SECRET_KEY is not set: sessions will end with this process")
    allow_many_files(2 * worker_connections)


def allow_many_files(wanted):
    """Each connection is a file. Many systems allow 1,024 unless a process asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def post_worker_init(worker):
    gevent.spawn(end_streams_when_stopping, worker)


def end_streams_when_stopping(worker):
    """gunicorn would wait for the streams, and then kill them."""
    from hub import hub

    while worker.alive:
        gevent.sleep(0.2)
    hub.stop()


def pre_request(worker, request):
    """Writing to a client that no longer reads fails after this time."""
    request.unreader.sock.settimeout(SEND_SECONDS)  # not documented; a test fails if it moves
