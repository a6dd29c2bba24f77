"""The Dagster code location: every table an asset with its lineage, description and checks, and a month that runs."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from house import DATA, load_paths, opened, row, write_csv

from assets import sql_assets
from assets.raw.contracts import DATASETS
from assets.settings import Settings
from assets.tables import steps, tables
from assets.warehouse import Warehouse
from pipelines.definitions import build_definitions

US = "ATVPDKIKX0DER"
MARCH = "2026-03"


@pytest.fixture
def places(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", data=DATA, terms=DATA / "terms", sources=DATA / "sources")


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


def run_month(places: Settings, warehouse: Warehouse) -> dg.ExecuteInProcessResult:
    definitions = build_definitions(settings=places, warehouse=dg.ResourceDefinition.hardcoded_resource(warehouse))
    job = definitions.resolve_job_def("billing_month")
    loggers = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return job.execute_in_process(partition_key=MARCH, raise_on_error=False, run_config=loggers)


def test_every_table_is_an_asset_with_its_lineage_and_checks() -> None:
    definitions = build_definitions()
    dg.Definitions.validate_loadable(definitions)
    graph = definitions.resolve_asset_graph()
    for table in tables().values():
        node = graph.get(dg.AssetKey(table.full_name.split(".")))
        assert node.description == table.description
        assert node.group_name == table.schema
        assert {".".join(key.path) for key in node.parent_keys} == set(table.reads)
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
    made = {".".join(key.path) for event in result.get_asset_materialization_events() if (key := event.asset_key)}
    assert not made & {name, *kept_out}
    assert not places.statements.exists()


def test_files_are_loaded_by_a_job(places: Settings, files: list[Path]) -> None:
    with opened(places.home) as warehouse:
        definitions = build_definitions(settings=places, warehouse=dg.ResourceDefinition.hardcoded_resource(warehouse))
        job = definitions.resolve_job_def("load_files")
        config = {
            "ops": {"raw": {"config": {"paths": [str(path) for path in [*files, places.home / "nothing.csv"]]}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        }
        result = job.execute_in_process(run_config=config, raise_on_error=False)
        assert not result.success, "one of the files does not exist"
        assert warehouse.rows("select count(*) as files from audit.files") == [{"files": 4}]
        assert all(check.passed for check in result.get_asset_check_evaluations())


def test_closing_is_a_job_with_a_gate(places: Settings, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    definitions = build_definitions(settings=places, warehouse=dg.ResourceDefinition.hardcoded_resource(warehouse))
    job = definitions.resolve_job_def("close_month")
    config = {
        "ops": {"billing_closes": {"config": {"by": "Ada"}}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }

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
    assert job.execute_in_process(partition_key=MARCH, run_config=config).success
    assert warehouse.rows("select closed_by from billing.closes") == [{"closed_by": "Ada"}]
    assert b">FINAL<" in b"".join(path.read_bytes() for path in (places.statements / MARCH / US).glob("s-*.html"))
    upstream = definitions.resolve_asset_graph().get(dg.AssetKey(["billing", "closes"])).parent_keys
    assert {dg.AssetKey(["billing", "statements"]), dg.AssetKey(["audit", "unit_balance"])} <= upstream


def test_a_run_from_the_page_that_fails_is_kept_as_failed(
    places: Settings, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSBA_HOME", str(places.home))
    monkeypatch.setenv("CSBA_DATA", str(places.home / "nowhere"))
    with opened(places.home) as warehouse:
        load_paths(warehouse, files)
    job = build_definitions().resolve_job_def("billing_month")
    loggers = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    assert not job.execute_in_process(partition_key=MARCH, run_config=loggers, raise_on_error=False).success
    with opened(places.home) as warehouse:
        assert warehouse.rows("select outcome from audit.runs") == [{"outcome": "failed"}]


def test_a_run_from_the_page_opens_the_warehouse_itself(
    places: Settings, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSBA_HOME", str(places.home))
    with opened(places.home) as warehouse:
        load_paths(warehouse, files)
    job = build_definitions().resolve_job_def("billing_month")
    loggers = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    assert job.execute_in_process(partition_key=MARCH, run_config=loggers).success
    with opened(places.home) as warehouse:
        (run,) = warehouse.rows("select command, outcome, ended_at > started_at as has_ended from audit.runs")
        assert run == {"command": f"dagster: billing_month {MARCH}", "outcome": "done", "has_ended": True}
