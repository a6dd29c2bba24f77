-- Amazon's report of returns to sellers by return date, with 32 columns. It has days, not times: a return counts as asked
-- for when its day began in the marketplace, which must be told of the file. Items are known by their SKU.
-- dataset: returns
-- columns: order_id, return_request_date, amazon_rma_id, label_type, label_to_be_paid_by, merchant_sku, return_quantity
-- facts: marketplace
-- read: delimiter=tab quote=
-- times: %d-%b-%Y
-- times: %Y-%m-%d
with labelled as (
    -- however it is written; an error of a spreadsheet is none
    select *, nullif(if(starts_with(label_type, '#'), '', lower(regexp_replace(label_type, '[^A-Za-z]', '', 'g'))), '') as known_label
    from input
)
select
    row_number,
    amazon_rma_id || ':' || merchant_sku as return_id,
    order_id,
    merchant_sku as order_item_id,
    return_request_date as requested_at,
    if(known_label = 'amazonprepaidlabel', 'prepaid', 'other') as label,
    (select time_zone from marketplaces where marketplace_id = fact('marketplace')) as time_zone,
    case when known_label is null then 'label_type: the name of a label' end as refused
from labelled
