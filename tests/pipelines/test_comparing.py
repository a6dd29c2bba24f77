"""What was billed against what a settlement charged: equal, and each way in which they differ, by its name."""

import csv
import io
import json
from collections.abc import Callable, Generator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from finance import APRIL, MARCH, Finance
from house import DATA, SHARED_DATA, bill, load_paths, opened

from assets.core.marketplaces import read_marketplaces
from assets.raw.sources import read_sources
from assets.settings import Limits
from assets.warehouse import Warehouse
from pipelines.cli import cli
from pipelines.comparing import CompareError, Comparison, compare, write_lines

FORMATS = SHARED_DATA / "formats"
US, JP, MONTH = "ATVPDKIKX0DER", "A1VC38T7YXB528", "2026-05"
SELLER = "A09E5BD5000002"
V2 = (
    "settlement-id settlement-start-date settlement-end-date deposit-date total-amount currency "
    "transaction-type order-id merchant-order-id adjustment-id shipment-id marketplace-name amount-type "
    "amount-description amount fulfillment-id posted-date posted-date-time order-item-code "
    "merchant-order-item-id merchant-adjustment-item-id sku quantity-purchased promotion-id "
)
V1 = (
    "settlement-id settlement-start-date settlement-end-date deposit-date total-amount currency "
    "transaction-type order-id merchant-order-id adjustment-id shipment-id marketplace-name "
    "shipment-fee-type shipment-fee-amount order-fee-type order-fee-amount fulfillment-id posted-date "
    "order-item-code merchant-order-item-id merchant-adjustment-item-id sku quantity-purchased price-type "
    "price-amount item-related-fee-type item-related-fee-amount misc-fee-amount other-fee-amount "
    "other-fee-reason-description promotion-id promotion-type promotion-amount direct-payment-type "
    "direct-payment-amount other-amount "
)

Line = dict[str, str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, with its May billed."""
    place = tmp_path_factory.mktemp("compared")
    with opened(place) as warehouse:
        load_paths(warehouse, [DATA / "sample"])
        bill(warehouse, [MONTH])
    return place


@pytest.fixture
def warehouse(home: Path) -> Generator[Warehouse]:
    with opened(home) as found:
        yield found


def charged_as_billed(warehouse: Warehouse, marketplace: str = US) -> list[Line]:
    """The lines of a settlement that charges a seller's items what they were billed."""
    rows = warehouse.rows(
        """
        select unit.*, cast(unit.quantity as decimal(10, 0)) * fee * (1 - discount) as charge, country.domain
        from core.units as unit
        join billing.fee_lines as line using (period, marketplace_id, seller_id, terms_id)
        join core.marketplaces as country using (marketplace_id)
        where outcome = 'chargeable' and line.kind = 'charge' and period = ? and marketplace_id = ? and seller_id = ?
        order by order_id, order_item_id""",
        [MONTH, marketplace, SELLER],
    )
    return [
        {
            "transaction-type": "Order",
            "order-id": row["order_id"],
            "order-item-code": row["order_item_id"],
            "sku": row["sku"],
            "marketplace-name": row["domain"].title(),
            "amount-type": "ItemFees",
            "amount-description": "CSBAFee",
            "amount": f"{-row['charge']:.2f}",
            "posted-date-time": f"{row['shipped_at']:%Y-%m-%dT%H:%M:%S}+00:00",
        }
        for row in rows
    ]


def report(header: str, lines: list[Line], currency: str = "USD") -> bytes:
    """A settlement report, whose first line alone names the currency, and whose lines end with their last value."""
    columns = header.split()
    first = {"settlement-id": "77", "currency": currency, "total-amount": "1847.32"}
    other = {
        "transaction-type": "Order",
        "amount-type": "ItemPrice",
        "amount-description": "Principal",
        "amount": "9.99",
    }
    rows = [first, other, *({"settlement-id": "77"} | line for line in lines)]
    text = ["\t".join(row.get(name, "") for name in columns).rstrip("\t") for row in rows]
    return "\n".join(["\t".join(columns), *text, ""]).encode()


def compared(warehouse: Warehouse, folder: Path, *contents: bytes, seller: str = SELLER) -> Comparison:
    place = folder / f"seller={seller}"
    place.mkdir(parents=True)
    for number, content in enumerate(contents):
        (place / f"settlement_{number}.txt").write_bytes(content)
    found = compare(
        warehouse, [folder], read_sources(DATA / "sources"), read_marketplaces(DATA / "marketplaces.csv"), Limits()
    )
    place_of = ("period", "marketplace_id", "seller_id")
    for total in found.totals:
        lines = [line for line in found.lines if all(line[name] == total[name] for name in (*place_of, "currency"))]
        assert total["billed"] == sum(line["billed"] for line in lines)
        assert total["charged"] == sum(line["charged"] for line in lines)
        (owed,) = warehouse.rows(
            "select total from billing.statements"
            " where period = ? and marketplace_id = ? and seller_id = ? and currency = ?",
            [total["period"], total["marketplace_id"], total["seller_id"], total["currency"]],
        ) or [{"total": 0}]
        assert total["billed"] == owed["total"]
    return found


def reasons(found: Comparison) -> dict[str, Decimal]:
    """Reason → difference, of the lines that differ."""
    return {line["because"]: line["difference"] for line in found.lines if line["because"]}


def test_what_was_charged_as_it_was_billed_does_not_differ(warehouse: Warehouse, tmp_path: Path) -> None:
    lines = charged_as_billed(warehouse)
    found = compared(warehouse, tmp_path, report(V2, lines), report(V2, lines))  # delivered twice
    assert len(lines) > 50
    assert not found.differs
    (total,) = found.totals
    assert total["charged"] == total["billed"] == sum(-Decimal(line["amount"]) for line in lines)


def test_the_first_version_of_the_report_says_the_same(warehouse: Warehouse, tmp_path: Path) -> None:
    lines = [
        {name: value for name, value in line.items() if name in V1.split()}
        | {
            "item-related-fee-type": "CSBAFee",
            "item-related-fee-amount": line["amount"].replace(".", ","),
            "posted-date": line["posted-date-time"].replace("T", " ").replace("+00:00", " UTC"),
        }
        for line in charged_as_billed(warehouse)
    ]
    assert not compared(warehouse, tmp_path, report(V1, lines)).differs


def times(line: Line, factor: str) -> str:
    return f"{Decimal(line['amount']) * Decimal(factor):.2f}"


CHANGES: dict[str, tuple[Callable[[list[Line]], object], str]] = {
    "twice": (lambda lines: lines.insert(0, dict(lines[0])), "charged 2 times"),
    "not": (lambda lines: lines.pop(), "billed, not charged in these settlements"),
    "unknown": (
        lambda lines: lines[0].update({"order-id": "?"}),
        "charged, but no such order was shipped as far as we know",
    ),
    "amount": (lambda lines: lines[0].update({"amount": "-3.21"}), "another amount"),
    "back": (
        lambda lines: lines.append(lines[0] | {"amount": lines[0]["amount"].lstrip("-"), "transaction-type": "Refund"}),
        "charged and given back",
    ),
    "month": (
        lambda lines: lines.append(
            {
                "transaction-type": "Fee",
                "amount-description": "CSBAFee",
                "amount": "-7.00",
                "marketplace-name": "amazon.com",
            }
            | {"posted-date-time": "2026-05-31T10:00:00+00:00"}
        ),
        "charged without an order",
    ),
    "units": (
        lambda lines: lines[0].update({"amount": f"{Decimal(lines[0]['amount']) * 3:.2f}"}),
        "charged for 3 units",
    ),
    "sign": (
        lambda lines: lines[0].update({"amount": lines[0]["amount"].lstrip("-")}),
        "given to the seller instead of charged",
    ),
    "tier": (lambda lines: lines[0].update({"amount": f"{Decimal(lines[0]['amount']) / 2:.2f}"}), "charged at tier 2"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_difference_is_named(warehouse: Warehouse, tmp_path: Path, name: str) -> None:
    change, reason = CHANGES[name]
    lines = charged_as_billed(warehouse)
    change(lines)
    found = compared(warehouse, tmp_path, report(V2, lines))
    assert found.differs
    assert any(each.startswith(reason) for each in reasons(found)), reasons(found)


def test_units_that_cost_nothing_and_another_currency(warehouse: Warehouse, tmp_path: Path) -> None:
    (trial,) = warehouse.rows(
        "select * from core.units where outcome = 'trial' and marketplace_id = ? and period = ? limit 1", [US, MONTH]
    )
    line = {"order-id": trial["order_id"], "order-item-code": trial["order_item_id"], "amount": "-0.40"}
    line |= {"transaction-type": "Order", "amount-description": "CSBAFee", "marketplace-name": "amazon.com"}
    line |= {"posted-date-time": "2026-05-20T10:00:00+00:00"}
    place = tmp_path / f"seller={trial['seller_id']}"
    place.mkdir()
    (place / "of_trial.txt").write_bytes(report(V2, [line]))
    other = compared(warehouse, tmp_path, report(V2, charged_as_billed(warehouse), currency="EUR"))
    assert {"charged in another currency than USD", "charged, but its units are trial"} <= set(reasons(other))


def of_a_month(amount: Decimal, posted: str) -> Line:
    """A line that charges a month as a whole."""
    return {
        "transaction-type": "Fee",
        "amount-description": "CSBAFee",
        "amount": f"{-amount:.2f}",
        "marketplace-name": "amazon.com",
        "posted-date-time": f"{posted}T10:00:00+00:00",
    }


@pytest.mark.parametrize("posted", ["2026-05-31", "2026-06-03"])
@pytest.mark.parametrize(
    ("factor", "reason"),
    [
        ("1", None),
        ("-1", "given to the seller instead of charged"),
        ("2", "another amount for the month as a whole"),
        ("0", "charged and given back"),
    ],
)
def test_a_month_charged_as_one_sum_is_held_against_its_statement(
    warehouse: Warehouse, tmp_path: Path, posted: str, factor: str, reason: str | None
) -> None:
    (owed,) = warehouse.rows(
        "select total from billing.statements where period = ? and marketplace_id = ? and seller_id = ?",
        [MONTH, US, SELLER],
    )
    is_other = reason is not None and posted.startswith("2026-06")
    found = compared(warehouse, tmp_path, report(V2, [of_a_month(owed["total"] * Decimal(factor), posted)]))
    if is_other:
        # Which month another amount is for nobody can tell: it is that in which it was posted.
        assert [line["because"] for line in found.lines] == (
            [] if factor == "0" else ["charged without an order, and nothing is billed for the month"]
        )
    else:
        assert [(line["billed"], line["because"]) for line in found.lines] == [(owed["total"], reason)]
        assert found.differs is (reason is not None)


def test_a_closed_month_is_compared_as_it_is_known_now(tmp_path: Path) -> None:
    """Two late contacts make ten units of March dearer, on April's statement: 8 instead of 2."""
    line = of_a_month(Decimal(2), "2026-03-20") | {"order-id": "A", "order-item-code": "1"}
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        finance.close(MARCH)
        finance.contact("C1", MARCH)
        finance.contact("C2", MARCH)
        finance.run(APRIL)
        (item,) = warehouse.rows("select distinct order_item_id from core.units")
        line["order-item-code"] = item["order_item_id"]
        early = compared(warehouse, tmp_path / "early", report(V2, [line]), seller="S")
        late = compared(
            warehouse, tmp_path / "late", report(V2, [line, of_a_month(Decimal(6), "2026-04-20")]), seller="S"
        )
    charged_once = {
        "charged at tier 1, billed at tier 3": Decimal(-6),
        "corrected since, on a later statement": Decimal(6),
    }
    assert reasons(early) == charged_once
    assert [total["billed"] for total in early.totals] == [2]
    assert reasons(late) == charged_once, "the sum of April is just what was adjusted"
    assert [(total["period"], total["billed"], total["charged"]) for total in late.totals] == [
        (MARCH, 2, 2),
        (APRIL, 6, 6),
    ]


def test_each_currency_has_its_own_sums(warehouse: Warehouse, tmp_path: Path) -> None:
    lines = charged_as_billed(warehouse)
    mixed = [line | {"currency": "EUR"} for line in lines[:3]] + lines[3:]
    found = compared(warehouse, tmp_path, report(V2, mixed))
    assert [total["currency"] for total in found.totals] == ["EUR", "USD"]
    told = {(line["currency"], line["because"]): line["difference"] for line in found.lines if line["because"]}
    assert {*told} == {
        ("EUR", "charged in another currency than USD"),
        ("USD", "billed, not charged in these settlements"),
    }
    assert found.totals[0]["charged"] == -sum(Decimal(line["amount"]) for line in lines[:3])


V1_FEE = {"item-related-fee-type": "CSBAFee", "item-related-fee-amount": "-0.80"}


@pytest.mark.parametrize(
    ("changes", "charged"),
    [
        (V1_FEE, "0.80"),
        (V1_FEE | {"order-fee-type": "CSBAFee", "order-fee-amount": "-5,00"}, "5.80"),
        ({"transaction-type": "CSBAFee", "other-amount": "-0.80", "other-fee-amount": "-0.20"}, "1.00"),
        (V1_FEE | {"transaction-type": ""}, "0.80"),
    ],
)
def test_no_amount_of_the_fee_is_lost(warehouse: Warehouse, tmp_path: Path, changes: Line, charged: str) -> None:
    line = charged_as_billed(warehouse)[0]
    kept = {name: line[name] for name in ("order-id", "order-item-code", "sku", "marketplace-name", "transaction-type")}
    found = compared(warehouse, tmp_path, report(V1, [kept | {"posted-date": "2026-05-20 10:00:00 UTC"} | changes]))
    assert sum(line["charged"] for line in found.lines) == Decimal(charged)


def test_a_report_that_was_cut_within_an_amount_is_not_taken(warehouse: Warehouse, tmp_path: Path) -> None:
    lines = charged_as_billed(warehouse)
    content = report(V2.replace("amount fulfillment-id", "fulfillment-id").strip() + " amount", lines)
    found = compared(warehouse, tmp_path, content[:-3])
    ((_, row, why),) = found.refused
    assert (row, why[:5], found.differs) == (len(lines) + 2, "line:", True)


def test_rounding_is_told_and_is_no_difference_of_an_item(warehouse: Warehouse, tmp_path: Path) -> None:
    lines = charged_as_billed(warehouse, JP)
    found = compared(warehouse, tmp_path, report(V2, lines, currency="JPY"))
    assert set(reasons(found)) <= {"rounded once a month, not for each unit"}


def test_what_cannot_be_compared_is_named(warehouse: Warehouse, tmp_path: Path) -> None:
    line = charged_as_billed(warehouse)[0]
    found = compared(warehouse, tmp_path, report(V2, [line, line | {"amount": "much"}]))
    assert found.differs
    ((path, row, why),) = found.refused
    assert (path.name, row) == ("settlement_0.txt", 4)
    assert why.startswith("amount: ")
    for content, reason in ((report(V2, []), "has a line of the fee"), (b"a,b\n1,2\n", "is no settlement report")):
        (tmp_path / f"seller={SELLER}" / "settlement_0.txt").write_bytes(content)
        with pytest.raises(CompareError, match=reason):
            compare(warehouse, [tmp_path], read_sources(DATA / "sources"), {}, Limits())


def test_the_command_prints_writes_and_says_whether_they_differ(home: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CSBA_HOME", str(home))
    with opened(home) as warehouse:
        before = warehouse.rows("select count(*) as files from audit.files")
        lines = charged_as_billed(warehouse)
    path = tmp_path / f"settlement_seller={SELLER}.txt"
    path.write_bytes(report(V2, lines))
    same = CliRunner().invoke(cli, ["compare", str(path)])
    assert (same.exit_code, "What was charged is what was billed" in same.output) == (0, True)
    path.write_bytes(report(V2, lines[1:]))
    other = CliRunner().invoke(cli, ["compare", str(path), "--out", str(tmp_path / "lines.csv")])
    assert (other.exit_code, "billed, not charged" in other.output) == (1, True)
    written = list(csv.DictReader(io.StringIO((tmp_path / "lines.csv").read_text())))
    assert len(written) == len({(line["order-id"], line["order-item-code"]) for line in lines})
    told = json.loads(CliRunner().invoke(cli, ["compare", str(path), "--json"]).output)
    assert (told["differs"], len(told["lines"])) == (True, len(written))
    assert CliRunner().invoke(cli, ["compare", str(DATA / "sample")]).exit_code == 2
    with opened(home) as warehouse:
        assert warehouse.rows("select count(*) as files from audit.files") == before, "nothing is kept"
    monkeypatch.setenv("CSBA_HOME", str(tmp_path / "nothing"))
    assert CliRunner().invoke(cli, ["compare", str(path)]).exit_code != 0


def test_no_line_at_all_is_an_empty_table() -> None:
    out = io.StringIO()
    write_lines(Comparison([], [], []), out)
    assert out.getvalue() == "period\n"


@pytest.mark.skipif(not FORMATS.is_dir(), reason="the samples of formats are not there")
def test_settlements_as_they_are_found_have_no_line_of_the_fee(warehouse: Warehouse, tmp_path: Path) -> None:
    place = tmp_path / f"seller={SELLER}"
    place.mkdir()
    for path in FORMATS.glob("settlement_v*.tsv"):
        (place / path.name).write_bytes(path.read_bytes())
    assert len(list(place.iterdir())) == 3
    report = load_paths(warehouse, [place])
    assert report.refusals == []
    assert [(done.rows_read, done.rows_skipped) for done in report.loads] == [(2, 2), (4, 4), (6, 6)]


def test_feedback_of_one_or_two_stars_is_a_defect(warehouse: Warehouse, tmp_path: Path) -> None:
    place = tmp_path / f"marketplace={US}"
    place.mkdir()
    rows = [
        "10/20/23\t1\tToo late\t\tO-1\tx@y.example",
        "10/21/23\t3\t\t\tO-2",
        "10/22/23\tgood\t\t\tO-3",
        "2023-10-23\t2\t\t\tO-4",
    ]
    text = "\n".join(["Date\tRating\tComments\tYour Response\tOrder ID\tRater Email", *rows, ""])
    (place / "feedback.txt").write_text(text)
    (done,) = load_paths(warehouse, [place]).loads
    assert (done.rows_loaded, done.rows_skipped, done.rows_quarantined) == (2, 1, 1)
    ours = "raw.defects where load_id = (select max(load_id) from raw.defects)"
    found = warehouse.rows(f"select order_id, type, occurred_at from {ours} order by 1")
    assert [tuple(row.values()) for row in found] == [
        ("O-1", "negative_feedback", datetime(2023, 10, 20, 7)),
        ("O-4", "negative_feedback", datetime(2023, 10, 23, 7)),
    ]
    assert "Too late" not in str(warehouse.rows("from raw.defects"))
