"""4.3: race.py shows what is lost if appending and publishing are two commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

from workshop.processes import embedded_valkey, free_port

PROBE = Path(__file__).parent / "race_probe.py"
SECONDS = 300


def test_two_commands_lose_events_and_one_script_loses_none(folder):
    assert (folder / "race.py").is_file(), "write race.py, with split() and missed()"
    found = probed(folder)
    assert found["script"] == 0, "missed(events.publish) sees losses where there are none"
    assert found["slow, one at a time"] == 0, "missed() sees losses where there are none"
    assert found["slow"] > 0, "missed() does not notice that events are lost"
    assert found["split, one at a time"] == 0, "split() loses events even without a race"
    assert found["split"] > 0, "nothing was lost: are there several publishers at the same time?"


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
