"""Explaining a seller's month: what it shows of drafts and of the books, and what it says where there is nothing.

That every line of many histories is traced to its files is held in `tests/test_histories.py`.
"""

from collections.abc import Generator
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from finance import APRIL, JP, MARCH, MAY, US, Finance, credit
from house import DATA, NOW, bill, opened, row
from rich.console import Console

from assets.core.marketplaces import read_marketplaces
from pipelines.crediting import grant
from pipelines.explained import show_explanation
from pipelines.explaining import ExplainError, explain

LISTED = read_marketplaces(DATA / "marketplaces.csv")


@pytest.fixture(scope="module")
def finance(tmp_path_factory: pytest.TempPathFactory) -> Generator[Finance]:
    """March is closed with 10 units and no contact; 5 units came late, two contacts, and a credit; April is open."""
    folder = tmp_path_factory.mktemp("explained")
    with opened(folder / "home") as warehouse:
        finance = Finance(warehouse, folder)
        void = row("shipments", shipment_id="V", order_id="A", shipped_at="2026-03-09T12:00:00Z", is_void="true")
        finance.load(shipments=[void])
        finance.close(MARCH)
        finance.ship("late", 5, MARCH)
        finance.contact("C1", MARCH)
        finance.contact("C2", MARCH, order="late", reason="invoice")
        grant(warehouse, credit("1.50"), NOW)
        finance.ship("next", 3, APRIL)
        finance.run(APRIL)
        yield finance


def lines(finance: Finance, period: str, **asked: Any) -> list[dict[str, Any]]:
    (statement,) = explain(finance.warehouse, "S", period, LISTED, **asked)["statements"]
    return statement["lines"]


def text(finance: Finance, period: str, *, every_row: bool = False, **asked: Any) -> str:
    shown = StringIO()
    found = explain(finance.warehouse, "S", period, LISTED, **asked)
    console = Console(file=shown, width=80, highlight=False)
    show_explanation(console, found, shipment=asked.get("shipment"), every_row=every_row)
    return shown.getvalue()


def ids(line: dict[str, Any], dataset: str, role: str) -> list[str]:
    return [row["subject_id"] for row in line["rows"] if (row["dataset"], row["role"]) == (dataset, role)]


def test_a_line_in_the_books_is_explained_by_what_was_known_at_its_close(finance: Finance) -> None:
    (line,) = lines(finance, MARCH)
    assert (line["units"], line["tier"], line["amount"], line["entry"]) == (10, 1, Decimal(2), None)
    assert line["month"] == {
        "units": 10,
        "contacts": 0,
        "units_valid_tracking": 10,
        "returns": 0,
        "returns_prepaid": 0,
        "orders_in_quarter": 1,
    }
    assert ids(line, "shipments", "billed") == ["P-A"]
    assert ids(line, "shipments", "left_out") == ["V"]
    assert ids(line, "contacts", "judged") == ids(line, "contacts", "left_out") == []
    (closed,) = finance.warehouse.rows("select load_id, terms_sha256 from billing.closes")
    assert (line["load_id"], line["terms"]["sha256"]) == (closed["load_id"], closed["terms_sha256"])


def test_an_adjustment_takes_back_what_was_known_and_enters_what_is(finance: Finance) -> None:
    april, reversal, correction, granted = lines(finance, APRIL)
    assert (april["period"], april["units"], ids(april, "shipments", "billed")) == (APRIL, 3, ["P-next"])
    assert (reversal["entry"], reversal["units"], reversal["amount"]) == ("reversal", -10, Decimal(-2))
    assert ids(reversal, "shipments", "billed") == ["P-A"]
    assert reversal["month"]["contacts"] == 0
    assert (correction["entry"], correction["units"], correction["tier"]) == ("correction", 15, 2)
    assert sorted(ids(correction, "shipments", "billed")) == ["P-A", "P-late"]
    assert ids(correction, "contacts", "judged") == ["C1"]
    assert ids(correction, "contacts", "left_out") == ["C2"]
    assert correction["reason"] == "late_contact, late_order_item, late_shipment"
    assert (correction["load_id"], correction["terms"]["sha256"]) == (None, None)
    assert (granted["kind"], granted["amount"], granted["reason"]) == ("credit", Decimal("-1.5"), "dispute 7")
    assert granted["rows"] == []
    assert granted["month"] is granted["terms"] is None


def test_what_a_line_rests_on_stays_when_later_rows_come_and_months_close(finance: Finance, tmp_path: Path) -> None:
    with opened(tmp_path / "home") as warehouse:
        other = Finance(warehouse, tmp_path)
        seen: dict[str, list] = {}
        for period, late in ((MARCH, "one"), (APRIL, "two"), (MAY, "three")):
            other.close(period)
            seen[period] = lines(other, period)
            other.ship(late, 5, MARCH)
            other.contact(f"C-{late}", MARCH, order=late)
            other.run(MARCH, APRIL, MAY)
            other.ship(f"{late} again", 1, MARCH)  # what was rated between two closes no line rests on
            other.run(MAY)
            assert {each: lines(other, each) for each in seen} == seen
        kept = warehouse.rows("select distinct last_closed from billing.kept_evidence")
        assert len(kept) == 3


def test_a_line_rests_on_what_it_did_though_nothing_of_it_is_left(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        finance.close(MARCH)
        seen = lines(finance, MARCH)
        void = {"is_void": "true", "updated_at": "2026-04-02T00:00:00Z"}
        finance.load(shipments=[finance.parcel("A", 10, MARCH, **void)])
        finance.run(APRIL)
        assert warehouse.rows("from billing.performance where period = '2026-03'") == []
        assert lines(finance, MARCH) == seen
        (reversal,) = lines(finance, APRIL)
        assert reversal["rows"] == seen[0]["rows"]
        assert {entry["dataset"] for entry in reversal["rows"]} == {"shipments", "order_items", "enrolment_events"}


def test_only_rows_that_are_otherwise_are_kept(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        finance.ship("B", 3, MARCH)
        finance.close(MARCH)
        finance.load(shipments=[finance.parcel("B", 2, MARCH, updated_at="2026-04-02T00:00:00Z")])
        finance.run(APRIL)
        kept = warehouse.rows("select dataset, subject_id, quantity, was_there from billing.kept_evidence order by all")
        assert [tuple(each.values()) for each in kept] == [
            ("shipments", "P-B", 3, True),
            ("shipments", None, None, False),
        ]


@pytest.mark.parametrize(
    "event",
    [
        {"event": "activate", "effective_at": "2026-01-01T00:00:00Z"},
        {"event": "activate", "effective_at": "2026-01-01T00:00:00Z", "terms_accepted": "false"},
        {"event": "deactivate", "effective_at": "2024-06-01T00:00:00Z"},
    ],
)
def test_a_late_event_that_comes_to_nothing_is_not_behind_earlier_lines(event: dict[str, str], tmp_path: Path) -> None:
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        finance.close(MARCH)
        seen = lines(finance, MARCH)
        finance.load(enrolment_events=[row("enrolment_events", seller_id="S", **event)])
        finance.contact("C", MARCH)
        finance.run(APRIL)
        assert lines(finance, MARCH) == seen
        assert {entry[-1] for entry in finance.entries(APRIL)} == {"late_contact"}


def test_a_row_that_changes_after_each_close_is_once_behind_each_line(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        seen: dict[str, list] = {}
        for number, period in enumerate((MARCH, APRIL, MAY), start=1):
            if period != MARCH:
                finance.contact(f"C-{period}", MARCH)  # so that March is reversed and corrected
            finance.close(period)
            seen[period] = lines(finance, period)
            version = {"quantity": str(10 + number), "updated_at": f"2026-04-0{number}T00:00:00Z"}
            placed = {"order_id": "A", "purchased_at": "2026-03-02T12:00:00Z"}
            finance.load(order_items=[row("order_items", **placed, **version)])
            finance.run("2026-06")
            assert {each: lines(finance, each) for each in seen} == seen
        kept = warehouse.rows("from billing.kept_evidence where subject_id = 'P-A'")
        assert [each["was_there"] for each in kept] == [True, True, True]


def test_a_run_of_another_marketplace_leaves_what_closed_lines_rest_on(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        finance.close(MARCH)
        seen = lines(finance, MARCH)
        corrected = {"updated_at": "2026-06-01T00:00:00Z"}
        finance.load(
            order_items=[row("order_items", order_id="A", purchased_at="2026-03-01T12:00:00Z", **corrected)],
            enrolment_events=[row("enrolment_events", seller_id="S", effective_at="2024-06-01T00:00:00Z")],
        )
        for _ in range(2):
            bill(warehouse, [APRIL], terms=finance.terms, only=[JP])
            assert lines(finance, MARCH) == seen
        finance.run(APRIL)
        assert lines(finance, MARCH) == seen


@pytest.mark.parametrize("only", [[JP], []])
def test_other_terms_leave_what_closed_lines_rest_on(only: list[str], tmp_path: Path) -> None:
    """Nothing is loaded in between: under the other terms the seller was in its trial all along."""
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        finance.close(MARCH)
        seen = lines(finance, MARCH)
        assert ids(seen[0], "shipments", "billed") == ["P-A"]
        finance.edit_terms("trial_days = 30", "trial_days = 900")
        bill(warehouse, [APRIL], terms=finance.terms, only=only, reprice=True)
        assert lines(finance, MARCH) == seen
        finance.run(APRIL, reprice=True)
        assert lines(finance, MARCH) == seen
        booked = {line["entry"]: (line["kind"], *ids(line, "shipments", "billed")) for line in lines(finance, APRIL)}
        assert booked == {"reversal": ("charge", "P-A"), "correction": ("trial", "P-A")}


def test_rows_carry_their_file_and_that_of_their_item(finance: Finance) -> None:
    (line,) = lines(finance, MARCH)
    shipped = next(row for row in line["rows"] if row["subject_id"] == "P-A")
    assert Path(shipped["path"]).read_text().splitlines()[shipped["row_number"]].startswith("P-A,")
    assert Path(shipped["item_path"]).read_text().splitlines()[shipped["item_row_number"]].startswith("A,")
    enrolled = next(row for row in line["rows"] if row["role"] == "enrolment")
    assert (enrolled["outcome"], f"{enrolled['trial_ends_at']:%Y-%m-%d}") == ("opens", "2025-01-31")


def test_it_reads_as_a_chain(finance: Finance) -> None:
    said = text(finance, APRIL)
    for part in (
        "S, 2026-04, US (ATVPDKIKX0DER): 3.10 USD",
        "Line 3: charge of 2026-03, correction",
        "amount      6.00 USD = 15 units × 0.40 USD",
        "because of  late contact, late order item, late shipment",
        "tier        2, above 5 % to 10 %: 1 contact / 15 units = 6.667 %",
        "1 unit in 1 shipment line, void, left out: withdrawn",
        "1, excluded reason, left out: invoice, customisation and pre-order enquiries never count",
        "C1  delivery  contacts.csv row 1, of order_items.csv row 1",
        "trial       to 2025-01-31 00:00:00, by the time of shipping",
        "Line 4: credit of 2026-03, correction\n  amount      -1.50 USD\n  because of  dispute 7\n",
        "known       of all loads: a draft",
    ):
        assert part in said


def test_the_first_rows_of_each_kind_are_shown_or_all(finance: Finance, tmp_path: Path) -> None:
    with opened(tmp_path / "home") as warehouse:
        other = Finance(warehouse, tmp_path)
        for number in range(5):
            other.ship(f"more {number}", 1, MARCH)
        other.run(MARCH)
        assert "… 6 rows more" in text(other, MARCH)  # three of six shipments, three of six orders
        assert text(other, MARCH).count("shipments.csv row") == 3
        assert text(other, MARCH, every_row=True).count("shipments.csv row") == 6


def test_one_line_or_one_shipment(finance: Finance) -> None:
    (line,) = lines(finance, APRIL, line=2)
    assert line["entry"] == "reversal"
    on_lines = lines(finance, APRIL, shipment="P-late")
    assert [(line["line_number"], ids(line, "shipments", "billed")) for line in on_lines] == [(3, ["P-late"])]
    assert "(ordered 2026-03-02 12:00:00)  P-late" in text(finance, APRIL, shipment="P-late")
    with pytest.raises(ExplainError, match="has no line 9"):
        lines(finance, APRIL, line=9)
    with pytest.raises(ExplainError, match=r"no line of S in 2026-03 .* known as: 2026-03, ATVPDKIKX0DER, S, charg"):
        lines(finance, MARCH, shipment="P-late")
    with pytest.raises(ExplainError, match="no period that was run has a shipment nix"):
        lines(finance, MARCH, shipment="nix")


def test_where_there_is_nothing_it_says_what_there_is(finance: Finance, tmp_path: Path) -> None:
    with pytest.raises(ExplainError, match="S has no statement of 2026-06; it has of 2026-03, 2026-04"):
        lines(finance, "2026-06")
    with pytest.raises(ExplainError, match=f"S has no statement of 2026-03 in {JP}"):
        lines(finance, MARCH, marketplaces=[JP])
    with pytest.raises(ExplainError, match="nobody knows a seller X"):
        explain(finance.warehouse, "X", MARCH, LISTED)
    with pytest.raises(ExplainError, match="T has no statement: no covered unit"):
        explain(finance.warehouse, "T", MARCH, LISTED)
    with opened(tmp_path / "home") as warehouse, pytest.raises(ExplainError, match="csba run 2026-03 first"):
        explain(warehouse, "S", MARCH, LISTED)


def test_of_several_marketplaces_all_are_explained(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as warehouse:
        both = Finance(warehouse, tmp_path)
        enrolled = {"seller_id": "S", "marketplace_id": JP, "effective_at": "2025-01-01T00:00:00Z"}
        both.load(enrolment_events=[row("enrolment_events", **enrolled)])
        item = row("order_items", order_id="J", marketplace_id=JP, purchased_at="2026-03-02T12:00:00Z")
        shipped = {"shipment_id": "P-J", "order_id": "J", "shipped_at": "2026-03-03T12:00:00Z"}
        both.load(order_items=[item], shipments=[row("shipments", **shipped)])
        both.run(MARCH)
        found = explain(warehouse, "S", MARCH, LISTED)["statements"]
        assert [each["marketplace_id"] for each in found] == [JP, US]
        with pytest.raises(ExplainError, match="--marketplace says whose line"):
            explain(warehouse, "S", MARCH, LISTED, line=1)
        assert explain(warehouse, "S", MARCH, LISTED, line=1, marketplaces=[US])["statements"][0]["lines"]
