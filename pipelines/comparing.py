"""`csba compare`: what was billed against what a settlement report charged, line by line, and why they differ.

The settlements are read for the comparison alone: nothing of them is kept, and nothing of the books is changed. A line
of theirs that names an order is held against what that order's units cost as they are known now; where a month is
charged by lines without an order alone, these are held against its statement. What of a statement is no item's, its
rounding and its adjustments, stands by itself, so that the lines add up to the statements. Charges are negative in a
settlement and positive here.

Does not belong here: how settlements are read (`data/sources`), and what is billed.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import duckdb

from assets.billing.books import known_lines
from assets.core.marketplaces import Marketplace
from assets.raw.files import FileRefusedError
from assets.raw.sources import Sources, files_of
from assets.raw.staging import Staging
from assets.settings import Limits
from assets.warehouse import Warehouse, exists

DATASET = "settlement_lines"
KEY = ("settlement_id", "line_id")
NEEDED = ("core.units", "billing.fee_lines", "billing.adjustments", "billing.statements", "core.calendar")


class CompareError(Exception):
    """Settlements that cannot be compared; the message says why and what to do."""


@dataclass(frozen=True)
class Comparison:
    """The lines, and their sums by seller, marketplace, period and currency."""

    lines: list[dict[str, Any]]
    """`period`, `marketplace_id`, `seller_id`, `order_id`, `order_item_id`, `units`, `billed`, `charged`, `difference`
    (charged less billed, in `currency`) and `because`, which is blank where there is none."""
    totals: list[dict[str, Any]]
    """`period`, `marketplace_id`, `seller_id`, `billed`, `charged`, `difference`, `currency`,
    the statement's `status`."""
    refused: list[tuple[Path, int, str]]
    """Lines of the settlements that could not be read: file, row, why."""

    @property
    def differs(self) -> bool:
        """Whether anything is charged otherwise than it was billed, or could not be compared."""
        return bool(self.refused) or any(line["because"] and line["difference"] for line in self.lines)


def compare(
    warehouse: Warehouse,
    paths: Sequence[Path],
    sources: Sources,
    marketplaces: Mapping[str, Marketplace],
    limits: Limits,
) -> Comparison:
    """Hold settlements against the statements of the months that they charge.

    Raises `CompareError` for a file that is no settlement report, for settlements without a line of the fee, and in a
    home in which nothing was billed yet.
    """
    con = warehouse.con
    if not all(exists(con, name) for name in NEEDED):
        raise CompareError(f"nothing has been billed in {warehouse.home} yet; run a period first: csba run PERIOD")
    refused = _read(con, paths, sources, marketplaces, limits)
    if not con.execute("select count(*) from charged").fetchall()[0][0] and not refused:
        raise CompareError("none of these settlements has a line of the fee (CSBAFee)")
    con.execute(f"create or replace temp table compared as {_LINES}")
    lines = warehouse.rows(f"from compared order by {_IN_ORDER}")
    totals = warehouse.rows(_TOTALS)
    return Comparison(lines, totals, refused)


def write_lines(comparison: Comparison, out: IO[str]) -> None:
    """The lines as CSV."""
    writer = csv.DictWriter(out, list(comparison.lines[0]) if comparison.lines else ["period"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(comparison.lines)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Lines and sums for a program; amounts are text, which keeps them exact."""
    return {
        "differs": comparison.differs,
        "totals": [_plain(row) for row in comparison.totals],
        "lines": [_plain(row) for row in comparison.lines],
        "refused": [{"file": path.name, "row": row, "reason": why} for path, row, why in comparison.refused],
    }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in row.items()}


def _read(
    con: duckdb.DuckDBPyConnection,
    paths: Sequence[Path],
    sources: Sources,
    marketplaces: Mapping[str, Marketplace],
    limits: Limits,
) -> list[tuple[Path, int, str]]:
    """`charged`: the lines of the fee, each once however often it is delivered; returns those that are refused."""
    refused: list[tuple[Path, int, str]] = []
    is_first = True
    for path, folder in files_of(paths).items():
        if not path.is_file():
            raise CompareError(f"{path}: there is no such file")
        known = [each for each in sources.of(path, limits) if each.dataset.name == DATASET]
        if not known and folder:
            continue
        if not known:
            raise CompareError(f"{path.name} is no settlement report: csba inspect {path.name} shows what it is")
        staging = Staging(con, path, known[0], {}, marketplaces, limits)
        try:
            staging.run(lambda _: None)
            bad = con.execute(
                "select row_number, column_name || ': ' || check_name from refusals order by 1"
            ).fetchall()
            refused += [(path, row, why) for row, why in bad]
            good = """
                select staged.* exclude (doubt, key_hash) from staged anti join (
                    select row_number from refusals union all
                    select row_number from doubtful where skipped is not null
                ) as out on out.row_number = staged.rowid + 1"""
            con.execute(
                f"create or replace temp table charged as {good}"
                if is_first
                else f"insert into charged select * from ({good}) as fresh anti join charged using ({', '.join(KEY)})"
            )
            is_first = False
        except FileRefusedError as error:
            raise CompareError(f"{path.name}: {error}") from error
        finally:
            staging.forget()
    if is_first:
        raise CompareError("there is no settlement report in what is named")
    return refused


_KNOWN = f"""
    -- the fees of a closed month as they are known now: what came late is on later statements
    select period, marketplace_id, seller_id, terms_id, tier, fee, discount, waiver, amount, currency
    from ({known_lines()})
    where kind = 'charge'
"""

_RATED = """
    -- an item's units, with the outcome that says whether they cost anything, and what a unit of them costs
    select
        unit.period, unit.marketplace_id, unit.seller_id, unit.order_id, unit.order_item_id, unit.sku,
        unit.quantity as units, unit.outcome, unit.terms_id, line.tier, line.fee, line.discount, line.waiver,
        case when unit.outcome = 'chargeable' and line.waiver is null
             then cast(unit.quantity as decimal(10, 0)) * line.fee * (1 - line.discount) else 0 end as billed,
        place.currency
    from core.units as unit
    join core.marketplaces as place
        on place.marketplace_id = unit.marketplace_id
    left join known as line
        on line.period = unit.period
        and line.marketplace_id = unit.marketplace_id
        and line.seller_id = unit.seller_id
        and line.terms_id = unit.terms_id
    where unit.outcome not in ('void', 'unmatched')
"""

_WITH = f"""
with charges as (
    select
        charged.* exclude (amount), -amount as amount, calendar.period as posted_period,
        -- reports differ in whether an item is known by its id or by its SKU
        coalesce(order_item_id, sku) as item
    from charged
    join core.calendar as calendar
        on calendar.marketplace_id = charged.marketplace_id
        and calendar.starts_at <= charged.posted_at and charged.posted_at < calendar.ends_at
),
known as ({_KNOWN}),
known_now as (
    select period, marketplace_id, seller_id, sum(amount) as amount from known group by all
),
rated as ({_RATED}),
items as (
    select
        marketplace_id, seller_id, order_id, order_item_id, period, any_value(sku) as sku,
        cast(sum(units) filter (outcome = 'chargeable') as bigint) as units,
        cast(sum(billed) as decimal(18, 4)) as billed, any_value(currency) as currency,
        string_agg(distinct outcome, ', ' order by outcome) as outcomes,
        any_value(terms_id order by terms_id) as terms_id, any_value(tier order by terms_id) as tier,
        any_value(fee order by terms_id) as fee, any_value(discount order by terms_id) as discount,
        any_value(waiver order by terms_id) as waiver
    from rated
    group by all
),
of_orders as (
    -- the item that a line charges: the first of its order if it names none; in the month in which the line was posted,
    -- else the last before
    select charge.*, item.order_item_id as item_charged, item.period as period_charged
    from charges as charge
    left join items as item
        on item.marketplace_id = charge.marketplace_id
        and item.seller_id = charge.seller_id
        and item.order_id = charge.order_id
        and (charge.item is null or charge.item in (item.order_item_id, item.sku) or charge.sku = item.sku)
    where charge.order_id is not null
    qualify row_number() over (
        partition by charge.settlement_id, charge.line_id
        order by
            coalesce(item.order_item_id = charge.order_item_id, false) desc,
            item.period > charge.posted_period, item.period desc, item.order_item_id
    ) = 1
),
per_item as (
    select
        marketplace_id, seller_id, order_id, item_charged as order_item_id,
        coalesce(period_charged, posted_period) as period, cast(sum(amount) as decimal(18, 4)) as charged,
        count(*) filter (amount > 0) as times, currency
    from of_orders
    group by all
),
without_order as (
    -- of the month in which it was posted, unless it is just what the month before came to
    select
        coalesce(before.period, charge.posted_period) as period, charge.marketplace_id, charge.seller_id,
        cast(sum(charge.amount) as decimal(18, 4)) as charged, count(*) as times, charge.currency
    from charges as charge
    left join billing.statements as this
        on this.period = charge.posted_period
        and this.marketplace_id = charge.marketplace_id
        and this.seller_id = charge.seller_id
    left join billing.statements as before
        on before.period = strftime(cast(charge.posted_period || '-01' as date) - interval 1 month, '%Y-%m')
        and before.marketplace_id = charge.marketplace_id
        and before.seller_id = charge.seller_id
        and before.total = charge.amount
        and this.total is distinct from charge.amount
    where charge.order_id is null
    group by all
),
as_a_whole as (
    -- months of which no item is charged
    select without_order.*
    from without_order
    semi join core.marketplaces as place
        on place.marketplace_id = without_order.marketplace_id
        and place.currency = without_order.currency
    anti join per_item
        on per_item.period = without_order.period
        and per_item.marketplace_id = without_order.marketplace_id
        and per_item.seller_id = without_order.seller_id
),
months as (
    select distinct marketplace_id, seller_id, period from per_item
    union
    select marketplace_id, seller_id, period from without_order
),
statements_by_item as (
    select * from billing.statements anti join as_a_whole using (period, marketplace_id, seller_id)
),
by_item as (
    select
        coalesce(item.period, charge.period) as period,
        coalesce(item.marketplace_id, charge.marketplace_id) as marketplace_id,
        coalesce(item.seller_id, charge.seller_id) as seller_id,
        coalesce(item.order_id, charge.order_id) as order_id,
        coalesce(item.order_item_id, charge.order_item_id) as order_item_id,
        coalesce(item.units, 0) as units, coalesce(item.billed, 0) as billed, coalesce(charge.charged, 0) as charged,
        coalesce(charge.currency, item.currency) as currency,
        case when item.order_id is null and otherwise.order_id is not null
                 then 'charged in another currency than ' || otherwise.currency
             when item.order_id is null then 'charged, but no such order was shipped as far as we know'
             when coalesce(charge.charged, 0) = item.billed then null
             when charge.order_id is null then 'billed, not charged in these settlements'
             when coalesce(item.units, 0) = 0 then 'charged, but its units are ' || replace(item.outcomes, '_', ' ')
             when item.waiver is not null then 'charged, but waived: ' || replace(item.waiver, '_', ' ')
             when charge.times > 1 and charge.charged = charge.times * item.billed
                 then 'charged ' || charge.times || ' times'
             when charge.charged = 0 then 'charged and given back'
             when charge.charged = -item.billed then 'given to the seller instead of charged'
             when item.discount > 0 and charge.charged = item.units * item.fee then 'charged without the reward'
             when other.tier is not null then 'charged at tier ' || other.tier || ', billed at tier ' || item.tier
             when item.fee * (1 - item.discount) <> 0 and charge.charged % (item.fee * (1 - item.discount)) = 0
                 then 'charged for ' || cast(charge.charged / (item.fee * (1 - item.discount)) as bigint)
                     || ' units, billed for ' || item.units
             else 'another amount'
        end as because
    from items as item
    full join per_item as charge
        on charge.marketplace_id = item.marketplace_id
        and charge.seller_id = item.seller_id
        and charge.order_id = item.order_id
        and charge.order_item_id = item.order_item_id
        and charge.period = item.period
        and charge.currency = item.currency
    left join items as otherwise
        on otherwise.marketplace_id = charge.marketplace_id
        and otherwise.seller_id = charge.seller_id
        and otherwise.order_id = charge.order_id
        and otherwise.order_item_id = charge.order_item_id
        and otherwise.period = charge.period
    left join core.tiers as other
        on other.marketplace_id = item.marketplace_id
        and other.terms_id = item.terms_id
        and other.tier <> item.tier
        and charge.charged = item.units * other.fee * (1 - item.discount)
),
by_month as (
    -- what is charged without an order, and what of a statement is no item's: its rounding and its adjustments
    select
        whole.period, whole.marketplace_id, whole.seller_id, coalesce(statement.total, 0) as billed, whole.charged,
        whole.currency,
        case when statement.total is null then 'charged without an order, and nothing is billed for the month'
             when whole.charged = statement.total then null
             when whole.charged = 0 then 'charged and given back'
             when whole.charged = -statement.total then 'given to the seller instead of charged'
             when whole.times > 1 and whole.charged = whole.times * statement.total
                 then 'charged ' || whole.times || ' times'
             when whole.charged = statement.charges then 'charged without adjustments and credits'
             else 'another amount for the month as a whole'
        end as because
    from as_a_whole as whole
    left join billing.statements as statement using (period, marketplace_id, seller_id)
    union all
    select period, marketplace_id, seller_id, 0, charged, currency, 'charged without an order'
    from without_order
    anti join as_a_whole using (period, marketplace_id, seller_id, currency)
    union all
    select
        period, marketplace_id, seller_id,
        cast(coalesce(known_now.amount, 0) - coalesce(items.amount, 0) as decimal(18, 4)), 0,
        statement.currency, 'rounded once a month, not for each unit'
    from statements_by_item as statement
    left join known_now using (period, marketplace_id, seller_id)
    left join (select period, marketplace_id, seller_id, sum(billed) as amount from by_item group by all) as items
        using (period, marketplace_id, seller_id)
    union all
    select
        period, marketplace_id, seller_id, cast(statement.charges - known_now.amount as decimal(18, 4)), 0,
        statement.currency, 'corrected since, on a later statement'
    from statements_by_item as statement
    join known_now using (period, marketplace_id, seller_id)
    union all
    select
        entry.posted_period, marketplace_id, seller_id, cast(sum(entry.amount) as decimal(18, 4)), 0,
        any_value(entry.currency),
        if(bool_and(entry.kind = 'credit'), 'a credit for ', 'an adjustment of ')
            || string_agg(distinct entry.period, ', ' order by entry.period)
    from billing.adjustments as entry
    anti join as_a_whole
        on as_a_whole.period = entry.posted_period
        and as_a_whole.marketplace_id = entry.marketplace_id
        and as_a_whole.seller_id = entry.seller_id
    group by entry.posted_period, marketplace_id, seller_id
)
"""

_LINES = f"""{_WITH}
select
    period, marketplace_id, seller_id, order_id, order_item_id, units, billed, charged, charged - billed as difference,
    currency, because
from (
    select * from by_item anti join as_a_whole using (period, marketplace_id, seller_id)
    union all by name
    select *, 0 as units, cast(null as varchar) as order_id, cast(null as varchar) as order_item_id from by_month
)
semi join months using (period, marketplace_id, seller_id)
where billed <> 0 or charged <> 0"""

_IN_ORDER = "period, marketplace_id, seller_id, order_id nulls last, order_item_id, because"

_TOTALS = """
select
    line.period, line.marketplace_id, line.seller_id, sum(line.billed) as billed, sum(line.charged) as charged,
    sum(line.difference) as difference, line.currency, any_value(statement.status) as status
from compared as line
left join billing.statements as statement
    on statement.period = line.period
    and statement.marketplace_id = line.marketplace_id
    and statement.seller_id = line.seller_id
group by all
order by line.period, line.marketplace_id, line.seller_id, line.currency"""
