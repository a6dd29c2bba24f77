-- Amazon's order report, with 29, 30 or 41 columns: the items of orders that the seller ships itself. It names no ASIN,
-- and no marketplace unless it has the sales channel; then the marketplace is told of the file.
-- dataset: order_items
-- columns: order_id, order_item_id, purchase_date, payments_date, sku, quantity_purchased, ship_service_level
-- optional: sales_channel, is_prime
-- facts: seller
-- read: delimiter=tab quote=
select
    input.row_number,
    input.order_id,
    input.order_item_id,
    fact('seller') as seller_id,
    if(input.sales_channel is null, fact('marketplace'), store.marketplace_id) as marketplace_id,
    input.purchase_date as purchased_at,
    'MFN' as fulfillment,
    coalesce(input.is_prime, 'false') as is_prime,
    'unknown' as asin,
    input.sku,
    input.quantity_purchased as quantity,
    coalesce(input.payments_date, input.purchase_date) as updated_at,
    case when lower(input.sales_channel) like 'non-amazon%' then 'sold elsewhere' end as skipped,
    case when store.marketplace_id is null and lower(input.sales_channel) not like 'non-amazon%'
         then 'sales_channel: the address of a marketplace that is listed' end as refused
from input
left join marketplaces as store
    on store.domain = lower(input.sales_channel)
