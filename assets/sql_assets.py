"""Every `<schema>/<table>.sql` as a Dagster asset: its upstreams are read from its SQL, its checks from its header.

A step makes a table together with its gates (`tables.py`). What it needs it gets as resources: the open `warehouse`,
the `settings`, and the `selection` of marketplaces.

Does not belong here: any rule of billing.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets.checks import check_results, check_specs
from assets.core.marketplaces import read_marketplaces
from assets.core.terms import terms_for_a_run
from assets.settings import Settings
from assets.tables import ChecksFailedError, Table, make, set_scope, steps
from assets.warehouse import Warehouse

PERIODS = dg.MonthlyPartitionsDefinition(start_date="2015-01", fmt="%Y-%m", end_offset=1)
"""Billing periods as partitions, the current one included."""


class Selection(dg.ConfigurableResource):
    """Which marketplaces a run is about (none named: all), and whether terms may price closed periods otherwise."""

    marketplaces: list[str] = []
    reprice: bool = False


def leave_out_refused(warehouse: Warehouse, settings: Settings, selection: Selection) -> None:
    """Where no marketplace is selected, leave those whose terms are refused out of the run, and keep why, once a run.

    Every step asks for it, because a run need not read the terms: Dagster makes what has no periods in another run.
    """
    if selection.marketplaces or warehouse.left_out is not None:
        return
    listed = read_marketplaces(settings.marketplaces)
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
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        if not main.is_view:
            leave_out_refused(warehouse, settings, selection)
            set_scope(warehouse, context.partition_key, selection.marketplaces)
        try:
            rows = make(warehouse, step)
        except ChecksFailedError as error:
            warehouse.failures.extend(map(str, error.failures))
            warehouse.marketplaces_at_fault |= error.marketplaces
            yield from check_results(step, error.failures)
            raise dg.Failure(str(error), allow_retries=False) from error
        for table in step:
            warehouse.counts[table.full_name] = warehouse.counts.get(table.full_name, 0) + rows[table.full_name]
            yield dg.MaterializeResult(asset_key=_key(table.full_name), metadata=_metadata(warehouse, table, rows))
        yield from check_results(step)

    return made


def _spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=_key(table.full_name),
        deps=[_key(name) for name in table.reads],
        description=table.description,
        group_name=table.schema,
        kinds={"duckdb", "view" if table.is_view else "table"},
        code_version=table.code_version,
        metadata={
            "key": ", ".join(table.key),
            "query": dg.MetadataValue.md("```sql\n" + ";\n\n".join(table.queries) + "\n```"),
        },
    )


def _metadata(warehouse: Warehouse, table: Table, rows: dict[str, int]) -> dict[str, dg.MetadataValue]:
    columns = [
        dg.TableColumn(name, kind, description=table.columns.get(name))
        for name, kind, *_ in warehouse.con.execute(f"describe {table.full_name}").fetchall()
    ]
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns))
    }
    if not table.is_view:
        metadata["dagster/row_count"] = dg.MetadataValue.int(rows[table.full_name])
    return metadata


def _key(full_name: str) -> dg.AssetKey:
    return dg.AssetKey(full_name.split("."))
