-- Amazon's settlement report, flat file V2, with 24 columns: what was paid to a seller and what it was charged, an amount a
-- line. Of its lines only those of this service's fee are taken, to be compared with what was billed. Rows may end early.
-- Times are UTC; amounts of some countries have a decimal comma.
-- dataset: settlement_lines
-- columns: settlement_id, currency, transaction_type, order_id, marketplace_name, amount_type, amount_description, amount, posted_date, sku
-- optional: posted_date_time, order_item_code, quantity_purchased
-- facts: seller
-- read: delimiter=tab quote= ragged=yes
-- zone: UTC
-- times: %Y-%m-%d %H:%M:%S %Z
-- times: %d.%m.%Y %H:%M:%S %Z
-- times: %Y-%m-%d
-- times: %d.%m.%Y
with fees as (
    -- a comma before one or two digits can only be that of decimals
    select
        *,
        if(regexp_full_match(amount, '[+-]?[0-9]+,[0-9]{1,2}'), replace(amount, ',', '.'), amount) as charged
    from input
    where regexp_matches(
        lower(concat_ws(' ', transaction_type, amount_type, amount_description)), 'csba|customer service by amazon'
    )
),
numbered as (
    select
        *,
        coalesce(cast(try_cast(charged as decimal(18, 4)) as varchar), charged) as number,
        row_number() over (partition by settlement_id, order_id, order_item_code, number order by row_number) as place
    from fees
),
settlement as (
    -- a line that does not name its settlement or currency has those of the first that does
    select
        if(min(settlement_id) = max(settlement_id), min(settlement_id), null) as settlement_id,
        min_by(currency, row_number) as currency
    from input
)
select
    input.row_number,
    coalesce(input.settlement_id, settlement.settlement_id) as settlement_id,
    concat_ws(
        ':', coalesce(numbered.order_id, ''), coalesce(numbered.order_item_code, ''), numbered.number, numbered.place
    ) as line_id,
    fact('seller') as seller_id,
    if(input.marketplace_name is null, fact('marketplace'), store.marketplace_id) as marketplace_id,
    input.transaction_type,
    coalesce(input.amount_description, input.amount_type, input.transaction_type) as amount_description,
    numbered.charged as amount,
    coalesce(input.currency, settlement.currency) as currency,
    coalesce(input.posted_date_time, input.posted_date) as posted_at,
    input.order_id,
    input.order_item_code as order_item_id,
    input.sku,
    input.quantity_purchased as quantity,
    case when numbered.row_number is not null then null
         when input.transaction_type is null and input.amount_type is null then 'the settlement itself'
         else 'no fee of this service'
    end as skipped,
    case when numbered.row_number is not null and input.marketplace_name is not null and store.marketplace_id is null
         then 'marketplace_name: the address of a marketplace that is listed' end as refused
from input
cross join settlement
left join numbered
    on numbered.row_number = input.row_number
left join marketplaces as store
    on store.domain = lower(input.marketplace_name)
