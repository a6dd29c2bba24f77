-- The same feed in Japan, where two lines stand above its header.
-- dataset: shipments
-- columns: order_id, order_item_id, quantity, ship_date, carrier_code, carrier_name, tracking_number, ship_method
-- zone: Asia/Tokyo
-- read: delimiter=tab quote= header=3
-- times: %Y-%m-%d
-- times: %Y/%m/%d
select
    row_number,
    order_id || ':' || coalesce(tracking_number, replace(ship_date, '/', '-')) as shipment_id,
    order_item_id,
    order_id,
    ship_date as shipped_at,
    quantity,
    if(carrier_code = 'Other', carrier_name, carrier_code) as carrier,
    tracking_number as tracking_id,
    ship_date as updated_at
from input
