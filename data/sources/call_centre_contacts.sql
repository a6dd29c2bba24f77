-- Contact records of Amazon Connect, a cloud call centre, as it delivers them: at least once each, in any order. What a
-- contact is about stands in its attributes: order_id, order_item_id, seller_id, marketplace_id, reason; where a company calls
-- them otherwise, a file beside or a folder tells: orderfield, itemfield, sellerfield, marketplacefield, reasonfield.
-- dataset: contacts
-- keys: ContactId, InitiationTimestamp, InitiationMethod, LastUpdateTimestamp
with records as (
    select row_number, from_json(as_came, '{
        "ContactId": "VARCHAR", "InitialContactId": "VARCHAR", "PreviousContactId": "VARCHAR", "Channel": "VARCHAR",
        "InitiationMethod": "VARCHAR", "InitiationTimestamp": "VARCHAR", "LastUpdateTimestamp": "VARCHAR",
        "Attributes": "MAP(VARCHAR, VARCHAR)"
    }') as record
    from input
),
noted as (
    select row_number, record, record.Attributes as attributes, record.InitiationMethod as method,
        record.Attributes[coalesce(fact('reasonfield'), 'reason')] as reason
    from records
)
select
    row_number,
    record.ContactId as contact_id,
    attributes[coalesce(fact('orderfield'), 'order_id')] as order_id,
    attributes[coalesce(fact('itemfield'), 'order_item_id')] as order_item_id,
    coalesce(attributes[coalesce(fact('sellerfield'), 'seller_id')], fact('seller')) as seller_id,
    coalesce(attributes[coalesce(fact('marketplacefield'), 'marketplace_id')], fact('marketplace')) as marketplace_id,
    case record.Channel when 'VOICE' then 'phone' when 'CHAT' then 'chat' when 'EMAIL' then 'email'
        else record.Channel end as channel,
    coalesce(fact('reason ' || reason), reason, fact('reason'), 'other') as reason,
    record.InitiationTimestamp as contacted_at,
    attributes['resolved_at'] as resolved_at,
    attributes['is_void'] as is_void,
    record.LastUpdateTimestamp as updated_at,
    -- by interface come chats that a customer began, and calls that the service makes
    case when method in ('OUTBOUND', 'EXTERNAL_OUTBOUND', 'CAMPAIGN_PREVIEW', 'AGENT_REPLY', 'FLOW', 'MONITOR')
             or method = 'API' and record.Channel = 'VOICE' then 'made by the service'
         when method in ('TRANSFER', 'QUEUE_TRANSFER', 'DISCONNECT') or record.PreviousContactId is not null
             or record.InitialContactId <> record.ContactId then 'a leg of another contact'
         when record.Channel = 'TASK' then 'a task of the service'
    end as skipped,
    case when method not in ('INBOUND', 'CALLBACK', 'API', 'WEBRTC_API', 'OUTBOUND', 'EXTERNAL_OUTBOUND', 'MONITOR',
             'CAMPAIGN_PREVIEW', 'AGENT_REPLY', 'FLOW', 'TRANSFER', 'QUEUE_TRANSFER', 'DISCONNECT') or method is null
         then 'record: a contact with an InitiationMethod that is known' end as refused
from noted
