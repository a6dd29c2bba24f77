"""Everything that is reported: each kind once, on few rows, and nothing else."""

from pathlib import Path

from house import bill, load_paths, opened, row, write_csv

US, DE = "ATVPDKIKX0DER", "A1PA6795UKMFR9"


def reported(
    folder: Path, rows: dict, periods: tuple[str, ...] = ("2026-03",), *, has_returns: bool = True
) -> list[tuple]:
    if has_returns:
        rows.setdefault("order_items", []).append(
            row("order_items", order_id="old", purchased_at="2025-06-01T12:00:00Z")
        )
        rows["returns"] = [row("returns", return_id="R", order_id="old", requested_at="2025-06-09T12:00:00Z")]
    with opened(folder / "home") as warehouse:
        report = load_paths(warehouse, write_csv(folder / "files", rows))
        assert not report.refusals
        bill(warehouse, periods)
        query = "select period, marketplace_id, seller_id, kind, subject, detail from audit.exceptions order by all"
        return warehouse.con.execute(query).fetchall()


def good_seller(**values: str) -> dict:
    return {
        "sellers": [row("sellers", seller_id="S")],
        "enrolment_events": [row("enrolment_events", seller_id="S", effective_at="2025-01-01T00:00:00Z", **values)],
    }


def test_a_quiet_month_reports_nothing(tmp_path: Path) -> None:
    rows = good_seller() | {
        "order_items": [row("order_items", order_id="O", purchased_at="2026-03-01T12:00:00Z")],
        "shipments": [row("shipments", shipment_id="P", order_id="O", shipped_at="2026-03-01T12:00:00Z")],
        "contacts": [row("contacts", contact_id="C", order_id="O", contacted_at="2026-03-01T12:00:00Z")],
    }
    assert reported(tmp_path, rows) == []


def test_events_that_change_nothing_or_come_late(tmp_path: Path) -> None:
    def event(day: str, **values: str) -> dict:
        return row("enrolment_events", seller_id="S", effective_at=f"2026-03-{day}T12:00:00Z", **values)

    rows = {
        "sellers": [row("sellers", seller_id="S")],
        "enrolment_events": [
            event("01", event="deactivate", requested_at="2026-03-01T10:00:00Z"),
            event("02", terms_accepted="false"),
            event("03", requested_at="2026-03-03T11:00:00Z"),
            event("04", requested_at="2026-03-04T10:59:59.999999Z"),
        ],
    }
    assert reported(tmp_path, rows) == [
        ("2026-03", US, "S", "activation_late", "S 2026-03-04 12:00:00", "asked for at 2026-03-04 10:59:59.999999 UTC"),
        ("2026-03", US, "S", "activation_refused", "S 2026-03-02 12:00:00", "the terms were not accepted"),
        ("2026-03", US, "S", "activation_repeated", "S 2026-03-04 12:00:00", "it was enrolled already"),
        ("2026-03", US, "S", "deactivation_late", "S 2026-03-01 12:00:00", "asked for at 2026-03-01 10:00:00 UTC"),
        ("2026-03", US, "S", "deactivation_outside", "S 2026-03-01 12:00:00", "it was not enrolled"),
    ]


def test_a_seller_that_loses_its_standing_stays_enrolled(tmp_path: Path) -> None:
    rows = good_seller()
    rows["sellers"] += [
        row("sellers", seller_id="S", updated_at="2026-03-05T00:00:00Z", standing="suspended"),
        row("sellers", seller_id="S", updated_at="2026-03-06T00:00:00Z", standing="suspended", plan="individual"),
        row("sellers", seller_id="S", updated_at="2026-03-07T00:00:00Z"),
    ]
    (line,) = reported(tmp_path, rows)
    assert line[2:] == (
        "S",
        "eligibility_lost",
        "S 2026-03-05 00:00:00",
        "plan professional, standing suspended; it stays enrolled",
    )


def test_units_that_do_not_fit_their_order(tmp_path: Path) -> None:
    rows = good_seller() | {
        "order_items": [
            row("order_items", order_id="early", purchased_at="2026-03-05T12:00:00Z"),
            row("order_items", order_id="many", purchased_at="2026-02-05T12:00:00Z", quantity="3"),
        ],
        "shipments": [
            row("shipments", shipment_id="P1", order_id="early", shipped_at="2026-03-05T11:00:00Z"),
            row("shipments", shipment_id="P2", order_id="many", shipped_at="2026-02-25T12:00:00Z", quantity="2"),
            row("shipments", shipment_id="P3", order_id="many", shipped_at="2026-03-05T12:00:00Z", quantity="2"),
            row("shipments", shipment_id="P4", order_id="many", shipped_at="2026-03-05T12:00:00Z", is_void="true"),
        ],
    }
    assert reported(tmp_path, rows, ("2026-02", "2026-03")) == [
        (
            "2026-03",
            US,
            "S",
            "shipped_before_ordered",
            "P1",
            "item 1 shipped 2026-03-05 11:00:00, ordered 2026-03-05 12:00:00 UTC",
        ),
        ("2026-03", US, "S", "shipped_beyond_ordered", "many", "item 1: 4 units shipped of 3 ordered"),
    ]


def test_items_that_were_cancelled_and_shipped(tmp_path: Path) -> None:
    def item(order: str, **values: str) -> dict:
        return row("order_items", order_id=order, purchased_at="2026-03-05T12:00:00Z", **values)

    def cancelled(order: str, day: str, **values: str) -> dict:
        return item(order, is_cancelled="true", updated_at=f"2026-03-{day}T12:00:00Z", **values)

    def parcel(name: str, order: str, **values: str) -> dict:
        return row("shipments", shipment_id=name, order_id=order, shipped_at="2026-03-06T12:00:00Z", **values)

    rows = good_seller() | {
        "order_items": [
            *(item("before"), cancelled("before", "05")),
            *(cancelled("after", "09"), item("by Amazon", fulfillment="AFN"), cancelled("by Amazon", "07")),
            *(cancelled("not after all", "06"), item("not after all", updated_at="2026-03-07T12:00:00Z")),
            *(cancelled("withdrawn", "06"), cancelled("never", "06"), item("good")),
        ],
        "shipments": [
            *(parcel("P1", "before", quantity="2"), parcel("P2", "after"), parcel("P3", "by Amazon")),
            *(parcel("P4", "not after all"), parcel("P5", "withdrawn", is_void="true"), parcel("P6", "good")),
        ],
    }

    def shipped(parcel: str, day: str) -> tuple:
        detail = f"item 1 shipped 2026-03-06 12:00:00, cancelled as of 2026-03-{day} 12:00:00 UTC"
        return ("2026-03", US, "S", "shipped_though_cancelled", parcel, detail)

    assert reported(tmp_path, rows) == [shipped("P1", "05"), shipped("P2", "09"), shipped("P3", "07")]


def test_an_order_whose_items_disagree(tmp_path: Path) -> None:
    at = "2026-03-05T12:00:00Z"
    rows = {
        "order_items": [
            row("order_items", order_id="O", order_item_id="1", purchased_at=at),
            row("order_items", order_id="O", order_item_id="2", purchased_at=at, seller_id="T", marketplace_id=DE),
        ]
    }
    (line,) = reported(tmp_path, rows)
    assert line[1:] == (US, "S", "order_items_disagree", "O", "2 sellers, 2 marketplaces, 1 times")


def test_a_contact_that_says_something_else_than_its_item(tmp_path: Path) -> None:
    rows = {
        "order_items": [row("order_items", order_id="O", purchased_at="2026-03-05T12:00:00Z")],
        "contacts": [
            row("contacts", contact_id="C", order_id="O", contacted_at="2026-03-06T12:00:00Z", seller_id="T"),
            row("contacts", contact_id="D", order_id="O", contacted_at="2026-03-06T12:00:00Z"),
        ],
    }
    (line,) = reported(tmp_path, rows)
    assert line[2:] == ("S", "contact_disagrees", "C", f"it says seller T in {US}; the item decides")


def test_rewards_that_nobody_can_earn_because_no_returns_were_ever_loaded(tmp_path: Path) -> None:
    rows = good_seller() | {
        "order_items": [row("order_items", order_id="O", purchased_at="2026-05-05T12:00:00Z", quantity="2")],
        "shipments": [
            row("shipments", shipment_id="P1", order_id="O", shipped_at="2026-05-06T12:00:00Z"),
            row(
                "shipments", shipment_id="P2", order_id="O", shipped_at="2026-05-26T12:00:00Z"
            ),  # terms without rewards
        ],
    }
    (line,) = reported(tmp_path, rows, ("2026-05",), has_returns=False)
    assert line[1:5] == (US, None, "no_returns_loaded", "US-2021-11")


def test_eligibility_that_was_lost_before_is_not_lost_again(tmp_path: Path) -> None:
    def seller(day: str, **values: str) -> dict:
        return row("sellers", seller_id="S", updated_at=f"2026-{day}T00:00:00Z", **values)

    rows = good_seller()
    rows["sellers"] += [seller("02-10", plan="individual"), seller("03-10", plan="individual", standing="at_risk")]
    found = reported(tmp_path, rows, ("2026-02", "2026-03"))
    assert [(period, kind) for period, _, _, kind, *_ in found] == [("2026-02", "eligibility_lost")]
