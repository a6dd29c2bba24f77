-- Amazon's report of returns to its own warehouses, with 13 columns. Items are known by their SKU.
-- dataset: returns
-- columns: return_date, order_id, sku, fnsku, license_plate_number, detailed_disposition
-- read: delimiter=tab quote=
select
    row_number,
    license_plate_number as return_id,
    order_id,
    sku as order_item_id,
    return_date as requested_at,
    'other' as label
from input
