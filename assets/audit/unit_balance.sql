-- One row per marketplace and period: every unit shipped falls under one outcome (domain.md, "Units"). The units
-- shipped are counted from the raw rows in force, the outcomes from core.units. Late rows carry the count of a closed
-- period forward, until the next close counts all of it again (billing.carried_balances).
-- key: marketplace_id, period
-- gate of: core.units
-- total: units | sum(shipped)
-- total: chargeable | sum(chargeable)
-- total: trial | sum(trial)
-- chart: units shipped | select period, shipped from audit.unit_balance
-- column: shipped | units of the shipment lines in force, counted from raw rows
-- column: void | units of that outcome
-- column: platform_fulfilled | units of that outcome
-- column: prime | units of that outcome
-- column: never_enrolled | units of that outcome
-- column: before_enrolment | units of that outcome
-- column: opted_out | units of that outcome
-- column: trial | units of that outcome
-- column: chargeable | units of that outcome
-- column: unmatched | units of that outcome
-- column: difference | shipped less all outcomes; 0, or the run or the close stops
-- check: units shipped = all outcomes | difference = 0

create temp table raw_counts as
with shipments as (
    -- texts are slow to tell apart: two hashes stand for an item's id; items that shared both would break the balance
    select hash(order_id) as order_hash, hash(order_item_id) as item_hash, shipped_at, quantity
    from in_force.shipments
    where shipped_at >= $first_instant and shipped_at < $last_instant
        and in_slice(order_id)
),
items as (
    select hash(order_id) as order_hash, hash(order_item_id) as item_hash, marketplace_id
    from reached.order_items
    where in_slice(order_id)
),
placed as (
    select coalesce(item.marketplace_id, 'unknown') as marketplace_id, shipment.shipped_at, shipment.quantity
    from shipments as shipment
    left join items as item
        on item.order_hash = shipment.order_hash
        and item.item_hash = shipment.item_hash
)
select scope.marketplace_id, scope.period, sum(placed.quantity) as number
from placed
join scope
    on scope.marketplace_id = placed.marketplace_id
    and scope.starts_at <= placed.shipped_at
    and placed.shipped_at < scope.ends_at
group by all;

with shipped as (
    select marketplace_id, period, sum(number) as units
    from raw_counts
    group by all
),
sums as (
    -- few rows are left to be told apart by their outcome
    select marketplace_id, period, outcome, sum(quantity) as units
    from core.units
    where period in (select period from scope)
    group by all
),
outcomes as (
    select
        marketplace_id, period,
        coalesce(sum(units) filter (outcome = 'void'), 0) as void,
        coalesce(sum(units) filter (outcome = 'platform_fulfilled'), 0) as platform_fulfilled,
        coalesce(sum(units) filter (outcome = 'prime'), 0) as prime,
        coalesce(sum(units) filter (outcome = 'never_enrolled'), 0) as never_enrolled,
        coalesce(sum(units) filter (outcome = 'before_enrolment'), 0) as before_enrolment,
        coalesce(sum(units) filter (outcome = 'opted_out'), 0) as opted_out,
        coalesce(sum(units) filter (outcome = 'trial'), 0) as trial,
        coalesce(sum(units) filter (outcome = 'chargeable'), 0) as chargeable,
        coalesce(sum(units) filter (outcome = 'unmatched'), 0) as unmatched
    from sums
    group by marketplace_id, period
),
balance as (
    select
        scope.marketplace_id, scope.period,
        cast(coalesce(shipped.units, 0) as bigint) as shipped,
        cast(coalesce(outcomes.void, 0) as bigint) as void,
        cast(coalesce(outcomes.platform_fulfilled, 0) as bigint) as platform_fulfilled,
        cast(coalesce(outcomes.prime, 0) as bigint) as prime,
        cast(coalesce(outcomes.never_enrolled, 0) as bigint) as never_enrolled,
        cast(coalesce(outcomes.before_enrolment, 0) as bigint) as before_enrolment,
        cast(coalesce(outcomes.opted_out, 0) as bigint) as opted_out,
        cast(coalesce(outcomes.trial, 0) as bigint) as trial,
        cast(coalesce(outcomes.chargeable, 0) as bigint) as chargeable,
        cast(coalesce(outcomes.unmatched, 0) as bigint) as unmatched
    from scope
    left join shipped
        on shipped.marketplace_id = scope.marketplace_id
        and shipped.period = scope.period
    left join outcomes
        on outcomes.marketplace_id = scope.marketplace_id
        and outcomes.period = scope.period
)
select
    *,
    shipped - void - platform_fulfilled - prime - never_enrolled - before_enrolment - opted_out - trial - chargeable
        - unmatched as difference
from balance
