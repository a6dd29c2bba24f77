"""The rows that a close report is made from: sums, counts and few examples, read from the published tables.

Amounts are added up here, in SQL and in decimals. Amounts and lines of a closed period are those of the books; units,
contacts and exceptions are what is known now, as their tables say of themselves. Of refused rows only the dataset, the
column and the check are read, never a value.

Does not belong here: what a figure is called, or how it looks (`view`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import duckdb

from reports.close_report.words import OUTCOMES_OF_CONTACTS, OUTCOMES_OF_UNITS
from reports.statement.rows import Setting, read_setting

MOVERS = 10
CREDITS = 20
FILES = 24
"""So many are shown one by one; the others are only counted."""

UNKNOWN = "unknown"
"""The marketplace of rows whose order has not come, counted in months of UTC."""


class Close(NamedTuple):
    """The row of `billing.closes`."""

    closed_at: datetime
    closed_by: str
    load_id: int
    code_version: str
    total: Decimal
    terms_sha256: str


class Rerating(NamedTuple):
    """The row of `billing.rerating`: how far the marketplace is closed, and with what its closed months are rated."""

    first_period: str
    open_period: str
    load_id: int
    terms_sha256: str


class Month(NamedTuple):
    """A month of the marketplace, as far as it is known."""

    period: str
    is_closed: bool
    shipped: int
    trial: int
    chargeable: int
    counted: int
    units: int
    """Covered units, of billing.performance."""
    contacts: int
    """Counted contacts, of billing.performance."""
    statements: int
    charged: int
    """Statements that are not zero."""
    favoured: int
    """Statements below zero."""
    charges: Decimal
    adjustments: Decimal
    total: Decimal

    @property
    def covered(self) -> int:
        """Covered units, of audit.unit_balance."""
        return self.trial + self.chargeable


class Moved(NamedTuple):
    """Sellers by where they stood the month before and where they stand now; `tier 2`, or a word; None: nowhere."""

    before: str | None
    now: str | None
    sellers: int


class Standing(NamedTuple):
    """All sellers of one standing."""

    standing: str
    tier: int | None
    sellers: int
    units: int
    """Chargeable."""
    charges: Decimal


class SellerMonth(NamedTuple):
    """What explains the total of a seller's month."""

    total: Decimal
    adjustments: Decimal
    standing: str
    tier: int | None
    waiver: str | None
    discount: Decimal | None
    fee: Decimal | None
    terms: Sequence[str]
    """The versions that its chargeable units fall under, in order."""
    units: int
    """Chargeable."""


class Mover(NamedTuple):
    """A seller whose total changed."""

    seller_id: str
    name: str | None
    difference: Decimal
    now: SellerMonth | None
    before: SellerMonth | None


class Grant(NamedTuple):
    """What waivers and rewards of one kind gave away."""

    kind: str
    """`cpu_below`, `orders_in_quarter_below` or `reward`."""
    discount: Decimal | None
    """Of a reward."""
    sellers: int
    units: int
    forgone: Decimal


class Correction(NamedTuple):
    """Adjustments of one closed period and cause, booked in this one."""

    period: str
    causes: str
    entries: int
    sellers: int
    amount: Decimal


class Credit(NamedTuple):
    """A credit booked in this period."""

    seller_id: str
    name: str | None
    period: str
    amount: Decimal
    reason: str
    granted_by: str
    granted_at: datetime


class Since(NamedTuple):
    """Sellers whose lines changed since the close, by the period that the difference is booked in."""

    posted_period: str
    sellers: int
    causes: str


class Reported(NamedTuple):
    """Exceptions of a kind, and one of them."""

    kind: str
    number: int
    subject: str
    detail: str | None


class File(NamedTuple):
    """A file that brought rows of the period."""

    path: str
    dataset: str
    brought: int
    rows_read: int
    rows_loaded: int
    rows_duplicate: int
    rows_quarantined: int
    rows_skipped: int


class Refused(NamedTuple):
    """Rows that no load took, by the check they failed."""

    dataset: str
    column: str | None
    check: str
    rows: int


class Account(NamedTuple):
    """What was, or would be, posted to an account."""

    account: str
    debit: Decimal
    credit: Decimal


class Proof(NamedTuple):
    """Sums of the same thing from different tables."""

    sellers: int
    agreeing: int
    """Sellers whose lines, counts, entries and statement agree."""
    line_units: int
    """Of the fee lines; once more came after the close, of the lines as rated with what is known now."""
    line_amounts: Decimal
    adjustment_amounts: Decimal
    postable_lines: int
    """Fee lines and adjustments that are not zero."""
    postable_amounts: Decimal
    """Their amounts, without sign."""
    journal_entries: int


@dataclass(frozen=True)
class Rows:
    """Everything that a close report says of a period and marketplace."""

    setting: Setting
    close: Close | None
    rerating: Rerating | None
    months: Sequence[Month]
    """Those known of the twelve that end with the period."""
    terms: Sequence[str]
    """The versions that priced the period, in order."""
    terms_before: Sequence[str]
    standings: Sequence[Standing]
    standings_before: Mapping[str, int]
    moved: Sequence[Moved]
    movers: Sequence[Mover]
    number_of_movers: int
    grants: Sequence[Grant]
    corrections: Sequence[Correction]
    credits: Sequence[Credit]
    """The largest."""
    number_of_credits: int
    credits_amount: Decimal
    since: Sequence[Since]
    units: Mapping[str, int]
    """Outcome → units; `shipped`, and `difference`."""
    contacts: Mapping[str, int]
    """Outcome → contacts; `received`, and `difference`."""
    waiting_units: int
    waiting_contacts: int
    proof: Proof
    accounts: Sequence[Account]
    reported: Sequence[Reported]
    files: Sequence[File]
    refused: Sequence[Refused]
    days_without: Mapping[str, Sequence[date]]

    @property
    def has_come_late(self) -> bool:
        """Whether files were loaded since the close, and are in what is known now."""
        return _has_come_late(self.close, self.rerating)

    @property
    def now(self) -> Month:
        """The period."""
        return self.months[-1]

    @property
    def before(self) -> Month | None:
        """The month before, if it is known."""
        return next((each for each in self.months[:-1] if each.period == self.setting.months[-2]), None)


IS_THERE = f"""
select $id <> '{UNKNOWN}' and (
    exists (from billing.statements where period = $period and marketplace_id = $id)
    or exists (from audit.unit_balance where period = $period and marketplace_id = $id and shipped <> 0)
    or exists (from billing.closes where period = $period and marketplace_id = $id)
)"""

CLOSE = """
select closed_at, closed_by, load_id, code_version, total, terms_sha256
from billing.closes
where period = $period and marketplace_id = $id"""

RERATING = "select first_period, open_period, load_id, terms_sha256 from billing.rerating where marketplace_id = $id"

MONTHS = """
with shipped as (
    select period, shipped, trial, chargeable
    from audit.unit_balance
    where marketplace_id = $id and period between $first and $period
),
received as (
    select period, counted
    from audit.contact_balance
    where marketplace_id = $id and period between $first and $period
),
performed as (
    select period, cast(sum(units) as bigint) as units, cast(sum(contacts) as bigint) as contacts
    from billing.performance
    where marketplace_id = $id and period between $first and $period
    group by period
),
billed as (
    select
        period, count(*) as statements,
        count(*) filter (total <> 0) as charged, count(*) filter (total < 0) as favoured,
        sum(charges) as charges, sum(adjustments) as adjustments, sum(total) as total
    from billing.statements
    where marketplace_id = $id and period between $first and $period
    group by period
),
closed as (
    select period from billing.closes where marketplace_id = $id and period between $first and $period
),
known as (
    select period from shipped
    union select period from billed
    union select period from closed
)
select
    known.period, closed.period is not null,
    coalesce(shipped, 0), coalesce(trial, 0), coalesce(chargeable, 0), coalesce(counted, 0),
    coalesce(units, 0), coalesce(contacts, 0), coalesce(statements, 0), coalesce(charged, 0), coalesce(favoured, 0),
    coalesce(charges, 0), coalesce(adjustments, 0), coalesce(total, 0)
from known
left join shipped using (period)
left join received using (period)
left join performed using (period)
left join billed using (period)
left join closed using (period)
order by known.period"""

TERMS = """
select line.terms_id
from billing.fee_lines as line
left join core.terms as version using (marketplace_id, terms_id)
where line.period = $period and line.marketplace_id = $id
group by line.terms_id
order by min(version.starts_at), line.terms_id"""

SELLER_MONTHS = """
with lines as (
    select line.*, version.starts_at
    from billing.fee_lines as line
    left join core.terms as version using (marketplace_id, terms_id)
    where line.marketplace_id = $id and line.period in ($period, $before)
),
last_charges as (
    -- a month that several versions priced goes by the last one
    select *
    from lines
    where kind = 'charge'
    qualify row_number() over (partition by period, seller_id order by starts_at desc, terms_id desc) = 1
),
units as (
    select
        period, seller_id,
        cast(coalesce(sum(units) filter (kind = 'charge'), 0) as bigint) as units,
        coalesce(list(terms_id order by starts_at, terms_id) filter (kind = 'charge'), []) as terms
    from lines
    group by period, seller_id
),
seller_months as (
    select
        statement.period, statement.seller_id, statement.total, statement.charges, statement.adjustments,
        case
            when charge.waiver is not null then 'waived'
            when charge.tier is not null then 'tier ' || charge.tier
            when units.seller_id is not null then 'trial'
            else 'none'
        end as standing,
        case when charge.waiver is null then charge.tier end as tier,
        charge.waiver, charge.discount, charge.fee, coalesce(units.terms, []) as terms,
        coalesce(units.units, 0) as units
    from billing.statements as statement
    left join last_charges as charge using (period, seller_id)
    left join units using (period, seller_id)
    where statement.marketplace_id = $id and statement.period in ($period, $before)
)"""

STANDINGS = f"""{SELLER_MONTHS}
select standing, tier, count(*), cast(sum(units) as bigint), sum(charges)
from seller_months
where period = $period
group by standing, tier
order by tier, standing"""

MOVED = f"""{SELLER_MONTHS}
select before.standing, now.standing, count(*)
from (from seller_months where period = $period) as now
full join (from seller_months where period = $before) as before using (seller_id)
group by all
order by all"""

MOVERS_OF = f"""{SELLER_MONTHS},
moved as (
    select
        coalesce(now.seller_id, before.seller_id) as seller_id,
        coalesce(now.total, 0) - coalesce(before.total, 0) as difference, now, before
    from (from seller_months where period = $period) as now
    full join (from seller_months where period = $before) as before on before.seller_id = now.seller_id
)"""

NUMBER_OF_MOVERS = f"{MOVERS_OF} select count(*) from moved where difference <> 0"

_SELLER_MONTH = ", ".join(f"{{0}}.{name}" for name in SellerMonth._fields)

LARGEST_MOVERS = f"""{MOVERS_OF}
select
    moved.seller_id, seller.name, moved.difference,
    now.seller_id is not null, {_SELLER_MONTH.format("now")},
    before.seller_id is not null, {_SELLER_MONTH.format("before")}
from moved
left join core.sellers as seller on seller.seller_id = moved.seller_id
where moved.difference <> 0
order by abs(moved.difference) desc, moved.seller_id
limit {MOVERS}"""

GRANTS = """
select
    coalesce(waiver, 'reward') as grant_kind, case when waiver is null then discount end as share,
    count(distinct seller_id), cast(sum(units) as bigint),
    sum(cast(cast(units as decimal(12, 0)) * cast(fee as decimal(9, 4)) as decimal(18, 4)) - amount) as forgone
from billing.fee_lines
where period = $period and marketplace_id = $id and kind = 'charge' and (waiver is not null or discount > 0)
group by grant_kind, share
order by grant_kind, share desc"""

CORRECTIONS = """
select period, causes, count(*), count(distinct seller_id), sum(amount)
from billing.adjustments
where posted_period = $period and marketplace_id = $id and kind <> 'credit'
group by period, causes
order by period, causes"""

_CREDITS = """
with credits as (
    select *
    from billing.adjustments
    where posted_period = $period and marketplace_id = $id and kind = 'credit'
)"""

CREDITS_IN_ALL = f"{_CREDITS} select count(*), coalesce(sum(amount), 0) from credits"

LARGEST_CREDITS = f"""{_CREDITS}
select entry.seller_id, seller.name, entry.period, entry.amount, entry.reason, granted.granted_by, granted.granted_at
from credits as entry
join billing.credits as granted using (credit_id)
left join core.sellers as seller on seller.seller_id = entry.seller_id
order by abs(entry.amount) desc, entry.seller_id, entry.credit_id
limit {CREDITS}"""

SINCE = """
select posted_period, count(distinct seller_id), string_agg(distinct cause, ', ' order by cause)
from billing.late_causes
where period = $period and marketplace_id = $id
group by posted_period
order by posted_period"""

WAITING = f"""
select
    (select coalesce(sum(unmatched), 0) from audit.unit_balance
     where period = $period and marketplace_id = '{UNKNOWN}'),
    (select coalesce(sum(unmatched), 0) from audit.contact_balance
     where period = $period and marketplace_id = '{UNKNOWN}')"""

_POSTABLE = """
with lines as (
    select seller_id, units, amount from billing.fee_lines where period = $period and marketplace_id = $id
),
entries as (
    select seller_id, amount from billing.adjustments where posted_period = $period and marketplace_id = $id
),
postable as (
    select amount from lines where amount <> 0
    union all
    select amount from entries where amount <> 0
)"""

PROOF = f"""{_POSTABLE},
rated as (
    -- counts are what is known now, and so are these lines
    select seller_id, units from {{rated}} where period = $period and marketplace_id = $id
),
sides as (
    select seller_id, units, 0 as charges, 0 as adjustments from rated
    union all
    select seller_id, -units, 0, 0 from billing.performance where period = $period and marketplace_id = $id
    union all
    select seller_id, 0, amount, 0 from lines
    union all
    select seller_id, 0, 0, amount from entries
    union all
    select seller_id, 0, -charges, -adjustments
    from billing.statements where period = $period and marketplace_id = $id
),
sellers as (
    select seller_id, sum(units) = 0 and sum(charges) = 0 and sum(adjustments) = 0 as agrees
    from sides
    group by seller_id
)
select
    (select count(*) from sellers), (select count(*) filter (agrees) from sellers),
    (select cast(coalesce(sum(units), 0) as bigint) from rated),
    (select coalesce(sum(amount), 0) from lines),
    (select coalesce(sum(amount), 0) from entries),
    (select count(*) from postable),
    (select coalesce(sum(abs(amount)), 0) from postable),
    (select count(distinct entry_id) from billing.journal where period = $period and marketplace_id = $id)"""

POSTED = """
select account, sum(debit), sum(credit)
from billing.journal
where period = $period and marketplace_id = $id
group by account
order by account"""

TO_POST = f"""{_POSTABLE},
sums as (
    select
        coalesce(sum(amount) filter (amount > 0), 0) as owed, coalesce(-sum(amount) filter (amount < 0), 0) as given
    from postable
)
select account, if(role = 'receivable', owed, given) as debit, if(role = 'receivable', given, owed) as credit
from core.accounts
cross join sums
where role in ('receivable', 'revenue') and owed + given > 0
order by account"""

REPORTED = """
select kind, count(*) over (partition by kind), subject, detail
from audit.exceptions
where period = $period and marketplace_id = $id
qualify row_number() over (partition by kind order by subject, detail) = 1
order by 2 desc, kind"""

BROUGHT = """
with brought as (
    select file_id, count(*) as number
    from core.units where period = $period and marketplace_id = $id
    group by file_id
    union all
    select file_id, count(*)
    from core.contacts where period = $period and marketplace_id = $id
    group by file_id
)
select
    file.path, file.dataset, brought.number, file.rows_read, file.rows_loaded, file.rows_duplicate,
    file.rows_quarantined, file.rows_skipped
from brought
join audit.files as file using (file_id)
order by file.dataset desc, file.file_id"""

REFUSED = """
select refused.dataset, refused.column_name, refused.check_name, count(*)
from audit.quarantine as refused
join audit.files as file using (file_id)
where file.load_id <= $seen
group by refused.dataset, refused.column_name, refused.check_name
order by 4 desc, 1, 2, 3"""

QUARTERS_WITH = """
select distinct time_bucket(interval 15 minutes, {clock})
from {table}
where marketplace_id = $id and {clock} >= $starts_at and {clock} < $ends_at {among}"""
"""The quarters of an hour in which anything happened: days of any time zone are made of them."""

EVER = 1 << 62
"""A load after all loads."""


def is_there(con: duckdb.DuckDBPyConnection, period: str, marketplace_id: str) -> bool:
    """Whether there is anything to report of: a statement, a unit shipped, or a close."""
    with con.cursor() as cursor:
        return cursor.execute(IS_THERE, {"period": period, "id": marketplace_id}).fetchall()[0][0]


def read_rows(con: duckdb.DuckDBPyConnection, period: str, marketplace_id: str) -> Rows:
    """All that the report says. Raises `StatementError` where the marketplace or its calendar is not known."""
    setting = read_setting(con, period, marketplace_id)
    with con.cursor() as cursor:
        return _Reader(cursor, setting).read()


class _Reader:
    """Reads for one period and marketplace."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, setting: Setting) -> None:
        self.cursor, self.setting = cursor, setting
        self.values: dict[str, Any] = {
            "period": setting.period,
            "id": setting.marketplace.marketplace_id,
            "before": setting.months[-2],
            "first": setting.months[0],
            "starts_at": setting.starts_at,
            "ends_at": setting.ends_at,
        }

    def rows(self, query: str, **more: Any) -> list[tuple[Any, ...]]:
        """The rows of a query, which gets the values that it names."""
        values = self.values | more
        return self.cursor.execute(
            query, {name: each for name, each in values.items() if f"${name}" in query}
        ).fetchall()

    def read(self) -> Rows:
        """Everything."""
        close = next((Close(*row) for row in self.rows(CLOSE)), None)
        ((number_of_credits, credits_amount),) = self.rows(CREDITS_IN_ALL)
        ((waiting_units, waiting_contacts),) = self.rows(WAITING)
        rerating = next((Rerating(*row) for row in self.rows(RERATING)), None)
        rated = "billing.rerated_lines" if _has_come_late(close, rerating) else "billing.fee_lines"
        (proof,) = self.rows(PROOF.format(rated=rated))
        return Rows(
            setting=self.setting,
            close=close,
            rerating=rerating,
            months=[Month(*row) for row in self.rows(MONTHS)],
            terms=[terms_id for (terms_id,) in self.rows(TERMS)],
            terms_before=[terms_id for (terms_id,) in self.rows(TERMS, period=self.setting.months[-2])],
            standings=[Standing(*row) for row in self.rows(STANDINGS)],
            standings_before={row[0]: row[2] for row in self.rows(STANDINGS, period=self.setting.months[-2])},
            moved=[Moved(*row) for row in self.rows(MOVED)],
            movers=[_mover(row) for row in self.rows(LARGEST_MOVERS)],
            number_of_movers=self.rows(NUMBER_OF_MOVERS)[0][0],
            grants=[Grant(*row) for row in self.rows(GRANTS)],
            corrections=[Correction(*row) for row in self.rows(CORRECTIONS)],
            credits=[Credit(*row) for row in self.rows(LARGEST_CREDITS)],
            number_of_credits=number_of_credits,
            credits_amount=credits_amount,
            since=[Since(*row) for row in self.rows(SINCE)],
            units=self.balance("audit.unit_balance", ("shipped", *OUTCOMES_OF_UNITS, "difference")),
            contacts=self.balance("audit.contact_balance", ("received", *OUTCOMES_OF_CONTACTS, "difference")),
            waiting_units=int(waiting_units),
            waiting_contacts=int(waiting_contacts),
            proof=Proof(*proof),
            accounts=[Account(*row) for row in self.rows(POSTED if close else TO_POST)],
            reported=[Reported(*row) for row in self.rows(REPORTED)],
            files=[File(*row) for row in self.rows(BROUGHT)],
            refused=[Refused(*row) for row in self.rows(REFUSED, seen=close.load_id if close else EVER)],
            days_without=self.days_without(),
        )

    def balance(self, table: str, columns: Sequence[str]) -> dict[str, int]:
        """The row of a balance, by column."""
        query = f"select {', '.join(columns)} from {table} where period = $period and marketplace_id = $id"
        (row,) = self.rows(query) or [[0] * len(columns)]
        return dict(zip(columns, row, strict=True))

    def days_without(self) -> dict[str, list[date]]:
        """The days of the period, by the marketplace's clocks, on which nothing was ordered, shipped or asked."""
        last = self.setting.last_day
        days = [last.replace(day=number) for number in range(1, last.day + 1)]
        missing = {}
        for what, table, clock, among in (
            ("orders", "core.order_items", "purchased_at", ""),
            ("shipments", "core.units", "shipped_at", "and period = $period"),
            ("contacts", "core.contacts", "contacted_at", "and period = $period"),
        ):
            found = self.rows(QUARTERS_WITH.format(table=table, clock=clock, among=among))
            seen = {self.local_day(instant) for (instant,) in found}
            missing[what] = [day for day in days if day not in seen]
        return missing

    def local_day(self, instant: datetime) -> date:
        """The day that it is in the marketplace at an instant kept as UTC."""
        return instant.replace(tzinfo=UTC).astimezone(self.setting.zone).date()


def _has_come_late(close: Close | None, rerating: Rerating | None) -> bool:
    return close is not None and rerating is not None and rerating.load_id > close.load_id


def _mover(row: Sequence[Any]) -> Mover:
    seller_id, name, difference, *rest = row
    width = len(SellerMonth._fields) + 1
    now, before = rest[:width], rest[width:]
    return Mover(
        seller_id,
        name,
        difference,
        SellerMonth(*now[1:]) if now[0] else None,
        SellerMonth(*before[1:]) if before[0] else None,
    )
