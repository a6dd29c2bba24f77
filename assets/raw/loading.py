"""A new file: read as text, mapped onto its dataset, typed, held against its contract, and kept or quarantined.

It owns `raw.<dataset>`, `raw.superseded`, `audit.files` and `audit.quarantine`. A file is loaded once per content (and
content of the files joined to it), in one transaction: all of it or nothing. For each file and dataset

    rows read = loaded + duplicate + quarantined + skipped

or the file is refused. Raw tables only grow; which version of a key is in force is noted beside them (domain.md, "Input
datasets": the greatest `updated_at`, then the later load, then the later row).
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
import pandera.polars as pa
import polars as pl

from assets.raw.contracts import Dataset
from assets.raw.reading import FileRefusedError, read_as_text, sha256
from assets.raw.sources import CANONICAL, Source, Sources, files_of
from assets.raw.typing_sql import HOW_TO_READ, is_blank, typed
from assets.warehouse import Warehouse

ROWS_PER_CHUNK = 500_000
LONGEST_VALUE = 80
"""Characters of a refused value that are kept beside its row, and shown."""

Progress = Callable[[Path, str, int, int], None]
"""Called with the file, its dataset, the rows held against the contract so far, and all its rows."""


@dataclass(frozen=True)
class FileLoad:
    """What became of the rows of one file as one dataset."""

    path: Path
    source: str
    dataset: str
    rows_read: int
    rows_loaded: int
    rows_duplicate: int
    rows_quarantined: int
    rows_skipped: int
    skipped_because: dict[str, int]
    ignored_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """A file of which nothing was loaded, and why."""

    path: Path
    reason: str


@dataclass
class LoadReport:
    """What a load did."""

    load_id: int
    loads: list[FileLoad] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    """Files whose content was loaded before."""


def load(
    warehouse: Warehouse,
    paths: Sequence[Path],
    *,
    sources: Sources,
    marketplaces: Iterable[str],
    now: datetime,
    progress: Progress = lambda *_: None,
) -> LoadReport:
    """Load the new files among those named and those in the folders named.

    A file that is unknown, cannot be read or does not add up is refused by name, and the others go on. Rows that break
    their contract are quarantined. Returns what became of each file.
    """
    marketplaces = frozenset(marketplaces)
    report = LoadReport(warehouse.latest_load() + 1)
    for path in files_of(paths):
        if sources.joins(path) and not sources.of(path):
            continue
        try:
            _load_file(warehouse, path, sources, marketplaces, now, progress, report)
        except FileRefusedError as error:
            report.refusals.append(Refusal(path, str(error)))
        except OSError as error:
            report.refusals.append(Refusal(path, f"it cannot be read: {error.strerror or error}"))
    warehouse.show_as_of(warehouse.latest_load())
    return report


def _load_file(
    warehouse: Warehouse,
    path: Path,
    sources: Sources,
    marketplaces: frozenset[str],
    now: datetime,
    progress: Progress,
    report: LoadReport,
) -> None:
    if not path.exists():
        raise FileRefusedError("there is no such file")
    readers = sources.of(path)
    if not readers:
        raise FileRefusedError(f"its name is not known; known are {sources.known_names()}")
    content = sha256(path)
    for source in readers:
        joined = {name: sha256(_beside(path, name)) for _, name in source.joins}
        if _is_loaded(warehouse, source, content, joined):
            report.unchanged.append(path)
            continue
        attempt = _Attempt(warehouse.con, path, source, report.load_id, marketplaces, progress)
        report.loads.append(attempt.run(warehouse, content, joined, now))


def _beside(path: Path, name: str) -> Path:
    file = path.parent / name
    if not file.is_file():
        raise FileRefusedError(f"it is read together with {name}, which does not lie beside it")
    return file


def _is_loaded(warehouse: Warehouse, source: Source, content: str, joined: dict[str, str]) -> bool:
    found = warehouse.con.execute(
        "select 1 from audit.files where sha256 = ? and source = ? and dataset = ? and joined = ?",
        [content, source.name, source.dataset.name, json.dumps(joined)],
    )
    return bool(found.fetchall())


@dataclass
class _Attempt:
    """One file on its way into one dataset; its temporary tables are `input`, `mapped`, `staged`, `refusals`, `repeats`."""

    con: duckdb.DuckDBPyConnection
    path: Path
    source: Source
    load_id: int
    marketplaces: frozenset[str]
    progress: Progress

    @property
    def dataset(self) -> Dataset:
        return self.source.dataset

    def run(self, warehouse: Warehouse, content: str, joined: dict[str, str], now: datetime) -> FileLoad:
        before = self.path.stat()
        rows_read = self.read()
        ignored = self.map(rows_read)
        self.type_values()
        self.hold_against_contract(rows_read)
        (file_id,) = self.con.execute("select coalesce(max(file_id), 0) + 1 from audit.files").fetchall()[0]
        self.find_repeats(file_id)
        after = self.path.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise FileRefusedError("it was changed while it was read; load it when it is complete")
        with warehouse.transaction():
            loaded = self.keep(file_id)
            skipped = self.skipped()
            result = FileLoad(
                path=self.path,
                source=self.source.name,
                dataset=self.dataset.name,
                rows_read=rows_read,
                rows_loaded=loaded,
                rows_duplicate=self.count("select count(*) from repeats where is_duplicate"),
                rows_quarantined=self.count("select count(*) from refusals"),
                rows_skipped=sum(skipped.values()),
                skipped_because=skipped,
                ignored_columns=ignored,
            )
            accounted = result.rows_loaded + result.rows_duplicate + result.rows_quarantined + result.rows_skipped
            if accounted != rows_read:
                raise FileRefusedError(
                    f"{rows_read:,} rows were read but {accounted:,} are accounted for: a fault of this program"
                )
            self.enter(file_id, result, content, joined, now)
        return result

    # -- from file to typed rows --------------------------------------------------------------------------------

    def read(self) -> int:
        """`input`: the file as text; and each file joined to it under its own name."""
        for table, name in self.source.joins:
            try:
                read_as_text(self.con, _beside(self.path, name), table, dialect=self.source.dialect)
            except FileRefusedError as error:
                raise FileRefusedError(f"{name}, which is read with it: {error}") from error
        columns = tuple(self.dataset.columns) if self.source.name == CANONICAL else ()
        return read_as_text(self.con, self.path, "input_text", dialect=self.source.dialect, columns=columns)

    def map(self, rows_read: int) -> tuple[str, ...]:
        """`mapped`: the dataset's columns as text, one row for each row read; returns the columns that nobody asked for."""
        self.con.execute("create or replace temp view input as select rowid + 1 as row_number, * from input_text")
        if self.source.select is None:
            query, ignored = self._canonical_select()
            self.con.execute(f"create or replace temp view mapped_rows as {query}")
            self._complete_mapped()
            return ignored
        try:
            self.con.execute(
                f"create or replace temp table mapped_rows as select * from ({self.source.select}) order by row_number"
            )
        except duckdb.Error as error:
            raise FileRefusedError(
                f"the source {self.source.name} does not fit it: {str(error).splitlines()[0]}"
            ) from error
        self._complete_mapped()
        rows, distinct = self.con.execute("select count(*), count(distinct row_number) from mapped_rows").fetchall()[0]
        if (rows, distinct) != (rows_read, rows_read):
            raise FileRefusedError(
                f"the source {self.source.name} makes {rows:,} rows ({distinct:,} different) of {rows_read:,}; it must give each"
                " row once and say `skipped` or `refused`"
            )
        return ()

    def _canonical_select(self) -> tuple[str, tuple[str, ...]]:
        given = [row[0] for row in self.con.execute("describe input_text").fetchall()]
        missing = [name for name in self.dataset.required if name not in given]
        if missing:
            raise FileRefusedError(f"as {self.dataset.name} it lacks the column {', '.join(missing)}")
        columns = ", ".join(name for name in self.dataset.columns if name in given)
        ignored = tuple(name for name in given if name not in self.dataset.columns and name != "as_came")
        return f"select row_number, {columns} from input", ignored

    def _complete_mapped(self) -> None:
        """`mapped`: with the columns that may be left out, as blanks."""
        given = [row[0] for row in self.con.execute("describe mapped_rows").fetchall()]
        missing = [name for name in ("row_number", *self.dataset.required) if name not in given]
        if missing:
            raise FileRefusedError(f"the source {self.source.name} lacks the column {', '.join(missing)}")
        wanted = [*self.dataset.columns, "refused", "skipped"]
        columns = ", ".join(
            f"cast({name} as varchar) as {name}" if name in given else f"cast(null as varchar) as {name}"
            for name in wanted
        )
        self.con.execute(f"create or replace temp view mapped as select row_number, {columns} from mapped_rows")

    def type_values(self) -> None:
        """`staged`: the typed values, and the column whose text cannot be read exactly, if any."""
        columns = self.dataset.columns.items()
        values = ", ".join(f"{typed(f'mapped.{name}', kind, self.source.zone)} as {name}" for name, kind in columns)
        texts = ", ".join(f"mapped.{name} as text_{name}" for name, kind in columns if kind != "VARCHAR")
        unreadable = " ".join(
            f"when {name} is null and not {is_blank(f'text_{name}')} then '{name}'"
            for name, kind in columns
            if kind != "VARCHAR"
        )
        names = ", ".join(self.dataset.columns)
        self.con.execute(f"""
            create or replace temp table staged as
            select row_number, {names}, refused, case when refused is null then skipped end as skipped,
                case {unreadable} end as unreadable
            from (select row_number, {values}, {texts}, refused, skipped from mapped)""")

    # -- refused rows -------------------------------------------------------------------------------------------

    def hold_against_contract(self, rows_read: int) -> None:
        """`refusals`: each row that the source, the typing or the contract refuses, with the first reason."""
        kinds = " ".join(f"when '{name}' then '{HOW_TO_READ[kind]}'" for name, kind in self.dataset.columns.items())
        self.con.execute(f"""
            create or replace temp table refusals as
            select row_number,
                case when refused is not null then split_part(refused, ': ', 1) else unreadable end as column_name,
                case when refused is not null then substr(refused, strpos(refused, ': ') + 2)
                     else case unreadable {kinds} end end as check_name
            from staged
            where refused is not null or (skipped is null and unreadable is not null)""")
        schema = self.dataset.schema_for(self.marketplaces)
        columns = ", ".join(self.dataset.columns)
        for start in range(0, rows_read, ROWS_PER_CHUNK):
            chunk = self.con.sql(f"""
                select row_number, {columns} from staged
                where row_number > {start} and row_number <= {start + ROWS_PER_CHUNK}
                  and refused is null and skipped is null and unreadable is null""").pl()
            failures = failing_rows(schema, chunk)
            if failures is not None:
                self.con.register("failures", failures)
                self.con.execute("insert into refusals select row_number, column_name, check_name from failures")
                self.con.unregister("failures")
            self.progress(self.path, self.dataset.name, min(start + ROWS_PER_CHUNK, rows_read), rows_read)

    # -- rows that are known, and versions ----------------------------------------------------------------------

    def find_repeats(self, file_id: int) -> None:
        """`repeats`: of the keys seen more than once every version, which of them are duplicates, and which is in force."""
        dataset, columns = self.dataset, ", ".join(self.dataset.columns)
        key = ", ".join(dataset.key)
        latest_first = ", ".join(f"{c} desc" for c in (*dataset.order_of_versions, "load_id", "file_id", "row_number"))
        self.con.execute(f"""
            create or replace temp view incoming as
            select {columns}, {self.load_id} as load_id, {file_id} as file_id, row_number
            from staged
            where skipped is null and row_number not in (select row_number from refusals)""")
        self.con.execute(f"""
            create or replace temp table keys_seen_before as
            select {key} from incoming group by all having count(*) > 1
            union
            select {key} from incoming semi join raw.{dataset.name} using ({key})""")
        self.con.execute(f"""
            create or replace temp table repeats as
            with versions as (
                select {columns}, load_id, file_id, row_number from raw.{dataset.name} semi join keys_seen_before using ({key})
                union all
                select {columns}, load_id, file_id, row_number from incoming semi join keys_seen_before using ({key})
            ),
            compared as (
                select *, row_number() over (
                    partition by {columns} order by load_id, file_id, row_number
                ) > 1 as is_duplicate
                from versions
            )
            select *, row_number() over (partition by {key}, is_duplicate order by {latest_first}) = 1 as is_in_force
            from compared""")

    def keep(self, file_id: int) -> int:
        """Append the rows that are new to the raw table, and note which versions are beaten from this load on."""
        dataset, columns = self.dataset, ", ".join(self.dataset.columns)
        self.con.execute(f"""
            insert into raw.{dataset.name} ({columns}, load_id, file_id, row_number)
            select {columns}, load_id, file_id, row_number from incoming
            where row_number not in (select row_number from repeats where is_duplicate and file_id = {file_id})""")
        loaded = self.count(f"select count(*) from raw.{dataset.name} where file_id = {file_id}")
        self.con.execute(f"""
            insert into raw.superseded (dataset, file_id, row_number, load_id)
            select '{dataset.name}', file_id, row_number, {self.load_id}
            from repeats
            where not is_duplicate and not is_in_force
              and (file_id, row_number) not in (
                  select (file_id, row_number) from raw.superseded where dataset = '{dataset.name}'
              )""")
        return loaded

    # -- the books of a load ------------------------------------------------------------------------------------

    def skipped(self) -> dict[str, int]:
        """Reason → rows that are no row of this dataset."""
        query = "select skipped, count(*) from staged where skipped is not null group by skipped order by skipped"
        return dict(self.con.execute(query).fetchall())

    def enter(self, file_id: int, result: FileLoad, content: str, joined: dict[str, str], now: datetime) -> None:
        """Enter the file in `audit.files` and its refused rows, as they came, in `audit.quarantine`."""
        self.con.execute(
            "insert into audit.files values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                file_id,
                self.load_id,
                str(self.path),
                content,
                result.source,
                result.dataset,
                result.rows_read,
                result.rows_loaded,
                result.rows_duplicate,
                result.rows_quarantined,
                result.rows_skipped,
                json.dumps(result.skipped_because),
                json.dumps(joined),
                now,
            ],
        )
        values = " ".join(f"when '{name}' then mapped.{name}" for name in self.dataset.columns)
        given = [row[0] for row in self.con.execute("describe input_text").fetchall()]
        as_came = "input_text.as_came" if "as_came" in given else "to_json(input_text)"
        self.con.execute(f"""
            insert into audit.quarantine (file_id, row_number, dataset, column_name, check_name, value, "row")
            select {file_id}, refusals.row_number, '{self.dataset.name}', column_name, check_name,
                left(case column_name {values} end, {LONGEST_VALUE}), {as_came}
            from refusals
            join mapped on mapped.row_number = refusals.row_number
            join input_text on input_text.rowid + 1 = refusals.row_number
            order by refusals.row_number""")

    def count(self, query: str) -> int:
        return self.con.execute(query).fetchall()[0][0]


def failing_rows(schema: pa.DataFrameSchema, rows: pl.DataFrame) -> pl.DataFrame | None:
    """The rows that break the schema, with the first column and check each fails; none if all are good.

    `rows` has a `row_number` beside the schema's columns; the result has `row_number`, `column_name`, `check_name`.
    """
    try:
        schema.validate(rows.drop("row_number"), lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        if cases["index"].null_count():
            raise
        order = {name: position for position, name in enumerate(schema.columns)}
        first_failures = (
            cases.select(
                pl.col("index").cast(pl.Int64),
                pl.col("column").alias("column_name"),
                pl.col("column").replace_strict(order, return_dtype=pl.Int32).alias("position"),
                pl.col("check").map_elements(_in_words, return_dtype=pl.String).alias("check_name"),
            )
            .sort("index", "position", maintain_order=True)
            .unique("index", keep="first", maintain_order=True)
        )
        return (
            rows.select("row_number")
            .with_row_index("index")
            .with_columns(pl.col("index").cast(pl.Int64))
            .join(first_failures, on="index")
            .select("row_number", "column_name", "check_name")
        )
    return None


def _in_words(check: str) -> str:
    """What a good value is, of a pandera check's name."""
    if check == "not_nullable":
        return "required"
    for pattern, words in (
        (r"isin\(\[(.*)\]\)", "one of {}"),
        (r"greater_than_or_equal_to\((.*)\)", "at least {}"),
        (r"less_than_or_equal_to\((.*)\)", "at most {}"),
        (r"str_matches\((.*)\)", "of the form {}"),
    ):
        found = re.fullmatch(pattern, check)
        if found:
            return words.format(found[1].replace("'", ""))
    return check
