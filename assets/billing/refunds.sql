-- One row per seller, marketplace, period, issuer and currency: refunds of covered items, and how their SAFE-T claims stand
-- (domain.md, "Requests, refunds and defects"). They change no fee.
-- key: period, marketplace_id, seller_id, issued_by, currency
-- kind: view
-- column: refunds | how many
-- column: amount | refunded to customers
-- column: safe_t_filed | claims that are not decided yet
-- column: safe_t_filed_amount | claimed in them
-- column: safe_t_granted | claims that were granted
-- column: safe_t_granted_amount | reimbursed to the seller
-- column: safe_t_denied | claims that were denied
-- column: safe_t_denied_amount | claimed in them

select
    period, marketplace_id, seller_id, issued_by, currency,
    count(*) as refunds,
    cast(sum(amount) as decimal(18, 4)) as amount,
    count(*) filter (safe_t_status = 'filed') as safe_t_filed,
    cast(coalesce(sum(safe_t_amount) filter (safe_t_status = 'filed'), 0) as decimal(18, 4)) as safe_t_filed_amount,
    count(*) filter (safe_t_status = 'granted') as safe_t_granted,
    cast(coalesce(sum(safe_t_amount) filter (safe_t_status = 'granted'), 0) as decimal(18, 4)) as safe_t_granted_amount,
    count(*) filter (safe_t_status = 'denied') as safe_t_denied,
    cast(coalesce(sum(safe_t_amount) filter (safe_t_status = 'denied'), 0) as decimal(18, 4)) as safe_t_denied_amount
from core.refunds
where outcome = 'counted'
group by period, marketplace_id, seller_id, issued_by, currency
