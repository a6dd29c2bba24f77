-- One row per marketplace and period: every contact falls under one outcome (domain.md, "Contacts"). The contacts received
-- are counted from the raw rows in force, the outcomes from core.contacts.
-- key: marketplace_id, period
-- gate of: core.contacts
-- column: received | contacts in force, counted from raw rows
-- column: difference | received less all outcomes; 0, or the run stops
-- check: contacts received = all outcomes | difference = 0

with noted as (
    select file_id, row_number, order_id, order_item_id, contacted_at
    from in_force.contacts
    where contacted_at >= $first_instant and contacted_at < $last_instant
),
made as (
    select contact.file_id, contact.row_number, contact.marketplace_id, contact.period
    from core.contacts as contact
    join scope
        on scope.period = contact.period
        and scope.marketplace_id = contact.marketplace_id
),
missing as (
    -- rows that core.contacts does not have in scope: those of the months before and after, or lost ones
    select noted.*
    from noted
    anti join made
        on made.file_id = noted.file_id
        and made.row_number = noted.row_number
),
items as (
    select order_id, order_item_id, marketplace_id, coverage
    from core.coverage
    where order_id in (select order_id from missing)
),
orders as (
    select
        order_id,
        coalesce(min(order_item_id) filter (coverage = 'covered'), min(order_item_id)) as order_item_id
    from items
    group by order_id
),
belonging as (
    -- each raw row once: where core.contacts has it, else where it belongs
    select distinct made.period, made.marketplace_id, noted.file_id, noted.row_number
    from noted
    join made
        on made.file_id = noted.file_id
        and made.row_number = noted.row_number
    union all
    select scope.period, scope.marketplace_id, missing.file_id, missing.row_number
    from missing
    left join orders
        on orders.order_id = missing.order_id
    left join items as item
        on item.order_id = missing.order_id
        and item.order_item_id = coalesce(missing.order_item_id, orders.order_item_id)
    join scope
        on scope.marketplace_id = coalesce(item.marketplace_id, 'unknown')
        and scope.starts_at <= missing.contacted_at
        and missing.contacted_at < scope.ends_at
),
received as (
    select marketplace_id, period, count(*) as contacts
    from belonging
    group by marketplace_id, period
),
outcomes as (
    select
        marketplace_id, period,
        count(*) filter (outcome = 'void') as void,
        count(*) filter (outcome = 'unmatched') as unmatched,
        count(*) filter (outcome = 'platform_fulfilled') as platform_fulfilled,
        count(*) filter (outcome = 'prime') as prime,
        count(*) filter (outcome = 'never_enrolled') as never_enrolled,
        count(*) filter (outcome = 'before_enrolment') as before_enrolment,
        count(*) filter (outcome = 'opted_out') as opted_out,
        count(*) filter (outcome = 'excluded_reason') as excluded_reason,
        count(*) filter (outcome = 'before_order') as before_order,
        count(*) filter (outcome = 'counted') as counted
    from core.contacts
    group by marketplace_id, period
),
balance as (
    select
        scope.marketplace_id, scope.period,
        coalesce(received.contacts, 0) as received,
        coalesce(outcomes.void, 0) as void,
        coalesce(outcomes.platform_fulfilled, 0) as platform_fulfilled,
        coalesce(outcomes.prime, 0) as prime,
        coalesce(outcomes.never_enrolled, 0) as never_enrolled,
        coalesce(outcomes.before_enrolment, 0) as before_enrolment,
        coalesce(outcomes.opted_out, 0) as opted_out,
        coalesce(outcomes.excluded_reason, 0) as excluded_reason,
        coalesce(outcomes.before_order, 0) as before_order,
        coalesce(outcomes.counted, 0) as counted,
        coalesce(outcomes.unmatched, 0) as unmatched
    from scope
    left join received
        on received.marketplace_id = scope.marketplace_id
        and received.period = scope.period
    left join outcomes
        on outcomes.marketplace_id = scope.marketplace_id
        and outcomes.period = scope.period
)
select
    *,
    received - void - platform_fulfilled - prime - never_enrolled - before_enrolment - opted_out - excluded_reason
        - before_order - counted - unmatched as difference
from balance
