"""Runs each step's own tests, in a process of its own, and reports each of them by name.

Five folders hold an app.py: imported in one process, the tests would test the wrong step.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import pytest

from workshop.steps import all_steps


@pytest.fixture(scope="module")
def suites(request, tmp_path_factory):
    """The suites of the selected steps, two at a time, as they wait more than they compute."""
    selected = [item.callspec.params["step"] for item in request.session.items if is_ours(item)]
    marks = request.config.option.markexpr
    with ThreadPoolExecutor(2) as pool:
        yield {step: pool.submit(run, step, marks, tmp_path_factory) for step in selected}
        pool.shutdown(cancel_futures=True)


def is_ours(item):
    return item.path.name == "test_steps.py"


def run(step, marks, folders):
    report = folders.mktemp(step.name) / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}"]
    if marks:
        command += ["-m", marks]
    return report, subprocess.run(command, cwd=step, capture_output=True, text=True)


@pytest.mark.parametrize("step", all_steps(), ids=lambda step: step.name)
def test_step(step, subtests, suites, request):
    report, suite = suites[step].result()
    assert report.exists(), suite.stdout + suite.stderr
    cases = list(ElementTree.parse(report).iter("testcase"))
    for case in cases:
        with subtests.test(case.get("name")):
            skipped, failed = case.find("skipped"), [*case.iter("failure"), *case.iter("error")]
            if skipped is not None:
                pytest.skip(skipped.get("message"))
            assert not failed, failed[0].text
    none_is_slow = (
        "slow" in request.config.option.markexpr
        and suite.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    )
    assert suite.returncode == 0 or none_is_slow, suite.stdout
