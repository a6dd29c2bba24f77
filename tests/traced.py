"""Every line of every statement traced: from its rows in `billing.explained_lines` to files, and back to its amount.

The amount is worked out again by the reference (`reference.price`), from nothing but the rows that the view names and
the terms that priced the line. What was known then is what counts: for a line in the books, at its close.
"""

import csv
import gzip
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from reference import Marketplace, price, read_terms

from assets.warehouse import Warehouse

LINE = ("posted_period", "marketplace_id", "seller_id", "line_number")
KEYS = {
    "shipments": "shipment_id",
    "contacts": "contact_id",
    "returns": "return_id",
    "order_items": "order_item_id",
    "enrolment_events": "event",
}
"""Dataset → the column that `subject_id` repeats."""


def assert_every_line_is_traced(
    warehouse: Warehouse, marketplaces: Mapping[str, Marketplace], terms: Mapping[str, str]
) -> int:
    """Trace all lines of a home; `terms` are those in force now, by marketplace. Returns how many there are."""
    closes = {(row["period"], row["marketplace_id"]): row for row in warehouse.rows("from billing.closes")}
    rows = warehouse.rows("from billing.explained_lines")
    lines = _grouped(rows, LINE)
    amounts = """
        select period as posted_period, marketplace_id, seller_id, count(*) as lines, sum(amount) as amount
        from (
            select period, marketplace_id, seller_id, amount from billing.fee_lines
            union all select posted_period, marketplace_id, seller_id, amount from billing.adjustments
        )
        group by all"""
    statements = _grouped([of_line[0] for of_line in lines.values()], LINE[:3])
    assert {(*key, len(on_it), sum(line["amount"] for line in on_it)) for key, on_it in statements.items()} == {
        tuple(row.values()) for row in warehouse.rows(amounts)
    }
    entered = defaultdict(list)
    """Key of a line → the periods in which it was entered into the books, as it was or corrected."""
    for line, *_ in lines.values():
        if line["entry"] != "reversal":
            entered[_key(line)].append(line["posted_period"])
    for of_line in lines.values():
        line = of_line[0]
        if line["kind"] == "credit":
            assert line["dataset"] is None
            continue
        _assert_rows_are_of_files(of_line)
        posted = line["posted_period"]
        if line["entry"] == "reversal":
            posted = max(period for period in entered[_key(line)] if period < posted)
        close = closes.get((posted, line["marketplace_id"]))
        assert line["load_id"] == (close and close["load_id"])
        text = _kept_terms(warehouse, close) if close else terms[line["marketplace_id"]]
        has_returns = line["marketplace_id"] in _with_returns(warehouse, line["load_id"])
        _assert_it_comes_to_its_amount(of_line, text, marketplaces[line["marketplace_id"]], has_returns)
    return len(lines)


def _assert_it_comes_to_its_amount(
    of_line: list[dict[str, Any]], terms: str, marketplace: Marketplace, has_returns: bool
) -> None:
    line, sign = of_line[0], -1 if of_line[0]["entry"] == "reversal" else 1
    counted = [row for row in of_line if row["role"] in ("billed", "judged")]
    shipped = [row for row in counted if row["dataset"] == "shipments"]
    returned = [row for row in counted if row["dataset"] == "returns"]
    performance = {
        "units": sum(row["quantity"] for row in shipped),
        "units_valid_tracking": sum(row["quantity"] for row in shipped if row["detail"] == "tracking_valid"),
        "contacts": sum(row["dataset"] == "contacts" for row in counted),
        "returns": len(returned),
        "returns_prepaid": sum(row["outcome"] == "prepaid" for row in returned),
        "orders_in_quarter": len({row["order_id"] for row in counted if row["dataset"] == "order_items"}),
    }
    units = sum(row["quantity"] for row in of_line if row["role"] == "billed")
    assert line["units"] == sign * units, line
    expected = {"tier": None, "fee": 0, "discount": 0, "waiver": None, "amount": Decimal(0)}
    if line["kind"] == "charge":
        version = next(version for version in read_terms(terms) if version.id == line["terms_id"])
        expected = price(version, performance, units, marketplace.minor_units, has_returns)
    expected["amount"] *= sign
    assert {name: line[name] for name in expected} == expected, (line, performance)


def _assert_rows_are_of_files(rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        there = _rows_of(row["path"])[row["row_number"] - 1]
        assert str(there[KEYS[row["dataset"]]]) == row["subject_id"], row
        assert row["quantity"] is None or int(there["quantity"]) == row["quantity"], row
        if row["order_id"] is not None:
            assert str(there["order_id"]) == row["order_id"]
            item = _rows_of(row["item_path"])[row["item_row_number"] - 1]
            assert (str(item["order_id"]), str(item["order_item_id"])) == (row["order_id"], row["order_item_id"])
            assert str(item["seller_id"]) == row["seller_id"]


@cache
def _rows_of(path: str) -> list[dict[str, Any]]:
    """The rows of a file of a world."""
    content = Path(path).read_bytes()
    if path.endswith(".parquet"):
        return pl.read_parquet(io.BytesIO(content)).to_dicts()
    if path.endswith(".gz"):
        content = gzip.decompress(content)
    elif path.endswith(".zst"):
        content = pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
    text = content.decode()
    if ".jsonl" in Path(path).name:
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(io.StringIO(text), delimiter="," if ".csv" in Path(path).name else "\t"))


def _with_returns(warehouse: Warehouse, load_id: int | None) -> set[str]:
    """The marketplaces of whose items any return was known after a load, or is known now."""
    warehouse.show_as_of(warehouse.latest_load() if load_id is None else load_id)
    found = warehouse.rows("""
        select distinct marketplace_id from in_force.returns as returned join in_force.order_items as item
            on item.order_id = returned.order_id and returned.order_item_id in (item.order_item_id, item.sku)""")
    warehouse.show_as_of(warehouse.latest_load())
    return {row["marketplace_id"] for row in found}


def _kept_terms(warehouse: Warehouse, close: Mapping[str, Any]) -> str:
    query = "select content from billing.kept_terms where terms_sha256 = ? and marketplace_id = ?"
    return warehouse.rows(query, [close["terms_sha256"], close["marketplace_id"]])[0]["content"]


def _key(line: Mapping[str, Any]) -> tuple:
    return tuple(line[name] for name in ("period", "marketplace_id", "seller_id", "terms_id", "kind"))


def _grouped(rows: Iterable[dict[str, Any]], names: Iterable[str]) -> dict[tuple, list[dict[str, Any]]]:
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return groups
