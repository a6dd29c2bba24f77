-- One row per defect that occurred in a period, with its one outcome (domain.md, "Requests, refunds and defects"). It is about
-- its order's first covered item, else about its first that is neither AFN nor Prime, else about its first: what sellers did
-- before they enrolled is to be compared.
-- key: period, marketplace_id, defect_id
-- column: marketplace_id | that of the item; unknown while the order is
-- column: seller_id | that of the item
-- column: order_item_id | the item it is about
-- column: occurred_at | when, UTC; decides the period
-- column: outcome | counted: the seller fulfils the item itself, enrolled or not; platform_fulfilled, prime: it does not;
--     unmatched: its order is not known yet
-- column: file_id | the file that brought it (audit.files)
-- column: row_number | its row in that file, from 1
-- check: a defect has a seller | outcome = 'unmatched' or seller_id is not null

with noted as (
    select defect_id, order_id, type, occurred_at, file_id, row_number
    from in_force.defects
    where occurred_at >= $first_instant and occurred_at < $last_instant
),
items as (
    -- one of each order that is named
    select order_id, order_item_id, marketplace_id, seller_id, coverage
    from reached.coverage
    where order_id in (select order_id from noted)
    qualify row_number() over (
        partition by order_id
        order by
            case when coverage = 'covered' then 0 when coverage in ('platform_fulfilled', 'prime') then 2 else 1 end,
            order_item_id
    ) = 1
),
lines as (
    select
        noted.*, item.order_item_id, coalesce(item.marketplace_id, 'unknown') as marketplace_id, item.seller_id,
        case
            when item.order_id is null then 'unmatched'
            when item.coverage in ('platform_fulfilled', 'prime') then item.coverage
            else 'counted'
        end as outcome
    from noted
    left join items as item
        on item.order_id = noted.order_id
)
select
    scope.period, lines.marketplace_id, lines.seller_id, lines.defect_id, lines.order_id, lines.order_item_id,
    lines.type, lines.occurred_at, lines.outcome, lines.file_id, lines.row_number
from lines
join scope
    on scope.marketplace_id = lines.marketplace_id
    and scope.starts_at <= lines.occurred_at
    and lines.occurred_at < scope.ends_at
