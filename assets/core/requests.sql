-- One row per request of the service to a seller that was made in a period, with its one outcome (domain.md, "Requests, refunds and
-- defects"). It is about an item of its order: one of the seller it names before others, a covered one before others.
-- key: period, marketplace_id, request_id
-- column: marketplace_id | that of the item; unknown while the order is
-- column: seller_id | that of the item, whatever the request says
-- column: order_item_id | the item it is about
-- column: requested_at | when the service asked, UTC; decides the period
-- column: due_at | 24 hours after it asked, UTC; a reply at that instant is in time
-- column: outcome | answered: within 24 hours; late; unanswered; or left out: not_due: its 24 hours had not passed when the
--     period ended; unmatched: its order is not known yet
-- column: file_id | the file that brought it (audit.files)
-- column: row_number | its row in that file, from 1
-- check: a request has a seller | outcome = 'unmatched' or seller_id is not null

with noted as (
    select
        request_id, order_id, seller_id as seller_asked, requested_at, replied_at,
        requested_at + interval 24 hours as due_at, file_id, row_number
    from in_force.seller_requests
    where requested_at >= $first_instant and requested_at < $last_instant
),
items as (
    -- of the orders that are named
    select order_id, order_item_id, marketplace_id, seller_id, coverage
    from reached.coverage
    where order_id in (select order_id from noted)
),
subjects as (
    select noted.*, item.order_item_id, coalesce(item.marketplace_id, 'unknown') as marketplace_id, item.seller_id
    from noted
    left join items as item
        on item.order_id = noted.order_id
    qualify row_number() over (
        partition by noted.request_id
        order by
            if(item.seller_id = noted.seller_asked, 0, 1), if(item.coverage = 'covered', 0, 1), item.order_item_id
    ) = 1
)
select
    scope.period, subjects.marketplace_id, subjects.seller_id, subjects.request_id, subjects.order_id,
    subjects.order_item_id, subjects.requested_at, subjects.replied_at, subjects.due_at,
    case
        when subjects.seller_id is null then 'unmatched'
        when subjects.due_at > scope.ends_at then 'not_due'
        when subjects.replied_at is null then 'unanswered'
        when subjects.replied_at <= subjects.due_at then 'answered'
        else 'late'
    end as outcome,
    subjects.file_id, subjects.row_number
from subjects
join scope
    on scope.marketplace_id = subjects.marketplace_id
    and scope.starts_at <= subjects.requested_at
    and subjects.requested_at < scope.ends_at
