"""The warehouse: one DuckDB file below the home, one writer, and the rows in force as of a load.

It owns the connection, the lock on the home, the raw tables and the run's entry in `audit.runs`. It does not know what
a row means, and never the clock: whoever calls says what time it is.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb

from assets.raw.datasets import DATASETS, Dataset

if TYPE_CHECKING:
    from assets.reach import Reached

FILE = "warehouse.duckdb"
SECONDS_BETWEEN_TRIES = 0.2
SCHEMAS = ("raw", "in_force", "core", "billing", "audit")
"""`in_force` holds a view per dataset: the version of every key in force, as of the load that is being looked at."""

HASH = "id_hash"
"""The column of raw tables by which rows of an id are found among many (`Dataset.found_by`)."""

HARDLY_REPEATED = frozenset(
    (
        *("order_id", "order_item_id", "shipment_id", "contact_id", "return_id", "tracking_id"),
        *("request_id", "refund_id", "defect_id", HASH),
    )
)
"""Columns that are kept as they are: to look for what their values share costs more than it saves
(docs/decisions/2026-11-26-ids-are-stored-as-they-are.md)."""

BYTES_A_ROW = 250
"""Memory that a shipment line takes while it is joined to its item."""

ACCOUNTS_OF_LOADS: Mapping[str, tuple[str, Mapping[str, tuple[str, str]]]] = {
    "raw.superseded": (
        "One row per raw row that another version of its key beats, from the load on that shows it.",
        {
            "dataset": ("varchar not null", "the dataset of the row that is beaten"),
            "file_id": ("bigint not null", "its file (audit.files)"),
            "row_number": ("bigint not null", "its row in that file, from 1"),
            "load_id": ("bigint not null", "the load that brought the version which beats it"),
        },
    ),
    "audit.runs": (
        "One row per run of a command.",
        {
            "run_id": ("bigint primary key", "the run, from 1"),
            "command": ("varchar not null", "the command, with its arguments"),
            "started_at": ("timestamp not null", "when it began, UTC"),
            "ended_at": ("timestamp", "when it ended, UTC; null: it has not, or its process was ended"),
            "outcome": ("varchar not null", "running, done, failed, or interrupted (its process ended early)"),
            "code_version": ("varchar not null", "the version of the program"),
            "counts": ("varchar", "what it did, as a JSON object of counts"),
            "checks": ("varchar", "failing rows by check, as a JSON object"),
        },
    ),
    "audit.files": (
        "One row per file and dataset. rows_read = loaded + duplicate + quarantined + skipped.",
        {
            "file_id": ("bigint primary key", "the file as this dataset, from 1"),
            "load_id": ("bigint not null", "the load that brought it, from 1"),
            "path": ("varchar not null", "where it lay"),
            "sha256": ("varchar not null", "of its content, and of the files joined to it"),
            "source": ("varchar not null", "the source that read it (data/sources), or canonical"),
            "dataset": ("varchar not null", "the dataset that its rows became"),
            "rows_read": ("bigint not null", "rows in it"),
            "rows_loaded": ("bigint not null", "rows kept in raw.<dataset>"),
            "rows_duplicate": ("bigint not null", "rows that were known already, with the same content"),
            "rows_quarantined": ("bigint not null", "rows refused (audit.quarantine)"),
            "rows_skipped": ("bigint not null", "rows that are none of this dataset, as its source says"),
            "skipped_because": ("varchar", "skipped rows by reason, as a JSON object"),
            "joined": ("varchar", "hash by name of the files that were read with it, as a JSON object"),
            "rules_sha256": ("varchar not null", "hash of the rules by which it was read"),
            "loaded_at": ("timestamp not null", "when, UTC"),
        },
    ),
    "audit.file_times": (
        "One row per file that brought rows about orders: from when to when what it brought, or beat, happened.",
        {
            "file_id": ("bigint primary key", "the file (audit.files)"),
            "first_at": ("timestamp not null", "the earliest: shipped, contacted and so on, UTC"),
            "last_at": ("timestamp not null", "the latest, UTC"),
        },
    ),
    "audit.hashes": (
        "One row per file: the hash of its content while it has that stamp, so that it need not be read.",
        {
            "path": ("varchar primary key", "where it lies"),
            "stamp": ("varchar not null", "its size and times"),
            "sha256": ("varchar not null", "of its content"),
        },
    ),
    "audit.quarantine": (
        "One row per refused row: the first check it failed, and the row as it came. May hold personal data.",
        {
            "file_id": ("bigint not null", "the file (audit.files)"),
            "row_number": ("bigint not null", "the row in it, from 1"),
            "dataset": ("varchar not null", "what it was to become"),
            "column_name": ("varchar", "the first column at fault; line or record: the row as a whole"),
            "check_name": ("varchar not null", "what a good value is"),
            "value": ("varchar", "the value at fault, as text"),
            '"row"': ("varchar not null", "the row as it came, as JSON"),
        },
    ),
}
"""Tables that loads and runs keep: what a row is, and each column's type and meaning."""


class WarehouseBusyError(Exception):
    """Another process holds the home."""


class WarehouseUnusableError(Exception):
    """The warehouse's file cannot be opened, or is none."""


class WarehouseMissingError(Exception):
    """Nothing has been loaded into this home yet."""


@dataclass
class Warehouse:
    """An open warehouse. `con` is its one connection, with UTC as session zone and file order preserved."""

    home: Path
    con: duckdb.DuckDBPyConnection
    run_id: int | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    checks: dict[str, int] = field(default_factory=dict)
    """Check name → failing rows; of all checks that the run made."""
    made: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    """Table → periods and marketplaces that this run has made, without a failed check, and the load that was known."""
    terms_used: dict[str, str] = field(default_factory=dict)
    """Marketplace → hash of the terms file that this run has read into core.terms."""
    reached: tuple[tuple[Any, ...], "Reached | None"] | None = None
    """The load and the scope for which `reached` was made last, and what it shows of items if those are not all."""
    loads_reached: dict[tuple[Any, ...], int] = field(default_factory=dict)
    """Load, dataset and scope → the last load that the scope can touch (`reach.last_load_reached`)."""
    there: set[str] = field(default_factory=set)
    """Tables and views that this process has found or made: what is there stays, and views need not be made twice."""
    makes_anew: bool = False
    """Whether tables are made even if they would come out as they are."""
    failures: list[str] = field(default_factory=list)
    """What went wrong in the run, in words."""
    marketplaces_at_fault: frozenset[str] = frozenset()
    """Those whose rows broke a check."""
    left_out: dict[str, str] | None = None
    """Marketplace → why a run for which none is selected goes without it; None until that was looked up."""
    on_statements: Callable[[int, int], None] = lambda _done, _total: None
    """Called while statements are made: how many are done, and how many there are."""

    # -- runs -------------------------------------------------------------------------------------------------

    def begin_run(self, command: str, *, now: datetime, code_version: str) -> None:
        """Enter a run in `audit.runs`; what a killed process left as running is marked interrupted."""
        self.con.execute("update audit.runs set outcome = 'interrupted' where outcome = 'running'")
        (self.run_id,) = self.con.execute("select coalesce(max(run_id), 0) + 1 from audit.runs").fetchall()[0]
        self.con.execute(
            "insert into audit.runs values (?, ?, ?, null, 'running', ?, null, null)",
            [self.run_id, command, now, code_version],
        )

    def end_run(self, *, now: datetime) -> None:
        """Close the run's entry: `done`, or `failed` if anything went wrong; with its counts and check results."""
        self.con.execute(
            "update audit.runs set ended_at = ?, outcome = ?, counts = ?, checks = ? where run_id = ?",
            [now, "failed" if self.failures else "done", json.dumps(self.counts), json.dumps(self.checks), self.run_id],
        )

    def note_check(self, name: str, rows: int) -> None:
        """Count the rows that break a check, over all periods of the run."""
        self.checks[name] = self.checks.get(name, 0) + rows

    # -- as of a load -----------------------------------------------------------------------------------------

    def latest_load(self) -> int:
        """The greatest load id, 0 before the first."""
        return self.con.execute("select coalesce(max(load_id), 0) from audit.files").fetchall()[0][0]

    def never_loaded(self) -> list[str]:
        """The optional datasets of which no row was ever loaded, of those that billing looks at."""
        optional = [each.name for each in DATASETS.values() if each.is_optional and each.is_billed]
        return [name for name in optional if not self.con.execute(f"select 1 from raw.{name} limit 1").fetchall()]

    def show_as_of(self, load_id: int, raw: str = "raw") -> None:
        """Point the views `in_force.<dataset>` at what was known after that load; everything derived reads them.

        `raw` is the schema of the raw rows, for tables that are made in another database (`aside.py`). `in_force.as_of`
        says which load it is.
        """
        with self.transaction():
            self.con.execute(f"create or replace view in_force.as_of as select {load_id} as load_id")
            for dataset in DATASETS:
                self.con.execute(f"create or replace view in_force.{dataset} as {known_after(load_id, dataset, raw)}")

    # -- transactions -----------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing (`in_transaction`)."""
        with in_transaction(self.con):
            yield

    def rows(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        """The rows of a query as dicts; for small results."""
        result = self.con.execute(query, parameters)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@contextmanager
def in_transaction(con: duckdb.DuckDBPyConnection) -> Generator[None]:
    """All or nothing. DuckDB gives a transaction up at any error: catch nothing inside and go on."""
    con.execute("begin")
    try:
        yield
    except BaseException:
        con.execute("rollback")
        raise
    con.execute("commit")


@contextmanager
def open_warehouse(
    home: Path, *, holder: str, now: datetime, wait: bool = False, memory: int | None = None
) -> Generator[Warehouse]:
    """Open the warehouse of a home for writing, alone, and make what is missing in it.

    `holder` names the command for whoever comes second. Raises `WarehouseBusyError` when another process holds the
    home, unless told to wait. The lock is the operating system's: it dies with its process. `memory` is how many bytes
    the engine may hold; what is more goes to the home's folder `spill`.
    """
    home.mkdir(parents=True, exist_ok=True)
    with _lock(home, holder, now, wait):
        if not (home / FILE).exists():
            _make_file(home)
        with _connect(home, read_only=False, wait=wait, memory=memory) as con:
            # Whatever lies there is of a process that was killed: nobody else has the warehouse open.
            shutil.rmtree(spill_of(home), ignore_errors=True)
            warehouse = Warehouse(home, con)
            _make_schemas(warehouse)
            yield warehouse


@contextmanager
def read_warehouse(home: Path) -> Generator[Warehouse]:
    """Open the warehouse read-only. Raises `WarehouseMissingError`, or `WarehouseBusyError` while somebody writes."""
    if not (home / FILE).exists():
        raise WarehouseMissingError(f"nothing has been loaded into {home} yet")
    with _connect(home, read_only=True) as con:
        yield Warehouse(home, con)


@contextmanager
def open_aside(memory: int) -> Generator[duckdb.DuckDBPyConnection]:
    """A database that vanishes with all that is made in it, set up as the warehouse is; it may hold `memory` bytes."""
    with TemporaryDirectory(prefix="csba-") as folder, duckdb.connect() as con:
        _set_up(con, Path(folder), memory)
        yield con


def spill_of(home: Path) -> Path:
    """The folder of what does not fit into memory, for as long as it is needed."""
    return home / "spill"


def parts_that_fit(con: duckdb.DuckDBPyConnection, rows: int) -> int:
    """Into how many parts so many rows must be cut, that each can be joined to others within the memory there is."""
    ((limit,),) = con.execute("select current_setting('memory_limit')").fetchall()
    number, unit = limit.split()
    memory = float(number) * 1024 ** ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB").index(unit)
    return 1 + int(rows * BYTES_A_ROW / memory)


def attach_for_reading(con: duckdb.DuckDBPyConnection, home: Path, name: str, memory: int | None = None) -> None:
    """Show the warehouse of a home to another database, which is set up as the warehouse's own connection is.

    Raises `WarehouseMissingError`, or `WarehouseBusyError` while somebody writes.
    """
    if not (home / FILE).exists():
        raise WarehouseMissingError(f"nothing has been loaded into {home} yet")
    _set_up(con, home, memory)
    path = str(home / FILE).replace("'", "''")
    with _saying_who_is_busy(home):
        con.execute(f"attach '{path}' as {name} (read_only)")


def replace_table(
    con: duckdb.DuckDBPyConnection,
    table: str,
    description: str,
    columns: Mapping[str, tuple[str, str]],
    rows: Sequence[tuple],
) -> None:
    """Make a small table anew from rows of Python; `columns` gives each one's type and meaning, in order."""
    import polars as pl

    con.execute(f"drop table if exists {table}")
    make_tables(con, {table: (description, columns)})
    if rows:
        con.register("rows_to_keep", pl.DataFrame(rows, schema=list(columns), orient="row", infer_schema_length=None))
        con.execute(f"insert into {table} by name from rows_to_keep")
        con.unregister("rows_to_keep")


def known_after(load_id: int, dataset: str, raw: str = "raw", rows: str | None = None) -> str:
    """The query of the rows of a dataset that were in force after a load; `raw` is the schema of the raw rows.

    `rows` are those looked at, if not all: a table, or the name of a query.
    """
    return f"""
        select {", ".join(DATASETS[dataset].columns)}, load_id, file_id, row_number
        from {rows or f"{raw}.{dataset}"}
        anti join (
            select file_id, row_number from {raw}.superseded
            where dataset = '{dataset}' and load_id <= {load_id}
        ) using (file_id, row_number)
        where load_id <= {load_id}"""


def make_tables(
    con: duckdb.DuckDBPyConnection, tables: Mapping[str, tuple[str, Mapping[str, tuple[str, str]]]]
) -> None:
    """Make those that do not exist, empty; each has a description, and columns with type and meaning, in order."""
    there = _tables(con)
    for table, (description, columns) in tables.items():
        if table not in there:
            con.execute(f"create table {table} ({', '.join(f'{name} {kind}' for name, (kind, _) in columns.items())})")
            comment_on(con, "table", table, description, {name: meaning for name, (_, meaning) in columns.items()})


def columns_to_make(columns: Mapping[str, str]) -> str:
    """The columns of a large table as `create table` wants them, of name and type of each."""
    return ", ".join(
        f"{name} {kind}{' using compression uncompressed' if name in HARDLY_REPEATED else ''}"
        for name, kind in columns.items()
    )


def has_hashes(con: duckdb.DuckDBPyConnection, dataset: Dataset) -> bool:
    """Whether the hashes kept beside ids are those of this engine; other versions of it may have others.

    All rows have those of one version, so that one of them tells.
    """
    differs = f"{HASH} is distinct from hash({dataset.found_by})"
    return not con.execute(f"select 1 from (from raw.{dataset.name} limit 1) where {differs}").fetchall()


def exists(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether there is a table `schema.name` in the current database."""
    return table in _tables(con)


def _tables(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Every table `schema.name` of the current database. To ask for one of them takes the engine no less."""
    query = """
        select schema_name || '.' || table_name from duckdb_tables()
        where database_name = current_database() and not temporary"""
    return {name for (name,) in con.execute(query).fetchall()}


def comment_on(
    con: duckdb.DuckDBPyConnection, kind: str, name: str, description: str, columns: Mapping[str, str]
) -> None:
    """Keep what a table or view is, and what its columns mean, in the warehouse itself."""

    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    of_columns = (f"comment on column {name}.{column} is {quoted(meaning)}" for column, meaning in columns.items())
    con.execute("; ".join((f"comment on {kind} {name} is {quoted(description)}", *of_columns)))


def _connect(
    home: Path, *, read_only: bool, wait: bool = False, memory: int | None = None
) -> duckdb.DuckDBPyConnection:
    """Readers do not take the home's lock: a writer can meet one in the file itself, and it them."""
    while True:
        try:
            with _saying_who_is_busy(home):
                con = duckdb.connect(str(home / FILE), read_only=read_only)
            break
        except WarehouseBusyError:
            if not wait:
                raise
        time.sleep(SECONDS_BETWEEN_TRIES)
    _set_up(con, home, memory)
    return con


def _set_up(con: duckdb.DuckDBPyConnection, home: Path, memory: int | None) -> None:
    spill = str(spill_of(home)).replace("'", "''")
    con.execute(f"set temp_directory = '{spill}'")
    if memory is not None:
        # Blocks that a query gives back are kept for the next: new ones of the system must be filled with zeros first.
        # Up to so much of what the machine has, as it may not be more than that; how much is used, the limit says.
        con.execute("set block_allocator_memory = '60%'")
        con.execute(f"set memory_limit = '{memory // 10**6}MB'")
    con.execute("set timezone = 'UTC'")
    con.execute("set preserve_insertion_order = true")
    con.execute("set enable_progress_bar = false")
    con.execute("set autoinstall_known_extensions = false")


@contextmanager
def _saying_who_is_busy(home: Path) -> Generator[None]:
    """Tell from other errors that another process has the file open."""
    try:
        yield
    except duckdb.IOException as error:
        if "lock" not in str(error):
            raise WarehouseUnusableError(f"{home / FILE} cannot be opened: {str(error).splitlines()[0]}") from error
        holder = _holder(home)
        raise WarehouseBusyError(_busy(home, "" if f"process {os.getpid()}," in holder else holder)) from error


@contextmanager
def _lock(home: Path, holder: str, now: datetime, wait: bool) -> Generator[None]:
    with (home / "lock").open("a+") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                break
            except BlockingIOError as error:
                other = _holder(home)
                if other:
                    raise WarehouseBusyError(_busy(home, other)) from error
            time.sleep(SECONDS_BETWEEN_TRIES)  # whoever holds it is just coming or going
        lock.truncate(0)
        lock.write(f"{holder}, process {os.getpid()}, since {now:%Y-%m-%d %H:%M:%S} UTC")
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def _holder(home: Path) -> str:
    lock = home / "lock"
    return lock.read_text() if lock.exists() else ""


def _busy(home: Path, holder: str) -> str:
    return f"{home} is in use by {holder or f'another program that has {FILE} open'}; try again when it is done"


def _make_file(home: Path) -> None:
    """Make the file, in a folder beside, and put it in its place: DuckDB cannot open one whose making was cut short."""
    fresh = home / "new"
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir()
    with _connect(fresh, read_only=False) as con:
        _make_schemas(Warehouse(fresh, con))
    (fresh / FILE).rename(home / FILE)
    fresh.rmdir()


def _make_schemas(warehouse: Warehouse) -> None:
    from assets import as_made
    from assets.billing import books, outbox
    from assets.meanings import MEANINGS

    con = warehouse.con
    with warehouse.transaction():
        for schema in SCHEMAS:
            con.execute(f"create schema if not exists {schema}")
        make_tables(con, {**ACCOUNTS_OF_LOADS, **books.TABLES, **outbox.TABLES, **as_made.TABLES})
        there = _tables(con)
        for dataset in DATASETS.values():
            if f"raw.{dataset.name}" in there:
                continue
            own = dict.fromkeys(("load_id", "file_id", "row_number"), "bigint not null") | _hash_of(dataset)
            con.execute(f"create table raw.{dataset.name} ({columns_to_make(dataset.columns | own)})")
            meanings = dataset.meanings | {name: MEANINGS[name] for name in own}
            comment_on(con, "table", f"raw.{dataset.name}", dataset.description, meanings)
        # A warehouse may be older than a column of a contract; what was loaded before has it blank.
        known = con.execute("select table_name, column_name from duckdb_columns() where schema_name = 'raw'").fetchall()
        for dataset in DATASETS.values():
            columns = dataset.columns | _hash_of(dataset)
            for name in columns.keys() - {column for table, column in known if table == dataset.name}:
                con.execute(f"alter table raw.{dataset.name} add column {name} {columns[name]}")
            if dataset.found_by and not has_hashes(con, dataset):
                con.execute(f"update raw.{dataset.name} set {HASH} = hash({dataset.found_by})")
    warehouse.show_as_of(warehouse.latest_load())


def _hash_of(dataset: Dataset) -> dict[str, str]:
    return {HASH: "ubigint"} if dataset.found_by else {}
