-- One row per return of a covered item that was requested in a period (domain.md, "Performance": APRL).
-- key: period, marketplace_id, return_id
-- column: requested_at | when, UTC; decides the period
-- column: label | the return label: prepaid or other
-- column: file_id | the file that brought it (audit.files)
-- column: row_number | its row in that file, from 1

select
    scope.period, item.marketplace_id, item.seller_id, returned.return_id, returned.order_id, returned.order_item_id,
    returned.requested_at, returned.label, returned.file_id, returned.row_number
from in_force.returns as returned
join core.coverage as item
    on item.order_id = returned.order_id
    and item.order_item_id = returned.order_item_id
    and item.coverage = 'covered'
join scope
    on scope.marketplace_id = item.marketplace_id
    and scope.starts_at <= returned.requested_at
    and returned.requested_at < scope.ends_at
where returned.requested_at >= $first_instant and returned.requested_at < $last_instant
