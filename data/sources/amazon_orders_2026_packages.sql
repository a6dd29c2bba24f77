-- The parcels of the same answers, where they were asked for. A row is an item in a parcel.
-- dataset: shipments
-- keys: orderId, createdTime, salesChannel, orderItems
-- records: orders[], order
-- each: packages, packageItems
with lines as (
    select
        row_number, as_came as record, as_came -> '$.packages[0]' as parcel,
        as_came -> '$.packages[0].packageItems[0]' as item,
        upper(coalesce(as_came ->> '$.salesChannel.channelName', 'AMAZON')) as channel
    from input
)
select
    row_number,
    (record ->> '$.orderId') || ':' || (parcel ->> '$.packageReferenceId') as shipment_id,
    item ->> '$.orderItemId' as order_item_id,
    record ->> '$.orderId' as order_id,
    parcel ->> '$.shipTime' as shipped_at,
    item ->> '$.quantity' as quantity,
    parcel ->> '$.carrier' as carrier,
    parcel ->> '$.trackingNumber' as tracking_id,
    if(parcel ->> '$.packageStatus.status' = 'CANCELLED', 'true', null) as is_void,
    record ->> '$.lastUpdatedTime' as updated_at,
    case when channel <> 'AMAZON' then 'sold elsewhere'
         when coalesce(json_array_length(record, '$.packages'), 0) = 0 then 'an order without parcels'
         when coalesce(json_array_length(parcel, '$.packageItems'), 0) = 0 then 'a parcel without items'
         when parcel ->> '$.shipTime' is null then 'a parcel that has not been shipped'
    end as skipped
from lines
