"""The Dagster code location: every table an asset with its lineage, description and checks, and a month that runs."""

import json
import shutil
import threading
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from house import DATA, FONTS, load_paths, opened, row, write_csv

import pipelines.definitions
from assets import sql_assets
from assets.raw.datasets import DATASETS
from assets.settings import Settings, settings
from assets.tables import steps, tables
from assets.warehouse import Warehouse, open_warehouse
from pipelines.definitions import build_definitions
from pipelines.publishing import NOT_PUBLISHED
from pipelines.running import dagster_home

US = "ATVPDKIKX0DER"
DE = "A1PA6795UKMFR9"
MARCH = "2026-03"
APRIL = "2026-04"
QUIETLY = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def places(tmp_path: Path) -> Settings:
    return replace(settings({}), home=tmp_path / "home", fonts=FONTS)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    rows = {
        "sellers": [row("sellers", seller_id="S")],
        "enrolment_events": [row("enrolment_events", seller_id="S", effective_at="2025-01-01T00:00:00Z")],
        "order_items": [row("order_items", order_id="O", purchased_at="2026-03-01T12:00:00Z")],
        "shipments": [row("shipments", shipment_id="P", order_id="O", shipped_at="2026-03-02T12:00:00Z")],
    }
    return write_csv(tmp_path / "files", rows)


@pytest.fixture
def warehouse(places: Settings, files: list[Path]) -> Generator[Warehouse]:
    with opened(places.home) as warehouse:
        load_paths(warehouse, files)
        yield warehouse


def run_month(
    places: Settings, warehouse: Warehouse, marketplaces: Sequence[str] = (), only: Sequence[str] = ()
) -> dg.ExecuteInProcessResult:
    """Run the job as the page does: with no marketplace selected, unless some are; all assets of it, or only some."""
    definitions = build_definitions(settings=places, warehouse=dg.ResourceDefinition.hardcoded_resource(warehouse))
    job = definitions.resolve_job_def("billing_month")
    selection = {"resources": {"selection": {"config": {"marketplaces": list(marketplaces)}}}}
    return job.execute_in_process(
        partition_key=MARCH,
        raise_on_error=False,
        run_config={**selection, **QUIETLY},
        asset_selection=[dg.AssetKey(name.split(".")) for name in only] or None,
    )


def test_every_table_is_an_asset_with_its_lineage_and_checks() -> None:
    definitions = build_definitions()
    dg.Definitions.validate_loadable(definitions)
    graph = definitions.resolve_asset_graph()
    for table in tables().values():
        node = graph.get(dg.AssetKey(table.full_name.split(".")))
        assert node.description == table.description
        assert node.group_name == table.schema
        assert {".".join(key.path) for key in node.parent_keys} == set(table.reads) - {"audit.files"}
        assert len(node.check_keys) == len(table.checks)
    assert {key.path[1] for key in graph.get_all_asset_keys() if key.path[0] == "raw"} == set(DATASETS)
    upstream = {".".join(key.path) for key in graph.get(dg.AssetKey(["reports", "statements"])).parent_keys}
    assert {"billing.fee_lines", "billing.statements", "core.units"} <= upstream


def test_a_month_runs_and_its_checks_pass(places: Settings, warehouse: Warehouse) -> None:
    result = run_month(places, warehouse)
    assert result.success
    checks = result.get_asset_check_evaluations()
    assert {check.check_name for check in checks} >= {"units_shipped_equal_all_outcomes", "money_to_the_minor_unit"}
    assert all(check.passed for check in checks)
    assert len(list((places.statements / MARCH / US).glob("*.html"))) == 2  # the statement and the index


@pytest.mark.parametrize(
    ("name", "lost", "kept_out"),
    [
        ("core.units", "lines", ["billing.performance", "billing.fee_lines", "reports.statements"]),
        ("billing.fee_lines", "multiplied", ["billing.statements", "reports.statements"]),
    ],
)
def test_a_broken_table_stops_the_run_before_anything_follows_from_it(
    name: str, lost: str, kept_out: list[str], places: Settings, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_steps():
        for table, *gates in steps():
            query = table.query.replace(f"from {lost}", f"from (from {lost} where false) as {lost}")
            yield (replace(table, query=query) if table.full_name == name else table, *gates)

    monkeypatch.setattr(sql_assets, "steps", broken_steps)
    result = run_month(places, warehouse)
    assert not result.success
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert failed
    assert warehouse.marketplaces_at_fault == {US}
    assert any(US in failure for failure in warehouse.failures)
    for check in failed:
        shown = check.metadata
        assert shown["failing rows"].value >= 1
        by_marketplace, some = shown["by marketplace"], shown["some of them"]
        assert isinstance(by_marketplace, dg.TableMetadataValue)
        assert isinstance(some, dg.TableMetadataValue)
        rows = f"{shown['failing rows'].value:,}"
        assert [record.data for record in by_marketplace.records] == [{"marketplace": US, "failing rows": rows}]
        assert 1 <= len(some.records) <= 10
        assert {record.data["marketplace"] for record in some.records} == {US}
        assert "select" in str(shown["query"].value)
        (gate,) = (table for step in steps() for table in step if table.full_name == ".".join(check.asset_key.path))
        assert gate.full_name not in NOT_PUBLISHED
    made = {".".join(key.path) for event in result.get_asset_materialization_events() if (key := event.asset_key)}
    assert not made & {name, *kept_out}
    assert not places.statements.exists()


def test_files_are_loaded_by_a_job(places: Settings, files: list[Path]) -> None:
    with opened(places.home) as warehouse:
        definitions = build_definitions(settings=places, warehouse=dg.ResourceDefinition.hardcoded_resource(warehouse))
        job = definitions.resolve_job_def("load_files")

        def load_files(*paths: Path) -> dg.ExecuteInProcessResult:
            config = {"ops": {"raw": {"config": {"paths": [str(path) for path in paths]}}}, **QUIETLY}
            return job.execute_in_process(run_config=config, raise_on_error=False)

        def checked(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
            return {check.asset_key.path[1]: check.passed for check in result.get_asset_check_evaluations()}

        result = load_files(*files[:2])
        assert result.success
        assert checked(result) == dict.fromkeys(DATASETS, True)

        result = load_files(*files, places.home / "nothing.csv")
        assert not result.success
        assert checked(result) == dict.fromkeys(DATASETS, True)
        (failure,) = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
        assert failure is not None
        assert "nothing.csv: there is no such file" in failure.message
        assert warehouse.rows("select count(*) as files from audit.files") == [{"files": 4}]
        assert ["nothing.csv" in failure for failure in warehouse.failures] == [True]


def test_closing_is_a_job_with_a_gate(places: Settings, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    definitions = build_definitions(settings=places, warehouse=dg.ResourceDefinition.hardcoded_resource(warehouse))
    job = definitions.resolve_job_def("close_month")
    config = {"ops": {"billing_closes": {"config": {"by": "Ada"}}}, **QUIETLY}

    def lost_steps():
        for table, *gates in steps():
            query = table.query.replace("from lines", "from (from lines where false) as lines")
            yield (replace(table, query=query) if table.full_name == "core.units" else table, *gates)

    with monkeypatch.context() as patched:
        patched.setattr(sql_assets, "steps", lost_steps)
        broken = build_definitions(settings=places, warehouse=dg.ResourceDefinition.hardcoded_resource(warehouse))
    result = broken.resolve_job_def("close_month").execute_in_process(
        partition_key=MARCH, raise_on_error=False, run_config=config
    )
    assert not result.success
    assert warehouse.rows("from billing.closes") == []
    result = job.execute_in_process(partition_key=MARCH, run_config=config)
    assert result.success
    closes = warehouse.rows("select closed_by from billing.closes")
    assert closes == [{"closed_by": "Ada"}]
    (shown,) = result.asset_materializations_for_node("billing_closes")
    assert shown.metadata["dagster/row_count"].value == len(closes)
    assert b">FINAL<" in b"".join(path.read_bytes() for path in (places.statements / MARCH / US).glob("s-*.html"))
    upstream = definitions.resolve_asset_graph().get(dg.AssetKey(["billing", "closes"])).parent_keys
    assert {dg.AssetKey(["billing", "statements"]), dg.AssetKey(["audit", "unit_balance"])} <= upstream


@pytest.fixture
def german_files(tmp_path: Path) -> list[Path]:
    """A second marketplace."""
    rows = {
        "sellers": [row("sellers", seller_id="G", country="DE")],
        "enrolment_events": [
            row("enrolment_events", seller_id="G", marketplace_id=DE, effective_at="2025-01-01T00:00:00Z")
        ],
        "order_items": [
            row("order_items", order_id="Q", seller_id="G", marketplace_id=DE, purchased_at="2026-03-01T12:00:00Z")
        ],
        "shipments": [row("shipments", shipment_id="R", order_id="Q", shipped_at="2026-03-02T12:00:00Z")],
    }
    return write_csv(tmp_path / "german", rows, "_german")


def refuse_german_terms(places: Settings) -> Settings:
    """Settings like these, with a mistake in the German terms."""
    folder = places.home / "terms"
    shutil.copytree(DATA / "terms", folder)
    path = folder / "de.toml"
    path.write_text(path.read_text(encoding="utf-8") + "unknown_key = 1\n", encoding="utf-8")
    return replace(places, terms=folder)


def test_refused_terms_stop_their_marketplace_alone(
    places: Settings, warehouse: Warehouse, german_files: list[Path]
) -> None:
    load_paths(warehouse, german_files)
    result = run_month(refuse_german_terms(places), warehouse)
    assert result.success
    assert [path.name for path in (places.statements / MARCH).iterdir()] == [US]
    assert warehouse.rows("select distinct marketplace_id from billing.fee_lines") == [{"marketplace_id": US}]
    (read,) = [
        event.materialization
        for event in result.all_events
        if event.is_step_materialization and event.asset_key == dg.AssetKey(["core", "terms"])
    ]
    assert read.metadata["left_out"] == dg.TextMetadataValue(DE)
    (reason,) = warehouse.failures
    assert "de.toml" in reason
    assert warehouse.counts["left_out"] == {DE: reason}


def test_refused_terms_stop_their_marketplace_alone_where_a_run_does_not_read_them(
    places: Settings, warehouse: Warehouse, german_files: list[Path]
) -> None:
    load_paths(warehouse, german_files)
    places = refuse_german_terms(places)
    assert run_month(places, warehouse).success
    warehouse.left_out = None
    warehouse.failures.clear()
    assert run_month(places, warehouse, only=["core.units", "audit.unit_balance", "billing.fee_lines"]).success
    assert any("de.toml" in failure for failure in warehouse.failures)


def test_a_close_leaves_marketplaces_with_refused_terms_open_and_as_they_are(
    places: Settings, warehouse: Warehouse, german_files: list[Path], tmp_path: Path
) -> None:
    def close_month(places: Settings, period: str) -> None:
        definitions = build_definitions(settings=places, warehouse=dg.ResourceDefinition.hardcoded_resource(warehouse))
        config = {"ops": {"billing_closes": {"config": {"by": "Ada"}}}, **QUIETLY}
        job = definitions.resolve_job_def("close_month")
        assert job.execute_in_process(partition_key=period, run_config=config).success

    load_paths(warehouse, german_files)
    close_month(places, MARCH)
    warehouse.left_out = None
    late = row("shipments", shipment_id="L", order_id="Q", shipped_at="2026-03-03T12:00:00Z")
    load_paths(warehouse, write_csv(tmp_path / "late", {"shipments": [late]}, "_late"))
    close_month(refuse_german_terms(places), APRIL)
    assert warehouse.rows("select period, marketplace_id from billing.closes order by all") == [
        {"period": MARCH, "marketplace_id": DE},
        {"period": MARCH, "marketplace_id": US},
        {"period": APRIL, "marketplace_id": US},
    ]
    loads = {line["marketplace_id"]: line["load_id"] for line in warehouse.rows("from billing.rerating")}
    assert loads[DE] < loads[US] == warehouse.latest_load()
    assert any("de.toml" in failure for failure in warehouse.failures)


def test_a_run_that_selects_a_marketplace_fails_if_its_terms_are_refused(
    places: Settings, warehouse: Warehouse, german_files: list[Path]
) -> None:
    load_paths(warehouse, german_files)
    places = refuse_german_terms(places)
    assert run_month(places, warehouse, [US]).success
    assert warehouse.failures == []
    result = run_month(places, warehouse, [US, DE])
    assert [event.step_key for event in result.all_events if event.is_step_failure] == ["core_terms"]


def test_a_run_that_selects_a_marketplace_which_nobody_has_listed_fails(places: Settings, warehouse: Warehouse) -> None:
    result = run_month(places, warehouse, ["ATVPDKIKXODER"])
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    assert errors
    assert all("ATVPDKIKXODER is not listed" in str(error and error.message) for error in errors)
    assert not any(
        event.asset_key == dg.AssetKey(["core", "units"]) for event in result.get_asset_materialization_events()
    )


def test_a_close_for_which_nobody_answers_is_refused(places: Settings, warehouse: Warehouse) -> None:
    definitions = build_definitions(settings=places, warehouse=dg.ResourceDefinition.hardcoded_resource(warehouse))
    config = {"ops": {"billing_closes": {"config": {"by": " "}}}, **QUIETLY}
    job = definitions.resolve_job_def("close_month")
    assert not job.execute_in_process(partition_key=MARCH, raise_on_error=False, run_config=config).success
    assert warehouse.rows("from billing.closes") == []


def test_every_asset_shows_its_rows_and_says_whose_it_is(places: Settings, warehouse: Warehouse) -> None:
    result = run_month(places, warehouse)
    graph = build_definitions().resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.owners, key
        assert node.tags["domain"], key
    shown = {
        ".".join(event.asset_key.path): event.materialization.metadata
        for event in result.all_events
        if event.is_step_materialization and event.asset_key
    }
    for name, metadata in shown.items():
        table = tables().get(name)
        is_joined_when_asked = table is not None and table.is_view and table.is_by_period
        assert ("dagster/row_count" in metadata) != is_joined_when_asked, name
    charted = {name for name, metadata in shown.items() if "data:image/svg+xml" in str(metadata.get("chart"))}
    assert {"core.units", "core.enrolments", "billing.fee_lines", "billing.statements", "core.terms"} <= charted
    assert {"reports.statements", "reports.close_reports"} <= charted


def test_a_run_from_the_page_that_fails_is_kept_as_failed(
    places: Settings, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSBA_HOME", str(places.home))
    monkeypatch.setenv("CSBA_DATA", str(places.home / "nowhere"))
    with opened(places.home) as warehouse:
        load_paths(warehouse, files)
    job = build_definitions().resolve_job_def("billing_month")
    assert not job.execute_in_process(partition_key=MARCH, run_config=QUIETLY, raise_on_error=False).success
    with opened(places.home) as warehouse:
        assert warehouse.rows("select outcome from audit.runs") == [{"outcome": "failed"}]


def test_a_run_from_the_page_opens_the_warehouse_itself(
    places: Settings, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSBA_HOME", str(places.home))
    with opened(places.home) as warehouse:
        load_paths(warehouse, files)
    job = build_definitions().resolve_job_def("billing_month")
    assert job.execute_in_process(partition_key=MARCH, run_config=QUIETLY).success
    with opened(places.home) as warehouse:
        (run,) = warehouse.rows("select command, outcome, ended_at > started_at as has_ended from audit.runs")
        assert run == {"command": f"dagster: billing_month {MARCH}", "outcome": "done", "has_ended": True}
    with duckdb.connect(str(places.published / "latest.duckdb"), read_only=True) as reader:
        assert reader.sql("select outcome from audit.runs").fetchall() == [("done",)]
        assert reader.sql("select count(*) > 0 from billing.statements").fetchall() == [(True,)]


def test_a_run_from_the_page_waits_until_the_home_is_free(
    places: Settings, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSBA_HOME", str(places.home))
    first = ExitStack()
    load_paths(first.enter_context(opened(places.home)), files)

    def open_soon_free(*args: Any, **options: Any) -> AbstractContextManager[Warehouse]:
        threading.Timer(0.3, first.close).start()
        return open_warehouse(*args, **options)

    monkeypatch.setattr(pipelines.definitions, "open_warehouse", open_soon_free)
    job = build_definitions().resolve_job_def("billing_month")
    assert job.execute_in_process(partition_key=MARCH, run_config=QUIETLY, raise_on_error=False).success


def test_a_run_from_the_page_says_which_marketplace_it_went_without(
    places: Settings, files: list[Path], german_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(places.home) as warehouse:
        load_paths(warehouse, [*files, *german_files])
    monkeypatch.setenv("CSBA_HOME", str(places.home))
    monkeypatch.setenv("CSBA_TERMS", str(refuse_german_terms(places).terms))
    job = build_definitions().resolve_job_def("billing_month")
    assert job.execute_in_process(partition_key=MARCH, run_config=QUIETLY).success
    with opened(places.home) as warehouse:
        (run,) = warehouse.rows("select outcome, counts from audit.runs")
        assert run["outcome"] == "failed"
        assert "de.toml" in json.loads(run["counts"])["left_out"][DE]


def test_every_job_and_what_the_page_makes_by_itself_runs_in_one_process() -> None:
    definitions = build_definitions()
    jobs = [definitions.resolve_job_def(name) for name in ("load_files", "billing_month", "close_month")]
    for job in (*jobs, definitions.resolve_implicit_global_asset_job_def()):
        assert job.executor_def.name == "in_process", job.name


def test_dagster_takes_the_settings_of_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.from_config(str(dagster_home(settings({"CSBA_HOME": str(tmp_path)})))) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == -1
        assert queue.tag_concurrency_limits == [{"key": "dagster/code_location", "limit": 1}]
