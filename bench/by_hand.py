"""The yardstick: what a hand-written DuckDB script would do, in two commands.

    python bench/by_hand.py load FOLDER OUT.duckdb
    python bench/by_hand.py bill OUT.duckdb 2026-03

`load` is `create table as select * from read_csv` and nothing else. `bill` works out one month in plain SQL: the latest
version of each row, who was enrolled when, the outcome of every unit whose item is known, the contacts that count,
performance, and the fee lines, whose totals must be csba's (`run.py` compares them). It keeps no account of anything
else: no quarantine, no file and row, no closed months, no checks, no exceptions, nothing that could be asked for again.
"""

import sys
from pathlib import Path

import duckdb
from cards import DATA, PARTS, read_cards

DATASETS = ("sellers", "enrolment_events", "order_items", "shipments", "contacts", "returns")
RATE = f"cast(? / {PARTS}.0 as decimal(9, 4))"
"""A rate or a fee, from its parts."""

BILL = """
create or replace table month as
select marketplace_id, currency, minor_units,
    timezone(time_zone, timestamp '{period}-01') as starts_at,
    timezone(time_zone, timestamp '{period}-01' + interval 1 month) as ends_at,
    timezone(time_zone, timestamp '{period}-01' - interval 2 month) as quarter_starts_at
from read_csv('{marketplaces}');

create or replace temp table items as
select order_id, order_item_id, seller_id, marketplace_id, purchased_at, fulfillment, is_prime
from order_items qualify row_number() over (partition by order_id, order_item_id order by updated_at desc) = 1;

create or replace temp table parcels as
select shipment_id, order_item_id, order_id, shipped_at, quantity, is_tracking_valid, is_void
from shipments qualify row_number() over (partition by shipment_id, order_item_id order by updated_at desc) = 1;

create or replace temp table calls as
select contact_id, order_id, order_item_id, reason, contacted_at, is_void
from contacts qualify row_number() over (partition by contact_id order by updated_at desc) = 1;

create or replace table dated_terms as
select terms.*, timezone(time_zone, from_date::timestamp) as starts_at,
    lead(timezone(time_zone, from_date::timestamp)) over (partition by marketplace_id order by from_date) as ends_at
from terms join read_csv('{marketplaces}') using (marketplace_id);

create or replace table intervals as
with versions as (
    select *, row_number() over (partition by seller_id order by updated_at) = 1 as is_first,
        lead(updated_at) over (partition by seller_id order by updated_at) as replaced_at
    from (select distinct seller_id, plan, standing, updated_at from sellers)
),
events as (
    select distinct event.seller_id, event.marketplace_id, event.event, event.effective_at
    from enrolment_events as event
    left join versions as version
        on version.seller_id = event.seller_id and (is_first or updated_at <= effective_at)
        and (replaced_at is null or effective_at < replaced_at)
    where event = 'deactivate' or (terms_accepted and plan = 'professional' and standing = 'good')
),
turns as (
    select * from events
    qualify (event = 'activate') <> (coalesce(
        lag(event) over (partition by seller_id, marketplace_id order by effective_at, event desc), ''
    ) = 'activate')
),
opened as (
    select seller_id, marketplace_id, event, effective_at as started_at,
        lead(effective_at) over (partition by seller_id, marketplace_id order by effective_at) as ended_at
    from turns
)
select opened.seller_id, opened.marketplace_id, opened.started_at, opened.ended_at,
    first_value(opened.started_at + trial_days * interval 24 hours) over (
        partition by opened.seller_id, opened.marketplace_id order by opened.started_at
    ) as trial_ends_at,
    row_number() over (partition by opened.seller_id, opened.marketplace_id order by opened.started_at) as number
from opened join dated_terms as terms
    on terms.marketplace_id = opened.marketplace_id and terms.starts_at <= opened.started_at
    and (terms.ends_at is null or opened.started_at < terms.ends_at)
where event = 'activate';

create or replace temp view coverage as
select items.*, opening.trial_ends_at,
    case when fulfillment = 'AFN' then 'platform_fulfilled' when is_prime then 'prime'
        when opening.seller_id is null then 'never_enrolled'
        when purchased_at < opening.started_at then 'before_enrolment'
        when during.seller_id is null then 'opted_out' else 'covered' end as coverage
from items
left join intervals as opening
    on opening.seller_id = items.seller_id and opening.marketplace_id = items.marketplace_id and opening.number = 1
left join intervals as during
    on during.seller_id = items.seller_id and during.marketplace_id = items.marketplace_id
    and during.started_at <= purchased_at and (during.ended_at is null or purchased_at < during.ended_at);

create or replace table units as
with lines as (
    select parcels.shipment_id, parcels.order_id, parcels.order_item_id, item.marketplace_id, item.seller_id,
        parcels.shipped_at, parcels.quantity, parcels.is_tracking_valid,
        case when is_void then 'void' when coverage <> 'covered' then coverage
            when shipped_at < trial_ends_at then 'trial' else 'chargeable' end as outcome
    from parcels
    left join coverage as item on item.order_id = parcels.order_id and item.order_item_id = parcels.order_item_id
)
select lines.*, terms_id
from lines
join month
    on month.marketplace_id = lines.marketplace_id and month.starts_at <= shipped_at and shipped_at < month.ends_at
left join dated_terms as terms
    on terms.marketplace_id = lines.marketplace_id and terms.starts_at <= shipped_at
    and (terms.ends_at is null or shipped_at < terms.ends_at);

create or replace table counted as
with named as (
    select calls.*, coalesce(order_item_id, first_item_id) as about_item_id
    from calls
    left join (
        select order_id, coalesce(min(order_item_id) filter (coverage = 'covered'), min(order_item_id)) as first_item_id
        from coverage where order_id in (select order_id from calls where order_item_id is null) group by order_id
    ) using (order_id)
)
select contact_id, item.marketplace_id, item.seller_id
from named
join coverage as item on item.order_id = named.order_id and item.order_item_id = named.about_item_id
join month
    on month.marketplace_id = item.marketplace_id and month.starts_at <= contacted_at and contacted_at < month.ends_at
where not coalesce(is_void, false) and coverage = 'covered' and contacted_at >= purchased_at
    and reason not in ('invoice', 'customisation', 'pre_order');

create or replace table performance as
with shipped as (
    select marketplace_id, seller_id, sum(quantity) as units,
        coalesce(sum(quantity) filter (is_tracking_valid), 0) as units_valid_tracking
    from units where outcome in ('trial', 'chargeable') group by all
),
asked as (select marketplace_id, seller_id, count(*) as contacts from counted group by all),
sent_back as (
    select item.marketplace_id, item.seller_id, count(*) as returns,
        count(*) filter (label = 'prepaid') as returns_prepaid
    from (select distinct return_id, order_id, order_item_id, requested_at, label from returns) as returned
    join coverage as item on item.order_id = returned.order_id and item.order_item_id = returned.order_item_id
    join month
        on month.marketplace_id = item.marketplace_id and month.starts_at <= requested_at
        and requested_at < month.ends_at
    where coverage = 'covered' group by all
),
quarter as (
    select items.marketplace_id, seller_id, count(distinct order_id) as orders_in_quarter
    from items join month
        on month.marketplace_id = items.marketplace_id and month.quarter_starts_at <= purchased_at
        and purchased_at < month.ends_at
    where fulfillment = 'MFN' and not is_prime group by all
)
select marketplace_id, seller_id, coalesce(units, 0) as units, coalesce(contacts, 0) as contacts,
    coalesce(units_valid_tracking, 0) as units_valid_tracking, coalesce(returns, 0) as returns,
    coalesce(returns_prepaid, 0) as returns_prepaid, coalesce(orders_in_quarter, 0) as orders_in_quarter
from shipped full join asked using (marketplace_id, seller_id) full join sent_back using (marketplace_id, seller_id)
left join quarter using (marketplace_id, seller_id);

create or replace table fee_lines as
with covered as (
    select marketplace_id, seller_id, terms_id, if(outcome = 'trial', 'trial', 'charge') as kind, sum(quantity) as units
    from units where outcome in ('trial', 'chargeable') group by all
),
tiered as (
    select covered.*, tier, fee, discount,
        case when contacts < cpu_below * performance.units then 'cpu_below'
            when orders_in_quarter < orders_in_quarter_below then 'orders_in_quarter_below' end as waiver,
        coalesce(units_valid_tracking >= vtr_at_least * performance.units, true)
            and (aprl_at_least is null or returns_prepaid >= aprl_at_least * returns) as is_rewarded
    from covered
    join performance using (marketplace_id, seller_id)
    join dated_terms as terms using (marketplace_id, terms_id)
    join tiers on tiers.terms_id = covered.terms_id and (
        up_to is null or contacts < up_to * performance.units
        or (contacts = up_to * performance.units and not is_exclusive))
    qualify row_number() over (partition by marketplace_id, seller_id, covered.terms_id, kind order by tier) = 1
)
select marketplace_id, seller_id, terms_id, kind, cast(units as bigint) as units,
    cast(case when kind = 'trial' or waiver is not null then 0
        else round(cast(units as decimal(12, 0)) * fee * cast(1 - if(is_rewarded, discount, 0) as decimal(5, 4)), 2)
        end as decimal(18, 4)) as amount
from tiered;
"""


def load(folder: Path, out: Path) -> None:
    """Read the files into tables, with the types that the engine finds."""
    with duckdb.connect(str(out)) as con:
        con.execute("set timezone = 'UTC'")
        for name in DATASETS:
            con.execute(f"create table {name} as select * from read_csv('{folder}/{name}*.csv')")


def bill(out: Path, period: str) -> None:
    """Bill a month; prints the covered units, the lines and what is charged, as `units lines amount`."""
    with duckdb.connect(str(out)) as con:
        con.execute("set timezone = 'UTC'")
        con.execute(
            "create or replace table terms (marketplace_id text, terms_id text, from_date date, trial_days int,"
            " cpu_below decimal(9, 4), orders_in_quarter_below int,"
            " vtr_at_least decimal(9, 4), aprl_at_least decimal(9, 4))"
        )
        con.execute(
            "create or replace table tiers (terms_id text, tier int, up_to decimal(9, 4), is_exclusive bool,"
            " fee decimal(9, 4), discount decimal(5, 4))"
        )
        terms, tiers = read_cards()
        for each in terms:
            query = f"insert into terms values (?, ?, ?, ?, {RATE}, ?, {RATE}, {RATE})"
            con.execute(query, list(each.values()))
        for each in tiers:
            con.execute(f"insert into tiers values (?, ?, {RATE}, ?, {RATE}, {RATE})", list(each.values()))
        con.execute(BILL.format(period=period, marketplaces=DATA / "marketplaces.csv"))
        print(*con.execute("select sum(units)::bigint, count(*), sum(amount) from fee_lines").fetchall()[0])


if __name__ == "__main__":
    _, command, *given = sys.argv
    if command == "load":
        load(Path(given[0]), Path(given[1]))
    else:
        bill(Path(given[0]), given[1])
