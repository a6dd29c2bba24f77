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
with amounts as (
    -- each amount with what names it: the column beside it, or else what happened
    select
        *,
        list_filter(
            [
                struct_pack(name := item_related_fee_type, amount := item_related_fee_amount),
                struct_pack(name := order_fee_type, amount := order_fee_amount),
                struct_pack(name := shipment_fee_type, amount := shipment_fee_amount),
                struct_pack(name := coalesce(other_fee_reason_description, transaction_type), amount := other_fee_amount),
                struct_pack(name := transaction_type, amount := other_amount),
                struct_pack(name := transaction_type, amount := misc_fee_amount)
            ],
            lambda each: regexp_matches(lower(each.name), 'csba|customer service by amazon')
        ) as named
    from input
),
parts as (
    -- a comma before one or two digits can only be that of decimals
    select
        *, named[1].name as fee_name,
        list_filter(
            list_transform(named, lambda each: if(
                regexp_full_match(each.amount, '[+-]?[0-9]+,[0-9]{1,2}'), replace(each.amount, ',', '.'), each.amount
            )),
            lambda amount: amount is not null
        ) as amounts
    from amounts
    where len(named) > 0
),
fees as (
    -- of several amounts the sum; one that cannot be read is shown, and refused
    select
        *,
        if(
            len(amounts) < 2, amounts[1],
            coalesce(
                list_filter(amounts, lambda amount: try_cast(amount as decimal(18, 4)) is null)[1],
                cast(list_sum(list_transform(amounts, lambda amount: try_cast(amount as decimal(18, 4)))) as varchar)
            )
        ) as charged
    from parts
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
    numbered.fee_name as amount_description,
    numbered.charged as amount,
    coalesce(input.currency, settlement.currency) as currency,
    input.posted_date as posted_at,
    input.order_id,
    input.order_item_code as order_item_id,
    input.sku,
    input.quantity_purchased as quantity,
    case when numbered.row_number is not null then null
         when input.transaction_type is null then 'the settlement itself'
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
