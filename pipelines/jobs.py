"""The jobs: load files, and the billing month, partitioned by period; and the statements as the last asset of a month.

Every step runs in one process, because the warehouse has one writer.
"""

import dagster as dg

from assets.settings import Settings
from assets.sql_assets import PERIODS, Selection
from assets.tables import set_scope
from assets.warehouse import Warehouse
from reports.statement.writing import write_statements

STATEMENTS = dg.AssetKey(["reports", "statements"])


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            STATEMENTS,
            deps=[
                ["billing", "statements"],
                ["billing", "fee_lines"],
                ["billing", "performance"],
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
            description="One HTML page per seller, marketplace and period, below CSBA_HOME/statements.",
            group_name="reports",
            kinds={"html"},
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
    """Write the draft statements of a period anew."""
    period = context.partition_key
    set_scope(warehouse, period, selection.marketplaces)
    scope = [
        (period, row["marketplace_id"])
        for row in warehouse.rows(
            "select marketplace_id from core.marketplaces semi join scope using (marketplace_id) order by all"
        )
    ]
    written = write_statements(warehouse.con, scope, settings.statements)
    warehouse.counts["statements"] = warehouse.counts.get("statements", 0) + written
    return dg.MaterializeResult(
        metadata={"statements": written, "folder": dg.MetadataValue.path(settings.statements / period)}
    )


load_files = dg.define_asset_job(
    "load_files",
    selection=dg.AssetSelection.groups("raw"),
    executor_def=dg.in_process_executor,
    description="Load new files and folders, once each by content. Config: the paths.",
)

billing_month = dg.define_asset_job(
    "billing_month",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups("raw"),
    executor_def=dg.in_process_executor,
    description="Bring a period's tables and draft statements up to date.",
)
