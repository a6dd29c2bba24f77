"""A file that nobody knows: what is wrong with it, so that nobody could.

What it says quotes nothing of the file, which may be personal: what stands in the first line are no names for sure.

Does not belong here: which source comes nearest (`pipelines/inspecting.py`).
"""

import re
from dataclasses import replace
from pathlib import Path

from assets.raw.by_line import MARKS, open_text
from assets.raw.files import JSON, LIMITS, NOT_TEXT, FileRefusedError, kind_of, look_at_size
from assets.raw.json_records import fault_at_start
from assets.raw.reading import DELIMITERS, DIALECTS, header_of, names_of, names_of_parquet, refused_if_unreadable
from assets.settings import Limits

BYTES_OF_START = 1000
"""Text has no NUL, and a file that is none mostly has one among the first."""
JSON_BEGINS = ("{", "[")
NO_NAME = re.compile(r"@|\d{5}|(?:\d[ ()./+-]*){7}")
"""An address of mail, an id or a number of a telephone: what a column is hardly called."""


def fault_of(path: Path, limits: Limits = LIMITS) -> str | None:
    """What is wrong with a file that no source knows; none if it can be read, as far as it was looked at.

    A compressed file is read to its end, of any other its start. Raises `FileRefusedError` for a file that is of no
    kind that can be read, by its name.
    """
    kind, _ = kind_of(path)
    try:
        look_at_size(path, limits)
        if kind in JSON:
            return fault_at_start(path, limits)
        with refused_if_unreadable():
            if kind == "parquet":
                names_of_parquet(path, (), limits)
                return None
            return _fault_of_header(path, limits)
    except FileRefusedError as error:
        return str(error)


def _fault_of_header(path: Path, limits: Limits) -> str | None:
    """What is wrong with the first line of delimited text, in whatever way its values are delimited."""
    kind, compression = kind_of(path)
    with open_text(path, compression) as file:
        start = file.read(BYTES_OF_START)
    if b"\0" in start and not start.startswith((*MARKS,)):
        raise FileRefusedError(NOT_TEXT)
    own = DIALECTS[kind]
    others = [replace(own, delimiter=delimiter) for delimiter in DELIMITERS if delimiter != own.delimiter]
    for dialect in (own, *others):
        header = header_of(path, dialect, limits)
        if header is not None and header.text.lstrip().startswith(JSON_BEGINS):
            return "it seems to be JSON; call it .json, or .jsonl if every line is a record of its own"
        if header is not None and header.refused:
            return f"its header cannot be read; it should be {header.refused.partition(': ')[2]}"
        names = header.values if header else ()
        names_of(names, (), limits)
        if any(NO_NAME.search(name) for name in names):
            return "its first line does not seem to be a header: it has what no column is called"
        if len(names) > 1:
            return None
    return None
