"""Which order items a scope can touch, so that the items of past years are not read for a month.

The queries of a month look up the items of what was shipped, asked, refunded and returned in it. Nearly all of them
were ordered in the month or shortly before: those are read by their time, which DuckDB finds without reading the
others. The rest is found once a run, by what the month names and what was not among them. Where a month names few
orders, as one that has just begun, they alone are read. A query that reads `reached.order_items` or `reached.coverage`
sees core's rows of both; where most items are near anyway, it sees core's tables as they are.

Does not belong here: what is done with the items.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from assets.raw.datasets import DATASETS

NEAR = timedelta(days=45)
"""Before a scope. It decides how much is read, never what comes out."""
WORTH_IT = 2
"""So many times as many items as are near must there be; with fewer, to find the rest costs more than it saves."""
MANY = 10
"""So many times as many items as a month names must be near for only those named to be looked for."""


@dataclass(frozen=True)
class Reached:
    """The items that a scope can touch: `further_items`, and all that are near, if those are looked at."""

    near: tuple[datetime, datetime] | None
    """From when on and up to when an item is ordered that is near; none: those that are named are all."""

    @property
    def items(self) -> str:
        """The query of them; it travels (`travel.py`)."""
        further = "select * from further_items"
        if self.near is None:
            return further
        return f"select * from core.order_items where {_between('purchased_at', *self.near)} union all {further}"


def show_reached_items(con: duckdb.DuckDBPyConnection) -> Reached | None:
    """Make the temporary view `reached_order_items` for `scope` if it is worth it; returns what it shows, if it is."""
    bounds = con.execute("select min(starts_at), max(ends_at) from scope").fetchall()[0]
    if bounds[0] is None:
        return None
    first, last = bounds
    near = _between("purchased_at", first - NEAR, last)
    ((items_near,),) = con.execute(f"select count(*) from raw.order_items where {near}").fetchall()
    ((items,),) = con.execute("select count(*) from raw.order_items").fetchall()
    naming = [dataset for dataset in DATASETS.values() if dataset.happened_at and dataset.name != "order_items"]
    named = " union all ".join(
        f"select order_id, {'order_item_id' if 'order_item_id' in dataset.columns else 'null'} as order_item_id"
        f" from in_force.{dataset.name} where {_between(str(dataset.happened_at), first, last)}"
        for dataset in naming
    )
    ((rows_naming,),) = con.execute(f"select count(*) from ({named})").fetchall()
    if items_near > MANY * rows_naming:
        con.execute(f"create or replace temp table orders_named as select distinct order_id from ({named})")
        con.execute("""
            create or replace temp table further_items as
            from core.order_items semi join orders_named using (order_id)""")
        return _shown(con, Reached(None))
    if items < WORTH_IT * items_near:
        return None
    # Texts are slow to tell apart: two hashes of 64 bits stand for an id of two parts. What names an order alone may be
    # about any of its items.
    con.execute(f"""
        create or replace temp table orders_named as
        with named as ({named})
        select order_id from named where order_id is not null and order_item_id is null
        union
        select order_id from (
            from (select *, hash(order_id) as order_hash, hash(order_item_id) as item_hash from named)
            where order_item_id is not null
        )
        anti join (
            select hash(order_id) as order_hash, hash(order_item_id) as item_hash from in_force.order_items where {near}
        ) using (order_hash, item_hash)""")
    con.execute(f"""
        create or replace temp table further_items as
        from core.order_items where not ({near}) and order_id in (from orders_named)""")
    return _shown(con, Reached((first - NEAR, last)))


def _shown(con: duckdb.DuckDBPyConnection, reached: Reached) -> Reached:
    con.execute(f"create or replace temp view reached_order_items as {reached.items}")
    return reached


def show_reached_coverage(con: duckdb.DuckDBPyConnection, coverage: str) -> None:
    """Make the temporary view `reached_coverage` by the query of core.coverage, once the tables it reads are there."""
    con.execute(
        f"create or replace temp view reached_coverage as {coverage.replace('core.order_items', 'reached_order_items')}"
    )


def _between(time: str, first: datetime, last: datetime) -> str:
    return f"{time} >= timestamp '{first}' and {time} < timestamp '{last}'"
