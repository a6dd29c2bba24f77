-- One row per seller, marketplace, period, terms version and kind: what its covered units cost (domain.md, "Terms, and
-- rating"). Each version judges the same month's performance with its own tiers, waivers and rewards. Fees are illustrative.
-- key: period, marketplace_id, seller_id, terms_id, kind
-- kind: books
-- total: units | sum(units)
-- chart: units | select period, units from billing.fee_lines
-- total: amount | sum(amount)
-- column: kind | trial: free, at zero; charge
-- column: units | covered units shipped while the version was in force
-- column: tier | from 1; null for trial
-- column: fee | per unit, before discount, in currency
-- column: discount | share of the fee that the reward takes off; 0 where it is not earned or the month is waived
-- column: waiver | cpu_below or orders_in_quarter_below: the first that holds and makes the units free; null: none
-- column: amount | units x fee x (1 - discount), rounded once, half up, to the currency's minor unit; net of tax
-- check: a charge has a tier | kind = 'trial' or tier is not null
-- check: trial and waived lines are zero | amount = 0 or (kind = 'charge' and waiver is null)
-- check: no amount is negative | amount >= 0
-- check: money to the minor unit | select line.* from billing.fee_lines as line
--     join scope using (period, marketplace_id)
--     left join core.marketplaces as marketplace using (marketplace_id)
--     where not coalesce(line.currency = marketplace.currency and line.amount % case marketplace.minor_units
--     when 0 then 1.0000 when 2 then 0.0100 when 3 then 0.0010 end = 0, false)
-- check: lines hold every covered unit | select period, marketplace_id, seller_id, sum(units) as units_too_many
--     from (select period, marketplace_id, seller_id, units from billing.fee_lines union all
--     select period, marketplace_id, seller_id, -units from billing.performance) join scope using (period, marketplace_id)
--     group by all having sum(units) <> 0

create temp table covered as
select
    period, marketplace_id, seller_id, terms_id,
    if(outcome = 'trial', 'trial', 'charge') as kind,
    cast(sum(quantity) as bigint) as units
from core.units
where outcome in ('trial', 'chargeable')
    and (period, marketplace_id) in (select period, marketplace_id from scope)
group by period, marketplace_id, seller_id, terms_id, kind;

with judged as (
    -- bounds are compared exactly, as products: nothing is divided or rounded before it is compared
    select
        covered.*, performance.contacts,
        cast(performance.units as decimal(12, 0)) as month_units,
        case
            when performance.contacts < terms.cpu_below * cast(performance.units as decimal(12, 0)) then 'cpu_below'
            when performance.orders_in_quarter < terms.orders_in_quarter_below then 'orders_in_quarter_below'
        end as waiver,
        coalesce(
            performance.units_valid_tracking >= terms.vtr_at_least * cast(performance.units as decimal(12, 0)), true
        )
        and (
            terms.aprl_at_least is null
            or (
                with_returns.marketplace_id is not null
                and performance.returns_prepaid >= terms.aprl_at_least * cast(performance.returns as decimal(12, 0))
            )
        ) as is_rewarded
    from covered
    join billing.performance as performance
        on performance.period = covered.period
        and performance.marketplace_id = covered.marketplace_id
        and performance.seller_id = covered.seller_id
    join core.terms as terms
        on terms.marketplace_id = covered.marketplace_id
        and terms.terms_id = covered.terms_id
    left join core.marketplaces_with_returns as with_returns
        on with_returns.marketplace_id = covered.marketplace_id
),
tiered as (
    -- the first tier, in order, whose bound is not passed
    select judged.*, tiers.tier, tiers.fee as tier_fee, tiers.discount as tier_discount
    from judged
    left join core.tiers as tiers
        on tiers.marketplace_id = judged.marketplace_id
        and tiers.terms_id = judged.terms_id
        and judged.kind = 'charge'
        and (
            tiers.up_to is null
            or judged.contacts < tiers.up_to * judged.month_units
            or (judged.contacts = tiers.up_to * judged.month_units and not tiers.is_exclusive)
        )
    qualify row_number() over (
        partition by judged.period, judged.marketplace_id, judged.seller_id, judged.terms_id, judged.kind
        order by tiers.tier
    ) = 1
),
priced as (
    select
        period, marketplace_id, seller_id, terms_id, kind, units, tier,
        coalesce(tier_fee, 0) as fee,
        case when kind = 'charge' and waiver is null and is_rewarded then tier_discount else 0 end as discount,
        case when kind = 'charge' then waiver end as waiver
    from tiered
),
multiplied as (
    select
        priced.*, marketplace.currency, marketplace.minor_units,
        case
            when kind = 'trial' or waiver is not null then 0
            else cast(units as decimal(12, 0)) * cast(fee as decimal(9, 4)) * cast(1 - discount as decimal(5, 4))
        end as exact
    from priced
    join core.marketplaces as marketplace
        on marketplace.marketplace_id = priced.marketplace_id
)
select
    period, marketplace_id, seller_id, terms_id, kind, units, tier,
    cast(fee as decimal(18, 4)) as fee,
    cast(discount as decimal(5, 4)) as discount,
    waiver,
    -- the one place where money is rounded
    cast(
        case minor_units when 0 then round(exact, 0) when 2 then round(exact, 2) when 3 then round(exact, 3) end
        as decimal(18, 4)
    ) as amount,
    currency
from multiplied
