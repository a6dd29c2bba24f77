"""`csba run`: the billing month as a Dagster job, run in this process, for one period after the other.

A marketplace whose terms are refused, or whose rows break a check, is left out and named; the others are billed.
"""

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from sqlalchemy import event

from assets.core.marketplaces import Marketplace
from assets.core.terms import terms_for_a_run
from assets.engines import engine_of
from assets.settings import Settings
from assets.sql_assets import PERIODS
from assets.tables import UNKNOWN
from assets.warehouse import Warehouse
from pipelines.definitions import build_definitions
from pipelines.jobs import STATEMENTS, tags_of
from pipelines.profiling import Profile

DAGSTER_YAML = """# Dagster's own settings for this home.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    # One run of the page at a time. Runs of commands have no such tag and are not counted: one that was killed stays
    # "started" in Dagster's eyes, and would hold up the queue. The lock on the home keeps all of them apart.
    max_concurrent_runs: -1
    tag_concurrency_limits:
      - key: dagster/code_location
        limit: 1
run_retries:
  # Jobs say by a tag whether they may be started again, and how often; only what was killed is.
  enabled: true
  max_retries: 0
  retry_on_asset_or_op_failure: false
run_monitoring:
  # What still seems to run after a day was killed with all of Dagster, as when the machine stopped.
  enabled: true
  max_runtime_seconds: 86400
"""

IN_POSTGRES = """storage:
  postgres:
    postgres_url:
      env: CSBA_POSTGRES
"""
"""Else Dagster keeps SQLite files in its folder. Whoever can read the file does not learn the password."""

Progress = Callable[[str, str, int, int], None]
"""Called with the period, the step that has just been made, and how many of all are."""


class PeriodError(Exception):
    """A period that cannot be billed."""


@dataclass
class RunReport:
    """What a run of several periods did."""

    periods: list[str] = field(default_factory=list)
    """Those brought up to date, at least for some marketplaces."""
    marketplaces: list[str] = field(default_factory=list)
    """Those brought up to date in the last of them."""
    stopped: dict[str, list[str]] = field(default_factory=dict)
    """Period → why it, or a marketplace of it, was stopped."""
    refused_terms: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Statements that could not be made, and files of closed periods that are lost; all else of the period is done."""


def dagster_home(settings: Settings) -> Path:
    """Dagster's folder below the home, with telemetry off; also named to Dagster itself."""
    folder = settings.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dagster.yaml").write_text(DAGSTER_YAML + (IN_POSTGRES if settings.has_postgres else ""))
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder


def run(
    warehouse: Warehouse,
    settings: Settings,
    periods: Sequence[str],
    *,
    listed: Mapping[str, Marketplace],
    marketplaces: Sequence[str] = (),
    reprice: bool = False,
    pages: bool = True,
    profile: Profile | None = None,
    progress: Progress = lambda *_: None,
) -> RunReport:
    """Bring periods up to date, for the marketplaces named or for all. `listed` are those of marketplaces.csv.

    Of closed periods the rows are, and what is booked for them in the first open one; their books stay. `reprice` lets
    terms price closed periods otherwise than they were, which is then booked. Without `pages` tables alone are made.
    Each step is a stage of `profile`.

    Raises `EngineError` if what the settings name cannot be used; `PeriodError` for a period that has not begun, or
    that lies before the first that is kept, and in an empty home.
    """
    first, last = PERIODS.get_first_partition_key(), PERIODS.get_last_partition_key()
    outside = [period for period in periods if not PERIODS.has_partition_key(period)]
    if outside:
        raise PeriodError(f"{outside[0]} cannot be billed: periods run from {first} to the current one, {last}")
    if not warehouse.latest_load():
        raise PeriodError(f"nothing has been loaded into {warehouse.home} yet; load files first: csba load PATH…")
    engine_of(settings)
    report = RunReport()
    warehouse.counts["datasets_never_loaded"] = warehouse.never_loaded()
    chosen = list(marketplaces or listed)
    for error in terms_for_a_run(warehouse.con, settings.terms, listed, reprice=reprice)[1]:
        if error.marketplace_id is not None and error.marketplace_id not in chosen:
            continue
        report.refused_terms.append(str(error))
        chosen = [name for name in chosen if name != error.marketplace_id]
    job = build_definitions(
        settings=settings, warehouse=dg.ResourceDefinition.hardcoded_resource(warehouse)
    ).resolve_job_def("billing_month" if pages else "billing_tables")
    with _kept_engines(), dg.DagsterInstance.from_config(str(dagster_home(settings))) as instance:
        for period in periods:
            remaining = list(chosen)
            while remaining:
                selection = {"marketplaces": remaining, "reprice": reprice}
                failed, reason, steps = _run_once(
                    job, instance, warehouse, period, selection, progress, profile or Profile()
                )
                if reason is None or steps == {STATEMENTS.to_python_identifier()}:
                    report.broken += [reason] if reason else []
                    report.periods.append(period)
                    report.marketplaces = remaining
                    break
                report.stopped.setdefault(period, []).append(reason)
                remaining = (
                    [] if UNKNOWN in failed or not failed else [name for name in remaining if name not in failed]
                )
    return report


@contextmanager
def _kept_engines() -> Generator[None]:
    """Within, Dagster's SQLite storages make an engine for each of their files once, and keep its connection.

    They make one anew for each of a run's thousand statements, without a pool: each compiles its statement anew,
    connects, and ends the write-ahead file as it disconnects. Nor does each wait for the disk: a machine that loses its
    power may lose the last entries of Dagster's history, never a file.
    """
    kept: dict[str, Any] = {}
    makers = {storage: storage.create_engine for storage in (sqlite_event_log, sqlite_run_storage)}

    def keeping(make: Callable[..., Any]) -> Callable[..., Any]:
        def engine(url: str, **options: Any) -> Any:
            if url not in kept:
                kept[url] = make(url, **{name: value for name, value in options.items() if name != "poolclass"})
                kept[url].dispose = lambda: None
                event.listen(
                    kept[url], "connect", lambda connection, _: connection.execute("pragma synchronous = normal")
                )
            return kept[url]

        return engine

    for storage, make in makers.items():
        setattr(storage, "create_engine", keeping(make))  # noqa: B010 - it is not ours
    try:
        yield
    finally:
        for storage, make in makers.items():
            setattr(storage, "create_engine", make)  # noqa: B010
        for engine in kept.values():
            engine.pool.dispose()


def _run_once(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    period: str,
    selection: Mapping[str, Any],
    progress: Progress,
    profile: Profile,
) -> tuple[frozenset[str], str | None, set[str | None]]:
    """Run the job; returns the marketplaces at fault, the reason and the steps that failed, if it failed."""
    warehouse.marketplaces_at_fault = frozenset()
    run_id, steps, done, rows = str(uuid4()), len(job.graph.node_dict), 0, 0

    def listen(entry: dg.EventLogEntry) -> None:
        nonlocal done, rows
        event = entry.dagster_event
        if event is None:
            return
        stage = (event.step_key or "").replace("_", ".", 1)
        if event.event_type_value == "STEP_START":
            profile.begin()
            rows = _rows_made(warehouse, stage)
        if event.event_type_value == "STEP_SUCCESS":
            done += 1
            profile.end(f"{period} {stage}", _rows_made(warehouse, stage) - rows)
            progress(period, event.step_key or "", done, steps)

    instance.add_event_listener(run_id, listen)
    already, config = len(warehouse.failures), {"resources": {"selection": {"config": dict(selection)}}}
    result = job.execute_in_process(
        run_id=run_id,
        partition_key=period,
        instance=instance,
        raise_on_error=False,
        tags={"dagster/max_retries": "0", **tags_of(config, period)},
        run_config={
            **config,
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
    )
    if result.success:
        return frozenset(), None, set()
    failures = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    if any(error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__ for error in failures):
        raise KeyboardInterrupt  # whoever ends a command ends all of it, not one month
    reasons = warehouse.failures[already:]
    if not reasons:
        reasons = [_reason(event) for event in result.all_events if event.is_step_failure]
        warehouse.failures.extend(reasons)
    failed = {event.step_key for event in result.all_events if event.is_step_failure}
    return warehouse.marketplaces_at_fault, "\n".join(reasons), failed


def _rows_made(warehouse: Warehouse, stage: str) -> int:
    """Rows of a stage's table, or statements, that this run has made so far."""
    return warehouse.counts.get("statements" if stage == "reports.statements" else stage, 0)


def _reason(event: dg.DagsterEvent) -> str:
    """What a step that failed without a check says of it."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key}: {error.message.strip() if error else 'it failed'}"
