"""What a good row of each dataset is: one pandera model per dataset, in the order of the data's flow.

The only place that says which columns a dataset has, which of them may be blank, and which values are refused
(domain.md, "Input datasets"). The raw tables and the typing of text follow from here.

Does not belong here: which datasets there are (`datasets.py`), how text becomes a typed value (`typing_sql.py`), or
what rows mean together (`core/`).
"""

import re
from datetime import datetime
from typing import Annotated, Any

import pandera.polars as pa
import polars as pl

Text = pl.String
Units = pl.Int64
Flag = pl.Boolean
Instant = Annotated[pl.Datetime, "us", None]
Money = Annotated[pl.Decimal, 18, 4]

EARLIEST = datetime(2000, 1, 2)  # noqa: DTZ001 - UTC without a zone, as everywhere
LATEST = datetime(2099, 12, 30)  # noqa: DTZ001
"""Instants outside are slips of a pen or of a spreadsheet; the calendar of billing periods ends where they do."""

MOST_UNITS = 1_000_000_000
"""More units than that in one line are an overflow, not an order."""

MOST_MONEY = 1_000_000_000
"""More than that in one refund, in whatever currency, is a slip; so the sums of all of them can be kept exactly."""


def _text(description: str, **rules: Any) -> Any:
    return pa.Field(description=description, **rules)


def _id(description: str, **rules: Any) -> Any:
    return pa.Field(description=description, metadata={"is_id": True}, **rules)


def _instant(description: str, **rules: Any) -> Any:
    return pa.Field(ge=EARLIEST, le=LATEST, description=f"{description}, UTC", **rules)


def _refunded(description: str) -> Any:
    return pa.Field(ge=0, le=MOST_MONEY, description=f"{description}, in currency")


def _units(description: str) -> Any:
    return pa.Field(ge=1, le=MOST_UNITS, description=f"{description}, units")


class Sellers(pa.DataFrameModel):
    """One row per version of a seller; all versions are kept."""

    seller_id: Text = _text("the seller")
    name: Text = _text("the seller's business name, as it stands on statements")
    country: Text = _text("ISO 3166-1 alpha-2", str_matches="^[A-Z]{2}$")
    language: Text = _text("BCP 47", str_matches="^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")
    email: Text = _text("where statements go", str_matches="^[^@\\s]+@[^@\\s]+$")
    plan: Text = _text("selling plan", isin=["professional", "individual"])
    standing: Text = _text("account standing", isin=["good", "at_risk", "suspended"])
    registered_at: Instant = _instant("when the seller registered")
    updated_at: Instant = _instant("from when this version holds")


class EnrolmentEvents(pa.DataFrameModel):
    """One row per activation or deactivation of a seller in a marketplace."""

    seller_id: Text = _text("the seller")
    marketplace_id: Text = _text("the marketplace")
    event: Text = _text("what happened", isin=["activate", "deactivate"])
    effective_at: Instant = _instant("from when it holds")
    source: Text = _text("who caused it", isin=["seller", "automatic"])
    requested_at: Instant = _instant("when it was asked for")
    terms_accepted: Flag = pa.Field(description="whether the seller had accepted the terms")


class OrderItems(pa.DataFrameModel):
    """One row per version of an item line of an order."""

    order_id: Text = _id("the order")
    order_item_id: Text = _id("the item line within the order")
    seller_id: Text = _text("who sold it")
    marketplace_id: Text = _text("where it was sold")
    purchased_at: Instant = _instant("when the order was placed; decides coverage")
    fulfillment: Text = _text("MFN: shipped by the seller, AFN: by the platform", isin=["MFN", "AFN"])
    is_prime: Flag = pa.Field(description="whether it is seller-fulfilled Prime")
    asin: Text = _text("the catalogue's id of the product")
    sku: Text = _text("the seller's id of the product")
    quantity: Units = _units("ordered")
    is_cancelled: Flag = pa.Field(nullable=True, description="whether it was cancelled; blank: no")
    updated_at: Instant = _instant("orders versions of one item; the greatest is in force")


class Shipments(pa.DataFrameModel):
    """One row per version of a shipment line: one item of an order in one parcel."""

    shipment_id: Text = _id("the parcel")
    order_item_id: Text = _id("the item line")
    order_id: Text = _id("the order")
    shipped_at: Instant = _instant("when it left; decides the billing period, the trial and the terms")
    quantity: Units = _units("shipped")
    carrier: Text = _text("who carries it", nullable=True)
    tracking_id: Text = _text("the carrier's number", nullable=True)
    is_tracking_valid: Flag = pa.Field(nullable=True, description="whether the tracking was valid; blank: unknown")
    is_void: Flag = pa.Field(nullable=True, description="whether it was withdrawn; blank: no")
    updated_at: Instant = _instant("orders versions of one line; the greatest is in force")


class Contacts(pa.DataFrameModel):
    """One row per version of a customer's contact with the service."""

    contact_id: Text = _id("the contact")
    order_id: Text = _id("the order it is about", nullable=True)
    order_item_id: Text = _id("the item line it is about", nullable=True)
    seller_id: Text = _text("the seller as the service noted it; the item's seller decides")
    marketplace_id: Text = _text("the marketplace as the service noted it; the item's decides")
    channel: Text = _text("how", isin=["phone", "email", "chat"])
    reason: Text = _text(
        "why",
        isin=[
            "where_is_my_order",
            "delivery",
            "return",
            "refund",
            "damaged",
            "cancel",
            "product_question",
            "invoice",
            "customisation",
            "pre_order",
            "other",
        ],
    )
    contacted_at: Instant = _instant("when; decides the period in which it counts")
    resolved_at: Instant = _instant("when it was resolved", nullable=True)
    is_void: Flag = pa.Field(nullable=True, description="whether it was contested and granted; blank: no")
    updated_at: Instant = _instant("orders versions of one contact; the greatest is in force")


class SellerRequests(pa.DataFrameModel):
    """One row per request of the service to a seller, and the seller's reply."""

    request_id: Text = _id("the request")
    seller_id: Text = _text("the seller who was asked; counts where the order has items of that seller")
    order_id: Text = _id("the order it is about")
    requested_at: Instant = _instant("when the service asked; decides the period in which it counts")
    replied_at: Instant = _instant("when the seller replied; blank: not yet", nullable=True)


class Refunds(pa.DataFrameModel):
    """One row per refund of an item, and the SAFE-T claim by which its seller contests it."""

    refund_id: Text = _id("the refund")
    order_id: Text = _id("the order")
    order_item_id: Text = _id("the item line")
    amount: Money = _refunded("refunded to the customer")
    currency: Text = _text("ISO 4217", str_matches="^[A-Z]{3}$")
    refunded_at: Instant = _instant("when; decides the period in which it counts")
    issued_by: Text = _text("who gave it", isin=["service", "seller"])
    safe_t_status: Text = _text("how the claim stands", isin=["none", "filed", "granted", "denied"])
    safe_t_amount: Money = _refunded("claimed, or reimbursed if granted; 0 without a claim")


class Returns(pa.DataFrameModel):
    """One row per return requested by a customer."""

    return_id: Text = _id("the return")
    order_id: Text = _id("the order")
    order_item_id: Text = _id("the item line")
    requested_at: Instant = _instant("when; decides the period in which it counts")
    label: Text = _text("the return label", isin=["prepaid", "other"])


class Defects(pa.DataFrameModel):
    """One row per complaint about an order that counts against its seller."""

    defect_id: Text = _id("the defect")
    order_id: Text = _id("the order")
    type: Text = _text("what it is", isin=["a_to_z_claim", "negative_feedback", "chargeback"])
    occurred_at: Instant = _instant("when; decides the period in which it counts")


class SettlementLines(pa.DataFrameModel):
    """One row per line of a settlement report that charges the service's fee, or gives it back."""

    settlement_id: Text = _id("the settlement")
    line_id: Text = _text("the line within the settlement: what it says, and its number among those that say the same")
    seller_id: Text = _text("whose settlement it is")
    marketplace_id: Text = _text("the marketplace that charges")
    transaction_type: Text = _text("the report's word for what happened", nullable=True)
    amount_description: Text = _text("the report's word for the fee")
    amount: Money = pa.Field(description="in currency; negative: charged to the seller, as in the report")
    currency: Text = _text("ISO 4217", str_matches="^[A-Z]{3}$")
    posted_at: Instant = _instant("when it was posted to the seller's account")
    order_id: Text = _id("the order, where the line is about one", nullable=True)
    order_item_id: Text = _id("the item line within the order", nullable=True)
    sku: Text = _text("the seller's id of the product", nullable=True)
    quantity: Units = pa.Field(ge=0, le=MOST_UNITS, nullable=True, description="units, where the line says so")


SQL_TYPES = {
    pl.String(): "VARCHAR",
    pl.Int64(): "BIGINT",
    pl.Boolean(): "BOOLEAN",
    pl.Datetime("us"): "TIMESTAMP",
    pl.Decimal(18, 4): "DECIMAL(18,4)",
}


CONTRACTS: dict[str, type[pa.DataFrameModel]] = {
    "sellers": Sellers,
    "enrolment_events": EnrolmentEvents,
    "order_items": OrderItems,
    "shipments": Shipments,
    "contacts": Contacts,
    "seller_requests": SellerRequests,
    "refunds": Refunds,
    "returns": Returns,
    "defects": Defects,
    "settlement_lines": SettlementLines,
}
"""Dataset (`datasets.py`) → its contract."""


def passes(schema: pa.DataFrameSchema) -> str:
    """The SQL predicate over a schema's columns that holds only for rows that it passes.

    Where a rule has no exact counterpart in SQL it is false, and the contract itself has to look at every row.
    """
    if schema.checks or schema.unique:
        return "false"
    conditions = []
    for name, column in schema.columns.items():
        rules = [_in_sql(name, check) for check in column.checks]
        if column.unique or not all(rules):
            return "false"
        held = " and ".join((f"{name} is not null", *filter(None, rules)))
        conditions.append(f"({name} is null or {held})" if column.nullable else held)
    return " and ".join(conditions)


def _in_sql(column: str, check: pa.Check) -> str | None:
    """A pandera check of a column as SQL; none for one that would not mean exactly the same there."""
    values = check.statistics or {}
    if check.name == "isin":
        # Not IN: the engine makes a join of a long one, and a join may lose the order of a file's rows.
        cases = " ".join(f"when {_literal(value)} then true" for value in values["allowed_values"])
        return f"case {column} {cases} else false end"
    if check.name == "greater_than_or_equal_to":
        return f"{column} >= {_literal(values['min_value'])}"
    if check.name == "less_than_or_equal_to":
        return f"{column} <= {_literal(values['max_value'])}"
    return None


def _literal(value: Any) -> str:
    if isinstance(value, datetime):
        return f"timestamp '{value}'"
    return str(value) if isinstance(value, int) else "'{}'".format(str(value).replace("'", "''"))


def failing_rows(schema: pa.DataFrameSchema, rows: pl.DataFrame) -> pl.DataFrame | None:
    """The rows that break the schema, with the first column and check each fails; none if all are good.

    `rows` has a `row_number` beside the schema's columns; the result has `row_number`, `column_name`, `check_name`.
    Columns come in the contract's order, and the checks of one in theirs.
    """
    try:
        schema.validate(rows.drop("row_number"), lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        if cases["index"].null_count():
            raise
        order = {name: position for position, name in enumerate(schema.columns)}
        words = {check: _in_words(check) for check in cases["check"].unique()}
        first_failures = (
            cases.select(
                pl.col("index").cast(pl.Int64),
                pl.col("column").alias("column_name"),
                pl.col("column").replace_strict(order, return_dtype=pl.Int32).alias("position"),
                pl.col("check").replace_strict(words, return_dtype=pl.String).alias("check_name"),
            )
            .sort("index", "position", maintain_order=True)
            .unique("index", keep="first", maintain_order=True)
        )
        return (
            rows.select("row_number")
            .with_row_index("index")
            .with_columns(pl.col("index").cast(pl.Int64))
            .join(first_failures, on="index")
            .select("row_number", "column_name", "check_name")
        )
    return None


def _in_words(check: str) -> str:
    """What a good value is, of a pandera check's name."""
    if check == "not_nullable":
        return "required"
    for pattern, words in (
        (r"isin\(\[(.*)\]\)", "one of {}"),
        (r"greater_than_or_equal_to\((.*)\)", "at least {}"),
        (r"less_than_or_equal_to\((.*)\)", "at most {}"),
        (r"str_matches\((.*)\)", "of the form {}"),
    ):
        found = re.fullmatch(pattern, check)
        if found:
            return words.format(found[1].replace("'", ""))
    return check
