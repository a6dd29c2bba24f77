"""What Dagster starts and tells by itself: the landing sensor, a schedule for each marketplace, notices of runs.

Sensor and schedules are off until somebody switches them on, on Dagster's page. Neither opens the warehouse, which a
run may have open: what a load has touched stands in the tags of its run. Nothing here closes a month; a person does.

Does not belong here: what a job does (`jobs.py`), and what lies in the landing folder (`landing.py`).
"""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from assets import settings as places
from assets.core.marketplaces import Marketplace, MarketplacesError, read_marketplaces
from assets.python_assets import TOUCHED
from assets.raw.sources import SourceError, read_sources
from assets.settings import Settings
from pipelines.jobs import billing_month, load_files, marketplaces_of
from pipelines.landing import LandingError, Memory, look, take
from pipelines.webhook import post

SECONDS_BETWEEN_LOOKS = 30
THIRD_DAY_AT_SIX = "0 6 3 * *"
"""Of the month after, on the marketplace's own clock."""

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


# -- landing ------------------------------------------------------------------------------------------------------


@dg.sensor(
    jobs=[load_files, billing_month],
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    description=(
        "New files in the landing folder (CSBA_LANDING) are loaded, all that are whole in one run; then the open months"
        " that they touch are brought up to date, with draft statements. What is refused is not tried again until it"
        " changes."
    ),
)
def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Look once: request a load of new files that have not changed since the last look, and months after loads."""
    kept = json.loads(context.cursor or "{}")
    settings, now = places.settings(), datetime.now(UTC)
    requests, told_until = _months_after_loads(context.instance, datetime.fromisoformat(kept.get("told") or f"{now}"))
    memory = Memory.of_plain(kept)
    reason = None
    try:
        is_busy = bool(context.instance.get_runs(dg.RunsFilter(job_name=load_files.name, statuses=UNDER_WAY), limit=1))
        files, memory = take(
            look(settings.landing), memory, is_busy=is_busy, is_joined=lambda path: _is_joined(settings, path)
        )
        if files:
            config = {"ops": {"raw": {"config": {"paths": [str(path) for path in files]}}}}
            requests.append(dg.RunRequest(job_name=load_files.name, run_config=config))
        elif memory.seen:
            reason = f"{len(memory.seen):,} files in {settings.landing} wait: " + (
                "a load is under way" if is_busy else "they have just come, or are still being written"
            )
        else:
            reason = f"nothing is new in {settings.landing}, where {len(memory.taken):,} files were taken"
    except LandingError as error:
        reason = str(error)
    cursor = json.dumps({"told": told_until.isoformat(), **memory.as_plain()})
    return dg.SensorResult(
        run_requests=requests, skip_reason=None if requests else dg.SkipReason(reason or ""), cursor=cursor
    )


def _is_joined(settings: Settings, path: Any) -> bool:
    try:
        return read_sources(settings.sources).joins(path)
    except SourceError:
        return False  # the load says what is wrong with the sources


def _months_after_loads(instance: dg.DagsterInstance, since: datetime) -> tuple[list[dg.RunRequest], datetime]:
    """Months that loads which ended since then have touched, each once, and when the last of those ended."""
    ended = instance.get_run_records(
        dg.RunsFilter(
            job_name=load_files.name,
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
            updated_after=since,
        ),
        order_by="update_timestamp",
        ascending=True,
    )
    touched = {
        period: record.dagster_run.run_id
        for record in ended
        for period in record.dagster_run.tags.get(TOUCHED, "").split(",")
        if period
    }
    requests = [
        dg.RunRequest(job_name=billing_month.name, partition_key=period, run_key=f"{run_id} {period}")
        for period, run_id in sorted(touched.items())
    ]
    return requests, max((record.update_timestamp for record in ended), default=since)


# -- month's end --------------------------------------------------------------------------------------------------


def month_end_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """One for each marketplace; where their list cannot be used one that says so, and the log."""
    try:
        listed = read_marketplaces(settings.marketplaces)
    except MarketplacesError as error:
        logging.getLogger(__name__).warning("there are no schedules for marketplaces: %s", error)
        return [_none_because(str(error))]
    return [_month_end(marketplace) for marketplace in listed.values()]


def _month_end(marketplace: Marketplace) -> dg.ScheduleDefinition:
    name = marketplace.marketplace_id

    @dg.schedule(
        job=billing_month,
        name=f"month_end_{marketplace.country}_{name}",
        cron_schedule=THIRD_DAY_AT_SIX,
        execution_timezone=marketplace.time_zone,
        tags={"country": marketplace.country, "marketplace": name},
        description=(
            f"On the third day of a month, at 6:00 in {marketplace.time_zone}, the month before is brought up to date"
            f" for {marketplace.domain} ({name}), with draft statements. It closes nothing."
        ),
    )
    def month_end(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        local = context.scheduled_execution_time.astimezone(marketplace.zone)
        period = f"{local.replace(day=1) - timedelta(days=1):%Y-%m}"
        return dg.RunRequest(
            run_key=f"{name} {period}",
            partition_key=period,
            run_config={"resources": {"selection": {"config": {"marketplaces": [name], "reprice": False}}}},
        )

    return month_end


def _none_because(reason: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        job=billing_month,
        name="month_end",
        cron_schedule=THIRD_DAY_AT_SIX,
        description=(
            f"There is no schedule for any marketplace: {reason}. Mend it, and reload the code location (Deployment)."
        ),
    )
    def month_end() -> dg.SkipReason:
        return dg.SkipReason(reason)

    return month_end


# -- notices ------------------------------------------------------------------------------------------------------


def notices(settings: Settings) -> list[dg.SensorDefinition]:
    """Tell CSBA_WEBHOOK of every run of the page that succeeds or fails; switched on where there is one."""
    status = dg.DefaultSensorStatus.RUNNING if settings.webhook else dg.DefaultSensorStatus.STOPPED
    outcomes = {"success": dg.DagsterRunStatus.SUCCESS, "failure": dg.DagsterRunStatus.FAILURE}
    return [_notice(outcome, ending, status) for outcome, ending in outcomes.items()]


def _notice(outcome: str, ending: dg.DagsterRunStatus, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        run_status=ending,
        name=f"tell_of_{outcome}",
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=status,
        description=(
            f"Posts to CSBA_WEBHOOK what a run that ended in {outcome} was and counted, as JSON. On from the start"
            " where that is set. An address that does not answer harms no run."
        ),
    )
    def tell(context: dg.RunStatusSensorContext) -> dg.SkipReason | None:
        address, run = places.settings().webhook, context.dagster_run
        problem = post(address, notice_of(run, context.instance, outcome)) if address else "CSBA_WEBHOOK is not set"
        return dg.SkipReason(f"nobody was told of run {run.run_id}: {problem}") if problem else None

    return tell


def notice_of(run: dg.DagsterRun, instance: dg.DagsterInstance, outcome: str) -> dict[str, Any]:
    """What is told of a run: what it was, and numbers. Never a row, a path, or the text of an error."""
    stats = instance.get_run_stats(run.run_id)
    counts: dict[str, dict[str, int]] = {}
    failed = []
    kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    for entry in instance.all_logs(run.run_id, of_type=kinds):
        event = entry.dagster_event
        if event is None:
            continue
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            found = _numbers(event.step_materialization_data.materialization.metadata)
            if event.asset_key and found:
                counts[".".join(event.asset_key.path)] = found
        else:
            check = event.asset_check_evaluation_data
            if not check.passed:
                rows = _numbers(check.metadata).get("failing rows")
                failed.append({"table": ".".join(check.asset_key.path), "check": check.check_name, "rows": rows})
    return {
        "job": run.job_name,
        "run_id": run.run_id,
        "period": run.tags.get("dagster/partition"),
        "marketplaces": marketplaces_of(run.run_config),
        "outcome": outcome,
        "seconds": round(stats.end_time - stats.start_time, 1) if stats.start_time and stats.end_time else None,
        "counts": counts,
        "failed_checks": failed,
    }


def _numbers(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, int]:
    return {
        name.removeprefix("dagster/"): value.value
        for name, value in metadata.items()
        if isinstance(value, dg.IntMetadataValue) and value.value is not None
    }


def automation(settings: Settings) -> Mapping[str, Sequence[Any]]:
    """The schedules and sensors of the code location."""
    return {"schedules": month_end_schedules(settings), "sensors": [landing, *notices(settings)]}
