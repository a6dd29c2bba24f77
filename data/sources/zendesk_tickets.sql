-- Tickets of Zendesk, a help desk: pages of its API, or one ticket a line. The fields of a company's own have numbers; a
-- file beside, or a folder, tells which number is the order's: orderfield, itemfield, reasonfield, sellerfield.
-- dataset: contacts
-- keys: id, created_at, updated_at, custom_fields, via
-- records: tickets[], ticket
-- facts: orderfield
with tickets as (
    select
        row_number, as_came as ticket,
        map_from_entries([
            {'field': each ->> '$.id', 'value': each ->> '$.value'}
            for each in list_distinct(json_extract(as_came, '$.custom_fields[*]'))
        ]) as fields
    from input
)
select
    row_number,
    'zendesk-' || (ticket ->> '$.id') as contact_id,
    nullif(trim(fields[fact('orderfield')]), '') as order_id,
    nullif(trim(fields[fact('itemfield')]), '') as order_item_id,
    coalesce(fields[fact('sellerfield')], fact('seller')) as seller_id,
    fact('marketplace') as marketplace_id,
    case ticket ->> '$.via.channel' when 'voice' then 'phone' when 'chat' then 'chat' when 'native_messaging' then 'chat'
        when 'messaging' then 'chat' else 'email' end as channel,
    coalesce(fields[fact('reasonfield')], 'other') as reason,
    ticket ->> '$.created_at' as contacted_at,
    -- a ticket that is solved is not touched again but to be closed, or opened anew
    if(ticket ->> '$.status' in ('solved', 'closed'), ticket ->> '$.updated_at', null) as resolved_at,
    if(ticket ->> '$.status' = 'deleted', 'true', null) as is_void,
    ticket ->> '$.updated_at' as updated_at
from tickets
