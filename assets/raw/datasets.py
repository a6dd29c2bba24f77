"""Which datasets there are, in the order of the data's flow, and by what a row of each is known.

The names of raw tables and of canonical files follow from here. Whoever asks for no column does without pandera, whose
import would be a large part of what `csba status` takes.

Does not belong here: columns, and what a good row is (`contracts.py`).
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandera.polars as pa


@dataclass(frozen=True)
class Dataset:
    """A dataset: its name, which is that of its raw table and of its files, and its key."""

    name: str
    key: tuple[str, ...]
    happened_at: str | None = None
    """The column of the instant that decides in which period a row counts; of those that are about orders."""
    is_optional: bool = False
    found_by: str | None = None
    """The column of an id whose hash is kept beside it, by which rows are found among many: not of an item, whose
    id may be a number within its order."""

    @cached_property
    def contract(self) -> "type[pa.DataFrameModel]":
        """Which columns it has, and what a good row is; pandera is imported by whoever asks."""
        from assets.raw.contracts import CONTRACTS

        return CONTRACTS[self.name]

    @cached_property
    def schema(self) -> "pa.DataFrameSchema":
        """The pandera schema, which must not be changed."""
        return self.contract.to_schema()

    @property
    def description(self) -> str:
        """What a row is."""
        return (self.contract.__doc__ or "").strip()

    @cached_property
    def columns(self) -> dict[str, str]:
        """Column → DuckDB type, in order."""
        from assets.raw.contracts import SQL_TYPES

        return {name: SQL_TYPES[column.dtype.type] for name, column in self.schema.columns.items()}

    @cached_property
    def meanings(self) -> dict[str, str]:
        """Column → meaning and unit, with the values that it may have where they are few."""
        found = {}
        for name, column in self.schema.columns.items():
            values = [value for check in column.checks for value in (check.statistics or {}).get("allowed_values", ())]
            are_told = all(value in str(column.description) for value in values)
            found[name] = str(column.description) if are_told else f"{column.description}: {', '.join(values)}"
        return found

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The columns that a file must have."""
        return tuple(name for name, column in self.schema.columns.items() if not column.nullable)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The columns of ids that a spreadsheet would harm."""
        return tuple(name for name, column in self.schema.columns.items() if (column.metadata or {}).get("is_id"))

    @property
    def is_billed(self) -> bool:
        """Whether billing looks at it; what it does not look at may be absent and nobody needs to be told."""
        return not self.is_optional or self.happened_at is not None

    @property
    def order_of_versions(self) -> tuple[str, ...]:
        """What orders the versions of one key before load and row do."""
        return ("updated_at",) if "updated_at" in self.columns and "updated_at" not in self.key else ()

    def schema_for(self, marketplaces: Iterable[str]) -> "pa.DataFrameSchema":
        """The schema, which also refuses marketplaces that nobody has listed."""
        import pandera.polars as pa

        schema = deepcopy(self.schema)
        if "marketplace_id" in schema.columns:
            known = pa.Check.isin(sorted(marketplaces), error="a marketplace listed in marketplaces.csv")
            schema.columns["marketplace_id"].checks.append(known)
        return schema


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset("sellers", ("seller_id", "updated_at")),
        Dataset("enrolment_events", ("seller_id", "marketplace_id", "event", "effective_at")),
        Dataset("order_items", ("order_id", "order_item_id"), "purchased_at", found_by="order_id"),
        Dataset("shipments", ("shipment_id", "order_item_id"), "shipped_at", found_by="order_id"),
        Dataset("contacts", ("contact_id",), "contacted_at"),
        Dataset("seller_requests", ("request_id",), "requested_at", is_optional=True),
        Dataset("refunds", ("refund_id",), "refunded_at", is_optional=True),
        Dataset("returns", ("return_id",), "requested_at", is_optional=True),
        Dataset("defects", ("defect_id",), "occurred_at", is_optional=True),
        Dataset("settlement_lines", ("settlement_id", "line_id"), is_optional=True),
    )
}
