"""JSON as tables of records, and by which keys it is known.

Does not belong here: where records lie in a document (`by_record.py`), and what its keys mean.
"""

import json
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa

from assets.raw import by_record, json_text
from assets.raw.by_record import ANYWHERE, BeyondError, NotJsonError, Shape
from assets.raw.files import JSON, LIMITS, LINE_OF, OF_LINES, FileRefusedError, beyond, kind_of, look_at_size
from assets.settings import Limits

BEYOND = {
    "longest_line": LINE_OF,
    "largest_document": "a record of more than {:,} characters",
    "largest_ratio": "a record of more than {:,} times its size once it is taken apart",
    "deepest_nesting": "objects or arrays nested deeper than {:,}",
}
"""What a document has that is beyond a limit."""
EXACT = "exact"
"""The column of records of JSON with their fractions as text, of those that have any."""
RECORDS_LOOKED_AT = 10
"""JSON is known by the keys of one of the first so many records."""


def read_records(
    con: duckdb.DuckDBPyConnection, path: Path, table: str, *, shape: Shape = ANYWHERE, limits: Limits = LIMITS
) -> int:
    """Read JSON into a fresh temporary table of records; returns its rows.

    The table has `as_came`, the record, `refused`, why it cannot be taken exactly, and `exact`.
    """
    kind, compression = kind_of(path)
    look_at_size(path, limits)
    columns = OF_LINES[1], OF_LINES[0], EXACT
    con.execute(f"create or replace temp table {table} ({', '.join(f'{name} varchar' for name in columns)})")
    try:
        found = by_record.records(path, compression, shape, limits, is_lines=JSON[kind])
        for batch in by_record.in_batches(found, columns):
            con.register("batch", batch)
            con.execute(f"insert into {table} from batch")
            con.unregister("batch")
    except (BeyondError, NotJsonError) as error:
        raise _refusal(error, limits) from error
    return con.execute(f"select count(*) from {table}").fetchall()[0][0]


def _refusal(error: BeyondError | NotJsonError, limits: Limits) -> FileRefusedError:
    if isinstance(error, BeyondError):
        return beyond(limits, error.limit, BEYOND[error.limit])
    return FileRefusedError(f"it is not JSON: {error}; is the file cut off?")


def records_as_text(table: str, columns: tuple[str, ...]) -> str:
    """The SELECT that reads a table of records as `as_text` reads JSON lines."""
    return json_text.columns(columns, f"select as_came as json, refused as said from {table}")


def keys_of(path: Path, records: tuple[str, ...], limits: Limits = LIMITS) -> list[frozenset[str]]:
    """The keys of each of the first records of JSON, a bad one without any; no records of any other file."""
    kind, compression = kind_of(path)
    found: list[frozenset[str]] = []
    if kind not in JSON or not path.is_file():
        return found
    try:
        first = by_record.records(path, compression, Shape(records), limits, is_lines=JSON[kind])
        for record in islice(first, RECORDS_LOOKED_AT):
            is_good = record.refused is None
            found.append(frozenset(json.loads(record.text, parse_int=str)) if is_good else frozenset())
    except (BeyondError, NotJsonError, OSError, pa.ArrowException):
        pass  # what was found before is enough; whoever reads the file is told
    return found


def fault_at_start(path: Path, limits: Limits = LIMITS) -> str | None:
    """What is wrong with JSON that begins with no good record, so that nobody can know it by its keys."""
    kind, compression = kind_of(path)
    try:
        found = by_record.records(path, compression, ANYWHERE, limits, is_lines=JSON[kind])
        first = list(islice(found, RECORDS_LOOKED_AT))
    except (BeyondError, NotJsonError) as error:
        return str(_refusal(error, limits))
    except (OSError, pa.ArrowException):
        return None
    if not first:
        return "it has no record"
    refused = first[0].refused
    if refused is None or any(record.refused is None for record in first):
        return None
    what, _, good = refused.partition(": ")
    return f"its first {what} should be {good}"
