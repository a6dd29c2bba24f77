-- One row per marketplace and period: every refund falls under one outcome. The refunds given are counted from the raw
-- rows in force, the outcomes from core.refunds. Late rows carry the count of a closed period forward, until the next
-- close counts all of it again (billing.carried_balances).
-- key: marketplace_id, period
-- gate of: core.refunds
-- column: given | refunds in force, counted from raw rows
-- column: platform_fulfilled | refunds of that outcome
-- column: prime | refunds of that outcome
-- column: never_enrolled | refunds of that outcome
-- column: before_enrolment | refunds of that outcome
-- column: opted_out | refunds of that outcome
-- column: counted | refunds of that outcome
-- column: unmatched | refunds of that outcome
-- column: difference | given less all outcomes; 0, or the run or the close stops
-- check: refunds given = all outcomes | difference = 0

create temp table raw_counts as
with noted as (
    select order_id, order_item_id, refunded_at
    from in_force.refunds
    where refunded_at >= $first_instant and refunded_at < $last_instant
),
items as (
    select order_id, order_item_id, marketplace_id
    from reached.order_items
    where order_id in (select order_id from noted)
),
refunds as (
    select coalesce(item.marketplace_id, 'unknown') as marketplace_id, noted.refunded_at
    from noted
    left join items as item
        on item.order_id = noted.order_id
        and item.order_item_id = noted.order_item_id
)
select scope.marketplace_id, scope.period, count(*) as number
from refunds
join scope
    on scope.marketplace_id = refunds.marketplace_id
    and scope.starts_at <= refunds.refunded_at
    and refunds.refunded_at < scope.ends_at
group by all;

with outcomes as (
    select
        marketplace_id, period,
        count(*) filter (outcome = 'platform_fulfilled') as platform_fulfilled,
        count(*) filter (outcome = 'prime') as prime,
        count(*) filter (outcome = 'never_enrolled') as never_enrolled,
        count(*) filter (outcome = 'before_enrolment') as before_enrolment,
        count(*) filter (outcome = 'opted_out') as opted_out,
        count(*) filter (outcome = 'counted') as counted,
        count(*) filter (outcome = 'unmatched') as unmatched
    from core.refunds
    semi join scope using (period, marketplace_id)
    group by marketplace_id, period
),
balance as (
    select
        scope.marketplace_id, scope.period,
        coalesce(raw_counts.number, 0) as given,
        coalesce(outcomes.platform_fulfilled, 0) as platform_fulfilled,
        coalesce(outcomes.prime, 0) as prime,
        coalesce(outcomes.never_enrolled, 0) as never_enrolled,
        coalesce(outcomes.before_enrolment, 0) as before_enrolment,
        coalesce(outcomes.opted_out, 0) as opted_out,
        coalesce(outcomes.counted, 0) as counted,
        coalesce(outcomes.unmatched, 0) as unmatched
    from scope
    left join raw_counts
        on raw_counts.marketplace_id = scope.marketplace_id
        and raw_counts.period = scope.period
    left join outcomes
        on outcomes.marketplace_id = scope.marketplace_id
        and outcomes.period = scope.period
)
select
    *,
    given - platform_fulfilled - prime - never_enrolled - before_enrolment - opted_out - counted - unmatched as difference
from balance
