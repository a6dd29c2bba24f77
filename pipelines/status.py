"""`csba status`: what is loaded, which periods are drafts or closed, how the last runs ended, and what to do next."""

from datetime import datetime

from rich.console import Console
from rich.text import Text

from assets.warehouse import Warehouse, exists
from pipelines.printing import new_table, show_table


def show_status(console: Console, warehouse: Warehouse, now: datetime) -> None:
    """Print it, from a warehouse opened for reading."""
    _files(console, warehouse)
    is_billed = exists(warehouse.con, "billing.statements")
    if is_billed:
        _statements(console, warehouse)
    _runs(console, warehouse)
    console.print(f"Next: {_next_step(warehouse, now, is_billed=is_billed)}")


def _next_step(warehouse: Warehouse, now: datetime, *, is_billed: bool) -> str:
    """What finance would do next."""
    # A day back: the first hours of a month in UTC are often the last of the one before where the parcels left.
    (latest,) = warehouse.rows(
        "select strftime(max(shipped_at) - interval 1 day, '%Y-%m') as period from raw.shipments"
    )
    if latest["period"] is None:
        return "csba load PATH…"
    if not is_billed:
        return f"csba run {latest['period']}"
    late = warehouse.rows(
        "select min(open_period) as period from billing.rerating where load_id < ?", [warehouse.latest_load()]
    )
    if late[0]["period"]:
        return f"csba run {late[0]['period']} (rows were loaded since; it books what they change of closed periods)"
    to_close = warehouse.rows(
        """
        select min(draft.period) as period
        from billing.statements as draft
        join core.calendar as month using (period, marketplace_id)
        left join billing.rerating as standing using (marketplace_id)
        where draft.status = 'draft' and month.ends_at <= ?
            and draft.period >= coalesce(standing.open_period, draft.period)""",
        [now],
    )
    if to_close[0]["period"]:
        return f'csba close {to_close[0]["period"]} --by "YOUR NAME"'
    (following,) = warehouse.rows(
        "select coalesce(min(open_period) filter (open_period <= $1), $1) as period from billing.rerating",
        [latest["period"]],
    )
    return f"csba load PATH…, or csba run {following['period']}"


def _files(console: Console, warehouse: Warehouse) -> None:
    rows = warehouse.rows("""
        select
            dataset, count(*) as files, cast(sum(rows_loaded) as bigint) as loaded,
            cast(sum(rows_quarantined) as bigint) as quarantined, max(loaded_at) as last_at
        from audit.files
        group by dataset
        order by dataset""")
    table = new_table("dataset", "files", "rows", "quarantined", "last load (UTC)")
    for row in rows:
        counts = f"{row['files']:,}", f"{row['loaded']:,}", f"{row['quarantined']:,}"
        table.add_row(row["dataset"], *counts, f"{row['last_at']:%Y-%m-%d %H:%M}")
    show_table(console, "Loaded", table)


def _statements(console: Console, warehouse: Warehouse) -> None:
    rows = warehouse.rows("""
        select
            period, country, statement.currency, minor_units, count(*) as number, sum(statement.total) as total,
            max(closed_by) as closed_by
        from billing.statements as statement
        join core.marketplaces using (marketplace_id)
        left join billing.closes using (period, marketplace_id)
        group by all
        order by period, country""")
    table = new_table("period", "marketplace", "statements", "total", "currency", "", left=2)
    for row in rows:
        total = f"{row['total']:,.{row['minor_units']}f}"
        books = f"closed by {row['closed_by']}" if row["closed_by"] else "draft"
        table.add_row(row["period"], row["country"], f"{row['number']:,}", total, row["currency"], Text(books))
    show_table(console, "Statements (illustrative fees, net of tax)", table)


def _runs(console: Console, warehouse: Warehouse) -> None:
    rows = warehouse.rows("select command, started_at, outcome from audit.runs order by run_id desc limit 5")
    table = new_table("command", "started (UTC)", "outcome", left=3)
    for row in rows:
        table.add_row(Text(row["command"]), f"{row['started_at']:%Y-%m-%d %H:%M}", row["outcome"])
    show_table(console, "Last runs", table)
