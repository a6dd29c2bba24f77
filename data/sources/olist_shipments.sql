-- Olist's order items as shipments: the items of an order leave together, when the carrier takes them.
-- dataset: shipments
-- file: olist_order_items_dataset.csv, full_order_items.parquet
-- join: orders = olist_orders_dataset.csv
-- zone: America/Sao_Paulo
select
    input.row_number,
    input.order_id as shipment_id,
    input.order_item_id,
    input.order_id,
    orders.order_delivered_carrier_date as shipped_at,
    '1' as quantity,
    orders.order_delivered_carrier_date as updated_at,
    case when orders.order_id is null then 'order_id: an order in olist_orders_dataset.csv' end as refused,
    case when orders.order_id is not null and orders.order_delivered_carrier_date is null then 'never shipped' end as skipped
from input
left join orders on orders.order_id = input.order_id
