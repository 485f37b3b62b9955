"""A short run of the fuzzer, and tests that it repeats itself and would see a fault."""

import http.server
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
        (400, "text/html", http.server.DEFAULT_ERROR_MESSAGE.encode(), ""),
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


@pytest.mark.slow
@pytest.mark.parametrize(("step", "surfaces"), [("5", fuzz.ALL_SURFACES), ("2", ("document",))])
def test_nothing_that_is_sent_does_harm(step, surfaces):
    with fuzz.started(step) as step_is_running:
        fuzzer = fuzz.Fuzzer(step_is_running, seed=1, surfaces=surfaces)
        tried = fuzzer.run(first=0, cases=200, seconds=10)
    assert tried >= fuzz.TOGETHER
    assert fuzzer.ends.get("SUCCESS")  # some got through all checks of the document
    assert fuzzer.statuses.get(400)
