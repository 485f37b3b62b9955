"""What every kind of job keeps to."""

import pytest

import jobs
from documents import workbook


def test_kinds_are_listed_by_title():
    titles = [kind.TITLE for kind in jobs.KINDS.values()]
    assert titles == sorted(titles)
    assert {"optimize", "review", "worksheets"} == set(jobs.KINDS)


@pytest.mark.parametrize("kind", jobs.KINDS)
def test_a_kind_says_what_the_page_needs(kind):
    job = jobs.KINDS[kind]
    assert job.TITLE
    assert job.ABOUT
    assert (not job.ACCEPTS) == (job.SAMPLE is None)
    assert all(choices for choices in job.OPTIONS.values())


def test_updates_grow_to_100_percent_and_tell_the_time():
    told = list(jobs.start("optimize", None, {}))
    assert told[-1].progress == 100
    assert told[-1].current == told[-1].total
    for update in told:
        assert update.metrics["seconds"] >= 0
        assert update.metrics["rate"] > 0
        assert "file" not in update.without_file()


def test_a_job_that_is_closed_stops_its_work(monkeypatch):
    done = []

    def run(read):
        try:
            while True:
                done.append(1)
                yield jobs.Update(0, "", "", 1, 1)
        finally:
            done.append("closed")

    monkeypatch.setattr(jobs.KINDS["optimize"], "run", run)
    job = jobs.start("optimize", None, {})
    next(job)
    job.close()
    assert done == [1, "closed"]


def test_checking_does_none_of_the_work(monkeypatch):
    def run(read):
        raise AssertionError("the work has begun")
        yield

    monkeypatch.setattr(jobs.KINDS["optimize"], "run", run)
    assert jobs.check("optimize", None, {}) == {}
    with pytest.raises(AssertionError, match="has begun"):
        next(jobs.start("optimize", None, {}))


def test_options_have_defaults_and_others_are_left_out():
    options = jobs.check("worksheets", workbook(("A", "w", "m")), {"junk": "x" * 1000})
    assert options == {"programme": "academy"}


@pytest.mark.parametrize(
    ("kind", "document", "options", "error"),
    [
        ("nonsense", None, {}, "There is no kind of job 'nonsense'."),
        ("", None, {}, "There is no kind of job ''."),
        ("contract", None, {}, "There is no kind of job 'contract'."),
        ("worksheets", None, {}, "No document was sent."),
        ("worksheets", b"", {}, "The document is empty: 0 bytes."),
        ("worksheets", workbook(), {"programme": "x"}, "There is no programme 'x'."),
    ],
)
def test_bad_input_is_named_with_its_mend(kind, document, options, error):
    with pytest.raises(jobs.BadInput) as refused:
        jobs.check(kind, document, options)
    assert refused.value.error == error
    assert refused.value.hint
