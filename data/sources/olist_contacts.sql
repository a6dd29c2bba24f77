-- Olist has no contacts: a review with a score of 2 or less stands for one, on the day it was written. Review ids are
-- shared between orders, so that a contact is a review of an order. Its seller is that of the order's first item.
-- dataset: contacts
-- file: olist_order_reviews_dataset.csv
-- join: items = olist_order_items_dataset.csv
-- zone: America/Sao_Paulo
with first_items as (
    select order_id, min_by(seller_id, order_item_id) as seller_id
    from items
    group by order_id
)
select
    input.row_number,
    input.review_id || ':' || input.order_id as contact_id,
    input.order_id,
    coalesce(first_items.seller_id, 'unknown') as seller_id,
    'A2Q3Y263D00KWC' as marketplace_id,
    'email' as channel,
    'other' as reason,
    input.review_creation_date as contacted_at,
    input.review_answer_timestamp as updated_at,
    case when try_cast(input.review_score as integer) not between 1 and 5 or try_cast(input.review_score as integer) is null
         then 'review_score: a score from 1 to 5' end as refused,
    case when try_cast(input.review_score as integer) > 2 then 'a review with more than 2 stars' end as skipped
from input
left join first_items on first_items.order_id = input.order_id
