-- Amazon's Orders API, version 0: answers of getOrderItems, beside those of getOrders or getOrder in a file orders.json.
-- dataset: order_items
-- keys: AmazonOrderId, OrderItems
-- records: payload.Orders[], payload
-- each: OrderItems
-- join: orders = orders.json
-- facts: seller
with latest_orders as (
    select as_came ->> '$.AmazonOrderId' as order_id, max_by(as_came, as_came ->> '$.LastUpdateDate') as record
    from orders
    where refused is null
    group by order_id
),
items as (
    select
        input.row_number, input.as_came as answer, latest_orders.record, latest_orders.order_id as known_order,
        input.as_came -> '$.OrderItems[0]' as item
    from input
    left join latest_orders
        on latest_orders.order_id = input.as_came ->> '$.AmazonOrderId'
)
select
    row_number,
    answer ->> '$.AmazonOrderId' as order_id,
    item ->> '$.OrderItemId' as order_item_id,
    fact('seller') as seller_id,
    record ->> '$.MarketplaceId' as marketplace_id,
    record ->> '$.PurchaseDate' as purchased_at,
    record ->> '$.FulfillmentChannel' as fulfillment,
    record ->> '$.IsPrime' as is_prime,
    item ->> '$.ASIN' as asin,
    coalesce(item ->> '$.SellerSKU', item ->> '$.ASIN') as sku,
    -- of what was cancelled, and of units that no longer count, at least one was ordered
    if(item ->> '$.QuantityOrdered' = '0', '1', item ->> '$.QuantityOrdered') as quantity,
    if(record ->> '$.OrderStatus' = 'Canceled' or item ->> '$.QuantityOrdered' = '0', 'true', null) as is_cancelled,
    record ->> '$.LastUpdateDate' as updated_at,
    case when lower(record ->> '$.SalesChannel') like 'non-amazon%' then 'sold elsewhere'
         when json_array_length(answer, '$.OrderItems') = 0 then 'an order without items'
    end as skipped,
    case when known_order is null then 'order_id: an order that orders.json has' end as refused
from items
