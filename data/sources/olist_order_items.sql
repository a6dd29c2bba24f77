-- Olist's order items with their orders: one row is one unit. The sample and the full parquet have the same columns.
-- dataset: order_items
-- file: olist_order_items_dataset.csv, full_order_items.parquet
-- join: orders = olist_orders_dataset.csv
-- zone: America/Sao_Paulo
select
    input.row_number,
    input.order_id,
    input.order_item_id,
    input.seller_id,
    'A2Q3Y263D00KWC' as marketplace_id,
    orders.order_purchase_timestamp as purchased_at,
    'MFN' as fulfillment,
    'false' as is_prime,
    input.product_id as asin,
    input.product_id as sku,
    '1' as quantity,
    orders.order_purchase_timestamp as updated_at,
    case when orders.order_id is null then 'order_id: an order in olist_orders_dataset.csv' end as refused
from input
left join orders on orders.order_id = input.order_id
