"""A Valkey for the tests that import this step's modules. They find it when they are imported."""

import logging
import os

import pytest

from workshop.processes import embedded_valkey, free_port

PORT = free_port()
os.environ["REDIS_URL"] = f"redis://127.0.0.1:{PORT}"


@pytest.fixture(scope="session", autouse=True)
def valkey():
    with embedded_valkey(PORT):
        yield
        logging.disable()  # threads of the tests may still read, and log that Valkey is gone
