-- Amazon's report of feedback on sellers, with 6 columns, by day. One or two stars are negative feedback, which counts as
-- a defect; three and more do not (Amazon's definition of the order defect rate). What customers wrote is not kept.
-- dataset: defects
-- columns: date, rating, comments, your_response, order_id, rater_email
-- facts: marketplace
-- read: delimiter=tab quote= ragged=yes
-- times: %m/%d/%y
-- times: %Y-%m-%d
with feedback as (
    select input.row_number, input.date, input.order_id, try_cast(input.rating as integer) as stars, store.time_zone
    from input
    left join marketplaces as store
        on store.marketplace_id = fact('marketplace')
)
select
    row_number,
    'feedback-' || order_id as defect_id,
    order_id,
    'negative_feedback' as type,
    date as occurred_at,
    time_zone,
    if(stars between 3 and 5, 'feedback of three stars and more', null) as skipped,
    if(stars is null or stars not between 1 and 5, 'rating: a number from 1 to 5', null) as refused
from feedback
