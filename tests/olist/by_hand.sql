-- The Olist months by hand, from the files alone: what each seller shipped, how often its customers were unhappy, and
-- what it would owe under the (illustrative) Brazilian terms. Times in the files are local to São Paulo, so that a month
-- of the file is a billing period. Run it in DuckDB in the folder of the files.
with items as (
    select
        item.order_id, cast(item.order_item_id as varchar) as order_item_id, item.seller_id,
        placed.order_purchase_timestamp as purchased_at, placed.order_delivered_carrier_date as shipped_at
    from read_csv('olist_order_items_dataset.csv') as item
    join read_csv('olist_orders_dataset.csv') as placed using (order_id)
),
shipped as (
    -- enrolled from 2017-01-01, free for 30 days
    select strftime(shipped_at, '%Y-%m') as period, seller_id, count(*) as units
    from items
    where shipped_at is not null and purchased_at >= timestamp '2017-01-01' and shipped_at >= timestamp '2017-01-31'
    group by all
),
first_items as (
    select order_id, min_by(seller_id, (purchased_at < timestamp '2017-01-01', order_item_id)) as seller_id,
        min(purchased_at) as purchased_at
    from items
    group by order_id
),
contacts as (
    -- a review of two stars or fewer stands for a contact, about the order's first covered item
    select strftime(review_creation_date, '%Y-%m') as period, seller_id, count(*) as contacts
    from read_csv('olist_order_reviews_dataset.csv') as review
    join first_items using (order_id)
    where review_score <= 2 and purchased_at >= timestamp '2017-01-01' and review_creation_date >= purchased_at
    group by all
),
rated as (
    select
        period, seller_id, units, coalesce(contacts, 0) as contacts,
        case
            when coalesce(contacts, 0) * 100 <= 5 * units then 1
            when coalesce(contacts, 0) * 100 <= 10 * units then 2
            else 3
        end as tier
    from shipped
    left join contacts using (period, seller_id)
)
select
    period, seller_id, units, contacts, tier,
    units * case tier when 1 then 0.50 when 2 then 1.00 else 2.00 end as amount
from rated
where period between '2018-01' and '2018-08'
order by period, seller_id
