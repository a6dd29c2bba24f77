"""Closing a period: what is about to be frozen, whether it may be, and the one transaction that freezes it.

Rules: domain.md, "Closing, and what comes late". The period is brought up to date first (`running.py`), so that what
is shown is what is frozen. Balances of earlier months that late rows carried forward are counted again from all raw
rows. A close writes `billing.closes` and everything that is kept with it; nothing rewrites that.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from assets.billing.books import LINE_COLUMNS, keep_terms, rerating_of
from assets.billing.recounting import recount
from assets.core.calendar import first_instant, month_of
from assets.core.marketplaces import COLUMNS, Marketplace
from assets.core.terms import Terms
from assets.making import ChecksFailedError, choose, create, replace_and_check
from assets.settings import Settings
from assets.tables import step_of
from assets.warehouse import Warehouse
from reports.close_report import write_close_reports
from reports.statement import Press, write_statements
from reports.statement.names import INDEX_PAGE, MANIFEST
from reports.statement.writing import make_final

PAGES_AT_A_TIME = 500

GATES = (
    *("core.units", "core.contacts", "audit.unit_balance", "audit.contact_balance", "audit.exceptions"),
    *("billing.performance", "billing.fee_lines", "billing.adjustments", "billing.statements"),
)
"""What the run that closes must have made of the period, with all checks holding."""


class CloseError(Exception):
    """A period that cannot be closed; the message says why and what to do."""


@dataclass(frozen=True)
class Preview:
    """What closing a period of a marketplace would freeze."""

    marketplace: Marketplace
    statements: int
    sellers_charged: int
    units: int
    unmatched: int
    charges: Decimal
    adjustments: Decimal
    total: Decimal
    exceptions: int
    quarantined: int
    """Rows refused by all loads so far, of any marketplace: they may belong to this period."""
    days_without: Mapping[str, int]
    """Dataset → days of the period on which nothing of it happened."""


def to_close(
    warehouse: Warehouse, period: str, listed: Mapping[str, Marketplace], chosen: Sequence[str], now: datetime
) -> tuple[list[str], list[str]]:
    """The marketplaces whose period can be closed, of those chosen, and those where it is closed already.

    Without a choice: every marketplace with a closed period before, or with anything loaded for this one. Raises
    `CloseError` where the period has not ended, or is not the next to close.
    """
    standing = rerating_of(warehouse.con)
    closed = {
        row["marketplace_id"]
        for row in warehouse.rows("select marketplace_id from billing.closes where period = ?", [period])
    }
    names = list(chosen) or [name for name in listed if name in standing or _is_active(warehouse, listed[name], period)]
    due = [name for name in names if name not in closed]
    for name in due:
        where = f"{period} of {listed[name].country} ({name})"
        ends_at = first_instant(month_of(period)[1], listed[name].zone)
        if now < ends_at:
            raise CloseError(f"{where} has not ended: it does at {ends_at:%Y-%m-%d %H:%M} UTC")
        if name in standing and period < standing[name]["first_period"]:
            raise CloseError(
                f"{where} lies before {standing[name]['first_period']}, the first that was closed: it was never billed"
            )
        if name in standing and period > standing[name]["open_period"]:
            raise CloseError(f"{where} cannot be closed before {standing[name]['open_period']}: periods close in order")
    return due, [name for name in names if name in closed]


def preview(warehouse: Warehouse, period: str, marketplace: Marketplace) -> Preview:
    """What closing would freeze, from the period's tables as they are."""
    key = [period, marketplace.marketplace_id]
    (money,) = warehouse.rows(
        """
        select count(*) as statements, count(*) filter (total <> 0) as charged,
            coalesce(sum(charges), 0) as charges, coalesce(sum(adjustments), 0) as adjustments,
            coalesce(sum(total), 0) as total
        from billing.statements where period = ? and marketplace_id = ?""",
        key,
    )
    (units,) = warehouse.rows(
        "select coalesce(sum(trial + chargeable), 0) as units from audit.unit_balance"
        " where period = ? and marketplace_id = ?",
        key,
    )
    (unmatched,) = warehouse.rows(
        "select coalesce(sum(unmatched), 0) as units from audit.unit_balance"
        " where period = ? and marketplace_id = 'unknown'",
        [period],
    )
    (exceptions,) = warehouse.rows(
        "select count(*) as number from audit.exceptions where period = ? and marketplace_id = ?", key
    )
    (quarantined,) = warehouse.rows("select count(*) as number from audit.quarantine")
    return Preview(
        marketplace=marketplace,
        statements=money["statements"],
        sellers_charged=money["charged"],
        units=int(units["units"]),
        unmatched=int(unmatched["units"]),
        charges=money["charges"],
        adjustments=money["adjustments"],
        total=money["total"],
        exceptions=exceptions["number"],
        quarantined=quarantined["number"],
        days_without=_days_without(warehouse, period, marketplace),
    )


def close(
    warehouse: Warehouse,
    settings: Settings,
    period: str,
    marketplaces: Sequence[Marketplace],
    terms: Mapping[str, Terms],
    *,
    by: str,
    now: datetime,
    press: Press,
) -> None:
    """Freeze the period of these marketplaces, in one transaction, and write the final statements.

    Raises `CloseError` unless this very run has brought the period up to date, without a failed check and with all rows
    that are loaded; if closed months do not add up with what came late; if a statement cannot be made; or if the books
    would contradict what is known.
    """
    con = warehouse.con
    latest = warehouse.latest_load()
    pairs = [(period, marketplace.marketplace_id) for marketplace in marketplaces]
    standing = rerating_of(con)
    for marketplace in marketplaces:
        name = marketplace.marketplace_id
        where = f"{period} of {marketplace.country} ({name})"
        if name not in terms:
            raise CloseError(f"{where} has no terms that can be used")
        if warehouse.terms_used.get(name) not in (None, terms[name].sha256):
            raise CloseError(f"{where}: its terms were changed while it was being closed; close it again")
        behind = [table for table in GATES if warehouse.made.get(table, {}).get((period, name)) != latest]
        if behind or (name in standing and standing[name]["load_id"] != latest):
            raise CloseError(f"{where} was not brought up to date in this run: use csba close, or the job close_month")
    count_again(warehouse, period, [marketplace.marketplace_id for marketplace in marketplaces])
    con.execute("create or replace temp table pages_to_keep as from billing.kept_pages limit 0")
    manifests = {}
    for marketplace in marketplaces:
        name = marketplace.marketplace_id
        written, folder = make_final(con, period, name, settings.statements, press, warehouse.on_statements)
        if written.broken:
            shutil.rmtree(folder)
            raise CloseError("\n".join(written.broken))
        manifests[name] = (folder / MANIFEST).read_text(encoding="utf-8")
        _gather_pages(warehouse, period, name, folder, json.loads(manifests[name]))
    journal = step_of("billing.journal")
    for table in journal:
        create(con, table)
    choose(con, pairs)
    with warehouse.transaction():
        for marketplace in marketplaces:
            name = marketplace.marketplace_id
            _enter(warehouse, period, marketplace, terms[name], by, now, latest, press.code_version, manifests[name])
        con.execute("insert into billing.kept_pages from pages_to_keep")
        closing = "(period, marketplace_id) in (select period, marketplace_id from scope)"
        con.execute(f"update billing.statements set status = 'final' where {closing}")
        replace_and_check(warehouse, journal)
        _post_lines(warehouse)
    con.execute("drop table pages_to_keep")
    write_statements(con, pairs, settings.statements, press)
    write_close_reports(con, pairs, settings.close_reports)


def count_again(warehouse: Warehouse, period: str, names: Sequence[str]) -> None:
    """Before a period is closed, count earlier months again that late rows carried forward. Raises `CloseError`."""
    try:
        recount(warehouse, names)
    except ChecksFailedError as error:
        raise CloseError(
            "closed months do not add up with what came late; nothing was closed. It is a fault of this program, or"
            f" rows were changed by hand\n{error}\ncsba run {period} --anew rates those months anew from all rows, and"
            " what differs becomes adjustments: look at them before you close"
        ) from error


def lost_files(period: str, lost: Sequence[str]) -> list[str]:
    """What is said of files of final statements that are lost and not in the books to be put back: a line a folder."""
    folders: dict[Path, list[str]] = {}
    for path in map(Path, lost):
        folders.setdefault(path.parent, []).append(path.name)
    return [
        f"{len(names):,} file{'' if len(names) == 1 else 's'} of final statements not in {folder}, such as {names[0]}:"
        f" csba reproduce {period} --out {folder.parents[1]} makes them again"
        for folder, names in folders.items()
    ]


# -- what there is -------------------------------------------------------------------------------------------------


def _is_active(warehouse: Warehouse, marketplace: Marketplace, period: str) -> bool:
    """Whether a marketplace has any order in the period, or a seller enrolled by its end."""
    start, end = (first_instant(day, marketplace.zone) for day in month_of(period))
    found = warehouse.rows(
        """
        select 1 from raw.order_items where marketplace_id = $id and purchased_at < $end and purchased_at >= $start
        union all
        select 1 from raw.enrolment_events where marketplace_id = $id and effective_at < $end
        limit 1""",
        {"id": marketplace.marketplace_id, "start": start, "end": end},
    )
    return bool(found)


def _days_without(warehouse: Warehouse, period: str, marketplace: Marketplace) -> dict[str, int]:
    start, end = month_of(period)
    days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
    bounds = [first_instant(day, marketplace.zone) for day in days]
    rows = pl.DataFrame({"starts_at": bounds[:-1], "ends_at": bounds[1:]})
    con, missing = warehouse.con, {}
    con.register("days", rows)
    for what, table, clock in (
        ("orders", "core.order_items", "purchased_at"),
        ("shipments", "core.units", "shipped_at"),
        ("contacts", "core.contacts", "contacted_at"),
    ):
        among = "" if table == "core.order_items" else "and period = $period"
        query = f"""
            select count(*) from days where not exists (
                from {table} as happened
                where happened.marketplace_id = $id {among} and {clock} >= $first and {clock} < $last
                    and {clock} >= days.starts_at and {clock} < days.ends_at
            )"""
        values: dict[str, Any] = {"id": marketplace.marketplace_id, "first": bounds[0], "last": bounds[-1]}
        if among:
            values["period"] = period
        (missing[what],) = con.execute(query, values).fetchall()[0]
    con.unregister("days")
    return missing


# -- the transaction -----------------------------------------------------------------------------------------------


def _gather_pages(
    warehouse: Warehouse, period: str, marketplace_id: str, folder: Path, manifest: Mapping[str, Any]
) -> None:
    """Put the pages and data of final statements into `pages_to_keep`, some at a time."""
    pages = [(name, None, None) for name in manifest["files"] if name == INDEX_PAGE]
    for statement_id, entry in manifest["statements"].items():
        html_name, json_name = (next(n for n in entry["files"] if n.endswith(end)) for end in (".html", ".json"))
        pages.append((html_name, statement_id, json_name))
    for some in (pages[n : n + PAGES_AT_A_TIME] for n in range(0, len(pages), PAGES_AT_A_TIME)):
        rows = pl.DataFrame(
            {
                "file_name": [page[0] for page in some],
                "statement_id": [page[1] for page in some],
                "html": [(folder / page[0]).read_text(encoding="utf-8") for page in some],
                "json_name": [page[2] for page in some],
                "view": [page[2] and (folder / page[2]).read_text(encoding="utf-8") for page in some],
            },
            schema_overrides={"statement_id": pl.String, "json_name": pl.String, "view": pl.String},
        )
        warehouse.con.register("pages_made", rows)
        warehouse.con.execute(
            "insert into pages_to_keep by name select $1 as period, $2 as marketplace_id, * from pages_made",
            [period, marketplace_id],
        )
        warehouse.con.unregister("pages_made")


def _enter(
    warehouse: Warehouse,
    period: str,
    marketplace: Marketplace,
    terms: Terms,
    by: str,
    now: datetime,
    load_id: int,
    code_version: str,
    manifest: str,
) -> None:
    """The row of `billing.closes`, and how far the marketplace is re-rated: up to here."""
    con, name = warehouse.con, marketplace.marketplace_id
    keep_terms(con, terms.sha256, name, terms.text)
    listed_as = json.dumps({column: getattr(marketplace, column) for column in COLUMNS})
    con.execute(
        """
        insert into billing.closes by name
        select $period as period, $id as marketplace_id, $now as closed_at, $by as closed_by, $load as load_id,
            $terms as terms_sha256, $code as code_version, cast(coalesce(sum(total), 0) as decimal(18, 4)) as total,
            $currency as currency, count(*) as statements, $manifest as manifest, $listed as marketplace
        from billing.statements where period = $period and marketplace_id = $id""",
        {
            "period": period,
            "id": name,
            "now": now,
            "by": by,
            "load": load_id,
            "terms": terms.sha256,
            "code": code_version,
            "manifest": manifest,
            "currency": marketplace.currency,
            "listed": listed_as,
        },
    )
    con.execute(
        """
        insert into billing.rerating by name
        select $id as marketplace_id, $period as first_period
        where $id not in (select marketplace_id from billing.rerating)""",
        {"id": name, "period": period},
    )
    con.execute(
        """
        update billing.rerating
        set load_id = $load, terms_sha256 = $terms,
            has_returns = $id in (select marketplace_id from core.marketplaces_with_returns),
            open_period = (
                select following.period
                from core.calendar as this
                join core.calendar as following
                    on following.marketplace_id = this.marketplace_id and following.starts_at = this.ends_at
                where this.marketplace_id = $id and this.period = $period
            )
        where marketplace_id = $id""",
        {"id": name, "load": load_id, "terms": terms.sha256, "period": period},
    )


def _post_lines(warehouse: Warehouse) -> None:
    """Bring `billing.posted_lines` to what the books now say, which is all that is known."""
    con = warehouse.con
    key = "period, marketplace_id, seller_id, terms_id, kind"
    posted = "(posted_period, marketplace_id) in (select period, marketplace_id from scope) and kind <> 'credit'"
    con.execute(f"""
        delete from billing.posted_lines where ({key}) in (
            select ({key}) from billing.adjustments where {posted} and entry = 'reversal'
        )""")
    con.execute(f"""
        insert into billing.posted_lines by name
        select {LINE_COLUMNS} from billing.adjustments where {posted} and entry = 'correction'""")
    fresh = f"select {LINE_COLUMNS} from billing.fee_lines semi join scope using (period, marketplace_id)"
    con.execute(f"insert into billing.posted_lines by name {fresh}")
    con.execute(f"insert into billing.rerated_lines by name {fresh}")
    among = "where marketplace_id in (select marketplace_id from scope)"
    different = con.execute(f"""
        select period, seller_id from (
            (from billing.posted_lines {among} except all from billing.rerated_lines {among})
            union all (from billing.rerated_lines {among} except all from billing.posted_lines {among})
        ) limit 1""").fetchall()
    if different:
        raise CloseError(
            f"after this close the books would contradict what is known of {different[0][1]} in {different[0][0]}:"
            " a fault of this program; nothing was closed"
        )
