"""A file looked at before it is loaded: who knows it and why, its first rows, and what of it would be refused.

Nothing of it is kept. A file that nobody knows is held against the sources that come nearest, and gets a draft of a
source to begin with.

Does not belong here: how files are read and mapped.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assets.core.marketplaces import Marketplace
from assets.raw.datasets import DATASETS
from assets.raw.files import FileRefusedError, is_json, kind_of
from assets.raw.json_records import keys_of
from assets.raw.reading import DELIMITERS, DIALECTS, Dialect, columns_of, likely_dialect
from assets.raw.sources import CANONICAL, Source, Sources
from assets.raw.staging import Staging
from assets.settings import Limits
from assets.warehouse import open_aside

ROWS_SHOWN = 3
NEAREST = 3
"""So many sources are named that come nearest to an unknown file."""


@dataclass(frozen=True)
class Reading:
    """A file as one source reads it."""

    source: Source
    why: str
    """By what it is known."""
    refused: str | None = None
    """Why the file would be refused as a whole."""
    rows_read: int = 0
    encoding: str | None = None
    first: tuple[dict[str, Any], ...] = ()
    """The first good rows, as they would be loaded."""
    refusals: tuple[tuple[str, str, int, int], ...] = ()
    """Column, what a good value is, rows, and the first of them."""
    skipped: tuple[tuple[str, int], ...] = ()
    times_repeated: int = 0
    """Rows with a local time that a clock change repeats."""
    times_skipped: int = 0
    """Rows with one that it skips."""


@dataclass(frozen=True)
class Nearness:
    """How near a source comes to a file that it does not know: the columns that the file lacks."""

    source: str
    missing: tuple[str, ...]
    of: int
    reads: str = ""
    """The delimiter that the source reads where the file has another, in a word; else empty."""
    has: str = ""
    """That of the file then."""


def readings(
    path: Path, sources: Sources, marketplaces: Mapping[str, Marketplace], limits: Limits, memory: int
) -> list[Reading]:
    """The file as each source that knows it reads it; none if nobody does. Raises `FileRefusedError`.

    `memory` is how many bytes the engine may hold.
    """
    return [_reading(path, source, marketplaces, limits, memory) for source in sources.of(path, limits)]


def _reading(
    path: Path, source: Source, marketplaces: Mapping[str, Marketplace], limits: Limits, memory: int
) -> Reading:
    why = "its keys" if source.keys else "its columns" if source.columns else "its name"
    joined = {table: path.parent / name for table, name in source.joins}
    for file in joined.values():
        if not file.is_file():
            return Reading(source, why, f"it is read together with {file.name}, which does not lie beside it")
    with open_aside(memory) as con:
        staging = Staging(con, path, source, joined, marketplaces, limits)
        try:
            staging.run(lambda _: None)
        except FileRefusedError as error:
            return Reading(source, why, str(error))
        columns = ", ".join(source.dataset.columns)
        first = con.execute(f"""
            select {columns} from staged
            anti join (select row_number from refusals
                       union all select row_number from doubtful where skipped is not null) as out
                on out.row_number = staged.rowid + 1
            order by staged.rowid limit {ROWS_SHOWN}""")
        names = [column[0] for column in first.description or ()]
        rows = tuple(dict(zip(names, row, strict=True)) for row in first.fetchall())
        refusals = con.execute("""
            select column_name, check_name, count(*), min(row_number) from refusals group by all order by 4""")
        found = tuple(refusals.fetchall())
        skipped = con.execute(
            "select skipped, count(*) from doubtful where skipped is not null group by all order by 2 desc, 1"
        )
        return Reading(
            *(source, why, None, staging.rows_read, staging.encoding, rows, found, tuple(skipped.fetchall())),
            times_repeated=staging.times_repeated,
            times_skipped=staging.times_skipped,
        )


def nearest(path: Path, sources: Sources) -> list[Nearness]:
    """The sources, and datasets in their own columns, that share most columns with a file that nobody knows."""
    found, written = [], _as_written(path)
    for source in (*sources.mapped, *sources.canonical):
        by_content = source.keys if is_json(path) else source.columns
        wanted = by_content or (frozenset(source.dataset.required) if source.name == CANONICAL else frozenset())
        if wanted:
            name = f"{source.dataset.name}*.csv" if source.name == CANONICAL else source.name
            missing = tuple(sorted(wanted - _named_in(path, source, written)))
            found.append(Nearness(name, missing, len(wanted), *_delimiters(path, source, written)))
    shared = [near for near in found if len(near.missing) < near.of]
    return sorted(shared, key=lambda near: (len(near.missing) - near.of, len(near.missing), near.source))[:NEAREST]


def _as_written(path: Path) -> Dialect | None:
    """How delimited text seems to be written, whatever its name says; none of other files."""
    return likely_dialect(path) or DIALECTS.get(kind_of(path)[0])


def _delimiters(path: Path, source: Source, written: Dialect | None) -> tuple[str, str]:
    """The delimiter that a source reads and that of the file, in words; empty where they are the same."""
    reads = source.dialect or DIALECTS.get(kind_of(path)[0])
    if reads is None or written is None or reads.delimiter == written.delimiter:
        return "", ""
    return DELIMITERS.get(reads.delimiter, reads.delimiter), DELIMITERS[written.delimiter]


def _named_in(path: Path, source: Source | None, written: Dialect | None) -> frozenset[str]:
    """The columns of delimited text as it is written, or the keys of the first record of JSON.

    The source says where they lie: in which line of text, or in which records.
    """
    if is_json(path):
        return next(filter(None, keys_of(path, source.shape.records if source else ())), frozenset())
    if written is not None and source is not None and source.dialect is not None:
        written = replace(written, header=source.dialect.header)
    return columns_of(path, written)


def _within(path: Path, keys: frozenset[str]) -> tuple[frozenset[str], str]:
    """The keys of the records in an array of a value of JSON, and the path to them; else those of the value."""
    for key in sorted(keys):
        inner = next(filter(None, keys_of(path, (f"{key}[]",))), keys) if re.fullmatch(r"\w+", key) else keys
        if inner != keys:
            return inner, f"{key}[]"
    return keys, ""


def draft(path: Path) -> str:
    """A source to begin with, for a file that nobody knows; of the dataset that shares most columns with it."""
    dialect, records = None if is_json(path) else likely_dialect(path), ""
    given = _named_in(path, None, _as_written(path))
    if is_json(path):
        given, records = _within(path, given)
    dataset = max(DATASETS.values(), key=lambda each: len(given & set(each.required)))
    wanted = [name for name in dataset.columns if name in given or name in dataset.required]
    lines = [
        f"-- What {path.name} is, in one sentence.",
        f"-- dataset: {dataset.name}",
        f"-- {'keys' if is_json(path) else 'columns'}: {', '.join(sorted(given))}"
        if given
        else f"-- file: {path.name}",
        *([f"-- records: {records}"] if records else []),
        *([f"-- read: delimiter={DELIMITERS[dialect.delimiter]} quote={dialect.quote}"] if dialect else []),
        "select",
        "    row_number,",
    ]
    for name in wanted:
        comma = "" if name == wanted[-1] else ","
        meaning = dataset.schema.columns[name].description
        value = f"as_came ->> '$.{name}' as {name}" if is_json(path) else name
        lines.append(f"    {value}{comma}" if name in given else f"    null as {name}{comma}  -- {meaning}")
    return "\n".join([*lines, "from input", ""])
