-- One row per marketplace of whose items any return was ever loaded. Elsewhere nobody can know how many return labels
-- were prepaid, so that no reward that asks for it is given.
-- key: marketplace_id

with lately as (
    -- mostly all of them, so that the items of past years need not be read
    select distinct item.marketplace_id
    from in_force.returns as returned
    join reached.order_items as item
        on item.order_id = returned.order_id
        and (item.order_item_id = returned.order_item_id or item.sku = returned.order_item_id)
    where returned.requested_at >= $first_instant and returned.requested_at < $last_instant
),
others as (
    select marketplace_id
    from core.marketplaces
    where marketplace_id not in (select marketplace_id from lately)
)
select marketplace_id from lately
union
select item.marketplace_id
from in_force.returns as returned
join core.order_items as item
    on item.order_id = returned.order_id
    and (item.order_item_id = returned.order_item_id or item.sku = returned.order_item_id)
where item.marketplace_id in (select marketplace_id from others)
