"""The tables that Python makes, as Dagster assets.

Raw rows from files; marketplaces, their calendar, accounts and terms; and the lines of closed periods as known now.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from assets.billing import books
from assets.billing.rerating import rerate
from assets.checks import table_of
from assets.core import accounts, calendar, marketplaces, terms
from assets.figures import as_table, figures_of_dataset, figures_of_whole, refused_of_dataset
from assets.raw.datasets import DATASETS, Dataset
from assets.raw.loading import FileLoad, load
from assets.raw.sources import read_sources
from assets.settings import Settings
from assets.sql_assets import PERIODS, Selection, labels, leave_out_refused, shown_of
from assets.touched import periods_touched
from assets.warehouse import Warehouse

LOADED = dg.FreshnessPolicy.cron(deadline_cron="0 0 3 * *", lower_bound_delta=timedelta(days=2))
"""Of raw rows: files were loaded, by a job, between a month's end and the making of its drafts."""

TOUCHED = "csba/touched"
"""Tag of a run that has loaded files: the open periods whose drafts they change, with commas between."""

FILES_SHOWN = 50

ACCOUNTED = "every_row_read_is_accounted_for"


class Files(dg.Config):
    """What to load."""

    paths: list[str] = Field(
        description=(
            "Files, and folders of files. Absolute, as the server that Dagster runs on has them; what was loaded before"
            " is passed over."
        )
    )


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
        **labels("raw"),
        kinds={"duckdb", "pandera"},
        freshness_policy=LOADED,
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
    context: dg.AssetExecutionContext,
    config: Files,
    warehouse: dg.ResourceParam[Warehouse],
    settings: dg.ResourceParam[Settings],
) -> Iterator[dg.MaterializeResult]:
    """Load the new files among those named, and tag the run with the open periods that they touch.

    The tag is for what makes drafts anew (`pipelines/automation.py`), which cannot look into a warehouse that a run has
    open. Loads that no such run has told of, by the command or by one that was killed, are told of as well.
    """
    listed = marketplaces.read_marketplaces(settings.marketplaces)
    already = warehouse.latest_load()
    report = load(
        warehouse,
        [Path(path) for path in config.paths],
        sources=read_sources(settings.sources),
        marketplaces=listed,
        now=datetime.now(UTC).replace(tzinfo=None),
        limits=settings.limits,
        lake=settings.lake,
    )
    warehouse.failures.extend(report.faults)
    touched = periods_touched(warehouse, listed, since=told_up_to(warehouse, already))
    begun = [period for period in touched if PERIODS.has_partition_key(period)]
    for period in begun:
        context.log.info(f"{period} is touched in {', '.join(touched[period])}")
    context.instance.add_run_tags(context.run.run_id, {TOUCHED: ",".join(begun)})
    warehouse.counts[TOLD_UP_TO] = warehouse.latest_load()
    for name in DATASETS:
        yield _loaded(warehouse, name, [file for file in report.loads if file.dataset == name], report.load_id)
    if report.faults:
        faults = "\n".join(report.faults)
        raise dg.Failure(f"this went wrong, all else is loaded:\n{faults}", allow_retries=False)


TOLD_UP_TO = "touched_told_up_to_load"
"""Among a run's counts (audit.runs): the last load whose touched periods were told."""


def told_up_to(warehouse: Warehouse, otherwise: int) -> int:
    """The last load whose touched periods were told by a run that has ended."""
    told = f"cast(counts ->> '$.{TOLD_UP_TO}' as bigint)"
    found = warehouse.con.execute(f"select max({told}) from audit.runs").fetchall()[0][0]
    return otherwise if found is None else found


def _loaded(warehouse: Warehouse, name: str, files: Sequence[FileLoad], load_id: int) -> dg.MaterializeResult:
    """What a load brought of a dataset, and whether all of its rows are accounted for, as of every load before."""
    names = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined", "rows_skipped")
    words = [each.removeprefix("rows_") for each in names]
    unaccounted = warehouse.con.execute(
        f"select parse_filename(path), {', '.join(names)} from audit.files where dataset = ?"
        " and rows_read <> rows_loaded + rows_duplicate + rows_quarantined + rows_skipped order by file_id",
        [name],
    ).fetchall()
    metadata: dict[str, Any] = dict(shown_of(figures_of_dataset(warehouse.con, name)))
    metadata |= {"files": len(files)} | {each: sum(getattr(file, each) for file in files) for each in names}
    if files:
        rows = [(file.path.name, *(getattr(file, each) for each in names)) for file in files[:FILES_SHOWN]]
        metadata["files of this load"] = dg.MetadataValue.md(as_table(("file", *words), rows))
    refused = refused_of_dataset(warehouse.con, name, load_id)
    if refused:
        metadata["refused"] = dg.MetadataValue.md(refused)
    broken = {"some of them": table_of(("file", *words), unaccounted[:FILES_SHOWN])}
    return dg.MaterializeResult(
        asset_key=["raw", name],
        metadata=metadata,
        check_results=[
            dg.AssetCheckResult(
                check_name=ACCOUNTED,
                asset_key=["raw", name],
                passed=not unaccounted,
                metadata={"failing rows": len(unaccounted), **broken} if unaccounted else {},
            )
        ],
    )


def _spec(name: str, description: str, columns: Mapping[str, tuple[str, str]], *deps: str) -> dg.AssetSpec:
    schema = dg.TableSchema(
        [dg.TableColumn(column, kind, description=meaning) for column, (kind, meaning) in columns.items()]
    )
    return dg.AssetSpec(
        name.split("."),
        deps=[dep.split(".") for dep in deps],
        description=description,
        **labels(name.partition(".")[0]),
        kinds={"duckdb", "table"},
        metadata={"dagster/column_schema": schema},
    )


def _whole(
    warehouse: Warehouse, name: str, columns: Iterable[str], listed: Mapping[str, marketplaces.Marketplace]
) -> Mapping[str, Any]:
    return shown_of(figures_of_whole(warehouse.con, name, columns, listed))


@dg.multi_asset(specs=[_spec("core.marketplaces", marketplaces.DESCRIPTION, marketplaces.COLUMNS, "raw.order_items")])
def core_marketplaces(
    warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult:
    """Read marketplaces.csv."""
    listed = marketplaces.read_marketplaces(settings.marketplaces)
    marketplaces.make_marketplaces(warehouse, listed)
    return dg.MaterializeResult(metadata=_whole(warehouse, "core.marketplaces", marketplaces.COLUMNS, listed))


@dg.multi_asset(specs=[_spec("core.calendar", calendar.DESCRIPTION, calendar.COLUMNS, "core.marketplaces")])
def core_calendar(warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult:
    """Work out the months of every marketplace's zone."""
    listed = marketplaces.read_marketplaces(settings.marketplaces)
    calendar.make_calendar(warehouse, listed)
    return dg.MaterializeResult(metadata=_whole(warehouse, "core.calendar", calendar.COLUMNS, listed))


@dg.multi_asset(specs=[_spec("core.accounts", accounts.DESCRIPTION, accounts.COLUMNS)])
def core_accounts(warehouse: dg.ResourceParam[Warehouse], settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult:
    """Read accounts.toml."""
    accounts.make_accounts(warehouse, accounts.read_accounts(settings.accounts))
    return dg.MaterializeResult(metadata=_whole(warehouse, "core.accounts", accounts.COLUMNS, {}))


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
    terms.make_terms(warehouse, cards, listed)
    for name, columns in (("core.terms", terms.COLUMNS), ("core.tiers", terms.TIERS_COLUMNS)):
        yield dg.MaterializeResult(
            asset_key=name.split("."),
            metadata={
                **_whole(warehouse, name, columns, listed),
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
        yield dg.MaterializeResult(
            asset_key=name.split("."),
            metadata={**_whole(warehouse, name, books.TABLES[name][1], listed), "sellers rerated": rated},
        )
