-- One row per marketplace of whose items any return was ever loaded. Elsewhere nobody can know how many return labels
-- were prepaid, so that no reward that asks for it is given.
-- key: marketplace_id

select distinct item.marketplace_id
from in_force.returns as returned
join core.order_items as item
    on item.order_id = returned.order_id
    and item.order_item_id = returned.order_item_id
