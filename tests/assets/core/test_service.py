"""Requests to sellers, refunds and defects on a few rows each: one outcome each, at the edges of the rules.

That hundreds of worlds hold them row by row is tested with the reference.
"""

from collections.abc import Iterator

import pytest
from finance import APRIL, JP, MARCH, US
from house import bill, load_paths, opened, row, write_csv

from assets.warehouse import Warehouse

ENROLLED = "2026-04-10T12:00:00Z"
END_OF_APRIL = "2026-04-30T23:59:59.999999-07:00"

ITEMS = [
    # before the enrolment, and after it
    *(row("order_items", order_id=f"M{n}", purchased_at=f"2026-03-1{n}T12:00:00Z") for n in range(4)),
    *(row("order_items", order_id=f"A{n}", purchased_at=f"2026-04-2{n}T12:00:00Z") for n in range(5)),
    row("order_items", order_id="afn", fulfillment="AFN", purchased_at="2026-04-21T12:00:00Z"),
    # of two sellers: the first in order of text is another's
    row("order_items", order_id="mixed", order_item_id="1", seller_id="T", purchased_at="2026-04-21T12:00:00Z"),
    row("order_items", order_id="mixed", order_item_id="2", purchased_at="2026-04-21T12:00:00Z"),
    # of which the first is not the seller's to fulfil
    row("order_items", order_id="half", order_item_id="1", fulfillment="AFN", purchased_at="2026-03-21T12:00:00Z"),
    row("order_items", order_id="half", order_item_id="2", purchased_at="2026-03-21T12:00:00Z"),
    row("order_items", order_id="J", marketplace_id=JP, seller_id="J", purchased_at="2026-04-21T12:00:00Z"),
]


def asked(request_id: str, requested_at: str, replied_at: str | None = None, order_id: str = "A0", seller: str = "S"):
    values = {"request_id": request_id, "requested_at": requested_at, "replied_at": replied_at}
    return row("seller_requests", order_id=order_id, seller_id=seller, **values)


def refund(refund_id: str, order_id: str = "A0", refunded_at: str = "2026-04-25T12:00:00Z", **values: str):
    return row("refunds", refund_id=refund_id, order_id=order_id, refunded_at=refunded_at, **values)


def defect(defect_id: str, order_id: str = "A0", occurred_at: str = "2026-04-25T12:00:00Z", **values: str):
    return row("defects", defect_id=defect_id, order_id=order_id, occurred_at=occurred_at, **values)


ROWS = {
    "sellers": [row("sellers", seller_id=seller) for seller in "STJ"],
    "enrolment_events": [
        row("enrolment_events", seller_id="S", effective_at=ENROLLED),
        row("enrolment_events", seller_id="J", marketplace_id=JP, effective_at=ENROLLED),
    ],
    "order_items": ITEMS,
    "contacts": [
        row("contacts", contact_id=name, order_id="A0", contacted_at="2026-04-25T12:00:00Z", resolved_at=resolved)
        for name, resolved in (
            ("in 48 h", "2026-04-27T12:00:00Z"),
            ("later", "2026-04-27T12:00:00.000001Z"),
            ("never", None),
        )
    ],
    "seller_requests": [
        asked("in time", "2026-04-25T12:00:00Z", "2026-04-26T12:00:00Z"),
        asked("late", "2026-04-25T12:00:00Z", "2026-04-26T12:00:00.000001Z"),
        asked("unanswered", "2026-04-25T12:00:00Z"),
        asked("before", "2026-04-25T12:00:00Z", "2026-04-25T11:00:00Z"),
        asked("just due", "2026-04-30T00:00:00-07:00", "2026-05-09T00:00:00Z"),
        asked("not due", "2026-04-30T00:00:00.000001-07:00", "2026-04-30T08:00:00Z"),
        asked("last", END_OF_APRIL),
        asked("of May", "2026-05-01T00:00:00-07:00"),
        asked("to the other", "2026-04-25T12:00:00Z", order_id="mixed", seller="T"),
        asked("to the second", "2026-04-25T12:00:00Z", order_id="mixed"),
        asked("to nobody of it", "2026-04-25T12:00:00Z", order_id="mixed", seller="J"),
        asked("no order", "2026-04-25T12:00:00Z", order_id="?"),
    ],
    "refunds": [
        refund("a"),
        refund("b", safe_t_status="filed", safe_t_amount="12.50"),
        refund("c", amount="7.0001", safe_t_status="granted", safe_t_amount="5"),
        refund("d", safe_t_status="denied", safe_t_amount="12.50"),
        refund("e", amount="3", issued_by="seller"),
        refund("f", currency="CAD"),
        refund("before", order_id="M0"),
        refund("afn", order_id="afn"),
        refund("no item", order_item_id="77"),
        refund("of May", refunded_at="2026-05-01T00:00:00-07:00"),
    ],
    "defects": [
        defect("a"),
        defect("a again", type="chargeback"),
        defect("b", order_id="A1", type="negative_feedback"),
        defect("of March's order", order_id="M3"),
        defect("afn", order_id="afn"),
        defect("of the half", order_id="half", occurred_at="2026-03-25T12:00:00Z"),
        defect("in March", order_id="M0", occurred_at="2026-03-31T23:59:59-07:00", type="negative_feedback"),
        defect("in March too", order_id="M1", occurred_at="2026-03-15T12:00:00Z"),
        defect("no order", order_id="?"),
    ],
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("service")
    with opened(folder / "home") as found:
        report = load_paths(found, write_csv(folder / "files", ROWS))
        assert not report.refusals
        assert not sum(file.rows_quarantined for file in report.loads)
        bill(found, [MARCH, APRIL])
        yield found


def test_a_request_is_answered_within_24_hours_or_not(warehouse: Warehouse) -> None:
    query = "select request_id, outcome from core.requests where marketplace_id = ? and seller_id = 'S'"
    assert dict(warehouse.con.execute(query, [US]).fetchall()) == {
        "in time": "answered",
        "late": "late",
        "unanswered": "unanswered",
        "before": "answered",
        "just due": "late",
        "not due": "not_due",
        "last": "not_due",
        "to the second": "unanswered",
        "to nobody of it": "unanswered",
    }


def test_a_request_is_about_an_item_of_the_seller_that_was_asked(warehouse: Warehouse) -> None:
    query = "select request_id, order_item_id, seller_id from core.requests where order_id = 'mixed' order by all"
    assert warehouse.con.execute(query).fetchall() == [
        ("to nobody of it", "2", "S"),  # the covered one
        ("to the other", "1", "T"),
        ("to the second", "2", "S"),
    ]


def test_refunds_are_summed_by_issuer_and_currency(warehouse: Warehouse) -> None:
    columns = "issued_by, currency, refunds, amount, safe_t_filed, safe_t_granted, safe_t_granted_amount, safe_t_denied"
    found = warehouse.con.execute(f"select {columns} from billing.refunds order by all").fetchall()
    assert [tuple(map(str, line)) for line in found] == [
        ("seller", "USD", "1", "3.0000", "0", "0", "0.0000", "0"),
        ("service", "CAD", "1", "12.5000", "0", "0", "0.0000", "0"),
        ("service", "USD", "4", "44.5001", "1", "1", "5.0000", "1"),
    ]
    left_out = "select refund_id, outcome from core.refunds where outcome <> 'counted'"
    assert dict(warehouse.con.execute(left_out).fetchall()) == {
        "before": "before_enrolment",
        "afn": "platform_fulfilled",
        "no item": "unmatched",
    }


def test_a_defect_is_of_what_the_seller_fulfils(warehouse: Warehouse) -> None:
    query = "select defect_id, order_item_id, outcome from core.defects where order_id in ('half', 'afn', '?')"
    assert sorted(warehouse.con.execute(query).fetchall()) == [
        ("afn", "1", "platform_fulfilled"),
        ("no order", None, "unmatched"),
        ("of the half", "2", "counted"),
    ]


def test_defects_stand_beside_those_of_the_month_before_enrolment(warehouse: Warehouse) -> None:
    (april,) = warehouse.rows("from billing.service where period = ? and seller_id = 'S'", [APRIL])
    assert (april["contacts"], april["contacts_resolved"]) == (3, 1)
    assert (april["requests"], april["requests_due"], april["requests_answered"]) == (9, 7, 2)
    assert (april["requests_late"], april["requests_unanswered"]) == (2, 3)
    assert (april["orders"], april["orders_with_defect"]) == (6, 3)
    assert (april["a_to_z_claims"], april["negative_feedback"], april["chargebacks"]) == (2, 1, 1)
    assert (april["period_before_enrolment"], april["orders_before"]) == (MARCH, 5)
    assert (april["orders_with_defect_before"], april["a_to_z_claims_before"]) == (3, 2)
    (march,) = warehouse.rows("from billing.service where period = ? and seller_id = 'S'", [MARCH])
    assert (march["orders"], march["period_before_enrolment"], march["requests"]) == (5, None, None)


def test_what_nobody_can_know_is_not_zero(warehouse: Warehouse) -> None:
    """No defect of Japan is known."""
    assert warehouse.rows("from billing.defects where marketplace_id = ?", [JP]) == []
    assert warehouse.rows("from billing.service where marketplace_id = ?", [JP]) == []
    # of the other marketplace some are, so that a seller without any has none
    (other,) = warehouse.rows("from billing.service where period = ? and seller_id = 'T'", [APRIL])
    assert (other["orders"], other["orders_with_defect"]) == (1, 0)


def test_all_rows_are_accounted_for_and_those_without_an_order_are_reported(warehouse: Warehouse) -> None:
    for table, column in (("request", "made"), ("refund", "given"), ("defect", "occurred")):
        query = f"select sum({column}), sum(unmatched), sum(difference) from audit.{table}_balance"
        ((rows, unmatched, difference),) = warehouse.con.execute(query).fetchall()
        dataset = {"request": "seller_requests"}.get(table, f"{table}s")
        of_may = sum("of May" in line.values() for line in ROWS[dataset])
        assert (rows, unmatched, difference) == (len(ROWS[dataset]) - of_may, 1, 0)
    kinds = (
        "select kind, period, subject from audit.exceptions where kind like 're%' or kind like 'defect%' order by all"
    )
    assert warehouse.con.execute(kinds).fetchall() == [
        ("defect_unmatched", APRIL, "no order"),
        ("refund_unmatched", APRIL, "no item"),
        ("reply_before_request", APRIL, "before"),
        ("request_disagrees", APRIL, "to nobody of it"),
        ("request_unmatched", APRIL, "no order"),
    ]
