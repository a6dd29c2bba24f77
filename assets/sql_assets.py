"""Every `<schema>/<table>.sql` as a Dagster asset: its upstreams are read from its SQL, its checks from its header.

A step makes a table together with its gates (`making.py`). What it needs it gets as resources: the open `warehouse`,
the `settings`, and the `selection` of marketplaces.

Does not belong here: any rule of billing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import dagster as dg
from pydantic import Field, PrivateAttr

from assets.checks import check_results, check_specs
from assets.core.marketplaces import Marketplace, read_marketplaces
from assets.core.terms import terms_for_a_run
from assets.engines import HEAVY, Engine, EngineError, engine_of
from assets.figures import Figures, figures_of
from assets.making import ChecksFailedError, make, set_scope
from assets.settings import Settings
from assets.tables import Table, steps
from assets.warehouse import ACCOUNTS_OF_LOADS, Warehouse

PERIODS = dg.MonthlyPartitionsDefinition(start_date="2015-01", fmt="%Y-%m", end_offset=1, timezone="Pacific/Kiritimati")
"""Billing periods as partitions, the current one included: a month is there once it has begun anywhere on earth."""

UP_TO_DATE = dg.FreshnessPolicy.cron(deadline_cron="0 0 5 * *", lower_bound_delta=timedelta(days=4))
"""Of what is made for each month: once it has ended, within the days after it (`pipelines/automation.py`)."""

_DOMAINS = {
    "raw": ("files", "team:operations"),
    "core": ("facts", "team:operations"),
    "billing": ("fees", "team:finance"),
    "audit": ("proof", "team:finance"),
    "reports": ("papers", "team:finance"),
}


def labels(schema: str) -> dict[str, Any]:
    """What all assets of a schema are called on Dagster's page: their group, domain, and who answers for them."""
    domain, owner = _DOMAINS[schema]
    return {"group_name": schema, "owners": [owner], "tags": {"domain": domain}}


class Selection(dg.ConfigurableResource):
    """Which marketplaces a run is about (none named: all), and whether terms may price closed periods otherwise."""

    marketplaces: list[str] = Field(
        default=[],
        description=(
            "Ids of marketplaces.csv, such as ATVPDKIKX0DER. None: all, without those whose terms are refused, which"
            " the run names. Of those named none may be refused."
        ),
    )
    reprice: bool = Field(
        default=False,
        description="Let changed terms price closed periods anew, and book the difference as adjustments.",
    )


class ChosenEngine(dg.ConfigurableResource):
    """What makes the heavy tables (`engines.py`) in a run."""

    name: Literal["as_set", "duckdb", "spark"] = Field(
        default="as_set",
        description=(
            "as_set: what CSBA_ENGINE says. duckdb: this machine alone. spark: Spark makes the tables of orders, and"
            " DuckDB checks them."
        ),
    )
    master: str = Field(
        default="", description="Spark's cluster, such as spark://host:7077. Empty: what CSBA_MASTER says."
    )
    _engine: Engine | None = PrivateAttr(default=None)

    def of(self, settings: Settings) -> Engine | None:
        """The engine, one for all steps of a run. Raises `EngineError` if it cannot be used."""
        if self._engine is None:
            name = settings.engine if self.name == "as_set" else self.name
            self._engine = engine_of(replace(settings, engine=name, master=self.master or settings.master))
        return self._engine


def leave_out_refused(warehouse: Warehouse, settings: Settings, selection: Selection) -> None:
    """Where no marketplace is selected, leave those whose terms are refused out of the run, and keep why, once a run.

    Every step asks for it, because a run need not read the terms: Dagster makes what has no periods in another run.
    Raises `dg.Failure` if one is selected that is not listed.
    """
    if warehouse.left_out is not None and not selection.marketplaces:
        return
    listed = read_marketplaces(settings.marketplaces)
    if selection.marketplaces:
        missing = ", ".join(name for name in selection.marketplaces if name not in listed)
        if missing:
            raise dg.Failure(f"{missing} is not listed in {settings.marketplaces}", allow_retries=False)
        return
    _, refused = terms_for_a_run(warehouse.con, settings.terms, listed, reprice=selection.reprice)
    warehouse.left_out = {error.marketplace_id: str(error) for error in refused if error.marketplace_id}
    if warehouse.left_out:
        warehouse.counts["left_out"] = warehouse.left_out
        warehouse.failures.extend(warehouse.left_out.values())


def sql_assets() -> list[dg.AssetsDefinition]:
    """One definition for each step, in order."""
    return [_asset(step) for step in steps()]


def _asset(step: Sequence[Table]) -> dg.AssetsDefinition:
    main = step[0]

    @dg.multi_asset(
        name=main.full_name.replace(".", "_"),
        specs=[_spec(table) for table in step],
        check_specs=check_specs(step),
        partitions_def=PERIODS,
        can_subset=False,
    )
    def made(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        settings: dg.ResourceParam[Settings],
        selection: Selection,
        engine: ChosenEngine,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        if not main.is_view:
            leave_out_refused(warehouse, settings, selection)
            set_scope(warehouse, context.partition_key, selection.marketplaces)
        try:
            rows = make(warehouse, step, engine=engine.of(settings) if main.full_name in HEAVY else None)
        except ChecksFailedError as error:
            warehouse.failures.extend(map(str, error.failures))
            warehouse.marketplaces_at_fault |= error.marketplaces
            yield from check_results(step, error.failures)
            raise dg.Failure(str(error), allow_retries=False) from error
        except EngineError as error:
            warehouse.failures.extend([str(error)] if str(error) not in warehouse.failures else [])
            raise dg.Failure(str(error), allow_retries=False) from error
        listed = read_marketplaces(settings.marketplaces)
        for table in step:
            warehouse.counts[table.full_name] = warehouse.counts.get(table.full_name, 0) + rows[table.full_name]
            yield dg.MaterializeResult(
                asset_key=_key(table.full_name), metadata=_metadata(warehouse, table, context.partition_key, listed)
            )
        yield from check_results(step)

    return made


def _spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=_key(table.full_name),
        deps=[_key(name) for name in table.reads if name not in ACCOUNTS_OF_LOADS],
        description=table.description,
        **labels(table.schema),
        kinds={"duckdb", "view" if table.is_view else "table"},
        code_version=table.code_version,
        freshness_policy=UP_TO_DATE if table.is_by_period else None,
        metadata={
            "key": ", ".join(table.key),
            "query": dg.MetadataValue.md("```sql\n" + ";\n\n".join(table.queries) + "\n```"),
        },
    )


def _metadata(warehouse: Warehouse, table: Table, period: str, listed: Mapping[str, Marketplace]) -> dict[str, Any]:
    found = {name: kind for name, kind, *_ in warehouse.con.execute(f"describe {table.full_name}").fetchall()}
    meanings = table.meanings(found)
    columns = [dg.TableColumn(name, kind, description=meanings.get(name)) for name, kind in found.items()]
    shown = shown_of(figures_of(warehouse.con, table, period, listed))
    return {**shown, "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns))}


def shown_of(figures: Figures) -> Mapping[str, Any]:
    """Figures as Dagster's page shows them; of its numbers it also draws how they went from run to run."""
    found: dict[str, Any] = {} if figures.rows is None else {"dagster/row_count": figures.rows}
    found |= figures.totals
    for name, text in (("by marketplace", figures.by_marketplace), ("chart", figures.chart)):
        if text:
            found[name] = dg.MetadataValue.md(text)
    return found


def _key(full_name: str) -> dg.AssetKey:
    return dg.AssetKey(full_name.split("."))
