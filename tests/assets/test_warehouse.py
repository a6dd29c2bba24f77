"""One writer, all or nothing, and the runs that are entered."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from assets.settings import CHECKOUT
from assets.warehouse import WarehouseBusyError, WarehouseMissingError, open_warehouse, read_warehouse

NOW = datetime(2026, 11, 1, 12)


def open_here(home: Path, holder: str = "a test"):
    return open_warehouse(home, holder=holder, now=NOW)


def elsewhere(home: Path, opener: str) -> str:
    """What another process says that opens the home."""
    code = f"""
import sys
from datetime import datetime
from pathlib import Path
from assets.warehouse import *
try:
    with {opener} as warehouse:
        print(warehouse.latest_load())
except (WarehouseBusyError, WarehouseMissingError) as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(home)], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_nothing_is_there_before_the_first_load_and_opening_twice_changes_nothing(tmp_path):
    with pytest.raises(WarehouseMissingError, match="nothing has been loaded"), read_warehouse(tmp_path / "home"):
        pass
    for _ in range(2):
        with open_here(tmp_path / "home") as warehouse:
            assert warehouse.latest_load() == 0
            assert warehouse.rows("select count(*) as n from in_force.order_items") == [{"n": 0}]
    with read_warehouse(tmp_path / "home") as warehouse:
        assert warehouse.latest_load() == 0


def test_a_warehouse_that_is_older_than_a_column_gets_it(tmp_path):
    with open_here(tmp_path) as warehouse:
        warehouse.con.execute("drop view in_force.order_items; alter table raw.order_items drop column is_cancelled")
        warehouse.con.execute(
            "insert into raw.order_items by name select 'O' as order_id, 0 as load_id, 1 as file_id, 1 as row_number"
        )
    with open_here(tmp_path) as warehouse:
        found = warehouse.rows("select order_id, is_cancelled from in_force.order_items")
    assert found == [{"order_id": "O", "is_cancelled": None}]


def test_the_session_is_in_utc_and_spills_within_the_home(tmp_path):
    with open_here(tmp_path / "home") as warehouse:
        assert warehouse.rows("select current_setting('timezone') as zone") == [{"zone": "UTC"}]
        (settings,) = warehouse.rows("select current_setting('temp_directory') as spill")
        assert Path(settings["spill"]).is_relative_to(tmp_path / "home")


def test_a_second_writer_and_a_reader_are_told_who_writes(tmp_path):
    with open_here(tmp_path, "csba run 2026-10"):
        for opener in (
            'open_warehouse(Path(sys.argv[1]), holder="second", now=datetime(2026, 11, 2))',
            "read_warehouse(Path(sys.argv[1]))",
        ):
            said = elsewhere(tmp_path, opener)
            assert said.startswith("WarehouseBusyError")
            assert "csba run 2026-10" in said
    assert elsewhere(tmp_path, "read_warehouse(Path(sys.argv[1]))") == "0"


def test_the_lock_is_free_again_after_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="stop"), open_here(tmp_path):
        raise RuntimeError("stop")
    with open_here(tmp_path, "next") as warehouse:
        assert warehouse.latest_load() == 0
        with pytest.raises(WarehouseBusyError, match="next"), open_here(tmp_path):
            pass


def test_a_transaction_is_all_or_nothing(tmp_path):
    with open_here(tmp_path) as warehouse:
        warehouse.con.execute("create table audit.thing (n bigint)")

        def fail_halfway(error: type[BaseException]):
            with warehouse.transaction():
                warehouse.con.execute("insert into audit.thing values (1)")
                raise error

        for error in (RuntimeError, KeyboardInterrupt):
            with pytest.raises(error):
                fail_halfway(error)
        with warehouse.transaction():
            warehouse.con.execute("insert into audit.thing values (2)")
    with open_here(tmp_path) as warehouse:
        assert warehouse.rows("from audit.thing") == [{"n": 2}]


def test_a_run_that_ended_early_is_marked_interrupted(tmp_path):
    with open_here(tmp_path) as warehouse:
        warehouse.begin_run("csba run 2026-10", now=NOW, code_version="1")
    with open_here(tmp_path) as warehouse:
        warehouse.begin_run("csba run 2026-10", now=NOW, code_version="1")
        warehouse.counts["units"] = 3
        warehouse.end_run(now=NOW)
        assert warehouse.rows("select run_id, outcome, counts from audit.runs order by 1") == [
            {"run_id": 1, "outcome": "interrupted", "counts": None},
            {"run_id": 2, "outcome": "done", "counts": '{"units": 3}'},
        ]


def test_as_many_blocks_are_kept_between_queries_whatever_memory_may_be_used(tmp_path):
    kept = set()
    for memory in (10**12, 256 * 10**6):
        with open_warehouse(tmp_path, holder="a test", now=NOW, memory=memory) as warehouse:
            kept |= set(warehouse.con.execute("select current_setting('block_allocator_memory')").fetchall())
    assert len(kept) == 1
    assert kept != {("0 bytes",)}


def test_memory_is_bounded_and_what_a_killed_process_spilled_is_removed(tmp_path):
    home = tmp_path / "home"
    with open_warehouse(home, holder="a test", now=NOW, memory=300 * 10**6) as warehouse:
        limit, folder = warehouse.con.execute(
            "select current_setting('memory_limit'), current_setting('temp_directory')"
        ).fetchall()[0]
        assert (limit, folder) == ("286.1 MiB", str(home / "spill"))
    left = home / "spill" / "duckdb_temp_storage-0.tmp"
    left.parent.mkdir(exist_ok=True)
    left.write_text("rows of somebody")
    with open_here(home):
        assert not left.exists()
