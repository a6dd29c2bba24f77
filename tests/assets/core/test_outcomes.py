"""Enrolments, units and contacts on a handful of rows: the rules that people ask about first."""

from datetime import datetime
from pathlib import Path

import pytest
from house import bill, load_paths, opened, row, write_csv

from assets.making import ChecksFailedError

US, JP = "ATVPDKIKX0DER", "A1VC38T7YXB528"
Rows = dict[str, list[dict[str, str | None]]]


def billed(folder: Path, rows: Rows, query: str, periods: tuple[str, ...] = ("2026-03",)) -> list[tuple]:
    """The rows of a query after the periods are billed."""
    with opened(folder / "home") as warehouse:
        report = load_paths(warehouse, write_csv(folder / "files", rows))
        assert not report.refusals
        assert not sum(file.rows_quarantined for file in report.loads)
        bill(warehouse, periods)
        return warehouse.con.execute(query).fetchall()


def enrolled(*events: tuple[str, str], seller: str = "S") -> Rows:
    """A good seller with events, each `(activate or deactivate, instant)`."""
    return {
        "sellers": [row("sellers", seller_id=seller)],
        "enrolment_events": [
            row("enrolment_events", seller_id=seller, event=event, effective_at=at) for event, at in events
        ],
    }


UNITS = "select shipment_id, outcome from core.units order by shipment_id"


def ordered_and_shipped(*orders: tuple[str, str, dict[str, str]]) -> Rows:
    """Orders of one unit: `(when ordered, when shipped, whatever else)`; ids count from 1."""
    items, shipments = [], []
    for number, (purchased_at, shipped_at, others) in enumerate(orders, start=1):
        of_shipment = {k: v for k, v in others.items() if k in ("is_void",)}
        of_item = {k: v for k, v in others.items() if k not in of_shipment}
        items.append(row("order_items", order_id=f"O{number}", purchased_at=purchased_at, **of_item))
        shipments.append(
            row("shipments", shipment_id=f"P{number}", order_id=f"O{number}", shipped_at=shipped_at, **of_shipment)
        )
    return {"order_items": items, "shipments": shipments}


def test_coverage_goes_by_the_order_and_the_trial_by_shipping(tmp_path: Path) -> None:
    rows = enrolled(("activate", "2026-02-10T00:00:00Z")) | ordered_and_shipped(
        ("2026-02-09T23:59:59.999999Z", "2026-03-12T00:00:00Z", {}),
        ("2026-02-10T00:00:00Z", "2026-03-11T23:59:59.999999Z", {}),
        ("2026-02-10T00:00:00Z", "2026-03-12T00:00:00Z", {}),
    )
    assert billed(tmp_path, rows, UNITS) == [("P1", "before_enrolment"), ("P2", "trial"), ("P3", "chargeable")]


def test_the_trial_runs_through_an_opt_out_and_none_begins_anew(tmp_path: Path) -> None:
    events = (
        ("activate", "2026-02-10T00:00:00Z"),
        ("deactivate", "2026-02-15T00:00:00Z"),
        ("activate", "2026-03-01T00:00:00Z"),
    )
    rows = enrolled(*events) | ordered_and_shipped(
        ("2026-02-14T23:59:59Z", "2026-03-20T12:00:00Z", {}),  # placed while enrolled: stays covered
        ("2026-02-15T00:00:00Z", "2026-03-10T12:00:00Z", {}),
        ("2026-03-01T00:00:00Z", "2026-03-11T12:00:00Z", {}),
        ("2026-03-01T00:00:00Z", "2026-03-12T12:00:00Z", {}),
    )
    outcomes = [("P1", "chargeable"), ("P2", "opted_out"), ("P3", "trial"), ("P4", "chargeable")]
    assert billed(tmp_path, rows, UNITS) == outcomes


def test_the_first_outcome_that_fits_is_the_one(tmp_path: Path) -> None:
    rows = enrolled(("activate", "2025-01-01T00:00:00Z")) | ordered_and_shipped(
        ("2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z", {"is_void": "true", "fulfillment": "AFN"}),
        ("2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z", {"fulfillment": "AFN", "is_prime": "true"}),
        ("2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z", {"is_prime": "true", "seller_id": "nobody"}),
        ("2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z", {"seller_id": "nobody"}),
    )
    rows["shipments"].append(
        row("shipments", shipment_id="P5", order_id="?", shipped_at="2026-03-02T00:00:00Z", is_void="true")
    )
    outcomes = ["void", "platform_fulfilled", "prime", "never_enrolled", "unmatched"]
    assert [outcome for _, outcome in billed(tmp_path, rows, UNITS)] == outcomes


def test_the_month_is_the_marketplaces_own(tmp_path: Path) -> None:
    rows = enrolled(("activate", "2025-01-01T00:00:00Z")) | ordered_and_shipped(
        ("2026-03-01T00:00:00Z", "2026-04-01T06:59:59.999999Z", {}),
        ("2026-03-01T00:00:00Z", "2026-04-01T07:00:00Z", {}),
        ("2026-03-01T00:00:00Z", "2026-03-31T15:00:00Z", {"marketplace_id": JP}),
    )
    query = "select period, shipment_id from core.units order by shipment_id"
    found = billed(tmp_path, rows, query, ("2026-03", "2026-04"))
    assert found == [("2026-03", "P1"), ("2026-04", "P2"), ("2026-04", "P3")]


def test_an_unmatched_unit_is_taken_up_when_its_item_arrives(tmp_path: Path) -> None:
    rows = enrolled(("activate", "2025-01-01T00:00:00Z")) | ordered_and_shipped(
        ("2026-03-01T12:00:00Z", "2026-03-31T23:00:00Z", {})
    )
    late = {"order_items": rows.pop("order_items")}
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, write_csv(tmp_path / "first", rows))
        bill(warehouse, ["2026-03", "2026-04"])
        before = warehouse.con.execute("select period, marketplace_id, seller_id, outcome from core.units").fetchall()
        assert before == [("2026-03", "unknown", None, "unmatched")]
        load_paths(warehouse, write_csv(tmp_path / "second", late))
        bill(warehouse, ["2026-03", "2026-04"])
        after = warehouse.con.execute("select period, marketplace_id, seller_id, outcome from core.units").fetchall()
        assert after == [("2026-03", US, "S", "chargeable")]
        assert warehouse.rows("from audit.unit_balance where unmatched > 0") == []


ENROLMENTS = "select interval_number, started_at, ended_at from core.enrolments order by interval_number"
VERDICTS = "select effective_at, event, verdict, refused_because from core.enrolment_events order by 1, 2 desc"


def test_at_one_instant_a_deactivation_comes_first(tmp_path: Path) -> None:
    at = "2026-02-01T00:00:00Z"
    events = ("activate", "2026-01-01T00:00:00Z"), ("activate", at), ("deactivate", at)
    changed = datetime(2026, 2, 1)
    assert billed(tmp_path, enrolled(*events), ENROLMENTS) == [(1, datetime(2026, 1, 1), changed), (2, changed, None)]


def test_repeated_and_outside_events_change_nothing(tmp_path: Path) -> None:
    days = ("deactivate", "01"), ("activate", "02"), ("activate", "03"), ("deactivate", "04"), ("deactivate", "05")
    events = [(event, f"2026-02-{day}T00:00:00Z") for event, day in days]
    found = billed(tmp_path, enrolled(*events), VERDICTS)
    assert [verdict for *_, verdict, _ in found] == ["outside", "opens", "repeated", "closes", "outside"]


def test_an_activation_needs_accepted_terms_and_an_eligible_seller(tmp_path: Path) -> None:
    versions = [
        ("2026-01-10", "individual", "good"),
        ("2026-01-20", "professional", "at_risk"),
        ("2026-01-30", "professional", "good"),
    ]
    rows: Rows = {
        "sellers": [
            row("sellers", seller_id="S", updated_at=f"{day}T00:00:00Z", plan=plan, standing=standing)
            for day, plan, standing in versions
        ],
        "enrolment_events": [
            row("enrolment_events", seller_id="S", effective_at="2026-01-05T00:00:00Z"),  # the earliest version counts
            row("enrolment_events", seller_id="S", effective_at="2026-01-20T00:00:00Z"),
            row("enrolment_events", seller_id="S", effective_at="2026-01-30T00:00:00Z", terms_accepted="false"),
            row("enrolment_events", seller_id="S", effective_at="2026-01-31T00:00:00Z"),
            row("enrolment_events", seller_id="nobody", effective_at="2026-01-31T00:00:00Z"),
        ],
    }
    query = "select verdict, refused_because from core.enrolment_events order by effective_at, seller_id"
    assert billed(tmp_path, rows, query) == [
        ("refused", "the plan was individual"),
        ("refused", "the standing was at_risk"),
        ("refused", "the terms were not accepted"),
        ("opens", None),
        ("refused", "the seller is not known"),
    ]


CONTACTS = "select contact_id, marketplace_id, order_item_id, outcome from core.contacts order by contact_id"


def test_a_contact_is_about_the_item_it_names_or_the_first_covered_one(tmp_path: Path) -> None:
    at = "2026-03-01T12:00:00Z"
    rows = enrolled(("activate", "2025-01-01T00:00:00Z")) | {
        "order_items": [
            row("order_items", order_id="O", order_item_id="1", fulfillment="AFN", purchased_at=at),
            row("order_items", order_id="O", order_item_id="10", purchased_at=at),
            row("order_items", order_id="O", order_item_id="2", purchased_at=at),
            row("order_items", order_id="A", order_item_id="1", fulfillment="AFN", purchased_at=at),
        ],
        "contacts": [
            row("contacts", contact_id=name, contacted_at="2026-03-02T00:00:00Z", **values)
            for name, values in {
                "a": {"order_id": "O"},
                "b": {"order_id": "O", "order_item_id": "1"},
                "c": {"order_id": "A"},
                "d": {"order_id": "O", "order_item_id": "9"},
                "e": {"order_item_id": "1"},
                "f": {"order_id": "gone", "is_void": "true"},
                "g": {"order_id": "O", "is_void": "true"},
                "h": {"order_id": "O", "reason": "invoice"},
            }.items()
        ],
    }
    assert billed(tmp_path, rows, CONTACTS) == [
        ("a", US, "10", "counted"),  # "10" comes before "2" in text order
        ("b", US, "1", "platform_fulfilled"),
        ("c", US, "1", "platform_fulfilled"),
        ("d", "unknown", "9", "unmatched"),
        ("e", "unknown", "1", "unmatched"),
        ("f", "unknown", None, "void"),
        ("g", US, "10", "void"),
        ("h", US, "10", "excluded_reason"),
    ]


def test_a_return_is_of_the_item_it_names_by_id_or_by_sku(tmp_path: Path) -> None:
    at = "2026-03-01T12:00:00Z"
    rows = enrolled(("activate", "2025-01-01T00:00:00Z")) | {
        "order_items": [
            row("order_items", order_id="O", order_item_id="1", sku="A", fulfillment="AFN", purchased_at=at),
            row("order_items", order_id="O", order_item_id="2", sku="A", purchased_at=at),
            row("order_items", order_id="O", order_item_id="3", sku="1", purchased_at=at),
            row("order_items", order_id="P", order_item_id="1", sku="A", fulfillment="AFN", purchased_at=at),
        ],
        "returns": [
            row("returns", return_id=name, order_id=order, order_item_id=item, requested_at="2026-03-09T00:00:00Z")
            for name, order, item in (
                *(("by id", "O", "2"), ("by SKU the covered one", "O", "A"), ("by id before SKU", "O", "1")),
                *(("not covered", "P", "A"), ("unknown", "O", "B"), ("of another order", "Q", "A")),
            )
        ],
    }
    query = "select return_id, order_item_id, (select count(*) from core.marketplaces_with_returns) from core.returns"
    assert sorted(billed(tmp_path, rows, query)) == [("by SKU the covered one", "2", 1), ("by id", "2", 1)]


def test_a_contact_before_the_order_does_not_count(tmp_path: Path) -> None:
    rows = enrolled(("activate", "2025-01-01T00:00:00Z")) | {
        "order_items": [row("order_items", order_id="O", purchased_at="2026-03-10T12:00:00Z")],
        "contacts": [
            row("contacts", contact_id="a", order_id="O", contacted_at="2026-03-10T11:59:59.999999Z"),
            row("contacts", contact_id="b", order_id="O", contacted_at="2026-03-10T12:00:00Z"),
        ],
    }
    assert [outcome for *_, outcome in billed(tmp_path, rows, CONTACTS)] == ["before_order", "counted"]


@pytest.mark.parametrize("fulfillment", ["MFN", "AFN"])
def test_a_unit_before_the_first_terms_stops_the_run_saying_which(fulfillment: str, tmp_path: Path) -> None:
    rows = ordered_and_shipped(("2018-06-01T00:00:00Z", "2018-06-02T00:00:00Z", {"fulfillment": fulfillment}))
    with pytest.raises(ChecksFailedError, match=r"a unit has terms in force when it ships.*shipment_id P1") as failed:
        billed(tmp_path, rows, UNITS, ("2018-06",))
    assert failed.value.marketplaces == {US}


def test_an_activation_before_the_first_terms_stops_the_run_saying_which(tmp_path: Path) -> None:
    rows = enrolled(("activate", "2018-06-01T00:00:00Z"), seller="early bird")
    rows["enrolment_events"][0]["terms_accepted"] = "false"
    with pytest.raises(ChecksFailedError, match=r"an activation has terms in force.*early bird"):
        billed(tmp_path, rows, UNITS)
