-- One row per reversal or correction of a fee line of a closed period, and per credit, booked in the first open period
-- after the closed ones (domain.md, "Closing, and what comes late"): a line that is otherwise known now than it stands in
-- the books is reversed in full, and entered anew. Drafts until the period they are booked in closes.
-- key: posted_period, period, marketplace_id, seller_id, terms_id, kind, entry, credit_id
-- kind: books
-- period: posted_period
-- total: amount | sum(amount)
-- column: posted_period | the period in which it is booked
-- column: period | the closed period that it corrects
-- column: kind | trial or charge, as the line; or credit
-- column: entry | reversal: the old line with its units and amount negated; correction: the line as known now, or a credit
-- column: units | of the line; negative in a reversal, 0 in a credit
-- column: fee | of the line, per unit, before discount, in currency; null for a credit
-- column: discount | of the line: share of the fee that the reward took off; null for a credit
-- column: waiver | of the line: what made its units free; null: nothing
-- column: amount | net of tax, in currency; negative in the seller's favour
-- column: causes | what came late: names of billing.late_causes with commas between; null for a credit
-- column: credit_id | the credit (billing.credits); null for a line
-- column: reason | why the credit was granted; null for a line
-- check: a line has a cause, a credit a reason | (kind = 'credit') = (reason is not null) and (kind = 'credit') =
--     (causes is null)
-- check: the books and the adjustments come to what is known | select period, marketplace_id, seller_id, sum(amount)
--     as too_much from (
--     select period, marketplace_id, seller_id, amount from billing.posted_lines union all
--     select period, marketplace_id, seller_id, amount from billing.adjustments
--     where kind <> 'credit' and (posted_period, marketplace_id) in (select period, marketplace_id from scope) union all
--     select period, marketplace_id, seller_id, -amount from billing.rerated_lines)
--     where marketplace_id in (select scope.marketplace_id from scope join billing.rerating as rerating
--     on rerating.marketplace_id = scope.marketplace_id and rerating.open_period = scope.period)
--     group by all having sum(amount) <> 0

with booked_here as (
    select rerating.marketplace_id, rerating.open_period
    from billing.rerating as rerating
    join scope
        on scope.marketplace_id = rerating.marketplace_id
        and scope.period = rerating.open_period
),
in_the_books as (
    select period, marketplace_id, seller_id, terms_id, kind, units, tier, fee, discount, waiver, amount, currency
    from billing.posted_lines
    where marketplace_id in (select marketplace_id from booked_here)
),
known_now as (
    select period, marketplace_id, seller_id, terms_id, kind, units, tier, fee, discount, waiver, amount, currency
    from billing.rerated_lines
    where marketplace_id in (select marketplace_id from booked_here)
),
no_longer_so as (
    select * from in_the_books
    except
    select * from known_now
),
otherwise_now as (
    select * from known_now
    except
    select * from in_the_books
),
entries as (
    select
        period, marketplace_id, seller_id, terms_id, kind, 'reversal' as entry,
        -units as units, tier, fee, discount, waiver, cast(-amount as decimal(18, 4)) as amount, currency
    from no_longer_so
    union all
    select
        period, marketplace_id, seller_id, terms_id, kind, 'correction' as entry,
        units, tier, fee, discount, waiver, amount, currency
    from otherwise_now
),
causes as (
    select
        cause.period, cause.marketplace_id, cause.seller_id,
        string_agg(distinct cause.cause, ', ' order by cause.cause) as causes
    from billing.late_causes as cause
    join booked_here
        on booked_here.marketplace_id = cause.marketplace_id
        and booked_here.open_period = cause.posted_period
    group by cause.period, cause.marketplace_id, cause.seller_id
)
select
    booked_here.open_period as posted_period, entries.period, entries.marketplace_id, entries.seller_id,
    entries.terms_id, entries.kind, entries.entry, entries.units, entries.tier, entries.fee, entries.discount,
    entries.waiver, entries.amount, entries.currency,
    causes.causes, cast(null as varchar) as credit_id, cast(null as varchar) as reason
from entries
join booked_here
    on booked_here.marketplace_id = entries.marketplace_id
left join causes
    on causes.period = entries.period
    and causes.marketplace_id = entries.marketplace_id
    and causes.seller_id = entries.seller_id
union all
select
    credit.posted_period, credit.period, credit.marketplace_id, credit.seller_id,
    null, 'credit', 'correction', 0, null, null, null,
    null, cast(-credit.amount as decimal(18, 4)), credit.currency,
    null, credit.credit_id, credit.reason
from billing.credits as credit
join scope
    on scope.marketplace_id = credit.marketplace_id
    and scope.period = credit.posted_period
