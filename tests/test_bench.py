"""The yardstick of the benchmarks arrives at what csba bills."""

import subprocess
import sys
from pathlib import Path

import pytest
from house import DATA, bill, load_paths, opened

from assets.settings import CHECKOUT

BY_HAND = [sys.executable, str(CHECKOUT / "bench" / "by_hand.py")]


@pytest.mark.parametrize("period", ["2026-03", "2026-05"])
def test_the_month_by_hand_comes_to_the_same_fee_lines(tmp_path: Path, period: str) -> None:
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [DATA / "sample"])
        bill(warehouse, [period])
        query = "select sum(units)::bigint, count(*), sum(amount) from billing.fee_lines where period = ?"
        found = " ".join(map(str, warehouse.con.execute(query, [period]).fetchall()[0]))
    database = str(tmp_path / "by_hand.duckdb")
    subprocess.run([*BY_HAND, "load", str(DATA / "sample"), database], check=True, capture_output=True)
    by_hand = subprocess.run([*BY_HAND, "bill", database, period], check=True, capture_output=True, text=True)
    assert by_hand.stdout.strip() == found
