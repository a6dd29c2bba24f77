"""What a good row is, and how a bad one is told why."""

from datetime import datetime
from decimal import Decimal

import pytest
from house import row

from assets.raw.datasets import DATASETS
from assets.raw.typing_sql import HOW_TO_READ


def test_every_dataset_says_what_a_row_is_and_every_column_what_it_means():
    for dataset in DATASETS.values():
        assert dataset.description.startswith("One row per ")
        assert dataset.description.endswith(".")
        assert all(column.description for column in dataset.schema.columns.values())
        assert set(dataset.key) <= set(dataset.required)
        assert all(kind == "TIMESTAMP" for name, kind in dataset.columns.items() if name.endswith("_at"))
        assert all(kind == "BOOLEAN" for name, kind in dataset.columns.items() if name.startswith(("is_", "has_")))


def test_versions_are_ordered_by_updated_at_where_it_is_no_key():
    assert DATASETS["order_items"].order_of_versions == ("updated_at",)
    assert DATASETS["sellers"].order_of_versions == DATASETS["returns"].order_of_versions == ()


def test_listing_marketplaces_leaves_the_contract_itself_alone(home, raw):
    report = home.load_file("order_items.csv", [raw.item()], marketplaces=dict.fromkeys(["OTHER"]))
    assert report.loads[0].rows_quarantined == 1
    assert home.quarantine() == [(1, "marketplace_id", "a marketplace listed in marketplaces.csv", raw.US)]
    assert home.load_file("order_items_2.csv", [raw.item(sku="2")]).loads[0].rows_loaded == 1


GOOD_IS = {
    "quantity": [
        ("0", "at least 1"),
        ("1000000001", "at most 1000000000"),
        ("2.5", "a whole number"),
        ("", "required"),
    ],
    "fulfillment": [("Merchant", "one of MFN, AFN"), ("mfn", "one of MFN, AFN"), ("", "required")],
    "is_prime": [("perhaps", "true or false"), (" ", "required")],
    "purchased_at": [
        ("1999-12-31T00:00:00Z", "at least 2000-01-02 00:00:00"),
        ("2100-01-01T00:00:00Z", "at most 2099-12-30 00:00:00"),
        ("0000-01-01T00:00:00Z", "at least 2000-01-02 00:00:00"),  # no year of Python's
        ("9999-12-31T23:59:59-23:00", "at most 2099-12-30 00:00:00"),
        ("2026-01-31", "an ISO 8601 time with its offset, such as 2026-01-31T23:59:59+00:00"),
        ("", "required"),
    ],
    "order_id": [("", "required"), ("\t", "required"), ("a\0b", HOW_TO_READ["VARCHAR"])],
}


@pytest.mark.parametrize(("column", "value", "good"), [(c, v, g) for c, cases in GOOD_IS.items() for v, g in cases])
def test_a_refused_row_names_the_column_and_what_a_good_value_is(home, raw, column, value, good):
    report = home.load_file("order_items.csv", [raw.item(**{column: value}), raw.item(order_id="good")])
    assert (report.loads[0].rows_loaded, report.loads[0].rows_quarantined) == (1, 1)
    assert [(row, name, check) for row, name, check, _ in home.quarantine()] == [(1, column, good)]


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("country", ["DE"], ["de", "DEU", "D", "DE\n"]),
        ("language", ["de", "pt-BR", "zh-Hans-CN"], ["Deutsch!", "d", "de_DE"]),
        ("email", ["a@b", "ä@b.example"], ["a", "a@", "@b", "a b@c", "a@b\n", "a@b@c"]),
        ("plan", ["individual"], ["Professional"]),
        ("standing", ["at_risk"], ["bad"]),
    ],
)
def test_forms_of_a_seller(home, raw, column, good, bad):
    rows = [raw.seller(seller_id=str(n), **{column: value}) for n, value in enumerate([*good, *bad])]
    home.load_file("sellers.csv", rows)
    assert [row for row, *_ in home.quarantine()] == list(range(len(good) + 1, len(rows) + 1))
    assert {name for _, name, *_ in home.quarantine()} == {column}


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        (
            "amount",
            ["0", "12.5", "0.0001", "1000000000", "12.50000"],
            ["-1", "12.34567", "1e3", "1000000000.01", "", "$12"],
        ),
        ("safe_t_amount", ["0", "12.5"], ["-0.01", "", "n/a"]),
        ("currency", ["USD", "JPY"], ["usd", "US", "$", ""]),
        ("issued_by", ["seller"], ["Service", "customer", ""]),
        ("safe_t_status", ["filed", "granted", "denied"], ["None", "paid", ""]),
        ("refunded_at", ["2026-03-31T23:59:59-07:00"], ["2026-03-31", "2026-03-31T23:59:59", ""]),
    ],
)
def test_forms_of_a_refund(home, column, good, bad):
    rows = [
        row("refunds", **{"refund_id": str(n), "order_id": "O", "refunded_at": "2026-03-01T00:00:00Z", column: value})
        for n, value in enumerate([*good, *bad])
    ]
    home.load_file("refunds_march.csv", rows)
    assert [number for number, *_ in home.quarantine()] == list(range(len(good) + 1, len(rows) + 1))
    assert {name for _, name, *_ in home.quarantine()} == {column}


def test_amounts_are_kept_as_they_are_and_a_reply_may_be_blank(home):
    refund = row("refunds", refund_id="F", order_id="O", refunded_at="2026-03-01T00:00:00Z", amount="0.1234")
    home.load_file("refunds.csv", [refund])
    asked = row("seller_requests", request_id="Q", order_id="O", requested_at="2026-03-01T00:00:00Z")
    home.load_file("seller_requests.csv", [asked])
    assert home.rows("select amount, safe_t_amount from raw.refunds") == [(Decimal("0.1234"), Decimal(0))]
    assert home.rows("select replied_at from raw.seller_requests") == [(None,)]
    replied = asked | {"replied_at": "2026-03-01T09:00:00Z"}
    home.load_file("seller_requests_2.csv", [replied, asked])
    assert [replied_at for *_, replied_at in home.in_force("seller_requests")] == [datetime(2026, 3, 1, 9)], "a repeat"


def test_of_several_failures_the_first_column_in_the_contracts_order_counts(home, raw):
    rows = [
        raw.item(updated_at="x", quantity="0", fulfillment="X"),
        raw.item(updated_at="x", quantity="0"),
        raw.item(updated_at="x", is_prime="x", asin=""),
        raw.item(seller_id="", quantity="y"),
    ]
    home.load_file("order_items.csv", [dict(reversed(row.items())) for row in rows])
    assert [name for _, name, *_ in home.quarantine()] == ["fulfillment", "quantity", "is_prime", "seller_id"]
