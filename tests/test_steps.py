"""Runs each step's own tests, in a process of its own, and reports each of them by name.

Five folders hold an app.py: imported in one process, the tests would test the wrong step.
"""

import subprocess
import sys
from xml.etree import ElementTree

import pytest

from workshop.steps import all_steps


@pytest.mark.parametrize("step", all_steps(), ids=lambda step: step.name)
def test_step(step, subtests, tmp_path, request):
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}"]
    if marks := request.config.option.markexpr:
        command += ["-m", marks]
    suite = subprocess.run(command, cwd=step, capture_output=True, text=True)
    assert report.exists(), suite.stdout + suite.stderr
    cases = list(ElementTree.parse(report).iter("testcase"))
    for case in cases:
        with subtests.test(case.get("name")):
            skipped, failed = case.find("skipped"), [*case.iter("failure"), *case.iter("error")]
            if skipped is not None:
                pytest.skip(skipped.get("message"))
            assert not failed, failed[0].text
    none_is_slow = "slow" in marks and suite.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert suite.returncode == 0 or none_is_slow, suite.stdout
