-- One row per row of a file that speaks for or against what a seller owes for a period, as known now: a shipment line, a
-- contact, a return, an order item of the quarter, or a turn of the seller's enrolment. What was known when a closed period
-- was billed, where it has changed since, stands in billing.kept_evidence.
-- key: period, marketplace_id, seller_id, dataset, file_id, row_number
-- kind: view
-- column: dataset | shipments, contacts, returns, order_items (placed in the three periods that end with this one, and
--     fulfilled by the seller), enrolment_events (up to the period's end)
-- column: subject_id | of a shipment, contact or return; order_item_id of an item; event of an enrolment
-- column: order_item_id | the item that it is about
-- column: happened_at | when it was shipped, contacted, requested, placed, or took effect, UTC
-- column: purchased_at | when the order was placed, UTC; decides coverage
-- column: quantity | units shipped; of an order item, ordered
-- column: outcome | of core.units, core.contacts or core.enrolment_events (its verdict); the label of a return; null: an
--     item
-- column: trial_ends_at | of an enrolment: instant the seller's free trial ends, UTC; null: it never enrolled
-- column: detail | tracking_valid or tracking_not_valid; the reason of a contact; why an activation was refused
-- column: terms_id | the version of the terms that prices the unit, or that gave the trial
-- column: item_file_id | the file that brought the item's version in force (audit.files)
-- column: item_row_number | its row in that file, from 1

with orders_of as (
    -- rows of orders, by the period in which they count; the item says whose they are
    select
        period, marketplace_id, seller_id, 'shipments' as dataset, shipment_id as subject_id, order_id, order_item_id,
        shipped_at as happened_at, quantity, outcome,
        case when is_tracking_valid then 'tracking_valid' else 'tracking_not_valid' end as detail, terms_id,
        file_id, row_number
    from core.units
    where seller_id is not null
    union all
    select
        period, marketplace_id, seller_id, 'contacts', contact_id, order_id, order_item_id,
        contacted_at, null, outcome, reason, null, file_id, row_number
    from core.contacts
    where seller_id is not null
    union all
    select
        period, marketplace_id, seller_id, 'returns', return_id, order_id, order_item_id,
        requested_at, null, label, null, null, file_id, row_number
    from core.returns
),
judged as (
    -- the months that a seller is judged by
    select performance.period, performance.marketplace_id, performance.seller_id, month.quarter_starts_at, month.ends_at
    from billing.performance as performance
    join core.calendar as month
        on month.marketplace_id = performance.marketplace_id
        and month.period = performance.period
)
select
    rows_of.period, rows_of.marketplace_id, rows_of.seller_id, rows_of.dataset, rows_of.subject_id,
    rows_of.order_id, rows_of.order_item_id, rows_of.happened_at, item.purchased_at, rows_of.quantity,
    rows_of.outcome, rows_of.detail, rows_of.terms_id, rows_of.file_id, rows_of.row_number,
    item.file_id as item_file_id, item.row_number as item_row_number, cast(null as timestamp) as trial_ends_at
from orders_of as rows_of
left join core.order_items as item
    on item.marketplace_id = rows_of.marketplace_id
    and item.seller_id = rows_of.seller_id
    and item.order_id = rows_of.order_id
    and item.order_item_id = rows_of.order_item_id
union all
select
    judged.period, item.marketplace_id, item.seller_id, 'order_items', item.order_item_id,
    item.order_id, item.order_item_id, item.purchased_at, item.purchased_at, item.quantity,
    null, null, null, item.file_id, item.row_number, item.file_id, item.row_number, null
from core.order_items as item
join judged
    on judged.marketplace_id = item.marketplace_id
    and judged.seller_id = item.seller_id
    and judged.quarter_starts_at <= item.purchased_at
    and item.purchased_at < judged.ends_at
where item.fulfillment = 'MFN' and not item.is_prime
union all
select
    judged.period, turn.marketplace_id, turn.seller_id, 'enrolment_events', turn.event,
    null, null, turn.effective_at, null, null,
    turn.verdict, turn.refused_because, turn.terms_id, turn.file_id, turn.row_number, null, null,
    first_interval.trial_ends_at
from core.enrolment_events as turn
join judged
    on judged.marketplace_id = turn.marketplace_id
    and judged.seller_id = turn.seller_id
    and turn.effective_at < judged.ends_at
left join core.enrolments as first_interval
    on first_interval.marketplace_id = turn.marketplace_id
    and first_interval.seller_id = turn.seller_id
    and first_interval.interval_number = 1
