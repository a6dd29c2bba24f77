-- Amazon's settlement report, version 1, with 36 columns: of all that it settles the lines of the fee for Customer Service by
-- Amazon, CSBAFee. Only its first line names the currency. An amount may have a comma before two decimals.
-- dataset: settlement_lines
-- columns: settlement_id, transaction_type, item_related_fee_type, item_related_fee_amount, order_fee_type, order_fee_amount, posted_date
-- optional: currency, order_id, order_item_code, sku, quantity_purchased, marketplace_name, shipment_fee_type, shipment_fee_amount, other_fee_reason_description, other_fee_amount
-- facts: seller
-- read: delimiter=tab quote= ragged=yes
-- times: %Y-%m-%d %H:%M:%S %Z
-- times: %d.%m.%Y %H:%M:%S %Z
with fees as (
    select
        row_number, settlement_id, transaction_type, order_id, order_item_code, sku, quantity_purchased, marketplace_name,
        posted_date, max(currency) over (partition by settlement_id) as currency,
        case when item_related_fee_type = 'CSBAFee' then item_related_fee_amount
             when order_fee_type = 'CSBAFee' then order_fee_amount
             when shipment_fee_type = 'CSBAFee' then shipment_fee_amount
             when other_fee_reason_description = 'CSBAFee' then other_fee_amount
        end as amount
    from input
),
lines as (
    select
        *, concat_ws('|', transaction_type, order_id, order_item_code, sku, posted_date, amount) as says
    from fees
)
select
    lines.row_number,
    settlement_id,
    says || '#' || row_number() over (partition by settlement_id, says order by lines.row_number) as line_id,
    fact('seller') as seller_id,
    coalesce(store.marketplace_id, fact('marketplace')) as marketplace_id,
    transaction_type,
    'CSBAFee' as amount_description,
    if(regexp_full_match(amount, '-?\d+,\d{2}'), replace(amount, ',', '.'), amount) as amount,
    currency,
    posted_date as posted_at,
    order_id,
    order_item_code as order_item_id,
    sku,
    quantity_purchased as quantity,
    if(amount is null, 'a line about something else', null) as skipped
from lines
left join marketplaces as store
    on store.domain = lower(lines.marketplace_name)
