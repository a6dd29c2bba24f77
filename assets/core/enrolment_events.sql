-- One row per activation or deactivation of a seller in a marketplace, and what came of it (domain.md, "Enrolment").
-- key: seller_id, marketplace_id, effective_at, event
-- column: effective_at | from when it holds, UTC
-- column: verdict | opens or closes an interval; repeated (an activation inside one) and outside (a deactivation in
--     none) change nothing; refused: the activation opens none
-- column: refused_because | why an activation is refused; null unless it is
-- column: terms_id | the version of the terms in force at effective_at
-- column: trial_days | days of the free trial under those terms
-- check: an activation has terms in force; add a version of the terms that begins by then | event = 'deactivate' or terms_id is not null

with seller_versions as (
    -- the first version of a seller also stands for the time before it
    select
        seller_id, plan, standing, updated_at,
        row_number() over (partition by seller_id order by updated_at) = 1 as is_first,
        lead(updated_at) over (partition by seller_id order by updated_at) as replaced_at
    from in_force.sellers
),
judged as (
    select
        event.seller_id, event.marketplace_id, event.event, event.source, event.requested_at, event.effective_at,
        event.file_id, event.row_number, terms.terms_id, terms.trial_days,
        case
            when event.event = 'deactivate' then null
            when not event.terms_accepted then 'the terms were not accepted'
            when seller.seller_id is null then 'the seller is not known'
            when seller.plan <> 'professional' then 'the plan was ' || seller.plan
            when seller.standing <> 'good' then 'the standing was ' || seller.standing
        end as refused_because
    from in_force.enrolment_events as event
    left join seller_versions as seller
        on seller.seller_id = event.seller_id
        and (seller.is_first or seller.updated_at <= event.effective_at)
        and (seller.replaced_at is null or event.effective_at < seller.replaced_at)
    left join core.terms as terms
        on terms.marketplace_id = event.marketplace_id
        and terms.starts_at <= event.effective_at
        and (terms.ends_at is null or event.effective_at < terms.ends_at)
),
in_order as (
    -- at one instant a deactivation comes first; refused activations are not part of the sequence
    select
        *,
        lag(event) over (
            partition by seller_id, marketplace_id, refused_because is null
            order by effective_at, event desc
        ) as event_before
    from judged
)
select
    seller_id, marketplace_id, event, source, requested_at, effective_at,
    case
        when refused_because is not null then 'refused'
        when event = 'activate' then if(event_before = 'activate', 'repeated', 'opens')
        else if(event_before = 'activate', 'closes', 'outside')
    end as verdict,
    refused_because, terms_id, trial_days, file_id, row_number
from in_order
