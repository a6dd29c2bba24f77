-- Amazon's report of feedback on a seller, with 6 columns. One or two stars are negative and a defect; three or more are none.
-- An order has one feedback at most. It has days, not times, of the marketplace that must be told of the file; in the United
-- States the month comes first, elsewhere the file must say `dates`, unless the year comes first. What was written, and by
-- whom, is not taken.
-- dataset: defects
-- columns: date, rating, comments, your_response, order_id
-- facts: marketplace
-- read: delimiter=tab quote= ragged=yes
-- times: %Y-%m-%d
with told as (
    select
        *,
        replace(date, '.', '/') as day,
        coalesce(fact('dates'), if(fact('marketplace') = 'ATVPDKIKX0DER', 'month-day-year', null)) as dates
    from input
),
dated as (
    select
        *,
        case
            when regexp_full_match(day, '[0-9]{4}/.*') then try_strptime(day, '%Y/%m/%d')
            when dates = 'month-day-year' then try_strptime(day, ['%m/%d/%y', '%m/%d/%Y'])
            when dates = 'day-month-year' then try_strptime(day, ['%d/%m/%y', '%d/%m/%Y'])
        end as occurred_on,
        try_cast(rating as decimal(3, 1)) as stars
    from told
)
select
    row_number,
    'feedback:' || order_id as defect_id,
    order_id,
    'negative_feedback' as type,
    coalesce(strftime(occurred_on, '%Y-%m-%d'), date) as occurred_at,
    (select time_zone from marketplaces where marketplace_id = fact('marketplace')) as time_zone,
    case
        when not coalesce(stars in (1, 2, 3, 4, 5), false) then 'rating: a number of stars from 1 to 5'
        when stars <= 2 and occurred_on is null and dates is null and regexp_full_match(day, '[0-9]+/[0-9]+/[0-9]+')
            then 'date: a day of a file that says `dates`, as month-day-year or day-month-year'
    end as refused,
    case when stars > 2 then 'feedback with more than 2 stars' end as skipped
from dated
