-- Amazon's Orders API of 2026-01-01: answers of searchOrders and getOrder, with the items of each order. A row is an item.
-- dataset: order_items
-- keys: orderId, createdTime, salesChannel, orderItems
-- records: orders[], order
-- each: orderItems
-- facts: seller
with items as (
    select
        row_number, as_came as record, as_came -> '$.orderItems[0]' as item,
        upper(coalesce(as_came ->> '$.salesChannel.channelName', 'AMAZON')) as channel
    from input
)
select
    row_number,
    record ->> '$.orderId' as order_id,
    item ->> '$.orderItemId' as order_item_id,
    fact('seller') as seller_id,
    record ->> '$.salesChannel.marketplaceId' as marketplace_id,
    record ->> '$.createdTime' as purchased_at,
    case record ->> '$.fulfillment.fulfilledBy' when 'MERCHANT' then 'MFN' when 'AMAZON' then 'AFN'
        else record ->> '$.fulfillment.fulfilledBy' end as fulfillment,
    -- an order of Prime that the seller ships is seller-fulfilled Prime
    if(list_contains(json_extract_string(record, '$.programs[*]'), 'PRIME'), 'true', 'false') as is_prime,
    item ->> '$.product.asin' as asin,
    coalesce(item ->> '$.product.sellerSku', item ->> '$.product.asin') as sku,
    item ->> '$.quantityOrdered' as quantity,
    if(record ->> '$.fulfillment.fulfillmentStatus' = 'CANCELLED', 'true', null) as is_cancelled,
    record ->> '$.lastUpdatedTime' as updated_at,
    case when channel <> 'AMAZON' then 'sold elsewhere'
         when json_array_length(record, '$.orderItems') = 0 then 'an order without items'
    end as skipped
from items
