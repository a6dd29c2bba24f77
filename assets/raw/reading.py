"""A file as text: every row of it, in its order, every value as it came.

It owns formats, compression and headers. It does not know what the columns mean. A file that it cannot read to its
last byte is refused whole, by name and reason; nothing of it is kept.
"""

import codecs
import csv
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

SUFFIXES = re.compile(r"\.(?P<format>csv|tsv|parquet|jsonl)(?P<compression>\.gz|\.zst)?$", re.IGNORECASE)
LONGEST_ROW = 2_000_000
"""Bytes. A longer row of text is a file with an open quote."""


class FileRefusedError(Exception):
    """A file that cannot be loaded; the message says why and what to do, without the file's name."""


@dataclass(frozen=True)
class Dialect:
    """How delimited text is written."""

    delimiter: str
    quote: str = '"'


DIALECTS = {"csv": Dialect(","), "tsv": Dialect("\t")}


def sha256(path: Path) -> str:
    """The hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_as_text(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    table: str,
    *,
    dialect: Dialect | None = None,
    columns: tuple[str, ...] = (),
) -> int:
    """Read a file into a fresh temporary table of text, one row per record and in its order; returns their number.

    The table's `rowid + 1` is the record's ordinal: header and blank lines are not records. `columns` are those asked
    of a file whose rows name their own (JSON lines). Raises `FileRefusedError`.
    """
    suffix = SUFFIXES.search(path.name)
    if suffix is None:
        raise FileRefusedError(
            "not a kind of file that can be read; known are .csv, .tsv, .jsonl and .parquet, plain, .gz or .zst"
        )
    kind = suffix["format"].lower()
    try:
        if kind == "parquet":
            query = _parquet_as_text(con, path)
        elif kind == "jsonl":
            query = _json_lines_as_text(path, columns)
        else:
            query = _delimited_as_text(path, dialect or DIALECTS[kind])
        con.execute(f"create or replace temp table {table} as {query}")
    except (duckdb.Error, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise FileRefusedError(_in_a_sentence(error)) from error
    return con.execute(f"select count(*) from {table}").fetchall()[0][0]


def _delimited_as_text(path: Path, dialect: Dialect) -> str:
    names = _header(path, dialect)
    columns = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in names)
    return (
        f"select * from read_csv({_quoted(str(path))}, auto_detect = false, header = true, columns = {{{columns}}},"
        f" delim = {_quoted(dialect.delimiter)}, quote = {_quoted(dialect.quote)}, escape = {_quoted(dialect.quote)},"
        f" strict_mode = true, null_padding = false, max_line_size = {LONGEST_ROW})"
    )


def _header(path: Path, dialect: Dialect) -> list[str]:
    """The names in a file's first record, which must be there, be text, and differ."""
    with pa.input_stream(str(path), compression="detect") as file:
        start = file.read(LONGEST_ROW)
    text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    if "\x00" in text:
        raise FileRefusedError("it is not text")
    first = next(
        csv.reader(
            io.StringIO(text, newline=""), delimiter=dialect.delimiter, quotechar=dialect.quote or None
        ),
        [],
    )
    names = [name.strip() for name in first]
    if not names:
        raise FileRefusedError("it is empty: not even a header")
    seen = [name.lower() for name in names]
    doubled = sorted({name for name in names if seen.count(name.lower()) > 1})
    if doubled:
        raise FileRefusedError(f"its header names {', '.join(map(repr, doubled))} twice")
    if not all(names):
        raise FileRefusedError("its header has a column without a name")
    return names


def _json_lines_as_text(path: Path, columns: tuple[str, ...]) -> str:
    values = ", ".join(f"json ->> '$.{name}' as {name}" for name in columns)
    return (
        f"select {values}, cast(json as varchar) as as_came from read_ndjson_objects({_quoted(str(path))},"
        f" maximum_object_size = {LONGEST_ROW})"
    )


def _parquet_as_text(con: duckdb.DuckDBPyConnection, path: Path) -> str:
    file = f"read_parquet({_quoted(str(path))})"
    names = [row[0] for row in con.execute(f"describe select * from {file}").fetchall()]
    values = ", ".join(
        f'cast("{name}" as varchar) as "{name}"' for name in (n.replace('"', '""') for n in names)
    )
    return f"select {values} from {file}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _in_a_sentence(error: Exception) -> str:
    """What the reader said, without its advice on options nor the row itself, which may hold personal data."""
    text = str(error)
    if isinstance(error, UnicodeDecodeError) or "unicode" in text or "utf-8" in text:
        line = re.search(r"Line: (\d+)", text)
        return f"it is not UTF-8 text{f' (line {line[1]})' if line else ''}; save it as UTF-8"
    line = re.search(r"CSV Error on Line: (\d+)", text)
    expected = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if line and expected:
        return f"line {line[1]} has {expected[2]} columns instead of {expected[1]}; is the file cut off?"
    if line and "unterminated quote" in text:
        return f"a quote that is opened in line {line[1]} is not closed properly; is the file cut off?"
    if line and "Maximum line size" in text:
        return f"line {line[1]} is longer than {LONGEST_ROW:,} bytes"
    first_line = text.splitlines()[0]
    return f"it cannot be read: {first_line[:200]}"
