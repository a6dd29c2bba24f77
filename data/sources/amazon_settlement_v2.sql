-- Amazon's settlement report, version 2, with 24 columns: of all that it settles the lines of the fee for Customer Service by
-- Amazon, CSBAFee. A line may end before its last columns. An amount may have a comma before two decimals.
-- dataset: settlement_lines
-- columns: settlement_id, transaction_type, amount_type, amount_description, amount, posted_date, posted_date_time
-- optional: currency, order_id, order_item_code, sku, quantity_purchased, marketplace_name
-- facts: seller
-- read: delimiter=tab quote= ragged=yes
-- times: %Y-%m-%d %H:%M:%S %Z
-- times: %d.%m.%Y %H:%M:%S %Z
with fees as (
    select
        *, max(currency) over (partition by settlement_id) as its_currency,
        'CSBAFee' in (coalesce(amount_description, ''), coalesce(amount_type, '')) as is_fee,
        concat_ws(
            '|', transaction_type, order_id, order_item_code, sku, coalesce(posted_date_time, posted_date), amount
        ) as says
    from input
)
select
    fees.row_number,
    settlement_id,
    says || '#' || row_number() over (partition by settlement_id, is_fee, says order by fees.row_number) as line_id,
    fact('seller') as seller_id,
    coalesce(store.marketplace_id, fact('marketplace')) as marketplace_id,
    transaction_type,
    amount_description,
    if(regexp_full_match(amount, '-?\d+,\d{2}'), replace(amount, ',', '.'), amount) as amount,
    coalesce(currency, its_currency) as currency,
    posted_date_time as posted_at,
    order_id,
    order_item_code as order_item_id,
    sku,
    quantity_purchased as quantity,
    if(is_fee, null, 'a line about something else') as skipped
from fees
left join marketplaces as store
    on store.domain = lower(fees.marketplace_name)
