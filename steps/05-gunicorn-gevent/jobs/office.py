"""Opens Office files, which are ZIP archives of XML, without being hurt by a hostile one.

What XML itself may do (entities within entities, files of this machine) the parsers refuse:
python-docx tells lxml so, and openpyxl uses defusedxml where that is installed.
"""

import io
from zipfile import ZipFile

from jobs.contract import BadInput

MOST_UNPACKED = 20 * 1024 * 1024
MOST_TAGS = 250_000
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
    xml = (part for part in parts if part.filename.endswith((".xml", ".rels")))
    return unpacked, sum(archive.read(part).count(b"<") for part in xml)


def not_readable(suffix: str) -> BadInput:
    return BadInput(
        f"This is not a {suffix} file that can be read.",
        f"Open it in the program that made it, and save it as {suffix} again.",
    )
