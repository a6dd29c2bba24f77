"""A synthetic world of any size, as files in canonical columns: what `csba generate` writes.

The world is skewed as real marketplaces are (a few sellers hold most units, few have customers who need much help), and
holds every case that the rules of billing know: late, repeated, corrected and withdrawn rows, mixed orders, sellers who
come, go and are refused. A month's files hold what was delivered in it. No row breaks its contract.

The same arguments give the same bytes: every draw is a hash of the seed, the name of what is drawn, and a key. Rows are
made by DuckDB, month by month, in a scratch database beside the files, so that memory does not grow with the size.

Does not belong here: files that are wrong on purpose (tests make their own), and what the rows mean (`assets/core`).
"""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

FIRST_MONTH = "2020-02"
"""Before, some marketplaces have no terms, and sellers would have been activated before the first."""
MEMORY = "2GB"
"""Beyond it DuckDB goes on in the scratch folder."""
SELLER_SKEW = 0.2
"""Sellers share the orders by a Pareto law of this exponent: of 1,000 sellers the first ten hold half."""
LARGE_SELLERS = 3
"""So many of the largest sellers are in good standing at first, and enrolled long before the first month."""
QUANTITY_SKEW, MOST_QUANTITY = 2.5, 100
"""Quantities follow a Pareto law: five of six are 1."""
MEAN_QUANTITY = sum(k**-QUANTITY_SKEW for k in range(1, MOST_QUANTITY + 1))
MEAN_DELAY_DAYS = 1.6
"""From purchase to shipping; what is bought in the last days is not shipped in the months asked for."""
SEASON = (0.92, 0.88, 0.94, 0.94, 0.97, 0.95, 1.02, 0.98, 0.95, 1.02, 1.30, 1.45)
"""Orders in each calendar month, beside the mean."""

ORDER_RATES = {"second item": 0.22, "third item": 0.27, "two sellers": 0.015, "mixed order": 0.15}
"""Third item: of orders with two. Two sellers: of those with several. Mixed, in fulfilment: of those with three."""
ITEM_RATES = {"cancelled": 0.02, "corrected item": 0.01, "split": 0.3, "shipped beyond": 0.003, "returned": 0.05}
"""Split: of items of several units, over two parcels. Shipped beyond: one more than was ordered."""
PARCEL_RATES = {"shipped early": 0.003, "void parcel": 0.01, "untracked": 0.005, "tracked later": 0.01}
"""Shipped early: before it was ordered. Tracked later: whether the tracking is valid comes as a correction."""
CONTACT_RATES = {"second contact": 0.28, "void contact": 0.03, "corrected contact": 0.03}
ROW_RATES = {"late": 0.01, "repeated": 0.008, "noted wrongly": 0.01, "zulu": 0.1}
"""Late: delivered a month later. Noted wrongly: with another seller than the item's. Zulu: its times are in UTC."""
SERVICE_RATES = {"asked": 0.04, "refunded": 0.05, "defective": 0.02, "unheard of": 0.04, "wrong seller": 0.01}
"""Asked: its seller, by the service. Defective: with a claim, feedback or chargeback. Unheard of: a defect's order.
Wrong seller: a request to one who has no item of the order."""
RATES = ORDER_RATES | ITEM_RATES | PARCEL_RATES | CONTACT_RATES | ROW_RATES | SERVICE_RATES

STORIES = """
    ('steady', 0.56, ['activate long_ago automatic true']),
    ('new', 0.15, ['activate midway seller true']),
    ('recent', 0.08, ['activate recently automatic true']),
    ('leaves', 0.03, ['activate long_ago automatic true', 'deactivate midway seller true']),
    ('returns', 0.05, ['activate long_ago seller true', 'deactivate midway seller true', 'activate later seller true']),
    ('repeats', 0.03, ['activate long_ago seller true', 'activate midway seller true']),
    ('leaves first', 0.03, ['deactivate long_ago seller true', 'activate recently seller true']),
    ('refused', 0.03, ['activate long_ago seller false'])"""
"""Stories of enrolment: share of sellers, and events: what, when, by whom, terms accepted. The rest never enrol."""

NAMES = """
    ('US', 'en', ' ', ['Harborlight', 'Copperfold', 'Redmesa', 'Larkmoor'], ['Goods LLC', 'Supply, Inc.', 'Home']),
    ('GB', 'en-GB', ' ', ['Thistledown', 'Marlfield', 'O''Dunmore'], ['Wares Ltd', '& Daughters', 'Sundries']),
    ('DE', 'de', ' ', ['Grünhöfer', 'Lößtal', 'Weißdorn', 'Süderbrück'], ['Handels GmbH', '& Söhne KG', 'Versand']),
    ('JP', 'ja', '', ['青葉野', '若松谷', 'みなと風', '月見坂', '小鳥沢', '雪椿'], ['商店', '株式会社', '工房']),
    ('CN', 'zh-Hans', '', ['杭州清禾里', '广州星屿', '义乌晨麦', '宁波松语'], ['贸易有限公司', '科技有限公司']),
    ('FR', 'fr', ' ', ['Étoile-du-Pré', 'Verdoyère', 'L''Œuvrette', 'Forêt d''Épices'], ['SARL', 'et Cie', 'Négoce']),
    ('IT', 'it', ' ', ['Colleverde', 'Città Lieta', 'Bell''Uliveto', 'Perché No'], ['S.r.l.', '& Figli', 'Botteghe'])"""
"""Country, language, what joins the parts of a name, first and last parts, all invented. Others have the US ones."""


@dataclass(frozen=True)
class Market:
    """A marketplace to generate for: its id, country (ISO 3166-1), language (BCP 47), IANA time zone and currency."""

    marketplace_id: str
    country: str
    language: str
    time_zone: str
    currency: str
    minor_units: int


Progress = Callable[[str, int, int], None]
"""Called with each file's name when it is written, the files written so far, and all files."""


def generate(
    out: Path,
    *,
    markets: Sequence[Market],
    sellers: int,
    units: int,
    months: Sequence[str],
    seed: int,
    has_service: bool = False,
    progress: Progress = lambda *_: None,
) -> list[Path]:
    """Write a world into the folder `out`; returns its files in the order in which to load them.

    With `has_service` there are requests to sellers, refunds and defects too; all else is the same to the byte.
    `units` are the units shipped in all `months` together, within a few per cent. `months` are billing periods that
    follow each other, such as `2026-06`. The first market is home to three fifths of the sellers. The same arguments
    give the same bytes. Raises `ValueError` for arguments that give no world, and for a folder that is not empty.
    """
    _refuse_unusable(out, markets, sellers, units, months)
    out.mkdir(parents=True, exist_ok=True)
    monthly = MONTHLY | SERVICE if has_service else MONTHLY
    names = ["sellers", "enrolment_events", *(f"{dataset}_{month}" for month in months for dataset in monthly)]
    files = [out / f"{name}.csv" for name in names]
    with tempfile.TemporaryDirectory(dir=out, prefix=".scratch-") as scratch:
        con = duckdb.connect(str(Path(scratch) / "world.duckdb"))
        try:
            _prepare(con, markets, sellers, months, seed)
            selects = _selects(con, units, months, monthly)
            for done, (file, select) in enumerate(zip(files, selects, strict=True), start=1):
                target = str(file).replace("'", "''")
                con.execute(f"copy ({select}) to '{target}' (format csv, header true)")
                progress(file.name, done, len(files))
        finally:
            con.close()
    return files


def _refuse_unusable(out: Path, markets: Sequence[Market], sellers: int, units: int, months: Sequence[str]) -> None:
    if not markets or not months:
        raise ValueError("there must be at least one marketplace and one month to generate")
    if sellers < 1 or units < 1:
        raise ValueError(f"there must be at least 1 seller and 1 unit, not {sellers} and {units}")
    for month in months:
        if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
            raise ValueError(f"a month is written like 2026-06, not {month!r}")
    if any(_number(later) != _number(earlier) + 1 for earlier, later in pairwise(months)):
        raise ValueError(f"the months must follow each other, each once: {', '.join(months)}")
    if months[0] < FIRST_MONTH or months[-1] > "2098-12":
        raise ValueError(f"months can be generated from {FIRST_MONTH} to 2098-12, not {months[0]} to {months[-1]}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is not an empty folder; name a new one")


def _number(month: str) -> int:
    """The months since the year 0, so that months can be counted on."""
    return int(month[:4]) * 12 + int(month[5:]) - 1


def _first_day(number: int) -> datetime:
    return datetime(number // 12, number % 12 + 1, 1)  # noqa: DTZ001 - UTC without a zone, as everywhere


def _orders_per_month(units: int, months: Sequence[str]) -> list[int]:
    """How many orders to place in each month, so that about so many units are shipped in all of them."""
    days = (_first_day(_number(months[-1]) + 1) - _first_day(_number(months[0]))).days
    items_per_order = 1 + RATES["second item"] * (1 + RATES["third item"])
    orders = units / (items_per_order * MEAN_QUANTITY * (1 - RATES["cancelled"]) * (1 - MEAN_DELAY_DAYS / days))
    season = [SEASON[_number(month) % 12] for month in months]
    return [max(1, round(orders * weight / sum(season))) for weight in season]


def _set(con: duckdb.DuckDBPyConnection, **variables: Any) -> None:
    for name, value in variables.items():
        con.execute(f"set variable {name} = ?", [value])


def _prepare(
    con: duckdb.DuckDBPyConnection, markets: Sequence[Market], sellers: int, months: Sequence[str], seed: int
) -> None:
    """Everything that the selects refer to, up to the sellers."""
    rates = ", ".join(f"'{name}': {rate}" for name, rate in RATES.items())
    con.execute(f"set timezone = 'UTC'; set memory_limit = '{MEMORY}'; set enable_progress_bar = false")
    con.execute(MACROS.format(seed=int(seed), rates=rates))
    starts_at, ends_at = _first_day(_number(months[0])), _first_day(_number(months[-1]) + 1)
    _set(con, first_month=_number(months[0]), starts_at=starts_at, seconds=(ends_at - starts_at).total_seconds())
    _set(con, sellers=sellers, markets=len(markets), large_sellers=LARGE_SELLERS, seller_skew=SELLER_SKEW)
    _set(con, quantity_skew=QUANTITY_SKEW, most_quantity=MOST_QUANTITY)
    con.execute(
        "create table markets (market integer, marketplace_id text, country text, language text, zone text,"
        " currency text, minor_units integer)"
    )
    rows = [[place, *astuple(market)] for place, market in enumerate(markets)]
    con.executemany("insert into markets values (?, ?, ?, ?, ?, ?, ?)", rows)
    con.execute(f"create table names as from (values {NAMES}) as t(country, language, joiner, heads, tails)")
    stories = f"(values {STORIES}) as t(story, share, events)"
    con.execute(f"create table stories as select *, sum(share) over (order by story) as high from {stories}")
    con.execute(SELLERS)


def _selects(
    con: duckdb.DuckDBPyConnection, units: int, months: Sequence[str], monthly: Mapping[str, str]
) -> Iterator[str]:
    """The SELECT of each file, in order; what a file does not hold yet waits in the table of its dataset."""
    yield SELLER_VERSIONS
    yield ENROLMENT_EVENTS
    placed = 0
    for month, orders in zip(map(_number, months), _orders_per_month(units, months), strict=True):
        _set(con, month_starts_at=_first_day(month), month_ends_at=_first_day(month + 1), placed=placed, orders=orders)
        con.execute(ITEMS)
        placed += orders
        for dataset, select in monthly.items():
            con.execute(f"create table if not exists {dataset} as from ({select}) limit 0")
            con.execute(f"insert into {dataset} from ({select})")
            file = f"select * exclude (delivered_in, sort_at, sort_key, delivery) from {dataset}"
            yield f"{file} where delivered_in = {month} order by sort_at, sort_key, delivery"
            con.execute(f"create or replace table {dataset} as from {dataset} where delivered_in > {month}")


MACROS = """
-- Between 0 and 1, of a stream's name and a whole number; streams do not follow each other.
create macro draw(stream, key) as
    (hash(xor(cast(key as ubigint), hash('{seed} ' || stream))) >> 11)::double / 9007199254740992;
-- Whether something happens that has a rate.
create macro happens(event, key) as draw(event, key) < (map {{{rates}}})[event];
-- Like draw, but numbers that follow each other spread evenly, so that few sellers show every kind; `prime` says how.
create macro spread(stream, number, prime) as (number * sqrt(prime) + draw(stream, 0)) % 1;
-- A whole number from 1 to `most`, of which the small ones are the likeliest.
create macro pareto(stream, key, skew, most) as
    least(most, floor(pow(1 - draw(stream, key) * (1 - pow(most + 1, -skew)), -1 / skew)))::integer;
create macro blend(low, high, place) as low + (high - low) * place;
create macro pick(list, place) as list[1 + floor(place * len(list))::integer];
-- A waiting time in seconds, mostly short; `mean` and `most` in hours.
create macro waiting(mean, most, place) as least(most, -ln(1 - place) * mean) * 3600;
create macro after(instant, seconds) as instant + to_seconds(floor(seconds)::bigint);
create macro local_time(instant, zone) as timezone(zone, timezone('UTC', instant));
create macro month_of(instant, zone) as date_diff('month', timestamp '0001-01-01', local_time(instant, zone)) + 12;
-- ISO 8601, with the offset of the zone at that instant, or in UTC.
create macro written(instant, zone, key) as case when happens('zulu', key) then strftime(instant, '%Y-%m-%dT%H:%M:%SZ')
    else strftime(local_time(instant, zone), '%Y-%m-%dT%H:%M:%S')
        || offset_of((epoch(local_time(instant, zone)) - epoch(instant))::integer // 60) end;
create macro offset_of(minutes) as
    if(minutes < 0, '-', '+') || printf('%02d:%02d', abs(minutes) // 60, abs(minutes) % 60);
-- Ids: two times 7 digits, shuffled, and different for different numbers below 10^14.
create macro low_digits(number) as (number % 10000000 * 6180339 + 2718281) % 10000000;
create macro high_digits(number) as
    (number // 10000000 * 3819661 + (hash(low_digits(number)::bigint) % 10000000)::bigint) % 10000000;
create macro id_of(number) as
    printf('%03d-%07d-%07d', 111 + number % 4, low_digits(number)::bigint, high_digits(number)::bigint);
create macro id_within(number, part) as
    printf('%07d%07d%d', high_digits(number)::bigint, low_digits(number)::bigint, part);
-- A row is delivered once, and perhaps again as it is, and as a new version: which, and in which month's file.
create macro deliveries(key, is_revised) as ['original'] || if(happens('repeated', key), ['repeated'], [])
    || if(is_revised, ['revised'], []);
create macro delivery_month(delivery, instant, zone, key) as month_of(instant, zone)
    + (delivery = 'original' and happens('late', key) or delivery = 'repeated' and draw('again', key) < 0.5)::integer;
-- When a delivered version was written: at once, or so many seconds later when it is a new one.
create macro since(instant, delivery, seconds) as if(delivery = 'revised', after(instant, seconds), instant);
"""

# One row per seller, the largest first: where it sells and what it is like. `neighbour` is another of its market.
SELLERS = """
create table sellers as
with settled as (
    select range::integer as number, number <= getvariable('large_sellers') as is_large,
        getvariable('markets') as markets, spread('home', number, 2) as place,
        if(number = 1 or markets = 1 or place < 0.6, 0, 1 + floor((place - 0.6) / 0.4 * (markets - 1))::integer) as home
    from range(1, getvariable('sellers') + 1)
)
select number, is_large, home,
    if(markets > 1 and spread('second', number, 3) < 0.1, (home + 1) % markets, null) as second_home,
    coalesce(lead(number) over home_order, lag(number) over home_order, number) as neighbour,
    printf('A%07X%06X', floor(draw('seller id', number) * 268435456)::bigint, number) as seller_id,
    0.005 * pow(80, spread('contacts', number, 7)) as contact_rate,  -- a third below 3 %, a sixth above 20 %
    if(spread('tracking', number, 11) < 0.80, 0.985, blend(0.70, 0.94, draw('tracking', number))) as valid_rate,
    if(spread('labels', number, 13) < 0.80, 0.995, blend(0.60, 0.93, draw('labels', number))) as prepaid_rate,
    if(spread('afn', number, 17) < 0.4, 0.2, 0) as afn_rate, if(spread('prime', number, 19) < 0.2, 0.2, 0) as prime_rate
from settled window home_order as (partition by home order by number)
"""

# One row per version of a seller: one from when it registered, and for a quarter a second one within the months.
SELLER_VERSIONS = """
with versions as (
    select sellers.*, markets.country as home_country, markets.language as home_language, zone,
        case when draw('country', number) < 0.62 then markets.country when draw('country', number) < 0.87 then 'CN'
             else pick(['US', 'GB', 'DE', 'FR', 'IT', 'JP'], draw('abroad', number)) end as country,
        after(getvariable('starts_at'), -86400 * blend(1000, 3000, draw('registered', number))) as registered_at,
        if(not is_large and spread('plan', number, 29) < 0.06, 'individual', 'professional') as first_plan,
        if(not is_large and spread('standing', number, 31) < 0.1, pick(['suspended', 'at_risk'],
            draw('standing', number)), 'good') as first_standing,
        spread('version', number, 23) / 0.25 as place, unnest(if(place < 1, [1, 2], [1])) as version,
        if(version = 1, -1, floor(place * 6)) as change
    from sellers join markets on market = home
)
select seller_id,
    pick(words.heads, draw('head', number)) || words.joiner
        || pick(words.tails, draw(if(change = 5, 'new tail', 'tail'), number)) as name,
    versions.country, if(versions.country = home_country, home_language, words.language) as language,
    if(change = 4, 'billing', 'office') || printf('@shop%05d.example', number) as email,
    if(change = 3, 'professional', first_plan) as plan,
    case change when 0 then 'at_risk' when 1 then 'suspended' when 2 then 'good' else first_standing end as standing,
    written(registered_at, zone, number) as registered_at,
    written(if(version = 1, registered_at, after(getvariable('starts_at'),
        getvariable('seconds') * draw('version', number))), zone, number) as updated_at
from versions
join names as words on words.country = if(versions.country in (select country from names), versions.country, 'US')
order by number, version
"""

# One row per event of a seller and marketplace, as its story tells; a few activations take longer than an hour.
ENROLMENT_EVENTS = """
with stalls as (
    select *, unnest(if(second_home is null, [home], [home, second_home])) as market,
        number + if(market = home, 0, getvariable('sellers')) as stall,
        if(is_large, 0.5, spread('story', stall, 5)) as place  -- 0.5 is steady
    from sellers
),
told as (
    select *, str_split(unnest(events), ' ') as words,
        greatest(timestamp '2020-01-02', after(getvariable('starts_at'), case words[2]
            when 'long_ago' then -86400 * blend(100, 900, draw('long ago', stall))
            when 'recently' then -86400 * blend(1, 25, draw('recently', stall))
            when 'midway' then getvariable('seconds') * blend(0.1, 0.7, draw('midway', stall))
            else getvariable('seconds') * blend(0.75, 0.9, draw('later', stall)) end)) as happened_at
    from stalls join markets using (market) join stories on place >= high - share and place < high
)
select seller_id, marketplace_id, words[1] as event, written(happened_at, zone, stall) as effective_at,
    words[3] as source, written(after(happened_at, if(event = 'activate' and spread('slow', stall, 37) < 0.06,
        -3600 * blend(2, 30, draw('slow', stall)), -blend(30, 3000, draw('quick', stall)))), zone, stall)
    as requested_at, words[4] as terms_accepted
from told order by number, market, happened_at, event
"""

# One row per item of the orders of a month, more in the evenings and on Sundays: `clock` runs evenly, and is then bent.
# `parcel` says who ships it (0 the seller, 1 AFN, 2 Prime, 3 the neighbour); what has the same parcel travels together.
# `shipped_at` is null when the item was cancelled.
ITEMS = """
create or replace table items as
with placed as materialized (
    select range + getvariable('placed') as order_number,
        1 + happens('second item', order_number)::integer
            + (happens('second item', order_number) and happens('third item', order_number))::integer as items,
        pareto('seller', order_number, getvariable('seller_skew'), getvariable('sellers')) as number,
        epoch(getvariable('month_starts_at')) as start, epoch(getvariable('month_ends_at')) - start as duration,
        start + duration * (range + draw('moment', order_number)) / getvariable('orders') as clock,
        clock + 12000 * sin(2 * pi() * clock / 604800) + 8000 * sin(2 * pi() * (clock / 86400 - 1 / 3)) as bent
    from range(getvariable('orders'))
),
lines as (
    select *, unnest(range(1, items + 1))::integer as item, order_number * 4 + item as item_key,
        case when items = 3 and happens('mixed order', order_number) then item - 1
            when item > 1 and item = items and happens('two sellers', order_number) then 3
            when draw('fulfilment', item_key) < afn_rate then 1
            when draw('fulfilment', item_key) < afn_rate + prime_rate then 2 else 0 end as parcel,
        order_number * 4 + parcel as parcel_key, timezone('UTC', timezone(zone,
            after(getvariable('month_starts_at'), (bent - start + duration) % duration))) as purchased_at
    from placed join sellers using (number)
    join markets on market = if(second_home is not null and draw('market', order_number) < 0.3, second_home, home)
)
select order_number, item, item_key, parcel, parcel_key, if(parcel = 3, neighbour, number) as number, neighbour, market,
    zone, purchased_at, contact_rate, valid_rate, prepaid_rate, pareto('product', item_key, 0.3, 60) as product,
    pareto('quantity', item_key, getvariable('quantity_skew'), getvariable('most_quantity')) as quantity,
    case when happens('cancelled', item_key) then null
         when happens('shipped early', parcel_key)
             then after(purchased_at, -3600 * blend(1, 20, draw('early', parcel_key)))
         else after(purchased_at, 3600 + waiting(if(parcel in (1, 2), 14, 38), 360, draw('delay', parcel_key)))
    end as shipped_at
from lines
"""

# One row per delivery of an item; a correction changes the quantity.
ORDER_ITEMS = """
with delivered as (
    select *, unnest(deliveries(item_key, happens('corrected item', item_key))) as delivery,
        since(purchased_at, delivery, blend(600, 90000, draw('correction', item_key))) as sort_at
    from items
)
select id_of(order_number) as order_id, id_within(order_number, item) as order_item_id, seller_id, marketplace_id,
    written(purchased_at, delivered.zone, item_key) as purchased_at, if(parcel = 1, 'AFN', 'MFN') as fulfillment,
    parcel = 2 as is_prime, printf('B0%08X', (hash(number * 64 + product) & 4294967295)::bigint) as asin,
    printf('SKU-%04d-%02d', number % 10000, product) as sku,
    quantity + if(delivery = 'revised', if(quantity > 1, -1, 1), 0) as quantity,
    written(sort_at, delivered.zone, item_key) as updated_at,
    delivery_month(delivery, sort_at, delivered.zone, item_key) as delivered_in, sort_at, item_key as sort_key, delivery
from delivered join sellers using (number) join markets using (market)
"""

# One row per delivery of a shipment line; a later version withdraws it, or tells whether its tracking was valid.
SHIPMENTS = """
with parts as (
    select * exclude (quantity), if(quantity > 1 and happens('split', item_key), 2, 1) as parts,
        unnest(range(1, parts + 1)) as part, parcel_key * 2 + part as part_key,
        if(part = parts, (quantity + parts - 1) // parts, quantity // 2)
            + (part = parts and happens('shipped beyond', item_key))::integer as quantity,
        if(part = 1, shipped_at, after(shipped_at, 86400 * blend(1, 4, draw('second parcel', parcel_key)))) as left_at
    from items where month_of(shipped_at, zone) >= getvariable('first_month')
),
delivered as (
    select *, happens('untracked', part_key) as is_untracked, happens('tracked later', part_key) as is_later,
        unnest(deliveries(part_key * 4 + item, happens('void parcel', part_key) or is_later)) as delivery,
        delivery = 'revised' as is_new, since(left_at, delivery, 86400 * blend(1, 9, draw('news', part_key))) as sort_at
    from parts
)
select 'S' || id_within(order_number, parcel) || part as shipment_id, id_within(order_number, item) as order_item_id,
    id_of(order_number) as order_id, written(left_at, zone, part_key) as shipped_at, quantity,
    if(is_untracked, null, pick(['Northway', 'Kitepost', 'Blue Heron'], draw('carrier', part_key))) as carrier,
    if(is_untracked, null, printf('TR%012d', floor(draw('track', part_key) * 1e12)::bigint)) as tracking_id,
    if(is_untracked or (is_later and not is_new), null, draw('valid', part_key) < valid_rate) as is_tracking_valid,
    is_new and happens('void parcel', part_key) as is_void, written(sort_at, zone, part_key) as updated_at,
    delivery_month(delivery, sort_at, zone, part_key * 4 + item) as delivered_in,
    sort_at, part_key * 4 + item as sort_key, delivery
from delivered
"""

# One row per delivery of a contact: some before the order or before shipping, most in the days after it. A fifth name
# only an order; one in a hundred an order that nobody knows, one an item that is not of its order, two nothing at all.
CONTACTS = """
with asked as (
    select *, least(20, floor(contact_rate * quantity + draw('contact', item_key)))::integer as contacts,
        contacts > 0 and happens('second contact', item_key) as is_repeated, draw('time', item_key) as time_place,
        unnest(range(contacts + is_repeated::integer))::integer as contact, item_key * 32 + contact as contact_key
    from items
),
timed as (
    select *, draw('about', contact_key) as place, order_number + 50000000000000 as unknown_order,
        draw('reason', contact_key) as reason_place, after(case
            when time_place < 0.02 then after(purchased_at, -3600 * blend(1, 48, draw('before', item_key)))
            when time_place < 0.12 then after(purchased_at, waiting(10, 48, draw('waiting', item_key)))
            else after(coalesce(shipped_at, purchased_at), waiting(130, 840, draw('waiting', item_key)))
        end, contact * 3600 * blend(4, 70, draw('gap', item_key))) as contacted_at,
        if(contacted_at < purchased_at, pick(['product_question', 'product_question', 'pre_order'], reason_place), pick(
            ['where_is_my_order', 'where_is_my_order', 'where_is_my_order', 'where_is_my_order', 'delivery', 'delivery',
                'return', 'return', 'return', 'refund', 'refund', 'damaged', 'damaged', 'cancel', 'product_question',
                'pre_order', 'invoice', 'customisation', 'other'], reason_place)) as reason
    from asked where month_of(contacted_at, zone) >= getvariable('first_month')
),
delivered as (
    select * exclude (number), happens('void contact', contact_key) as is_contested,
        if(happens('noted wrongly', contact_key), neighbour, number) as number,
        unnest(deliveries(contact_key, is_contested or happens('corrected contact', contact_key))) as delivery,
        delivery = 'revised' as is_new,
        since(contacted_at, delivery, 86400 * blend(1, 20, draw('contest', contact_key))) as sort_at
    from timed
)
select printf('C%s%02d', id_within(order_number, item), contact) as contact_id,
    case when place < 0.97 then id_of(order_number) when place < 0.98 then id_of(unknown_order) end as order_id,
    case when place < 0.76 then id_within(order_number, item)
         when place >= 0.96 and place < 0.97 then id_within(unknown_order, item) end as order_item_id, seller_id,
    marketplace_id, pick(['phone', 'phone', 'chat', 'chat', 'email'], draw('channel', contact_key)) as channel,
    if(is_new and not is_contested, if(reason = 'invoice', 'refund', 'invoice'), reason) as reason,
    written(contacted_at, delivered.zone, contact_key) as contacted_at,
    case when draw('resolved', contact_key) < 0.96 then written(after(contacted_at,
        300 + waiting(14, 200, draw('resolution', contact_key))), delivered.zone, contact_key) end as resolved_at,
    is_new and is_contested as is_void, written(sort_at, delivered.zone, contact_key) as updated_at,
    delivery_month(delivery, sort_at, delivered.zone, contact_key) as delivered_in,
    sort_at, contact_key as sort_key, delivery
from delivered join sellers using (number) join markets using (market)
"""

# One row per delivery of a return, days to weeks after shipping.
RETURNS = """
select 'R' || id_within(order_number, item) as return_id, id_of(order_number) as order_id,
    id_within(order_number, item) as order_item_id, written(sort_at, zone, item_key) as requested_at,
    if(draw('label', item_key) < prepaid_rate, 'prepaid', 'other') as label,
    delivery_month(delivery, sort_at, zone, item_key) as delivered_in, sort_at, item_key as sort_key, delivery
from (
    select *, after(shipped_at, 86400 * blend(3, 30, draw('return', item_key))) as sort_at,
        unnest(deliveries(item_key, false)) as delivery
    from items where month_of(shipped_at, zone) >= getvariable('first_month') and happens('returned', item_key)
)
"""

MONTHLY = {"order_items": ORDER_ITEMS, "shipments": SHIPMENTS, "contacts": CONTACTS, "returns": RETURNS}
"""Dataset → the deliveries that come of a month's items."""

# One row per delivery of a request to a seller, in the days after shipping. A fifth of the sellers is slow to reply.
SELLER_REQUESTS = """
select 'Q' || id_within(order_number, item) as request_id, seller_id, id_of(order_number) as order_id,
    written(sort_at, zone, item_key) as requested_at, written(case
        when reply < punctual then after(sort_at, 3600 * blend(0.2, 23.8, draw('reply within', item_key)))
        when reply < punctual + (1 - punctual) * 0.7 then after(sort_at, 3600 * blend(24.2, 90, draw('late', item_key)))
    end, zone, item_key) as replied_at,
    delivery_month(delivery, sort_at, zone, item_key) as delivered_in, sort_at, item_key as sort_key, delivery
from (
    select * exclude (number), if(happens('wrong seller', item_key), neighbour, number) as number,
        after(shipped_at, 86400 * blend(0.5, 12, draw('request', item_key))) as sort_at,
        unnest(deliveries(item_key, false)) as delivery,
        draw('reply', item_key) as reply, if(spread('slow', items.number, 41) < 0.2, 0.7, 0.96) as punctual
    from items where parcel in (0, 3) and month_of(shipped_at, zone) >= getvariable('first_month')
        and happens('asked', item_key)
) join sellers using (number)
"""

# One row per delivery of a refund, in the weeks after shipping. Some sellers contest those that the service gave.
REFUNDS = """
select 'F' || id_within(order_number, item) as refund_id, id_of(order_number) as order_id,
    id_within(order_number, item) as order_item_id, price as amount, currency,
    written(sort_at, zone, item_key) as refunded_at, issued_by, safe_t_status,
    if(safe_t_status = 'none', '0', price) as safe_t_amount,
    delivery_month(delivery, sort_at, zone, item_key) as delivered_in, sort_at, item_key as sort_key, delivery
from (
    select items.*, currency, after(shipped_at, 86400 * blend(2, 35, draw('refund', item_key))) as sort_at,
        floor(blend(800, 9000, draw('price', number * 64 + product)))::bigint * quantity as cents,
        if(minor_units = 0, cents::varchar, printf('%d.%02d', cents // 100, cents % 100)) as price,
        if(draw('issuer', item_key) < 0.6, 'service', 'seller') as issued_by,
        if(issued_by = 'service', pick(['none', 'none', 'none', 'none', 'filed', 'granted', 'granted', 'denied'],
            draw('claim', item_key)), 'none') as safe_t_status,
        unnest(deliveries(item_key, false)) as delivery
    from items join markets using (market)
    where month_of(shipped_at, items.zone) >= getvariable('first_month') and happens('refunded', item_key)
)
"""

# One row per delivery of a defect, in the weeks after shipping; one in a hundred names an order that nobody knows.
DEFECTS = """
select 'D' || id_within(order_number, item) as defect_id,
    id_of(order_number + if(happens('unheard of', item_key), 50000000000000, 0)) as order_id,
    pick(['a_to_z_claim', 'a_to_z_claim', 'negative_feedback', 'negative_feedback', 'negative_feedback', 'chargeback'],
        draw('defect', item_key)) as type,
    written(sort_at, zone, item_key) as occurred_at,
    delivery_month(delivery, sort_at, zone, item_key) as delivered_in, sort_at, item_key as sort_key, delivery
from (
    select *, after(shipped_at, 86400 * blend(2, 40, draw('trouble', item_key))) as sort_at,
        unnest(deliveries(item_key, false)) as delivery
    from items where month_of(shipped_at, zone) >= getvariable('first_month') and happens('defective', item_key)
)
"""

SERVICE = {"seller_requests": SELLER_REQUESTS, "refunds": REFUNDS, "defects": DEFECTS}
"""The same, of what is written only when asked for."""
