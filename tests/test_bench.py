"""What the benchmarks compare with arrives at what csba bills."""

import subprocess
import sys
from pathlib import Path

import pytest
from house import DATA, bill, load_paths, opened

from assets.settings import CHECKOUT

BY_HAND = [sys.executable, str(CHECKOUT / "bench" / "by_hand.py")]
WITH_POLARS = [sys.executable, str(CHECKOUT / "bench" / "with_polars.py")]


@pytest.mark.parametrize("period", ["2026-03", "2026-05"])
def test_others_come_to_the_same_fee_lines(tmp_path: Path, period: str) -> None:
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [DATA / "sample"])
        bill(warehouse, [period])
        query = "select sum(units)::bigint, count(*), sum(amount) from billing.fee_lines where period = ?"
        found = " ".join(map(str, warehouse.con.execute(query, [period]).fetchall()[0]))
    database = str(tmp_path / "by_hand.duckdb")
    subprocess.run([*BY_HAND, "load", str(DATA / "sample"), database], check=True, capture_output=True)
    by_hand = subprocess.run([*BY_HAND, "bill", database, period], check=True, capture_output=True, text=True)
    assert by_hand.stdout.strip() == found
    peer = subprocess.run([*WITH_POLARS, str(DATA / "sample"), period], check=True, capture_output=True, text=True)
    assert peer.stdout.strip() == found
