-- Amazon's Orders API, version 0: answers of getOrderItems, beside those of getOrders or getOrder in a file orders.json.
-- dataset: order_items
-- keys: AmazonOrderId, OrderItems
-- records: payload.Orders[], payload, Orders[]
-- each: OrderItems
-- join: orders = orders.json
-- facts: seller
with placed as (
    select from_json(as_came, '{
        "AmazonOrderId": "VARCHAR", "PurchaseDate": "VARCHAR", "LastUpdateDate": "VARCHAR", "OrderStatus": "VARCHAR",
        "FulfillmentChannel": "VARCHAR", "SalesChannel": "VARCHAR", "MarketplaceId": "VARCHAR", "IsPrime": "VARCHAR"
    }') as record
    from orders
    where refused is null
),
latest_orders as (
    select record.AmazonOrderId as order_id, max_by(record, try_cast(record.LastUpdateDate as timestamptz)) as record
    from placed
    group by all
),
answers as (
    select row_number, from_json(as_came, '{
        "AmazonOrderId": "VARCHAR", "OrderItems": [{
            "OrderItemId": "VARCHAR", "ASIN": "VARCHAR", "SellerSKU": "VARCHAR", "QuantityOrdered": "VARCHAR"
        }]
    }') as answer
    from input
),
items as (
    select row_number, answer, answer.OrderItems[1] as item, latest_orders.record
    from answers
    left join latest_orders
        on latest_orders.order_id = answer.AmazonOrderId
)
select
    row_number,
    answer.AmazonOrderId as order_id,
    item.OrderItemId as order_item_id,
    fact('seller') as seller_id,
    record.MarketplaceId as marketplace_id,
    record.PurchaseDate as purchased_at,
    record.FulfillmentChannel as fulfillment,
    record.IsPrime as is_prime,
    item.ASIN as asin,
    coalesce(item.SellerSKU, item.ASIN) as sku,
    -- of what was cancelled, and of units that no longer count, at least one was ordered
    if(item.QuantityOrdered = '0', '1', item.QuantityOrdered) as quantity,
    if(record.OrderStatus = 'Canceled' or item.QuantityOrdered = '0', 'true', null) as is_cancelled,
    record.LastUpdateDate as updated_at,
    case when lower(record.SalesChannel) like 'non-amazon%' then 'sold elsewhere'
         when coalesce(len(answer.OrderItems), 0) = 0 then 'an order without items'
    end as skipped,
    case when record is null then 'order_id: an order that orders.json has' end as refused
from items
