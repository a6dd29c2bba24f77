-- One row per marketplace and period: every contact falls under one outcome (domain.md, "Contacts"). The contacts
-- received are counted from the raw rows in force, the outcomes from core.contacts. Late rows carry the count of a
-- closed period forward, until the next close counts all of it again (billing.carried_balances).
-- key: marketplace_id, period
-- gate of: core.contacts
-- total: contacts | sum(received)
-- total: counted | sum(counted)
-- chart: contacts received | select period, received from audit.contact_balance
-- column: received | contacts in force, counted from raw rows
-- column: void | contacts of that outcome
-- column: platform_fulfilled | contacts of that outcome
-- column: prime | contacts of that outcome
-- column: never_enrolled | contacts of that outcome
-- column: before_enrolment | contacts of that outcome
-- column: opted_out | contacts of that outcome
-- column: excluded_reason | contacts of that outcome
-- column: before_order | contacts of that outcome
-- column: counted | contacts of that outcome
-- column: unmatched | contacts of that outcome
-- column: difference | received less all outcomes; 0, or the run or the close stops
-- check: contacts received = all outcomes | difference = 0

create temp table raw_counts as
with noted as (
    select order_id, order_item_id, contacted_at
    from in_force.contacts
    where contacted_at >= $first_instant and contacted_at < $last_instant
),
items as (
    select order_id, order_item_id, marketplace_id, coverage
    from reached.coverage
    where order_id in (select order_id from noted)
),
orders as (
    select
        order_id,
        coalesce(min(order_item_id) filter (coverage = 'covered'), min(order_item_id)) as order_item_id
    from items
    where order_id in (select order_id from noted where order_item_id is null)
    group by order_id
),
contacts as (
    select coalesce(item.marketplace_id, 'unknown') as marketplace_id, noted.contacted_at
    from noted
    left join orders
        on orders.order_id = noted.order_id
    left join items as item
        on item.order_id = noted.order_id
        and item.order_item_id = coalesce(noted.order_item_id, orders.order_item_id)
)
select scope.marketplace_id, scope.period, count(*) as number
from contacts
join scope
    on scope.marketplace_id = contacts.marketplace_id
    and scope.starts_at <= contacts.contacted_at
    and contacts.contacted_at < scope.ends_at
group by all;

with outcomes as (
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
    semi join scope using (period, marketplace_id)
    group by marketplace_id, period
),
balance as (
    select
        scope.marketplace_id, scope.period,
        coalesce(raw_counts.number, 0) as received,
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
    left join raw_counts
        on raw_counts.marketplace_id = scope.marketplace_id
        and raw_counts.period = scope.period
    left join outcomes
        on outcomes.marketplace_id = scope.marketplace_id
        and outcomes.period = scope.period
)
select
    *,
    received - void - platform_fulfilled - prime - never_enrolled - before_enrolment - opted_out - excluded_reason
        - before_order - counted - unmatched as difference
from balance
