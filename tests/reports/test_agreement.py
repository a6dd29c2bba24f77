"""A statement says the same everywhere: PDF, page, JSON, CSV and the tables agree, and its lines add up as printed."""

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from finance import APRIL, MARCH, US, Finance, credit
from house import DATA, NOW, PRESS, bill, load_paths, opened
from paper import Page, bare, number_in, text_of
from test_reference import billed
from worlds import world

from assets.settings import CHECKOUT
from assets.warehouse import Warehouse
from pipelines.crediting import grant
from reports.language import language_of
from reports.statement import write_statements
from reports.statement.names import file_names, folder_name

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((CHECKOUT / "docs" / "statement.schema.json").read_text(encoding="utf-8")),
    format_checker=jsonschema.FormatChecker(),
)

A_FEW = range(3)
MANY = range(3, 103)


def test_the_sample(tmp_path: Path) -> None:
    months = sorted({path.stem.split("_")[-1] for path in (DATA / "sample").glob("shipments_*")})
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [DATA / "sample"])
        bill(warehouse, months)
        assert assert_agreement(warehouse, tmp_path / "statements") > 150


def test_adjustments_and_credits(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        finance.close(MARCH)
        assert assert_agreement(warehouse, warehouse.home / "statements", "final") == 1
        finance.ship("late", 1500, MARCH)
        finance.contact("C1", MARCH)
        finance.ship("B", 20, APRIL)
        grant(warehouse, credit("0.50"), NOW)
        finance.run(APRIL)
        assert assert_agreement(warehouse, tmp_path / "statements") == 1
        (page,) = (tmp_path / "statements" / APRIL / US).glob("s-*.html")
        assert [len(rows) for rows in Page(page.read_text(encoding="utf-8")).tables if "1,510" in str(rows)] == [5]


@pytest.mark.parametrize("seed", A_FEW)
def test_a_world(seed: int, tmp_path: Path) -> None:
    with billed(world(seed), tmp_path) as warehouse:
        assert_agreement(warehouse, tmp_path / "statements")


@pytest.mark.prove
@pytest.mark.parametrize("seed", MANY)
def test_many_worlds(seed: int, tmp_path: Path) -> None:
    with billed(world(seed), tmp_path) as warehouse:
        assert_agreement(warehouse, tmp_path / "statements")


def assert_agreement(warehouse: Warehouse, folder: Path, status: str = "draft") -> int:
    """Write all statements of a status and hold their forms against each other; returns how many there are."""
    found = warehouse.rows(
        "select distinct period, marketplace_id from billing.statements where status = ? order by all", [status]
    )
    pairs = [(row["period"], row["marketplace_id"]) for row in found]
    written = write_statements(warehouse.con, pairs, folder, PRESS)
    assert not written.broken
    number = 0
    for period, marketplace_id in pairs:
        place = folder / period / folder_name(marketplace_id)
        lines = grouped(warehouse, LINES, period, marketplace_id)
        units = grouped(warehouse, UNITS, period, marketplace_id)
        contacts = grouped(warehouse, CONTACTS, period, marketplace_id)
        services = grouped(warehouse, SERVICE, period, marketplace_id)
        refunds = grouped(warehouse, REFUNDS, period, marketplace_id)
        for row in warehouse.rows(
            "from billing.statements where period = ? and marketplace_id = ?", [period, marketplace_id]
        ):
            seller = row["seller_id"]
            names = file_names(seller)
            content = {name: (place / name).read_bytes() for name in names}
            data = json.loads(content[names.json])
            SCHEMA.validate(data)
            assert_data_are_the_tables(data, row, lines.get(seller, []), contacts.get(seller, []))
            assert_data_are_the_service(data, services.get(seller, []), refunds.get(seller, []))
            assert_lines_are_the_units(content[names.csv], data, units.get(seller, []))
            assert_page_says_the_data(Page(content[names.html].decode()), data)
            draft = f"{language_of(data['language']).texts.gettext('DRAFT')} · " if data["status"] == "draft" else ""
            printed = text_of(content[names.pdf], draft + data["statement_id"])
            assert printed == Page(content[names.html].decode()).on_paper
            number += 1
    assert number == written.statements
    return number


LINES = """
select seller_id, terms_id, kind, units, tier, fee, discount, waiver, amount from billing.fee_lines
where period = ? and marketplace_id = ?"""
UNITS = """
select seller_id, shipment_id, order_id, order_item_id, quantity, outcome from core.units
where period = ? and marketplace_id = ?"""
CONTACTS = """
select seller_id, outcome, reason, channel, count(*) as number from core.contacts
where period = ? and marketplace_id = ? group by all"""

SERVICE = "from billing.service where period = ? and marketplace_id = ?"
REFUNDS = """
select seller_id, issued_by, currency, safe_t_status, count(*) as number, sum(amount) as amount,
    sum(safe_t_amount) as claimed
from core.refunds where period = ? and marketplace_id = ? and outcome = 'counted' group by all"""


def grouped(warehouse: Warehouse, query: str, *key: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in warehouse.rows(query, list(key)):
        found.setdefault(row.pop("seller_id"), []).append(row)
    return found


def assert_data_are_the_tables(
    data: Mapping[str, Any],
    row: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    contacts: Sequence[Mapping[str, Any]],
) -> None:
    assert data["statement_id"] == row["statement_id"]
    assert Decimal(data["total"]) == row["total"]
    assert Decimal(data["charges"]) == row["charges"]
    assert Decimal(data["adjustments"] or 0) == row["adjustments"]
    assert data["currency"] == row["currency"]
    told = Counter(
        (line["terms_id"], line["kind"], line["units"], line["tier"], Decimal(line["fee"]), Decimal(line["rate"]),
         line["waiver"], Decimal(line["amount"]))
        for line in data["lines"]
    )  # fmt: skip
    assert told == Counter(
        (line["terms_id"], line["kind"], line["units"], line["tier"], line["fee"], line["discount"], line["waiver"],
         line["amount"])
        for line in lines
    )  # fmt: skip
    counted = {(each["reason"], each["channel"]): each["number"] for each in contacts if each["outcome"] == "counted"}
    assert {(each["reason"], each["channel"]): each["number"] for each in data["contacts"]} == counted
    others: Counter[str] = Counter()
    for each in contacts:
        if each["outcome"] != "counted":
            others[each["outcome"]] += each["number"]
    assert {each["outcome"]: each["number"] for each in data["contacts_not_counted"]} == others


def assert_data_are_the_service(
    data: Mapping[str, Any], services: Sequence[Mapping[str, Any]], refunds: Sequence[Mapping[str, Any]]
) -> None:
    service: Mapping[str, Any] = services[0] if services else defaultdict(lambda: None)
    parts = ("answered", "late", "unanswered")
    asked = {f"requests_{name}": data["requests"][name] for name in parts} if data["requests"] else {}
    assert asked == {name: service[name] for name in (f"requests_{part}" for part in parts) if service["requests"]}
    if data["requests"]:
        assert data["requests"]["due"] == sum(asked.values()) == service["requests_due"]
        assert data["requests"]["due"] + data["requests"]["not_due"] == service["requests"]
    figures = ("orders", "orders_with_defect", "a_to_z_claims", "negative_feedback", "chargebacks")
    for told, suffix in ((data["defects"], ""), (data["defects_before_enrolment"], "_before")):
        known = {name: service[f"{name}{suffix}"] for name in figures}
        if service["orders"] is None:
            known = dict.fromkeys(figures)
        assert {name: told and told[name] for name in figures} == known
    if data["defects_before_enrolment"]:
        assert data["defects_before_enrolment"]["period"] == service["period_before_enrolment"] < data["period"]["id"]
    sums, claims = defaultdict(lambda: (0, Decimal(0))), defaultdict(lambda: (0, Decimal(0)))
    for row in refunds:
        for found, key, amount in (
            (sums, (row["issued_by"], row["currency"]), row["amount"]),
            (claims, (row["safe_t_status"], row["currency"]), row["claimed"]),
        ):
            found[key] = (found[key][0] + row["number"], found[key][1] + amount)
    told = {
        (each["issued_by"], each["currency"]): (each["number"], Decimal(each["amount"])) for each in data["refunds"]
    }
    assert told == sums
    told = {(each["status"], each["currency"]): (each["number"], Decimal(each["amount"])) for each in data["claims"]}
    assert told == {key: value for key, value in claims.items() if key[0] != "none"}


def assert_lines_are_the_units(content: bytes, data: Mapping[str, Any], units: Sequence[Mapping[str, Any]]) -> None:
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert len(rows) == data["unit_lines"]["rows"]
    told = Counter((row["shipment_id"], row["order_item_id"], int(row["units"]), row["outcome"]) for row in rows)
    assert told == Counter(
        (unit["shipment_id"], unit["order_item_id"], unit["quantity"], unit["outcome"]) for unit in units
    )
    assert all(row["reason"] for row in rows)
    by_outcome: Counter[str] = Counter()
    for row in rows:
        by_outcome[row["outcome"]] += int(row["units"])
    assert {each["outcome"]: each["number"] for each in data["units"]} == by_outcome
    assert data["units_shipped"] == by_outcome.total()


def assert_page_says_the_data(page: Page, data: Mapping[str, Any]) -> None:
    """What is printed adds up: units × fee − discount = amount, line by line, to the total; and it is the data."""
    language, text = data["language"], page.on_paper
    assert (
        bare(language_of(language).amount(abs(Decimal(data["total"])), data["currency"], data["minor_units"])) in text
    )

    def figure(cell: str) -> Decimal:
        return number_in(cell, language)

    tables = [rows for rows, kind in zip(page.tables, page.classes, strict=True) if kind == "lines"]
    for rows in tables:
        for row in rows:
            if len(row) == 6 and row[1].strip() and row[1].strip()[-1].isdigit():
                units, fee, product, discount, amount = map(figure, row[1:])
                assert units * fee == product
                assert product - discount == amount
    for rows, adjusted in zip(tables, data["adjusted"], strict=False):
        amounts = [figure(row[-1]) for row in rows[1:-1]]
        assert sum(amounts) == figure(rows[-1][-1]) == Decimal(adjusted["difference"])
    if data["lines"] or data["adjusted"]:
        *_, last = tables
        count = len(data["lines"])
        body = last[1 : 1 + count] if count else []
        assert [figure(row[-1]) for row in body] == [Decimal(line["amount"]) for line in data["lines"]]
        assert sum(figure(row[-1]) for row in body) == Decimal(data["charges"])
        assert figure(last[-1][-1]) == Decimal(data["total"])
        if data["adjusted"]:
            assert [figure(row[-1]) for row in last[-3:-1]] == [Decimal(data["charges"]), Decimal(data["adjustments"])]
    every = language_of(language).texts.gettext("All")
    for rows in page.tables:
        if rows[-1][0] == every and len(rows[-1]) == len(rows[0]):
            for column in range(1, len(rows[0])):
                numbers = [row[column] for row in rows[1:]]
                if numbers[-1]:
                    assert sum(map(figure, numbers[:-1])) == figure(numbers[-1])
