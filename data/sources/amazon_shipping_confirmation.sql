-- The feed by which a seller confirms to Amazon what it shipped. It has days, not times: a parcel left when its day began in
-- the marketplace, which must be told of the file. A parcel is an order's items under one tracking
-- number, however that is written; without one, those of one day: a line that gets its number later is another parcel.
-- dataset: shipments
-- columns: order_id, order_item_id, quantity, ship_date, carrier_code, carrier_name, tracking_number, ship_method
-- facts: marketplace
-- read: delimiter=tab quote=
-- times: %Y-%m-%d
with lines as (
    select
        *,
        upper(regexp_replace(tracking_number, '[ -]', '', 'g')) as parcel,
        strftime(try_strptime(replace(ship_date, '/', '-'), '%Y-%m-%d'), '%Y-%m-%d') as day
    from input
)
select
    row_number,
    order_id || ':' || coalesce(nullif(parcel, ''), day, ship_date) as shipment_id,
    order_item_id,
    order_id,
    ship_date as shipped_at,
    quantity,
    if(carrier_code = 'Other', carrier_name, carrier_code) as carrier,
    tracking_number as tracking_id,
    -- the feed does not say which of two lines is the later one: of the same parcel, that which is loaded later
    '2000-01-02T00:00:00Z' as updated_at,
    (select time_zone from marketplaces where marketplace_id = fact('marketplace')) as time_zone
from lines
