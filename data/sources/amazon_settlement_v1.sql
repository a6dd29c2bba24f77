-- Amazon's settlement report, flat file V1, with 36 columns: what was paid to a seller and what it was charged, with a column
-- for each sort of amount. Of its lines only those of this service's fee are taken, to be compared with what was billed. The
-- currency stands in the line of the settlement itself. Times are UTC; amounts of some countries have a decimal comma.
-- dataset: settlement_lines
-- columns: settlement_id, currency, transaction_type, order_id, marketplace_name, order_item_code, posted_date, sku, quantity_purchased, item_related_fee_type, item_related_fee_amount, other_fee_amount, other_fee_reason_description, other_amount
-- optional: order_fee_type, order_fee_amount, shipment_fee_type, shipment_fee_amount, misc_fee_amount
-- facts: seller
-- read: delimiter=tab quote= ragged=yes
-- zone: UTC
-- times: %Y-%m-%d %H:%M:%S %Z
-- times: %d.%m.%Y %H:%M:%S %Z
-- times: %Y-%m-%d
-- times: %d.%m.%Y
with named as (
    -- the fee, by whichever column names it, with the amount that belongs to that column
    select
        *,
        list_filter(
            [
                struct_pack(name := item_related_fee_type, amount := item_related_fee_amount),
                struct_pack(name := order_fee_type, amount := order_fee_amount),
                struct_pack(name := shipment_fee_type, amount := shipment_fee_amount),
                struct_pack(name := other_fee_reason_description, amount := other_fee_amount),
                struct_pack(name := transaction_type, amount := coalesce(other_amount, other_fee_amount, misc_fee_amount))
            ],
            lambda each: regexp_matches(lower(each.name), 'csba|customer service by amazon')
        )[1] as fee
    from input
),
fees as (
    -- a comma before one or two digits can only be that of decimals
    select
        *,
        if(regexp_full_match(fee.amount, '[+-]?[0-9]+,[0-9]{1,2}'), replace(fee.amount, ',', '.'), fee.amount) as charged
    from named
    where fee is not null
),
numbered as (
    select
        *,
        coalesce(cast(try_cast(charged as decimal(18, 4)) as varchar), charged) as number,
        row_number() over (partition by settlement_id, order_id, order_item_code, number order by row_number) as place
    from fees
),
settlement as (
    select
        if(min(settlement_id) = max(settlement_id), min(settlement_id), null) as settlement_id,
        if(min(currency) = max(currency), min(currency), null) as currency
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
    numbered.fee.name as amount_description,
    numbered.charged as amount,
    coalesce(input.currency, settlement.currency) as currency,
    input.posted_date as posted_at,
    input.order_id,
    input.order_item_code as order_item_id,
    input.sku,
    input.quantity_purchased as quantity,
    case when input.transaction_type is null then 'the settlement itself'
         when numbered.row_number is null then 'no fee of this service'
    end as skipped
from input
cross join settlement
left join numbered
    on numbered.row_number = input.row_number
left join marketplaces as store
    on store.domain = lower(input.marketplace_name)
