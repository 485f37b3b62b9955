"""4.1: a job of a new kind, with labels on the page for its stages and numbers."""

import csv
import io
import re
import wave

import pytest

from sound import PARTS, RATE, recording

JOB_PACE = 0.05
STAGES = ["download", "transcribe", "upload", "finish"]
CLOCK = {"seconds", "rate"}  # jobs.paced() adds them


def test_the_page_offers_the_new_kind_and_its_sample(person):
    page = person.get("/").text
    assert 'value="recording"' in page, "a kind is a module: write jobs/recording.py, with a TITLE"
    assert person.start("recording", sample="yes").status_code == 202


def test_it_goes_through_its_four_stages(person):
    updates = followed(person)
    stages = [data["stage"] for data in updates if data["stage"] in STAGES]
    assert list(dict.fromkeys(stages)) == STAGES
    assert stages == sorted(stages, key=STAGES.index), "a stage came back after its end"
    progress = [data["progress"] for data in updates]
    assert progress == sorted(progress)
    assert (updates[-1]["state"], progress[-1]) == ("SUCCESS", 100)


def test_the_parts_and_their_table_are_those_of_the_recording(person):
    files = {
        file["name"]: person.get(file["url"]).content for file in followed(person)[-1]["files"]
    }
    assert "segments.csv" in files
    table = list(csv.reader(io.StringIO(files["segments.csv"].decode())))
    assert table[0] == ["start", "end"]
    assert len(table[1:]) == len(PARTS)
    for found, expected in zip(table[1:], PARTS, strict=True):
        assert [float(number) for number in found] == pytest.approx(expected, abs=0.15)
    sounds = [content for name, content in files.items() if name.endswith(".wav")]
    lengths = [end - start for start, end in PARTS]
    assert [seconds_of(sound) for sound in sounds] == pytest.approx(lengths, abs=0.3)


def test_another_recording_has_other_parts(person):
    last = followed(person, recording([(0.5, 9.5)]))[-1]
    assert len([file for file in last["files"] if file["name"].endswith(".wav")]) == 1


@pytest.mark.parametrize("document", [b"no recording at all", recording()[:44], recording()[:20]])
def test_a_document_that_cannot_be_used_is_refused_at_post(person, document):
    answer = person.start("recording", document)
    assert answer.status_code == 400, "read(document) runs at POST: raise BadInput there"
    assert answer.json()["hint"]


def test_the_page_has_a_label_for_each_stage_and_each_number(person, folder):
    names = {name for data in followed(person) for name in data["metrics"]} - CLOCK
    assert names, "an Update has metrics: give it a number or two"
    script = (folder / "page" / "static" / "page.js").read_text()
    labels = set(re.findall(r"[{,]\s*[\"']?(\w+)[\"']?:", script))
    assert names | set(STAGES) <= labels, "page.js shows a raw name where it has no label"


def followed(person, document=None):
    task_id = person.task_id("recording", document or recording())
    return [data for _, type, data in person.listen(f"task_ids={task_id}") if type != "heartbeat"]


def seconds_of(sound):
    with wave.open(io.BytesIO(sound)) as file:
        assert file.getframerate() == RATE
        return file.getnframes() / RATE
