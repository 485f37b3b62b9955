"""A short run of the fuzzer; and that it repeats itself, and would see a fault."""

from random import Random

import pytest

import fuzz
import mutations


@pytest.mark.parametrize("seed", range(30))
def test_the_same_seed_makes_the_same_request(seed):
    known = fuzz.Known("a.b.c", "0" * 32)
    for surface in fuzz.SURFACES.values():
        assert surface(Random(seed), known) == surface(Random(seed), known)


def test_a_change_changes_something():
    changed = {mutations.office_file(fuzz.XLSX, Random(seed)) for seed in range(30)}
    assert len(changed) > 20
    assert mutations.packed(mutations.parts_of(fuzz.XLSX)) not in changed


@pytest.mark.parametrize(
    ("status", "kind", "body", "fault"),
    [
        (202, "application/json", b"{}", ""),
        (404, "application/json", b'{"error": "Not there.", "hint": "Look."}', ""),
        (404, "application/json", b'{"error": "Not there."}', "without error and hint"),
        (404, "text/html", b"<!doctype html>", "in text/html"),
        (500, "application/json", b'{"error": "a", "hint": "b"}', "status 500"),
        (503, "application/json", b'{"error": "a", "hint": "b"}', "status 503"),
        (302, "text/html", b"", "status 302"),
    ],
)
def test_a_faulty_answer_is_seen(status, kind, body, fault):
    found = fuzz.fault_of(status, kind, body)
    assert fault in found
    assert bool(found) == bool(fault)


def test_a_job_that_ends_without_a_reason_is_seen():
    assert fuzz.understood({"error": "The files are too large.", "hint": "Split the document."})
    assert not fuzz.understood({"error": "The job failed.", "hint": "Try again."})
    assert not fuzz.understood({"error": "", "hint": "Try again."})


@pytest.fixture(scope="module", params=["5", "2"])
def step(request):
    with fuzz.started(request.param) as step_is_running:
        yield step_is_running


@pytest.mark.slow
def test_nothing_that_is_sent_does_harm(step):
    surfaces = fuzz.ALL_SURFACES if "05" in step.step.name else ("document",)
    fuzzer = fuzz.Fuzzer(step, seed=1, surfaces=surfaces)
    tried = fuzzer.run(first=0, cases=200, seconds=10)
    assert tried >= fuzz.AT_ONCE
    assert fuzzer.ends.get("SUCCESS")  # some got through all checks of the document
    assert fuzzer.statuses.get(400)


@pytest.mark.slow
def test_a_year_of_twenty_digits_is_no_fault_of_the_server(step):
    since = b"If-Modified-Since: Mon, 01 Jan " + b"9" * 20 + b" 00:00:00 GMT"
    status, kind, body = fuzz.answered(
        step.url, fuzz.Request("GET", b"/static/style.css", [since])
    )
    assert status == 400
    assert not fuzz.fault_of(status, kind, body)
