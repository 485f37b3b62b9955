"""Hostile and broken uploads: a clear error or a harmless result, and never more than a moment."""

import contextlib
import io
import re
import tracemalloc
from zipfile import ZIP_DEFLATED, ZipFile

import docx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import jobs
from documents import cells, lines, unzipped, updates, workbook, worksheet_and_key
from jobs.review import rules
from jobs.worksheets import workbook as reader
from workshop.steps import find_step

MEGABYTE = 1024 * 1024
SAMPLES = find_step("1") / "page" / "static" / "samples"
XLSX = (SAMPLES / "lessons.xlsx").read_bytes()
DOCX = (SAMPLES / "proposal.docx").read_bytes()
KIND = {"xlsx": "worksheets", "docx": "review"}
MAIN_PART = {"xlsx": "xl/worksheets/sheet1.xml", "docx": "word/document.xml"}
SAMPLE = {"xlsx": XLSX, "docx": DOCX}

ENTITIES = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BILLION_LAUGHS = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{ENTITIES}]><x>&l9;</x>'
EXTERNAL = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]><x>&f;</x>'
)


def with_part(document: bytes, name: str, content: bytes) -> bytes:
    """The same Office file with one part replaced or added."""
    made = io.BytesIO()
    with ZipFile(io.BytesIO(document)) as old, ZipFile(made, "w", ZIP_DEFLATED) as new:
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
        new.writestr(name, content)
    return made.getvalue()


def with_lying_directory(document: bytes) -> bytes:
    """The directory says that each part unpacks to one byte."""
    lying = bytearray(document)
    place = lying.find(b"PK\x01\x02")
    while place >= 0:
        lying[place + 24 : place + 28] = (1).to_bytes(4, "little")
        place = lying.find(b"PK\x01\x02", place + 1)
    return bytes(lying)


def refused(kind, document):
    with pytest.raises(jobs.BadInput) as error:
        jobs.check(kind, document, {})
    assert error.value.hint
    return error.value.error


@pytest.mark.parametrize("suffix", KIND)
@pytest.mark.parametrize("part", ["the main part", "another part"])
def test_a_bomb_is_refused_without_being_unpacked(suffix, part):
    name = MAIN_PART[suffix] if part == "the main part" else "bomb.xml"
    bomb = with_part(SAMPLE[suffix], name, bytes(100 * MEGABYTE))
    tracemalloc.start()
    try:
        assert refused(KIND[suffix], bomb).startswith("This file would unpack to 100 MB.")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MEGABYTE


@pytest.mark.parametrize("suffix", KIND)
def test_a_bomb_that_lies_about_its_size_is_not_unpacked_either(suffix):
    bomb = with_part(SAMPLE[suffix], MAIN_PART[suffix], bytes(100 * MEGABYTE))
    tracemalloc.start()
    try:
        assert "can be read" in refused(KIND[suffix], with_lying_directory(bomb))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MEGABYTE


@pytest.mark.parametrize(
    ("suffix", "many"),
    [
        ("docx", b"<w:body>" + b"<w:p/>" * 300_000),
        ("xlsx", b"<sheetData><row>" + b"<c/>" * 300_000),
    ],
)
def test_a_small_file_with_very_many_tags_is_refused(suffix, many):
    name = MAIN_PART[suffix]
    content = ZipFile(io.BytesIO(SAMPLE[suffix])).read(name)
    hostile = with_part(SAMPLE[suffix], name, content.replace(many[: many.index(b">") + 1], many))
    assert len(hostile) < MEGABYTE
    assert "tags (of cells, paragraphs, formats)" in refused(KIND[suffix], hostile)


def with_many_paragraphs(name="document.xml", encoding="UTF-8", lead=""):
    """300,000 of them in the main part of a document, under this name and in this encoding."""
    with ZipFile(io.BytesIO(DOCX)) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    text = (
        parts.pop("word/document.xml")
        .decode()
        .replace("<w:body>", "<w:body>" + "<w:p/>" * 300_000)
    )
    text = f'<?xml version="1.0" {lead}encoding="{encoding}"?>' + text.partition("?>")[2]
    if encoding == "UTF-7":
        head, body = text.split("?>", 1)
        parts[f"word/{name}"] = f"{head}?>{body.replace('<', '+ADw-')}".encode()
    else:
        parts[f"word/{name}"] = text.encode("cp037" if encoding == "IBM037" else encoding)
    made = io.BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content.replace(b"document.xml", name.encode()))
    return made.getvalue()


def test_a_tag_with_very_many_attributes_is_refused():
    """50,000 of them cost openpyxl fourteen seconds of computing, in which no stream moved."""
    for number, harmless in ((100, True), (1000, False)):
        many = b"".join(b' a%d="1"' % attribute for attribute in range(number))
        document = with_part(XLSX, "docProps/app.xml", b"<Properties%s/>" % many)
        if harmless:
            jobs.check("worksheets", document, {})
        else:
            assert "can be read" in refused("worksheets", document)


def test_a_picture_of_one_grey_is_no_tag_with_many_attributes():
    jobs.check("review", with_part(DOCX, "word/media/grey.bmp", b"=" * 10_000), {})


def test_tags_count_whatever_the_part_is_called():
    hostile = with_many_paragraphs(name="document.bin")
    assert "tags (of cells, paragraphs, formats)" in refused("review", hostile)


@pytest.mark.parametrize("lead", ["", " " * 1000])
@pytest.mark.parametrize("encoding", ["UTF-7", "IBM037"])
def test_an_encoding_in_which_tags_cannot_be_counted_is_refused(encoding, lead):
    assert "can be read" in refused("review", with_many_paragraphs(encoding=encoding, lead=lead))


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "us-ascii"])
def test_an_encoding_that_a_program_may_choose_is_read(encoding):
    text = ZipFile(io.BytesIO(DOCX)).read("word/document.xml").decode()
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + text.partition("?>")[2]
    content = text.encode(encoding, "xmlcharrefreplace")
    assert len(jobs.KINDS["review"].read(with_part(DOCX, "word/document.xml", content))) == 6


def test_of_a_long_cell_only_the_beginning_is_looked_at():
    """Ten megabytes are stored once, and were cleaned anew for each of thousands of cells."""
    assert len(reader.text("x" * 10 * MEGABYTE)) == reader.MAX_CELL
    long = workbook(("A", "cat", "x" * 30_000))
    assert refused("worksheets", long) == "The Meaning in row 2 has more than 200 characters."


def test_a_cell_that_spans_millions_is_one_cell():
    content = ZipFile(io.BytesIO(DOCX)).read("word/document.xml")
    wide = content.replace(b"<w:tcPr>", b'<w:tcPr><w:gridSpan w:val="20000000"/>', 1)
    assert wide != content
    sections = jobs.KINDS["review"].read(with_part(DOCX, "word/document.xml", wide))
    assert len(sections) == 6


def test_a_sheet_that_claims_to_be_vast_is_read_to_its_limits():
    name = MAIN_PART["xlsx"]
    content = ZipFile(io.BytesIO(XLSX)).read(name)
    vast = re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1:XFD1048576"', content)
    assert vast != content
    tracemalloc.start()
    try:
        lessons = jobs.KINDS["worksheets"].read(with_part(XLSX, name, vast))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(lessons) == 6
    assert peak < 20 * MEGABYTE


@pytest.mark.parametrize("kind", KIND.values())
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_whatever_is_sent_is_read_or_refused(kind, data):
    sample = {"worksheets": XLSX, "review": DOCX}[kind]
    start = data.draw(st.integers(0, len(sample)))
    junk = data.draw(st.binary(max_size=200))
    mutated = sample[:start] + junk + sample[start + data.draw(st.integers(0, 200)) :]
    for document in (junk, mutated):
        with contextlib.suppress(jobs.BadInput):
            jobs.check(kind, document, {})


@pytest.mark.parametrize("suffix", KIND)
@pytest.mark.parametrize("xml", [BILLION_LAUGHS, EXTERNAL])
def test_xml_entities_are_not_resolved(suffix, xml):
    document = with_part(SAMPLE[suffix], MAIN_PART[suffix], xml.encode())
    tracemalloc.start()
    try:
        refused(KIND[suffix], document)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * MEGABYTE


def test_an_external_entity_in_a_real_document_tells_nothing_of_this_machine():
    real = ZipFile(io.BytesIO(DOCX)).read("word/document.xml").decode()
    declared = real.replace("?>", '?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>', 1)
    hostile = with_part(DOCX, "word/document.xml", declared.replace("card index", "&f;").encode())
    try:
        sections = jobs.KINDS["review"].read(hostile)
    except jobs.BadInput:
        return
    assert "root:" not in str(sections)


@pytest.mark.parametrize("kind", ["worksheets", "review"])
def test_an_encrypted_file_is_named_as_such(kind):
    encrypted = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(4096)
    assert "encrypted" in refused(kind, encrypted)


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("worksheets", DOCX),
        ("review", XLSX),
        ("worksheets", b"\x89PNG\r\n\x1a\n" + bytes(100)),
        ("worksheets", XLSX[: len(XLSX) // 2]),
        ("review", DOCX[: len(DOCX) // 2]),
        ("review", b"PK\x03\x04" + bytes(1000)),
        ("worksheets", with_part(XLSX, "xl/workbook.xml", b"<not-closed")),
        ("review", with_part(DOCX, "word/document.xml", b"<not-closed")),
        ("worksheets", with_part(XLSX, "[Content_Types].xml", b"")),
        ("review", with_part(DOCX, "[Content_Types].xml", b"")),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_a_broken_or_misnamed_file_is_named_as_such(kind, document):
    assert "can be read" in refused(kind, document)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "cp1251"])
def test_a_text_that_is_not_utf_8_is_named_as_such(encoding):
    text = "Übung" if encoding != "cp1251" else "Привет"
    assert "not a text in UTF-8" in refused("review", text.encode(encoding))


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b" \n\n ", "The document has no text."),
        (b"# Only\n\n# Headings\n", "The document has no text."),
        (b"".join(b"# S%d\n\nText.\n\n" % n for n in range(101)), "more than 100 sections"),
        (b"Word. " * 60_000, "more than 200000 characters"),
    ],
)
def test_a_document_with_nothing_or_too_much_is_refused(document, error):
    assert error in refused("review", document)


@pytest.mark.parametrize("topic", ["../../etc/passwd", "CON", "Уроки/1", "a\\b:c*?", "x" * 200])
def test_file_names_are_made_by_the_server(topic):
    for programme in ("academy", "caterpillar"):
        (update,) = updates("worksheets", workbook((topic, "cat", "purrs")), programme=programme)
        assert update.file.name == "lesson_1.zip"
        assert update.file.topic == topic
        assert set(unzipped(update.file)) == {"lesson_1_worksheet.docx", "lesson_1_key.docx"}
        assert topic in lines(worksheet_and_key(update)[0])


def test_cells_that_look_like_formulas_are_only_words():
    words = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)")
    made = workbook()
    rows = [("Sums", "", "")]
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(made))
    for word in words:
        book.active.append(rows[0])
        for column, value in (("A", "Sums"), ("B", word), ("C", "a sum")):
            cell = book.active[f"{column}{book.active.max_row}"]
            cell.value, cell.data_type = value, "s"
    file = io.BytesIO()
    book.save(file)
    (update,) = updates("worksheets", file.getvalue(), programme="academy")
    _, key = worksheet_and_key(update)
    assert [row[1].split(". ", 1)[1] for row in cells(key, 1)] == list(words)
    assert not [part for part in unzipped(update.file) if not part.endswith(".docx")]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@settings(max_examples=40, deadline=None)
@example("# Not in XML: \uffff\n\nNor \ufffe in this TODO.")
def test_any_text_that_is_accepted_is_reviewed_to_its_end(text):
    with contextlib.suppress(jobs.BadInput):
        assert updates("review", text.encode())[-1].progress == 100


def test_a_review_keeps_nothing_of_the_words_it_has_read():
    updates("review", b"Unhyphenated vocabulary accumulates. " * 20)
    assert not rules.HYPHENS.hd.cache


def test_a_long_text_is_taken_apart_once_for_its_overused_words(monkeypatch):
    taken, words = [], rules.words
    monkeypatch.setattr(rules, "words", lambda text: taken.append(text) or words(text))
    many = " ".join(f"{a}{b}word " * 5 for a in "abcdefgh" for b in "abcdefgh")
    list(rules.overused_words(many))
    assert taken == [many]


def test_control_characters_do_not_break_a_document():
    document = b"# Ti\x00tle\x0b\n\nSome \x01 text\x1f."
    report = updates("review", document)[-1].file.data
    assert any("Ti" in line for line in lines(docx.Document(io.BytesIO(report))))
