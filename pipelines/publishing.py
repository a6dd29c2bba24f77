"""A copy of the tables for whoever queries them while the warehouse is written: `published/` below the home.

`<run>.duckdb` has what a run left in core, billing and audit, without what may hold personal data and what the program
alone needs; views are tables there, but for two. It is made aside, never changed, and shown whole:
`latest.duckdb` is a link, turned over in one step. The same lies beside it as Parquet,
`<run>/<schema>/<table>.parquet`, and `latest` is a link to that.

Does not belong here: what any table means.
"""

import os
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb

from assets.as_made import is_as_made, note_made, version_of
from assets.aside import HERE
from assets.billing import books, outbox
from assets.making import create
from assets.tables import SCHEMAS, tables
from assets.warehouse import Warehouse, columns_to_make, comment_on, in_transaction

NOT_PUBLISHED = {
    "audit.quarantine": "rows as they came may hold personal data of customers",
    "audit.hashes": "tells of files alone",
    "audit.made": "tells the program what it need not make again",
    "billing.kept_pages": "the pages lie in statements/",
    "core.coverage": "a step between core.order_items and core.units",
}
"""Tables that are left out, and why."""

LEFT_AS_VIEWS = ("audit.evidence", "billing.explained_lines")
"""In the order in which they can be made. As tables they would hold the rows of others again, and more than once."""

READABLE_SINCE = "v1.4.0"
"""The oldest DuckDB that can read a copy: tools that analysts use come with older ones than this program."""

NAME = "published.snapshot"
LATEST = "latest"
SUFFIX = ".duckdb"


def publish(warehouse: Warehouse, folder: Path, kept: int, now: datetime) -> Path | None:
    """Publish what the warehouse holds, and keep that many; nothing if it is what was published last, or `kept` is 0.

    To be called outside of a transaction, by the run whose number the copy gets, once its work is done.
    """
    con = warehouse.con
    version = _version(con)
    is_there = (folder / f"{LATEST}{SUFFIX}").exists() and (folder / LATEST).exists()
    if not kept or (is_there and not warehouse.makes_anew and is_as_made(con, NAME, [("", "")], version)):
        return None
    fresh, name = folder / ".fresh", f"{warehouse.run_id}"
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / name).mkdir(parents=True)
    _copy(warehouse, fresh, name, now)
    for path in (file for file in fresh.rglob("*") if file.is_file()):
        path.chmod(0o444)
        _to_disk(path)
    shutil.rmtree(folder / name, ignore_errors=True)
    (fresh / name).rename(folder / name)
    (fresh / f"{name}{SUFFIX}").rename(folder / f"{name}{SUFFIX}")
    fresh.rmdir()
    for shown, to in ((LATEST, name), (f"{LATEST}{SUFFIX}", f"{name}{SUFFIX}")):
        _turn(folder / shown, to)
    _to_disk(folder)
    with warehouse.transaction():
        note_made(con, NAME, [("", "")], version)
    _forget_old(folder, name, kept)
    return folder / f"{name}{SUFFIX}"


def published(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables and views that are published, with their schemas."""
    rows = con.execute(
        """
        select schema_name || '.' || table_name as name from duckdb_tables()
        where database_name = current_database() and list_contains($1, schema_name)
        union all
        select schema_name || '.' || view_name from duckdb_views()
        where database_name = current_database() and list_contains($1, schema_name)
        order by name""",
        [list(SCHEMAS)],
    ).fetchall()
    return [name for (name,) in rows if name not in NOT_PUBLISHED]


def _copy(warehouse: Warehouse, fresh: Path, name: str, now: datetime) -> None:
    con = warehouse.con
    there = published(con)
    copied = [table for table in there if table not in LEFT_AS_VIEWS]
    columns, meanings = _columns(con, copied)
    con.execute(f"attach {_quoted(fresh / f'{name}{SUFFIX}')} as snapshot (storage_version '{READABLE_SINCE}')")
    try:
        with in_transaction(con):  # of one write-ahead file: each statement alone would wait for the disk
            for schema in SCHEMAS:
                con.execute(f"create schema snapshot.{schema}")
                (fresh / name / schema).mkdir()
            for table in copied:
                con.execute(f"create table snapshot.{table} ({columns_to_make(columns[table])})")
                con.execute(f"insert into snapshot.{table} from {table}")
                description, of_columns = meanings[table]
                comment_on(con, "table", f"snapshot.{table}", description, of_columns)
            # The run that publishes is over for whoever reads of it.
            con.execute(
                "update snapshot.audit.runs set outcome = ?, ended_at = ? where run_id = ?",
                ["failed" if warehouse.failures else "done", now, warehouse.run_id],
            )
        for table in copied:
            to = fresh / name / f"{table.replace('.', '/')}.parquet"
            con.execute(f"copy snapshot.{table} to {_quoted(to)} (format parquet, compression zstd)")
        con.execute("use snapshot.main")
        for view in LEFT_AS_VIEWS:
            if view in there:
                create(con, tables()[view])
    finally:
        con.execute(f"use {HERE}.main")
        con.execute("detach snapshot")


def _columns(
    con: duckdb.DuckDBPyConnection, names: Sequence[str]
) -> tuple[dict[str, dict[str, str]], dict[str, tuple[str, dict[str, str]]]]:
    """Of tables and views: table → column → type, and table → its comment, and those of its columns by name."""
    columns: dict[str, dict[str, str]] = {name: {} for name in names}
    described = con.execute(
        """
        select schema_name || '.' || table_name, comment from duckdb_tables() where database_name = current_database()
        union all
        select schema_name || '.' || view_name, comment from duckdb_views() where database_name = current_database()"""
    ).fetchall()
    meanings: dict[str, tuple[str, dict[str, str]]] = {
        name: (comment or "", {}) for name, comment in described if name in columns
    }
    for name, column, kind, comment in con.execute(
        """
        select schema_name || '.' || table_name, column_name, data_type, comment from duckdb_columns()
        where database_name = current_database() order by table_oid, column_index"""
    ).fetchall():
        if name in columns:
            columns[name][column] = kind
            if comment is not None:
                meanings[name][1][column] = comment
    return columns, meanings


def _version(con: duckdb.DuckDBPyConnection) -> str:
    """The version of all that is published: of what runs make, of the books and the outbox, and of the files loaded."""
    made = con.execute(
        "from audit.made where list_contains(?, split_part(table_name, '.', 1)) order by all", [list(SCHEMAS)]
    ).fetchall()
    return version_of(con, made, dict.fromkeys((*books.TABLES, *outbox.TABLES, "audit.files"), ()))


def _turn(link: Path, to: str) -> None:
    """Let a link lead elsewhere, in one step; a write-ahead file that a reader left beside it would spoil the next."""
    link.with_name(f"{link.name}.wal").unlink(missing_ok=True)
    turned = link.with_name(f".{link.name}")
    turned.unlink(missing_ok=True)
    turned.symlink_to(to)
    turned.replace(link)


def _forget_old(folder: Path, name: str, kept: int) -> None:
    """Remove all copies but the newest, with what readers left beside them; who has one open can go on reading."""
    numbers = sorted((int(path.stem) for path in folder.glob(f"*{SUFFIX}") if path.stem.isdecimal()), reverse=True)
    for number in [each for each in numbers if str(each) != name][max(0, kept - 1) :]:
        for path in folder.glob(f"{number}{SUFFIX}*"):
            path.unlink()
        shutil.rmtree(folder / str(number), ignore_errors=True)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quoted(path: Path) -> str:
    return "'{}'".format(str(path).replace("'", "''"))
