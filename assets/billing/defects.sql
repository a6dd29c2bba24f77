-- One row per seller, marketplace and period with orders that the seller fulfils itself, or counted defects; of periods in
-- which any defect of the marketplace is known: elsewhere nobody can know that there was none (domain.md, "Requests, refunds and
-- defects").
-- key: period, marketplace_id, seller_id
-- column: orders | distinct orders with an item that is neither AFN nor Prime, enrolled or not, placed in the period
-- column: orders_with_defect | distinct orders of which a counted defect occurred in the period, whenever they were placed
-- column: defect_rate | order defect rate, for reading: orders_with_defect / orders; null without orders
-- column: a_to_z_claims | counted defects of that type
-- column: negative_feedback | counted defects of that type
-- column: chargebacks | counted defects of that type
-- check: an order with a defect has one of a type | orders_with_defect <= a_to_z_claims + negative_feedback + chargebacks
-- check: a seller has orders or defects | orders > 0 or orders_with_defect > 0

with occurred as (
    select defect.period, defect.marketplace_id, defect.seller_id, defect.order_id, defect.type, defect.outcome
    from core.defects as defect
    join scope
        on scope.period = defect.period
        and scope.marketplace_id = defect.marketplace_id
    where defect.outcome <> 'unmatched'
),
months as (
    -- a whole number for period and marketplace: fewer texts to tell apart for each order
    select *, row_number() over (order by period, marketplace_id) as number
    from scope
    where (period, marketplace_id) in (select period, marketplace_id from occurred)
),
placed as (
    select months.number, item.seller_id, count(distinct item.order_id) as orders
    from core.order_items as item
    join months
        on months.marketplace_id = item.marketplace_id
    where item.purchased_at >= $first_instant and item.purchased_at < $last_instant
        -- one condition, as in billing.performance
        and if(
            item.fulfillment = 'MFN' and not item.is_prime,
            months.starts_at <= item.purchased_at and item.purchased_at < months.ends_at,
            false
        )
    group by months.number, item.seller_id
),
counts as (
    select
        months.period, months.marketplace_id, placed.seller_id, placed.orders,
        0 as orders_with_defect, 0 as a_to_z_claims, 0 as negative_feedback, 0 as chargebacks
    from placed
    join months
        on months.number = placed.number
    union all
    select
        period, marketplace_id, seller_id, 0, count(distinct order_id),
        count(*) filter (type = 'a_to_z_claim'), count(*) filter (type = 'negative_feedback'),
        count(*) filter (type = 'chargeback')
    from occurred
    where outcome = 'counted'
    group by period, marketplace_id, seller_id
),
totals as (
    select
        period, marketplace_id, seller_id,
        cast(sum(orders) as bigint) as orders,
        cast(sum(orders_with_defect) as bigint) as orders_with_defect,
        cast(sum(a_to_z_claims) as bigint) as a_to_z_claims,
        cast(sum(negative_feedback) as bigint) as negative_feedback,
        cast(sum(chargebacks) as bigint) as chargebacks
    from counts
    group by period, marketplace_id, seller_id
)
select
    period, marketplace_id, seller_id, orders, orders_with_defect, orders_with_defect / nullif(orders, 0) as defect_rate,
    a_to_z_claims, negative_feedback, chargebacks
from totals
