-- The parcels of the same answers, where they were asked for. A row is an item in a parcel.
-- dataset: shipments
-- keys: orderId, createdTime, salesChannel, orderItems
-- records: orders[], order
-- each: packages, packageItems
with orders as (
    select row_number, from_json(as_came, '{
        "orderId": "VARCHAR", "lastUpdatedTime": "VARCHAR", "salesChannel": {"channelName": "VARCHAR"},
        "packages": [{
            "packageReferenceId": "VARCHAR", "shipTime": "VARCHAR", "createdTime": "VARCHAR",
            "carrier": "VARCHAR", "trackingNumber": "VARCHAR", "packageStatus": {"status": "VARCHAR"},
            "packageItems": [{"orderItemId": "VARCHAR", "quantity": "VARCHAR"}]
        }]
    }') as record
    from input
),
lines as (
    select
        row_number, record, record.packages[1] as parcel, record.packages[1].packageItems[1] as item,
        coalesce(record.packages[1].packageStatus.status = 'CANCELLED', false) as is_withdrawn
    from orders
)
select
    row_number,
    record.orderId || ':' || parcel.packageReferenceId as shipment_id,
    item.orderItemId as order_item_id,
    record.orderId as order_id,
    -- one that was withdrawn may have lost its time, and must still make void what it said before
    coalesce(parcel.shipTime, if(is_withdrawn, parcel.createdTime, null)) as shipped_at,
    item.quantity,
    parcel.carrier,
    parcel.trackingNumber as tracking_id,
    if(is_withdrawn, 'true', null) as is_void,
    record.lastUpdatedTime as updated_at,
    case when upper(record.salesChannel.channelName) <> 'AMAZON' then 'sold elsewhere'
         when coalesce(len(record.packages), 0) = 0 then 'an order without parcels'
         when coalesce(len(parcel.packageItems), 0) = 0 then 'a parcel without items'
         when parcel.shipTime is null and not is_withdrawn then 'a parcel that has not been shipped'
    end as skipped
from lines
