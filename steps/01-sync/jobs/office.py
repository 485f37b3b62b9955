"""Opens Office files, which are ZIP archives of XML, without being hurt by a hostile one."""

import io
from zipfile import BadZipFile, ZipFile

from jobs.contract import BadInput

MOST_UNPACKED = 20 * 1024 * 1024
OLD_OR_ENCRYPTED = bytes.fromhex("D0CF11E0A1B11AE1")  # the container of .doc and .xls


def must_be_harmless(document: bytes, suffix: str) -> None:
    """Reads only the directory of the archive. Raises BadInput if it is none, or would unpack to
    more than MOST_UNPACKED bytes: Python's zipfile never unpacks more than the directory says."""
    if document.startswith(OLD_OR_ENCRYPTED):
        raise BadInput(
            "This file is encrypted, or in the format of before 2007.",
            f"Save it as {suffix} without a password.",
        )
    try:
        unpacked = sum(entry.file_size for entry in ZipFile(io.BytesIO(document)).infolist())
    except (BadZipFile, ValueError, NotImplementedError) as error:
        raise not_readable(suffix) from error
    if unpacked > MOST_UNPACKED:
        raise BadInput(
            f"This file would unpack to {unpacked // 1024**2} MB.",
            f"Documents may have up to {MOST_UNPACKED // 1024**2} MB unpacked: split it.",
        )


def not_readable(suffix: str) -> BadInput:
    return BadInput(
        f"This is not a {suffix} file that can be read.",
        f"Open it in the program that made it, and save it as {suffix} again.",
    )
