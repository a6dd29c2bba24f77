"""Which order items and shipments a scope can touch, so that those of past years are not read for a month.

The queries of a month look up the items of what was shipped, asked, refunded and returned in it. Nearly all of them
were ordered in the month or shortly before: those are read by their time, which DuckDB finds without reading the
others. The rest is found once a run: all items of the orders that a row of the month names, and the lines of the
orders that it ships, wherever they are. Where a month names few orders, as one that has just begun, they alone are
read. A query that reads `reached.order_items`, `reached.coverage` or `reached.shipments` sees rows of what they stand
for (`lineage.py`); where most items are near anyway, it sees all of them.

Does not belong here: what is done with them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from assets.aside import HERE
from assets.raw.datasets import DATASETS, Dataset
from assets.tables import UNKNOWN
from assets.warehouse import HASH, has_hashes, known_after

NEAR = timedelta(days=20)
"""Before a scope. It decides how much is read, never what comes out."""
WORTH_IT = 2
"""So many times as many items as are near must there be; with fewer, to find the rest costs more than it saves."""
MANY = 10
"""So many times as many items as a month names must be near for only those named to be looked for."""
NEWS_LOOKED_AT = 1_000_000
"""Rows that came later than all that happened in a scope: to look for its orders among more of them may cost as much as
to make it anew."""

UNREAD = {"order_items": ("asin",), "shipments": ("carrier", "tracking_id")}
"""Columns of text that nothing made of orders reads: they are not looked up in blocks of millions of rows."""


@dataclass(frozen=True)
class Reached:
    """The rows of a table that a scope can touch: all that are near, and those of `further_…`, a temporary table."""

    table: str
    """Of a dataset's rows in force."""
    near: tuple[datetime, datetime] | None
    """From when on and up to when a row happened that is near; none: the further ones are all."""

    @property
    def dataset(self) -> str:
        """The dataset."""
        return self.table.split(".")[1]

    @property
    def rows(self) -> str:
        """The query of them; it travels (`travel.py`)."""
        further = f"select * from further_{self.dataset}"
        near = f"select {self.columns} from {self.table} where {self.are_near}"
        return f"{near} union all {further}" if self.near else further

    @property
    def columns(self) -> str:
        """Those that queries of what is reached can read."""
        columns = (*DATASETS[self.dataset].columns, "file_id", "row_number")
        return ", ".join(name for name in columns if name not in UNREAD.get(self.dataset, ()))

    @property
    def are_near(self) -> str:
        """The condition for a row to be near."""
        return _between(str(DATASETS[self.dataset].happened_at), *self.near) if self.near else "false"

    def find(self, con: duckdb.DuckDBPyConnection, ids: str) -> None:
        """Make `further_…` of the rows that are not near and have one of the ids of a query, and show `reached_…`.

        Of all rows that are not near nothing is read but their time and the hash of the id; those found are then
        fetched by row id. A row too many, whose id has the same hash, is no harm.
        """
        dataset, raw = DATASETS[self.dataset], f"{HERE}.raw"
        rows = f"{raw}.{dataset.name}"
        kept = HASH if has_hashes(con, dataset) else f"hash({dataset.found_by})"
        con.execute(f"create or replace temp table ids_reached as select hash({dataset.found_by}) from ({ids})")
        ((as_of,),) = con.execute("from in_force.as_of").fetchall()
        con.execute(f"""
            create or replace temp table further_{dataset.name} as
            with found as materialized (
                from {rows} where rowid in (
                    select rowid from {rows} where not ({self.are_near}) and {kept} in (from ids_reached)
                )
            )
            select {self.columns} from ({known_after(as_of, dataset.name, raw, "found")})""")
        con.execute(f"create or replace temp view reached_{dataset.name} as {self.rows}")


def show_reached_rows(con: duckdb.DuckDBPyConnection) -> Reached | None:
    """Make the temporary views `reached_…` for `scope` if it is worth it; returns what is shown of items, if it is."""
    bounds = con.execute("select min(starts_at), max(ends_at) from scope").fetchall()[0]
    if bounds[0] is None:
        return None
    first, last = bounds
    near = first - NEAR, last
    items_near = _count(con, f"raw.order_items where {_between('purchased_at', *near)}")
    items_within = _count(con, f"raw.order_items where {_between('purchased_at', first, last)}")
    named = f"select order_id from ({_orders_named(first, last)})"
    # An item of the scope names its own order: only where they are few is it worth counting all that names one.
    names_few = items_near > MANY * items_within and items_near > MANY * _count(con, f"({named})")
    if not names_few and _count(con, "raw.order_items") < WORTH_IT * items_near:
        return None
    shipments = Reached("in_force.shipments", (first, last))
    shipments.find(con, f"select order_id from raw.shipments where {shipments.are_near}")
    items = Reached("core.order_items", None if names_few else near)
    items.find(con, named)
    return items


def last_load_reached(con: duckdb.DuckDBPyConnection, dataset: Dataset, since: int) -> int:
    """The last load that brought or beat a row that `scope` can touch; `since` is the last with one of its times.

    Later ones can have rows of orders that a row of the scope names. The bounds of the scope are those of all its
    marketplaces: of the rows found by them it is looked up where they count, which is where their order has an item, in
    any version of it; and among those of no marketplace, if after `since` they still lacked theirs. Where later loads
    brought more than `NEWS_LOOKED_AT` rows, the last of them counts. The hashes of ids must be those of this engine, as
    they are in a warehouse that is open for writing.
    """
    ((rows, latest),) = con.execute(
        "select sum(rows_loaded), max(load_id) from audit.files where dataset = ? and load_id > ? and rows_loaded > 0",
        [dataset.name, since],
    ).fetchall()
    if not rows or rows > NEWS_LOOKED_AT:
        return int(latest or since)
    ((first, last),) = con.execute("select min(starts_at), max(ends_at) from scope").fetchall()
    ((found,),) = con.execute(
        f"""
        with lost as (
            select file_id, row_number, load_id
            from raw.superseded where dataset = '{dataset.name}' and load_id > $since
        ),
        perhaps as (
            -- by its number first: one column is looked up sooner than two
            select rowid, file_id, row_number
            from raw.{dataset.name} where row_number in (select row_number from lost)
        ),
        beaten as (
            select file_id, row_number, order_id
            from raw.{dataset.name}
            where rowid in (select rowid from perhaps semi join lost using (file_id, row_number))
        ),
        news as materialized (
            select order_id, load_id from raw.{dataset.name} where load_id > $since
            union all
            select beaten.order_id, lost.load_id from beaten join lost using (file_id, row_number)
        ),
        named as materialized (
            from ({_orders_named(first, last)}) where order_id in (select order_id from news)
        ),
        items as materialized (
            select order_id, order_item_id, marketplace_id, load_id
            from raw.order_items where {HASH} in (select hash(order_id) from named)
        ),
        counting as (
            select named.order_id, named.happened_at, items.marketplace_id
            from named join items using (order_id)
            union all
            select named.order_id, named.happened_at, '{UNKNOWN}'
            from named
            left join items
                on items.order_id = named.order_id
                and items.order_item_id = coalesce(named.order_item_id, items.order_item_id)
                and items.load_id <= $since
            where items.order_id is null
        ),
        touching as (
            select counting.order_id
            from counting
            join scope
                on scope.marketplace_id = counting.marketplace_id
                and scope.starts_at <= counting.happened_at and counting.happened_at < scope.ends_at
        )
        select coalesce(max(load_id), $since) from news where order_id in (from touching)""",
        {"since": since},
    ).fetchall()
    return int(found)


def _orders_named(first: datetime, last: datetime) -> str:
    """The query of the orders that a row of a span names, in whichever version, with its item and when it happened."""
    queries = []
    for dataset in DATASETS.values():
        if dataset.happened_at:
            item = "order_item_id" if "order_item_id" in dataset.columns else "null"
            queries.append(
                f"select order_id, {item} as order_item_id, {dataset.happened_at} as happened_at"
                f" from raw.{dataset.name} where {_between(dataset.happened_at, first, last)}"
            )
    return " union all ".join(queries)


def show_reached_coverage(con: duckdb.DuckDBPyConnection, coverage: str) -> None:
    """Make the temporary view `reached_coverage` by the query of core.coverage, once the tables it reads are there."""
    con.execute(
        f"create or replace temp view reached_coverage as {coverage.replace('core.order_items', 'reached_order_items')}"
    )


def _count(con: duckdb.DuckDBPyConnection, rows: str) -> int:
    ((number,),) = con.execute(f"select count(*) from {rows}").fetchall()
    return int(number)


def _between(time: str, first: datetime, last: datetime) -> str:
    return f"{time} >= timestamp '{first}' and {time} < timestamp '{last}'"
