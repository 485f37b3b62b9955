"""Each fault, done to each step where it can happen. A test fails if the person loses anything
that is not expected, and also if the expected loss does not happen."""

from concurrent.futures import ProcessPoolExecutor

import pytest

from catalogue import FAULTS
from expected import LOST
from matrix import STEPS_AT_A_TIME, outcomes_in
from workshop.steps import all_steps, number_of

pytestmark = pytest.mark.slow
CASES = [
    pytest.param(step, name, id=f"{step.name}-{name}")
    for step in all_steps()
    for name, (_, steps, _) in FAULTS.items()
    if number_of(step) in steps
]


@pytest.fixture(scope="module")
def outcomes(request):
    """Of the selected faults, by step. One running step goes through all of them."""
    selected = {}
    for item in request.session.items:
        if item.path == request.path:
            case = item.callspec.params
            selected.setdefault(case["step"], []).append(case["name"])
    with ProcessPoolExecutor(STEPS_AT_A_TIME) as pool:
        yield {step: pool.submit(outcomes_in, step, names) for step, names in selected.items()}


@pytest.mark.parametrize(("step", "name"), CASES)
def test_fault(step, name, outcomes):
    outcome = outcomes[step].result()[name]
    assert outcome.result != "failed", outcome.what
    expected = LOST[step.name].get(name, "")
    assert (outcome.what if outcome.result == "lost" else "") == expected
