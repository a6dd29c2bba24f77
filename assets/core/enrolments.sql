-- One row per seller, marketplace and interval of enrolment; intervals are half-open (domain.md, "Enrolment").
-- key: seller_id, marketplace_id, interval_number
-- column: interval_number | from 1, in order of time
-- column: started_at | instant of the activation, UTC
-- column: ended_at | instant of the deactivation, UTC; null: open
-- column: trial_ends_at | instant the free trial ends, UTC; only the first interval has one, the others repeat it
-- check: an interval ends after it starts | ended_at is null or started_at < ended_at
-- check: it has a trial end | trial_ends_at is not null

with turns as (
    select
        seller_id, marketplace_id, verdict, effective_at, trial_days,
        lead(effective_at) over (
            partition by seller_id, marketplace_id order by effective_at, event desc
        ) as next_turn_at
    from core.enrolment_events
    where verdict in ('opens', 'closes')
),
intervals as (
    select
        seller_id, marketplace_id,
        row_number() over seller as interval_number,
        effective_at as started_at,
        next_turn_at as ended_at,
        first_value(effective_at) over seller as first_started_at,
        first_value(trial_days) over seller as first_trial_days
    from turns
    where verdict = 'opens'
    window seller as (partition by seller_id, marketplace_id order by effective_at)
)
select
    seller_id, marketplace_id, interval_number, started_at, ended_at,
    first_started_at + first_trial_days * interval 24 hours as trial_ends_at
from intervals
