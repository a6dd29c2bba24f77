-- One row per marketplace and period: every request to a seller falls under one outcome. The requests made are counted
-- from the raw rows in force, the outcomes from core.requests. Late rows carry the count of a closed period forward,
-- until the next close counts all of it again (billing.carried_balances).
-- key: marketplace_id, period
-- gate of: core.requests
-- column: made | requests in force, counted from raw rows
-- column: answered | requests of that outcome
-- column: late | requests of that outcome
-- column: unanswered | requests of that outcome
-- column: not_due | requests of that outcome
-- column: unmatched | requests of that outcome
-- column: difference | made less all outcomes; 0, or the run or the close stops
-- check: requests made = all outcomes | difference = 0

create temp table raw_counts as
with noted as (
    select request_id, order_id, seller_id, requested_at
    from in_force.seller_requests
    where requested_at >= $first_instant and requested_at < $last_instant
),
items as (
    select order_id, order_item_id, marketplace_id, seller_id, coverage
    from reached.coverage
    where order_id in (select order_id from noted)
),
subjects as (
    select
        noted.request_id, noted.order_id, noted.requested_at,
        coalesce(
            min(item.order_item_id) filter (item.seller_id = noted.seller_id and item.coverage = 'covered'),
            min(item.order_item_id) filter (item.seller_id = noted.seller_id),
            min(item.order_item_id) filter (item.coverage = 'covered'),
            min(item.order_item_id)
        ) as order_item_id
    from noted
    left join items as item
        on item.order_id = noted.order_id
    group by noted.request_id, noted.order_id, noted.requested_at
),
requests as (
    select coalesce(item.marketplace_id, 'unknown') as marketplace_id, subjects.requested_at
    from subjects
    left join items as item
        on item.order_id = subjects.order_id
        and item.order_item_id = subjects.order_item_id
)
select scope.marketplace_id, scope.period, count(*) as number
from requests
join scope
    on scope.marketplace_id = requests.marketplace_id
    and scope.starts_at <= requests.requested_at
    and requests.requested_at < scope.ends_at
group by all;

with outcomes as (
    select
        marketplace_id, period,
        count(*) filter (outcome = 'answered') as answered,
        count(*) filter (outcome = 'late') as late,
        count(*) filter (outcome = 'unanswered') as unanswered,
        count(*) filter (outcome = 'not_due') as not_due,
        count(*) filter (outcome = 'unmatched') as unmatched
    from core.requests
    semi join scope using (period, marketplace_id)
    group by marketplace_id, period
),
balance as (
    select
        scope.marketplace_id, scope.period,
        coalesce(raw_counts.number, 0) as made,
        coalesce(outcomes.answered, 0) as answered,
        coalesce(outcomes.late, 0) as late,
        coalesce(outcomes.unanswered, 0) as unanswered,
        coalesce(outcomes.not_due, 0) as not_due,
        coalesce(outcomes.unmatched, 0) as unmatched
    from scope
    left join raw_counts
        on raw_counts.marketplace_id = scope.marketplace_id
        and raw_counts.period = scope.period
    left join outcomes
        on outcomes.marketplace_id = scope.marketplace_id
        and outcomes.period = scope.period
)
select *, made - answered - late - unanswered - not_due - unmatched as difference
from balance
