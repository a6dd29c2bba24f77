-- One row per shipment line of a period, with its one outcome (domain.md, "Units").
-- key: period, marketplace_id, shipment_id, order_item_id
-- total: units | sum(quantity)
-- chart: units shipped | select period, shipped from audit.unit_balance
-- column: marketplace_id | that of the item; unknown while the item is
-- column: purchased_at | when the order was placed, UTC; decides coverage
-- column: shipped_at | when it was shipped, UTC; decides the period, the trial and the terms
-- column: quantity | units shipped
-- column: quantity_ordered | units ordered of the item; null while it is unknown
-- column: outcome | void, platform_fulfilled, prime, never_enrolled, before_enrolment, opted_out, trial, chargeable; or
--     unmatched: its item is not known yet
-- column: terms_id | the version of the terms in force when it shipped
-- column: is_tracking_valid | whether its tracking was valid; null: unknown
-- column: file_id | the file that brought it (audit.files)
-- column: row_number | its row in that file, from 1
-- check: a unit has terms in force when it ships; add a version of the terms that begins by then | outcome = 'unmatched' or terms_id is not null
-- check: a unit has a seller | outcome = 'unmatched' or seller_id is not null

with shipped as (
    select
        shipment_id, order_item_id, order_id, shipped_at, quantity, is_tracking_valid,
        coalesce(is_void, false) as is_void, file_id, row_number
    from in_force.shipments
    where shipped_at >= $first_instant and shipped_at < $last_instant
        and in_slice(order_id)
),
items as (
    select order_id, order_item_id, marketplace_id, seller_id, sku, purchased_at, quantity, trial_ends_at, coverage
    from reached.coverage
    where in_slice(order_id)
),
lines as (
    select
        coalesce(item.marketplace_id, 'unknown') as marketplace_id, item.seller_id,
        shipped.shipment_id, shipped.order_id, shipped.order_item_id, item.sku,
        item.purchased_at, shipped.shipped_at, shipped.quantity, item.quantity as quantity_ordered,
        shipped.is_tracking_valid,
        case
            when item.order_id is null then 'unmatched'
            when shipped.is_void then 'void'
            when item.coverage <> 'covered' then item.coverage
            when shipped.shipped_at < item.trial_ends_at then 'trial'
            else 'chargeable'
        end as outcome,
        shipped.file_id, shipped.row_number
    from shipped
    left join items as item
        on item.order_id = shipped.order_id
        and item.order_item_id = shipped.order_item_id
)
select
    scope.period, lines.marketplace_id, lines.seller_id,
    lines.shipment_id, lines.order_id, lines.order_item_id, lines.sku,
    lines.purchased_at, lines.shipped_at, lines.quantity, lines.quantity_ordered, lines.outcome, terms.terms_id,
    lines.is_tracking_valid, lines.file_id, lines.row_number
from lines
join scope
    on scope.marketplace_id = lines.marketplace_id
    and scope.starts_at <= lines.shipped_at
    and lines.shipped_at < scope.ends_at
left join core.terms as terms
    on terms.marketplace_id = lines.marketplace_id
    and terms.starts_at <= lines.shipped_at
    and (terms.ends_at is null or lines.shipped_at < terms.ends_at)
