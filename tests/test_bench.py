"""What the benchmarks compare with arrives at what csba bills."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from house import DATA, bill, load_paths, opened

from assets.settings import CHECKOUT

BY_HAND = [sys.executable, str(CHECKOUT / "bench" / "by_hand.py")]
WITH_POLARS = [sys.executable, str(CHECKOUT / "bench" / "with_polars.py")]
IN_FULL = [sys.executable, str(CHECKOUT / "bench" / "with_polars_in_full.py")]
FAULTS = {
    "sellers": {"plan": "gold", "email": "nobody"},
    "order_items": {"order_id": "1.13E+18", "marketplace_id": "nowhere", "quantity": "0"},
    "shipments": {"shipped_at": "2026-03-32T00:00:00Z", "is_void": "perhaps", "order_item_id": ""},
    "contacts": {"reason": "boredom", "contacted_at": ""},
}
"""Dataset → values that its contract refuses."""


@pytest.mark.parametrize("period", ["2026-03", "2026-05"])
def test_others_come_to_the_same_fee_lines(tmp_path: Path, period: str) -> None:
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [DATA / "sample"])
        bill(warehouse, [period])
        query = "select sum(units)::bigint, count(*), sum(amount) from billing.fee_lines where period = ?"
        found = " ".join(map(str, warehouse.con.execute(query, [period]).fetchall()[0]))
        query = "select outcome, sum(quantity)::bigint from core.units where period = ? group by outcome"
        outcomes = dict(warehouse.con.execute(query, [period]).fetchall())
    database = str(tmp_path / "by_hand.duckdb")
    subprocess.run([*BY_HAND, "load", str(DATA / "sample"), database], check=True, capture_output=True)
    by_hand = subprocess.run([*BY_HAND, "bill", database, period], check=True, capture_output=True, text=True)
    assert by_hand.stdout.strip() == found
    peer = subprocess.run([*WITH_POLARS, str(DATA / "sample"), period], check=True, capture_output=True, text=True)
    assert peer.stdout.strip() == found
    in_full = [*IN_FULL, str(DATA / "sample"), str(tmp_path / "kept"), period]
    lines, units = subprocess.run(in_full, check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines == found
    assert json.loads(units) == outcomes


def test_a_peer_that_keeps_account_refuses_what_csba_does(tmp_path: Path) -> None:
    at_fault, folder = set(), tmp_path / "files"
    shutil.copytree(DATA / "sample", folder)
    for dataset, faults in FAULTS.items():
        for path in sorted(folder.glob(f"{dataset}*.csv")):
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            for number, (column, value) in enumerate(faults.items(), start=2):
                rows[number - 1][column] = value
                at_fault.add((dataset, path.name, number, column))
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [folder])
        query = "select quarantine.dataset, parse_filename(path), row_number, column_name from audit.quarantine"
        assert set(warehouse.con.execute(f"{query} join audit.files using (file_id)").fetchall()) == at_fault
    subprocess.run([*IN_FULL, str(folder), str(tmp_path / "kept"), "2026-03"], check=True, capture_output=True)
    refused = {
        (dataset, sorted(folder.glob(f"{dataset}*.csv"))[file - 1].name, row, column)
        for dataset in FAULTS
        for file, row, column, _ in pl.read_parquet(tmp_path / "kept" / f"{dataset}_refused.parquet").rows()
    }
    assert refused == at_fault
