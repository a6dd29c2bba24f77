"""Delimited text that breaks its own rules: read line by line, so that only the lines at fault are lost.

The engine reads good text fast, and refuses a file as a whole where a line has too few or too many values, is in
another encoding or has a quote that is not closed. Such a file is read here, slowly. A line at fault becomes a row
without values, which says in `refused` what is wrong and holds the line in `as_came`, as a string of JSON; it has its
number like any other.

Does not belong here: what columns mean, and what becomes of a refused row.
"""

import codecs
import csv
import io
import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

ROWS_AT_A_TIME = 50_000
BYTES_AT_A_TIME = 1 << 20
LINES_OF_START = 100
LONGEST_QUOTED = 100_000
"""Characters over which a quoted value may go on; further on, a quote that is not closed is one too many."""
NOT_CLOSED = "line: quotes that are closed at the end of a value"
NOT_ENDED = "line: the end of a line, as a row may end early and this one may be cut off"
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
IN_WORDS = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
    "cp932": "Shift_JIS",
}
KANA = re.compile("[\u3041-\u30fe]{2}")
"""Characters of Japanese, two together, which the bytes of no other language's text happen to spell."""
LINE_OF_TEXT = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
TRIES = 4
"""To end a quoted record: where quotes are as they should be, the first is enough."""
TEXT_AT_A_TIME, VALUES_AT_A_TIME = 4_000_000, 1_000_000
"""Characters and values that are held at once, and a line more."""


_Found = tuple[str, str | None]
"""A line with its end, and what is wrong with it."""

DAMAGED = "\udfff"
"""Stands for bytes that are no UTF-16; no text that is has it."""

csv.field_size_limit(2**31 - 1)  # the length of lines is limited here
codecs.register_error("csba_damaged", lambda error: (DAMAGED, getattr(error, "end")))  # noqa: B009


class LineTooLongError(Exception):
    """A line of more bytes than a line may have."""


@dataclass(frozen=True)
class Line:
    """A record of a file, which is a line unless a quoted value has line ends; or a line at fault."""

    values: Sequence[str]
    text: str
    refused: str | None = None


def open_text(path: Path, compression: str | None) -> BinaryIO:
    """The bytes of a file, decompressed."""
    return pa.input_stream(str(path), compression=compression)


def encoding_of(path: Path, compression: str | None, longest: int, *, only_start: bool = False) -> str:
    """The encoding in which a file was written, or its start, found by trying strictly.

    A byte order mark decides. Else it is UTF-8 if all of it is, or any line that is not plain ASCII: then other lines
    are damaged. Else it is Windows-1252 or Shift_JIS, if the whole of it can be; of both, Shift_JIS if it has kana.
    Raises `LineTooLongError` for a line of more than `longest` bytes.
    """
    possible, is_ascii, has_kana = {"cp1252", "cp932"}, True, False
    with open_text(path, compression) as file:
        start = file.read(max(map(len, MARKS)))
    for mark, encoding in MARKS.items():
        if start.startswith(mark):
            return encoding
    with open_text(path, compression) as file:
        lines = _lines_of_bytes(file, longest)
        for line in islice(lines, LINES_OF_START) if only_start else lines:
            if line.isascii():
                continue
            is_ascii = False
            if _decoded(line, "utf-8") is not None:
                return "utf-8"
            for encoding in tuple(possible):
                text = _decoded(line, encoding)
                if text is None:
                    possible.discard(encoding)
                elif encoding == "cp932" and not has_kana:
                    has_kana = KANA.search(text) is not None
            if not possible:
                return "utf-8"
    if is_ascii:
        return "utf-8"
    if "cp932" in possible and (has_kana or "cp1252" not in possible):
        return "cp932"
    return "cp1252"


def records(
    path: Path, compression: str | None, encoding: str, delimiter: str, quote: str, longest: int, header: int
) -> Iterator[Line]:
    """The records of a file from the line of its header on; blank lines are none.

    A quoted value may go on over lines. Where a quote is not closed within `LONGEST_QUOTED` characters, or stands where
    none may be, its line alone is at fault, and the next begins anew. Raises `LineTooLongError` for a line of more than
    `longest` bytes.
    """
    lines = islice(lines_of(path, compression, encoding, longest), header - 1, None)
    waiting: deque[_Found] = deque()
    while found := waiting.popleft() if waiting else next(lines, None):
        text, refused = found
        if refused:
            yield Line((), text, refused)
        elif not text.strip("\r\n"):
            continue
        elif not quote or quote not in text:
            yield Line(text.rstrip("\r\n").split(delimiter), text)
        else:
            record, values = _quoted_record(text, waiting, lines, delimiter, quote)
            yield Line(values or (), record, None if values else NOT_CLOSED)


def _quoted_record(
    text: str, waiting: deque[_Found], lines: Iterator[_Found], delimiter: str, quote: str
) -> tuple[str, list[str] | None]:
    """A record that begins with a line, and its values; what it takes of the lines that follow is no longer waiting.

    Without values, the line alone.
    """
    parts, quotes, length, tries = [text], text.count(quote), len(text), 0
    values, is_open = _values(text, delimiter, quote)
    while is_open and length <= LONGEST_QUOTED and tries < TRIES:
        if len(parts) > len(waiting):
            waiting.extend(islice(lines, 1))
        if len(parts) > len(waiting) or waiting[len(parts) - 1][1]:
            break
        following = waiting[len(parts) - 1][0]
        parts.append(following)
        quotes, length = quotes + following.count(quote), length + len(following)
        if quote in following and quotes % 2 == 0:
            values, is_open = _values("".join(parts), delimiter, quote)
            tries += 1
    if values is None:
        return text, None
    for _ in parts[1:]:
        waiting.popleft()
    return "".join(parts), values


def in_batches(
    found: Iterator[Line],
    names: Sequence[str],
    named: int,
    refused: str,
    as_came: str,
    *,
    is_ragged: bool = False,
) -> Iterator[pa.RecordBatch]:
    """Records as rows of text: the header's columns, blank values null, and two of what is at fault.

    Only the first `named` columns must have values; what the header has after them are delimiters too many. Where rows
    are ragged, and may end early, the last one needs the end of its line: else it may have been cut off.
    """
    schema = pa.schema([(name, pa.string()) for name in (*names, refused, as_came)])
    count = len(names)
    other_number = f"line: {count} values, as many as the header has"
    rows: list[tuple[str | None, ...]] = []
    size = 0
    for line in found:
        is_cut = is_ragged and line.text[-1:] not in ("\n", "\r")
        fault = line.refused or (NOT_ENDED if is_cut else None)
        values = None if fault else _as_many(line.values, count, named)
        fault = fault or (other_number if values is None else None)
        values = (None,) * count if values is None else (value or None for value in values)
        rows.append((*values, fault, _as_json(line.text) if fault else None))
        size += len(line.text)
        if len(rows) >= ROWS_AT_A_TIME or size > TEXT_AT_A_TIME or len(rows) * count > VALUES_AT_A_TIME:
            yield _batch(rows, schema)
            rows, size = [], 0
    if rows:
        yield _batch(rows, schema)


def _batch(rows: Sequence[tuple[str | None, ...]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _as_json(text: str) -> str:
    return json.dumps(text.rstrip("\r\n"), ensure_ascii=False)


def _as_many(values: Sequence[str], count: int, named: int) -> Sequence[str] | None:
    """The values of a line with as many columns as the header; none if it has others."""
    if len(values) > count and not any(values[count:]):
        return values[:count]
    if named <= len(values) < count:
        return (*values, *("",) * (count - len(values)))
    return values if len(values) == count else None


def _values(record: str, delimiter: str, quote: str) -> tuple[list[str] | None, bool]:
    """The values of one record; or none, and whether a quote is still open in it."""
    reader = csv.reader(io.StringIO(record, newline=""), delimiter=delimiter, quotechar=quote, strict=True)
    try:
        (values,) = list(reader)
    except ValueError:  # more than one record
        return None, False
    except csv.Error as error:
        return None, "unexpected end of data" in str(error)
    # Blanks before a quote: the engine reads the quoted value, Python's reader the quotes with it.
    odd = [value for value in values if value[:1].isspace() and value.lstrip().startswith(quote)]
    is_odd = any(f"{quote}{value.replace(quote, quote * 2)}{quote}" not in record for value in odd)
    return None if is_odd else values, False


def lines_of(path: Path, compression: str | None, encoding: str, longest: int) -> Iterator[_Found]:
    """The lines; one that is not in the encoding keeps its bytes, as `\\x…`."""
    with open_text(path, compression) as file:
        if encoding.startswith("utf-16"):
            yield from _lines_of_utf_16(file, encoding, longest)
            return
        mark = codecs.BOM_UTF8
        for line in _lines_of_bytes(file, longest):
            text, mark = _decoded(line.removeprefix(mark), encoding), b""
            if text is None:
                yield line.decode(encoding, "backslashreplace"), f"line: text in {IN_WORDS[encoding]}"
            else:
                yield text, None


def _lines_of_utf_16(file: BinaryIO, encoding: str, longest: int) -> Iterator[_Found]:
    decoder, rest, is_first = codecs.getincrementaldecoder(encoding)("csba_damaged"), "", True
    while piece := file.read(BYTES_AT_A_TIME):
        text = rest + decoder.decode(piece)
        # Not splitlines: in text other characters end a line as well. The last line may go on, or have LF after its CR.
        lines = LINE_OF_TEXT.findall(text.removeprefix("\ufeff") if is_first else text)
        rest, is_first = "" if lines and lines[-1].endswith("\n") else lines.pop() if lines else "", False
        if max(map(len, (*lines, rest))) > longest:
            raise LineTooLongError
        yield from map(_in_utf_16, lines)
    yield from map(_in_utf_16, LINE_OF_TEXT.findall(rest + decoder.decode(b"", final=True)))


def _in_utf_16(line: str) -> _Found:
    return (line.replace(DAMAGED, "\ufffd"), "line: text in UTF-16") if DAMAGED in line else (line, None)


def _lines_of_bytes(file: BinaryIO, longest: int) -> Iterator[bytes]:
    """Lines that end in LF, CRLF or CR, with their ends."""
    rest = b""
    while piece := file.read(BYTES_AT_A_TIME):
        lines = (rest + piece).splitlines(keepends=True)
        # The last may go on; also one that ends in CR, for LF may follow.
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        if max(map(len, (*lines, rest))) > longest:
            raise LineTooLongError
        yield from lines
    yield from rest.splitlines(keepends=True)


def _decoded(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None
