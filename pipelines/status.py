"""`csba status`: what is loaded, and how each marketplace stands: closed, drafted, late, and what to do next.

Does not belong here: doing any of it.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from assets.billing.outbox import STANDINGS, counts
from assets.warehouse import Warehouse, exists
from pipelines.printing import as_lines, new_table, show_table

RUNS_SHOWN = 5

LOADED = """
select
    dataset, count(*) as files, cast(sum(rows_loaded) as bigint) as rows,
    cast(sum(rows_quarantined) as bigint) as quarantined, max(loaded_at) as last_at
from audit.files
group by dataset
order by dataset"""

PERIODS = """
select
    period, marketplace_id, country, statement.currency, minor_units, status, count(*) as statements,
    sum(statement.total) as total, max(closed_by) as closed_by, max(closed_at) as closed_at
from billing.statements as statement
join core.marketplaces using (marketplace_id)
left join billing.closes using (period, marketplace_id)
group by all
order by country, period"""

STANDING = """
-- the first period that is not closed: after a close the one that follows, before any the first that was billed
with first_drafts as (
    select marketplace_id, min(period) as period from billing.statements where status = 'draft' group by marketplace_id
),
places as (
    select marketplace_id from first_drafts union select marketplace_id from billing.rerating
)
select
    places.marketplace_id, coalesce(standing.open_period, first_drafts.period) as open_period,
    month.ends_at <= $now as has_ended, coalesce(standing.load_id < $latest, false) as is_late
from places
left join first_drafts using (marketplace_id)
left join billing.rerating as standing using (marketplace_id)
left join core.calendar as month
    on month.marketplace_id = places.marketplace_id
    and month.period = coalesce(standing.open_period, first_drafts.period)"""


def status_of(warehouse: Warehouse, now: datetime) -> dict[str, Any]:
    """How everything stands, as plain values; amounts are decimals, instants UTC.

    `loaded` by dataset, and the optional ones `never_loaded`; `marketplaces`, each with `closed` (with how its
    statements stand by e-mail, if any were to be sent) and `drafts` by period, its `open_period`, whether rows came
    since its closed periods were rated (`is_late`), and what is `next`; `failing` checks of the last run; `runs`, the
    latest first; and `next`, what to do first.
    """
    is_billed = exists(warehouse.con, "billing.statements")
    periods = warehouse.rows(PERIODS) if is_billed else []
    places = {row["marketplace_id"]: row["country"] for row in periods}
    mail = counts(warehouse) if is_billed else {}
    found = warehouse.rows(STANDING, {"now": now, "latest": warehouse.latest_load()}) if is_billed else []
    standing = {row["marketplace_id"]: row for row in found}
    # A day back: the first hours of a month in UTC are often the last of the one before where the parcels left.
    (latest,) = warehouse.rows(
        "select strftime(max(shipped_at) - interval 1 day, '%Y-%m') as period from raw.shipments"
    )
    marketplaces = [
        _marketplace(name, country, [row for row in periods if row["marketplace_id"] == name], standing[name], mail)
        for name, country in places.items()
        if name in standing
    ]
    runs = warehouse.rows(
        "select run_id, command, started_at, ended_at, outcome, checks from audit.runs order by run_id desc limit ?",
        [RUNS_SHOWN],
    )
    return {
        "loaded": warehouse.rows(LOADED),
        "never_loaded": warehouse.never_loaded(),
        "marketplaces": marketplaces,
        "failing": _failing(runs),
        "runs": [{name: value for name, value in run.items() if name != "checks"} for run in runs],
        "next": _first_step(marketplaces, latest["period"]),
    }


def _marketplace(
    name: str,
    country: str,
    periods: Sequence[Mapping[str, Any]],
    standing: Mapping[str, Any],
    mail: Mapping[tuple[str, str], Mapping[str, int]],
) -> dict[str, Any]:
    shown = ("period", "statements", "total", "currency")
    closed = [row for row in periods if row["status"] == "final"]
    period, step = standing["open_period"], None
    if standing["is_late"]:
        step = f"csba run {period}"
    elif standing["has_ended"]:
        step = f"csba close {period}"
    return {
        "marketplace_id": name,
        "country": country,
        "closed": [
            {
                **{each: row[each] for each in (*shown, "closed_by", "closed_at")},
                "mail": mail.get((name, row["period"])),
            }
            for row in closed
        ],
        "drafts": [{each: row[each] for each in shown} for row in periods if row["status"] == "draft"],
        "open_period": period,
        "is_late": standing["is_late"],
        "minor_units": periods[0]["minor_units"],
        "next": step,
    }


def _failing(runs: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Check → failing rows, of the last run."""
    checks = json.loads(runs[0]["checks"] or "{}") if runs else {}
    return {name: rows for name, rows in checks.items() if rows}


def _first_step(marketplaces: Sequence[Mapping[str, Any]], latest: str | None) -> str:
    """What finance would do next; `latest` is the last month in which anything was shipped."""
    if latest is None:
        return "csba load PATH…"
    if not marketplaces:
        return f"csba run {latest}"
    late = min((each["open_period"] for each in marketplaces if each["is_late"]), default=None)
    if late:
        return f"csba run {late} (rows were loaded since; it books what they change of closed periods)"
    ended = min((each["open_period"] for each in marketplaces if each["next"]), default=None)
    if ended and ended <= latest:
        return f'csba close {ended} --by "YOUR NAME"'
    following = min((each["open_period"] for each in marketplaces if each["open_period"] <= latest), default=latest)
    return f"csba load PATH…, or csba run {following}"


def show_status(console: Console, status: Mapping[str, Any]) -> None:
    """Print it, on one screen."""
    loaded = new_table("dataset", "files", "rows", "quarantined", "last load (UTC)")
    for row in status["loaded"]:
        counts = f"{row['files']:,}", f"{row['rows']:,}", f"{row['quarantined']:,}"
        loaded.add_row(row["dataset"], *counts, f"{row['last_at']:%Y-%m-%d %H:%M}")
    show_table(console, "Loaded", loaded)
    if status["never_loaded"]:
        absent = ", ".join(name.replace("_", " ") for name in status["never_loaded"])
        console.print(Text(f"Never loaded, and left out of statements: {absent}"), soft_wrap=True)
    if status["marketplaces"]:
        _show_marketplaces(console, status["marketplaces"])
        _show_mail(console, status["marketplaces"])
    runs = new_table("command", "started (UTC)", "outcome", left=3)
    for run in status["runs"]:
        runs.add_row(Text(run["command"]), f"{run['started_at']:%Y-%m-%d %H:%M}", run["outcome"])
    show_table(console, "Last runs", runs)
    for check, rows in status["failing"].items():
        console.print(Text(as_lines(f"{rows:,} rows fail “{check}”")), soft_wrap=True)
    console.print(f"Next: {status['next']}")


def _show_marketplaces(console: Console, marketplaces: Sequence[Mapping[str, Any]]) -> None:
    table = new_table("marketplace", "closed to", "draft", "sellers", "total", "next", left=3)
    table.columns[-1].justify = "left"
    for each in marketplaces:
        closed_to = each["closed"][-1]["period"] if each["closed"] else "–"
        step = (each["next"] or "–").removeprefix("csba ") + (": late rows" if each["is_late"] else "")
        if not each["drafts"]:
            table.add_row(each["country"], closed_to, "–", "", "", step)
        for number, draft in enumerate(each["drafts"]):
            total = f"{draft['total']:,.{each['minor_units']}f} {draft['currency']}"
            amounts = draft["period"], f"{draft['statements']:,}", total
            table.add_row(*((each["country"], closed_to, *amounts, step) if number == 0 else ("", "", *amounts, "")))
    show_table(console, "Marketplaces, and their drafts (illustrative fees, net of tax)", table)


def _show_mail(console: Console, marketplaces: Sequence[Mapping[str, Any]]) -> None:
    """Of each marketplace how the last closed period was sent, and every earlier one that has not wholly arrived."""
    table = new_table("marketplace", "period", *STANDINGS.values(), left=2)
    for each in marketplaces:
        mailed = [row for row in each["closed"] if row["mail"]]
        for row in mailed:
            if row is mailed[-1] or row["mail"]["sent"] < sum(row["mail"].values()):
                counted = (f"{row['mail'][name]:,}" for name in STANDINGS)
                table.add_row(each["country"], row["period"], *counted)
    show_table(console, "Final statements by e-mail", table)
