"""The jobs: load files, the billing month and its close, by period; and a month's last assets, statements and closes.

Every step of a run is made in one process (`definitions.py`), because the warehouse has one writer.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from assets.billing import books
from assets.core.marketplaces import read_marketplaces
from assets.core.terms import terms_for_a_run
from assets.figures import figures_of, figures_of_whole
from assets.making import create, set_scope
from assets.settings import Settings
from assets.sql_assets import PERIODS, UP_TO_DATE, Selection, labels, leave_out_refused, shown_of
from assets.tables import step_of
from assets.warehouse import Warehouse
from pipelines.closing import CloseError, close, lost_files, to_close
from pipelines.press import press_of
from pipelines.unchanged import Pages
from reports.close_report import report_page, write_close_reports
from reports.pdf import PdfError
from reports.statement import found_in, statements_of, write_statements

STATEMENTS = dg.AssetKey(["reports", "statements"])
CLOSE_REPORTS = dg.AssetKey(["reports", "close_reports"])
CLOSES = dg.AssetKey(["billing", "closes"])


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            STATEMENTS,
            deps=[
                ["billing", "statements"],
                ["billing", "fee_lines"],
                ["billing", "adjustments"],
                ["billing", "performance"],
                ["billing", "service"],
                ["billing", "refunds"],
                ["core", "units"],
                ["core", "contacts"],
                ["core", "enrolments"],
                ["core", "sellers"],
                ["core", "order_items"],
                ["core", "terms"],
                ["core", "tiers"],
                ["core", "calendar"],
                ["core", "marketplaces"],
                ["core", "marketplaces_with_returns"],
            ],
            description=(
                "Per seller, marketplace and period: a statement as HTML and PDF, its data as JSON, its lines as CSV,"
                " below CSBA_HOME/statements."
            ),
            **labels("reports"),
            freshness_policy=UP_TO_DATE,
            kinds={"html", "pdf"},
        )
    ],
    partitions_def=PERIODS,
)
def reports_statements(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    settings: dg.ResourceParam[Settings],
    selection: Selection,
) -> dg.MaterializeResult:
    """Write the draft statements of a period anew, of marketplaces where anything has changed."""
    period, press = context.partition_key, press_of(settings)
    pages = Pages(warehouse, "reports.statements", press.label)
    places = {
        pair: statements_of(settings.statements, *pair) for pair in _in_scope(context, warehouse, settings, selection)
    }
    changed = [pair for pair, place in places.items() if not pages.are_as_made(pair, place)]
    try:
        written = write_statements(warehouse.con, changed, settings.statements, press, warehouse.on_statements)
    except PdfError as error:
        warehouse.failures.append(str(error))
        raise dg.Failure(str(error), allow_retries=False) from error
    for pair, place in places.items():
        if pair not in changed:
            written.add(found_in(place))
    for name in ("statements", "made", "without_glyphs"):
        counted = "statements" if name == "statements" else f"statements_{name}"
        warehouse.counts[counted] = warehouse.counts.get(counted, 0) + getattr(written, name)
    wrong = [*written.broken, *lost_files(period, written.lost)]
    if wrong:
        warehouse.failures.extend(wrong)
        raise dg.Failure("\n".join(wrong), allow_retries=False)
    for pair in changed:
        pages.note(pair, places[pair])
    (statements,) = step_of("billing.statements")
    figures = figures_of(warehouse.con, statements, period, read_marketplaces(settings.marketplaces))
    return dg.MaterializeResult(
        metadata={
            **shown_of(figures),
            "statements": written.statements,
            "made_anew": written.made,
            "folder": dg.MetadataValue.path(settings.statements / period),
        }
    )


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            CLOSE_REPORTS,
            deps=[
                *(["billing", "statements"], ["billing", "fee_lines"], ["billing", "adjustments"]),
                *(["billing", "performance"], ["core", "units"], ["core", "contacts"]),
                *(["core", "order_items"], ["core", "sellers"], ["core", "calendar"], ["core", "marketplaces"]),
                *(["audit", "unit_balance"], ["audit", "contact_balance"], ["audit", "exceptions"]),
            ],
            description=(
                "Per marketplace and period: the page that finance reads before it closes, below"
                " CSBA_HOME/close_reports."
            ),
            **labels("reports"),
            freshness_policy=UP_TO_DATE,
            kinds={"html"},
        )
    ],
    partitions_def=PERIODS,
)
def reports_close_reports(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    settings: dg.ResourceParam[Settings],
    selection: Selection,
) -> dg.MaterializeResult:
    """Write the close report of a period anew, of marketplaces where anything has changed."""
    closed = {(row["period"], row["marketplace_id"]) for row in warehouse.rows("from billing.closes")}
    every = _in_scope(context, warehouse, settings, selection)
    scope = [
        pair
        for pair in every
        # what was signed stays as it was signed
        if pair not in closed or not report_page(settings.close_reports, *pair).exists()
    ]
    for table in step_of("billing.journal"):  # made by the first close; a report before it finds no entry
        create(warehouse.con, table)
    pages = Pages(warehouse, "reports.close_reports")
    places = {pair: report_page(settings.close_reports, *pair) for pair in scope}
    changed = [pair for pair, place in places.items() if not pages.are_as_made(pair, place)]
    written = write_close_reports(warehouse.con, changed, settings.close_reports)
    for pair in changed:
        pages.note(pair, places[pair])
    (exceptions,) = step_of("audit.exceptions")
    figures = figures_of(warehouse.con, exceptions, context.partition_key, read_marketplaces(settings.marketplaces))
    return dg.MaterializeResult(
        metadata={
            **shown_of(replace(figures, rows=len(every))),
            "made_anew": len(written),
            "folder": dg.MetadataValue.path(settings.close_reports / context.partition_key),
        }
    )


def _in_scope(
    context: dg.AssetExecutionContext, warehouse: Warehouse, settings: Settings, selection: Selection
) -> list[tuple[str, str]]:
    """The period with each marketplace that the run is about."""
    leave_out_refused(warehouse, settings, selection)
    set_scope(warehouse, context.partition_key, selection.marketplaces)
    chosen = "select marketplace_id from core.marketplaces semi join scope using (marketplace_id) order by all"
    return [(context.partition_key, row["marketplace_id"]) for row in warehouse.rows(chosen)]


class Closing(dg.Config):
    """Who answers for a close."""

    by: str = Field(description="The name of whoever answers for the close; it is kept with it, for good.")


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            CLOSES,
            deps=[
                *(STATEMENTS, CLOSE_REPORTS),
                *(["billing", "statements"], ["billing", "adjustments"], ["billing", "fee_lines"]),
                *(["audit", "unit_balance"], ["audit", "contact_balance"], ["audit", "exceptions"]),
                ["core", "accounts"],
            ],
            description=f"{books.TABLES['billing.closes'][0]} Freezes the period: made by the job close_month alone.",
            **labels("billing"),
            kinds={"duckdb", "table"},
        )
    ],
    partitions_def=PERIODS,
)
def billing_closes(
    context: dg.AssetExecutionContext,
    config: Closing,
    warehouse: dg.ResourceParam[Warehouse],
    settings: dg.ResourceParam[Settings],
    selection: Selection,
) -> dg.MaterializeResult:
    """Close the period of the marketplaces selected, if every check before it held.

    If none is selected, those whose terms are refused were not brought up to date, and stay open.
    """
    leave_out_refused(warehouse, settings, selection)
    left_out = {} if selection.marketplaces else warehouse.left_out or {}
    every, now = read_marketplaces(settings.marketplaces), datetime.now(UTC).replace(tzinfo=None)
    listed = {name: marketplace for name, marketplace in every.items() if name not in left_out}
    period = context.partition_key
    if not config.by.strip():
        raise dg.Failure("by is the name of whoever answers for the close", allow_retries=False)
    try:
        due, already = to_close(warehouse, period, listed, selection.marketplaces, now)
        cards, _ = terms_for_a_run(warehouse.con, settings.terms, every, reprice=selection.reprice)
        by_name = {card.marketplace_id: card for card in cards}
        marketplaces = [listed[name] for name in due]
        by, press = config.by.strip(), press_of(settings)
        close(warehouse, settings, period, marketplaces, by_name, by=by, now=now, press=press)
    except CloseError as error:
        warehouse.failures.append(str(error))
        raise dg.Failure(str(error), allow_retries=False) from error
    columns = books.TABLES["billing.closes"][1]
    return dg.MaterializeResult(
        metadata={
            **shown_of(figures_of_whole(warehouse.con, "billing.closes", columns, every)),
            "closed": ", ".join(due) or "none",
            "closed_already": ", ".join(already) or "none",
            "left_out": ", ".join(left_out) or "none",
        }
    )


RETRIED = {"dagster/max_retries": "2", "dagster/retry_strategy": "ALL_STEPS"}
"""Tags of jobs that may be run twice: what has been done is found done. A run whose process was killed is started again
from its beginning; one that failed is not, because the same would come of it (dagster.yaml, `running.py`)."""


def marketplaces_of(run_config: Mapping[str, Any]) -> list[str]:
    """The marketplaces that a run selects by its configuration; none: all."""
    return list(run_config.get("resources", {}).get("selection", {}).get("config", {}).get("marketplaces") or ())


def tags_of(run_config: Mapping[str, Any], period: str | None) -> dict[str, str]:
    """How a run of a period is found on the page, by that and its marketplaces; a load has neither."""
    if period is None:
        return {}
    return {"csba/period": period, "csba/marketplaces": ",".join(marketplaces_of(run_config)) or "all"}


load_files = dg.define_asset_job(
    "load_files",
    selection=dg.AssetSelection.groups("raw"),
    description="Load new files and folders, once each by content. Config: the paths.",
    tags=RETRIED,
)

_MONTH = dg.AssetSelection.all() - dg.AssetSelection.groups("raw") - dg.AssetSelection.assets(CLOSES)

billing_month = dg.define_asset_job(
    "billing_month",
    selection=_MONTH,
    description="Bring a period's tables and draft statements up to date, with adjustments of closed periods.",
    tags=RETRIED,
)

billing_tables = dg.define_asset_job(
    "billing_tables",
    selection=_MONTH - dg.AssetSelection.groups("reports"),
    description="Bring a period's tables up to date, with all their checks, and make no page.",
    tags=RETRIED,
)

close_month = dg.define_asset_job(
    "close_month",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups("raw"),
    description=(
        "Bring a period up to date and, if every check holds, shut its books. Config: who answers for it. It is never"
        " retried."
    ),
)
