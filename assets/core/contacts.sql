-- One row per contact of a period, with its one outcome (domain.md, "Contacts").
-- key: period, marketplace_id, contact_id
-- chart: contacts received | select period, received from audit.contact_balance
-- column: marketplace_id | that of the item it is about, whatever the contact says; unknown without an item
-- column: order_item_id | the item it is about: the one it names, else the order's first covered item, else its first
-- column: contacted_at | when, UTC; decides the period
-- column: resolved_at | when it was resolved, UTC; null: it was not
-- column: outcome | void, unmatched, platform_fulfilled, prime, never_enrolled, before_enrolment, opted_out,
--     excluded_reason, before_order, counted
-- column: file_id | the file that brought it (audit.files)
-- column: row_number | its row in that file, from 1
-- check: a counted contact has a seller | outcome <> 'counted' or seller_id is not null

with noted as (
    select
        contact_id, order_id, order_item_id, channel, reason, contacted_at, resolved_at,
        coalesce(is_void, false) as is_void, file_id, row_number
    from in_force.contacts
    where contacted_at >= $first_instant and contacted_at < $last_instant
),
items as (
    -- of the orders that are named
    select order_id, order_item_id, marketplace_id, seller_id, purchased_at, coverage
    from reached.coverage
    where order_id in (select order_id from noted)
),
first_items as (
    -- a contact that names only an order is about the order's first covered item, else about its first
    select order_id, order_item_id
    from items
    where order_id in (select order_id from noted where order_item_id is null)
    qualify row_number() over (
        partition by order_id
        order by if(coverage = 'covered', 0, 1), order_item_id
    ) = 1
),
subjects as (
    select noted.*, coalesce(noted.order_item_id, first_items.order_item_id) as about_item_id
    from noted
    left join first_items
        on first_items.order_id = noted.order_id
),
lines as (
    select
        coalesce(item.marketplace_id, 'unknown') as marketplace_id, item.seller_id,
        subjects.contact_id, subjects.order_id, subjects.about_item_id as order_item_id,
        subjects.channel, subjects.reason, subjects.contacted_at, subjects.resolved_at,
        case
            when subjects.is_void then 'void'
            when item.order_id is null then 'unmatched'
            when item.coverage <> 'covered' then item.coverage
            when subjects.reason in ('invoice', 'customisation', 'pre_order') then 'excluded_reason'
            when subjects.contacted_at < item.purchased_at then 'before_order'
            else 'counted'
        end as outcome,
        subjects.file_id, subjects.row_number
    from subjects
    left join items as item
        on item.order_id = subjects.order_id
        and item.order_item_id = subjects.about_item_id
)
select
    scope.period, lines.marketplace_id, lines.seller_id,
    lines.contact_id, lines.order_id, lines.order_item_id, lines.channel, lines.reason,
    lines.contacted_at, lines.resolved_at, lines.outcome, lines.file_id, lines.row_number
from lines
join scope
    on scope.marketplace_id = lines.marketplace_id
    and scope.starts_at <= lines.contacted_at
    and lines.contacted_at < scope.ends_at
