"""Which open periods the rows of a load touch, so that their drafts can be made anew.

It errs on the side of too many: to make a month again of which nothing has changed costs little and changes nothing.
What a row touches is read from raw rows alone, because the tables of a month that was never made do not exist yet.

Does not belong here: working out what changes, and making anything.
"""

from collections.abc import Iterator, Mapping

from assets.billing.late import CLOCKS
from assets.core.calendar import month_of
from assets.core.marketplaces import Marketplace
from assets.raw.datasets import DATASETS
from assets.tables import UNKNOWN
from assets.warehouse import Warehouse, exists


def periods_touched(
    warehouse: Warehouse, marketplaces: Mapping[str, Marketplace], *, since: int
) -> dict[str, list[str]]:
    """Open period → marketplaces in which rows of later loads than `since` change something, both in order.

    A closed period stands for the first open one, where its adjustments are booked. What is earlier than the first
    closed one was never billed. With a period go the later drafts, which tell of the months before them.
    """
    found = _touched(warehouse, marketplaces, since)
    closed, drafts = _closed(warehouse), _drafts(warehouse)
    touched: dict[str, set[str]] = {}
    for marketplace, periods in found.items():
        first, last = closed.get(marketplace, ("", ""))
        opened = {f"{month_of(last)[1]:%Y-%m}" if period <= last else period for period in periods if period >= first}
        later = {period for period in drafts.get(marketplace, ()) if opened and period > min(opened)}
        for period in opened | later:
            touched.setdefault(period, set()).add(marketplace)
    return {period: sorted(touched[period]) for period in sorted(touched)}


def _touched(warehouse: Warehouse, marketplaces: Mapping[str, Marketplace], since: int) -> dict[str, set[str]]:
    """Marketplace → periods, closed or not; rows without a marketplace under `unknown`, in months of UTC."""
    con = warehouse.con
    news = {
        dataset
        for (dataset,) in con.execute(
            "select distinct dataset from audit.files where load_id > ? and rows_loaded > 0", [since]
        ).fetchall()
    }
    found: dict[str, set[str]] = {}
    selects = list(_times(news & set(CLOCKS), since))
    if selects:
        zones = (
            "(values "
            + ", ".join(
                f"('{name}', '{zone}')"
                for name, zone in {
                    **{m.marketplace_id: m.time_zone for m in marketplaces.values()},
                    UNKNOWN: "UTC",
                }.items()
            )
            + ") as zones(marketplace_id, zone)"
        )
        # Clocks differ by quarters of an hour: few instants are left of many rows, before any is put on a clock.
        rows = con.execute(f"""
            with places as (select distinct order_id, marketplace_id from in_force.order_items),
            times as ({" union all ".join(selects)}),
            quarters as (
                select distinct coalesce(times.marketplace_id, places.marketplace_id, '{UNKNOWN}') as marketplace_id,
                    time_bucket(interval 15 minutes, times.happened_at) as happened_at
                from times left join places using (order_id)
            )
            select distinct marketplace_id,
                strftime(timezone(zone, timezone('UTC', happened_at)), '%Y-%m') as period
            from quarters join {zones} using (marketplace_id)""").fetchall()
        for marketplace, period in rows:
            found.setdefault(marketplace, set()).add(period)
    # Where sellers or their stays change, anything may: all that is not closed, and what closed periods come to now.
    if news & {"sellers", "enrolment_events"}:
        for marketplace, (_, last) in _closed(warehouse).items():
            found.setdefault(marketplace, set()).add(last)
        for marketplace, periods in _drafts(warehouse).items():
            found.setdefault(marketplace, set()).update(periods)
    return found


def _times(news: set[str], since: int) -> Iterator[str]:
    """Queries of orders and instants: of what came, of what it beats, and of what waited for an item that came."""
    for name in sorted(news):
        clock, key = CLOCKS[name], ", ".join(DATASETS[name].key)
        marketplace = "marketplace_id" if name == "order_items" else "null"
        yield f"""
            select order_id, {marketplace} as marketplace_id, {clock} as happened_at from raw.{name}
            semi join (select {key} from raw.{name} where load_id > {since}) using ({key})"""
    if "order_items" in news:
        for name in sorted(set(CLOCKS) - {"order_items"}):
            yield f"""
                select order_id, null as marketplace_id, {CLOCKS[name]} as happened_at from raw.{name}
                semi join (select order_id from raw.order_items where load_id > {since}) using (order_id)"""


def _closed(warehouse: Warehouse) -> dict[str, tuple[str, str]]:
    """Marketplace → its first and its last closed period."""
    query = "select marketplace_id, min(period), max(period) from billing.closes group by marketplace_id"
    return {name: (first, last) for name, first, last in warehouse.con.execute(query).fetchall()}


def _drafts(warehouse: Warehouse) -> dict[str, set[str]]:
    """Marketplace → periods that have draft statements."""
    found: dict[str, set[str]] = {}
    if exists(warehouse.con, "billing.statements"):
        query = "select distinct marketplace_id, period from billing.statements where status = 'draft'"
        for name, period in warehouse.con.execute(query).fetchall():
            found.setdefault(name, set()).add(period)
    return found
