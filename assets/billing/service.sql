-- One row per seller, marketplace and period with counted contacts, requests to the seller, or defects known: how the seller
-- and the service served the customers (domain.md, "Performance", "Requests, refunds and defects"). It changes no fee.
-- key: period, marketplace_id, seller_id
-- kind: view
-- column: contacts | counted contacts
-- column: contacts_resolved | those resolved within 48 hours
-- column: requests | requests of the service to the seller; null: none is known
-- column: requests_due | those whose 24 hours had passed when the period ended; null: none is known
-- column: requests_answered | those of them that were answered within 24 hours; null: none is known
-- column: requests_late | those of them that were answered later; null: none is known
-- column: requests_unanswered | those of them that were not answered; null: none is known
-- column: response_rate | for reading: requests_answered / requests_due; null where none was due
-- column: orders | as in billing.defects, like all that follow; null: no defect of the marketplace is known in the period
-- column: orders_with_defect | orders of which a defect occurred in the period
-- column: defect_rate | order defect rate, for reading: orders_with_defect / orders
-- column: a_to_z_claims | claims
-- column: negative_feedback | feedback
-- column: chargebacks | chargebacks
-- column: period_before_enrolment | the period before the one in which the seller first enrolled, if it is an earlier one of
--     which defects are known; null: it is none
-- column: orders_before | orders of that period
-- column: orders_with_defect_before | orders of which a defect occurred in that period
-- column: defect_rate_before | order defect rate of that period, for reading
-- column: a_to_z_claims_before | claims of that period
-- column: negative_feedback_before | feedback of that period
-- column: chargebacks_before | chargebacks of that period

with counts as (
    select
        period, marketplace_id, seller_id,
        1 as contacts, if(resolved_at <= contacted_at + interval 48 hours, 1, 0) as contacts_resolved,
        null as requests, null as requests_due, null as requests_answered, null as requests_late,
        null as requests_unanswered, null as orders, null as orders_with_defect, null as a_to_z_claims,
        null as negative_feedback, null as chargebacks
    from core.contacts
    where outcome = 'counted'
    union all
    select
        period, marketplace_id, seller_id, 0, 0,
        1, if(outcome <> 'not_due', 1, 0), if(outcome = 'answered', 1, 0), if(outcome = 'late', 1, 0),
        if(outcome = 'unanswered', 1, 0), null, null, null,
        null, null
    from core.requests
    where outcome <> 'unmatched'
    union all
    select
        period, marketplace_id, seller_id, 0, 0,
        null, null, null, null,
        null, orders, orders_with_defect, a_to_z_claims,
        negative_feedback, chargebacks
    from billing.defects
),
totals as (
    select
        period, marketplace_id, seller_id,
        cast(sum(contacts) as bigint) as contacts,
        cast(sum(contacts_resolved) as bigint) as contacts_resolved,
        cast(sum(requests) as bigint) as requests,
        cast(sum(requests_due) as bigint) as requests_due,
        cast(sum(requests_answered) as bigint) as requests_answered,
        cast(sum(requests_late) as bigint) as requests_late,
        cast(sum(requests_unanswered) as bigint) as requests_unanswered,
        cast(sum(orders) as bigint) as orders,
        cast(sum(orders_with_defect) as bigint) as orders_with_defect,
        cast(sum(a_to_z_claims) as bigint) as a_to_z_claims,
        cast(sum(negative_feedback) as bigint) as negative_feedback,
        cast(sum(chargebacks) as bigint) as chargebacks
    from counts
    group by period, marketplace_id, seller_id
),
months_before as (
    -- the whole month before the one of the first enrolment
    select enrolment.marketplace_id, enrolment.seller_id, before.period
    from core.enrolments as enrolment
    join core.calendar as month
        on month.marketplace_id = enrolment.marketplace_id
        and month.starts_at <= enrolment.started_at
        and enrolment.started_at < month.ends_at
    join core.calendar as before
        on before.marketplace_id = month.marketplace_id
        and before.ends_at = month.starts_at
    where enrolment.interval_number = 1
),
defects_before as (
    select defects.*
    from billing.defects as defects
    join months_before
        on months_before.period = defects.period
        and months_before.marketplace_id = defects.marketplace_id
        and months_before.seller_id = defects.seller_id
)
select
    totals.period, totals.marketplace_id, totals.seller_id, totals.contacts, totals.contacts_resolved,
    totals.requests, totals.requests_due, totals.requests_answered, totals.requests_late, totals.requests_unanswered,
    totals.requests_answered / nullif(totals.requests_due, 0) as response_rate,
    totals.orders, totals.orders_with_defect, totals.orders_with_defect / nullif(totals.orders, 0) as defect_rate,
    totals.a_to_z_claims, totals.negative_feedback, totals.chargebacks,
    before.period as period_before_enrolment, before.orders as orders_before,
    before.orders_with_defect as orders_with_defect_before, before.defect_rate as defect_rate_before,
    before.a_to_z_claims as a_to_z_claims_before, before.negative_feedback as negative_feedback_before,
    before.chargebacks as chargebacks_before
from totals
left join defects_before as before
    on before.marketplace_id = totals.marketplace_id
    and before.seller_id = totals.seller_id
    and before.period < totals.period
