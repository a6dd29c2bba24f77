"""The rows that statements are made from, read in one pass over the published tables.

For a period and marketplace every table is scanned once, in the order of its sellers, and the scans are merged, so
that memory holds one seller at a time. What the rows mean together is in `view`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:  # processes that make statements start without it
    import duckdb

BATCH = 1024
"""Rows fetched at a time."""

ITEMS_SHOWN = 5
"""Items that drew most contacts."""


class StatementError(Exception):
    """The tables do not hold what a statement needs, or contradict each other."""


class Marketplace(NamedTuple):
    """A row of `core.marketplaces`."""

    marketplace_id: str
    country: str
    domain: str
    currency: str
    minor_units: int
    time_zone: str
    language: str


class Tier(NamedTuple):
    """A row of `core.tiers`."""

    tier: int
    up_to: Decimal | None
    is_exclusive: bool
    fee: Decimal
    discount: Decimal | None


@dataclass(frozen=True)
class Version:
    """A version of the terms: a row of `core.terms` with its tiers in order."""

    terms_id: str
    starts_at: datetime
    ends_at: datetime | None
    dispute_days: int | None
    vtr_at_least: Decimal | None
    aprl_at_least: Decimal | None
    cpu_below: Decimal | None
    orders_in_quarter_below: int | None
    tiers: tuple[Tier, ...] = ()

    @cached_property
    def has_rewards(self) -> bool:
        """Whether any tier has a discount to earn."""
        return any(tier.discount for tier in self.tiers)


@dataclass(frozen=True)
class Setting:
    """What all statements of one marketplace and period share."""

    marketplace: Marketplace
    period: str
    starts_at: datetime
    ends_at: datetime
    versions: Mapping[str, Version]
    has_returns: bool
    """Whether returns of this marketplace were ever loaded; without, nobody earns a reward that asks for labels."""

    @cached_property
    def last_day(self) -> date:
        """The last calendar day of the period."""
        end = self.ends_at.replace(tzinfo=UTC).astimezone(self.zone).date()
        return end - timedelta(days=1)

    @cached_property
    def months(self) -> tuple[str, ...]:
        """The twelve periods that end with this one."""
        year, month = map(int, self.period.split("-"))
        ordinals = range(12 * year + month - 12, 12 * year + month)
        return tuple(f"{ordinal // 12:04}-{ordinal % 12 + 1:02}" for ordinal in ordinals)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The marketplace's time zone."""
        return ZoneInfo(self.marketplace.time_zone)


class Statement(NamedTuple):
    """A row of `billing.statements`."""

    seller_id: str
    statement_id: str
    currency: str
    charges: Decimal
    adjustments: Decimal
    total: Decimal
    status: str


class Performance(NamedTuple):
    """A row of `billing.performance`: counts only, no quotient."""

    units: int
    contacts: int
    units_valid_tracking: int
    returns: int
    returns_prepaid: int
    orders_in_quarter: int


class FeeLine(NamedTuple):
    """A row of `billing.fee_lines`."""

    terms_id: str
    kind: str
    units: int
    tier: int | None
    fee: Decimal | None
    discount: Decimal | None
    waiver: str | None
    amount: Decimal
    currency: str


class Adjustment(NamedTuple):
    """A row of `billing.adjustments`: a reversal or correction of a line of an earlier period, or a credit."""

    period: str
    terms_id: str | None
    kind: str
    entry: str
    units: int
    tier: int | None
    fee: Decimal | None
    discount: Decimal | None
    waiver: str | None
    amount: Decimal
    currency: str
    causes: str | None
    reason: str | None


class Enrolment(NamedTuple):
    """A row of `core.enrolments`: an interval of a seller that began before the period ended."""

    started_at: datetime
    ended_at: datetime | None
    """None if it went on at the end of the period."""
    trial_ends_at: datetime | None


class Units(NamedTuple):
    """Units of one outcome."""

    outcome: str
    units: int


class Contacts(NamedTuple):
    """Contacts of one outcome, reason and channel."""

    outcome: str
    reason: str
    channel: str
    contacts: int


class Item(NamedTuple):
    """An item and its counted contacts."""

    sku: str
    contacts: int


class Month(NamedTuple):
    """The performance of one of the twelve months that end with the period."""

    period: str
    units: int
    contacts: int


class Service(NamedTuple):
    """A row of `billing.service`: counts only, no quotient. None: nothing of it is known."""

    contacts: int
    contacts_resolved: int
    requests: int | None
    requests_due: int | None
    requests_answered: int | None
    requests_late: int | None
    requests_unanswered: int | None
    orders: int | None
    orders_with_defect: int | None
    a_to_z_claims: int | None
    negative_feedback: int | None
    chargebacks: int | None
    period_before_enrolment: str | None
    orders_before: int | None
    orders_with_defect_before: int | None
    a_to_z_claims_before: int | None
    negative_feedback_before: int | None
    chargebacks_before: int | None


class Refunds(NamedTuple):
    """A row of `billing.refunds`: refunds of an issuer in a currency, and their SAFE-T claims."""

    issued_by: str
    currency: str
    refunds: int
    amount: Decimal
    filed: int
    filed_amount: Decimal
    granted: int
    granted_amount: Decimal
    denied: int
    denied_amount: Decimal


class Seller(NamedTuple):
    """A row of `core.sellers`: how to name the seller, and the language to write in."""

    name: str | None
    language: str | None


class UnitLine(NamedTuple):
    """A row of `core.units`: a shipment line of the period."""

    shipment_id: str
    order_id: str
    order_item_id: str
    sku: str | None
    purchased_at: datetime
    shipped_at: datetime
    quantity: int
    outcome: str
    terms_id: str | None
    is_tracking_valid: bool | None


@dataclass(frozen=True)
class SellerRows:
    """All rows of one seller, marketplace and period."""

    statement: Statement
    seller: Seller
    performance: Performance
    lines: Sequence[FeeLine]
    adjustments: Sequence[Adjustment]
    enrolments: Sequence[Enrolment]
    units: Sequence[Units]
    contacts: Sequence[Contacts]
    items: Sequence[Item]
    months: Sequence[Month]
    service: Service | None
    refunds: Sequence[Refunds]
    unit_lines: Iterable[UnitLine]
    """Read while they are gone through, once, and before the next seller is asked for."""

    def with_status(self, status: str) -> "SellerRows":
        """The same as draft or final."""
        return replace(self, statement=self.statement._replace(status=status))


STATEMENTS = """
select seller_id, statement_id, currency, charges, adjustments, total, status
from billing.statements
where period = $period and marketplace_id = $marketplace_id
order by seller_id"""

BILLED = "(select seller_id from billing.statements where period = $period and marketplace_id = $marketplace_id)"

SELLERS = f"select seller_id, name, language from core.sellers where seller_id in {BILLED} order by seller_id"

PERFORMANCE = f"""
select seller_id, units, contacts, coalesce(units_valid_tracking, 0), coalesce(returns, 0),
       coalesce(returns_prepaid, 0), coalesce(orders_in_quarter, 0)
from billing.performance
where period = $period and marketplace_id = $marketplace_id and seller_id in {BILLED}
order by seller_id"""

FEE_LINES = f"""
select line.seller_id, line.terms_id, line.kind, line.units, line.tier, line.fee, line.discount, line.waiver,
       line.amount, line.currency
from billing.fee_lines as line
left join core.terms as version on version.marketplace_id = line.marketplace_id and version.terms_id = line.terms_id
where line.period = $period and line.marketplace_id = $marketplace_id and line.seller_id in {BILLED}
order by line.seller_id, version.starts_at, line.kind desc"""

ADJUSTMENTS = f"""
select entry.seller_id, entry.period, entry.terms_id, entry.kind, entry.entry, entry.units, entry.tier, entry.fee,
       entry.discount, entry.waiver, entry.amount, entry.currency, entry.causes, entry.reason
from billing.adjustments as entry
left join core.terms as version on version.marketplace_id = entry.marketplace_id and version.terms_id = entry.terms_id
where entry.posted_period = $period and entry.marketplace_id = $marketplace_id and entry.seller_id in {BILLED}
order by entry.seller_id, entry.period, entry.kind = 'credit', version.starts_at, entry.kind desc, entry.entry desc,
         entry.amount, entry.credit_id"""

ENROLMENTS = f"""
select seller_id, started_at, case when ended_at < $ends_at then ended_at end, trial_ends_at
from core.enrolments
where marketplace_id = $marketplace_id and started_at < $ends_at and seller_id in {BILLED}
order by seller_id, started_at"""

UNITS = f"""
select seller_id, outcome, cast(sum(quantity) as bigint)
from core.units
where period = $period and marketplace_id = $marketplace_id and seller_id in {BILLED}
group by seller_id, outcome
order by seller_id, outcome"""

CONTACTS = f"""
select seller_id, outcome, reason, channel, count(*)
from core.contacts
where period = $period and marketplace_id = $marketplace_id and seller_id in {BILLED}
group by seller_id, outcome, reason, channel
order by seller_id, outcome, reason, channel"""

MONTHS = f"""
select seller_id, period, units, contacts
from billing.performance
where period between $first_period and $period and marketplace_id = $marketplace_id and seller_id in {BILLED}
order by seller_id, period"""

SERVICE = f"""
select seller_id, {", ".join(Service._fields)}
from billing.service
where period = $period and marketplace_id = $marketplace_id and seller_id in {BILLED}
order by seller_id"""

REFUNDS = f"""
select seller_id, issued_by, currency, refunds, amount, safe_t_filed, safe_t_filed_amount, safe_t_granted,
       safe_t_granted_amount, safe_t_denied, safe_t_denied_amount
from billing.refunds
where period = $period and marketplace_id = $marketplace_id and seller_id in {BILLED}
order by seller_id, issued_by desc, currency"""

UNIT_LINES = f"""
select seller_id, shipment_id, order_id, order_item_id, sku, purchased_at, shipped_at, quantity, outcome, terms_id,
       is_tracking_valid
from core.units
where period = $period and marketplace_id = $marketplace_id and seller_id in {BILLED}
order by seller_id, shipped_at, shipment_id, order_item_id"""

ITEMS = f"""
select contact.seller_id, item.sku, count(*) as contacts
from core.contacts as contact
join core.order_items as item on item.order_id = contact.order_id and item.order_item_id = contact.order_item_id
where contact.period = $period and contact.marketplace_id = $marketplace_id and contact.outcome = 'counted'
  and item.sku is not null and contact.seller_id in {BILLED}
group by contact.seller_id, item.sku
qualify row_number() over (partition by contact.seller_id order by count(*) desc, item.sku) <= {ITEMS_SHOWN}
order by contact.seller_id, contacts desc, item.sku"""


def read_setting(con: "duckdb.DuckDBPyConnection", period: str, marketplace_id: str) -> Setting:
    """What all statements of the period and marketplace share. Raises `StatementError` when it is not there."""
    key = {"period": period, "marketplace_id": marketplace_id}
    with con.cursor() as cursor:
        marketplaces = cursor.execute(
            "select marketplace_id, country, domain, currency, minor_units, time_zone, language from core.marketplaces"
            " where marketplace_id = $marketplace_id",
            {"marketplace_id": marketplace_id},
        ).fetchall()
        months = cursor.execute(
            "select starts_at, ends_at from core.calendar where period = $period and marketplace_id = $marketplace_id",
            key,
        ).fetchall()
        versions = cursor.execute(
            "select terms_id, starts_at, ends_at, dispute_days, vtr_at_least, aprl_at_least, cpu_below,"
            " orders_in_quarter_below from core.terms where marketplace_id = $marketplace_id order by starts_at",
            {"marketplace_id": marketplace_id},
        ).fetchall()
        tiers = cursor.execute(
            "select terms_id, tier, up_to, is_exclusive, fee, discount from core.tiers"
            " where marketplace_id = $marketplace_id order by terms_id, tier",
            {"marketplace_id": marketplace_id},
        ).fetchall()
        returns = cursor.execute(
            "select 1 from core.marketplaces_with_returns where marketplace_id = $marketplace_id",
            {"marketplace_id": marketplace_id},
        ).fetchall()
    if not marketplaces or not months:
        table = "core.calendar" if marketplaces else "core.marketplaces"
        raise StatementError(f"statements of {period}, marketplace {marketplace_id!r}: {table} has no such row")
    tiers_of = {
        terms_id: tuple(Tier(*row[1:]) for row in rows) for terms_id, rows in groupby(tiers, lambda row: row[0])
    }
    return Setting(
        marketplace=Marketplace(*marketplaces[0]),
        period=period,
        starts_at=months[0][0],
        ends_at=months[0][1],
        versions={row[0]: Version(*row, tiers=tiers_of.get(row[0], ())) for row in versions},
        has_returns=bool(returns),
    )


def read_sellers(con: "duckdb.DuckDBPyConnection", setting: Setting) -> Iterator[SellerRows]:
    """All rows of each seller with a statement, in the order of their ids; no more than a few sellers in memory."""
    key = {"period": setting.period, "marketplace_id": setting.marketplace.marketplace_id}
    with ExitStack() as scans:

        def scan(query: str, **more: Any) -> _Scan:
            return _Scan(_run(scans.enter_context(con.cursor()), query, key | more))

        sellers, performances = scan(SELLERS), scan(PERFORMANCE)
        lines, adjustments = scan(FEE_LINES), scan(ADJUSTMENTS)
        enrolments = scan(ENROLMENTS, ends_at=setting.ends_at)
        units, contacts, items = scan(UNITS), scan(CONTACTS), scan(ITEMS)
        services, refunds = scan(SERVICE), scan(REFUNDS)
        months, unit_lines = scan(MONTHS, first_period=setting.months[0]), scan(UNIT_LINES)
        for row in _run(scans.enter_context(con.cursor()), STATEMENTS, key):
            statement = Statement(*row)
            seller_id = statement.seller_id
            seller = sellers.rows_of(seller_id)
            performance = performances.rows_of(seller_id)
            service = services.rows_of(seller_id)
            yield SellerRows(
                statement=statement,
                seller=Seller(*seller[0]) if seller else Seller(None, None),
                performance=Performance(*performance[0]) if performance else Performance(0, 0, 0, 0, 0, 0),
                lines=[FeeLine(*each) for each in lines.rows_of(seller_id)],
                adjustments=[Adjustment(*each) for each in adjustments.rows_of(seller_id)],
                enrolments=[Enrolment(*each) for each in enrolments.rows_of(seller_id)],
                units=[Units(*each) for each in units.rows_of(seller_id)],
                contacts=[Contacts(*each) for each in contacts.rows_of(seller_id)],
                items=[Item(*each) for each in items.rows_of(seller_id)],
                months=[Month(*each) for each in months.rows_of(seller_id)],
                service=Service(*service[0]) if service else None,
                refunds=[Refunds(*each) for each in refunds.rows_of(seller_id)],
                unit_lines=(UnitLine(*each) for each in unit_lines.each_of(seller_id)),
            )


def _run(cursor: "duckdb.DuckDBPyConnection", query: str, parameters: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, with those of the parameters that it names."""
    result = cursor.execute(query, {name: value for name, value in parameters.items() if f"${name}" in query})
    return chain.from_iterable(iter(lambda: result.fetchmany(BATCH), []))


class _Scan:
    """Rows whose first column is the seller, in rising order."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._sellers = groupby(rows, itemgetter(0))
        self._seller, self._theirs = next(self._sellers, _NOBODY)

    def rows_of(self, seller_id: str) -> list[tuple[Any, ...]]:
        """The rows of a seller without their first column; sellers before it are passed over."""
        return list(self.each_of(seller_id))

    def each_of(self, seller_id: str) -> Iterator[tuple[Any, ...]]:
        """The same, one by one."""
        while self._seller is not None and self._seller < seller_id:
            self._seller, self._theirs = next(self._sellers, _NOBODY)
        if self._seller == seller_id:
            for row in self._theirs:
                yield row[1:]


_NOBODY: tuple[str | None, Iterable[tuple[Any, ...]]] = (None, ())
