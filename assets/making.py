"""Making the tables of a step for what is in scope: replaced and checked in one transaction, or left as they were.

What a table is made from, and which rules its rows keep, its file says (`tables.py`). What is asked `in_slice` is made
slice by slice of the orders, and what is `reached` from few rows, where all of them would be too many.

Does not belong here: what any table means, and which are made when (`sql_assets.py`).
"""

import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import duckdb

from assets.as_made import WHOLE, LastLoad, is_as_made, last_load, note_made, version_of
from assets.engines import HEAVY, Engine
from assets.lineage import REACHED
from assets.raw.datasets import DATASETS
from assets.reach import last_load_reached, show_reached_coverage, show_reached_rows
from assets.reads import Reads, reads_of
from assets.tables import UNKNOWN, Check, Table, tables
from assets.warehouse import Warehouse, columns_to_make, comment_on, exists, in_transaction, parts_that_fit

_INSTANTS = ("first_instant", "last_instant", "latest_instant", "quarter_instant")

CLOSED = "select period, marketplace_id from billing.closes"
LEFT_TO_RERATING = f"""
    {CLOSED} semi join (
        from billing.rerating where load_id < (select max(load_id) from audit.files)
    ) using (marketplace_id)
    union
    select period, marketplace_id from billing.carried_balances where marketplace_id <> '{UNKNOWN}'"""
"""Closed periods that are not rated with all that is known: re-rating alone brings them up to date (`rerating.py`), and
must find them as they were. And those whose balances it has carried forward: what lines were rated from stays as it is
until it is counted again, so that nothing hides what would not add up."""
OF_FEW_ROWS = {"core.marketplaces_with_returns"}
"""Of these what they hold counts, and not what it was made from: most loads bring what they are made from anew, and
leave them as they were."""
ROWS_KEPT = 10
"""Of the rows that break a check, for each marketplace."""

ALL_ORDERS = "true"
ORDERS_LOOKED_AT = 10_000
"""To find bounds between slices of about the same size."""


@dataclass(frozen=True)
class Reading:
    """How the rows of a scope are read: whether those `reached` are not all, and which orders at a time."""

    is_narrow: bool = False
    slices: tuple[str, ...] = (ALL_ORDERS,)
    """Each a condition on an order's `id`."""


ALL_AT_ONCE = Reading()


@dataclass(frozen=True)
class Failure:
    """A check that rows of a marketplace break: how many, and some of them, at least one."""

    check: Check
    marketplace_id: str
    rows: int
    examples: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        example = ", ".join(f"{name} {value}" for name, value in self.examples[0].items() if value is not None)
        return (
            f"{self.check.table}: {self.rows:,} of {self.marketplace_id} break “{self.check.name}”, such as {example}"
        )


class ChecksFailedError(Exception):
    """Rows that break a check; nothing of the table was kept."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__("\n".join(map(str, failures)))
        self.failures = tuple(failures)

    @property
    def marketplaces(self) -> frozenset[str]:
        """Those at fault."""
        return frozenset(failure.marketplace_id for failure in self.failures)


def set_scope(warehouse: Warehouse, period: str, marketplaces: Iterable[str] = ()) -> list[str]:
    """Make `scope`: a period of the marketplaces named, or of all not left out, and always of rows that have none.

    Returns the marketplaces. Raises `ValueError` for one that is not listed, or a period beyond the calendar.
    """
    wanted = list(marketplaces)
    listed = [row[0] for row in warehouse.con.execute("select marketplace_id from core.marketplaces").fetchall()]
    for marketplace in wanted:
        if marketplace not in listed:
            raise ValueError(f"marketplace {marketplace!r} is not listed in marketplaces.csv")
    names = wanted or [name for name in listed if name not in (warehouse.left_out or {})]
    chosen = choose(warehouse.con, [(period, marketplace) for marketplace in (*names, UNKNOWN)])
    if not chosen:
        raise ValueError(f"{period!r} is no billing period; one is written like 2026-10")
    return chosen


def choose(con: duckdb.DuckDBPyConnection, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Make `scope`: some periods and marketplaces; returns the marketplaces."""
    con.execute(
        """
        create or replace temp table chosen as
        select marketplace_id, period, starts_at, ends_at, quarter_starts_at
        from core.calendar
        where list_contains(?, struct_pack(period := period, marketplace_id := marketplace_id))
        order by marketplace_id, period""",
        [[{"period": period, "marketplace_id": marketplace} for period, marketplace in pairs]],
    )
    _narrow(con)
    return [row[0] for row in con.execute("select distinct marketplace_id from chosen order by all").fetchall()]


def make(
    warehouse: Warehouse,
    step: Sequence[Table],
    *,
    aside: bool = False,
    narrow: bool = False,
    engine: Engine | None = None,
) -> dict[str, int]:
    """Make the tables of a step anew for what is in scope, in one transaction, and check them before it commits.

    An `engine` makes the rows of heavy tables in DuckDB's stead; what is made aside is DuckDB's own.

    Books keep their rows of closed periods, and other tables those that re-rating has yet to bring up to date, unless
    they are made aside. What would come out as it is (`as_made.py`) is left as it is, unless it is made aside or the
    warehouse `makes_anew`. Aside, all items are read unless it is `narrow`, for which the raw rows must be looked
    through. Returns the rows of each in scope. Raises `ChecksFailedError` or `EngineError`, and then nothing is
    changed.
    """
    con, main = warehouse.con, step[0]
    for table in step:
        if aside or table.full_name not in warehouse.there:
            create(con, table)
        if not aside:
            warehouse.there.add(table.full_name)
    if main.is_view:
        return dict.fromkeys((table.full_name for table in step), 0)
    if aside:
        _narrow(con)
        is_narrow = narrow and reads_narrowly(warehouse, step)
        with warehouse.transaction():
            return replace_and_check(warehouse, step, is_narrow=is_narrow)
    _narrow(con, without=CLOSED if main.is_books else LEFT_TO_RERATING if main.is_by_period else "")
    scope = con.execute("select period, marketplace_id from scope").fetchall()
    own, pairs = main.full_name, {table.full_name: scope for table in tables().values() if table.is_by_period}
    read = reads_of(step)
    inputs = {
        name: pairs.get(name, WHOLE if name in tables() and name not in OF_FEW_ROWS else ()) for name in read.tables
    } | dict.fromkeys(read.of_scope, scope)
    rules = [(*table.queries, *(check.query for check in table.checks)) for table in step]
    version = version_of(con, rules, inputs, _loads(warehouse, read))
    made = scope if main.is_by_period else WHOLE
    if not warehouse.makes_anew and is_as_made(con, own, made, version):
        counts = {table.full_name: _count(con, table)[0] for table in step}
    else:
        is_narrow = reads_narrowly(warehouse, step)
        with warehouse.transaction():
            counts = replace_and_check(warehouse, step, is_narrow=is_narrow, engine=engine)
            note_made(con, own, made, version)
        if engine is not None:
            engine.keep([table.full_name for table in step])
    latest = warehouse.latest_load()
    for table in step:
        warehouse.made.setdefault(table.full_name, {}).update(dict.fromkeys(scope, latest))
    return counts


def _loads(warehouse: Warehouse, read: Reads) -> dict[str, LastLoad]:
    """The last loads that count for what is in scope, of datasets of which no more is read than it can touch."""
    first, end, *_ = _instants(warehouse.con).values()
    if first is None:
        return {}
    found = {name: last_load(warehouse.con, name, (first, end)) for name in read.within | read.reached}
    scope = warehouse.con.execute("select period, marketplace_id from scope").fetchall()
    for name in read.reached:
        last, is_there = found[name]
        key = (warehouse.latest_load(), name, *scope)
        if key not in warehouse.loads_reached:  # several tables ask for it
            warehouse.loads_reached[key] = last_load_reached(warehouse.con, DATASETS[name], last or 0)
        found[name] = warehouse.loads_reached[key] or None, is_there
    return {f"raw.{name}": load for name, load in found.items()}


def reads_narrowly(warehouse: Warehouse, step: Sequence[Table]) -> bool:
    """Whether what is `reached` is not all (`reach.py`); found once for a scope and a load.

    Not within a transaction, whose end would take with it what was found.
    """
    queries = [query for table in step for query in table.queries]
    if not any("reached." in query for query in queries):
        return False
    scope = warehouse.con.execute("select period, marketplace_id from scope").fetchall()
    key = (warehouse.latest_load(), *scope)
    if warehouse.reached is None or warehouse.reached[0] != key:
        warehouse.reached = key, show_reached_rows(warehouse.con)
    is_narrow = warehouse.reached[1] is not None
    if is_narrow and any("reached.coverage" in query for query in queries):
        show_reached_coverage(warehouse.con, tables()["core.coverage"].query)
    return is_narrow


def replace_and_check(
    warehouse: Warehouse, step: Sequence[Table], *, is_narrow: bool = False, engine: Engine | None = None
) -> dict[str, int]:
    """Within a transaction: replace what is in scope, whatever it is, and check it; the tables exist.

    `is_narrow` says whether what is `reached` is not all. Returns the rows of each. Raises `ChecksFailedError` or
    `EngineError`, which must end the transaction.
    """
    knows_slices = any(map(_is_sliced, (query for table in step for query in table.queries)))
    reading = Reading(is_narrow, _slices(warehouse.con) if knows_slices else (ALL_ORDERS,))
    made_of_rows = [table for table in step if not is_of_nothing(warehouse.con, table)]
    for table in made_of_rows:
        _replace(warehouse, table, reading, engine)
    counts, failures = dict.fromkeys((table.full_name for table in step), 0), []
    for table in made_of_rows:
        counts[table.full_name], broken = _count(warehouse.con, table)
        for check in table.checks:
            if broken.get(check, 1):
                failures += failures_of(warehouse, check)
            else:
                warehouse.note_check(f"{check.table}: {check.name}", 0)
    if failures:
        raise ChecksFailedError(failures)
    return counts


def is_of_nothing(con: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Whether a table is made of optional datasets alone, and there is no row of any: it is empty, and stays so."""
    datasets = [DATASETS[name.removeprefix("raw.")] for name in table.reads if name.startswith("raw.")]
    return bool(datasets) and all(
        dataset.is_optional and not con.execute(f"select 1 from in_force.{dataset.name} limit 1").fetchall()
        for dataset in datasets
    )


def _narrow(con: duckdb.DuckDBPyConnection, *, without: str = "") -> None:
    """Make `scope` of what was chosen, without the periods and marketplaces of a query."""
    left = f"anti join ({without}) using (period, marketplace_id)" if without else ""
    con.execute(f"create or replace temp table scope as select chosen.* from chosen {left} order by all")


def create(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make a view anew, and a table that does not exist yet, empty.

    Before the transaction that fills it: a table is either there or not, whatever becomes of its rows.
    """
    if table.is_view:
        with in_transaction(con):
            con.execute(f"create or replace view {table.full_name} as {table.query}")
            columns = [name for name, *_ in con.execute(f"describe {table.full_name}").fetchall()]
            comment_on(con, "view", table.full_name, table.description, table.meanings(columns))
    elif not exists(con, table.full_name):
        with _temporary_tables(con, table, None):
            columns = _columns(con, table.query)
        with in_transaction(con):
            con.execute(f"create table {table.full_name} ({columns_to_make(columns)})")
            comment_on(con, "table", table.full_name, table.description, table.meanings(columns))


def keep_first(con: duckdb.DuckDBPyConnection, table: Table, name: str, kept: str) -> None:
    """Make another table of what a temporary table that a table is made from would hold, for what is in scope."""
    _run(con, f"create table {kept} as", dict(table.first)[name], ALL_AT_ONCE)


def _replace(warehouse: Warehouse, table: Table, reading: Reading, engine: Engine | None) -> None:
    con = warehouse.con
    con.execute(f"delete from {table.in_scope if table.is_by_period else table.full_name}")
    if engine is not None and table.full_name in HEAVY:
        engine.insert(warehouse, table, _instants(con), is_narrow=reading.is_narrow)
        return
    with _temporary_tables(con, table, reading):
        _insert(con, table.full_name, table.query, reading)


@contextmanager
def _temporary_tables(con: duckdb.DuckDBPyConnection, table: Table, reading: Reading | None) -> Generator[None]:
    """Within, there are the temporary tables that a table's query reads; without a reading only their columns are."""
    for name, query in table.first:
        # By its columns: DuckDB 2.0 finds nothing in what a transaction puts into a table made from an empty query.
        columns = ", ".join(f"{column} {kind}" for column, kind in _columns(con, query).items())
        con.execute(f"create or replace temp table {name} ({columns})")
        if reading is not None:
            _insert(con, f"temp.{name}", query, reading)
    yield
    for name, _ in table.first:
        con.execute(f"drop table temp.{name}")


def _columns(con: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    """The columns that a query gives, and their types."""
    return {row[0]: row[1] for row in _run(con, "describe", query, ALL_AT_ONCE).fetchall()}


def _insert(con: duckdb.DuckDBPyConnection, target: str, query: str, reading: Reading) -> None:
    """The rows of a query; slice by slice, if it knows slices."""
    for orders in reading.slices if _is_sliced(query) else (ALL_ORDERS,):
        _run(con, f"insert into {target} by name", query, reading, orders)


def _is_sliced(query: str) -> bool:
    return "in_slice(" in query


def _slices(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Slices of orders such that what is shipped in the scope, with the items it is joined to, fits into memory.

    The engine would go on without, beyond its memory, but would write all rows to disk several times over. The raw rows
    of a file lie by order, so that each slice reads little more than its own.
    """
    number = _number_of_slices(con)
    if number == 1:
        return (ALL_ORDERS,)
    some = f"select order_id {_SHIPPED} using sample {ORDERS_LOOKED_AT} rows"
    found = sorted(order_id for (order_id,) in _run(con, "", some, ALL_AT_ONCE).fetchall())
    ids = sorted({found[len(found) * n // number].replace("'", "''") for n in range(1, number)})
    between = (f"id >= '{first}' and id < '{end}'" for first, end in pairwise(ids))
    return (f"id < '{ids[0]}' or id is null", *between, f"id >= '{ids[-1]}'")


_SHIPPED = "from in_force.shipments where shipped_at >= $first_instant and shipped_at < $last_instant"


def _number_of_slices(con: duckdb.DuckDBPyConnection) -> int:
    ((rows,),) = _run(con, "", f"select count(*) {_SHIPPED}", ALL_AT_ONCE).fetchall()
    return parts_that_fit(con, rows)


def _run(
    con: duckdb.DuckDBPyConnection, what: str, query: str, reading: Reading, orders: str = ALL_ORDERS
) -> duckdb.DuckDBPyConnection:
    """Run a query of a table, with what is `reached` or all of it, for a slice."""
    ours = re.sub(
        r"\breached\.(\w+)", lambda named: f"reached_{named[1]}" if reading.is_narrow else REACHED[named[0]], query
    )
    if _is_sliced(query):
        con.execute(f"create or replace temp macro in_slice(id) as {orders}")
    values = {name: value for name, value in _instants(con).items() if f"${name}" in query}
    return con.execute(f"{what} {ours}", values)


def _instants(con: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """The values that queries ask for, of the scope; all are null if it is empty."""
    bounds = "min(starts_at), max(ends_at), max(starts_at), min(quarter_starts_at)"
    (row,) = con.execute(f"select {bounds} from scope").fetchall()
    return dict(zip(_INSTANTS, row, strict=True))


def _count(con: duckdb.DuckDBPyConnection, table: Table) -> tuple[int, dict[Check, int]]:
    """Its rows in scope, and how many of them break each check that is about a row alone; read once for all."""
    about_rows = [check for check in table.checks if check.predicate]
    broken = [f"count(*) filter (not coalesce({check.predicate}, false))" for check in about_rows]
    query = f"select {', '.join(['count(*)', *broken])} from {table.in_scope}"
    rows, *numbers = con.execute(query).fetchall()[0]
    return rows, dict(zip(about_rows, numbers, strict=True))


def failures_of(warehouse: Warehouse, check: Check) -> list[Failure]:
    """The marketplaces whose rows break a check; a row without one counts against those that have none."""
    broken: list[dict[str, Any]] = []
    if not check.suspects or warehouse.rows(f"from ({check.suspects}) limit 1"):
        broken = warehouse.rows(f"""
            select *, count(*) over (partition by marketplace_id) as broken_rows
            from ({check.query})
            qualify row_number() over (partition by marketplace_id) <= {ROWS_KEPT}""")
    found: dict[str, tuple[int, list[dict[str, Any]]]] = {}
    for row in broken:
        rows, marketplace = row.pop("broken_rows"), row.pop("marketplace_id") or UNKNOWN
        found.setdefault(marketplace, (rows, []))[1].append(row)
    failures = [Failure(check, marketplace, rows, tuple(some)) for marketplace, (rows, some) in found.items()]
    warehouse.note_check(f"{check.table}: {check.name}", sum(failure.rows for failure in failures))
    return failures
