-- Amazon's report of all orders, with 29, 32, 33 or 34 columns. It has no ids of items: an item is known by its SKU, of which
-- an order has one line. What was cancelled has the quantity 0, or none: it counts as 1, for so much was ordered at least.
-- dataset: order_items
-- columns: amazon_order_id, purchase_date, last_updated_date, fulfillment_channel, sales_channel, item_status, asin, sku, quantity
-- optional: order_status
-- facts: seller
-- read: delimiter=tab quote=
with lines as (
    select *, coalesce(item_status in ('Cancelled', 'Canceled') or order_status in ('Cancelled', 'Canceled'), false) as is_off
    from input
)
select
    input.row_number,
    input.amazon_order_id as order_id,
    input.sku as order_item_id,
    fact('seller') as seller_id,
    if(input.sales_channel is null, fact('marketplace'), store.marketplace_id) as marketplace_id,
    input.purchase_date as purchased_at,
    case input.fulfillment_channel when 'Merchant' then 'MFN' when 'Amazon' then 'AFN' else input.fulfillment_channel end
        as fulfillment,
    'false' as is_prime,
    input.asin,
    input.sku,
    if(input.is_off and coalesce(input.quantity, '0') = '0', '1', input.quantity) as quantity,
    if(input.is_off, 'true', null) as is_cancelled,
    input.last_updated_date as updated_at,
    case when lower(input.sales_channel) like 'non-amazon%' then 'sold elsewhere' end as skipped,
    case when store.marketplace_id is null and lower(input.sales_channel) not like 'non-amazon%'
         then 'sales_channel: the address of a marketplace that is listed' end as refused
from lines as input
left join marketplaces as store
    on store.domain = lower(input.sales_channel)
