"""Broken and hostile texts and Office files. The same random makes the same bytes."""

import io
import re
import warnings
from random import Random
from urllib.parse import quote
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipFile, ZipInfo

import openpyxl

Parts = list[tuple[str, bytes]]

NUMBERS = (
    "-1", "0", "1e308", "1e999", "NaN", "2147483648", "18446744073709551616", "9" * 5000, "0x10",
    "1048577", "XFD1048576", "", "٣", "1_000", "-0", "A" * 40,
)  # fmt: skip
WORDS = (
    "", " ", "a", "cat", "0", "-1", "null", "None", "../../etc/passwd", "..\\..\\x", "CON", "a/b",
    "%00", "%2e%2e%2f", "\x00", "\x1b[31m", "\ufffe", "\uffff", "\u202eabc", "\u0301" * 50, "ß",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467", "Привет", "שלום", "e\u0301", "\ufeff", "\u2028",
    "=1+1", "<b>", "{{7*7}}", "%s%n", "_x0000_", "_xFFFE_", "' OR 1=1 --", "a" * 201, "x," * 300,
    "0-0", "1-1", "9999999999999999999-9999999999999999999", "18446744073709551616-0", "1-", "-",
    "+", "$", "(0-0", "1-1\t", "\uff11-\uff11",
)  # fmt: skip
MARKDOWN = ("[", "]", "*a ", "**a ", "`", "> ", "- ", "1. ", "<a ", "![", "&amp;", "\\", "| ", "_")
ENTITIES = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
DOCTYPES = (
    f'<!DOCTYPE x [<!ENTITY l0 "ha">{ENTITIES}]>',
    '<!DOCTYPE x [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>',
    '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    '<!DOCTYPE x [<!ENTITY l9 "&l9;">]>',
)
ENCODINGS = ("utf-16", "utf-16-be", "utf-32", "utf-7", "cp037", "latin-1", "shift_jis")


def word(random: Random) -> str:
    words = random.choices(WORDS, k=random.choice((1, 1, 1, 2, 3)))
    return "".join(words)[:300]


def in_address(random: Random) -> bytes:
    """A word as a part of an address: quoted, or the bytes themselves where HTTP allows them."""
    said = word(random)
    if random.random() < 0.5:
        return quote(said, safe=random.choice(("", "/", "/,&="))).encode()
    return bytes(byte for byte in said.encode() if byte > 32 and byte not in b"#?\x7f")


def in_header(random: Random) -> bytes:
    """A word, or any bytes, as HTTP allows them in a header."""
    said = word(random).encode() if random.random() < 0.7 else random.randbytes(40)
    return re.sub(rb"[\0\r\n]", b"", said)


def text_document(random: Random) -> bytes:
    """Text or Markdown, sane or not."""
    pieces = []
    for _ in range(random.randint(1, 30)):
        kind = random.randrange(4)
        if kind == 0:
            pieces.append(random.choice(("# ", "## ", "\n\n", "1. ")) + word(random) + "\n\n")
        elif kind == 1:
            pieces.append(random.choice(MARKDOWN) * random.choice((1, 10, 1000, 50_000)))
        elif kind == 2:
            pieces.append(" ".join(word(random) for _ in range(20)) + ". ")
        else:
            pieces.append("The report was written by the team as soon as possible. ")
    text = "".join(pieces).encode(random.choice(("utf-8", "utf-8", "utf-8", "utf-16")), "replace")
    return bytes_changed(text, random) if random.random() < 0.2 else text


def lessons(random: Random) -> bytes:
    """A sound workbook of strange words."""
    book = openpyxl.Workbook()
    book.active.append(("Lesson", "Word", "Meaning"))
    for _ in range(random.randint(1, 12)):
        cells = [openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", word(random)) for _ in range(3)]
        book.active.append([cell.replace("\ufffe", "").replace("\uffff", "") for cell in cells])
        for cell in book.active[book.active.max_row]:
            cell.data_type = "s"
    file = io.BytesIO()
    book.save(file)
    parts = parts_of(file.getvalue())
    return packed([part for part in parts if part[0] != "docProps/core.xml"])  # it has the time


def office_file(sample: bytes, random: Random) -> bytes:
    """A sample, changed in one to three ways."""
    parts = parts_of(sample)
    for change in random.choices(CHANGES, k=random.randint(1, 3)):
        parts = change(parts, random) if parts else parts
    document = packed(parts, random.choice((ZIP_DEFLATED, ZIP_STORED, ZIP_BZIP2, ZIP_LZMA)))
    return bytes_changed(document, random) if random.random() < 0.3 else document


def parts_of(document: bytes) -> Parts:
    archive = ZipFile(io.BytesIO(document))
    return [(name, archive.read(name)) for name in archive.namelist()]


def packed(parts: Parts, method=ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with warnings.catch_warnings(), ZipFile(made, "w") as archive:
        warnings.simplefilter("ignore")  # a name that is there twice
        for name, content in parts:
            archive.writestr(ZipInfo(name), content, method)
    return made.getvalue()


def bytes_changed(content: bytes, random: Random) -> bytes:
    return random.choice((flipped, cut_short, cut_out, stuffed, numbers_overwritten))(
        content, random
    )


def flipped(content, random):
    changed = bytearray(content)
    for _ in range(random.choice((1, 3, 30)) if content else 0):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def cut_short(content, random):
    return content[: random.randint(0, len(content))]


def cut_out(content, random):
    start = random.randint(0, len(content))
    return content[:start] + content[start + random.randint(1, 500) :]


def stuffed(content, random):
    start = random.choice((0, len(content), random.randint(0, len(content))))
    return content[:start] + random.randbytes(random.choice((1, 4, 100))) + content[start:]


def numbers_overwritten(content, random):
    """Sizes, offsets and checksums are numbers of two or four bytes."""
    start, width = random.randint(0, len(content)), random.choice((2, 4))
    number = random.choice((b"\xff" * width, b"\x00" * width, random.randbytes(width)))
    return content[:start] + number + content[start + width :]


def part_dropped(parts, random):
    gone = random.randrange(len(parts))
    return [part for number, part in enumerate(parts) if number != gone]


def part_emptied(parts, random):
    return with_content(parts, random, lambda content: b"")


def part_broken(parts, random):
    return with_content(parts, random, lambda content: bytes_changed(content, random))


def parts_swapped(parts, random):
    (one, content), (other, another) = random.choices(parts, k=2)
    swapped = {one: another, other: content}
    return [(name, swapped.get(name, content)) for name, content in parts]


def part_doubled(parts, random):
    return [*parts, (random.choice(parts)[0], random.choice(parts)[1])]


def part_renamed(parts, random):
    which = random.randrange(len(parts))
    name = random.choice(("../" + parts[which][0], parts[which][0].upper(), word(random) or "x"))
    return [(name if number == which else old, part) for number, (old, part) in enumerate(parts)]


def attribute_changed(parts, random):
    return with_xml(parts, random, rb'(?<==")[^"]*(?=")', lambda old: number_or_word(random))


def text_changed(parts, random):
    return with_xml(parts, random, rb"(?<=>)[^<]+(?=<)", lambda old: number_or_word(random))


def element_dropped(parts, random):
    return with_xml(parts, random, rb"<[^>]*>", lambda old: b"")


def element_repeated(parts, random):
    times = random.choice((2, 100, 30_000))
    return with_xml(parts, random, rb"<[\w:]+[^>]*/>", lambda old: old * times)


def element_nested(parts, random):
    times = random.choice((10, 300, 20_000))
    return with_xml(
        parts, random, rb"<[\w:]+[^>]*/>", lambda old: old.replace(b"/>", b">") * times
    )


def attributes_added(parts, random):
    many = b"".join(b' a%d="1"' % number for number in range(random.choice((10, 50_000))))
    return with_xml(parts, random, rb"<[\w:]+(?=[ >/])", lambda old: old + many)


def reference_changed(parts, random):
    target = random.choice([name for name, _ in parts] + ["/", "http://127.0.0.1:9/", "../../x"])
    return with_xml(parts, random, rb'(?<=Target=")[^"]*', lambda old: target.encode())


def declared(parts, random):
    """A document type with entities, of which one is used."""
    doctype = random.choice(DOCTYPES).encode()

    def change(content):
        start = content.find(b"?>") + 2 if content.startswith(b"<?xml") else 0
        body = re.sub(rb"(?<=>)[^<\s][^<]*(?=<)", b"&l9;", content[start:], count=1)
        return content[:start] + doctype + body

    return with_content(parts, random, change)


def encoded(parts, random):
    """In another encoding, which it names or does not."""
    encoding = random.choice(ENCODINGS)

    def change(content):
        text = content.decode(errors="replace")
        if random.random() < 0.8:
            text = re.sub(r"<\?xml[^>]*\?>", "", text)
            text = f'<?xml version="1.0" encoding="{encoding}"?>{text}'
        return text.encode(encoding, "replace")

    return with_content(parts, random, change)


CHANGES = (
    part_dropped, part_emptied, part_broken, parts_swapped, part_doubled, part_renamed,
    attribute_changed, attribute_changed, text_changed, element_dropped, element_repeated,
    element_nested, attributes_added, reference_changed, declared, encoded,
)  # fmt: skip


def number_or_word(random):
    said = random.choice(NUMBERS) if random.random() < 0.7 else word(random)
    return said.encode(errors="replace").replace(b"<", b"&lt;").replace(b'"', b"&quot;")


def with_content(parts, random, change):
    """One part changed: the main one in half of the cases, as most of the others are not read."""
    main = [n for n, (name, _) in enumerate(parts) if re.search(r"sheet1|document\.xml$", name)]
    which = random.choice(main if main and random.random() < 0.5 else range(len(parts)))
    return [
        (name, change(content) if number == which else content)
        for number, (name, content) in enumerate(parts)
    ]


def with_xml(parts, random, pattern, change):
    """One match of the pattern, in one part, changed."""

    def change_one(content):
        found = list(re.finditer(pattern, content))
        if not found:
            return content
        one = random.choice(found)
        return content[: one.start()] + change(one[0]) + content[one.end() :]

    return with_content(parts, random, change_one)
