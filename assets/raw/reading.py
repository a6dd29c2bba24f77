"""A file as text: every row of it, in its order, every value as it came.

It owns formats, compression and headers. It does not know what the columns mean. A file that it cannot read to its
last byte is refused whole, by name and reason; nothing of it is kept.
"""

import codecs
import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

SUFFIXES = re.compile(r"\.(?P<format>csv|tsv|parquet|jsonl)(?P<compression>\.gz|\.zst)?$", re.IGNORECASE)
COMPRESSIONS = {None: None, ".gz": "gzip", ".zst": "zstd"}

LONGEST_ROW = 2_000_000
"""Bytes. A longer row of text is a file with an open quote."""

OWN_NAMES = {"rowid", "as_came"}
"""Columns that the table of text has of its own."""

LARGEST_EXACT = 2**53
"""Up to here a JSON number with a decimal point or an exponent keeps its whole value."""


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


def as_text(path: Path, *, dialect: Dialect | None = None, columns: tuple[str, ...] = ()) -> str:
    """The SELECT that reads a file as text, a row for each record and in its order; blank lines are no records.

    `columns` are those asked of JSON lines, of which it also gives `as_came`, the line, and `refused`, why it cannot be
    read exactly. What goes wrong, here or when the SELECT is run, is told by `refused_if_unreadable`; columns that are
    not selected are not parsed.
    """
    suffix = SUFFIXES.search(path.name)
    if suffix is None:
        raise FileRefusedError(
            "not a kind of file that can be read; known are .csv, .tsv, .jsonl and .parquet, plain, .gz or .zst"
        )
    kind = suffix["format"].lower()
    compression = COMPRESSIONS[suffix["compression"] and suffix["compression"].lower()]
    if compression:
        _decompress(path, compression)
    if kind == "parquet":
        return _parquet_as_text(path)
    if kind == "jsonl":
        return _json_lines_as_text(path, compression, columns)
    return _delimited_as_text(path, compression, dialect or DIALECTS[kind])


@contextmanager
def refused_if_unreadable() -> Generator[None]:
    """Within, a file that cannot be read to its last byte raises `FileRefusedError`, in words."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except (duckdb.Error, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise FileRefusedError(_in_a_sentence(error)) from error


def read_as_text(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    table: str,
    *,
    dialect: Dialect | None = None,
    columns: tuple[str, ...] = (),
) -> int:
    """Read a file into a fresh temporary table of text; returns its rows. Its `rowid + 1` is the record's ordinal."""
    with refused_if_unreadable():
        con.execute(f"create or replace temp table {table} as {as_text(path, dialect=dialect, columns=columns)}")
    return con.execute(f"select count(*) from {table}").fetchall()[0][0]


def _decompress(path: Path, compression: str) -> None:
    """Read a compressed file to its end, because the engine takes one that is cut off for a shorter one."""
    try:
        with pa.input_stream(str(path), compression=compression) as file:
            while file.read(1 << 20):
                pass
    except (OSError, pa.ArrowException) as error:
        raise FileRefusedError(f"it is not a whole {compression} file; was it cut off?") from error


def _delimited_as_text(path: Path, compression: str | None, dialect: Dialect) -> str:
    names = _header(path, compression, dialect)
    columns = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in names)
    return (
        f"select * from read_csv({_exactly(path)}, auto_detect = false, header = true, columns = {{{columns}}},"
        f" compression = '{compression or 'none'}', hive_partitioning = false,"
        f" delim = {_quoted(dialect.delimiter)}, quote = {_quoted(dialect.quote)}, escape = {_quoted(dialect.quote)},"
        f" strict_mode = true, null_padding = false, max_line_size = {LONGEST_ROW})"
    )


def _header(path: Path, compression: str | None, dialect: Dialect) -> list[str]:
    """The names in a file's first record."""
    with pa.input_stream(str(path), compression=compression) as file:
        start = file.read(LONGEST_ROW)
    text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    quoting = csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE
    lines = io.StringIO(text, newline="")
    records = csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote or None, quoting=quoting)
    names = [name.strip() for name in next(records, [])]
    _check_names(names)
    return names


def _check_names(names: list[str]) -> None:
    """Refuse a header that is not there, is not text, or names a column twice or not at all."""
    if not names:
        raise FileRefusedError("it is empty: not even a header")
    if any("\x00" in name for name in names):
        raise FileRefusedError("it is not text")
    seen = Counter(name.lower() for name in names)
    doubled = sorted({name for name in names if seen[name.lower()] > 1})
    if not all(names):
        raise FileRefusedError("its header has a column without a name")
    if doubled:
        raise FileRefusedError(f"its header names {', '.join(map(repr, doubled))} twice")
    for name in OWN_NAMES & seen.keys():
        raise FileRefusedError(f"its header names a column {name!r}, which has a meaning here; rename it")


def _json_lines_as_text(path: Path, compression: str | None, columns: tuple[str, ...]) -> str:
    """Values as text; `refused` for a line that is no object, names a key twice or has a value that is not exact."""
    values = "".join(f"json ->> '$.{name}' as {name}, " for name in columns)
    inexact = " ".join(
        f"""when json_type(json, '$.{name}') in ('OBJECT', 'ARRAY') then '{name}: a single value'
            when json_type(json, '$.{name}') = 'DOUBLE'
             and not regexp_full_match({name}, '-?\\d+')
             and not coalesce({name} like '%.0' and abs(try_cast({name} as double)) < {LARGEST_EXACT}, false)
            then '{name}: text or a whole number'"""
        for name in columns
    )
    return f"""
        select {values} cast(json as varchar) as as_came,
            case when json_type(json) <> 'OBJECT' then 'line: a JSON object'
                 when len(json_keys(json)) > len(list_distinct(json_keys(json))) then 'line: each key once' {inexact}
            end as refused
        from read_ndjson_objects({_exactly(path)}, maximum_object_size = {LONGEST_ROW},
            compression = '{compression or "none"}', hive_partitioning = false)"""


def _parquet_as_text(path: Path) -> str:
    names = pq.read_schema(path).names
    _check_names(names)
    values = ", ".join(f'cast("{name}" as varchar) as "{name}"' for name in (n.replace('"', '""') for n in names))
    return f"select {values} from read_parquet({_exactly(path)}, binary_as_string = true, hive_partitioning = false)"


def _exactly(path: Path) -> str:
    """A path as the engine reads it: that file and no other, although it takes * ? [ for patterns."""
    text = str(path.absolute())
    pattern = re.sub(r"([*?\[])", r"[\1]", text)
    if pattern != text and "\\" in text:
        raise FileRefusedError("its name or folder has a backslash beside * ? or [, which cannot be read; rename it")
    return _quoted(pattern)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _in_a_sentence(error: Exception) -> str:
    """What the reader said, without its advice on options nor the row itself, which may hold personal data."""
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    json_line = re.search(r"at byte \d+ in line (\d+): (.*)", text)
    expected = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    said = f"it cannot be read: {text.splitlines()[0][:200]}"
    if json_line:
        # The engine counts the lines that have ended, from 1.
        said = (
            f"line {int(json_line[1]) - 1} is not JSON: {json_line[2].split('. ')[0].strip('. ')}; is the file cut off?"
        )
    elif isinstance(error, UnicodeDecodeError) or "unicode" in text or "utf-8" in text:
        said = f"it is not UTF-8 text{f' (line {line[1]})' if line else ''}; save it as UTF-8"
    elif line and expected:
        said = f"line {line[1]} has {expected[2]} columns instead of {expected[1]}; is the file cut off?"
    elif line and "unterminated quote" in text:
        said = f"a quote that is opened in line {line[1]} is not closed properly; is the file cut off?"
    elif line and "Maximum line size" in text:
        said = f"line {line[1]} is longer than {LONGEST_ROW:,} bytes"
    elif "state machine reached an invalid state" in text:
        said = "its lines end in different ways (LF, CRLF, CR), or a quote stands where none may; save it anew"
    return said
