-- One row per thing that is reported and changes nothing by itself (domain.md, "Terms, and rating", "Reported, never
-- silently accepted").
-- key: period, marketplace_id, kind, subject, detail
-- chart: things reported | select period, 1 from audit.exceptions
-- column: period | the period in which it happened
-- column: kind | activation_repeated, deactivation_outside, activation_refused, activation_late,
--     deactivation_late, eligibility_lost, shipped_before_ordered, shipped_beyond_ordered, shipped_though_cancelled,
--     order_items_disagree, contact_disagrees, no_returns_loaded, enrolment_backdated, request_disagrees,
--     reply_before_request, request_unmatched, refund_unmatched, defect_unmatched
-- column: subject | the id of what it is about
-- column: order_id | the order it is about; null: it is about a seller or a marketplace
-- column: detail | what was found

-- Lines of the period's items that left before it, and perhaps a few of others: by a hash. Where there are none of the
-- period, it reads none.
create temp table shipped_earlier as
select order_id, order_item_id, shipped_at, quantity
from reached.shipments
cross join (
    select 1
    from core.units as unit
    join scope
        on scope.period = unit.period
        and scope.marketplace_id = unit.marketplace_id
    where unit.outcome not in ('void', 'unmatched')
    limit 1
)
where shipped_at < $latest_instant
    and is_void is distinct from true
    and hash(order_item_id) in (
        select hash(unit.order_item_id)
        from core.units as unit
        join scope
            on scope.period = unit.period
            and scope.marketplace_id = unit.marketplace_id
        where unit.outcome not in ('void', 'unmatched')
    );

-- Found by a hash, as whole numbers are added up faster than texts: one item too many is no harm, it is looked at.
create temp table suspect_items as
select hash(order_id, order_item_id) as item_hash
from (
    select unit.order_id, unit.order_item_id, unit.quantity, unit.quantity_ordered
    from core.units as unit
    join scope
        on scope.period = unit.period
        and scope.marketplace_id = unit.marketplace_id
    where unit.outcome not in ('void', 'unmatched')
    union all
    select order_id, order_item_id, quantity, null
    from shipped_earlier
)
group by item_hash
having sum(quantity) > min(quantity_ordered);

-- Found by a hash as well, and then looked at.
create temp table suspect_orders as
select hash(order_id) as order_hash
from reached.order_items
where purchased_at >= $first_instant and purchased_at < $last_instant
group by order_hash
having min(hash(seller_id, marketplace_id, purchased_at)) <> max(hash(seller_id, marketplace_id, purchased_at));

-- Items that were ordered outside of the period, of orders of which another was ordered in it.
create temp table items_of_other_times as
select file_id, row_number, hash(order_id) as order_hash
from reached.order_items
where (purchased_at < $first_instant or purchased_at >= $last_instant)
    and hash(order_id) in (
        select hash(order_id) from reached.order_items where purchased_at >= $first_instant and purchased_at < $last_instant
    );

with events as (
    select scope.period, event.*
    from core.enrolment_events as event
    join scope
        on scope.marketplace_id = event.marketplace_id
        and scope.starts_at <= event.effective_at
        and event.effective_at < scope.ends_at
),
event_exceptions as (
    select
        period, marketplace_id, seller_id,
        case verdict
            when 'repeated' then 'activation_repeated'
            when 'outside' then 'deactivation_outside'
            else 'activation_refused'
        end as kind,
        seller_id || ' ' || effective_at as subject, cast(null as varchar) as order_id,
        coalesce(refused_because, if(verdict = 'repeated', 'it was enrolled already', 'it was not enrolled')) as detail
    from events
    where verdict in ('repeated', 'outside', 'refused')
    union all
    select
        period, marketplace_id, seller_id, if(event = 'activate', 'activation_late', 'deactivation_late'),
        seller_id || ' ' || effective_at, null, 'asked for at ' || requested_at || ' UTC'
    from events
    where effective_at - requested_at > interval 1 hour
),
seller_versions as (
    select
        seller_id, plan, standing, updated_at,
        plan = 'professional' and standing = 'good' as is_eligible,
        lag(plan = 'professional' and standing = 'good', 1, true) over (
            partition by seller_id order by updated_at
        ) as was_eligible
    from in_force.sellers
    where seller_id in (
        select seller_id from in_force.sellers where updated_at >= $first_instant and updated_at < $last_instant
    )
),
eligibility_lost as (
    select
        scope.period, enrolment.marketplace_id, version.seller_id, 'eligibility_lost' as kind,
        version.seller_id || ' ' || version.updated_at as subject, cast(null as varchar) as order_id,
        'plan ' || version.plan || ', standing ' || version.standing || '; it stays enrolled' as detail
    from seller_versions as version
    join core.enrolments as enrolment
        on enrolment.seller_id = version.seller_id
        and enrolment.started_at <= version.updated_at
        and (enrolment.ended_at is null or version.updated_at < enrolment.ended_at)
    join scope
        on scope.marketplace_id = enrolment.marketplace_id
        and scope.starts_at <= version.updated_at
        and version.updated_at < scope.ends_at
    where version.was_eligible and not version.is_eligible
),
units as not materialized (
    select unit.*
    from core.units as unit
    join scope
        on scope.period = unit.period
        and scope.marketplace_id = unit.marketplace_id
    where unit.outcome not in ('void', 'unmatched')
),
shipped_before_ordered as (
    select
        period, marketplace_id, seller_id, 'shipped_before_ordered' as kind,
        shipment_id as subject, order_id,
        'item ' || order_item_id || ' shipped ' || shipped_at || ', ordered ' || purchased_at || ' UTC' as detail
    from units
    where shipped_at < purchased_at
),
cancelled as not materialized (
    select order_id, order_item_id, updated_at from reached.order_items where is_cancelled
),
shipped_though_cancelled as (
    select
        units.period, units.marketplace_id, units.seller_id, 'shipped_though_cancelled' as kind,
        units.shipment_id as subject, units.order_id,
        'item ' || units.order_item_id || ' shipped ' || units.shipped_at || ', cancelled as of ' || cancelled.updated_at
            || ' UTC' as detail
    from units
    join cancelled
        on cancelled.order_id = units.order_id
        and cancelled.order_item_id = units.order_item_id
),
shipped_now as (
    select period, marketplace_id, seller_id, order_id, order_item_id, quantity_ordered, sum(quantity) as quantity
    from units
    where hash(order_id, order_item_id) in (select item_hash from suspect_items)
    group by all
),
shipped_so_far as (
    -- all that was shipped of an item until the end of the period, in whichever period
    select
        shipped_now.period, shipped_now.marketplace_id, shipped_now.seller_id, shipped_now.order_id,
        shipped_now.order_item_id, shipped_now.quantity_ordered,
        any_value(shipped_now.quantity) + coalesce(sum(earlier.quantity), 0) as quantity_so_far
    from shipped_now
    join scope
        on scope.period = shipped_now.period
        and scope.marketplace_id = shipped_now.marketplace_id
    left join shipped_earlier as earlier
        on earlier.order_id = shipped_now.order_id
        and earlier.order_item_id = shipped_now.order_item_id
        and earlier.shipped_at < scope.starts_at
    group by all
),
shipped_beyond_ordered as (
    -- of a cancelled item nobody knows how many had been ordered
    select
        period, marketplace_id, seller_id, 'shipped_beyond_ordered' as kind, order_id as subject, order_id,
        'item ' || order_item_id || ': ' || quantity_so_far || ' units shipped of ' || quantity_ordered
            || ' ordered' as detail
    from shipped_so_far anti join cancelled using (order_id, order_item_id)
    where quantity_so_far > quantity_ordered
),
doubtful_items as (
    -- in two parts: items of other times are read where there is one
    select order_id, order_item_id, seller_id, marketplace_id, purchased_at
    from reached.order_items
    where purchased_at >= $first_instant and purchased_at < $last_instant
        and hash(order_id) in (
            select order_hash from suspect_orders union all select order_hash from items_of_other_times
        )
    union all
    select order_id, order_item_id, seller_id, marketplace_id, purchased_at
    from reached.order_items semi join items_of_other_times using (file_id, row_number)
),
disagreeing_orders as (
    select
        order_id,
        min_by(marketplace_id, order_item_id) as marketplace_id,
        min_by(seller_id, order_item_id) as seller_id,
        min_by(purchased_at, order_item_id) as purchased_at,
        count(distinct seller_id) as sellers,
        count(distinct marketplace_id) as marketplaces,
        count(distinct purchased_at) as times
    from doubtful_items
    group by order_id
    having min(seller_id) <> max(seller_id)
        or min(marketplace_id) <> max(marketplace_id)
        or min(purchased_at) <> max(purchased_at)
),
order_items_disagree as (
    select
        scope.period, found.marketplace_id, found.seller_id, 'order_items_disagree' as kind,
        found.order_id as subject, found.order_id,
        found.sellers || ' sellers, ' || found.marketplaces || ' marketplaces, ' || found.times || ' times' as detail
    from disagreeing_orders as found
    join scope
        on scope.marketplace_id = found.marketplace_id
        and scope.starts_at <= found.purchased_at
        and found.purchased_at < scope.ends_at
),
contacts as not materialized (
    select seller_id, marketplace_id, file_id, row_number
    from in_force.contacts
    where contacted_at >= $first_instant and contacted_at < $last_instant
),
contact_disagrees as (
    select
        about.period, about.marketplace_id, about.seller_id, 'contact_disagrees' as kind,
        about.contact_id as subject, about.order_id,
        'it says seller ' || said.seller_id || ' in ' || said.marketplace_id || '; the item decides' as detail
    from core.contacts as about
    join scope
        on scope.period = about.period
        and scope.marketplace_id = about.marketplace_id
    join contacts as said
        on said.file_id = about.file_id
        and said.row_number = about.row_number
    where about.seller_id is not null
        and (said.seller_id <> about.seller_id or said.marketplace_id <> about.marketplace_id)
),
unrewarded as (
    select marketplace_id, terms_id
    from core.terms
    where aprl_at_least is not null
        and marketplace_id not in (select marketplace_id from core.marketplaces_with_returns)
),
no_returns_loaded as (
    select distinct
        period, marketplace_id, cast(null as varchar) as seller_id, 'no_returns_loaded' as kind,
        terms_id as subject, cast(null as varchar) as order_id,
        'rewards need returns, and none were ever loaded: no reward is given' as detail
    from units semi join unrewarded using (marketplace_id, terms_id)
    where outcome = 'chargeable'
),
enrolment_backdated as (
    select
        cause.period, cause.marketplace_id, cause.seller_id, 'enrolment_backdated' as kind,
        cause.seller_id as subject, cast(null as varchar) as order_id,
        'an event or seller version of load ' || cause.load_id || ' changed what was covered after the close' as detail
    from billing.late_causes as cause
    join scope
        on scope.period = cause.period
        and scope.marketplace_id = cause.marketplace_id
    where cause.cause = 'enrolment_changed'
),
requests as not materialized (
    select request.*
    from core.requests as request
    join scope
        on scope.period = request.period
        and scope.marketplace_id = request.marketplace_id
),
request_disagrees as (
    select
        about.period, about.marketplace_id, about.seller_id, 'request_disagrees' as kind,
        about.request_id as subject, about.order_id,
        'it was made to seller ' || said.seller_id || ', who has no item of the order; the order decides' as detail
    from requests as about
    join in_force.seller_requests as said
        on said.request_id = about.request_id
    where said.seller_id <> about.seller_id
),
reply_before_request as (
    select
        period, marketplace_id, seller_id, 'reply_before_request' as kind, request_id as subject, order_id,
        'asked ' || requested_at || ', answered ' || replied_at || ' UTC' as detail
    from requests
    where replied_at < requested_at
),
without_an_order as (
    select period, marketplace_id, seller_id, 'request_unmatched' as kind, request_id as subject, order_id,
        'its order is not known yet' as detail
    from requests
    where outcome = 'unmatched'
    union all
    select refund.period, refund.marketplace_id, refund.seller_id, 'refund_unmatched', refund.refund_id, refund.order_id,
        'item ' || refund.order_item_id || ' of its order is not known yet'
    from core.refunds as refund
    join scope
        on scope.period = refund.period
        and scope.marketplace_id = refund.marketplace_id
    where refund.outcome = 'unmatched'
    union all
    select defect.period, defect.marketplace_id, defect.seller_id, 'defect_unmatched', defect.defect_id, defect.order_id,
        'its order is not known yet'
    from core.defects as defect
    join scope
        on scope.period = defect.period
        and scope.marketplace_id = defect.marketplace_id
    where defect.outcome = 'unmatched'
)
select * from event_exceptions
union all by name select * from eligibility_lost
union all by name select * from shipped_before_ordered
union all by name select * from shipped_beyond_ordered
union all by name select * from shipped_though_cancelled
union all by name select * from order_items_disagree
union all by name select * from contact_disagrees
union all by name select * from no_returns_loaded
union all by name select * from enrolment_backdated
union all by name select * from request_disagrees
union all by name select * from reply_before_request
union all by name select * from without_an_order
