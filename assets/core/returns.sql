-- One row per return of a covered item that was requested in a period (domain.md, "Performance": APRL).
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
    select order_id, order_item_id, marketplace_id, seller_id
    from reached.coverage
    where order_id in (select order_id from noted)
        and coverage = 'covered'
)
select
    scope.period, item.marketplace_id, item.seller_id, noted.return_id, noted.order_id, noted.order_item_id,
    noted.requested_at, noted.label, noted.file_id, noted.row_number
from noted
join items as item
    on item.order_id = noted.order_id
    and item.order_item_id = noted.order_item_id
join scope
    on scope.marketplace_id = item.marketplace_id
    and scope.starts_at <= noted.requested_at
    and noted.requested_at < scope.ends_at
