-- One row per debit or credit of a posted line: the fee lines and adjustments of closed periods, receivable from the seller
-- against fee revenue, and the reverse for negative amounts (domain.md, "Closing, and what comes late"). Written by the
-- close; lines of zero make no entry.
-- key: period, marketplace_id, entry_id, account
-- kind: books
-- total: entries | count(distinct entry_id)
-- total: debit | sum(debit)
-- total: credit | sum(credit)
-- column: entry_id | derived from source_key; its two rows balance
-- column: period | the period in which it is posted
-- column: account | of core.accounts
-- column: debit | amount, or 0
-- column: credit | amount, or 0
-- column: source_key | the line: table and key; the same whenever it is made
-- column: statement_id | the statement on which the line stands
-- column: corrects | the closed period that an adjustment corrects; null for a charge
-- check: an entry balances | select any_value(marketplace_id) as marketplace_id, entry_id from billing.journal
--     join scope using (period, marketplace_id) group by entry_id
--     having sum(debit) <> sum(credit) or count(*) <> 2 or min(currency) <> max(currency)
-- check: the journal is the statements | select marketplace_id, period, seller_id, sum(amount) as too_much from (
--     select marketplace_id, period, seller_id, debit - credit as amount from billing.journal
--     where account = (select account from core.accounts where role = 'receivable') union all
--     select marketplace_id, period, seller_id, -total from billing.statements semi join billing.closes
--     using (period, marketplace_id)) join scope using (period, marketplace_id) group by all having sum(amount) <> 0

with posted as (
    select
        line.period, line.marketplace_id, line.seller_id, line.amount, line.currency, cast(null as varchar) as corrects,
        'fee_lines|' || line.period || '|' || line.marketplace_id || '|' || line.seller_id || '|' || line.terms_id
            || '|' || line.kind as source_key
    from billing.fee_lines as line
    union all
    select
        adjustment.posted_period, adjustment.marketplace_id, adjustment.seller_id, adjustment.amount,
        adjustment.currency, adjustment.period as corrects,
        'adjustments|' || adjustment.posted_period || '|' || adjustment.period || '|' || adjustment.marketplace_id
            || '|' || adjustment.seller_id || '|' || coalesce(adjustment.credit_id, adjustment.terms_id) || '|'
            || adjustment.kind || '|' || adjustment.entry as source_key
    from billing.adjustments as adjustment
),
closed as (
    select posted.*, statement.statement_id
    from posted
    join scope
        on scope.period = posted.period
        and scope.marketplace_id = posted.marketplace_id
    join billing.closes as closes
        on closes.period = posted.period
        and closes.marketplace_id = posted.marketplace_id
    join billing.statements as statement
        on statement.period = posted.period
        and statement.marketplace_id = posted.marketplace_id
        and statement.seller_id = posted.seller_id
    where posted.amount <> 0
),
sides as (
    select role, account, if(role = 'receivable', 1, -1) as sign
    from core.accounts
    where role in ('receivable', 'revenue')
)
select
    upper(left(sha256(closed.source_key), 20)) as entry_id,
    closed.period, closed.marketplace_id, closed.seller_id, sides.account,
    cast(if(closed.amount * sides.sign > 0, abs(closed.amount), 0) as decimal(18, 4)) as debit,
    cast(if(closed.amount * sides.sign < 0, abs(closed.amount), 0) as decimal(18, 4)) as credit,
    closed.currency, closed.source_key, closed.corrects, closed.statement_id
from closed
cross join sides
