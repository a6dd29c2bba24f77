"""Copies for readers: what is in them, what is not, and that whoever reads meets the state of one whole run."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from tempfile import mkdtemp

import duckdb
import polars as pl
import pytest
from finance import APRIL, MARCH, Finance
from house import NOW, load_paths, opened, row

from assets.warehouse import Warehouse
from pipelines.publishing import LEFT_AS_VIEWS, NOT_PUBLISHED, publish, published

SECRET = "Jane Doe, 5 Hidden Lane"
WHOLE = """
select
    (select coalesce(sum(total), 0) from billing.statements) - (select coalesce(sum(amount), 0) from billing.fee_lines),
    (select sum(quantity) from core.units) - (select sum(shipped) from audit.unit_balance),
    (select sum(quantity) from core.units), (select count(*) from audit.runs where outcome <> 'done')"""
"""Nothing, nothing, units, nothing: of one whole run."""


@pytest.fixture
def finance(tmp_path: Path) -> Generator[Finance]:
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        finance.run(MARCH)
        yield finance


def publish_a_run(warehouse: Warehouse, kept: int = 3) -> Path | None:
    warehouse.begin_run("a test", now=NOW, code_version="1")
    made = publish(warehouse, warehouse.home / "published", kept, NOW)
    warehouse.end_run(now=NOW)
    return made


def test_a_copy_has_every_table_as_it_is_with_what_it_means(finance: Finance) -> None:
    con = finance.warehouse.con
    made = publish_a_run(finance.warehouse)
    assert made is not None
    assert (made.stat().st_mode & 0o777, made.name) == (0o444, "1.duckdb")
    folder = made.parent
    with duckdb.connect(str(folder / "latest.duckdb"), read_only=True) as reader:
        names = {
            f"{schema}.{name}"
            for schema, name in reader.sql("select schema_name, table_name from duckdb_tables()").fetchall()
        }
        assert names == set(published(con)) - set(LEFT_AS_VIEWS)
        for name in LEFT_AS_VIEWS:
            assert reader.execute(f"select count(*) from {name}").fetchall() == [(3,)]  # shipped, ordered, enrolled
            assert not (folder / "latest" / f"{name.replace('.', '/')}.parquet").exists()
        assert {"core.units", "core.order_items", "billing.statements", "audit.files"} <= names
        assert reader.sql(
            "select count(*) from duckdb_columns() where comment is null and not internal"
        ).fetchall() == [(0,)]
        assert reader.sql("select outcome, ended_at from audit.runs").fetchall() == [("done", NOW)]
        for name in names - {"audit.runs"}:
            rows = sorted(map(repr, con.execute(f"from {name}").fetchall()))
            assert sorted(map(repr, reader.execute(f"from {name}").fetchall())) == rows
            parquet = folder / "latest" / f"{name.replace('.', '/')}.parquet"
            assert pl.read_parquet(parquet).height == len(rows)


def test_an_older_duckdb_can_read_it(finance: Finance) -> None:
    made = publish_a_run(finance.warehouse)
    assert made is not None
    with duckdb.connect(str(made), read_only=True) as reader:
        ((tags,),) = reader.sql("select tags from duckdb_databases() where not internal").fetchall()
    assert tags["storage_version"].startswith("v1.4.0")


def test_nothing_of_a_refused_row_is_in_it(finance: Finance) -> None:
    bad = row("contacts", contact_id="C", order_id="A", contacted_at="2026-03-05T12:00:00Z", reason="nonsense")
    text = ",".join(bad) + ",note\n" + ",".join(str(value or "") for value in bad.values()) + f',"{SECRET}"\n'
    path = finance.folder / "contacts_bad.csv"
    path.write_text(text)
    load_paths(finance.warehouse, [path])
    assert SECRET in str(finance.warehouse.rows('select "row" from audit.quarantine'))
    finance.run(MARCH)
    made = publish_a_run(finance.warehouse)
    assert made is not None
    files = [file for file in made.parent.rglob("*") if file.is_file()]
    assert len(files) > 20
    assert not any(SECRET.encode() in file.read_bytes() for file in files)
    assert "audit.quarantine" in NOT_PUBLISHED


def test_nothing_new_is_not_published_again_and_old_copies_go(finance: Finance) -> None:
    folder = finance.warehouse.home / "published"
    assert publish_a_run(finance.warehouse, kept=0) is None
    assert not folder.exists()
    assert publish_a_run(finance.warehouse) is not None
    assert publish_a_run(finance.warehouse) is None
    for number in range(3):
        finance.ship(f"more {number}", 1, MARCH)
        finance.run(MARCH)
        assert publish_a_run(finance.warehouse, kept=2) is not None
    assert sorted(path.name for path in folder.iterdir()) == [
        *("5", "5.duckdb", "6", "6.duckdb", "latest", "latest.duckdb"),
    ]
    assert [(folder / name).readlink().name for name in ("latest", "latest.duckdb")] == ["6", "6.duckdb"]


def test_what_a_killed_run_or_a_careless_reader_left_spoils_nothing(finance: Finance) -> None:
    folder = finance.warehouse.home / "published"
    (folder / ".fresh" / "1").mkdir(parents=True)
    (folder / ".fresh" / "1.duckdb").write_bytes(b"half")
    for name in ("latest.duckdb.wal", "1.duckdb.wal", ".latest.duckdb"):
        (folder / name).write_bytes(b"not what belongs there")
    made = publish_a_run(finance.warehouse)
    assert made is not None
    with duckdb.connect(str(folder / "latest.duckdb"), read_only=True) as reader:
        assert reader.sql("select sum(quantity) from core.units").fetchall() == [(10,)]
    finance.ship("more", 5, MARCH)
    finance.run(MARCH)
    with duckdb.connect(str(folder / "latest.duckdb"), read_only=True) as reader:
        assert publish_a_run(finance.warehouse, kept=1) is not None
        assert reader.sql("select sum(quantity) from core.units").fetchall() == [(10,)], "an open copy can be read on"
    assert not made.exists()


AS_NOBODY = """
import os, sys, duckdb
os.setgid(65534)
os.setuid(65534)
print(duckdb.connect(sys.argv[1], read_only=True).sql('from core.units').fetchall())
duckdb.connect(sys.argv[1]).execute('create table audit.mine (a int)')
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can try as another user")
def test_another_user_can_read_and_cannot_write(finance: Finance) -> None:
    made = publish_a_run(finance.warehouse)
    assert made is not None
    place = Path(mkdtemp())
    try:
        place.chmod(0o755)
        shutil.copytree(made.parent, place / "published", symlinks=True)
        path = place / "published" / "latest.duckdb"
        command = [sys.executable, "-c", AS_NOBODY, str(path)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        shutil.rmtree(place)
    assert "'A'" in found.stdout, found.stderr
    assert found.returncode != 0
    assert "Permission denied" in found.stderr or "read-only" in found.stderr


READER = """
import json, sys, threading, duckdb
from pathlib import Path
path, stop, connections, query = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
states, failed = set(), []
def read():
    with duckdb.connect(path, read_only=True) as con:
        states.add(con.execute(query).fetchall()[0])
def read_on():
    try:
        while not stop.exists():
            read()
    except BaseException as error:
        failed.append(repr(error))
read()
print("ready", flush=True)
threads = [threading.Thread(target=read_on) for _ in range(connections)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
read()
print(json.dumps([failed, [[int(number) for number in state] for state in sorted(states)]]))
"""


@pytest.mark.parametrize(
    ("seconds", "processes", "connections"), [(1, 2, 2), pytest.param(60, 10, 10, marks=pytest.mark.prove)]
)
def test_readers_meet_whole_runs_while_others_are_published(
    finance: Finance, seconds: int, processes: int, connections: int
) -> None:
    made = publish_a_run(finance.warehouse)
    assert made is not None
    stop = finance.folder / "stop"
    command = [sys.executable, "-c", READER, str(made.parent / "latest.duckdb"), str(stop), str(connections), WHOLE]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    assert [reader.stdout and reader.stdout.readline() for reader in readers] == ["ready\n"] * processes
    runs, end = 1, time.monotonic() + seconds
    while time.monotonic() < end:
        finance.ship(f"more {runs}", 1, (MARCH, APRIL)[runs % 2])
        finance.run(MARCH, APRIL)
        assert publish_a_run(finance.warehouse) is not None
        runs += 1
    stop.touch()
    seen = set()
    for reader in readers:
        failed, states = json.loads(reader.communicate()[0])
        assert failed == []
        assert {(money, units, unfinished) for money, units, _, unfinished in states} == {(0, 0, 0)}
        seen |= {shipped for _, _, shipped, _ in states}
    assert {10, 9 + runs} <= seen <= set(range(10, 10 + runs)), "the first run, the last, and what lay between"
