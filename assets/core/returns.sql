-- One row per return of a covered item that was requested in a period (domain.md, "Performance": APRL). A return may name its
-- item by the SKU, as Amazon's report does: that is the order's first item with it, a covered one before others.
-- key: period, marketplace_id, return_id
-- column: requested_at | when, UTC; decides the period
-- column: label | the return label: prepaid or other
-- column: file_id | the file that brought it (audit.files)
-- column: row_number | its row in that file, from 1

with noted as (
    select return_id, order_id, order_item_id, requested_at, label, file_id, row_number
    from in_force.returns
    where requested_at >= $first_instant and requested_at < $last_instant
),
items as (
    -- of the orders that are named
    select order_id, order_item_id, sku, marketplace_id, seller_id, coverage
    from reached.coverage
    where order_id in (select order_id from noted)
),
returned as (
    select noted.*, item.order_item_id as item_returned, item.marketplace_id, item.seller_id, item.coverage
    from noted
    join items as item
        on item.order_id = noted.order_id
        and (item.order_item_id = noted.order_item_id or item.sku = noted.order_item_id)
    qualify row_number() over (
        partition by noted.return_id
        order by
            if(item.order_item_id = noted.order_item_id, 0, 1), if(item.coverage = 'covered', 0, 1), item.order_item_id
    ) = 1
)
select
    scope.period, returned.marketplace_id, returned.seller_id, returned.return_id, returned.order_id,
    returned.item_returned as order_item_id, returned.requested_at, returned.label, returned.file_id, returned.row_number
from returned
join scope
    on scope.marketplace_id = returned.marketplace_id
    and scope.starts_at <= returned.requested_at
    and returned.requested_at < scope.ends_at
where returned.coverage = 'covered'
