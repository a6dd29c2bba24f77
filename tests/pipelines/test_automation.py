"""What Dagster starts and tells by itself: what lands is loaded and billed, months end, runs are told."""

import json
import shutil
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context
from house import DATA, load_paths, opened, row, write_csv

from assets.python_assets import TOUCHED
from assets.settings import Settings, settings
from assets.sql_assets import PERIODS
from pipelines.automation import landing, month_end_schedules, notice_of, notices
from pipelines.definitions import build_definitions, defs
from pipelines.jobs import billing_month, load_files

US, JP = "ATVPDKIKX0DER", "A1VC38T7YXB528"
QUIETLY = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("CSBA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CSBA_PDF", "none")
    (tmp_path / "home" / "landing").mkdir(parents=True)
    return settings()


@pytest.fixture
def instance() -> Generator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


class Landing:
    """The sensor, from one evaluation to the next; its runs are made here, as Dagster's daemon would have them made."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor, self.skipped = instance, None, ""
        self.definitions = defs()
        self.launched: set[str] = set()

    def look(self) -> list[dg.RunRequest]:
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, repository_def=self.definitions.get_repository_def()
        )
        result = landing(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        self.skipped = result.skip_reason.skip_message or "" if result.skip_reason else ""
        requests = [each for each in result.run_requests or () if each.run_key not in self.launched]
        self.launched |= {each.run_key for each in requests if each.run_key}
        return requests

    def make(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        assert request.job_name is not None
        job = self.definitions.resolve_job_def(request.job_name)
        return job.execute_in_process(
            run_config={**request.run_config, **QUIETLY},
            partition_key=request.partition_key,
            instance=self.instance,
            raise_on_error=False,
        )


def names(request: dg.RunRequest) -> list[str]:
    return [Path(path).name for path in request.run_config["ops"]["raw"]["config"]["paths"]]


def world(month: str) -> dict[str, list[dict[str, str | None]]]:
    return {
        "sellers": [row("sellers", seller_id="S")],
        "enrolment_events": [row("enrolment_events", seller_id="S", effective_at="2025-01-01T00:00:00Z")],
        "order_items": [row("order_items", order_id="O", purchased_at=f"{month}-01T12:00:00Z")],
        "shipments": [row("shipments", shipment_id="P", order_id="O", shipped_at=f"{month}-02T12:00:00Z")],
    }


def test_what_lands_is_loaded_once_and_the_months_it_touches_are_made(
    places: Settings, instance: dg.DagsterInstance
) -> None:
    sensor = Landing(instance)
    assert sensor.look() == []
    assert "nothing is new" in sensor.skipped
    write_csv(places.landing, world("2026-03"))
    (places.landing / "what is this.csv").write_text("a,b\n1,2\n")
    assert sensor.look() == []
    assert "5 files" in sensor.skipped
    (load,) = sensor.look()
    assert (load.job_name, len(names(load))) == (load_files.name, 5)
    assert sensor.look() == []
    loaded = sensor.make(load)
    assert not loaded.success  # one is refused by name; the others are loaded
    assert loaded.dagster_run.tags[TOUCHED] == "2026-03"
    (month,) = sensor.look()
    assert (month.job_name, month.partition_key) == (billing_month.name, "2026-03")
    assert sensor.make(month).success
    assert len(list((places.statements / "2026-03" / US).glob("*.json"))) >= 1
    assert sensor.look() == []
    assert "nothing is new" in sensor.skipped  # the refused one among them

    write_csv(places.landing, {"shipments": [row("shipments", shipment_id="P", order_id="O", quantity="2",
              shipped_at="2026-03-02T12:00:00Z", updated_at="2026-03-03T12:00:00Z")]})  # fmt: skip
    sensor.look()
    (load,) = sensor.look()
    assert names(load) == ["shipments.csv"]
    assert sensor.make(load).success
    (month,) = sensor.look()
    assert sensor.make(month).success
    with opened(places.home) as warehouse:
        assert warehouse.rows("select quantity from core.units") == [{"quantity": 2}]


def test_while_a_load_is_under_way_nothing_else_is_loaded(places: Settings, instance: dg.DagsterInstance) -> None:
    sensor = Landing(instance)
    write_csv(places.landing, {"sellers": [row("sellers", seller_id="S")]})
    sensor.look()
    run = dg.DagsterRun(job_name=load_files.name, status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    assert sensor.look() == []
    assert "a load is under way" in sensor.skipped
    instance.delete_run(run.run_id)
    assert [names(request) for request in sensor.look()] == [["sellers.csv"]]


def test_a_folder_that_is_missing_is_said_and_months_still_follow_loads(
    places: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    sensor = Landing(instance)
    places.landing.rmdir()
    assert sensor.look() == []
    assert "CSBA_LANDING" in sensor.skipped
    files = write_csv(tmp_path / "elsewhere", world("2026-03"))
    config = {"ops": {"raw": {"config": {"paths": [str(path) for path in files]}}}}
    assert sensor.make(dg.RunRequest(job_name=load_files.name, run_config=config)).success
    assert [request.partition_key for request in sensor.look()] == ["2026-03"]
    assert sensor.look() == []


def test_loads_that_no_run_told_of_are_told_by_the_next(places: Settings, instance: dg.DagsterInstance) -> None:
    sensor = Landing(instance)

    def load(month: str, shipment: str) -> str:
        at = f"{month}-02T12:00:00Z"
        rows = {"shipments": [row("shipments", shipment_id=shipment, order_id="O", shipped_at=at)]}
        paths = [str(path) for path in write_csv(places.landing, rows, f"_{shipment}")]
        result = sensor.make(
            dg.RunRequest(job_name=load_files.name, run_config={"ops": {"raw": {"config": {"paths": paths}}}})
        )
        return result.dagster_run.tags[TOUCHED]

    assert load("2026-03", "A") == "2026-03"
    with opened(places.home) as warehouse:  # as a killed run, or the command, leaves it
        path = write_csv(places.landing, {"shipments": [row("shipments", shipment_id="B", order_id="O",
                         shipped_at="2026-04-02T12:00:00Z")]}, "_B")  # fmt: skip
        load_paths(warehouse, path)
    assert load("2026-05", "C") == "2026-04,2026-05"
    assert load("2026-06", "D") == "2026-06"


def test_a_month_ends_on_the_third_day_of_the_next_on_the_marketplaces_clock() -> None:
    schedules = {schedule.name: schedule for schedule in month_end_schedules(settings({}))}
    assert len(schedules) == len((DATA / "marketplaces.csv").read_text().splitlines()) - 1
    for name, marketplace, zone in (
        ("month_end_JP_A1VC38T7YXB528", JP, "Asia/Tokyo"),
        ("month_end_US_ATVPDKIKX0DER", US, "America/Los_Angeles"),
    ):
        schedule = schedules[name]
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
        assert schedule.execution_timezone == zone
        assert schedule.cron_schedule == "0 6 3 * *"
        tick = datetime(2027, 1, 3, 6, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        data = schedule.evaluate_tick(
            dg.build_schedule_context(scheduled_execution_time=tick, repository_def=defs().get_repository_def())
        )
        (request,) = data.run_requests
        assert request.partition_key == "2026-12"
        assert request.run_config["resources"]["selection"]["config"]["marketplaces"] == [marketplace]


@pytest.mark.parametrize("text", [None, "marketplace_id,country\nX,US\n"])
def test_a_list_of_marketplaces_that_cannot_be_used_is_said_by_a_location_that_loads(
    text: str | None, places: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    shutil.copytree(DATA, data, ignore=shutil.ignore_patterns("sample"))
    (data / "marketplaces.csv").unlink()
    if text is not None:
        (data / "marketplaces.csv").write_text(text)
    monkeypatch.setenv("CSBA_DATA", str(data))
    definitions = defs()
    dg.Definitions.validate_loadable(definitions)
    (schedule,) = definitions.schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert "marketplaces.csv" in (schedule.description or "")
    skipped = schedule.evaluate_tick(dg.build_schedule_context(repository_def=definitions.get_repository_def()))
    assert "marketplaces.csv" in (skipped.skip_message or "")


def test_nothing_starts_by_itself_and_only_a_webhook_is_told_by_itself(places: Settings) -> None:
    assert landing.default_status == dg.DefaultSensorStatus.STOPPED
    assert {each.default_status for each in notices(places)} == {dg.DefaultSensorStatus.STOPPED}
    told = notices(replace(places, webhook="https://hooks.example/x"))
    assert {each.default_status for each in told} == {dg.DefaultSensorStatus.RUNNING}
    assert {each.name for each in told} == {"tell_of_success", "tell_of_failure"}


def test_a_notice_has_what_a_run_was_and_numbers_and_no_row(
    places: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = Landing(instance)
    paths = [str(path) for path in write_csv(places.landing, world("2026-03"))]
    load = sensor.make(
        dg.RunRequest(job_name=load_files.name, run_config={"ops": {"raw": {"config": {"paths": paths}}}})
    )
    told = notice_of(load.dagster_run, instance, "success")
    assert (told["job"], told["period"], told["outcome"]) == ("load_files", None, "success")
    assert told["counts"]["raw.shipments"] == {
        "row_count": 1, "files": 1, "rows_read": 1, "rows_loaded": 1, "rows_duplicate": 0, "rows_quarantined": 0,
        "rows_skipped": 0,
    }  # fmt: skip
    monkeypatch.setenv("CSBA_TERMS", str(places.home / "nowhere"))
    config = {"resources": {"selection": {"config": {"marketplaces": [US]}}}}
    failed = Landing(instance).make(
        dg.RunRequest(job_name=billing_month.name, partition_key="2026-03", run_config=config)
    )
    assert not failed.success
    told = notice_of(failed.dagster_run, instance, "failure")
    assert (told["job"], told["period"], told["marketplaces"]) == ("billing_month", "2026-03", [US])
    assert str(places.home) not in json.dumps(told)


def test_a_webhook_that_is_down_is_said_by_the_sensor_alone(
    places: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSBA_WEBHOOK", "http://127.0.0.1:9/T0K3N")
    result = Landing(instance).make(
        dg.RunRequest(job_name=load_files.name, run_config={"ops": {"raw": {"config": {"paths": []}}}})
    )
    event = next(e for e in result.all_events if e.event_type == dg.DagsterEventType.RUN_SUCCESS)
    (tell,) = (each for each in notices(settings()) if each.name == "tell_of_success")
    assert isinstance(tell, dg.RunStatusSensorDefinition)
    context = dg.build_run_status_sensor_context("tell_of_success", event, instance, result.dagster_run)
    said = tell(context)
    assert isinstance(said, dg.SkipReason)
    assert "cannot be reached" in (said.skip_message or "")
    assert "T0K3N" not in (said.skip_message or "")


def test_a_month_is_a_partition_once_it_has_begun_anywhere() -> None:
    begins = datetime(2026, 12, 1, tzinfo=ZoneInfo("Asia/Tokyo"))
    for now, last in ((begins, "2026-12"), (begins - timedelta(days=1), "2026-11")):
        with partition_loading_context(effective_dt=now):
            assert PERIODS.get_last_partition_key() == last
    assert PERIODS.get_first_partition_key() == "2015-01"


def test_only_what_may_be_done_twice_is_retried_and_only_when_it_was_killed(tmp_path: Path) -> None:
    definitions = build_definitions()
    retried = {
        name: definitions.resolve_job_def(name).run_tags.get("dagster/max_retries")
        for name in ("load_files", "billing_month", "billing_tables", "close_month")
    }
    assert retried == {"load_files": "2", "billing_month": "2", "billing_tables": "2", "close_month": None}
