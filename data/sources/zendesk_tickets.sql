-- Tickets of Zendesk, a help desk: pages of its API, or one ticket a line. The fields of a company's own have numbers; a
-- file beside, or a folder, tells which number is the order's: orderfield, itemfield, reasonfield, sellerfield,
-- marketplacefield. What a company calls a reason otherwise is told as well: "reason late parcel" = "delivery".
-- dataset: contacts
-- keys: id, created_at, updated_at, custom_fields, via
-- records: tickets[], ticket
-- facts: orderfield
with records as (
    select row_number, from_json(as_came, '{
        "id": "VARCHAR", "created_at": "VARCHAR", "updated_at": "VARCHAR", "status": "VARCHAR",
        "via": {"channel": "VARCHAR"}, "metric_set": {"solved_at": "VARCHAR"},
        "custom_fields": [{"id": "VARCHAR", "value": "VARCHAR"}]
    }') as ticket
    from input
),
fields as (
    -- a field that stands there twice is the first
    select row_number, ticket,
        list_transform(ticket.custom_fields, lambda field: field.id) as ids,
        list_transform(ticket.custom_fields, lambda field: nullif(trim(field.value), '')) as texts
    from records
),
noted as (
    select row_number, ticket, ticket.via.channel as via,
        texts[list_position(ids, fact('orderfield'))] as order_id,
        texts[list_position(ids, fact('itemfield'))] as order_item_id,
        texts[list_position(ids, fact('sellerfield'))] as seller_id,
        texts[list_position(ids, fact('marketplacefield'))] as marketplace_id,
        texts[list_position(ids, fact('reasonfield'))] as reason
    from fields
)
select
    row_number,
    'zendesk-' || ticket.id as contact_id,
    order_id,
    order_item_id,
    coalesce(seller_id, fact('seller')) as seller_id,
    coalesce(marketplace_id, fact('marketplace')) as marketplace_id,
    case when via in ('voice', 'voicemail', 'phone_call_inbound') then 'phone'
         when via in ('chat', 'native_messaging', 'messaging', 'sms', 'text_message', 'whatsapp', 'line', 'wechat',
             'facebook', 'facebook_message', 'instagram_dm', 'twitter', 'twitter_dm') then 'chat'
         when via in ('email', 'mail', 'web', 'web_form', 'web_widget', 'help_center', 'api', 'web_service', 'mobile',
             'mobile_sdk', 'closed_ticket') then 'email'
         else via end as channel,
    coalesce(fact('reason ' || reason), reason, 'other') as reason,
    ticket.created_at as contacted_at,
    -- a ticket that is solved is not touched again but to be closed, or opened anew
    coalesce(
        ticket.metric_set.solved_at, if(ticket.status in ('solved', 'closed'), ticket.updated_at, null)
    ) as resolved_at,
    if(ticket.status = 'deleted', 'true', null) as is_void,
    ticket.updated_at,
    case when via in ('rule', 'system', 'phone_call_outbound', 'side_conversation', 'sample_ticket')
         then 'begun by no customer' end as skipped
from noted
