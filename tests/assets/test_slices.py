"""A month that does not fit into memory is made in slices of its orders, and comes out the same."""

from pathlib import Path

import pytest
from house import DATA, bill, load_paths, opened

from assets import tables as tables_module

MADE = ("core.units", "audit.unit_balance", "audit.exceptions", "billing.fee_lines")


def test_slices_come_out_as_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for number in (1, 5):
        with opened(tmp_path / str(number)) as warehouse:
            monkeypatch.setattr(tables_module, "_number_of_slices", lambda _, number=number: number)
            load_paths(warehouse, [DATA / "sample"])
            bill(warehouse, ["2026-05"])
            found.append([warehouse.con.execute(f"from {table} order by all").fetchall() for table in MADE])
    assert found[0] == found[1]
    assert all(found[0])


def test_the_memory_decides_how_many(tmp_path: Path) -> None:
    with opened(tmp_path) as warehouse:
        con = warehouse.con
        con.execute("create or replace temp table scope as select timestamp '2026-01-01' as starts_at")
        con.execute("alter table scope add column ends_at timestamp default timestamp '2027-01-01'")
        con.execute("alter table scope add column quarter_starts_at timestamp")
        load_paths(warehouse, [DATA / "sample"])
        ((rows,),) = con.execute("select count(*) from in_force.shipments where shipped_at >= '2026-01-01'").fetchall()
        con.execute("set memory_limit = '1GB'")
        assert tables_module._number_of_slices(con) == 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tables_module, "BYTES_A_SHIPMENT", 10 * 10**9 / rows)
            assert tables_module._number_of_slices(con) == 11
