-- Contact records of Amazon Connect, a cloud call centre, as it delivers them: at least once each, in any order. What a
-- contact is about stands in its attributes, under the names on the right.
-- dataset: contacts
-- keys: ContactId, InitiationTimestamp, InitiationMethod, LastUpdateTimestamp
select
    row_number,
    as_came ->> '$.ContactId' as contact_id,
    as_came ->> '$.Attributes.order_id' as order_id,
    as_came ->> '$.Attributes.order_item_id' as order_item_id,
    coalesce(as_came ->> '$.Attributes.seller_id', fact('seller')) as seller_id,
    coalesce(as_came ->> '$.Attributes.marketplace_id', fact('marketplace')) as marketplace_id,
    case as_came ->> '$.Channel' when 'VOICE' then 'phone' when 'CHAT' then 'chat' when 'EMAIL' then 'email'
        else as_came ->> '$.Channel' end as channel,
    coalesce(as_came ->> '$.Attributes.reason', fact('reason'), 'other') as reason,
    as_came ->> '$.InitiationTimestamp' as contacted_at,
    as_came ->> '$.Attributes.resolved_at' as resolved_at,
    as_came ->> '$.Attributes.is_void' as is_void,
    as_came ->> '$.LastUpdateTimestamp' as updated_at,
    -- a transfer, and whatever else goes on from a contact, is a leg of it
    case when as_came ->> '$.InitiationMethod' in ('OUTBOUND', 'EXTERNAL_OUTBOUND', 'MONITOR', 'AGENT_REPLY')
             then 'made by the service'
         when as_came ->> '$.InitiationMethod' in ('TRANSFER', 'QUEUE_TRANSFER')
             or as_came ->> '$.PreviousContactId' is not null then 'a leg of another contact'
         when as_came ->> '$.Channel' = 'TASK' then 'a task of the service'
    end as skipped
from input
