-- One row per marketplace and period: every defect falls under one outcome. The defects that occurred are counted from
-- the raw rows in force, the outcomes from core.defects. Late rows carry the count of a closed period forward, until
-- the next close counts all of it again (billing.carried_balances).
-- key: marketplace_id, period
-- gate of: core.defects
-- column: occurred | defects in force, counted from raw rows
-- column: platform_fulfilled | defects of that outcome
-- column: prime | defects of that outcome
-- column: counted | defects of that outcome
-- column: unmatched | defects of that outcome
-- column: difference | occurred less all outcomes; 0, or the run or the close stops
-- check: defects that occurred = all outcomes | difference = 0

create temp table raw_counts as
with noted as (
    select order_id, occurred_at
    from in_force.defects
    where occurred_at >= $first_instant and occurred_at < $last_instant
),
items as (
    select order_id, order_item_id, marketplace_id, coverage
    from reached.coverage
    where order_id in (select order_id from noted)
),
orders as (
    select
        order_id,
        coalesce(
            min(order_item_id) filter (coverage = 'covered'),
            min(order_item_id) filter (coverage not in ('platform_fulfilled', 'prime')),
            min(order_item_id)
        ) as order_item_id
    from items
    group by order_id
),
defects as (
    select coalesce(item.marketplace_id, 'unknown') as marketplace_id, noted.occurred_at
    from noted
    left join orders
        on orders.order_id = noted.order_id
    left join items as item
        on item.order_id = orders.order_id
        and item.order_item_id = orders.order_item_id
)
select scope.marketplace_id, scope.period, count(*) as number
from defects
join scope
    on scope.marketplace_id = defects.marketplace_id
    and scope.starts_at <= defects.occurred_at
    and defects.occurred_at < scope.ends_at
group by all;

with outcomes as (
    select
        marketplace_id, period,
        count(*) filter (outcome = 'platform_fulfilled') as platform_fulfilled,
        count(*) filter (outcome = 'prime') as prime,
        count(*) filter (outcome = 'counted') as counted,
        count(*) filter (outcome = 'unmatched') as unmatched
    from core.defects
    semi join scope using (period, marketplace_id)
    group by marketplace_id, period
),
balance as (
    select
        scope.marketplace_id, scope.period,
        coalesce(raw_counts.number, 0) as occurred,
        coalesce(outcomes.platform_fulfilled, 0) as platform_fulfilled,
        coalesce(outcomes.prime, 0) as prime,
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
select *, occurred - platform_fulfilled - prime - counted - unmatched as difference
from balance
