-- One row per order item: does the programme cover it? The rule looks at the order's time alone, neither at shipping
-- nor at the trial (domain.md, "Units").
-- key: order_id, order_item_id
-- kind: view
-- column: coverage | covered, or the first reason that it is not: platform_fulfilled, prime, never_enrolled,
--     before_enrolment, opted_out
-- column: purchased_at | when the order was placed, UTC
-- column: trial_ends_at | instant the seller's free trial ends, UTC; null: never enrolled

select
    item.order_id, item.order_item_id, item.marketplace_id, item.seller_id, item.sku, item.purchased_at, item.quantity,
    first_interval.trial_ends_at,
    case
        when item.fulfillment = 'AFN' then 'platform_fulfilled'
        when item.is_prime then 'prime'
        when first_interval.seller_id is null then 'never_enrolled'
        when item.purchased_at < first_interval.started_at then 'before_enrolment'
        when interval_then.seller_id is null then 'opted_out'
        else 'covered'
    end as coverage
from core.order_items as item
left join core.enrolments as first_interval
    on first_interval.seller_id = item.seller_id
    and first_interval.marketplace_id = item.marketplace_id
    and first_interval.interval_number = 1
left join core.enrolments as interval_then
    on interval_then.seller_id = item.seller_id
    and interval_then.marketplace_id = item.marketplace_id
    and interval_then.started_at <= item.purchased_at
    and (interval_then.ended_at is null or item.purchased_at < interval_then.ended_at)
