"""What a month reads of the items of past months: only what it names, and nothing else comes out."""

from datetime import timedelta
from pathlib import Path

import pytest
from house import DATA, bill, load_paths, opened, row, write_csv

from assets import reach
from assets.making import set_scope
from assets.raw.datasets import DATASETS
from assets.tables import tables
from assets.warehouse import HASH, Warehouse, has_hashes

DERIVED = [name for name, table in tables().items() if not table.is_view]


def billed(warehouse: Warehouse, period: str) -> dict[str, list[tuple]]:
    """Every table of a month of the sample, made anew."""
    warehouse.makes_anew, warehouse.reached = True, None
    bill(warehouse, [period])
    return {name: warehouse.con.execute(f"from {name} order by all").fetchall() for name in DERIVED}


def test_every_table_comes_out_the_same(tmp_path: Path) -> None:
    """All is read where little else is there; else what is near and what the month names; or what it names alone."""
    with opened(tmp_path) as warehouse:
        load_paths(warehouse, [DATA / "sample"])
        for period in ("2026-04", "2026-06"):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(reach, "WORTH_IT", 100)
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
            ((further,),) = warehouse.con.execute("select count(*) from further_order_items").fetchall()
            assert further > 0


OLD, NEW = "2025-01-01T12:00:00Z", "2026-03-05T12:00:00Z"


def world(folder: Path) -> Path:
    """One item of order O is near, the other is not; P and Q are old; of item P1 a line was shipped long before."""
    write_csv(
        folder,
        {
            "order_items": [
                row("order_items", order_id="O", order_item_id="O1", purchased_at=OLD),
                row("order_items", order_id="O", order_item_id="O2", purchased_at=NEW),
                row("order_items", order_id="P", order_item_id="P1", purchased_at=OLD),
                row("order_items", order_id="Q", order_item_id="Q1", purchased_at=OLD),
            ],
            "shipments": [
                row("shipments", shipment_id="1", order_id="P", order_item_id="P1", shipped_at=NEW),
                row("shipments", shipment_id="2", order_id="O", order_item_id="O2", shipped_at=NEW),
                row("shipments", shipment_id="3", order_id="?", order_item_id="?", shipped_at=NEW),
                row("shipments", shipment_id="4", order_id="P", order_item_id="P1", shipped_at=OLD),
                row("shipments", shipment_id="5", order_id="Q", order_item_id="Q1", shipped_at=OLD),
            ],
            "contacts": [row("contacts", contact_id="C", order_id="O", contacted_at=NEW)],
            "returns": [row("returns", return_id="R", order_id="Q", order_item_id="Q1", requested_at=OLD)],
        },
    )
    return folder


def what_is_reached(warehouse: Warehouse) -> tuple[list[tuple], list[tuple]]:
    """Items and shipments that March 2026 touches."""
    set_scope(warehouse, "2026-03")
    assert reach.show_reached_rows(warehouse.con)
    items = warehouse.con.execute("select order_item_id from reached_order_items order by all").fetchall()
    shipments = warehouse.con.execute("select shipment_id from reached_shipments order by all").fetchall()
    return items, shipments


REACHED = [("O1",), ("O2",), ("P1",)], [("1",), ("2",), ("3",), ("4",)]
"""Q is of another month; O1 is an item of the order that a contact names without its item."""


def test_rows_of_an_id_are_found_wherever_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "WORTH_IT", 0)
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [world(tmp_path / "files")])
        bill(warehouse, ["2026-03"])
        assert what_is_reached(warehouse) == REACHED


def test_of_what_is_far_off_the_versions_in_force_are_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also as of a load before the last."""
    monkeypatch.setattr(reach, "WORTH_IT", 0)
    later = {"purchased_at": OLD, "updated_at": "2026-03-06T12:00:00Z", "sku": "CORRECTED"}
    again = row("order_items", order_id="P", order_item_id="P1", **later)
    void = row("shipments", shipment_id="4", order_id="P", order_item_id="P1", shipped_at=OLD)
    void |= {"is_void": "true", "updated_at": "2026-03-06T12:00:00Z"}
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [world(tmp_path / "files")])
        bill(warehouse, ["2026-03"])
        load_paths(warehouse, write_csv(tmp_path / "again", {"order_items": [again], "shipments": [void]}))
        for load in (2, 1):
            warehouse.show_as_of(load)
            assert what_is_reached(warehouse) == REACHED
            (item,) = warehouse.rows("select sku from reached_order_items where order_item_id = 'P1'")
            (line,) = warehouse.rows("select is_void from reached_shipments where shipment_id = '4'")
            assert (item["sku"] == "CORRECTED") == (line["is_void"] is True) == (load == 2)


def test_hashes_of_another_version_of_the_engine_are_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they cannot be written anew, ids are read instead; the next process that writes does write them anew."""
    monkeypatch.setattr(reach, "WORTH_IT", 0)
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [world(tmp_path / "files")])
        bill(warehouse, ["2026-03"])
        for name in ("order_items", "shipments"):
            assert has_hashes(warehouse.con, DATASETS[name])
            warehouse.con.execute(f"update raw.{name} set {HASH} = 0")
            assert not has_hashes(warehouse.con, DATASETS[name])
        assert what_is_reached(warehouse) == REACHED
    with opened(tmp_path / "home") as warehouse:
        for name in ("order_items", "shipments"):
            ((wrong,),) = warehouse.con.execute(
                f"select count(*) from raw.{name} where {HASH} is distinct from hash({DATASETS[name].found_by})"
            ).fetchall()
            assert wrong == 0
            warehouse.con.execute(f"alter table raw.{name} drop column {HASH}")
    with opened(tmp_path / "home") as warehouse:  # as of a version that kept none
        assert what_is_reached(warehouse) == REACHED
        assert has_hashes(warehouse.con, DATASETS["order_items"])
        again = row("order_items", order_id="O", order_item_id="O2", purchased_at=NEW)
        report = load_paths(warehouse, write_csv(tmp_path / "again", {"order_items": [again, again]}))
        assert [each.rows_duplicate for each in report.loads] == [2]


def test_a_line_that_comes_again_for_another_order_is_another_version(tmp_path: Path) -> None:
    """Its key does not have the order, whose hash is kept."""
    line = row("shipments", shipment_id="1", order_id="P", order_item_id="P1", shipped_at=NEW)
    with opened(tmp_path / "home") as warehouse:
        for name, order_id, updated_at in (("first", "P", NEW), ("second", "Q", "2026-03-06T12:00:00Z")):
            lines = [{**line, "order_id": order_id, "updated_at": updated_at}]
            load_paths(warehouse, write_csv(tmp_path / name, {"shipments": lines}))
        assert warehouse.rows("select order_id from in_force.shipments") == [{"order_id": "Q"}]
