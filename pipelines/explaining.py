"""`csba explain`: how each amount of a seller's month came about, from the statement's line down to the rows of files.

Everything is read from `billing.explained_lines`, the tables that statements are made of, and the terms kept at closes;
what is added here is order and nothing else. A line in the books is explained by what was known when it was entered.

Does not belong here: working out any amount (`assets/billing/`), and how an explanation is printed (`explained.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from assets.billing.books import kept_terms
from assets.core.marketplaces import Marketplace
from assets.core.terms import parse_terms
from assets.warehouse import Warehouse, exists

VIEW = "billing.explained_lines"

LINE = (
    *("line_number", "period", "terms_id", "kind", "entry", "units", "tier", "fee", "discount", "waiver"),
    *("amount", "currency", "reason", "load_id"),
)
"""What is the same in every row of a line."""
ROW = (
    *("role", "dataset", "subject_id", "order_id", "order_item_id", "happened_at", "purchased_at", "quantity"),
    *("outcome", "detail", "trial_ends_at", "path", "row_number", "item_path", "item_row_number"),
)

STATEMENTS = """
select
    statement.statement_id, statement.period, statement.marketplace_id, country, minor_units, statement.currency,
    status, charges, adjustments, statement.total, closed_at, closed_by
from billing.statements as statement
join core.marketplaces using (marketplace_id)
left join billing.closes using (period, marketplace_id)
where statement.seller_id = $seller and statement.period = $period
    and (len($marketplaces) = 0 or list_contains($marketplaces, marketplace_id))
order by country"""

LINES = f"""
from {VIEW}
where seller_id = $seller and posted_period = $period and marketplace_id = $marketplace
    and ($line is null or line_number = $line)
order by
    line_number, array_position(['shipments', 'contacts', 'returns', 'order_items', 'enrolment_events'], dataset),
    array_position(['billed', 'judged', 'left_out'], role), outcome, happened_at, order_id, order_item_id, file_id,
    row_number"""

CONDITIONS = ("terms_id", "trial_days", "vtr_at_least", "aprl_at_least", "cpu_below", "orders_in_quarter_below")

TIERS = """
select up_to, is_exclusive, fee, discount from core.tiers
where marketplace_id = $id and terms_id = $terms order by tier"""

CLOSED_WITH = """
select terms_sha256 from billing.closes
where marketplace_id = ? and load_id = ? and period <= ? order by period desc limit 1"""

SHIPPED = """
select distinct period, marketplace_id, seller_id, outcome from core.units where shipment_id = ? order by all limit 5"""


class ExplainError(Exception):
    """Nothing to explain; the message says what there is instead."""


def explain(
    warehouse: Warehouse,
    seller: str,
    period: str,
    listed: Mapping[str, Marketplace],
    *,
    marketplaces: Sequence[str] = (),
    line: int | None = None,
    shipment: str | None = None,
) -> dict[str, Any]:
    """The statements of a seller's period, each with its lines, their terms, counts and rows, as plain values.

    Amounts are decimals in the currency of their statement, instants UTC. With a `line` that one alone; with a
    `shipment` the rows of it alone, on every line of its month. Raises `ExplainError`.
    """
    if not _exists(warehouse):
        raise ExplainError(f"nothing was billed yet: csba run {period} first")
    chosen = {"seller": seller, "period": period, "marketplaces": list(marketplaces)}
    statements = warehouse.rows(STATEMENTS, chosen)
    if not statements:
        raise ExplainError(_no_statement(warehouse, seller, period, marketplaces))
    if line is not None and len(statements) > 1:
        names = ", ".join(f"{each['marketplace_id']} ({each['country']})" for each in statements)
        raise ExplainError(f"{seller} has several statements of {period}: --marketplace says whose line, of {names}")
    found = []
    for statement in statements:
        key = {"seller": seller, "period": period, "marketplace": statement["marketplace_id"], "line": line}
        rows = warehouse.rows(LINES, key)
        lines = [_line(warehouse, statement, list(of_line), listed) for _, of_line in groupby(rows, _number)]
        if shipment is not None:
            lines = [_about(shipment, of_line) for of_line in lines if _has(of_line, shipment)]
        if lines or shipment is None:
            found.append({**statement, "lines": lines})
    if line is not None and shipment is None and not found[0]["lines"]:
        raise ExplainError(f"the statement {found[0]['statement_id']} has no line {line}")
    if shipment is not None and not found:
        raise ExplainError(_not_here(warehouse, seller, period, shipment))
    return {"seller_id": seller, "period": period, "statements": found}


def _exists(warehouse: Warehouse) -> bool:
    """Whether there is anything to explain from: the view is made by the first run."""
    schema, name = VIEW.split(".")
    query = "select 1 from duckdb_views() where schema_name = ? and view_name = ?"
    return exists(warehouse.con, "billing.statements") and bool(warehouse.rows(query, [schema, name]))


_number = itemgetter("line_number")


def _line(
    warehouse: Warehouse, statement: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], listed: Mapping[str, Any]
) -> dict[str, Any]:
    """A line, what its month came to, the terms that priced it, and the rows of it all."""
    line = {name: rows[0][name] for name in LINE}
    behind = [{name: row[name] for name in ROW} for row in rows if row["dataset"] is not None]
    return {
        **line,
        "month": _month(behind) if behind else None,
        "terms": _terms(warehouse, statement, line, listed) if line["terms_id"] else None,
        "counts": _counts(behind),
        "rows": behind,
    }


def _month(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """What the seller's month is judged by (domain.md, "Performance"), counted from the rows."""
    counted = [row for row in rows if row["role"] in ("billed", "judged")]
    shipped = [row for row in counted if row["dataset"] == "shipments"]
    returned = [row for row in counted if row["dataset"] == "returns"]
    return {
        "units": sum(row["quantity"] for row in shipped),
        "contacts": sum(row["dataset"] == "contacts" for row in counted),
        "units_valid_tracking": sum(row["quantity"] for row in shipped if row["detail"] == "tracking_valid"),
        "returns": len(returned),
        "returns_prepaid": sum(row["outcome"] == "prepaid" for row in returned),
        "orders_in_quarter": len({row["order_id"] for row in counted if row["dataset"] == "order_items"}),
    }


def _counts(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many rows of each dataset count or do not, and why; of shipments their units, of items their orders."""
    counts = []
    for key, some in groupby(rows, itemgetter("dataset", "role", "outcome")):
        group = list(some)
        count = {**dict(zip(("dataset", "role", "outcome"), key, strict=True)), "rows": len(group)}
        if count["dataset"] == "shipments":
            count["units"] = sum(row["quantity"] for row in group)
        if count["dataset"] == "order_items":
            count["orders"] = len({row["order_id"] for row in group})
        counts.append(count)
    return counts


def _terms(
    warehouse: Warehouse, statement: Mapping[str, Any], line: Mapping[str, Any], listed: Mapping[str, Marketplace]
) -> dict[str, Any]:
    """The version of the terms that priced a line: of those kept at its close, or for a draft of those in force."""
    marketplace_id = statement["marketplace_id"]
    if line["load_id"] is None:
        key = {"id": marketplace_id, "terms": line["terms_id"]}
        (found,) = warehouse.rows("from core.terms where marketplace_id = $id and terms_id = $terms", key)
        return {**{name: found[name] for name in CONDITIONS}, "tiers": warehouse.rows(TIERS, key), "sha256": None}
    (closed,) = warehouse.rows(CLOSED_WITH, [marketplace_id, line["load_id"], statement["period"]])
    text = kept_terms(warehouse.con, closed["terms_sha256"], marketplace_id)
    versions = parse_terms(text, Path("the terms kept"), listed).versions
    version = next(each for each in versions if each.terms_id == line["terms_id"])
    tiers = [asdict(tier) for tier in version.tiers]
    return {**{name: getattr(version, name) for name in CONDITIONS}, "tiers": tiers, "sha256": closed["terms_sha256"]}


def _has(line: Mapping[str, Any], shipment: str) -> bool:
    return any(row["dataset"] == "shipments" and row["subject_id"] == shipment for row in line["rows"])


def _about(shipment: str, line: Mapping[str, Any]) -> dict[str, Any]:
    """A line with the rows of one shipment, and of the enrolment that covers it or does not."""
    others = ("contacts", "returns", "order_items")
    mine = [
        row
        for row in line["rows"]
        if row["dataset"] not in others and (row["dataset"] != "shipments" or row["subject_id"] == shipment)
    ]
    return {**line, "counts": _counts(mine), "rows": mine}


def _no_statement(warehouse: Warehouse, seller: str, period: str, marketplaces: Sequence[str]) -> str:
    where = f" in {', '.join(marketplaces)}" if marketplaces else ""
    others = warehouse.rows(
        "select distinct period from billing.statements where seller_id = ? order by period", [seller]
    )
    if others:
        return f"{seller} has no statement of {period}{where}; it has of {', '.join(row['period'] for row in others)}"
    known = warehouse.rows("select 1 from raw.sellers where seller_id = ? limit 1", [seller])
    sold = warehouse.rows("select 1 from raw.order_items where seller_id = ? limit 1", [seller])
    if not known and not sold:
        return f"nobody knows a seller {seller}: no file that was loaded names it"
    return (
        f"{seller} has no statement: no covered unit, counted contact, adjustment or enrolment in a period that was run"
    )


def _not_here(warehouse: Warehouse, seller: str, period: str, shipment: str) -> str:
    places = warehouse.rows(SHIPPED, [shipment])
    if not places:
        return f"no period that was run has a shipment {shipment}"
    said = "; ".join(
        f"{row['period']}, {row['marketplace_id']}, {row['seller_id'] or 'no seller'},"
        f" {row['outcome'].replace('_', ' ')}"
        for row in places
    )
    return f"no line of {seller} in {period} has to do with shipment {shipment}. It is known as: {said}"
