"""Closing on few rows: when it is refused, what it freezes, and how each kind of late row is booked."""

import shutil
from collections.abc import Generator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from finance import APRIL, JP, JUNE, MARCH, MAY, US, Finance, credit
from house import DATA, NOW, PRESS, bill, close_period, opened, row

from assets.billing import rerating
from assets.billing.rerating import rerate
from assets.core.marketplaces import MarketplacesError, read_marketplaces
from assets.core.terms import terms_for_a_run
from assets.making import ChecksFailedError, make, set_scope
from assets.settings import settings
from assets.tables import step_of
from assets.warehouse import HASH
from pipelines.closing import CloseError, close, preview, to_close
from pipelines.crediting import Credit, CreditError, grant
from pipelines.reproducing import reproduce
from reports.pdf import PdfError, PlutoPrint
from reports.statement import write_statements
from reports.statement.names import file_names


@pytest.fixture
def finance(tmp_path: Path) -> Generator[Finance]:
    with opened(tmp_path / "home") as warehouse:
        yield Finance(warehouse, tmp_path)


# -- when a period can be closed -----------------------------------------------------------------------------------


def refused(finance: Finance, period: str, now: datetime = NOW) -> str:
    listed = read_marketplaces(DATA / "marketplaces.csv")
    with pytest.raises(CloseError) as refusal:
        to_close(finance.warehouse, period, listed, [US], now)
    return str(refusal.value)


def test_a_month_closes_when_it_has_ended_where_the_marketplace_is(finance: Finance) -> None:
    last_instant = datetime(2026, 4, 1, 6, 59, 59, 999_999)
    assert "has not ended: it does at 2026-04-01 07:00 UTC" in refused(finance, MARCH, last_instant)
    listed = read_marketplaces(DATA / "marketplaces.csv")
    assert to_close(finance.warehouse, MARCH, listed, [US], datetime(2026, 4, 1, 7)) == ([US], [])


def test_months_close_in_order_beginning_anywhere(finance: Finance) -> None:
    finance.close(APRIL)
    assert "lies before 2026-04, the first that was closed" in refused(finance, MARCH)
    assert "cannot be closed before 2026-05" in refused(finance, JUNE)
    finance.close(MAY)


def test_without_a_choice_the_marketplaces_in_use_are_closed_and_stay_in_step(finance: Finance) -> None:
    listed = read_marketplaces(DATA / "marketplaces.csv")
    assert to_close(finance.warehouse, MARCH, listed, (), NOW) == ([US], [])
    finance.close(MARCH)
    assert to_close(finance.warehouse, MARCH, listed, (), NOW) == ([], [US])
    assert to_close(finance.warehouse, APRIL, listed, (), NOW) == ([US], [])


def test_a_failed_check_closes_nothing(finance: Finance, monkeypatch: pytest.MonkeyPatch) -> None:
    finance.load(order_items=[row("order_items", order_id="early", purchased_at="2018-01-01T00:00:00Z")])
    finance.load(shipments=[row("shipments", shipment_id="E", order_id="early", shipped_at="2018-01-05T00:00:00Z")])
    with pytest.raises(ChecksFailedError, match="terms in force when it ships"):
        close_period(finance.warehouse, "2018-01", terms=finance.terms, only=[US])
    assert finance.warehouse.rows("from billing.closes") == []


def test_a_month_that_this_run_has_not_brought_up_to_date_is_not_closed(finance: Finance) -> None:
    listed = read_marketplaces(DATA / "marketplaces.csv")
    cards = {card.marketplace_id: card for card in terms_for_a_run(finance.warehouse.con, finance.terms, listed)[0]}

    def close_alone() -> None:
        places = replace(settings({}), home=finance.warehouse.home)
        close(finance.warehouse, places, MARCH, [listed[US]], cards, by="Ada", now=NOW, press=PRESS)

    with pytest.raises(CloseError, match="was not brought up to date in this run"):
        close_alone()
    finance.run(MARCH)
    finance.ship("late", 5, MARCH)
    with pytest.raises(CloseError, match="was not brought up to date in this run"):
        close_alone()
    finance.run(MARCH)
    cards[US] = replace(cards[US], text=cards[US].text + "# another")
    with pytest.raises(CloseError, match="its terms were changed while it was being closed"):
        close_alone()
    cards[US] = replace(cards[US], text=cards[US].text.removesuffix("# another"))
    close_alone()
    assert finance.totals(MARCH) == [("S", 3, 0, 3, "final")]


def test_the_preview_is_what_is_frozen(finance: Finance) -> None:
    finance.contact("C1", MARCH)
    finance.run(MARCH)
    us = read_marketplaces(DATA / "marketplaces.csv")[US]
    seen = preview(finance.warehouse, MARCH, us)
    assert (seen.statements, seen.sellers_charged, seen.units, seen.total) == (1, 1, 10, Decimal(4))
    assert seen.days_without == {"orders": 30, "shipments": 30, "contacts": 30}
    finance.close(MARCH)
    (closed,) = finance.warehouse.rows("from billing.closes")
    assert (closed["statements"], closed["total"], closed["closed_by"]) == (1, Decimal(4), "Ada")
    assert closed["load_id"] == finance.warehouse.latest_load()


# -- what a close freezes ------------------------------------------------------------------------------------------


def test_a_closed_month_is_never_rewritten(finance: Finance) -> None:
    finance.close(MARCH)
    books = ("fee_lines", "statements", "journal", "closes", "kept_pages")
    before = {table: finance.warehouse.rows(f"from billing.{table} where period = '{MARCH}'") for table in books}
    assert finance.totals(MARCH) == [("S", 2, 0, 2, "final")]
    finance.ship("late", 5, MARCH)
    finance.contact("C1", MARCH)
    finance.run(MARCH, APRIL)
    finance.close(APRIL)
    finance.run(MARCH)
    assert {t: finance.warehouse.rows(f"from billing.{t} where period = '{MARCH}'") for t in books} == before
    known = "select units, contacts from billing.performance where period = ?"
    assert finance.warehouse.con.execute(known, [MARCH]).fetchall() == [(15, 1)], "what is known now shows"


def test_closing_writes_final_pages_and_puts_them_back(finance: Finance) -> None:
    finance.close(MARCH)
    folder = finance.warehouse.home / "statements" / MARCH / US
    names = file_names("S")
    page = folder / names.html
    kept = page.read_bytes()
    assert b"FINAL" in kept
    assert b"is-draft" not in kept[kept.index(b"</style>") :]
    assert {path.name for path in folder.iterdir()} == {*names, "index.html", "manifest.json"}
    page.write_text("gone", encoding="utf-8")
    assert close_period(finance.warehouse, MARCH, terms=finance.terms, only=[US]) == []
    places = finance.warehouse.home / "statements"
    assert write_statements(finance.warehouse.con, [(MARCH, US)], places, PRESS).lost == []
    assert page.read_bytes() == kept


def test_what_a_close_did_not_keep_is_said_to_be_lost_and_made_again_by_reproducing(
    finance: Finance, tmp_path: Path
) -> None:
    finance.close(MARCH)
    names, places = file_names("S"), finance.warehouse.home / "statements"
    folder = places / MARCH / US
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(places)
    written = write_statements(finance.warehouse.con, [(MARCH, US)], places, PRESS)
    assert sorted(written.lost) == sorted(str(folder / name) for name in (names.pdf, names.csv))
    assert {path.name for path in folder.iterdir()} == kept.keys() - {names.pdf, names.csv}
    finance.warehouse.con.close()
    (found,) = reproduce(finance.warehouse.home, MARCH, PRESS, out=tmp_path / "again")
    assert found.differences == []
    assert {path.name: path.read_bytes() for path in (tmp_path / "again" / MARCH / US).iterdir()} == kept


def test_a_statement_that_cannot_be_made_closes_nothing(finance: Finance, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise PdfError("no paper")

    monkeypatch.setattr(PlutoPrint, "lay_out", fail)
    with pytest.raises(CloseError, match="no paper"):
        finance.close(MARCH)
    assert finance.warehouse.rows("from billing.closes") == []
    monkeypatch.undo()
    finance.close(MARCH)


def test_statement_numbers_are_derived(finance: Finance) -> None:
    finance.run(MARCH)
    (draft,) = finance.warehouse.rows("select statement_id from billing.statements")
    finance.close(MARCH)
    finance.run(APRIL)
    ids = [line["statement_id"] for line in finance.warehouse.rows("select statement_id from billing.statements")]
    assert draft["statement_id"] in ids
    assert len(set(ids)) == len(ids) == 2


# -- late rows -----------------------------------------------------------------------------------------------------


def test_a_late_shipment_reverses_the_line_in_full_and_enters_it_anew(finance: Finance) -> None:
    finance.close(MARCH)
    finance.ship("late", 5, MARCH)
    finance.run(APRIL)
    why = "late_order_item, late_shipment"
    assert finance.entries(APRIL) == [(MARCH, "reversal", -10, 1, -2, why), (MARCH, "correction", 15, 1, 3, why)]
    assert finance.totals(APRIL) == [("S", 0, 1, 1, "draft")]


def test_a_late_contact_that_moves_the_tier_reprices_every_unit(finance: Finance) -> None:
    finance.close(MARCH)
    finance.contact("C1", MARCH)
    finance.contact("C2", MARCH)
    finance.run(APRIL)
    why = "late_contact"
    assert finance.entries(APRIL) == [(MARCH, "reversal", -10, 1, -2, why), (MARCH, "correction", 10, 3, 8, why)]


def test_a_late_contact_that_moves_no_tier_books_nothing(finance: Finance) -> None:
    finance.ship("more", 90, MARCH)
    finance.close(MARCH)
    finance.contact("C1", MARCH)
    finance.run(APRIL)
    assert finance.entries(APRIL) == []


def test_a_shipment_withdrawn_after_the_close_is_given_back(finance: Finance) -> None:
    finance.close(MARCH)
    finance.load(shipments=[finance.parcel("A", 10, MARCH, is_void="true", updated_at="2026-05-01T00:00:00Z")])
    finance.run(APRIL)
    assert finance.entries(APRIL) == [(MARCH, "reversal", -10, 1, -2, "corrected_shipment")]
    assert finance.totals(APRIL) == [("S", 0, -2, -2, "draft")], "a credit is carried as such"


def test_a_shipment_moved_to_another_month_is_put_right_in_both(finance: Finance) -> None:
    finance.close(MARCH, APRIL)
    finance.load(shipments=[finance.parcel("A", 10, APRIL, updated_at="2026-06-01T00:00:00Z")])
    finance.run(MAY)
    why = "corrected_shipment"
    assert finance.entries(MAY) == [(MARCH, "reversal", -10, 1, -2, why), (APRIL, "correction", 10, 1, 2, why)]


def test_a_waiting_shipment_is_billed_when_its_item_comes(finance: Finance) -> None:
    finance.load(shipments=[finance.parcel("later", 4, MARCH)])
    finance.close(MARCH)
    waiting = "select sum(unmatched) as units from audit.unit_balance where period = ?"
    assert finance.warehouse.rows(waiting, [MARCH]) == [{"units": 4}]
    finance.load(order_items=[row("order_items", order_id="later", purchased_at="2026-05-02T12:00:00Z", quantity="4")])
    finance.run(APRIL)
    assert [entry[1:5] for entry in finance.entries(APRIL)] == [
        ("reversal", -10, 1, -2),
        ("correction", 14, 1, Decimal("2.8")),
    ]
    assert finance.warehouse.rows(waiting, [MARCH]) == [{"units": 0}]


CARRIED = "select period, marketplace_id from billing.carried_balances order by all"


def test_a_balance_is_carried_forward_by_late_rows_and_counted_again_by_the_next_close(finance: Finance) -> None:
    finance.close(MARCH)
    finance.ship("late", 5, MARCH)
    finance.load(shipments=[finance.parcel("waiting", 4, MARCH)])
    finance.run(APRIL)
    assert shipped_in_march(finance) == [(US, 15), ("unknown", 4)]
    assert finance.warehouse.con.execute(CARRIED).fetchall() == [(MARCH, US), (MARCH, "unknown")]
    finance.close(APRIL)
    assert shipped_in_march(finance) == [(US, 15), ("unknown", 4)]
    assert finance.warehouse.con.execute(CARRIED).fetchall() == []


def test_a_contact_without_an_order_is_carried_forward_as_well(finance: Finance) -> None:
    finance.contact("C", MARCH, order="")
    finance.close(MARCH)
    finance.contact("C", MARCH, order="", updated_at="2026-05-01T00:00:00Z")
    finance.contact("D", MARCH, order="")
    finance.run(APRIL)
    received = "select marketplace_id, received from audit.contact_balance where received > 0"
    assert finance.warehouse.con.execute(received).fetchall() == [("unknown", 2)]
    finance.close(APRIL)
    assert finance.warehouse.con.execute(received).fetchall() == [("unknown", 2)]


def test_what_no_late_row_explains_is_not_seen_by_runs_and_stops_the_next_close(finance: Finance) -> None:
    finance.close(MARCH)
    finance.ship("late", 5, MARCH)
    change = "update raw.shipments set quantity = ? where shipment_id = 'P-A'"
    finance.warehouse.con.execute(change, [11])
    finance.run(APRIL)
    finance.run(MARCH)
    finance.run(MARCH, APRIL)
    assert shipped_in_march(finance) == [(US, 15), ("unknown", 0)]
    for _ in range(2):
        with pytest.raises(CloseError, match=r"audit\.unit_balance: 1 of ATVPDKIKX0DER break"):
            finance.close(APRIL)
        finance.run(MARCH)
    assert finance.warehouse.rows("select period from billing.closes") == [{"period": MARCH}]
    assert finance.warehouse.con.execute(CARRIED).fetchall() == [(MARCH, US), (MARCH, "unknown")]
    finance.warehouse.con.execute(change, [10])
    finance.close(APRIL)
    assert finance.entries(APRIL)[0][1:3] == ("reversal", -10)


def test_months_that_do_not_add_up_are_rated_anew_as_a_whole_where_that_is_asked_for(finance: Finance) -> None:
    finance.ship("B", 3, APRIL)
    finance.close(MARCH)
    finance.ship("late", 5, MARCH)
    finance.run(APRIL)
    finance.warehouse.con.execute("update raw.shipments set quantity = 11 where shipment_id = 'P-A'")
    with pytest.raises(CloseError, match=f"csba run {APRIL} --anew rates those months anew"):
        finance.close(APRIL)
    finance.warehouse.makes_anew = True
    finance.run(APRIL)
    finance.warehouse.makes_anew = False
    assert shipped_in_march(finance) == [(US, 16), ("unknown", 0)]
    why = "counted_anew, late_order_item, late_shipment"
    assert [entry[1:3] + entry[-1:] for entry in finance.entries(APRIL)] == [
        ("reversal", -10, why),
        ("correction", 16, why),
    ]
    assert finance.warehouse.con.execute(CARRIED).fetchall() == []
    finance.close(APRIL)
    finance.run(MAY)
    assert finance.entries(MAY) == []


def test_counts_carried_on_from_wrong_ones_stop_the_next_close_until_all_is_rated_anew(finance: Finance) -> None:
    finance.close(MARCH)
    finance.warehouse.con.execute("update billing.performance set contacts = 1, cpu = 0.1 where seller_id = 'S'")
    finance.ship("late", 5, MARCH)
    finance.run(APRIL)
    for _ in range(2):
        with pytest.raises(CloseError) as refused:
            finance.close(APRIL)
        for table, rows in (("performance", 2), ("rerated_lines", 2)):
            broken = f"billing.{table}: {rows} of {US} break “what late rows came to = what all rows come to”"
            assert broken in str(refused.value)
    assert finance.warehouse.con.execute(CARRIED).fetchall() == [(MARCH, US), (MARCH, "unknown")]
    finance.warehouse.makes_anew = True
    finance.run(APRIL)
    finance.warehouse.makes_anew = False
    finance.close(APRIL)
    assert [entry[1:4] for entry in finance.entries(APRIL)] == [("reversal", -10, 1), ("correction", 15, 1)]


def test_anew_rates_as_a_whole_before_anything_is_carried(finance: Finance) -> None:
    finance.close(MARCH)
    finance.ship("late", 5, MARCH)
    finance.warehouse.con.execute("update raw.shipments set quantity = 11 where shipment_id = 'P-A'")
    finance.warehouse.makes_anew = True
    finance.run(APRIL)
    finance.warehouse.makes_anew = False
    assert [entry[1:3] for entry in finance.entries(APRIL)] == [("reversal", -10), ("correction", 16)]
    finance.close(APRIL)


def test_returns_of_late_orders_are_counted_once(finance: Finance) -> None:
    returned = {"order_id": "A", "requested_at": "2026-03-10T12:00:00Z"}
    finance.load(returns=[row("returns", return_id=name, label="prepaid", **returned) for name in ("R1", "R2")])
    finance.close(MARCH)
    finance.contact("C", MARCH)
    finance.load(returns=[row("returns", return_id="R3", label="other", **returned)])
    finance.run(APRIL)
    judged = "select contacts, returns, returns_prepaid from billing.performance where period = ?"
    assert finance.warehouse.con.execute(judged, [MARCH]).fetchall() == [(1, 3, 2)]
    finance.close(APRIL)


def test_what_was_shipped_before_the_first_closed_month_counts_for_what_is_reported(finance: Finance) -> None:
    finance.load(order_items=[row("order_items", order_id="Z", purchased_at="2026-02-02T12:00:00Z", quantity="1")])
    finance.load(shipments=[finance.parcel("Z", 1, "2026-02"), {**finance.parcel("Z", 1, MARCH), "shipment_id": "P2"}])
    finance.close(MARCH)
    assert finance.reported("shipped_beyond_ordered") == [(MARCH, "S")]
    finance.contact("C", MARCH, order="Z")
    finance.run(APRIL)
    assert finance.reported("shipped_beyond_ordered") == [(MARCH, "S")]


def test_that_no_returns_were_loaded_is_reported_only_where_something_is_charged(finance: Finance) -> None:
    finance.close(MARCH)
    assert finance.reported("no_returns_loaded") == [(MARCH, None)]
    finance.load(shipments=[finance.parcel("A", 10, MARCH, is_void="true", updated_at="2026-04-02T00:00:00Z")])
    finance.run(APRIL)
    assert finance.reported("no_returns_loaded") == []


def test_items_of_an_order_that_disagree_across_months_are_reported(finance: Finance) -> None:
    one = row("order_items", order_id="D", order_item_id="1", purchased_at="2026-03-20T12:00:00Z")
    other = row("order_items", order_id="D", order_item_id="2", purchased_at="2026-04-20T12:00:00Z", seller_id="T")
    finance.load(order_items=[one, other])
    finance.run(MARCH, APRIL)
    assert finance.reported("order_items_disagree") == [(MARCH, "S")]


def test_a_seller_with_nothing_to_be_judged_by_is_judged_by_all_its_orders_once_it_has(finance: Finance) -> None:
    finance.load(enrolment_events=[row("enrolment_events", seller_id="T", effective_at="2025-01-01T00:00:00Z")])
    placed = {"seller_id": "T", "purchased_at": "2026-03-02T12:00:00Z"}
    finance.load(order_items=[row("order_items", order_id=order, **placed) for order in ("B", "C", "D")])
    finance.close(MARCH)
    judged = "select units, orders_in_quarter from billing.performance where seller_id = 'T' order by period"
    assert finance.warehouse.con.execute(judged).fetchall() == []
    finance.load(shipments=[finance.parcel("B", 1, MARCH)])
    finance.run(APRIL)
    assert finance.warehouse.con.execute(judged).fetchall() == [(1, 3)]
    finance.close(APRIL)
    finance.load(shipments=[finance.parcel("B", 1, MARCH, is_void="true", updated_at="2026-05-02T00:00:00Z")])
    finance.run(MAY)
    assert finance.warehouse.con.execute(judged).fetchall() == []
    assert [entry[1:3] for entry in finance.entries(MAY)] == [("reversal", -1)]
    finance.close(MAY)


def test_what_late_rows_explain_is_theirs_where_all_is_rated_anew(finance: Finance) -> None:
    finance.load(enrolment_events=[row("enrolment_events", seller_id="T", effective_at="2025-01-01T00:00:00Z")])
    item = {"order_id": "B", "seller_id": "T", "quantity": "7", "purchased_at": "2026-03-02T12:00:00Z"}
    finance.load(order_items=[row("order_items", **item)])
    finance.load(shipments=[finance.parcel("B", 7, MARCH)])
    finance.close(MARCH)
    finance.ship("late", 5, MARCH)
    finance.run(APRIL)
    finance.load(shipments=[finance.parcel("B", 6, MARCH, updated_at="2026-04-20T00:00:00Z")])
    finance.warehouse.makes_anew = True
    finance.run(APRIL)
    causes = "select seller_id, cause from billing.late_causes order by all"
    assert finance.warehouse.con.execute(causes).fetchall() == [
        ("S", "late_order_item"),
        ("S", "late_shipment"),
        ("T", "corrected_shipment"),
    ]


def test_rows_without_a_marketplace_that_do_not_add_up_are_made_anew_as_well(finance: Finance) -> None:
    finance.load(shipments=[finance.parcel("waiting", 4, APRIL)])
    finance.close(MARCH)
    finance.ship("late", 5, MARCH)
    finance.run(APRIL)
    finance.warehouse.con.execute("update raw.shipments set shipped_at = '2026-03-10' where shipment_id = 'P-waiting'")
    with pytest.raises(CloseError, match="of unknown break"):
        finance.close(APRIL)
    finance.warehouse.makes_anew = True
    finance.run(APRIL)
    finance.warehouse.makes_anew = False
    assert finance.warehouse.con.execute(CARRIED).fetchall() == []
    assert shipped_in_march(finance) == [(US, 15), ("unknown", 4)]
    finance.close(APRIL)


def test_a_month_that_has_lost_all_its_orders_comes_to_nothing_when_it_is_rated_anew(finance: Finance) -> None:
    finance.ship("B", 3, APRIL)
    finance.close(MARCH)
    finance.contact("C1", MARCH)
    finance.run(APRIL)
    for table, time in (("shipments", "shipped_at"), ("contacts", "contacted_at"), ("order_items", "purchased_at")):
        finance.warehouse.con.execute(f"update raw.{table} set {time} = '2025-06-10' where order_id = 'A'")
    with pytest.raises(CloseError, match="do not add up"):
        finance.close(APRIL)
    finance.warehouse.makes_anew = True
    finance.run(APRIL)
    finance.warehouse.makes_anew = False
    assert [entry[1:3] for entry in finance.entries(APRIL)] == [("reversal", -10)]
    assert shipped_in_march(finance) == [(US, 0), ("unknown", 0)]
    finance.close(APRIL)


def test_a_closed_month_that_nothing_late_touched_is_not_rated_anew(finance: Finance) -> None:
    finance.close(MARCH)
    finance.warehouse.con.execute("update raw.shipments set quantity = 11 where shipment_id = 'P-A'")
    finance.warehouse.makes_anew = True
    finance.run(APRIL)
    assert finance.entries(APRIL) == []


@pytest.mark.parametrize(
    "before", [{"order_id": None}, {"order_id": "other"}, {"contacted_at": "2026-06-20T12:00:00Z"}]
)
def test_a_contact_that_comes_late_as_it_was_before_changes_nothing(
    finance: Finance, before: dict[str, str | None]
) -> None:
    finance.contact("C", MARCH, updated_at="2026-03-22T00:00:00Z")
    finance.close(MARCH)
    finance.ship("late", 1, MARCH)
    said = {"contacted_at": "2026-03-20T12:00:00Z", "updated_at": "2026-03-21T00:00:00Z", **before}
    finance.load(contacts=[row("contacts", contact_id="C", **{"order_id": "A", **said})])
    finance.run(APRIL)
    outcomes = "select marketplace_id, outcome from core.contacts"
    assert finance.warehouse.con.execute(outcomes).fetchall() == [(US, "counted")]
    assert [entry[1:5] for entry in finance.entries(APRIL)] == [
        ("reversal", -10, 2, -4),
        ("correction", 11, 2, Decimal("4.4")),
    ]
    finance.close(APRIL)


def test_a_unit_lost_while_months_are_rated_again_stops_the_run(
    finance: Finance, monkeypatch: pytest.MonkeyPatch
) -> None:
    finance.close(MARCH)
    finance.ship("late", 5, MARCH)
    put_in_place = rerating._Rerating.put_in_place

    def lose(self, closed) -> None:
        put_in_place(self, closed)
        self.con.execute("delete from core.units where shipment_id = 'P-A'")

    monkeypatch.setattr(rerating._Rerating, "put_in_place", lose)
    warehouse = finance.warehouse
    with pytest.raises(ChecksFailedError, match="units shipped = all outcomes"):
        rerate_us(finance)
    assert shipped_in_march(finance) == [(US, 10), ("unknown", 0)]
    assert warehouse.rows("select count(*) as number from core.units") == [{"number": 1}]


def shipped_in_march(finance: Finance) -> list[tuple[str, int]]:
    query = (
        "select marketplace_id, shipped from audit.unit_balance where period = ? and marketplace_id in (?, 'unknown')"
    )
    return finance.warehouse.con.execute(f"{query} order by all", [MARCH, US]).fetchall()


def rerate_us(finance: Finance) -> int:
    listed = read_marketplaces(DATA / "marketplaces.csv")
    cards = {card.marketplace_id: card for card in terms_for_a_run(finance.warehouse.con, finance.terms, listed)[0]}
    return rerate(finance.warehouse, cards, listed, [US])


def test_an_order_whose_hash_is_that_of_a_late_one_is_not_late(finance: Finance) -> None:
    finance.load(enrolment_events=[row("enrolment_events", seller_id="T", effective_at="2025-01-01T00:00:00Z")])
    items = [row("order_items", order_id="B", seller_id="T", purchased_at="2026-03-02T12:00:00Z")]
    finance.load(order_items=items, shipments=[finance.parcel("B", 1, MARCH)])
    finance.close(MARCH)
    for name in ("order_items", "shipments"):
        finance.warehouse.con.execute(f"update raw.{name} set {HASH} = hash('A')")
    finance.contact("C", MARCH)
    assert rerate_us(finance) == 1


def test_an_item_corrected_to_another_seller_moves_the_charge(finance: Finance) -> None:
    finance.load(enrolment_events=[row("enrolment_events", seller_id="T", effective_at="2025-01-01T00:00:00Z")])
    finance.close(MARCH)
    corrected = {"updated_at": "2026-05-01T00:00:00Z", "seller_id": "T", "quantity": "10"}
    finance.load(order_items=[row("order_items", order_id="A", purchased_at="2026-03-02T12:00:00Z", **corrected)])
    finance.run(APRIL)
    assert [(line[0], line[2]) for line in finance.totals(APRIL)] == [("S", -2), ("T", 2)]
    assert {entry[5] for entry in finance.entries(APRIL)} == {"corrected_order_item"}


def test_a_backdated_enrolment_is_booked_and_reported(finance: Finance) -> None:
    finance.load(
        order_items=[row("order_items", order_id="B", seller_id="T", purchased_at="2026-03-02T12:00:00Z")],
        shipments=[row("shipments", shipment_id="P-B", order_id="B", shipped_at="2026-03-03T12:00:00Z")],
    )
    finance.close(MARCH)
    outcome = "select outcome from core.units where shipment_id = 'P-B'"
    assert finance.warehouse.rows(outcome) == [{"outcome": "never_enrolled"}]
    finance.load(enrolment_events=[row("enrolment_events", seller_id="T", effective_at="2025-01-01T00:00:00Z")])
    finance.run(APRIL)
    assert finance.warehouse.rows(outcome) == [{"outcome": "chargeable"}]
    assert finance.entries(APRIL) == [(MARCH, "correction", 1, 1, Decimal("0.2"), "enrolment_changed")]
    assert finance.reported("enrolment_backdated") == [(MARCH, "T")]


def test_a_home_that_is_older_than_some_tables_is_rated_again(finance: Finance) -> None:
    finance.close(MARCH)
    con = finance.warehouse.con
    con.execute("drop view audit.evidence")
    for table in ("core.requests", "core.refunds", "core.defects", "audit.request_balance", "billing.defects"):
        con.execute(f"drop table {table}")
    finance.ship("late", 5, MARCH)
    assert rerate_us(finance) == 1
    finance.run(APRIL)
    assert [entry[1:3] for entry in finance.entries(APRIL)] == [("reversal", -10), ("correction", 15)]


def test_an_enrolment_after_the_close_changes_no_line_of_it(finance: Finance) -> None:
    finance.load(
        order_items=[row("order_items", order_id="B", seller_id="T", purchased_at="2026-03-02T12:00:00Z")],
        shipments=[row("shipments", shipment_id="P-B", order_id="B", shipped_at="2026-03-03T12:00:00Z")],
    )
    finance.close(MARCH)
    finance.load(enrolment_events=[row("enrolment_events", seller_id="T", effective_at="2026-04-10T00:00:00Z")])
    finance.run(APRIL)
    assert finance.warehouse.rows("select outcome from core.units where shipment_id = 'P-B'") == [
        {"outcome": "before_enrolment"}
    ]
    assert finance.entries(APRIL) == []
    assert finance.reported("enrolment_backdated") == []


def test_corrections_of_corrections_over_several_closes(finance: Finance) -> None:
    finance.close(MARCH)
    finance.ship("late", 5, MARCH)
    finance.close(APRIL)
    finance.contact("C1", MARCH)
    finance.close(MAY)
    finance.contact("C1", MARCH, is_void="true", updated_at="2026-07-01T00:00:00Z")
    finance.run(JUNE)
    assert [entry[:5] for entry in finance.entries(APRIL)] == [
        (MARCH, "reversal", -10, 1, -2),
        (MARCH, "correction", 15, 1, 3),
    ]
    assert [entry[:5] for entry in finance.entries(MAY)] == [
        (MARCH, "reversal", -15, 1, -3),
        (MARCH, "correction", 15, 2, 6),
    ]
    assert [entry[:5] for entry in finance.entries(JUNE)] == [
        (MARCH, "reversal", -15, 2, -6),
        (MARCH, "correction", 15, 1, 3),
    ]
    before = finance.entries(JUNE)
    finance.run(MARCH, JUNE)
    assert finance.entries(JUNE) == before, "running twice changes nothing"


def test_a_change_undone_before_the_next_close_books_nothing(finance: Finance) -> None:
    finance.close(MARCH)
    finance.contact("C1", MARCH)
    finance.run(APRIL)
    assert len(finance.entries(APRIL)) == 2
    finance.contact("C1", MARCH, is_void="true", updated_at="2026-07-01T00:00:00Z")
    finance.run(APRIL)
    assert finance.entries(APRIL) == []


def test_what_shipped_before_the_first_close_is_never_adjusted(finance: Finance) -> None:
    finance.close(APRIL)
    finance.ship("late", 5, MARCH)
    finance.run(MARCH, MAY)
    assert finance.entries(MAY) == []
    assert finance.totals(MARCH) == [("S", 3, 0, 3, "draft")]


def test_a_contact_that_an_enrolment_turns_to_another_marketplace_is_taken_back(finance: Finance) -> None:
    mixed = {"order_id": "M", "purchased_at": "2026-03-02T12:00:00Z"}
    finance.load(
        order_items=[
            row("order_items", order_item_id="1", seller_id="T", marketplace_id=JP, **mixed),
            row("order_items", order_item_id="2", **mixed),
        ]
    )
    finance.contact("C", MARCH, order="M", order_item_id=None)
    finance.close(MARCH)
    subject = "select seller_id, order_item_id from core.contacts"
    assert finance.warehouse.rows(subject) == [{"seller_id": "S", "order_item_id": "2"}]
    enrolled = row("enrolment_events", seller_id="T", marketplace_id=JP, effective_at="2025-01-01T00:00:00Z")
    finance.load(enrolment_events=[enrolled])
    finance.run(MARCH, APRIL)
    assert finance.warehouse.rows(subject) == [{"seller_id": "T", "order_item_id": "1"}]
    assert finance.entries(APRIL) == [
        (MARCH, "reversal", -10, 2, Decimal(-4), "contact_reassigned"),
        (MARCH, "correction", 10, 1, Decimal(2), "contact_reassigned"),
    ]
    assert finance.reported("enrolment_backdated") == []


def test_late_rows_of_a_marketplace_touch_no_other(finance: Finance) -> None:
    finance.close(MARCH)
    finance.load(
        enrolment_events=[
            row("enrolment_events", seller_id="T", marketplace_id=JP, effective_at="2025-01-01T00:00:00Z")
        ]
    )
    item = row("order_items", order_id="J", seller_id="T", marketplace_id=JP, purchased_at="2026-03-02T12:00:00Z")
    finance.load(order_items=[item])
    finance.load(shipments=[row("shipments", shipment_id="J", order_id="J", shipped_at="2026-03-03T12:00:00Z")])
    finance.run(MARCH, APRIL)
    assert finance.entries(APRIL) == []
    assert [line[0] for line in finance.totals(MARCH)] == ["S", "T"], "the other marketplace is still open"


# -- terms and marketplaces are part of the books -------------------------------------------------------------------

TIER_ONE = "{ up_to = 0.05, fee = 0.20 }"


def test_terms_that_would_price_a_closed_month_otherwise_are_refused(finance: Finance) -> None:
    finance.close(MARCH)
    finance.edit_terms(TIER_ONE, "{ up_to = 0.05, fee = 0.30 }")
    listed = read_marketplaces(DATA / "marketplaces.csv")
    allowed, refusals = terms_for_a_run(finance.warehouse.con, finance.terms, listed)
    assert US not in {card.marketplace_id for card in allowed}
    (refusal,) = refusals
    assert "us.toml, version US-2021-11" in str(refusal)
    assert "2026-03" in str(refusal)
    assert "--reprice" in str(refusal)


@pytest.mark.parametrize(
    ("old", "new", "is_refused"),
    [
        ("# United States.", "# The United States.", False),
        ("dispute_days = 90", "dispute_days = 60", False),
        ("cpu_below = 0.03", "cpu_below = 0.02", False),
        ('id = "US-2021-11"', 'id = "US-2021-12"', True),
        ("from = 2021-11-16", "from = 2021-11-17", True),
        ("trial_days = 30", "trial_days = 29", True),
        ("aprl_at_least = 0.95", "aprl_at_least = 0.9", True),
        ("from = 2026-05-22", "from = 2026-03-31", True),
        ("from = 2026-05-22", "from = 2026-04-01", False),
    ],
)
def test_what_of_a_terms_file_may_change(finance: Finance, old: str, new: str, is_refused: bool) -> None:
    finance.close(MARCH)
    finance.edit_terms(old, new)
    listed = read_marketplaces(DATA / "marketplaces.csv")
    assert bool(terms_for_a_run(finance.warehouse.con, finance.terms, listed)[1]) == is_refused


def test_repricing_books_the_difference_once_and_can_be_taken_back(finance: Finance) -> None:
    finance.close(MARCH)
    finance.edit_terms(TIER_ONE, "{ up_to = 0.05, fee = 0.30 }")
    finance.run(APRIL, reprice=True)
    why = "terms_repriced"
    booked = [(MARCH, "reversal", -10, 1, -2, why), (MARCH, "correction", 10, 1, 3, why)]
    assert finance.entries(APRIL) == booked
    finance.run(APRIL)
    assert finance.entries(APRIL) == booked, "what was accepted is not asked again"
    finance.edit_terms("fee = 0.30", "fee = 0.20")
    finance.run(APRIL)
    assert finance.entries(APRIL) == [], "the terms that were billed are always allowed"
    finance.edit_terms(TIER_ONE, "{ up_to = 0.05, fee = 0.30 }")
    finance.run(APRIL, reprice=True)
    finance.close(APRIL)
    finance.run(MAY)
    assert finance.entries(MAY) == []


def test_the_listing_of_a_closed_marketplace_keeps_what_was_billed(finance: Finance) -> None:
    finance.close(MARCH)
    text = (DATA / "marketplaces.csv").read_text(encoding="utf-8")
    listing = finance.folder / "marketplaces.csv"
    listing.write_text(text.replace("America/Los_Angeles", "America/New_York"), encoding="utf-8")
    with pytest.raises(MarketplacesError, match="its time_zone must stay America/Los_Angeles"):
        bill(finance.warehouse, [APRIL], marketplaces=listing, terms=finance.terms)


# -- credits -------------------------------------------------------------------------------------------------------


def test_a_credit_is_booked_in_the_first_open_month_and_undone_only_by_its_opposite(finance: Finance) -> None:
    finance.close(MARCH)
    assert grant(finance.warehouse, credit("1.50"), NOW) == (APRIL, True)
    assert grant(finance.warehouse, credit("1.50"), NOW) == (APRIL, False), "saying it again grants nothing more"
    finance.run(APRIL)
    assert finance.totals(APRIL) == [("S", 0, Decimal("-1.5"), Decimal("-1.5"), "draft")]
    finance.close(APRIL)
    page = (finance.warehouse.home / "statements" / APRIL / US / file_names("S").html).read_text(encoding="utf-8")
    assert "dispute 7" in page
    assert grant(finance.warehouse, credit("-1.50", reason="by mistake"), NOW) == (MAY, True)
    finance.run(MAY)
    assert finance.totals(MAY) == [("S", 0, Decimal("1.5"), Decimal("1.5"), "draft")]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (credit("0"), "no amount"),
        (credit("0.005"), "smallest unit is 0.01"),
        (credit("NaN"), "no amount"),
        (credit("1", period=APRIL), "is not closed"),
        (credit("1", seller_id="T"), "has no statement for 2026-03"),
        (credit("1", reason=" "), "a reason"),
    ],
)
def test_a_credit_that_cannot_be(finance: Finance, wrong: Credit, why: str) -> None:
    finance.close(MARCH)
    with pytest.raises(CreditError, match=why):
        grant(finance.warehouse, wrong, NOW)
    assert finance.warehouse.rows("from billing.credits") == []


# -- the books check themselves ------------------------------------------------------------------------------------

BROKEN = {
    "a reversal is lost": (
        "billing.adjustments",
        "select * from in_the_books\n    except",
        "select * from in_the_books where false\n    except",
    ),
    "an entry is doubled": (
        "billing.adjustments",
        "from entries\njoin",
        "from (from entries union all from entries) as entries\njoin",
    ),
    "an adjustment is not on the statement": (
        "billing.statements",
        "cast(sum(amount) as decimal(18, 4)) as adjustments",
        "cast(0 as decimal(18, 4)) as adjustments",
    ),
    "a seller with an adjustment has no statement": (
        "billing.statements",
        "from billing.adjustments\n    where (posted_period",
        "from billing.adjustments\n    where false and (posted_period",
    ),
}


@pytest.mark.parametrize("damage", BROKEN)
def test_a_run_stops_where_adjustments_do_not_add_up(finance: Finance, damage: str) -> None:
    left = row("enrolment_events", seller_id="S", event="deactivate", effective_at="2026-03-25T00:00:00Z")
    finance.load(enrolment_events=[left])
    finance.close(MARCH)
    finance.contact("C1", MARCH)
    finance.run(APRIL)
    name, old, new = BROKEN[damage]
    (table,) = step_of(name)
    assert old in table.query
    set_scope(finance.warehouse, APRIL, [US])
    before = finance.warehouse.rows(f"from {name}")
    with pytest.raises(ChecksFailedError):
        make(finance.warehouse, [replace(table, query=table.query.replace(old, new, 1))])
    assert finance.warehouse.rows(f"from {name}") == before
