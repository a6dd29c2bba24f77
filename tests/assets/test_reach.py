"""What a month reads of the items of past months: only what it names, and nothing else comes out."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from house import DATA, bill, load_paths, opened

from assets import reach
from assets.tables import tables
from assets.warehouse import Warehouse

DERIVED = [name for name, table in tables().items() if not table.is_view]


def billed(warehouse: Warehouse, period: str) -> dict[str, list[tuple]]:
    """Every table of a month of the sample, made anew."""
    warehouse.makes_anew, warehouse.reached = True, None
    bill(warehouse, [period])
    return {name: warehouse.con.execute(f"from {name} order by all").fetchall() for name in DERIVED}


def test_every_table_comes_out_the_same(tmp_path: Path) -> None:
    """A few months are read as they are; else what is near and what the month names; or what it names alone."""
    with opened(tmp_path) as warehouse:
        load_paths(warehouse, [DATA / "sample"])
        for period in ("2026-04", "2026-06"):
            plain = billed(warehouse, period)
            assert warehouse.reached is not None
            assert not warehouse.reached[1]
            for name in ("NEAR", "MANY"):
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(reach, "WORTH_IT", 0)
                    patch.setattr(reach, name, timedelta() if name == "NEAR" else 0)
                    assert billed(warehouse, period) == plain
                assert warehouse.reached[1]
                (view,) = warehouse.con.execute(
                    "select sql from duckdb_views() where view_name = 'reached_order_items' and temporary"
                ).fetchall()
                assert ("core.order_items" in view[0]) == (name == "NEAR")
            ((further,),) = warehouse.con.execute("select count(*) from further_items").fetchall()
            assert further > 0


def test_items_of_an_order_are_found_wherever_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One item of an order is near, the other is not: a contact that names the order alone is about the first."""
    monkeypatch.setattr(reach, "WORTH_IT", 0)
    with opened(tmp_path) as warehouse:
        con = warehouse.con
        con.execute("create table core.order_items (order_id text, order_item_id text, purchased_at timestamp)")
        con.execute("drop view in_force.order_items; create view in_force.order_items as from core.order_items")
        old, new = datetime(2025, 1, 1), datetime(2026, 3, 5)
        con.executemany("insert into core.order_items values (?, ?, ?)", [("O", "1", old), ("O", "2", new)])
        con.executemany("insert into core.order_items values (?, ?, ?)", [("P", "1", old), ("Q", "1", old)])
        for dataset, time in (("shipments", "shipped_at"), ("contacts", "contacted_at"), ("returns", "requested_at")):
            con.execute(f"drop view in_force.{dataset}")
            con.execute(f"create table in_force.{dataset} (order_id text, order_item_id text, {time} timestamp)")
        con.execute("insert into in_force.contacts values ('O', null, ?), (null, null, ?)", [new, new])
        con.execute(
            "insert into in_force.shipments values ('P', '1', ?), ('O', '2', ?), ('?', '1', ?)", [new, new, new]
        )
        con.execute("insert into in_force.returns values ('Q', '1', ?)", [old])
        con.execute("create temp table scope as select ? as starts_at, ? as ends_at", [new, new + timedelta(days=1)])
        assert reach.show_reached_items(con)
        found = con.execute("select order_id, order_item_id from reached_order_items order by all").fetchall()
    assert found == [("O", "1"), ("O", "2"), ("P", "1")]  # Q is of another month
