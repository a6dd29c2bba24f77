"""A load that is killed is completed by the next, and two never write at once."""

import random
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from assets.settings import CHECKOUT
from assets.warehouse import WarehouseBusyError, open_warehouse

LOAD = """
import sys
from datetime import datetime
from pathlib import Path
from assets.raw.loading import load
from assets.raw.sources import Sources
from assets.warehouse import open_warehouse
folder, now = Path(sys.argv[1]), datetime(2026, 11, 1)
with open_warehouse(folder / "home", holder="csba load", now=now) as warehouse:
    print("open", flush=True)
    if "hold" in sys.argv:
        sys.stdin.read()
    load(warehouse, [folder / "landing"], sources=Sources(()), marketplaces=dict.fromkeys(sys.argv[2].split()), now=now)
"""


MARKETPLACES = "ATVPDKIKX0DER A2Q3Y263D00KWC"


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A process of its own that loads the landing folder; returned when it has opened the warehouse."""
    command = [sys.executable, "-c", LOAD, str(folder), MARKETPLACES, *arguments]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def end(process: subprocess.Popen[str], how: signal.Signals | None = None) -> None:
    if how:
        process.send_signal(how)
    process.communicate(timeout=60)


def landing(raw, folder: Path) -> None:
    (folder / "landing").mkdir(parents=True)
    for n in range(8):
        rows = [
            raw.item(
                order_id=str(i), quantity=str(i % 7), sku=str(n % 3), updated_at=f"2026-01-{1 + n % 4:02}T00:00:00Z"
            )
            for i in range(n * 100, n * 100 + 1000)
        ]
        (folder / "landing" / f"order_items_{n}.csv").write_bytes(raw.as_csv(rows))


EVERYTHING = [
    "select path.split('/')[-1], rows_read, rows_loaded, rows_duplicate, rows_quarantined from audit.files order by 1",
    "select * exclude (load_id) from raw.order_items order by file_id, row_number",
    "select dataset, file_id, row_number from raw.superseded order by all",
    "select * from audit.quarantine order by file_id, row_number",
]


def kill_at_random_moments(raw, tmp_path: Path, kills: int) -> None:
    landing(raw, tmp_path / "calm")
    before = time.monotonic()
    end(start(tmp_path / "calm"))
    seconds = time.monotonic() - before
    with raw.open_home(tmp_path / "calm") as calm:
        expected = [calm.rows(query) for query in EVERYTHING]
    assert len(expected[0]) == 8
    chance, done = random.Random(20261101), 0
    for n in range(kills):
        folder = tmp_path / f"killed-{n}"
        landing(raw, folder)
        for _ in range(2):
            process = start(folder)
            time.sleep(chance.uniform(0, seconds / 2))
            end(process, signal.SIGKILL)
            with raw.open_home(folder) as home:
                home.check_accounts()
                done += 0 < len(home.rows("from audit.files")) < 8
        end(start(folder))
        with raw.open_home(folder) as home:
            assert [home.rows(query) for query in EVERYTHING] == expected
            assert home.load(folder / "landing").loads == []


def test_a_load_that_is_killed_is_completed_by_the_next(raw, tmp_path):
    kill_at_random_moments(raw, tmp_path, 1)


@pytest.mark.prove
def test_a_load_that_is_killed_is_completed_by_the_next_however_often(raw, tmp_path):
    kill_at_random_moments(raw, tmp_path, 25)


def test_the_second_writer_is_told_who_holds_the_home_and_a_dead_holder_holds_nothing(raw, tmp_path):
    landing(raw, tmp_path)
    holder = start(tmp_path, "hold")
    try:
        with pytest.raises(WarehouseBusyError) as busy, raw.open_home(tmp_path):
            pass
        assert f"csba load, process {holder.pid}, since 2026-11-01" in str(busy.value)
        assert "try again" in str(busy.value)
    finally:
        end(holder, signal.SIGKILL)
    with open_warehouse(tmp_path / "home", holder="csba run", now=datetime(2026, 11, 2)) as warehouse:
        assert warehouse.latest_load() == 0
