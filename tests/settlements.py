"""Settlement reports as they come, V1 and V2, made of the charges that a test names, and of other lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

V1 = """settlement-id settlement-start-date settlement-end-date deposit-date total-amount currency transaction-type
    order-id merchant-order-id adjustment-id shipment-id marketplace-name shipment-fee-type shipment-fee-amount
    order-fee-type order-fee-amount fulfillment-id posted-date order-item-code merchant-order-item-id
    merchant-adjustment-item-id sku quantity-purchased price-type price-amount item-related-fee-type
    item-related-fee-amount misc-fee-amount other-fee-amount other-fee-reason-description promotion-id promotion-type
    promotion-amount direct-payment-type direct-payment-amount other-amount"""
V2 = """settlement-id settlement-start-date settlement-end-date deposit-date total-amount currency transaction-type
    order-id merchant-order-id adjustment-id shipment-id marketplace-name amount-type amount-description amount
    fulfillment-id posted-date posted-date-time order-item-code merchant-order-item-id merchant-adjustment-item-id sku
    quantity-purchased promotion-id"""


@dataclass(frozen=True)
class Charge:
    """A line of the fee: as the report has it, negative where the seller pays."""

    amount: str | Decimal
    order_id: str = ""
    item: str = ""
    quantity: str = ""
    posted: datetime = datetime(2026, 4, 3, 10)
    marketplace: str = "Amazon.com"
    transaction: str = "Order"
    fee: str = "CSBAFee"


def v1(
    charges: Sequence[Charge],
    settlement: str = "6016502941",
    currency: str = "USD",
    times: str = "%Y-%m-%dT%H:%M:%S+00:00",
) -> bytes:
    """The report of 36 columns, in which the settlement alone names the currency."""
    itself = {"settlement-id": settlement, "total-amount": "16630.13", "currency": currency}
    other = {
        "settlement-id": settlement,
        "transaction-type": "Order",
        "order-id": "112-8095165-5463447",
        "posted-date": datetime(2026, 4, 2).strftime(times),
        "marketplace-name": "Amazon.com",
        "price-type": "Principal",
        "price-amount": "27.99",
    }
    return _report(V1, [itself, other, *(_v1_line(charge, settlement, times) for charge in charges)])


def _v1_line(charge: Charge, settlement: str, times: str) -> dict[str, str]:
    line = _line(charge, settlement) | {"posted-date": charge.posted.strftime(times)}
    if charge.order_id:
        return line | {"item-related-fee-type": charge.fee, "item-related-fee-amount": str(charge.amount)}
    return line | {"transaction-type": charge.fee, "other-amount": str(charge.amount)}


def v2(
    charges: Sequence[Charge],
    settlement: str = "18906543210",
    currency: str = "USD",
    times: str = "%Y-%m-%dT%H:%M:%S+00:00",
    *,
    is_ragged: bool = True,
) -> bytes:
    """The report of 24 columns, whose rows end with their last value."""
    itself = {"settlement-id": settlement, "total-amount": "1847.32", "currency": currency}
    rent = {
        "settlement-id": settlement,
        "currency": currency,
        "transaction-type": "Service Fee",
        "amount-type": "other",
        "amount-description": "Subscription",
        "amount": "-25.00",
        "posted-date": "2026-04-01",
    }
    lines = []
    for charge in charges:
        kind = "ItemFees" if charge.order_id else "other-transaction"
        lines.append(
            _line(charge, settlement)
            | {
                "currency": currency,
                "amount-type": kind,
                "amount-description": charge.fee,
                "amount": str(charge.amount),
                "posted-date": charge.posted.strftime("%Y-%m-%d"),
                "posted-date-time": charge.posted.strftime(times),
            }
        )
    return _report(V2, [itself, rent, *lines], is_ragged=is_ragged)


def _line(charge: Charge, settlement: str) -> dict[str, str]:
    return {
        "settlement-id": settlement,
        "transaction-type": charge.transaction,
        "order-id": charge.order_id,
        "order-item-code": charge.item,
        "quantity-purchased": charge.quantity,
        "marketplace-name": charge.marketplace,
    }


def _report(header: str, rows: Sequence[dict[str, str]], *, is_ragged: bool = False) -> bytes:
    columns = header.split()
    lines = ["\t".join(columns)]
    for row in rows:
        line = "\t".join(row.get(column, "") for column in columns)
        lines.append(line.rstrip("\t") if is_ragged else line)
    return "".join(f"{line}\r\n" for line in lines).encode()
