"""Tables made by SQL: one file a table, its header and its query, and how its periods are replaced.

`assets/<schema>/<table>.sql` makes `<schema>.<table>`. Its header says everything else there is to know of it, and
feeds DuckDB's comments, Dagster's metadata and the checks:

    -- One row per …                                the first line
    -- key: period, unit_id                         what tells rows apart; no two rows may share it
    -- column: outcome | why it is billed or not    a column's meaning and unit
    -- kind: view                                   (optional) a view, not a table; or books, see below
    -- period: posted_period                        (optional) the column that the scope's period is about
    -- check: name | predicate                      every row satisfies it; null counts as broken
    -- check: name | select …                       or: a query of the rows that break it, with their marketplace_id
    -- gate of: core.units                          (optional) made and checked with that table, in its transaction
    -- total: units | sum(quantity)                 (optional) a number that operators see of a run, by marketplace
    -- chart: units shipped | select period, …      (optional) a number for a small chart of the months, summed up; by
                                                    default the rows, which are too many in the largest tables

An entry goes on over lines indented by three spaces or more. A table whose key has a period is replaced period by
period, any other as a whole; its checks look at the scope alone. In a query `scope` holds the marketplaces and periods
that are being made (rows of core.calendar); `$first_instant` and `$last_instant` enclose them, `$latest_instant` begins
the latest of them, `$quarter_instant` the earliest of their quarters, so that old rows need not be read; for the same
end `reached.order_items` and `reached.coverage` stand for core's, and need not hold what the scope cannot touch. Books
are what a closed period keeps for good: for them `scope` has the open periods only.

Before its query a file may have statements `create temp table name as …;`, for what is better found before: what runs
alone has the memory to itself. A query that asks for orders `in_slice(order_id)` is run for one slice of the orders
after the other, where all of them together would not fit; rows without an order are in one of them.

Does not belong here: what any table means.
"""

import hashlib
import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import duckdb

from assets.as_made import WHOLE, is_as_made, note_made, version_of
from assets.engines import HEAVY, Engine
from assets.lineage import look_at, tables_named
from assets.meanings import MEANINGS
from assets.raw.datasets import DATASETS
from assets.reach import show_reached_coverage, show_reached_items
from assets.warehouse import Warehouse, columns_to_make, comment_on, exists, in_transaction, parts_that_fit

FOLDER = Path(__file__).parent
SCHEMAS = ("core", "billing", "audit")
CALENDAR = "core.calendar"
"""Whose rows the scope is made of; every table is made, or checked, for a scope."""
UNKNOWN = "unknown"
"""The marketplace of rows that have none; its periods are months in UTC (domain.md, "Units")."""

_KEYS = ("column", "key", "kind", "period", "check", "gate of", "total", "chart")
_ENTRY = re.compile(rf"^(?P<key>{'|'.join(_KEYS)}):\s*(?P<value>.*)$")
_INSTANTS = ("first_instant", "last_instant", "latest_instant", "quarter_instant")

CLOSED = "select period, marketplace_id from billing.closes"
CLOSED_AND_BEHIND = f"""
    {CLOSED} semi join (
        from billing.rerating where load_id < (select max(load_id) from audit.files)
    ) using (marketplace_id)"""
"""Closed periods that are not rated with all that is known: re-rating alone brings them up to date (`rerating.py`), and
must find them as they were."""
ROWS_KEPT = 10
"""Of the rows that break a check, for each marketplace."""

ALL_ORDERS = "true"
ORDERS_LOOKED_AT = 10_000
"""To find bounds between slices of about the same size."""


@dataclass(frozen=True)
class Reading:
    """How the rows of a scope are read: whether those `reached` are fewer than core's, and which orders at a time."""

    is_narrow: bool = False
    slices: tuple[str, ...] = (ALL_ORDERS,)
    """Each a condition on an order's `id`."""


ALL_AT_ONCE = Reading()


@dataclass(frozen=True)
class Check:
    """A rule that the rows of a table must keep, and the query of those that break it."""

    table: str
    name: str
    query: str
    predicate: str = ""
    """What every row satisfies, if the rule is one about each row alone."""
    suspects: str = ""
    """A query that is faster, and finds nothing where no row can break the rule."""


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


@dataclass(frozen=True)
class Table:
    """A table and what its header says."""

    schema: str
    name: str
    description: str
    query: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    """Column → meaning, of those that the header explains."""
    is_view: bool
    rules: tuple[tuple[str, str], ...]
    gate_of: str | None
    first: tuple[tuple[str, str], ...] = ()
    """Temporary tables that the query reads, and theirs: each is made alone, and gives back the memory it took."""
    is_books: bool = False
    """Whether its rows of a closed period are never touched."""
    period_column: str = "period"
    """The column that says which period of the scope a row is in."""
    totals: tuple[tuple[str, str], ...] = ()
    """Numbers that operators see: each a name, and an expression over its rows."""
    charted: tuple[str, str] | None = None

    @property
    def full_name(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.name}"

    def meanings(self, columns: Iterable[str]) -> dict[str, str]:
        """Column → meaning, of those that the header or `assets/meanings.py` explains."""
        known = MEANINGS | dict(self.columns)
        return {name: known[name] for name in columns if name in known}

    @property
    def reads(self) -> tuple[str, ...]:
        """The tables it is made from, by full name, in order; rows in force stand for their raw table."""
        found = frozenset[str]().union(*map(tables_named, self.queries))
        return tuple(sorted(found if self.is_view else found | {CALENDAR}))

    @property
    def queries(self) -> tuple[str, ...]:
        """All that are run, the table's own last."""
        return (*(query for _, query in self.first), self.query)

    @property
    def code_version(self) -> str:
        """Changes when a query does."""
        return hashlib.sha256(";".join(self.queries).encode()).hexdigest()[:12]

    @property
    def checks(self) -> tuple[Check, ...]:
        """Its key, and the rules of its header."""
        if self.is_view:
            return ()
        key = ", ".join(self.key)
        # Rows that share a hash are few or none, and only of them the keys are compared: texts are slow to tell apart.
        telling = ", ".join(name for name in self.key if name not in (self.period_column, "marketplace_id")) or key
        twice = f"select hash({telling}) as key_hash from {self.in_scope} group by key_hash having count(*) > 1"
        one_per_key = (
            f"select {key}, count(*) as rows from {self.in_scope} and hash({telling}) in ({twice})"
            f" group by {key} having count(*) > 1"
        )
        checks = [Check(self.full_name, f"one row per {key}", one_per_key, suspects=twice)]
        for name, rule in self.rules:
            is_query = rule.lower().startswith(("select", "with"))
            query = rule if is_query else f"select * from {self.in_scope} and not coalesce({rule}, false)"
            checks.append(Check(self.full_name, name, query, "" if is_query else rule))
        return tuple(checks)

    @property
    def chart(self) -> tuple[str, str]:
        """What operators see of each month: its name, and a query of periods with a number each."""
        if self.charted:
            return self.charted
        return "rows", f"select {self.period_column}, 1 from {self.full_name}"

    @property
    def is_by_period(self) -> bool:
        """Whether it is replaced period by period; else as a whole."""
        return self.period_column in self.key

    @property
    def in_scope(self) -> str:
        """Its rows of what is in `scope`, as what follows FROM."""
        if self.is_by_period:
            rows = f"({self.period_column}, marketplace_id) in (select (period, marketplace_id) from scope)"
        else:
            rows = "marketplace_id in (select marketplace_id from scope)"
        return f"{self.full_name} as {self.name} where {rows}"


def read_table(path: Path) -> Table:
    """The table of a file. Raises `ValueError` where its header is not as it should be."""
    lines = path.read_text(encoding="utf-8").splitlines()
    header = [line.removeprefix("--") for line in takewhile(lambda line: line.startswith("--"), lines)]
    *first, query = map(str.strip, "\n".join(lines[len(header) :]).strip().rstrip(";").split(";\n"))
    entries: list[str] = []
    for line in header:
        if line.startswith("    ") and entries:
            entries[-1] += " " + line.strip()
        else:
            entries.append(line.strip())
    if not entries or not entries[0].startswith("One row per "):
        raise ValueError(f"{path.name}: the first line says `-- One row per …`")
    found: dict[str, list[str]] = {key: [] for key in _KEYS}
    description = []
    for entry in entries:
        known = _ENTRY.match(entry)
        if known:
            found[known["key"]].append(known["value"])
        else:
            description.append(entry)
    if len(found["key"]) != 1:
        raise ValueError(f"{path.name}: it has one line `-- key: …`")
    return Table(
        schema=path.parent.name,
        name=path.stem,
        description=" ".join(description),
        query=query,
        key=tuple(part.strip() for part in found["key"][0].split(",")),
        columns=dict(_two_parts(path, value) for value in found["column"]),
        is_view=found["kind"] == ["view"],
        is_books=found["kind"] == ["books"],
        period_column=next(iter(found["period"]), "period"),
        rules=tuple(_two_parts(path, value) for value in found["check"]),
        gate_of=next(iter(found["gate of"]), None),
        totals=tuple(_two_parts(path, value) for value in found["total"]),
        charted=next((_two_parts(path, value) for value in found["chart"]), None),
        first=tuple(_temporary_table(path, statement) for statement in first),
    )


def _temporary_table(path: Path, statement: str) -> tuple[str, str]:
    found = re.fullmatch(r"(?:--[^\n]*\n)*create temp table (\w+) as\n(.*)", statement, re.DOTALL)
    if found is None:
        raise ValueError(f"{path.name}: what comes before the query is `create temp table name as …;`")
    return found[1], found[2]


@cache
def tables() -> Mapping[str, Table]:
    """Every table made by SQL, by full name, in an order in which they can be made."""
    found = [read_table(path) for schema in SCHEMAS for path in sorted((FOLDER / schema).glob("*.sql"))]
    look_at(query for table in found for query in table.queries)
    waiting = {table.full_name: table for table in found}
    ordered: dict[str, Table] = {}
    while waiting:
        ready = [table for table in waiting.values() if not any(name in waiting for name in table.reads)]
        if not ready:
            raise ValueError(f"these tables read each other: {', '.join(waiting)}")
        for table in ready:
            ordered[table.full_name] = waiting.pop(table.full_name)
    return ordered


def steps() -> Sequence[tuple[Table, ...]]:
    """What is made together, in order: each table with its gates."""
    every = tables().values()
    return [
        (table, *(gate for gate in every if gate.gate_of == table.full_name)) for table in every if not table.gate_of
    ]


def step_of(name: str) -> tuple[Table, ...]:
    """The table of that full name, with its gates."""
    return next(step for step in steps() if step[0].full_name == name)


def summed(table: Table, total: str, by: Sequence[str]) -> Table:
    """The table with the rows that are alike in some columns as one, and the sum of another: for what reads no more.

    To be made aside, where a large table would not fit into memory; the checks of its header look at the sums.
    """
    columns = f"{', '.join(by)}, cast(sum({total}) as bigint) as {total}"
    # Slice by slice as the table itself, and then the slices together.
    parts = ("summed", f"select {columns} from ({table.query}) group by all")
    query = f"select {columns} from summed group by all"
    return replace(table, query=query, key=tuple(by), first=(*table.first, parts))


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
    _narrow(con, without=CLOSED if main.is_books else CLOSED_AND_BEHIND if main.is_by_period else "")
    scope = con.execute("select period, marketplace_id from scope").fetchall()
    own, pairs = main.full_name, {table.full_name: scope for table in tables().values() if table.is_by_period}
    inputs = {name: pairs.get(name, WHOLE if name in tables() else ()) for name in _everything_read(step)}
    rules = [(*table.queries, *(check.query for check in table.checks)) for table in step]
    version = version_of(con, rules, inputs)
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


def _everything_read(step: Sequence[Table]) -> set[str]:
    """The tables that the queries of a step read, those below a view instead of the view, and not those it makes."""
    found, waiting = set(), [name for table in step for name in table.reads]
    if step[0].is_books:
        waiting.append("billing.closes")
    while waiting:
        name = waiting.pop()
        table = tables().get(name)
        if table is not None and table.is_view:
            waiting.extend(table.reads)
        else:
            found.add(name)
    return found - {table.full_name for table in step}


def reads_narrowly(warehouse: Warehouse, step: Sequence[Table]) -> bool:
    """Whether what is `reached` has fewer rows than core (`reach.py`); found once for a scope and a load.

    Not within a transaction, whose end would take with it what was found.
    """
    queries = [query for table in step for query in table.queries]
    if not any("reached." in query for query in queries):
        return False
    scope = warehouse.con.execute("select period, marketplace_id from scope").fetchall()
    key = (warehouse.latest_load(), *scope)
    if warehouse.reached is None or warehouse.reached[0] != key:
        warehouse.reached = key, show_reached_items(warehouse.con)
    is_narrow = warehouse.reached[1] is not None
    if is_narrow and any("reached.coverage" in query for query in queries):
        show_reached_coverage(warehouse.con, tables()["core.coverage"].query)
    return is_narrow


def replace_and_check(
    warehouse: Warehouse, step: Sequence[Table], *, is_narrow: bool = False, engine: Engine | None = None
) -> dict[str, int]:
    """Within a transaction: replace what is in scope, whatever it is, and check it; the tables exist.

    `is_narrow` says whether `reached` has fewer rows than core. Returns the rows of each. Raises `ChecksFailedError` or
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
                failures += _failures(warehouse, check)
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
    """Run a query of a table, with core's tables for those `reached` or with what stands for them, for a slice."""
    ours = query.replace("reached.", "reached_" if reading.is_narrow else "core.")
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


def _failures(warehouse: Warehouse, check: Check) -> list[Failure]:
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


def _two_parts(path: Path, value: str) -> tuple[str, str]:
    name, separator, rest = (part.strip() for part in value.partition("|"))
    if not separator or not name or not rest:
        raise ValueError(f"{path.name}: {value!r} lacks its two parts with | between")
    return name, rest
