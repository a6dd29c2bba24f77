"""Months made by Spark: equal to DuckDB's to the row and the cent, in worlds, in real orders, and in books.

One process of Java serves all tests of this file, which stay together in one process of the tests.
"""

import re
import shutil
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL
from threading import Thread
from time import monotonic, sleep

import dagster as dg
import pytest
from cluster import Cluster, cluster
from finance import APRIL, MARCH, MAY, US, Finance
from house import PRESS_WITHOUT_PDF, SHARED_DATA, bill, load_paths, opened
from worlds import world

from assets import reach
from assets.engines import HEAVY, EngineError, engine_of
from assets.lake import open_lake
from assets.making import make, set_scope
from assets.settings import Settings, settings
from assets.spark import Spark, end_session, session_of
from assets.tables import step_of, tables
from assets.warehouse import Warehouse
from pipelines.definitions import build_definitions
from pipelines.generating import Market, generate
from pipelines.reproducing import reproduce

OLIST = SHARED_DATA / "olist"
MADE = [name for name, table in tables().items() if not table.is_view]

SMALL = """
# A world has few rows: one task for each step, and Java compiles in haste.
spark.sql.shuffle.partitions=1
# What would cost rows is not listened to.
spark.sql.files.ignoreCorruptFiles true
spark.driver.memory          1g
spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1 -XX:+UseSerialGC
"""

ON_A_CLUSTER = """
spark.driver.host            127.0.0.1
spark.driver.bindAddress     127.0.0.1
spark.driver.memory          1g
spark.executor.memory        600m
spark.executor.cores         1
spark.sql.shuffle.partitions 4
spark.sql.files.maxPartitionBytes 100k
spark.sql.adaptive.coalescePartitions.enabled false
"""

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java"),
    pytest.mark.xdist_group("spark"),
]


@pytest.fixture(scope="module")
def properties(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """What the session of this file is told; it ends with the last test."""
    path = tmp_path_factory.mktemp("spark") / "spark.properties"
    path.write_text(SMALL)
    yield path
    end_session()


@pytest.fixture
def places(tmp_path: Path, properties: Path) -> Settings:
    """A home with a lake, whose engine is Spark on one core."""
    return replace(
        settings({}),
        home=tmp_path / "home",
        engine="spark",
        master="local[1]",
        lake=str(tmp_path / "the lake, 100% für #1"),
        spark_properties=properties,
        pdf="none",
    )


def spark(places: Settings) -> Spark:
    engine = engine_of(places)
    assert isinstance(engine, Spark)
    return engine


def assert_spark_makes_the_same(warehouse: Warehouse, engine: Spark, make: Callable[[Spark | None], None]) -> None:
    """Make everything by DuckDB and then by Spark; every row of every table is the same, as often as it is there."""
    con = warehouse.con
    make(None)
    for name in MADE:
        con.execute(f"create or replace temp table {name.replace('.', '_')}_of_duckdb as from {name}")
    warehouse.makes_anew = True
    make(engine)
    warehouse.makes_anew = False
    assert engine.made, "Spark made tables"
    for name in MADE:
        other = f"{name.replace('.', '_')}_of_duckdb"
        assert con.execute(f"(from {name} except all from {other}) limit 3").fetchall() == [], name
        assert con.execute(f"(from {other} except all from {name}) limit 3").fetchall() == [], name


def assert_a_world_is_the_same(seed: int, folder: Path, places: Settings, months: slice) -> None:
    told = world(seed)
    marketplaces = told.write_marketplaces(folder / "marketplaces.csv")
    told.write_terms(folder / "terms")
    with opened(places.home) as warehouse:
        for paths in told.write(folder / "files"):
            assert not load_paths(warehouse, paths, marketplaces, places.lake).faults

        def make(engine: Spark | None) -> None:
            bill(warehouse, told.periods[months], marketplaces=marketplaces, terms=folder / "terms", engine=engine)

        assert_spark_makes_the_same(warehouse, spark(places), make)


@pytest.mark.parametrize("seed", [3])
def test_the_last_month_of_a_world_is_the_same(seed: int, tmp_path: Path, places: Settings) -> None:
    assert_a_world_is_the_same(seed, tmp_path, places, slice(-1, None))


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(50))
def test_many_worlds_are_the_same(seed: int, tmp_path: Path, places: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other of them reads no more items than it must."""
    if seed % 2:
        monkeypatch.setattr(reach, "NEAR", timedelta())
        monkeypatch.setattr(reach, "WORTH_IT", 0)
    assert_a_world_is_the_same(seed, tmp_path, places, slice(None))


@pytest.mark.prove
@pytest.mark.skipif(not OLIST.exists(), reason="the Olist files are not at hand")
def test_real_orders_are_the_same(places: Settings) -> None:
    months = [f"2018-{month:02}" for month in range(1, 9)]
    with opened(places.home) as warehouse:
        assert not load_paths(warehouse, [OLIST], lake=places.lake).faults
        assert_spark_makes_the_same(warehouse, spark(places), lambda engine: bill(warehouse, months, engine=engine))


def test_books_are_the_same_whatever_comes_late(tmp_path: Path, places: Settings) -> None:
    """Two homes, one of each engine, in which the same is closed, comes late, is booked, and is made again."""
    found = {}
    for name, engine in (("duckdb", None), ("spark", spark(replace(places, home=tmp_path / "spark")))):
        with opened(tmp_path / name) as warehouse:
            finance = Finance(warehouse, tmp_path / f"files-{name}", engine)
            finance.close(MARCH)
            finance.ship("late", 5, MARCH)
            finance.ship("B", 20, APRIL)
            finance.close(APRIL)
            finance.contact("C1", MARCH)
            finance.contact("C2", APRIL, order="B")
            finance.run(MAY)
            assert finance.entries(APRIL)
            assert finance.entries(MAY)
            found[name] = {each: warehouse.con.execute(f"from {each} order by all").fetchall() for each in MADE}
        again = [each for period in (MARCH, APRIL) for each in reproduce(tmp_path / name, period, PRESS_WITHOUT_PDF)]
        assert [each.differences for each in again] == [[], []]
    assert found["spark"] == found["duckdb"]


def test_a_month_of_dagsters_has_the_engine_as_a_resource(tmp_path: Path, places: Settings) -> None:
    """What the settings say holds unless a run says otherwise; a table that DuckDB made is handed over."""

    def run(**engine: str) -> dict[str, list[tuple]]:
        definitions = build_definitions(settings=places, warehouse=dg.ResourceDefinition.hardcoded_resource(warehouse))
        quietly = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        config = {"resources": {"engine": {"config": engine}}, **quietly}
        job = definitions.resolve_job_def("billing_tables")
        assert job.execute_in_process(partition_key=MARCH, run_config=config).success
        return {name: warehouse.con.execute(f"from {name} order by all").fetchall() for name in MADE}

    with opened(places.home) as warehouse:
        Finance(warehouse, tmp_path)
        by_duckdb = run(name="duckdb")
        assert not Path(places.lake).exists()
        warehouse.con.execute("delete from audit.made where table_name = 'billing.performance'")
        assert run() == by_duckdb
        made = [path.parts[-3] for path in Path(places.lake).glob(f"home-*/made/*/*/of_period={MARCH}")]
        assert made == ["billing.performance"], "everything else was as it would come out"
        with pytest.raises(dg.DagsterInvalidConfigError):
            run(name="polars")


def test_what_spark_gives_up_on_is_told_in_a_sentence(tmp_path: Path, places: Settings) -> None:
    """Nothing of the table is changed, and nothing else is tried in this run: a lost cluster keeps all waiting."""
    with opened(places.home) as warehouse:
        Finance(warehouse, tmp_path).run(MARCH)
        before = warehouse.con.execute("from core.units").fetchall()
        open_lake(places.lake, warehouse.con).keep_loads(warehouse.con)
        for path in Path(places.lake).glob("home-*/raw/*/shipments/*/*.parquet"):
            path.write_bytes(b"X" * path.stat().st_size)  # of the same length, it is not seen to be damaged
        warehouse.makes_anew = True
        set_scope(warehouse, MARCH)
        engine = spark(places)
        with pytest.raises(EngineError, match="Spark gave up: ") as error:
            make(warehouse, step_of("core.units"), engine=engine)
        assert f"; what it said is in {places.home / 'spark.log'}. What lies in home-" in str(error.value)
        assert str(error.value).endswith(" may be removed: the next run writes it again")
        assert "\n" not in str(error.value)
        with pytest.raises(EngineError, match=re.escape(str(error.value))):
            make(warehouse, step_of("core.contacts"), engine=engine)
        assert warehouse.con.execute("from core.units").fetchall() == before


@pytest.mark.prove
def test_a_month_on_a_cluster_survives_the_death_of_a_worker(tmp_path: Path, places: Settings) -> None:
    """A master and two workers; one is killed while both are at work, and the run ends equal all the same."""
    month = "2026-04"
    end_session()
    properties = tmp_path / "cluster.properties"
    properties.write_text(ON_A_CLUSTER)
    with opened(places.home) as warehouse, cluster(tmp_path / "cluster", workers=2, memory="1g") as found:
        market = Market(US, "US", "en", "America/Los_Angeles", "USD", 2)
        size = {"sellers": 40, "units": 30_000, "months": [MARCH, month], "seed": 5, "has_service": True}
        assert not load_paths(
            warehouse, generate(tmp_path / "files", markets=[market], **size), lake=places.lake
        ).faults
        engine = spark(replace(places, master=found.address, spark_properties=properties))
        killed = Thread(target=kill_while_both_work, args=(found, engine))

        def make(engine: Spark | None) -> None:
            if engine is not None:
                killed.start()
            bill(warehouse, [month], engine=engine)

        try:
            assert_spark_makes_the_same(warehouse, engine, make)
        finally:
            killed.join()
            end_session()
        assert found.processes[-1].poll() == -SIGKILL
        assert "Removing worker" in found.log("master")
        assert len(engine.made) == len(HEAVY)


def kill_while_both_work(found: Cluster, engine: Spark) -> None:
    """Kill a worker once some tables are made and both workers have tasks in hand."""
    end = monotonic() + 300
    while monotonic() < end:
        if 2 <= len(engine.made) < len(HEAVY) - 1:
            tracker = session_of(engine).sparkContext._jsc.sc().statusTracker()
            if sum(each.numRunningTasks() > 0 for each in tracker.getExecutorInfos()) >= 2:
                found.kill_a_worker()
                return
        sleep(0.01)
