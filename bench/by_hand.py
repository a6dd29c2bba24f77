"""What a hand-written DuckDB script would do: read the files typed, take the latest versions, price the units, add up.

    python bench/by_hand.py FOLDER OUT.duckdb

It keeps no account of anything: no quarantine, no file and row, no checks, no waivers and rewards, one marketplace's
terms at a time. It is the yardstick for speed, and for the covered units, which must be the same.
"""

import sys
from pathlib import Path

import duckdb

DATASETS = ("sellers", "enrolment_events", "order_items", "shipments", "contacts", "returns")
TERMS = Path(__file__).parents[1] / "data" / "marketplaces.csv"

LOAD = """
create table {name} as
select * from read_csv('{folder}/{name}*.csv', union_by_name = true, header = true)
"""

BILL = """
create table marketplaces as select * from read_csv('{marketplaces}');
create view items as
    from order_items qualify row_number() over (partition by order_id, order_item_id order by updated_at desc) = 1;
create view parcels as
    from shipments qualify row_number() over (partition by shipment_id, order_item_id order by updated_at desc) = 1;
create view latest_contacts as
    from contacts qualify row_number() over (partition by contact_id order by updated_at desc) = 1;
create table intervals as
with events as (
    select distinct seller_id, marketplace_id, event, effective_at from enrolment_events where terms_accepted
),
turns as (
    select *, lag(event) over seller as event_before, lead(effective_at) over seller as next_at
    from events
    window seller as (partition by seller_id, marketplace_id order by effective_at, event desc)
)
select seller_id, marketplace_id, effective_at as started_at, next_at as ended_at
from turns where event = 'activate' and event_before is distinct from 'activate';
create table units as
select
    strftime(timezone(time_zone, parcels.shipped_at), '%Y-%m') as period, items.marketplace_id, items.seller_id,
    parcels.quantity, intervals.seller_id is not null and fulfillment = 'MFN' and not is_prime as is_covered
from parcels
join items using (order_id, order_item_id)
join marketplaces using (marketplace_id)
left join intervals
    on intervals.seller_id = items.seller_id and intervals.marketplace_id = items.marketplace_id
    and items.purchased_at >= intervals.started_at
    and (intervals.ended_at is null or items.purchased_at < intervals.ended_at)
where parcels.is_void is distinct from true;
create table performance as
with counted as (
    select strftime(timezone(time_zone, contacted_at), '%Y-%m') as period, items.marketplace_id, items.seller_id,
        count(*) as contacts
    from latest_contacts as contact
    join items using (order_id, order_item_id)
    join marketplaces on marketplaces.marketplace_id = items.marketplace_id
    where contact.is_void is distinct from true and reason not in ('invoice', 'customisation', 'pre_order')
    group by all
),
shipped as (
    select period, marketplace_id, seller_id, sum(quantity) filter (is_covered) as units from units group by all
)
select *, case when contacts <= 0.05 * units then 0.2 when contacts <= 0.1 * units then 0.4 else 0.8 end * units as fee
from shipped left join counted using (period, marketplace_id, seller_id);
"""


def main(folder: Path, out: Path) -> None:
    """Load and bill."""
    with duckdb.connect(str(out)) as con:
        con.execute("set timezone = 'UTC'")
        for name in DATASETS:
            con.execute(LOAD.format(name=name, folder=folder))
        con.execute(BILL.format(marketplaces=TERMS))
        print(con.execute("select sum(quantity) from units").fetchall()[0][0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
