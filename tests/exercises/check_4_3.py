"""4.3: race.py shows how many cancelled tasks go on if checking and writing are two commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

from workshop.processes import embedded_valkey, free_port

PROBE = Path(__file__).parent / "race_probe.py"
SECONDS = 300


def test_with_two_commands_cancelled_tasks_go_on_and_with_one_script_they_do_not(folder):
    assert (folder / "race.py").is_file(), "write race.py, with split() and undone()"
    found = probed(folder)
    assert found["script"] == 0, "undone(events.publish) finds tasks that go on, but none does"
    assert found["slow, one at a time"] == 0, "undone() finds tasks that go on, but none does"
    assert found["slow"] > 0, "undone() does not notice that cancelled tasks go on"
    assert found["split, one at a time"] == 0, "with split(), tasks go on even without a race"
    assert found["split"] > 0, "no task went on: does split() look, and then write?"


def probed(folder):
    with embedded_valkey(free_port()) as url:
        env = os.environ | {"REDIS_URL": url, "PYTHONPATH": str(folder)}
        try:
            done = subprocess.run(
                [sys.executable, PROBE],
                cwd=folder,
                env=env,
                timeout=SECONDS,
                capture_output=True,
                text=True,
            )
        except subprocess.TimeoutExpired:
            raise AssertionError(f"race.py did not come to an end in {SECONDS} s") from None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
