"""Tables made by SQL: one file a table, its header and its query.

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
end `reached.order_items`, `reached.coverage` and `reached.shipments` need not hold what the scope cannot touch. Books
are what a closed period keeps for good: for them `scope` has the open periods only.

Before its query a file may have statements `create temp table name as …;`, for what is better found before: what runs
alone has the memory to itself. A query that asks for orders `in_slice(order_id)` is run for one slice of the orders
after the other, where all of them together would not fit; rows without an order are in one of them.

Does not belong here: what any table means, and how its rows are replaced (`making.py`).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile
from pathlib import Path

from assets.lineage import look_at, tables_named
from assets.meanings import MEANINGS

FOLDER = Path(__file__).parent
SCHEMAS = ("core", "billing", "audit")
CALENDAR = "core.calendar"
"""Whose rows the scope is made of; every table is made, or checked, for a scope."""
UNKNOWN = "unknown"
"""The marketplace of rows that have none; its periods are months in UTC (domain.md, "Units")."""

_KEYS = ("column", "key", "kind", "period", "check", "gate of", "total", "chart")
_ENTRY = re.compile(rf"^(?P<key>{'|'.join(_KEYS)}):\s*(?P<value>.*)$")


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
    def one_query(self) -> str:
        """The query with the temporary tables as parts of it: for an engine that is told of no others."""
        if not self.first:
            return self.query
        return f"with {', '.join(f'{name} as ({query})' for name, query in self.first)} select * from ({self.query})"

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
            rows = f"({self.period_column}, marketplace_id) in (select period, marketplace_id from scope)"
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


def _two_parts(path: Path, value: str) -> tuple[str, str]:
    name, separator, rest = (part.strip() for part in value.partition("|"))
    if not separator or not name or not rest:
        raise ValueError(f"{path.name}: {value!r} lacks its two parts with | between")
    return name, rest
