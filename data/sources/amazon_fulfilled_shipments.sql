-- Amazon's report of shipments that it fulfilled, with 48 columns, in Japan with 49. It does not say whether tracking was valid.
-- dataset: shipments
-- columns: amazon_order_id, shipment_id, amazon_order_item_id, shipment_date, reporting_date, quantity_shipped, tracking_number
-- optional: carrier
-- read: delimiter=tab quote=
select
    row_number,
    shipment_id,
    amazon_order_item_id as order_item_id,
    amazon_order_id as order_id,
    shipment_date as shipped_at,
    quantity_shipped as quantity,
    carrier,
    tracking_number as tracking_id,
    reporting_date as updated_at
from input
