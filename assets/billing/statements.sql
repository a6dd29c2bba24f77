-- One row per seller, marketplace and period with any covered unit, counted contact, adjustment or enrolment: its statement
-- (domain.md, "Statements").
-- key: period, marketplace_id, seller_id
-- kind: books
-- total: total | sum(total)
-- column: statement_id | derived from seller, marketplace and period, so that a repeated run gives the same
-- column: charges | sum of the period's fee lines
-- column: adjustments | sum of the corrections of closed periods, and of the credits, that are booked in this one
-- column: total | charges + adjustments; net of tax
-- column: status | draft; final from the close on
-- check: the total is the sum of its parts | total = charges + adjustments
-- check: charges are the sum of the statement's lines | select period, marketplace_id, seller_id, sum(amount) as too_much
--     from (select period, marketplace_id, seller_id, charges as amount from billing.statements union all
--     select period, marketplace_id, seller_id, -amount from billing.fee_lines) join scope using (period, marketplace_id)
--     group by all having sum(amount) <> 0
-- check: adjustments are the sum of what is booked | select period, marketplace_id, seller_id, sum(amount) as too_much
--     from (select period, marketplace_id, seller_id, adjustments as amount from billing.statements union all
--     select posted_period, marketplace_id, seller_id, -amount from billing.adjustments)
--     join scope using (period, marketplace_id) group by all having sum(amount) <> 0
-- check: every line stands on a statement | select line.* from (select period, marketplace_id, seller_id
--     from billing.fee_lines union all select posted_period, marketplace_id, seller_id from billing.adjustments) as line
--     join scope using (period, marketplace_id)
--     anti join billing.statements as statement using (period, marketplace_id, seller_id)
-- check: no two statements share an id | select any_value(marketplace_id) as marketplace_id, statement_id
--     from billing.statements group by statement_id having count(*) > 1

with parties as (
    select performance.period, performance.marketplace_id, performance.seller_id
    from billing.performance as performance
    join scope
        on scope.period = performance.period
        and scope.marketplace_id = performance.marketplace_id
    where performance.units > 0 or performance.contacts > 0
    union
    select scope.period, enrolment.marketplace_id, enrolment.seller_id
    from core.enrolments as enrolment
    join scope
        on scope.marketplace_id = enrolment.marketplace_id
        and enrolment.started_at < scope.ends_at
        and (enrolment.ended_at is null or scope.starts_at < enrolment.ended_at)
    union
    select posted_period, marketplace_id, seller_id
    from billing.adjustments
    where (posted_period, marketplace_id) in (select period, marketplace_id from scope)
),
charged as (
    select line.period, line.marketplace_id, line.seller_id, cast(sum(line.amount) as decimal(18, 4)) as charges
    from billing.fee_lines as line
    group by line.period, line.marketplace_id, line.seller_id
),
adjusted as (
    select posted_period as period, marketplace_id, seller_id, cast(sum(amount) as decimal(18, 4)) as adjustments
    from billing.adjustments
    where (posted_period, marketplace_id) in (select period, marketplace_id from scope)
    group by posted_period, marketplace_id, seller_id
),
totals as (
    select
        parties.period, parties.marketplace_id, parties.seller_id,
        coalesce(charged.charges, 0) as charges,
        coalesce(adjusted.adjustments, 0) as adjustments
    from parties
    left join charged
        on charged.period = parties.period
        and charged.marketplace_id = parties.marketplace_id
        and charged.seller_id = parties.seller_id
    left join adjusted
        on adjusted.period = parties.period
        and adjusted.marketplace_id = parties.marketplace_id
        and adjusted.seller_id = parties.seller_id
)
select
    marketplace.country || '-' || totals.period || '-' || upper(left(
        sha256(totals.period || '|' || totals.marketplace_id || '|' || totals.seller_id), 16
    )) as statement_id,
    totals.period, totals.marketplace_id, totals.seller_id, marketplace.currency,
    totals.charges, totals.adjustments, cast(totals.charges + totals.adjustments as decimal(18, 4)) as total,
    'draft' as status
from totals
join core.marketplaces as marketplace
    on marketplace.marketplace_id = totals.marketplace_id
