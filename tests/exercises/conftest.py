"""The checks of the exercises: each is run on a copy of a step, as a learner has changed it.

`workshop check 2.1` is `pytest tests/exercises/check_2_1.py --folder=mine/02-celery-polling`.
The fixtures step, start_step and person come from workshop/pytest_plugin.py, and take this folder.
"""

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from workshop.processes import free_port


def pytest_addoption(parser):
    parser.addoption("--folder", help="The copy of a step to check.", required=True)


@pytest.fixture(scope="module")
def folder(request):
    return Path(request.config.getoption("--folder")).resolve()


@pytest.fixture
def one_person_at(folder):
    """Lets one person of the learner's load script use an app that answers as a test wants."""

    def use(app):
        with served(app) as url:
            command = ["locust", "--headless", "--only-summary", "-f", folder / "locustfile.py"]
            command += ["--host", url, "--users", "2", "--run-time", "40s"]  # one is a bystander
            subprocess.run([sys.executable, "-m", *command], capture_output=True, timeout=90)

    return use


@contextlib.contextmanager
def served(app):
    """The address of a server for this app."""
    server = make_server("127.0.0.1", free_port(), app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
