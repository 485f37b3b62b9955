"""The checks of the exercises: each is run on a copy of a step, as a learner has changed it.

`workshop check 2.1` is `pytest tests/exercises/check_2_1.py --folder=mine/02-celery-polling`.
The fixtures step, start_step and person come from workshop/pytest_plugin.py, and take this folder.
"""

from pathlib import Path

import pytest


def pytest_addoption(parser):
    parser.addoption("--folder", help="The copy of a step to check.", required=True)


@pytest.fixture(scope="module")
def folder(request):
    return Path(request.config.getoption("--folder")).resolve()
