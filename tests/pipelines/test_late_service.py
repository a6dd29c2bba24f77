"""Requests, refunds and defects that come after a close: known now, never billed; closed statements stay as they were.

Of any history of loads and closes that is tested in `test_histories.py`.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from finance import APRIL, MARCH, US, Finance
from house import PRESS, opened, row

from pipelines.reproducing import reproduce

FEBRUARY = "2026-02"


@pytest.fixture(scope="module")
def finance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finance]:
    """March is closed with a request, a refund and defects; T enrolled in it, and its February was never closed."""
    folder = tmp_path_factory.mktemp("late")
    with opened(folder / "home") as warehouse:
        finance = Finance(warehouse, folder)
        finance.load(
            enrolment_events=[row("enrolment_events", seller_id="T", effective_at="2026-03-05T12:00:00Z")],
            order_items=[
                row("order_items", order_id="T1", seller_id="T", purchased_at="2026-02-10T12:00:00Z"),
                row("order_items", order_id="T2", seller_id="T", purchased_at="2026-03-10T12:00:00Z"),
            ],
        )
        finance.load(
            seller_requests=[request("Q1", "2026-03-10T12:00:00Z", "2026-03-10T20:00:00Z")],
            refunds=[refund("F1")],
            defects=[defect("D1", "A"), defect("D2", "T1", "2026-02-12T12:00:00Z"), defect("D3", "T2")],
        )
        finance.run(FEBRUARY)
        finance.close(MARCH)
        yield finance


def request(request_id: str, requested_at: str, replied_at: str | None = None, order: str = "A") -> dict[str, Any]:
    values = {"request_id": request_id, "order_id": order, "requested_at": requested_at, "replied_at": replied_at}
    return row("seller_requests", **values)


def refund(refund_id: str, order: str = "A", **values: str) -> dict[str, Any]:
    return row("refunds", refund_id=refund_id, order_id=order, refunded_at="2026-03-12T12:00:00Z", **values)


def defect(defect_id: str, order: str, at: str = "2026-03-20T12:00:00Z") -> dict[str, Any]:
    return row("defects", defect_id=defect_id, order_id=order, occurred_at=at)


def known(finance: Finance, seller: str = "S") -> dict[str, Any]:
    (found,) = finance.warehouse.rows("from billing.service where period = ? and seller_id = ?", [MARCH, seller])
    return found


def closed(finance: Finance, seller: str = "S") -> dict[str, Any]:
    """The closed statement's data, as they lie on disk."""
    (path,) = (finance.warehouse.home / "statements" / MARCH / US).glob(f"{seller.lower()}-*.json")
    return json.loads(path.read_text(encoding="utf-8"))


def assert_reproduced(finance: Finance) -> None:
    """To the byte, HTML and PDF; from a copy, as the warehouse is open here."""
    con = finance.warehouse.con
    con.execute("checkpoint")
    kept = finance.warehouse.home / "warehouse.duckdb"
    home = finance.folder / f"copy-{finance.files}"
    home.mkdir()
    (home / kept.name).write_bytes(kept.read_bytes())
    (found,) = reproduce(home, MARCH, PRESS)
    assert not found.differences
    assert found.is_same_code
    assert found.is_same_press
    assert found.files == 2 * 4 + 1


def test_the_closed_statement_shows_what_was_known(finance: Finance) -> None:
    data = closed(finance)
    assert data["requests"] == {"due": 1, "answered": 1, "late": 0, "unanswered": 0, "not_due": 0}
    assert data["refunds"] == [{"issued_by": "service", "currency": "USD", "number": 1, "amount": "12.50"}]
    assert data["defects_before_enrolment"] is None, "S enrolled long before anything is known"
    before = closed(finance, "T")["defects_before_enrolment"]
    assert (before["period"], before["a_to_z_claims"], before["orders"]) == (FEBRUARY, 1, 1)
    assert_reproduced(finance)


def what_comes_late_is_known_now_and_neither_billed_nor_shown(finance: Finance) -> None:
    before, lines = closed(finance), finance.warehouse.rows("from billing.rerated_lines order by all")
    finance.load(
        seller_requests=[
            request("Q1", "2026-03-10T12:00:00Z", "2026-03-12T20:00:00Z"),  # a correction: it was late
            request("Q2", "2026-03-11T12:00:00Z"),
            request("lost", "2026-03-11T12:00:00Z", order="?"),
        ],
        refunds=[refund("F1", safe_t_status="granted", safe_t_amount="12.50"), refund("F2", issued_by="seller")],
        defects=[defect("D4", "A"), defect("D5", "T1", "2026-02-20T12:00:00Z")],
    )
    finance.run(FEBRUARY, APRIL)
    now = known(finance)
    assert (now["requests"], now["requests_late"], now["requests_unanswered"], now["a_to_z_claims"]) == (2, 1, 1, 2)
    claims = finance.warehouse.rows(
        "select sum(refunds) as refunds, sum(safe_t_granted) as granted from billing.refunds"
    )
    assert claims == [{"refunds": 2, "granted": 1}]
    assert known(finance, "T")["a_to_z_claims_before"] == 2
    assert finance.reported("request_unmatched") == [(MARCH, None)]
    assert finance.entries(APRIL) == []
    assert finance.warehouse.rows("from billing.late_causes") == []
    assert finance.warehouse.rows("from billing.rerated_lines order by all") == lines
    assert closed(finance) == before
    assert_reproduced(finance)


def an_order_that_comes_late_takes_up_what_waited_for_it(finance: Finance) -> None:
    finance.load(order_items=[row("order_items", order_id="?", purchased_at="2026-03-09T12:00:00Z")])
    finance.run(APRIL)
    assert known(finance)["requests_unanswered"] == 2
    assert known(finance)["orders"] == 2
    assert finance.reported("request_unmatched") == []
    balance = finance.warehouse.rows("select made, unmatched from audit.request_balance where made > 0")
    assert balance == [{"made": 3, "unmatched": 0}]
    assert finance.entries(APRIL) == []
    assert_reproduced(finance)


def a_cause_is_what_changed_a_line_and_not_what_came_with_it(finance: Finance) -> None:
    finance.ship("late", 5, MARCH)
    finance.load(refunds=[refund("F3", "late")])
    finance.run(APRIL)
    assert {causes for *_, causes in finance.entries(APRIL)} == {"late_order_item, late_shipment"}


def the_only_defect_of_a_month_decides_whether_any_is_known(finance: Finance) -> None:
    """Where it turns out to have happened in another month, nobody can know any more; and the other way round."""
    away = [defect(each, order, "2026-04-20T12:00:00Z") for each, order in (("D1", "A"), ("D3", "T2"), ("D4", "A"))]
    finance.load(defects=away)
    finance.run(APRIL)
    assert finance.warehouse.rows("from billing.defects where period = ?", [MARCH]) == []
    assert known(finance)["orders"] is None
    finance.load(defects=[defect("D6", "A")])
    finance.run(APRIL)
    assert known(finance)["orders"] == 3
    # of T no row came, and of its orders it is known again that they had none
    assert (known(finance, "T")["orders"], known(finance, "T")["a_to_z_claims"]) == (1, 0)
    assert_reproduced(finance)


def test_late_rows_one_after_the_other(finance: Finance) -> None:
    what_comes_late_is_known_now_and_neither_billed_nor_shown(finance)
    an_order_that_comes_late_takes_up_what_waited_for_it(finance)
    a_cause_is_what_changed_a_line_and_not_what_came_with_it(finance)
    the_only_defect_of_a_month_decides_whether_any_is_known(finance)
