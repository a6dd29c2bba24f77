"""`csba status`: what is loaded, which periods have drafts, how the last runs ended, and what to do next."""

from rich.console import Console
from rich.text import Text

from assets.warehouse import Warehouse
from pipelines.printing import new_table, show_table


def show_status(console: Console, warehouse: Warehouse) -> None:
    """Print it, from a warehouse opened for reading."""
    _files(console, warehouse)
    has_drafts = bool(
        warehouse.rows("select 1 from duckdb_tables() where schema_name = 'billing' and table_name = 'statements'")
    )
    if has_drafts:
        _drafts(console, warehouse)
    _runs(console, warehouse)
    latest = warehouse.rows("select strftime(max(shipped_at), '%Y-%m') as period from raw.shipments")[0]["period"]
    if latest is None:
        console.print("Next: csba load PATH…")
    elif not has_drafts:
        console.print(f"Next: csba run {latest}")


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


def _drafts(console: Console, warehouse: Warehouse) -> None:
    rows = warehouse.rows("""
        select period, country, statement.currency, minor_units, count(*) as statements, sum(total) as total
        from billing.statements as statement
        join core.marketplaces using (marketplace_id)
        group by all
        order by period, country""")
    table = new_table("period", "marketplace", "statements", "total", "currency", left=2)
    for row in rows:
        total = f"{row['total']:,.{row['minor_units']}f}"
        table.add_row(row["period"], row["country"], f"{row['statements']:,}", total, row["currency"])
    show_table(console, "Drafts (illustrative fees, net of tax)", table)


def _runs(console: Console, warehouse: Warehouse) -> None:
    rows = warehouse.rows("select command, started_at, outcome from audit.runs order by run_id desc limit 5")
    table = new_table("command", "started (UTC)", "outcome", left=3)
    for row in rows:
        table.add_row(Text(row["command"]), f"{row['started_at']:%Y-%m-%d %H:%M}", row["outcome"])
    show_table(console, "Last runs", table)
