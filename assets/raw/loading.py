"""A new file: read as text, mapped onto its dataset, typed, held against its contract, and kept or quarantined.

It owns `raw.<dataset>`, `raw.superseded`, `audit.files` and `audit.quarantine`. A file is loaded once per content (and
content of the files joined to it, and rules it is read by), in one transaction: all of it or nothing. For each file and
dataset

    rows read = loaded + duplicate + quarantined + skipped

or the file is refused. Raw tables only grow; which version of a key is in force is noted beside them (domain.md, "Input
datasets": the greatest `updated_at`, then the later load, then the later row).
"""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from assets.raw.contracts import failing_rows
from assets.raw.reading import FileRefusedError, read_as_text, sha256
from assets.raw.sources import CANONICAL, TEMPORARY_TABLES, TEMPORARY_VIEWS, Source, Sources, files_of
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
    report = LoadReport(warehouse.latest_load() + 1)
    this = _Load(warehouse, report.load_id, sources, frozenset(marketplaces), now, progress)
    for path in files_of(paths):
        if sources.joins(path) and not sources.of(path):
            continue
        try:
            _load_file(this, path, report)
        except FileRefusedError as error:
            report.refusals.append(Refusal(path, str(error)))
        except OSError as error:
            report.refusals.append(Refusal(path, f"it cannot be read: {error.strerror or error}"))
    warehouse.show_as_of(warehouse.latest_load())
    return report


@dataclass(frozen=True)
class _Load:
    """What all files of one load share."""

    warehouse: Warehouse
    load_id: int
    sources: Sources
    marketplaces: frozenset[str]
    now: datetime
    progress: Progress


def _load_file(this: _Load, path: Path, report: LoadReport) -> None:
    if not path.exists():
        raise FileRefusedError("there is no such file")
    if not path.is_file():
        raise FileRefusedError("it is a folder that cannot be listed" if path.is_dir() else "it is not a file")
    if any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") for each in str(path)):
        raise FileRefusedError("its name has characters that cannot be shown; rename it")
    readers = this.sources.of(path)
    if not readers:
        raise FileRefusedError(f"its name is not known; known are {this.sources.known_names()}")
    for source in readers:
        attempt = _Attempt(this, path, source)
        if attempt.is_known():
            report.unchanged.extend([path] if path not in report.unchanged else [])
        else:
            report.loads.append(attempt.run())


class _Attempt:
    """One file on its way into one dataset."""

    def __init__(self, this: _Load, path: Path, source: Source):
        self.this, self.path, self.source, self.dataset = this, path, source, source.dataset
        self.con = this.warehouse.con
        self.joined = [path.parent / name for _, name in source.joins]
        for file in self.joined:
            if not file.is_file():
                raise FileRefusedError(f"it is read together with {file.name}, which does not lie beside it")
        self.as_found = self.stamps()
        self.sha256 = sha256(path)
        self.sha256_of_joined = json.dumps({file.name: sha256(file) for file in self.joined})

    def stamps(self) -> list[tuple[int, int]]:
        """Size and time of change of the files, which must stay the same from hashing to the last row."""
        return [(stat.st_size, stat.st_mtime_ns) for stat in (file.stat() for file in (self.path, *self.joined))]

    @property
    def rules_sha256(self) -> str:
        """What the rows that are kept depend on beside the files: how the source reads them, and the marketplaces."""
        listed = sorted(self.this.marketplaces) if "marketplace_id" in self.dataset.columns else []
        rules = self.source.select, self.source.zone, self.source.dialect and vars(self.source.dialect), listed
        return hashlib.sha256(json.dumps(rules).encode()).hexdigest()

    def is_known(self) -> bool:
        """Whether this content was loaded before, and would come out the same.

        With other rules it is read again, unless it is canonical and all its rows were good: good rows stay good.
        """
        found = self.con.execute(
            "select 1 from audit.files where sha256 = ? and source = ? and dataset = ? and joined = ?"
            " and (rules_sha256 = ? or source = ? and rows_quarantined = 0)",
            [
                *(self.sha256, self.source.name, self.dataset.name, self.sha256_of_joined),
                *(self.rules_sha256, CANONICAL),
            ],
        )
        return bool(found.fetchall())

    def run(self) -> FileLoad:
        try:
            rows_read = self.read()
            ignored = self.map(rows_read)
            self.type_values()
            self.hold_against_contract(rows_read)
            (file_id,) = self.con.execute("select coalesce(max(file_id), 0) + 1 from audit.files").fetchall()[0]
            self.find_repeats(file_id)
            if self.stamps() != self.as_found:
                raise FileRefusedError("it was changed while it was read; load it when it is complete")
            with self.this.warehouse.transaction():
                return self.keep(file_id, rows_read, ignored)
        finally:
            self.forget()

    def forget(self) -> None:
        """Drop the temporary tables: they hold memory, and the next file shall not see them."""
        for view in TEMPORARY_VIEWS:
            self.con.execute(f"drop view if exists temp.{view}")
        for table in (*TEMPORARY_TABLES, *(table for table, _ in self.source.joins)):
            self.con.execute(f"drop table if exists temp.{table}")

    # -- from file to typed rows --------------------------------------------------------------------------------

    def read(self) -> int:
        """`input_text`: the file as text; and each file joined to it under its own name."""
        for (table, _), file in zip(self.source.joins, self.joined, strict=True):
            try:
                read_as_text(self.con, file, table, dialect=self.source.dialect)
            except FileRefusedError as error:
                raise FileRefusedError(f"{file.name}, which is read with it: {error}") from error
        columns = tuple(self.dataset.columns) if self.source.name == CANONICAL else ()
        return read_as_text(self.con, self.path, "input_text", dialect=self.source.dialect, columns=columns)

    def map(self, rows_read: int) -> tuple[str, ...]:
        """`mapped`: the dataset's columns as text, one row for each row read; returns the columns nobody asked for."""
        given = self.columns_of("input_text")
        self.con.execute("create temp view input as select rowid + 1 as row_number, * from input_text")
        if self.source.select is None:
            own = {"refused", "as_came"} if "as_came" in given else set()
            wanted = {*self.dataset.columns, *own}
            self.complete("input", ["row_number", *(name for name in given if name in wanted)])
            return tuple(name for name in given if name not in wanted)
        try:
            self.con.execute(f"""
                create temp table mapped_rows as
                select * replace (cast(row_number as bigint) as row_number) from (
                    {self.source.select}
                ) order by row_number""")
        except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException) as error:
            # The engine would show the value, which may be personal.
            raise FileRefusedError(
                f"the source {self.source.name} fails on a value of it; use try_cast or try_strptime there"
            ) from error
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise FileRefusedError(f"the source {self.source.name} does not fit it: {reason}") from error
        self.complete("mapped_rows", self.columns_of("mapped_rows"))
        rows, different = self.con.execute("""
            select count(*), count(distinct row_number) filter (row_number in (select row_number from input))
            from mapped_rows""").fetchall()[0]
        if (rows, different) != (rows_read, rows_read):
            raise FileRefusedError(
                f"the source {self.source.name} makes {rows:,} rows of {different:,} of its {rows_read:,}; it must give"
                " each row once and say `skipped` or `refused`"
            )
        return ()

    def complete(self, table: str, given: list[str]) -> None:
        """`mapped`, from a table that has the columns given: those that may be left out are blank."""
        missing = [name for name in ("row_number", *self.dataset.required) if name not in given]
        if missing:
            raise FileRefusedError(f"as {self.dataset.name} it lacks the column {', '.join(missing)}")
        columns = ", ".join(
            f"cast({name if name in given else 'null'} as varchar) as {name}"
            for name in (*self.dataset.columns, "refused", "skipped")
        )
        self.con.execute(f"create temp view mapped as select row_number, {columns} from {table}")

    def type_values(self) -> None:
        """`staged`: the typed values, and the first column whose text cannot be read exactly, if any."""
        columns = self.dataset.columns.items()
        values = ", ".join(f"{typed(f'mapped.{name}', kind, self.source.zone)} as {name}" for name, kind in columns)
        texts = ", ".join(f"mapped.{name} as text_{name}" for name in self.dataset.columns)
        unreadable = " ".join(
            f"when {name} is null and not {is_blank(f'text_{name}')} then '{name}'" for name in self.dataset.columns
        )
        names = ", ".join(self.dataset.columns)
        self.con.execute(f"""
            create temp table staged as
            select row_number, {names}, refused, case when refused is null then skipped end as skipped,
                case {unreadable} end as unreadable
            from (select row_number, {values}, {texts}, refused, skipped from mapped)""")

    # -- refused rows -------------------------------------------------------------------------------------------

    def hold_against_contract(self, rows_read: int) -> None:
        """`refusals`: each row that the source, the typing or the contract refuses, with the first column at fault."""
        reason = " ".join(f"when '{name}' then '{HOW_TO_READ[kind]}'" for name, kind in self.dataset.columns.items())
        self.con.execute(f"""
            create temp table failures as
            select row_number, split_part(refused, ': ', 1) as column_name,
                substr(refused, strpos(refused, ': ') + if(strpos(refused, ': ') > 0, 2, 1)) as check_name
            from staged where refused is not null
            union all
            select row_number, unreadable, case unreadable {reason} end
            from staged where refused is null and skipped is null and unreadable is not null""")
        schema = self.dataset.schema_for(self.this.marketplaces)
        columns = ", ".join(self.dataset.columns)
        for start in range(0, rows_read, ROWS_PER_CHUNK):
            chunk = self.con.sql(f"""
                select row_number, {columns} from staged
                where row_number > {start} and row_number <= {start + ROWS_PER_CHUNK}
                  and refused is null and skipped is null""").pl()
            failing = failing_rows(schema, chunk)
            if failing is not None:
                self.con.execute("insert into failures select row_number, column_name, check_name from failing")
            self.this.progress(self.path, self.dataset.name, min(start + ROWS_PER_CHUNK, rows_read), rows_read)
        # What cannot be read is null, so that the contract may refuse it as well: the first failure of a row counts,
        # in the order of columns, and within one column that of the reading.
        position = " ".join(f"when '{name}' then {n}" for n, name in enumerate(self.dataset.columns))
        self.con.execute(f"""
            create temp table refusals as
            select row_number, column_name, check_name from failures
            qualify row_number() over (
                partition by row_number order by case column_name {position} else -1 end, rowid
            ) = 1""")

    # -- rows that are known, and versions ----------------------------------------------------------------------

    def find_repeats(self, file_id: int) -> None:
        """`duplicates`: rows whose key and content are known; `beaten`: versions, of this file or before, that lose."""
        dataset, columns = self.dataset, ", ".join(self.dataset.columns)
        key = ", ".join(dataset.key)
        same = " and ".join(f"known.{name} is not distinct from incoming.{name}" for name in dataset.columns)
        latest_first = ", ".join(f"{c} desc" for c in (*dataset.order_of_versions, "load_id", "file_id", "row_number"))
        version = ", ".join(dict.fromkeys((*dataset.key, *dataset.order_of_versions, "load_id", "file_id")))
        self.con.execute(f"""
            create temp view incoming as
            select {columns}, {self.this.load_id} as load_id, {file_id} as file_id, row_number
            from staged anti join refusals using (row_number)
            where skipped is null""")
        self.con.execute(f"""
            create temp table keys_given_twice as
            select {key} from incoming group by all having count(*) > 1""")
        self.con.execute(f"""
            create temp table keys_seen_before as
            from keys_given_twice union select {key} from incoming semi join raw.{dataset.name} using ({key})""")
        # Few keys come twice: their versions are looked up once, and the raw table is left alone after that.
        self.con.execute(f"""
            create temp table known_versions as
            select * from raw.{dataset.name} semi join keys_seen_before using ({key})""")
        self.con.execute(f"""
            create temp table duplicates as
            select row_number from incoming semi join keys_given_twice using ({key})
            qualify row_number() over (partition by {columns} order by row_number) > 1
            union
            select row_number from (from incoming semi join keys_seen_before using ({key})) as incoming
            semi join known_versions as known on {same}""")
        self.con.execute(f"""
            create temp table beaten as
            with fresh as (
                select {version}, row_number
                from incoming semi join keys_seen_before using ({key}) anti join duplicates using (row_number)
            ),
            in_force as (
                select {version}, row_number
                from known_versions semi join fresh using ({key})
                anti join (from raw.superseded where dataset = '{dataset.name}') using (file_id, row_number)
            )
            select file_id, row_number from (from fresh union all from in_force)
            qualify row_number() over (partition by {key} order by {latest_first}) > 1""")

    # -- the books of a load ------------------------------------------------------------------------------------

    def keep(self, file_id: int, rows_read: int, ignored: tuple[str, ...]) -> FileLoad:
        """Append what is new, note which versions are beaten from this load on, and enter the file if it adds up."""
        columns = ", ".join(self.dataset.columns)
        loaded = self.number(f"""
            insert into raw.{self.dataset.name} ({columns}, load_id, file_id, row_number)
            select {columns}, load_id, file_id, row_number from incoming anti join duplicates using (row_number)""")
        self.con.execute(f"""
            insert into raw.superseded (dataset, file_id, row_number, load_id)
            select '{self.dataset.name}', file_id, row_number, {self.this.load_id} from beaten""")
        skipped = self.con.execute(
            "select skipped, count(*) from staged where skipped is not null group by skipped order by skipped"
        )
        skipped_because = dict(skipped.fetchall())
        result = FileLoad(
            path=self.path,
            source=self.source.name,
            dataset=self.dataset.name,
            rows_read=rows_read,
            rows_loaded=loaded,
            rows_duplicate=self.number("select count(*) from duplicates"),
            rows_quarantined=self.number("select count(*) from refusals"),
            rows_skipped=sum(skipped_because.values()),
            skipped_because=skipped_because,
            ignored_columns=ignored,
        )
        accounted = result.rows_loaded + result.rows_duplicate + result.rows_quarantined + result.rows_skipped
        if accounted != rows_read:
            raise FileRefusedError(
                f"{rows_read:,} rows were read but {accounted:,} are accounted for: a fault of this program"
            )
        self.enter(file_id, result)
        return result

    def enter(self, file_id: int, result: FileLoad) -> None:
        """Enter the file in `audit.files` and its refused rows, as they came, in `audit.quarantine`."""
        self.con.execute(
            "insert into audit.files values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                file_id,
                self.this.load_id,
                str(self.path),
                self.sha256,
                result.source,
                result.dataset,
                result.rows_read,
                result.rows_loaded,
                result.rows_duplicate,
                result.rows_quarantined,
                result.rows_skipped,
                json.dumps(result.skipped_because),
                self.sha256_of_joined,
                self.rules_sha256,
                self.this.now,
            ],
        )
        if result.rows_quarantined:
            values = " ".join(f"when '{name}' then mapped.{name}" for name in self.dataset.columns)
            given = self.columns_of("input_text")
            pairs = ", ".join("'{}', \"{}\"".format(name.replace("'", "''"), name.replace('"', '""')) for name in given)
            as_came = "as_came" if "as_came" in given else f"json_object({pairs})"
            self.con.execute(f"""
                insert into audit.quarantine (file_id, row_number, dataset, column_name, check_name, value, "row")
                select {file_id}, row_number, '{self.dataset.name}', column_name, check_name,
                    left(case column_name {values} end, {LONGEST_VALUE}), came."row"
                from refusals
                join mapped using (row_number)
                join (select rowid + 1 as row_number, {as_came} as "row" from input_text) as came using (row_number)
                order by row_number""")

    def columns_of(self, table: str) -> list[str]:
        return [row[0] for row in self.con.execute(f"describe {table}").fetchall()]

    def number(self, query: str) -> int:
        return self.con.execute(query).fetchall()[0][0]
