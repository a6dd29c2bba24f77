-- One row per seller, marketplace and period with covered units, counted contacts or returns (domain.md, "Performance").
-- key: period, marketplace_id, seller_id
-- total: units | sum(units)
-- chart: units | select period, units from billing.performance
-- total: contacts | sum(contacts)
-- column: units | covered units shipped
-- column: contacts | counted contacts
-- column: cpu | contacts per unit, for reading; null without units. Rating compares the two counts
-- column: vtr | valid tracking rate, for reading: units_valid_tracking / units
-- column: units_valid_tracking | covered units shipped with tracking known to be valid
-- column: aprl | prepaid return label rate, for reading: returns_prepaid / returns; null without returns
-- column: returns | returns of covered items requested
-- column: returns_prepaid | those with a prepaid label
-- column: orders_in_quarter | distinct seller-fulfilled orders, neither AFN nor Prime, enrolled or not, placed in the three
--     billing periods that end with this one
-- check: no count is negative and no part larger than its whole | units >= units_valid_tracking and
--     units_valid_tracking >= 0 and returns >= returns_prepaid and returns_prepaid >= 0 and contacts >= 0
-- check: contacts per unit exist where units do | (units = 0) = (cpu is null)

create temp table totals as
with counts as (
    select
        period, marketplace_id, seller_id,
        quantity as units, if(is_tracking_valid, quantity, 0) as units_valid_tracking,
        0 as contacts, 0 as returns, 0 as returns_prepaid
    from core.units
    where outcome in ('trial', 'chargeable')
        and (period, marketplace_id) in (select period, marketplace_id from scope)
    union all
    select period, marketplace_id, seller_id, 0, 0, 1, 0, 0
    from core.contacts
    where outcome = 'counted'
        and (period, marketplace_id) in (select period, marketplace_id from scope)
    union all
    select period, marketplace_id, seller_id, 0, 0, 0, 1, if(label = 'prepaid', 1, 0)
    from core.returns
    where (period, marketplace_id) in (select period, marketplace_id from scope)
)
select
    period, marketplace_id, seller_id,
    cast(sum(units) as bigint) as units,
    cast(sum(contacts) as bigint) as contacts,
    cast(sum(units_valid_tracking) as bigint) as units_valid_tracking,
    cast(sum(returns) as bigint) as returns,
    cast(sum(returns_prepaid) as bigint) as returns_prepaid
from counts
group by period, marketplace_id, seller_id;

create temp table quarters as
with numbered as (
    -- a whole number for period, marketplace and seller: fewer texts to tell apart for each order
    select
        totals.period, totals.marketplace_id, totals.seller_id, scope.quarter_starts_at, scope.ends_at,
        row_number() over (order by totals.period, totals.marketplace_id, totals.seller_id) as number
    from totals
    join scope
        on scope.period = totals.period
        and scope.marketplace_id = totals.marketplace_id
),
orders_of as (
    select numbered.number, count(distinct item.order_id) as orders
    from core.order_items as item
    join numbered
        on numbered.marketplace_id = item.marketplace_id
        and numbered.seller_id = item.seller_id
    where item.purchased_at >= $quarter_instant and item.purchased_at < $last_instant
        -- one condition: as five they would seem to leave hardly a row, and the join that finds the versions in force
        -- would be built on the many
        and if(
            item.fulfillment = 'MFN' and not item.is_prime,
            numbered.quarter_starts_at <= item.purchased_at and item.purchased_at < numbered.ends_at,
            false
        )
    group by numbered.number
)
select numbered.period, numbered.marketplace_id, numbered.seller_id, orders_of.orders
from orders_of
join numbered
    on numbered.number = orders_of.number;

select
    totals.period, totals.marketplace_id, totals.seller_id,
    totals.units, totals.contacts,
    totals.contacts / nullif(totals.units, 0) as cpu,
    totals.units_valid_tracking / nullif(totals.units, 0) as vtr,
    totals.units_valid_tracking,
    totals.returns_prepaid / nullif(totals.returns, 0) as aprl,
    totals.returns, totals.returns_prepaid,
    coalesce(quarters.orders, 0) as orders_in_quarter
from totals
left join quarters
    on quarters.period = totals.period
    and quarters.marketplace_id = totals.marketplace_id
    and quarters.seller_id = totals.seller_id
