"""The lake has every load as a whole or not at all, whatever happened to it or to the home."""

import json
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from house import DATA, load_paths, opened, row, write_csv

from assets.lake import CONTENTS, Lake, LakeError, Pair, open_lake, try_lake
from assets.raw.datasets import DATASETS
from assets.warehouse import HASH, Warehouse

OF_ORDERS = [name for name, dataset in DATASETS.items() if dataset.happened_at]


def order(number: int, month: str) -> dict[str, Sequence[dict[str, str | None]]]:
    """An order, and its parcel in the month after."""
    year, after = month.split("-", maxsplit=1)[0], f"{int(month.split('-')[1]) + 1:02}"
    items = row("order_items", order_id=f"O{number}", purchased_at=f"{month}-09T12:00:00Z")
    parcel = row(
        "shipments", shipment_id=f"P{number}", order_id=f"O{number}", shipped_at=f"{year}-{after}-01T00:00:00Z"
    )
    return {"sellers": [row("sellers", seller_id="S")], "order_items": [items], "shipments": [parcel]}


def lake_of(warehouse: Warehouse, folder: Path) -> Lake:
    return open_lake(str(folder), warehouse.con)


def assert_holds_what_the_warehouse_holds(warehouse: Warehouse, folder: Path) -> None:
    lake = lake_of(warehouse, folder)
    for name in (*OF_ORDERS, "superseded"):
        files = lake.raw_files(warehouse.con, name)
        if not files:
            assert warehouse.rows(f"from raw.{name} limit 1") == []
            continue
        own = [column for column, *_ in warehouse.con.execute(f"describe raw.{name}").fetchall()]
        columns = ", ".join(column for column in own if column != HASH)  # of use in this warehouse alone
        there, here = f"select {columns} from in_the_lake", f"select {columns} from raw.{name}"
        with lake.showing(warehouse.con, "in_the_lake", files):
            assert warehouse.rows(f"({there}) except all ({here})") == []
            assert warehouse.rows(f"({here}) except all ({there})") == []


def test_a_load_is_kept_by_month_as_it_is(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as warehouse:
        assert not load_paths(warehouse, [DATA / "sample"], lake=str(tmp_path / "lake")).faults
        assert_holds_what_the_warehouse_holds(warehouse, tmp_path / "lake")
        lake, con = lake_of(warehouse, tmp_path / "lake"), warehouse.con
        for name in OF_ORDERS:
            at = DATASETS[name].happened_at
            for first, end in ((datetime(2026, 4, 1), datetime(2026, 5, 1)), (datetime(2026, 3, 31), None)):
                until = f"and {at} < timestamp '{end}'" if end else ""
                rows = f"select count(*) as rows from {{}} where {at} >= timestamp '{first}' {until}"
                with lake.showing(con, "in_the_lake", lake.raw_files(con, name, first, end)):
                    assert warehouse.rows(rows.format("in_the_lake")) == warehouse.rows(rows.format(f"raw.{name}"))
        april = lake.raw_files(con, "shipments", datetime(2026, 4, 1), datetime(2026, 5, 1))
        assert 0 < len(april) < len(lake.raw_files(con, "shipments"))
    assert {"sellers", "enrolment_events"}.isdisjoint(path.name for path in (tmp_path / "lake").rglob("*"))


def test_loads_from_before_and_new_versions_are_there(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, write_csv(tmp_path / "first", order(1, "2026-03")))
        again = [row("shipments", shipment_id="P1", order_id="O1", shipped_at="2026-04-02T00:00:00Z")]
        load_paths(warehouse, write_csv(tmp_path / "again", {"shipments": again}), lake=str(lake))
        assert warehouse.rows("from raw.superseded")
        assert_holds_what_the_warehouse_holds(warehouse, lake)
        assert len(list(lake.glob("home-*/raw/*"))) == 2
        load_paths(warehouse, write_csv(tmp_path / "again", {"shipments": again}), lake=str(lake))
        assert len(list(lake.glob("home-*/raw/*"))) == 2


@pytest.mark.parametrize(
    "lost", ["contents", "file and contents", "everything", "file", "end of file", "end of contents", "names"]
)
def test_what_a_crash_left_unfinished_is_written_again(tmp_path: Path, lost: str) -> None:
    lake = tmp_path / "lake"
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, write_csv(tmp_path / "first", order(1, "2026-03")), lake=str(lake))
        load_paths(warehouse, write_csv(tmp_path / "second", order(2, "2026-03")), lake=str(lake))
        folder = min(lake.glob("home-*/raw/*"))
        file, contents = next(folder.glob("shipments/*/*.parquet")), folder / CONTENTS
        if lost == "everything":
            shutil.rmtree(folder)
        if lost == "file":
            file.unlink()
        if lost in {"end of file", "file and contents"}:
            file.write_bytes(b"PAR1 half a fi")
        if lost in {"contents", "file and contents"}:
            contents.unlink()
        if lost == "end of contents":
            contents.write_text(contents.read_text()[:-9])
        if lost == "names":
            contents.write_text("{}")
        assert lake_of(warehouse, lake).keep_loads(warehouse.con) == 1
        assert_holds_what_the_warehouse_holds(warehouse, lake)
        assert lake_of(warehouse, lake).keep_loads(warehouse.con) == 0


def test_a_home_that_went_back_to_its_backup_reads_its_own_loads(tmp_path: Path) -> None:
    lake, home, backup = tmp_path / "lake", tmp_path / "home", tmp_path / "backup"
    with opened(home) as warehouse:
        load_paths(warehouse, write_csv(tmp_path / "first", order(1, "2026-03")), lake=str(lake))
    shutil.copytree(home, backup)
    with opened(home) as warehouse:
        load_paths(warehouse, write_csv(tmp_path / "wrong", order(2, "2026-05")), lake=str(lake))
    with opened(backup) as warehouse:
        load_paths(warehouse, write_csv(tmp_path / "right", order(3, "2026-07")), lake=str(lake))
        assert_holds_what_the_warehouse_holds(warehouse, lake)
    assert len(list(lake.glob("home-*"))) == 1
    with opened(tmp_path / "other") as warehouse:
        load_paths(warehouse, write_csv(tmp_path / "others", order(4, "2026-07")), lake=str(lake))
    assert len(list(lake.glob("home-*"))) == 2, "another home has a folder of its own"


def test_a_lake_that_cannot_be_written_loses_no_load(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.write_text("a file")
    with opened(tmp_path / "home") as warehouse:
        report = load_paths(warehouse, write_csv(tmp_path / "first", order(1, "2026-03")), lake=str(lake))
        (fault,) = report.faults
        assert fault.startswith(f"the lake {lake} cannot be used: ")
        assert fault.endswith("; what was loaded is kept")
        assert warehouse.rows("select order_id from raw.shipments") == [{"order_id": "O1"}]
        lake.unlink()
        assert not load_paths(warehouse, [tmp_path / "first"], lake=str(lake)).faults
        assert_holds_what_the_warehouse_holds(warehouse, lake)


def make(lake: Lake, folder: Path, number: int, pair: Pair) -> dict[Pair, list[str]]:
    """Files of a table, made as an engine makes them."""
    place = lake.begin_making("core.units")
    period, marketplace = pair
    made = folder / lake.folder / place / f"of_period={period}" / f"of_marketplace={marketplace}"
    made.mkdir(parents=True)
    duckdb.sql(f"copy (select {number} as n) to '{made}/part-0.parquet' (format parquet)")
    found = lake.made_files(place, pair)
    assert len(found) == 1
    return {pair: found}


def test_what_was_made_stands_as_a_whole(tmp_path: Path) -> None:
    """What is named is complete; what was before stays for a day, as a copy of the home may be reading it."""
    root, us, japan = tmp_path / "lake", ("2026-03", "US"), ("2026-03", "JP")
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, write_csv(tmp_path / "first", order(1, "2026-03")))
        lake = lake_of(warehouse, root)
        lake.keep_made("core.units", make(lake, root, 1, us))
        lake.keep_made("core.units", make(lake, root, 2, japan))
        again = make(lake, root, 3, us)
        lake.keep_made("core.units", again)
        assert len(list(root.rglob("*.parquet"))) == 3
        standing = json.loads((root / lake.folder / "made/core.units" / CONTENTS).read_text())
        assert standing["2026-03/US"] == again[us]
        every = [file for files in standing.values() for file in files]
        with lake.showing(warehouse.con, "made", every):
            assert warehouse.rows("from made order by n") == [{"n": 2}, {"n": 3}]


def test_what_other_runs_need_is_left_and_what_they_lost_goes(tmp_path: Path) -> None:
    """A copy of a home shares its folder: only what is older than any run can be is removed."""
    root = tmp_path / "lake"
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, write_csv(tmp_path / "first", order(1, "2026-03")))
        lake, other = lake_of(warehouse, root), lake_of(warehouse, root)
        stands = make(lake, root, 1, ("2026-03", "US"))
        lake.keep_made("core.units", stands)
        made, handed = (root / lake.folder / name for name in ("made/core.units", "handed"))
        old = made / "20260101T000000000000-aaaaaaaaaaaa"
        with lake.handing_over() as folder:
            begun = make(other, root, 2, ("2026-03", "JP"))
            (handed / old.name).mkdir()
            shutil.copytree(next(path for path in made.iterdir() if path.is_dir()), old)
            with other.handing_over() as another:
                assert {path.name for path in handed.iterdir()} == {Path(folder).name, Path(another).name}
                lake.begin_making("core.units")
        assert not old.exists()
        assert not list(handed.iterdir())
        assert all((root / lake.folder / path).exists() for files in (stands | begun).values() for path in files)


def test_a_lake_is_tried_before_it_is_needed(tmp_path: Path) -> None:
    try_lake(str(tmp_path / "new" / "lake"))
    assert not list((tmp_path / "new" / "lake").iterdir())
    (tmp_path / "file").touch()
    for address in (str(tmp_path / "file"), "foo://bar"):
        with pytest.raises(LakeError, match=f"the lake {address} cannot be used: "):
            try_lake(address)
