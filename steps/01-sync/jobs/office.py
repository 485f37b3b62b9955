"""Opens Office files, which are ZIP archives of XML, without being hurt by a hostile one.

What XML itself may do (entities within entities, files of this machine) the parsers refuse:
python-docx tells lxml so, and openpyxl uses defusedxml where that is installed.
"""

import io
import re
from zipfile import ZipFile

from jobs.contract import BadInput

MOST_UNPACKED = 20 * 1024 * 1024
MOST_TAGS = 250_000
MOST_ATTRIBUTES = 500  # of one tag: openpyxl takes the square of their number in time
# In all others a tag may do without the byte of "<". Office itself writes only UTF-8 and UTF-16.
STRANGE_ENCODING = re.compile(
    rb"""\x4c\x6f\xa7\x94|(?:\xef\xbb\xbf)?<\?xml[^>]*encoding\s*=\s*["']"""
    rb"""(?!utf-?8|utf-?16|us-ascii|iso-8859|windows-125)""",
    re.IGNORECASE,
)
ATTRIBUTE = re.compile(rb"""=[\s\0]*["']""")  # with its quote: a grey picture is a row of "="
OLD_OR_ENCRYPTED = bytes.fromhex("D0CF11E0A1B11AE1")  # the container of .doc and .xls


def must_be_harmless(document: bytes, suffix: str) -> None:
    """Raises BadInput for what is no archive, or would cost too much memory or time to parse.

    Python's zipfile never unpacks more than the directory says, so a lie there does not help.
    """
    if document.startswith(OLD_OR_ENCRYPTED):
        raise BadInput(
            "This file is encrypted, or in the format of before 2007.",
            f"Save it as {suffix} without a password.",
        )
    try:
        unpacked, tags = measured(ZipFile(io.BytesIO(document)))
    except Exception as error:  # a damaged archive makes zipfile raise almost anything
        raise not_readable(suffix) from error
    if unpacked > MOST_UNPACKED:
        raise BadInput(
            f"This file would unpack to {unpacked // 1024**2} MB.",
            f"Documents may have up to {MOST_UNPACKED // 1024**2} MB unpacked: split it.",
        )
    if tags > MOST_TAGS:
        raise BadInput(
            f"This file has {tags} tags (of cells, paragraphs, formats).",
            f"Documents may have up to {MOST_TAGS}: split it.",
        )


def measured(archive: ZipFile) -> tuple[int, int]:
    """The size of all parts, from the directory; then, if that is not too much, their tags."""
    parts = archive.infolist()
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MOST_UNPACKED:
        return unpacked, 0
    # In all of them: a file may declare any part to be its text, whatever its name.
    return unpacked, sum(tags_in(archive.read(part)) for part in parts)


def tags_in(part: bytes) -> int:
    if STRANGE_ENCODING.match(part):
        raise ValueError("an encoding in which tags cannot be counted")
    tags = part.count(b"<")
    if tags <= MOST_TAGS and any(attributes_in(tag) > MOST_ATTRIBUTES for tag in part.split(b"<")):
        raise ValueError("more attributes than any tag of Office has")
    return tags


def attributes_in(tag: bytes) -> int:
    return len(ATTRIBUTE.findall(tag))


def not_readable(suffix: str) -> BadInput:
    return BadInput(
        f"This is not a {suffix} file that can be read.",
        f"Open it in the program that made it, and save it as {suffix} again.",
    )
