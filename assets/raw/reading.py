"""A file as text: every row of it, in its order, every value as it came.

It owns formats and headers. It does not know what the columns mean. Of delimited text that breaks its own rules the
lines at fault become rows that say so (`by_line.py`), of JSON the records at fault (`json_records.py`); any other file
that it cannot read to its last byte is refused whole, by name and reason, and nothing of it is kept.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from assets.raw import json_text
from assets.raw.by_line import IN_WORDS, Line, LineTooLongError, encoding_of, in_batches, lines_of, open_text, records
from assets.raw.files import (
    JSON,
    LIMITS,
    LINE_OF,
    NOT_TEXT,
    OF_LINES,
    SMALL,
    FileRefusedError,
    UnreadableError,
    beyond,
    exactly,
    hold_size,
    kind_of,
    look_at_size,
    quoted,
)
from assets.settings import Limits

OWN_NAMES = {"rowid", "as_came"}
"""Columns that the table of text has of its own."""
NEAR_VALUES = re.compile(r"""["“(]|(?<!\w)'""")
"""What comes before a value in a message, which may be personal."""
NOT_IN_NAMES = re.compile(r"[\W_]+")
LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Dialect:
    """How delimited text is written."""

    delimiter: str
    quote: str = '"'
    header: int = 1
    """The line that names the columns; what stands above it is passed over."""
    is_ragged: bool = False
    """Whether a row may end before its last values, which are then blank."""


DELIMITERS = {",": ",", ";": ";", "\t": "tab", "|": "|"}
"""Those that are common, and what a source calls them."""
DIALECTS = {"csv": Dialect(","), "tsv": Dialect("\t"), "txt": Dialect("\t", "")}


def as_text(
    path: Path,
    *,
    dialect: Dialect | None = None,
    columns: tuple[str, ...] = (),
    limits: Limits = LIMITS,
) -> str:
    """The SELECT that reads a file as text, a row for each record and in its order; blank lines are no records.

    `columns` are those that are wanted, and must not be there twice. Of JSON lines only these are read, and also
    `as_came`, the line, and `refused`, why it cannot be read exactly. What goes wrong, here or when the SELECT is run,
    is told by `refused_if_unreadable`; columns that are not selected are not parsed. Not for documents of JSON.
    """
    kind, compression = kind_of(path)
    look_at_size(path, limits)
    if kind == "parquet":
        return _parquet_as_text(path, columns, limits)
    if kind in JSON:
        return json_text.columns(columns, json_text.lines(exactly(path), compression, limits))
    return _delimited_as_text(path, compression, dialect or DIALECTS[kind], columns, limits)


@contextmanager
def refused_if_unreadable() -> Generator[None]:
    """Within, a file that cannot be read to its last byte raises `FileRefusedError`, in words."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except (duckdb.Error, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise UnreadableError(_in_a_sentence(error)) from error


def read_as_text(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    table: str,
    *,
    dialect: Dialect | None = None,
    columns: tuple[str, ...] = (),
    limits: Limits = LIMITS,
) -> int:
    """Read a file into a fresh temporary table of text; returns its rows. Its `rowid + 1` is the record's ordinal."""
    with refused_if_unreadable():
        text = as_text(path, dialect=dialect, columns=columns, limits=limits)
        con.execute(f"create or replace temp table {table} as {text}")
    return con.execute(f"select count(*) from {table}").fetchall()[0][0]


def read_by_line(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    table: str,
    *,
    why: UnreadableError,
    dialect: Dialect | None = None,
    columns: tuple[str, ...] = (),
    limits: Limits = LIMITS,
) -> tuple[int, str]:
    """Read delimited text that cannot be read otherwise as `read_as_text` does; returns its rows, and its encoding.

    The table has `refused` and `as_came` beside the header's columns, for lines at fault. Raises `why` for a file that
    is no delimited text, or has no line without a fault.
    """
    kind, compression = kind_of(path)
    if kind not in DIALECTS:
        raise why
    dialect = dialect or DIALECTS[kind]
    try:
        encoding = encoding_of(path, compression, limits.longest_line)
        found = records(
            path, compression, encoding, dialect.delimiter, dialect.quote, limits.longest_line, dialect.header
        )
        header = next(found, None)
        if header is None or header.refused:
            raise why
        names = names_of(header.values, columns, limits)
        for name in OF_LINES:
            if name in names:
                raise FileRefusedError(
                    f"{why}; and its header names a column {name!r}, so that its lines cannot be told"
                )
        made = ", ".join(f"{_in_quotes(name)} varchar" for name in (*names, *OF_LINES))
        con.execute(f"create or replace temp table {table} ({made})")
        named = max(place for place, name in enumerate(header.values, start=1) if name)
        named = 1 if dialect.is_ragged else named
        for batch in in_batches(found, names, named, *OF_LINES, is_ragged=dialect.is_ragged):
            con.register("batch", batch)
            con.execute(f"insert into {table} from batch")
            con.unregister("batch")
    except LineTooLongError as error:
        raise beyond(limits, "longest_line", LINE_OF) from error
    rows, good = con.execute(f"select count(*), count(*) filter (refused is null) from {table}").fetchall()[0]
    if rows and not good:
        raise why
    return rows, IN_WORDS[encoding]


def _delimited_as_text(
    path: Path, compression: str | None, dialect: Dialect, wanted: tuple[str, ...], limits: Limits
) -> str:
    header = _header(path, compression, dialect, limits)
    if not header:
        raise UnreadableError("it is empty: not even a header")
    if dialect.is_ragged and not _is_ended(path, compression):
        raise UnreadableError("its last line has no end; is the file cut off?")
    names = names_of(header, wanted, limits)
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names)
    is_one = len(names) == 1
    rows = (
        f"read_csv({exactly(path)}, auto_detect = false, header = true, columns = {{{columns}}},"
        f" compression = '{compression or 'none'}', hive_partitioning = false,"
        f" skip = {dialect.header - 1}, allow_quoted_nulls = {str(not is_one).lower()},"
        f" delim = {quoted(dialect.delimiter)}, quote = {quoted(dialect.quote)}, escape = {quoted(dialect.quote)},"
        f" strict_mode = true, null_padding = {str(dialect.is_ragged).lower()}, max_line_size = {limits.longest_line})"
    )
    if not is_one:
        return f"select * from {rows}"
    # Of a file with one column the engine takes a blank line for a row. It is none; a blank value in quotes is one.
    name = _in_quotes(names[0])
    return f"select nullif({name}, '') as {name} from {rows} where {name} is not null"


def _is_ended(path: Path, compression: str | None) -> bool:
    """Whether the last line of a file has an end."""
    last = b""
    with open_text(path, compression) as file:
        if compression is None:
            file.seek(max(0, path.stat().st_size - 1))
        while piece := file.read(1 << 20):
            last = piece[-1:]
    return last in (b"\n", b"\r")


def _header(path: Path, compression: str | None, dialect: Dialect, limits: Limits) -> list[str]:
    """The values of the record that names a file's columns."""
    with open_text(path, compression) as file:
        start = file.read(limits.longest_line)
    text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    ends = list(islice(LINE_END.finditer(text), dialect.header))
    above = ends[: dialect.header - 1]
    if above and len({end[0] for end in ends}) > 1:
        # The engine, which has to pass over those lines, would pass over the others as well, and say nothing.
        raise UnreadableError("its lines above the header end in different ways (LF, CRLF, CR)")
    quoting = csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE
    lines = io.StringIO(text[above[-1].end() :] if above else text, newline="")
    records = csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote or None, quoting=quoting)
    return next(records, [])


def columns_of(path: Path, dialect: Dialect | None, limits: Limits = LIMITS) -> frozenset[str]:
    """The names of the columns of delimited text, in whatever encoding; none of any other file."""
    kind, _ = kind_of(path)
    if kind not in DIALECTS or not path.is_file():
        return frozenset()
    try:
        header = header_of(path, dialect or DIALECTS[kind], limits)
        return frozenset(names_of(header.values, (), limits)) if header else frozenset()
    except (FileRefusedError, OSError, pa.ArrowException):
        return frozenset()


def header_of(path: Path, dialect: Dialect, limits: Limits = LIMITS) -> Line | None:
    """The record that names the columns of delimited text, in whatever encoding; none if it has none.

    A blank line is none of those that stand above a header: such a file is of a dialect without any.

    Raises `FileRefusedError` where it is too long, or a line near it.
    """
    _, compression = kind_of(path)
    try:
        encoding = encoding_of(path, compression, limits.longest_line, only_start=True)
        if dialect.header > 1:
            first, _ = next(lines_of(path, compression, encoding, limits.longest_line), ("", None))
            if not first.strip():
                return None
        found = records(
            path, compression, encoding, dialect.delimiter, dialect.quote, limits.longest_line, dialect.header
        )
        return next(found, None)
    except LineTooLongError as error:
        raise beyond(limits, "longest_line", LINE_OF) from error


def likely_dialect(path: Path) -> Dialect | None:
    """How delimited text seems to be written whose name says otherwise: its header holds another delimiter."""
    kind, _ = kind_of(path)
    if kind not in DIALECTS or len(columns_of(path, None)) > 1:
        return None
    others = [replace(DIALECTS[kind], delimiter=delimiter) for delimiter in DELIMITERS]
    likely = max(others, key=lambda dialect: len(columns_of(path, dialect)))
    return likely if len(columns_of(path, likely)) > 1 else None


def names_of(header: Sequence[str], wanted: Sequence[str] = (), limits: Limits = LIMITS) -> list[str]:
    """The names of columns: in small letters, whatever is neither letter nor number as one `_`.

    So `Amazon-Order-Id ` is `amazon_order_id`. A column without a name is called by its place, `column_3`, and a name
    that comes again has its number, `name_2`. Refuses a header that is not there, is not text, or names twice what is
    wanted.
    """
    if not any(header):
        raise FileRefusedError("it is empty: not even a header")
    if any("\x00" in name for name in header):
        raise FileRefusedError(NOT_TEXT)
    if len(header) > limits.most_columns:
        raise beyond(limits, "most_columns", "more than {:,} columns")
    plain = [NOT_IN_NAMES.sub("_", name.lower()).strip("_") or f"column_{n}" for n, name in enumerate(header, start=1)]
    for name, times in Counter(plain).items():
        if times > 1 and name in wanted:
            twice = ", ".join(
                sorted({repr(given.strip()) for given, of in zip(header, plain, strict=True) if of == name})
            )
            raise FileRefusedError(f"its header names {twice} twice")
        if name in OWN_NAMES:
            raise FileRefusedError(f"its header names a column {name!r}, which has a meaning here; rename it")
    taken, names, numbers = set(plain), dict[str, None](), dict[str, int]()
    for name in plain:
        called = name
        while called in names or (called != name and called in taken):
            numbers[name] = numbers.get(name, 1) + 1
            called = f"{name}_{numbers[name]}"
        names[called] = None
    return list(names)


def _parquet_as_text(path: Path, wanted: tuple[str, ...], limits: Limits) -> str:
    """Single values as text; a column of lists, or of several values in one, is blank.

    Refuses what becomes too large: a text that comes a million times stands in a Parquet once. A value counts as a byte
    at least; first what the file says of itself is believed, then its texts are measured.
    """
    metadata, given, called = names_of_parquet(path, wanted, limits)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    packed = sum(group.column(each).total_uncompressed_size for group in groups for each in range(group.num_columns))
    values, most = metadata.num_rows * len(given), max(SMALL, path.stat().st_size * limits.largest_ratio)
    hold_size(max(values, packed), most, limits)
    rows = f"read_parquet({exactly(path)}, binary_as_string = true, hive_partitioning = false)"
    with duckdb.connect() as con:
        kinds = [kind for _, kind, *_ in con.execute(f"describe from {rows}").fetchall()]
        texts = [_in_quotes(name) for name, kind in zip(given, kinds, strict=True) if kind == "VARCHAR"]
        measured = " + ".join(f"coalesce(sum(strlen({name})), 0)" for name in texts) or "0"
        hold_size(values + con.execute(f"select {measured} from {rows}").fetchall()[0][0], most, limits)
    selected = []
    for name, column, kind in zip(given, called, kinds, strict=True):
        has_several = kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "VARIANT"))
        if has_several and column in wanted:
            raise FileRefusedError(f"its column {name!r} has several values in one")
        value = "null" if has_several else _in_quotes(name)
        selected.append(f"cast({value} as varchar) as {_in_quotes(column)}")
    return f"select {', '.join(selected)} from {rows}"


def names_of_parquet(
    path: Path, wanted: Sequence[str] = (), limits: Limits = LIMITS
) -> tuple[pq.FileMetaData, list[str], list[str]]:
    """What a Parquet says of itself, what its columns are called there, and what here. Raises `FileRefusedError`."""
    try:
        metadata = pq.read_metadata(path)
        given = metadata.schema.to_arrow_schema().names
    except OSError as error:  # also what its reader says of a file that is no Parquet
        if error.errno:
            raise
        raise UnreadableError(_in_a_sentence(error)) from error
    return metadata, given, names_of(given, wanted, limits)


def _in_quotes(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _in_a_sentence(error: Exception) -> str:
    """What the reader said, without its advice on options nor the row itself, which may hold personal data."""
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    json_line = re.search(r"at byte \d+ in line (\d+): (.*)", text)
    expected = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    said = f"it cannot be read: {re.split(NEAR_VALUES, text.splitlines()[0])[0][:200]}"
    if json_line:
        # The engine counts the lines that have ended, from 1.
        said = (
            f"line {int(json_line[1]) - 1} is not JSON: {json_line[2].split('. ')[0].strip('. ')}; is the file cut off?"
        )
    elif isinstance(error, UnicodeDecodeError) or "unicode" in text or "utf-8" in text or "UTF8" in text:
        said = f"it is not UTF-8 text{f' (line {line[1]})' if line else ''}; save it as UTF-8"
    elif line and expected:
        said = f"line {line[1]} has {expected[2]} columns instead of {expected[1]}; is the file cut off?"
    elif line and "unterminated quote" in text:
        said = f"a quote that is opened in line {line[1]} is not closed properly; is the file cut off?"
    elif line and "Maximum line size" in text:
        said = f"line {line[1]} is longer than a line may be ({Limits.named('longest_line')})"
    elif "maximum_object_size" in text:
        said = f"a line is longer than a line may be ({Limits.named('longest_line')})"
    elif "state machine reached an invalid state" in text:
        said = "its lines end in different ways (LF, CRLF, CR), or a quote stands where none may; save it anew"
    return said
