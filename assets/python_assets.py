"""The tables that Python makes, as Dagster assets.

Raw rows from files; marketplaces, their calendar, accounts and terms; and the lines of closed periods as known now.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from assets.billing import books
from assets.billing.rerating import rerate
from assets.core import accounts, calendar, marketplaces, terms
from assets.raw.contracts import DATASETS, Dataset
from assets.raw.loading import load
from assets.raw.sources import read_sources
from assets.settings import Settings
from assets.sql_assets import PERIODS, Selection, leave_out_refused
from assets.warehouse import Warehouse

ACCOUNTED = "every_row_read_is_accounted_for"


class Files(dg.Config):
    """What to load: files, and folders of files."""

    paths: list[str]


def python_assets() -> list[dg.AssetsDefinition]:
    """The definitions, in the order of the data."""
    return [raw, core_marketplaces, core_calendar, core_accounts, core_terms, billing_rerated_lines]


def _raw_spec(dataset: Dataset) -> dg.AssetSpec:
    columns = [
        dg.TableColumn(name, kind, description=dataset.schema.columns[name].description)
        for name, kind in dataset.columns.items()
    ]
    return dg.AssetSpec(
        ["raw", dataset.name],
        description=f"{dataset.description} Append-only: the rows of files, typed, with load, file and row number.",
        group_name="raw",
        kinds={"duckdb", "pandera"},
        metadata={"key": ", ".join(dataset.key), "dagster/column_schema": dg.TableSchema(columns)},
    )


@dg.multi_asset(
    specs=[_raw_spec(dataset) for dataset in DATASETS.values()],
    check_specs=[
        dg.AssetCheckSpec(
            ACCOUNTED,
            asset=["raw", name],
            blocking=True,
            description="read = loaded + duplicate + quarantined + skipped",
        )
        for name in DATASETS
    ],
    can_subset=False,
)
def raw(
    config: Files, warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings]
) -> Iterator[dg.MaterializeResult]:
    """Load the new files among those named."""
    report = load(
        warehouse,
        [Path(path) for path in config.paths],
        sources=read_sources(settings.sources),
        marketplaces=marketplaces.read_marketplaces(settings.marketplaces),
        now=datetime.now(UTC).replace(tzinfo=None),
        limits=settings.limits,
    )
    warehouse.failures.extend(f"{refusal.path}: {refusal.reason}" for refusal in report.refusals)
    for name in DATASETS:
        files = [file for file in report.loads if file.dataset == name]
        unaccounted = warehouse.con.execute(
            "select count(*) from audit.files where dataset = ?"
            " and rows_read <> rows_loaded + rows_duplicate + rows_quarantined + rows_skipped",
            [name],
        ).fetchall()[0][0]
        yield dg.MaterializeResult(
            asset_key=["raw", name],
            metadata={
                "files": len(files),
                "rows_loaded": sum(file.rows_loaded for file in files),
                "rows_duplicate": sum(file.rows_duplicate for file in files),
                "rows_quarantined": sum(file.rows_quarantined for file in files),
                "rows_skipped": sum(file.rows_skipped for file in files),
            },
            check_results=[dg.AssetCheckResult(check_name=ACCOUNTED, asset_key=["raw", name], passed=unaccounted == 0)],
        )
    if report.refusals:
        refused = "\n".join(f"{refusal.path}: {refusal.reason}" for refusal in report.refusals)
        raise dg.Failure(f"these files were refused, the others are loaded:\n{refused}", allow_retries=False)


def _spec(name: str, description: str, columns: Mapping[str, tuple[str, str]], *deps: str) -> dg.AssetSpec:
    schema = dg.TableSchema(
        [dg.TableColumn(column, kind, description=meaning) for column, (kind, meaning) in columns.items()]
    )
    return dg.AssetSpec(
        name.split("."),
        deps=[dep.split(".") for dep in deps],
        description=description,
        group_name=name.partition(".")[0],
        kinds={"duckdb", "table"},
        metadata={"dagster/column_schema": schema},
    )


@dg.multi_asset(specs=[_spec("core.marketplaces", marketplaces.DESCRIPTION, marketplaces.COLUMNS, "raw.order_items")])
def core_marketplaces(
    warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult:
    """Read marketplaces.csv."""
    rows = marketplaces.make_marketplaces(warehouse, marketplaces.read_marketplaces(settings.marketplaces))
    return dg.MaterializeResult(metadata={"dagster/row_count": rows})


@dg.multi_asset(specs=[_spec("core.calendar", calendar.DESCRIPTION, calendar.COLUMNS, "core.marketplaces")])
def core_calendar(warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult:
    """Work out the months of every marketplace's zone."""
    rows = calendar.make_calendar(warehouse, marketplaces.read_marketplaces(settings.marketplaces))
    return dg.MaterializeResult(metadata={"dagster/row_count": rows})


@dg.multi_asset(specs=[_spec("core.accounts", accounts.DESCRIPTION, accounts.COLUMNS)])
def core_accounts(warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult:
    """Read accounts.toml."""
    rows = accounts.make_accounts(warehouse, accounts.read_accounts(settings.accounts))
    return dg.MaterializeResult(metadata={"dagster/row_count": rows})


@dg.multi_asset(
    name="core_terms",
    specs=[
        _spec("core.terms", terms.DESCRIPTION, terms.COLUMNS, "core.marketplaces"),
        _spec("core.tiers", terms.TIERS_DESCRIPTION, terms.TIERS_COLUMNS, "core.marketplaces"),
    ],
    can_subset=False,
)
def core_terms(
    warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings], selection: Selection
) -> Iterator[dg.MaterializeResult]:
    """Read the terms; a file that is refused stops the billing of its marketplace, not of the others.

    A run that selects that marketplace fails here; one that selects none goes on without it.
    """
    leave_out_refused(warehouse, settings, selection)
    listed = marketplaces.read_marketplaces(settings.marketplaces)
    cards, refused = terms.terms_for_a_run(warehouse.con, settings.terms, listed, reprice=selection.reprice)
    rows = terms.make_terms(warehouse, cards, listed)
    for name, count in rows.items():
        yield dg.MaterializeResult(
            asset_key=name.split("."),
            metadata={
                "dagster/row_count": count,
                "refused": "\n".join(map(str, refused)) or "none",
                "left_out": ", ".join(warehouse.left_out or ()) or "none",
            },
        )
    stopping = [str(error) for error in refused if error.marketplace_id in selection.marketplaces]
    if stopping:
        raise dg.Failure("\n".join(stopping), allow_retries=False)


RERATED = (
    "billing.posted_lines",
    "billing.rerated_lines",
    "billing.rerating",
    "billing.late_causes",
    "billing.kept_evidence",
    "billing.credits",
)
"""What earlier closes left, and what is known of it now."""


@dg.multi_asset(
    name="billing_rerated_lines",
    specs=[
        _spec(
            name,
            *books.TABLES[name],
            *(f"raw.{name}" for name, dataset in DATASETS.items() if dataset.is_billed),
            *("core.enrolments", "core.terms", "core.tiers", "core.calendar", "core.marketplaces_with_returns"),
        )
        for name in RERATED
    ],
    partitions_def=PERIODS,
    can_subset=False,
)
def billing_rerated_lines(
    warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings], selection: Selection
) -> Iterator[dg.MaterializeResult]:
    """Rate closed periods anew where rows came late, whichever period the run is about.

    Those of a marketplace whose terms are refused are left as they are.
    """
    leave_out_refused(warehouse, settings, selection)
    listed = marketplaces.read_marketplaces(settings.marketplaces)
    cards, _ = terms.terms_for_a_run(warehouse.con, settings.terms, listed, reprice=selection.reprice)
    by_name = {card.marketplace_id: card for card in cards}
    rated = rerate(warehouse, by_name, listed, selection.marketplaces or list(listed))
    warehouse.counts["sellers_rerated"] = warehouse.counts.get("sellers_rerated", 0) + rated
    for name in RERATED:
        rows = warehouse.con.execute(f"select count(*) from {name}").fetchall()[0][0]
        yield dg.MaterializeResult(
            asset_key=name.split("."), metadata={"dagster/row_count": rows, "sellers_rerated": rated}
        )
