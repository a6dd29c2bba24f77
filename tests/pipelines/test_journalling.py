"""The journal as other programs read it: CSV, and a file that the real beancount accepts."""

import csv
import io
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from beancount import loader
from beancount.core.data import Open, Transaction
from finance import APRIL, MARCH, US, Finance, credit
from house import NOW, opened, row

from assets.core.accounts import AccountsError, read_accounts
from pipelines.crediting import grant
from pipelines.journalling import write_journal

RECEIVABLE, REVENUE = "Assets:Receivable:Sellers", "Income:CustomerService:Fees"


@pytest.fixture
def finance(tmp_path: Path):
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        hostile = '"=cmd|""\\x"'
        finance.load(
            sellers=[row("sellers", seller_id=hostile)],
            enrolment_events=[row("enrolment_events", seller_id=hostile, effective_at="2025-01-01T00:00:00Z")],
            order_items=[row("order_items", order_id="H", seller_id=hostile, purchased_at=f"{MARCH}-02T12:00:00Z")],
            shipments=[row("shipments", shipment_id="H", order_id="H", shipped_at=f"{MARCH}-03T12:00:00Z")],
        )
        finance.close(MARCH)
        finance.contact("C1", MARCH)
        grant(warehouse, credit("9.99"), NOW)
        finance.close(APRIL)
        yield finance


def written(finance: Finance, form: str, *periods: str) -> str:
    out = io.StringIO()
    entries = write_journal(finance.warehouse, list(periods), None, form, out)
    assert entries == 2 + 3 if len(periods) == 2 else entries
    return out.getvalue()


def test_beancount_accepts_it_and_agrees_on_balances(finance: Finance, tmp_path: Path) -> None:
    path = tmp_path / "journal.beancount"
    path.write_text(written(finance, "beancount", MARCH, APRIL), encoding="utf-8")
    entries, errors, _ = loader.load_file(str(path))
    assert errors == []
    balances: Counter = Counter()
    for entry in entries:
        if isinstance(entry, Transaction):
            for posting in entry.postings:
                balances[posting.account, posting.units.currency] += posting.units.number
    assert {entry.account for entry in entries if isinstance(entry, Open)} == {RECEIVABLE, REVENUE}
    (total,) = finance.warehouse.con.execute(
        "select sum(total) from billing.statements where status = 'final'"
    ).fetchall()[0]
    assert balances == {(RECEIVABLE, "USD"): total, (REVENUE, "USD"): -total}
    assert total == Decimal("4") + Decimal("0.2") - Decimal("9.99")
    assert {entry.payee for entry in entries if isinstance(entry, Transaction)} == {"S", '=cmd|"\\x'}


def test_the_csv_holds_every_row_and_no_formula(finance: Finance) -> None:
    rows = list(csv.DictReader(io.StringIO(written(finance, "csv", MARCH, APRIL))))
    assert len(rows) == 10
    assert sum(Decimal(each["debit"]) - Decimal(each["credit"]) for each in rows) == 0
    assert {each["seller_id"] for each in rows} == {"S", "'=cmd|\"\\x"}
    assert {each["corrects"] for each in rows if each["period"] == APRIL} == {MARCH}


def test_keys_repeat_when_a_run_is_repeated(finance: Finance) -> None:
    before = written(finance, "csv", MARCH, APRIL)
    finance.run(MARCH, APRIL)
    assert written(finance, "csv", MARCH, APRIL) == before
    keys = finance.warehouse.rows("select source_key, count(*) as rows from billing.journal group by source_key")
    assert {key["rows"] for key in keys} == {2}


def test_reversals_go_the_other_way(finance: Finance) -> None:
    sides = finance.warehouse.con.execute(
        "select account, debit, credit from billing.journal where source_key like '%reversal' order by account"
    ).fetchall()
    assert sides == [(RECEIVABLE, 0, 2), (REVENUE, 2, 0)]


def test_an_open_period_has_no_entries(finance: Finance) -> None:
    finance.ship("B", 20, "2026-05")
    finance.run("2026-05")
    assert finance.warehouse.rows("from billing.journal where period = '2026-05'") == []
    assert finance.warehouse.rows("select distinct marketplace_id from billing.journal") == [{"marketplace_id": US}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("receivable = 'A'", "it names receivable, revenue and nothing else"),
        ("receivable = 'A'\nrevenue = 'B'\nother = 'C'", "nothing else"),
        ("receivable = 'A'\nrevenue = 'A'", "a name of its own"),
        ("receivable = 'A'\nrevenue = 1", "a name of its own"),
        ("receivable", "it cannot be read"),
    ],
)
def test_accounts_that_cannot_be_used(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AccountsError, match=why):
        read_accounts(path)
