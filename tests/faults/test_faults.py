"""Each fault, done to each step where it can happen. A loss is expected, too: a test fails where
it no longer happens, and where anything else is lost."""

import contextlib

import pytest

from catalogue import FAULTS
from expected import LOST
from lab import Lab
from workshop.steps import all_steps, number_of

pytestmark = pytest.mark.slow
CASES = [
    pytest.param(step, name, id=f"{step.name}-{name}")
    for step in all_steps()
    for name, (_, steps, _) in FAULTS.items()
    if number_of(step) in steps
]


@pytest.fixture(scope="module")
def lab(request):
    with contextlib.ExitStack() as stack:
        lab = Lab(request.param, stack)
        lab.warm_up()
        yield lab


@pytest.mark.parametrize(("lab", "name"), CASES, indirect=["lab"])
def test_fault(lab, name):
    lab.mend()
    _, _, do = FAULTS[name]
    outcome = do(lab)
    expected = LOST[lab.folder.name].get(name, "")
    assert (outcome.what if outcome.result == "lost" else "") == expected
