"""A month that does not fit into memory is made in slices of its orders, and comes out the same."""

from pathlib import Path

import pytest
from house import DATA, bill, load_paths, opened, row, write_csv

from assets import making
from assets import warehouse as warehouse_module

MADE = ("core.units", "audit.unit_balance", "audit.exceptions", "billing.fee_lines")


def test_slices_come_out_as_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for number in (1, 5):
        with opened(tmp_path / str(number)) as warehouse:
            monkeypatch.setattr(making, "_number_of_slices", lambda _, number=number: number)
            load_paths(warehouse, [DATA / "sample"])
            bill(warehouse, ["2026-05"])
            found.append([warehouse.con.execute(f"from {table} order by all").fetchall() for table in MADE])
    assert found[0] == found[1]
    assert all(found[0])


def test_an_order_is_in_one_slice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_number_of_slices", lambda _: 7)
    with opened(tmp_path) as warehouse:
        con = warehouse.con
        load_paths(warehouse, [DATA / "sample"])
        bill(warehouse, ["2026-05"])
        slices = making._slices(con)
        assert len(slices) == 7
        con.execute(
            "create temp table ids as select distinct order_id as id from raw.shipments union all values (null)"
        )
        counted = " + ".join(f"coalesce({orders}, false)::int" for orders in slices)
        assert con.execute(f"select distinct {counted} from ids").fetchall() == [(1,)]
        shares = [con.execute(f"select count(*) from ids where {orders}").fetchall()[0][0] for orders in slices]
        assert min(shares) * 2 > max(shares), "they are of about the same size"


def test_ids_are_only_ever_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_number_of_slices", lambda _: 3)
    ids = ["it's", "it's'; drop table raw.shipments; --", "zwölf"]
    rows = {
        "shipments": [
            row("shipments", shipment_id=name, order_id=name, shipped_at="2026-03-05T12:00:00Z") for name in ids
        ]
    }
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, write_csv(tmp_path / "files", rows))
        bill(warehouse, ["2026-03"])
        assert warehouse.rows("select distinct order_id from core.units order by all") == [
            {"order_id": name} for name in sorted(ids)
        ]


def test_the_memory_decides_how_many(tmp_path: Path) -> None:
    with opened(tmp_path) as warehouse:
        con = warehouse.con
        con.execute("create or replace temp table scope as select timestamp '2026-01-01' as starts_at")
        con.execute("alter table scope add column ends_at timestamp default timestamp '2027-01-01'")
        con.execute("alter table scope add column quarter_starts_at timestamp")
        load_paths(warehouse, [DATA / "sample"])
        ((rows,),) = con.execute("select count(*) from in_force.shipments where shipped_at >= '2026-01-01'").fetchall()
        con.execute("set memory_limit = '1GB'")
        assert making._number_of_slices(con) == 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(warehouse_module, "BYTES_A_ROW", 10 * 10**9 / rows)
            assert making._number_of_slices(con) == 11
