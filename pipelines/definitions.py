"""The Dagster code location: gathers what exists and what runs, and defines nothing itself."""

from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from assets import settings as places
from assets.python_assets import python_assets
from assets.sql_assets import ChosenEngine, Selection, sql_assets
from assets.version import code_version
from assets.warehouse import Warehouse, open_warehouse
from pipelines.jobs import (
    billing_closes,
    billing_month,
    billing_tables,
    close_month,
    load_files,
    reports_close_reports,
    reports_statements,
    tags_of,
)
from pipelines.publishing import publish

PUBLISHING = (billing_month.name, close_month.name)
"""Jobs after which readers get a copy, as after the commands."""


@dg.resource(description="The open warehouse of the home, for this run alone; its run is kept in audit.runs.")
def warehouse(context: dg.InitResourceContext) -> Generator[Warehouse]:
    """Open the warehouse for as long as a run of Dagster's page lasts; it waits for its turn."""
    settings = places.settings()
    tags = context.run.tags if context.run else {}
    name = f"{context.run.job_name if context.run else 'a job'} {tags.get('dagster/partition', '')}".strip()
    holder = f"Dagster's {name}"
    if context.instance and context.run:
        found = tags_of(context.run.run_config, tags.get("dagster/partition"))
        context.instance.add_run_tags(context.run.run_id, found)
    with open_warehouse(settings.home, holder=holder, now=_now(), wait=True, memory=settings.memory) as opened:
        opened.begin_run(f"dagster: {name}", now=_now(), code_version=code_version())
        yield opened
        if context.instance and context.run and not opened.failures:
            failed = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
            opened.failures.extend(f"{entry.step_key} failed" for entry in failed)
        if not opened.failures and context.run and context.run.job_name in PUBLISHING:
            publish(opened, settings.published, settings.snapshots, _now())
        opened.end_run(now=_now())


def build_definitions(started_by: Mapping[str, Any] | None = None, **resources: Any) -> dg.Definitions:
    """All of it but what starts it (`automation.py`); tests and the command pass resources of their own."""
    own = {"settings": places.settings(), "selection": Selection(), "engine": ChosenEngine(), "warehouse": warehouse}
    return dg.Definitions(
        **(started_by or {}),
        assets=[*python_assets(), *sql_assets(), reports_close_reports, reports_statements, billing_closes],
        jobs=[load_files, billing_month, billing_tables, close_month],
        executor=dg.in_process_executor,
        resources={**own, **resources},
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster's page shows. A command needs no more than the jobs."""
    from pipelines.automation import automation

    return build_definitions(automation(places.settings()))
