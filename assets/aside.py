"""Tables made aside: by the same SQL as everywhere, in a database in memory that vanishes.

What is made there changes nothing in the warehouse. It is how closed periods are rated again while their books stay as
they are: the tables that a query reads are either made aside as well, or looked at through a view of the same name.

Does not belong here: what is made, and from which rows.
"""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

import duckdb

from assets.warehouse import SCHEMAS, attach_for_reading

NAME = "aside"
HERE = "warehouse"
"""What DuckDB calls the warehouse itself."""


@contextmanager
def made_aside(con: duckdb.DuckDBPyConnection) -> Generator[None]:
    """Within, `core.units` means that of the database aside and `warehouse.core.units` that of the warehouse.

    The database vanishes at the end. One transaction can write to one of the two.
    """
    con.execute(f"attach ':memory:' as {NAME}")
    try:
        con.execute(f"use {NAME}.main")
        for schema in SCHEMAS:
            con.execute(f"create schema {schema}")
        yield
    finally:
        con.execute(f"use {HERE}.main")
        con.execute(f"detach {NAME}")


@contextmanager
def beside(home: Path, memory: int | None) -> Generator[duckdb.DuckDBPyConnection]:
    """A database in memory with the schemas of the warehouse, which is attached as `warehouse`, for reading alone.

    `memory` is how many bytes the engine may hold. Raises `WarehouseMissingError`, `WarehouseBusyError`.
    """
    with duckdb.connect(":memory:") as con:
        attach_for_reading(con, home, HERE, memory)
        for schema in SCHEMAS:
            con.execute(f"create schema {schema}")
        yield con


@contextmanager
def in_the_warehouse(con: duckdb.DuckDBPyConnection) -> Generator[None]:
    """Within, inside `made_aside`, names mean the warehouse's tables again, and `aside.core.units` those aside."""
    con.execute(f"use {HERE}.main")
    try:
        yield
    finally:
        con.execute(f"use {NAME}.main")


def look_through(con: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> None:
    """Show tables of the warehouse aside, under their names."""
    for table in tables:
        con.execute(f"create or replace view {table} as from {HERE}.{table}")
