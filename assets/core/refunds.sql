-- One row per refund of a period, with its one outcome (domain.md, "Requests, refunds and defects").
-- key: period, marketplace_id, refund_id
-- column: marketplace_id | that of the item; unknown while the item is
-- column: seller_id | that of the item
-- column: refunded_at | when, UTC; decides the period
-- column: outcome | counted: its item is covered; platform_fulfilled, prime, never_enrolled, before_enrolment, opted_out: why
--     it is not; unmatched: its item is not known yet
-- column: currency | ISO 4217, of both amounts
-- column: file_id | the file that brought it (audit.files)
-- column: row_number | its row in that file, from 1
-- check: a refund has a seller | outcome = 'unmatched' or seller_id is not null

with noted as (
    select
        refund_id, order_id, order_item_id, amount, currency, refunded_at, issued_by, safe_t_status, safe_t_amount,
        file_id, row_number
    from in_force.refunds
    where refunded_at >= $first_instant and refunded_at < $last_instant
),
items as (
    -- of the orders that are named
    select order_id, order_item_id, marketplace_id, seller_id, coverage
    from reached.coverage
    where order_id in (select order_id from noted)
),
lines as (
    select
        noted.*, coalesce(item.marketplace_id, 'unknown') as marketplace_id, item.seller_id,
        case
            when item.order_id is null then 'unmatched'
            when item.coverage <> 'covered' then item.coverage
            else 'counted'
        end as outcome
    from noted
    left join items as item
        on item.order_id = noted.order_id
        and item.order_item_id = noted.order_item_id
)
select
    scope.period, lines.marketplace_id, lines.seller_id, lines.refund_id, lines.order_id, lines.order_item_id,
    lines.refunded_at, lines.issued_by, lines.amount, lines.safe_t_status, lines.safe_t_amount, lines.currency,
    lines.outcome, lines.file_id, lines.row_number
from lines
join scope
    on scope.marketplace_id = lines.marketplace_id
    and scope.starts_at <= lines.refunded_at
    and lines.refunded_at < scope.ends_at
