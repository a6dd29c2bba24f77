"""Pages of a run with nothing new are left; whatever can change them, or was done to them, makes them anew."""

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import pytest
from house import FONTS, NOW, load_paths, opened, row, write_csv

import pipelines.jobs
from assets.core.marketplaces import read_marketplaces
from assets.settings import Settings, settings
from assets.warehouse import Warehouse
from pipelines.publishing import publish
from pipelines.running import RunReport, run

US, DE = "ATVPDKIKX0DER", "A1PA6795UKMFR9"
MARCH, APRIL = "2026-03", "2026-04"

Run = Callable[..., tuple[set[tuple[str, str]], set[tuple[str, str]], RunReport]]


@pytest.fixture
def places(tmp_path: Path) -> Settings:
    return replace(settings({"CSBA_PDF": "none"}), home=tmp_path / "home", fonts=FONTS)


@pytest.fixture
def warehouse(places: Settings, tmp_path: Path) -> Generator[Warehouse]:
    rows: dict[str, list] = {
        name: [] for name in ("sellers", "enrolment_events", "order_items", "shipments", "contacts")
    }
    for seller, marketplace in (("S", US), ("D", DE)):
        market = {"seller_id": seller, "marketplace_id": marketplace}
        rows["sellers"].append(row("sellers", seller_id=seller))
        rows["enrolment_events"].append(row("enrolment_events", **market, effective_at="2025-01-01T00:00:00Z"))
        for month in (3, 4):
            order, at = f"{seller}{month}", f"2026-0{month}-05T12:00:00Z"
            rows["order_items"].append(row("order_items", **market, order_id=order, purchased_at=at))
            rows["shipments"].append(row("shipments", shipment_id=order, order_id=order, shipped_at=at))
    rows["contacts"].append(row("contacts", contact_id="C", order_id="S3", contacted_at="2026-03-09T12:00:00Z"))
    with opened(places.home) as warehouse:
        load_paths(warehouse, write_csv(tmp_path / "files", rows))
        yield warehouse


@pytest.fixture
def again(warehouse: Warehouse, places: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a month; gives the marketplaces whose statements and close reports were looked at, and the report."""
    seen: dict[str, set[tuple[str, str]]] = {}
    for name in ("write_statements", "write_close_reports"):
        write = getattr(pipelines.jobs, name)

        def listen(con, scope, *more, write=write, name=name):
            seen[name] = {pair for pair in scope if pair[1] in (US, DE)}
            return write(con, scope, *more)

        monkeypatch.setattr(pipelines.jobs, name, listen)

    def once(period: str = MARCH) -> tuple[set[tuple[str, str]], set[tuple[str, str]], RunReport]:
        seen.clear()
        warehouse.counts.clear()
        warehouse.reached = warehouse.left_out = None
        report = run(warehouse, places, [period], listed=read_marketplaces(places.marketplaces))
        return seen["write_statements"], seen["write_close_reports"], report

    return once


def test_pages_with_nothing_new_are_left(again: Run, warehouse: Warehouse) -> None:
    statements, reports, _ = again()
    assert statements == reports == {(MARCH, US), (MARCH, DE)}
    assert warehouse.counts["statements_made"] == 2
    warehouse.begin_run("a test", now=NOW, code_version="1")
    assert publish(warehouse, warehouse.home / "published", 1, NOW) is not None
    statements, reports, report = again()
    assert statements == reports == set()
    assert warehouse.counts["statements"] == 2  # they are there, and none was made
    assert warehouse.counts["statements_made"] == 0
    assert not report.broken
    warehouse.makes_anew = True
    statements, reports, _ = again()
    assert statements == reports == {(MARCH, US), (MARCH, DE)}


def test_late_rows_make_the_pages_of_their_marketplace_anew(again: Run, warehouse: Warehouse, tmp_path: Path) -> None:
    again()
    late = [
        row(
            "contacts",
            contact_id="L",
            order_id="D3",
            seller_id="D",
            marketplace_id=DE,
            contacted_at="2026-03-20T12:00:00Z",
        )
    ]
    load_paths(warehouse, write_csv(tmp_path / "late", {"contacts": late}))
    again()
    assert warehouse.counts["statements_made"] == 1


def test_another_month_can_change_what_is_shown_of_this(again: Run, warehouse: Warehouse) -> None:
    again(APRIL)
    assert warehouse.counts["statements_made"] == 2
    again(MARCH)
    statements, _, _ = again(APRIL)  # a statement shows the months before it
    assert statements == {(APRIL, US), (APRIL, DE)}
    assert warehouse.counts["statements_made"] == 2
    statements, _, _ = again(APRIL)
    assert statements == set()


def test_files_that_were_touched_are_put_right(again: Run, places: Settings) -> None:
    again()
    overwritten, removed = (
        next(path for path in (places.statements / MARCH / name).glob("*.html") if path.name != "index.html")
        for name in (US, DE)
    )
    good = [path.read_bytes() for path in (overwritten, removed)]
    overwritten.write_bytes(good[0][:-1] + b" ")
    removed.unlink()
    stray = removed.with_name("stray.txt")
    stray.write_text("?")
    report_page = places.close_reports / MARCH / f"{DE}.html"
    report_page.unlink()
    statements, reports, _ = again()
    assert statements == {(MARCH, US), (MARCH, DE)}
    assert reports == {(MARCH, DE)}
    assert [path.read_bytes() for path in (overwritten, removed)] == good
    assert not stray.exists()
    assert report_page.exists()


def test_another_engine_makes_them_anew(again: Run, places: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    again()
    another = replace(pipelines.jobs.press_of(places), code_version="another")
    monkeypatch.setattr(pipelines.jobs, "press_of", lambda _: another)
    statements, reports, _ = again()
    assert statements == {(MARCH, US), (MARCH, DE)}
    assert reports == set()
