"""Which open periods a load touches: the load's own months, later drafts, and the first open one for closed ones."""

from collections.abc import Generator
from pathlib import Path

import pytest
from house import DATA, PRESS_WITHOUT_PDF, bill, close_period, load_paths, opened, row, write_csv

from assets.core.marketplaces import read_marketplaces
from assets.touched import periods_touched
from assets.warehouse import Warehouse

US, JP, DE = "ATVPDKIKX0DER", "A1VC38T7YXB528", "A1PA6795UKMFR9"


class Home:
    """Loads what a test says, and asks what that touched."""

    def __init__(self, folder: Path, warehouse: Warehouse) -> None:
        self.folder, self.warehouse, self.number = folder, warehouse, 0

    def touched_by(self, **rows: list[dict[str, str | None]]) -> dict[str, list[str]]:
        before, self.number = self.warehouse.latest_load(), self.number + 1
        report = load_paths(self.warehouse, write_csv(self.folder / f"{self.number}", rows, f"_{self.number}"))
        assert not report.refusals
        assert sum(file.rows_quarantined for file in report.loads) == 0
        return periods_touched(self.warehouse, read_marketplaces(DATA / "marketplaces.csv"), since=before)


@pytest.fixture
def home(tmp_path: Path) -> Generator[Home]:
    with opened(tmp_path / "home") as warehouse:
        yield Home(tmp_path, warehouse)


def item(order_id: str, at: str, **values: str) -> dict[str, str | None]:
    return row("order_items", order_id=order_id, purchased_at=at, **values)


def shipment(shipment_id: str, order_id: str, at: str, **values: str) -> dict[str, str | None]:
    return row("shipments", shipment_id=shipment_id, order_id=order_id, shipped_at=at, **values)


def test_months_are_those_of_the_marketplace(home: Home) -> None:
    touched = home.touched_by(
        order_items=[
            item("O", "2026-03-20T00:00:00Z"),
            item("J", "2026-03-20T00:00:00Z", marketplace_id=JP),
        ],
        shipments=[
            shipment("P", "O", "2026-04-01T06:59:59Z"),  # still March in Los Angeles
            shipment("Q", "J", "2026-03-31T15:00:00Z"),  # April in Tokyo
            shipment("R", "nobody knows", "2026-05-31T23:59:59Z"),
        ],
    )
    assert touched == {"2026-03": [JP, US], "2026-04": [JP], "2026-05": ["unknown"]}


def test_a_new_version_touches_the_month_that_it_leaves(home: Home) -> None:
    home.touched_by(
        order_items=[item("O", "2026-03-20T12:00:00Z")], shipments=[shipment("P", "O", "2026-03-21T12:00:00Z")]
    )
    moved = shipment("P", "O", "2026-05-02T12:00:00Z")
    assert home.touched_by(shipments=[moved]) == {"2026-03": [US], "2026-05": [US]}


def test_an_item_touches_the_months_of_what_waited_for_it(home: Home) -> None:
    home.touched_by(
        shipments=[shipment("P", "O", "2026-05-02T12:00:00Z")],
        contacts=[row("contacts", contact_id="C", order_id="O", contacted_at="2026-06-02T12:00:00Z")],
    )
    touched = home.touched_by(order_items=[item("O", "2026-04-20T12:00:00Z")])
    assert touched == {"2026-04": [US], "2026-05": [US], "2026-06": [US]}


def test_nothing_new_touches_nothing(home: Home) -> None:
    rows = {"order_items": [item("O", "2026-03-20T12:00:00Z")]}
    assert home.touched_by(**rows)
    assert home.touched_by(**rows) == {}


@pytest.fixture
def books(home: Home) -> Home:
    """February and March of the US are closed, April and May drafted; Germany has a draft of March."""
    home.touched_by(
        sellers=[row("sellers", seller_id="S"), row("sellers", seller_id="G", country="DE")],
        enrolment_events=[
            row("enrolment_events", seller_id="S", effective_at="2025-01-01T00:00:00Z"),
            row("enrolment_events", seller_id="G", marketplace_id=DE, effective_at="2025-01-01T00:00:00Z"),
        ],
        order_items=[
            *(item(f"O{month}", f"2026-0{month}-05T12:00:00Z") for month in (2, 3, 4, 5)),
            item("D", "2026-03-05T12:00:00Z", seller_id="G", marketplace_id=DE),
        ],
        shipments=[
            *(shipment(f"P{month}", f"O{month}", f"2026-0{month}-06T12:00:00Z") for month in (2, 3, 4, 5)),
            shipment("D", "D", "2026-03-06T12:00:00Z"),
        ],
    )
    for period in ("2026-02", "2026-03"):
        assert close_period(home.warehouse, period, only=[US], press=PRESS_WITHOUT_PDF) == [US]
    bill(home.warehouse, ["2026-04", "2026-05"], only=[US])
    bill(home.warehouse, ["2026-03"], only=[DE])
    return home


def test_a_closed_month_stands_for_the_first_open_one_and_later_drafts_go_with_it(books: Home) -> None:
    late = shipment("L", "O2", "2026-02-20T12:00:00Z")
    assert books.touched_by(shipments=[late]) == {"2026-04": [US], "2026-05": [US]}
    assert books.touched_by(shipments=[shipment("M", "O5", "2026-05-20T12:00:00Z")]) == {"2026-05": [US]}
    assert books.touched_by(shipments=[shipment("N", "D", "2026-03-20T12:00:00Z")]) == {"2026-03": [DE]}


def test_what_lies_before_the_first_closed_month_was_never_billed(books: Home) -> None:
    assert books.touched_by(shipments=[shipment("L", "O2", "2026-01-20T12:00:00Z")]) == {}


def test_a_seller_or_an_enrolment_touches_all_that_is_open(books: Home) -> None:
    every = {"2026-03": [DE], "2026-04": [US], "2026-05": [US]}
    renamed = row("sellers", seller_id="S", name="Other", updated_at="2026-05-20T12:00:00Z")
    assert books.touched_by(sellers=[renamed]) == every
    left = row("enrolment_events", seller_id="S", event="deactivate", effective_at="2026-04-20T12:00:00Z")
    assert books.touched_by(enrolment_events=[left]) == every
