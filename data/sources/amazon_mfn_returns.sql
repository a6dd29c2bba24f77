-- Amazon's report of returns to sellers by return date, with 32 columns. It has days, not times: a return counts as asked
-- for when its day began in the marketplace, which must be told of the file. Items are known by their SKU.
-- dataset: returns
-- columns: order_id, return_request_date, amazon_rma_id, label_type, label_to_be_paid_by, merchant_sku, return_quantity
-- facts: marketplace
-- read: delimiter=tab quote=
-- times: %d-%b-%Y
-- times: %Y-%m-%d
select
    row_number,
    amazon_rma_id || ':' || merchant_sku as return_id,
    order_id,
    merchant_sku as order_item_id,
    return_request_date as requested_at,
    if(label_type = 'AmazonPrePaidLabel', 'prepaid', 'other') as label,
    (select time_zone from marketplaces where marketplace_id = fact('marketplace')) as time_zone
from input
