-- Amazon's Orders API of 2026-01-01: answers of searchOrders and getOrder, with the items of each order. A row is an item.
-- dataset: order_items
-- keys: orderId, createdTime, salesChannel, orderItems
-- records: orders[], order
-- each: orderItems
-- facts: seller
with orders as (
    select row_number, from_json(as_came, '{
        "orderId": "VARCHAR", "createdTime": "VARCHAR", "lastUpdatedTime": "VARCHAR", "programs": ["VARCHAR"],
        "salesChannel": {"channelName": "VARCHAR", "marketplaceId": "VARCHAR"},
        "fulfillment": {"fulfilledBy": "VARCHAR", "fulfillmentStatus": "VARCHAR"},
        "orderItems": [{
            "orderItemId": "VARCHAR", "quantityOrdered": "VARCHAR",
            "product": {"asin": "VARCHAR", "sellerSku": "VARCHAR"}
        }]
    }') as record
    from input
),
items as (
    select row_number, record, record.orderItems[1] as item from orders
)
select
    row_number,
    record.orderId as order_id,
    item.orderItemId as order_item_id,
    fact('seller') as seller_id,
    record.salesChannel.marketplaceId as marketplace_id,
    record.createdTime as purchased_at,
    case record.fulfillment.fulfilledBy when 'MERCHANT' then 'MFN' when 'AMAZON' then 'AFN'
        else record.fulfillment.fulfilledBy end as fulfillment,
    -- an order of Prime that the seller ships is seller-fulfilled Prime
    if(list_contains(record.programs, 'PRIME'), 'true', 'false') as is_prime,
    item.product.asin as asin,
    coalesce(item.product.sellerSku, item.product.asin) as sku,
    -- of what was cancelled at least one was ordered
    if(item.quantityOrdered = '0', '1', item.quantityOrdered) as quantity,
    if(record.fulfillment.fulfillmentStatus = 'CANCELLED' or item.quantityOrdered = '0', 'true', null) as is_cancelled,
    record.lastUpdatedTime as updated_at,
    case when upper(record.salesChannel.channelName) <> 'AMAZON' then 'sold elsewhere'
         when len(record.orderItems) = 0 then 'an order without items'
    end as skipped
from items
