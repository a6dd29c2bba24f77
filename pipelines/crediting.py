"""`csba credit`: an amount granted to a seller for a closed period, booked in the first open one.

It is an adjustment like any other (domain.md, "Closing, and what comes late"), and nothing takes it back but its
opposite. Its id is derived from all that is said of it: saying the same again grants nothing more.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from assets.billing.books import rerating_of
from assets.core.marketplaces import Marketplace
from assets.warehouse import Warehouse

HIGHEST = Decimal(10) ** 9


class CreditError(Exception):
    """A credit that cannot be granted; the message says why and what to do."""


@dataclass(frozen=True)
class Credit:
    """What finance grants; a negative amount takes back."""

    seller_id: str
    marketplace: Marketplace
    period: str
    amount: Decimal
    reason: str
    by: str

    @property
    def credit_id(self) -> str:
        """Derived from all that is said of it."""
        said = (
            self.marketplace.marketplace_id,
            self.seller_id,
            self.period,
            f"{self.amount:.4f}",
            self.reason,
            self.by,
        )
        return "CR-" + hashlib.sha256("\0".join(said).encode()).hexdigest()[:16].upper()


def grant(warehouse: Warehouse, credit: Credit, now: datetime) -> tuple[str, bool]:
    """Enter a credit; returns the period in which it is booked, and whether it is new.

    Raises `CreditError` where its period is not closed, the seller has no statement there, or the amount is none.
    """
    con, currency = warehouse.con, credit.marketplace.currency
    minor = Decimal(1).scaleb(-credit.marketplace.minor_units)
    if not credit.amount.is_finite() or credit.amount == 0 or abs(credit.amount) > HIGHEST or credit.amount % minor:
        raise CreditError(f"{credit.amount} is no amount in {currency}, whose smallest unit is {minor}")
    if not credit.reason.strip() or not credit.by.strip():
        raise CreditError("a credit has a reason and a name of whoever approves it")
    name = credit.marketplace.marketplace_id
    closed = warehouse.rows(
        "select 1 from billing.closes where marketplace_id = ? and period = ?", [name, credit.period]
    )
    if not closed:
        raise CreditError(
            f"{credit.period} of {credit.marketplace.country} ({name}) is not closed: its draft can still change"
        )
    known = warehouse.rows(
        "select 1 from billing.statements where marketplace_id = ? and period = ? and seller_id = ?",
        [name, credit.period, credit.seller_id],
    )
    if not known:
        raise CreditError(
            f"{credit.seller_id} has no statement for {credit.period} in {credit.marketplace.country} ({name})"
        )
    before = warehouse.rows("select posted_period from billing.credits where credit_id = ?", [credit.credit_id])
    if before:
        return before[0]["posted_period"], False
    open_period = rerating_of(con)[name]["open_period"]
    con.execute(
        "insert into billing.credits values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(credit.credit_id, name, credit.seller_id, credit.period, credit.amount, currency),
            *(credit.reason.strip(), credit.by.strip(), now, open_period),
        ],
    )
    return open_period, True
