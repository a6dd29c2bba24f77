"""A synthetic world of any size, as files in canonical columns: what `csba generate` writes.

The world is skewed as real marketplaces are (a few sellers hold most units, some sellers' customers need much help) and
holds every case that the rules of billing know: late, repeated, corrected and withdrawn rows, mixed orders, sellers that
come, go and are refused. A month's files hold what was delivered in it. There is nothing of customers in it, and every
row keeps its contract.

The same arguments give the same bytes: every draw is a hash of the seed, the name of what is drawn, and a key. Rows are
made in DuckDB, month by month, in a scratch database beside the files, so that memory does not grow with the size.

Does not belong here: files that are wrong on purpose (tests make their own), and what the rows mean (`assets/core`).
"""

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

FIRST_MONTH = "2020-02"
"""Before, some marketplaces have no terms, and sellers would have been activated before the first."""

MEMORY = "2GB"
"""Beyond it DuckDB goes on in the scratch folder."""

SELLER_SKEW = 0.2
"""Sellers share the orders by a Pareto law of this exponent: of 1,000 sellers the first ten hold half."""
LARGE_SELLERS = 3
"""So many of the largest sellers are in good standing and enrolled from the first day."""

QUANTITY_SKEW, MOST_QUANTITY = 2.5, 100
"""Quantities follow a Pareto law: five of six are 1."""
MEAN_QUANTITY = sum(k**-QUANTITY_SKEW for k in range(1, MOST_QUANTITY + 1))
MEAN_DELAY_DAYS = 1.6
"""From purchase to shipping; what is bought in the last days is not shipped in the months asked for."""

RATES = {
    # of orders
    "second item": 0.22,
    "third item": 0.27,  # of those with two
    "mixed order": 0.15,  # of those with three items: one of each fulfilment
    "two sellers": 0.01,  # of those with several items
    "shipped before ordered": 0.003,
    # of items
    "cancelled": 0.02,
    "late item": 0.008,  # delivered a month after it was placed
    "repeated item": 0.005,
    "corrected item": 0.01,
    "split": 0.3,  # of those of two or more units: shipped in two parcels
    "shipped beyond ordered": 0.003,
    "returned": 0.05,
    "repeated return": 0.01,
    # of parcels
    "late shipment": 0.008,
    "repeated shipment": 0.005,
    "void shipment": 0.01,
    "untracked": 0.005,
    "tracking known later": 0.01,
    # of contacts
    "second contact": 0.22,
    "third contact": 0.06,
    "late contact": 0.02,
    "repeated contact": 0.01,
    "void contact": 0.03,
    "corrected contact": 0.03,
    "noted wrongly": 0.01,  # with another seller than the item's
    # of all rows
    "zulu": 0.1,  # its times are written in UTC
}

SEASON = (0.92, 0.88, 0.94, 0.94, 0.97, 0.95, 1.02, 0.98, 0.95, 1.02, 1.30, 1.45)
"""Orders in each calendar month, beside the mean."""

ENROLMENT = """
    ('steady', 0.56, 'activate', 'long_ago', 'automatic', true),
    ('new', 0.15, 'activate', 'midway', 'seller', true),
    ('recent', 0.08, 'activate', 'recently', 'automatic', true),
    ('leaves', 0.03, 'activate', 'long_ago', 'automatic', true),
    ('leaves', null, 'deactivate', 'midway', 'seller', true),
    ('returns', 0.05, 'activate', 'long_ago', 'automatic', true),
    ('returns', null, 'deactivate', 'midway', 'seller', true),
    ('returns', null, 'activate', 'later', 'seller', true),
    ('repeats', 0.03, 'activate', 'long_ago', 'seller', true),
    ('repeats', null, 'activate', 'midway', 'seller', true),
    ('leaves_first', 0.03, 'deactivate', 'long_ago', 'seller', true),
    ('leaves_first', null, 'activate', 'recently', 'seller', true),
    ('refused', 0.03, 'activate', 'long_ago', 'seller', false)"""
"""Story, share of sellers, and its events in order: event, moment, source, terms accepted. The rest never enrol."""

NAMES = """
    ('US', 'en', ' ', ['Harborlight', 'Juniper', 'Copperfold', 'Redmesa', 'Saltgrass', 'Windrow', 'Larkmoor'],
        ['Goods LLC', 'Supply Co.', 'Outfitters, Inc.', 'Home & Garden', 'Trading LLC', 'Workshop']),
    ('GB', 'en-GB', ' ', ['Thistledown', 'Marlfield', 'Oakenshaw', 'Pebblewick', 'Fernhithe', 'O''Dunmore'],
        ['Wares Ltd', 'Trading Ltd', '& Daughters', 'Homeware Ltd', 'Sundries']),
    ('DE', 'de', ' ', ['Grünhöfer', 'Lößtal', 'Weißdorn', 'Mühlenkamp', 'Öhrenbach', 'Kräuterhain', 'Süderbrück'],
        ['Handels GmbH', '& Söhne KG', 'Versand e. K.', 'Bürobedarf GmbH', 'Küchen GmbH & Co. KG']),
    ('JP', 'ja', '', ['青葉野', '若松谷', 'みなと風', '月見坂', '小鳥沢', 'ひだまり', '雪椿'],
        ['商店', '株式会社', '工房', '雑貨店', '合同会社']),
    ('CN', 'zh-Hans', '', ['深圳市云帆谷', '杭州清禾里', '广州星屿', '义乌晨麦', '厦门海棠湾', '宁波松语'],
        ['贸易有限公司', '电子商务有限公司', '家居用品有限公司', '科技有限公司']),
    ('FR', 'fr', ' ', ['Étoile-du-Pré', 'Châtelet-Bois', 'Verdoyère', 'L''Œuvrette', 'Forêt d''Épices'],
        ['SARL', 'et Cie', 'Maison', 'Négoce SAS']),
    ('IT', 'it', ' ', ['Colleverde', 'Città Lieta', 'Fontanarosa', 'Bell''Uliveto', 'Perché No'],
        ['S.r.l.', '& Figli', 'Casa S.r.l.', 'Botteghe']),
    ('ES', 'es', ' ', ['Peñasola', 'Cañaveral Azul', 'Olivarín', 'Montaña Clara', 'Brisamar'],
        ['S.L.', 'e Hijos', 'Hogar S.L.', 'Comercial']),
    ('BR', 'pt-BR', ' ', ['Jacarandá', 'Pão de Sol', 'Ipêmirim', 'Açucena', 'Ribeirão Verde'],
        ['Comércio Ltda.', 'Utilidades', 'e Irmãos Ltda.', 'Presentes'])"""
"""Country, language, what joins the parts of a name, first parts, last parts. All are invented."""


@dataclass(frozen=True)
class Market:
    """A marketplace to generate for: its id, country (ISO 3166-1), language (BCP 47) and IANA time zone."""

    marketplace_id: str
    country: str
    language: str
    time_zone: str


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
    progress: Progress = lambda *_: None,
) -> list[Path]:
    """Write a world into the folder `out`; returns its files in the order in which to load them.

    `units` are the units shipped in all `months` together, within a few per cent. `months` are billing periods that
    follow each other, such as `2026-06`. The first market is home to three fifths of the sellers. The same arguments
    give the same bytes. Raises `ValueError` for arguments that give no world, and for a folder that is not empty.
    """
    _refuse_unusable(out, markets, sellers, units, months)
    out.mkdir(parents=True, exist_ok=True)
    names = ["sellers", "enrolment_events", *(f"{dataset}_{month}" for month in months for dataset in MONTHLY)]
    files = [out / f"{name}.csv" for name in names]
    with tempfile.TemporaryDirectory(dir=out, prefix=".scratch-") as scratch:
        con = duckdb.connect(str(Path(scratch) / "world.duckdb"))
        try:
            for done, _ in enumerate(_write_world(con, files, markets, sellers, units, months, seed), start=1):
                progress(files[done - 1].name, done, len(files))
        finally:
            con.close()
    return files


def _refuse_unusable(out: Path, markets: Sequence[Market], sellers: int, units: int, months: Sequence[str]) -> None:
    if not markets:
        raise ValueError("there must be at least one marketplace to generate for")
    if len({market.marketplace_id for market in markets}) < len(markets):
        raise ValueError("a marketplace is named twice")
    if sellers < 1 or units < 1:
        raise ValueError(f"there must be at least 1 seller and 1 unit, not {sellers} and {units}")
    if not months:
        raise ValueError("there must be at least one month to generate")
    for month in months:
        if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
            raise ValueError(f"a month is written like 2026-06, not {month!r}")
    if [_number(month) for month in months] != [_number(months[0]) + i for i in range(len(months))]:
        raise ValueError(f"the months must follow each other, each once: {', '.join(months)}")
    if months[0] < FIRST_MONTH or months[-1] > "2098-12":
        raise ValueError(f"months can be generated from {FIRST_MONTH} to 2098-12, not {months[0]} to {months[-1]}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is not an empty folder; name a new one")


def _number(month: str) -> int:
    """The months since the year 0, so that months can be counted on."""
    return int(month[:4]) * 12 + int(month[5:]) - 1


def _first_day(month_number: int) -> datetime:
    return datetime(month_number // 12, month_number % 12 + 1, 1, tzinfo=UTC)


def _orders_per_month(units: int, months: Sequence[str]) -> list[int]:
    """How many orders to place in each month, so that about so many units are shipped in all of them."""
    days = (_first_day(_number(months[-1]) + 1) - _first_day(_number(months[0]))).days
    items_per_order = 1 + RATES["second item"] * (1 + RATES["third item"])
    orders = units / (items_per_order * MEAN_QUANTITY * (1 - RATES["cancelled"]) * (1 - MEAN_DELAY_DAYS / days))
    season = [SEASON[_number(month) % 12] for month in months]
    return [max(1, round(orders * weight / sum(season))) for weight in season]


def _write_world(con, files, markets, sellers, units, months, seed):
    """Write the files, in order; yields after each."""
    first, end = _number(months[0]), _number(months[-1]) + 1
    rates = ", ".join(f"'{name}': {rate}" for name, rate in RATES.items())
    con.execute("set timezone = 'UTC'")
    con.execute(f"set memory_limit = '{MEMORY}'")
    con.execute("set enable_progress_bar = false")
    con.execute(MACROS.format(seed=int(seed), rates=rates))
    for name, value in {
        "sellers": sellers,
        "markets": len(markets),
        "large_sellers": LARGE_SELLERS,
        "seller_skew": SELLER_SKEW,
        "quantity_skew": QUANTITY_SKEW,
        "most_quantity": MOST_QUANTITY,
        "first_month": first,
        "starts_at": _first_day(first).replace(tzinfo=None),
        "ends_at": _first_day(end).replace(tzinfo=None),
    }.items():
        con.execute(f"set variable {name} = ?", [value])
    con.execute("create table markets (market integer, marketplace_id text, country text, language text, zone text)")
    for place, market in enumerate(markets):
        row = [place, market.marketplace_id, market.country, market.language, market.time_zone]
        con.execute("insert into markets values (?, ?, ?, ?, ?)", row)
    con.execute(f"create table names as from (values {NAMES}) as t(country, language, joiner, heads, tails)")
    con.execute(f"create table stories as from (values {ENROLMENT}) as t(story, share, event, moment, source, accepted)")
    con.execute(SELLERS)

    files = iter(files)
    for select in (SELLER_VERSIONS, ENROLMENT_EVENTS):
        yield _copy(con, select, next(files))
    placed = 0
    for month, orders in zip(months, _orders_per_month(units, months), strict=True):
        number = _number(month)
        for name, value in {"month": number, "month_starts_at": _first_day(number), "placed": placed}.items():
            con.execute(f"set variable {name} = ?", [value.replace(tzinfo=None) if name == "month_starts_at" else value])
        con.execute("set variable orders = ?", [orders])
        con.execute(ORDERS)
        con.execute(ITEMS)
        placed += orders
        for dataset, (rows, file) in MONTHLY.items():
            if number == first:
                con.execute(f"create table {dataset} as from ({rows})")
            else:
                con.execute(f"insert into {dataset} from ({rows})")
            yield _copy(con, file, next(files))
            con.execute(f"create or replace table {dataset} as from {dataset} where month > {number}")


def _copy(con: duckdb.DuckDBPyConnection, select: str, file: Path) -> None:
    target = str(file).replace("'", "''")
    con.execute(f"copy ({select}) to '{target}' (format csv, header true)")


# -- how things are drawn and written ---------------------------------------------------------------------------

MACROS = """
-- Between 0 and 1, of a stream's name and a whole number; streams do not follow each other.
create macro draw(stream, key) as
    (hash(xor(cast(key as ubigint), hash('{seed} ' || stream))) >> 11)::double / 9007199254740992;
-- Whether something happens that has a rate.
create macro happens(event, key) as draw(event, key) < (map {{{rates}}})[event];
-- Like draw, but numbers that follow each other are spread evenly, so that few sellers show all kinds. `prime` sets how.
create macro spread(stream, number, prime) as
    (number * sqrt(prime) + draw(stream, 0)) - floor(number * sqrt(prime) + draw(stream, 0));
create macro blend(low, high, place) as low + (high - low) * place;
create macro pick(list, place) as list[1 + floor(place * len(list))::integer];
-- Waiting times, in seconds, that are mostly short; `mean` and `most` in hours.
create macro waiting(mean, most, place) as least(most, -ln(1 - place) * mean) * 3600;
create macro after(instant, seconds) as instant + to_seconds(floor(seconds)::bigint);
create macro local_time(instant, zone) as timezone(zone, timezone('UTC', instant));
create macro month_of(instant, zone) as
    (year(local_time(instant, zone)) * 12 + month(local_time(instant, zone)) - 1)::integer;
-- ISO 8601, with the offset of the zone at that instant, or in UTC.
create macro written(instant, zone, is_zulu) as case
    when is_zulu then strftime(instant, '%Y-%m-%dT%H:%M:%SZ')
    else strftime(local_time(instant, zone), '%Y-%m-%dT%H:%M:%S')
        || offset_of((epoch(local_time(instant, zone)) - epoch(instant))::integer // 60) end;
create macro offset_of(minutes) as
    if(minutes < 0, '-', '+') || printf('%02d:%02d', abs(minutes) // 60, abs(minutes) % 60);
-- Ids: 14 digits that are shuffled, and different for different numbers below 10^14.
create macro digits_low(number) as (number % 10000000 * 6180339 + 2718281) % 10000000;
create macro digits_high(number) as
    (number // 10000000 * 3819661 + (hash(digits_low(number)::bigint) % 10000000)::bigint) % 10000000;
create macro order_id_of(number) as
    printf('%03d-%07d-%07d', 111 + number % 4, digits_low(number)::bigint, digits_high(number)::bigint);
create macro item_id_of(number, item) as
    printf('%07d%07d%d', digits_high(number)::bigint, digits_low(number)::bigint, item);
-- A row is delivered once, and perhaps again as it is, and as a new version.
create macro deliveries(is_repeated, is_revised) as case
    when is_repeated and is_revised then ['original', 'repeated', 'revised']
    when is_repeated then ['original', 'repeated']
    when is_revised then ['original', 'revised']
    else ['original'] end;
"""

# -- sellers ----------------------------------------------------------------------------------------------------

# One row per seller, the largest first: where it sells and what it is like. `neighbour` is another of its market.
SELLERS = """
create table sellers as
with numbered as (
    select range::integer as number, number <= getvariable('large_sellers') as is_large,
        spread('home', number, 2) as home_place, spread('contacts', number, 7) as contact_place,
        getvariable('markets') as markets
    from range(1, getvariable('sellers') + 1)
),
placed as (
    select *, case when markets = 1 or home_place < 0.6 then 0
        else 1 + floor((home_place - 0.6) / 0.4 * (markets - 1))::integer end as home
    from numbered
)
select number, is_large, home,
    case when markets > 1 and spread('second', number, 3) < 0.1
        then (home + 1 + floor(draw('second', number) * (markets - 1))::integer) % markets end as second_home,
    coalesce(lead(number) over home_order, lag(number) over home_order, number) as neighbour,
    printf('A%07X%06X', (hash(draw('seller id', number)) & 268435455)::bigint, number) as seller_id,
    -- contacts per unit: every tier, and some below the waiver's 3 %
    case when contact_place < 0.30 then blend(0.005, 0.022, contact_place / 0.30)
         when contact_place < 0.50 then blend(0.030, 0.046, (contact_place - 0.30) / 0.20)
         when contact_place < 0.75 then blend(0.055, 0.095, (contact_place - 0.50) / 0.25)
         when contact_place < 0.90 then blend(0.110, 0.190, (contact_place - 0.75) / 0.15)
         else blend(0.220, 0.400, (contact_place - 0.90) / 0.10) end as contact_rate,
    if(spread('tracking', number, 11) < 0.80, 0.985, blend(0.70, 0.94, draw('tracking', number))) as valid_rate,
    if(spread('labels', number, 13) < 0.80, 0.995, blend(0.60, 0.93, draw('labels', number))) as prepaid_rate,
    if(spread('afn', number, 17) < 0.40, 0.20, 0.0) as afn_rate,
    if(spread('prime', number, 19) < 0.20, 0.15, 0.0) as prime_rate
from placed
window home_order as (partition by home order by number)
"""

# One row per version of a seller: the first when it registered; a quarter have a second within the months.
SELLER_VERSIONS = """
with described as (
    select sellers.*, markets.country as home_country, markets.language as home_language, zone,
        case when draw('country', number) < 0.62 then markets.country
             when draw('country', number) < 0.87 then 'CN'
             else pick(['US', 'GB', 'DE', 'FR', 'IT', 'ES', 'JP'], draw('abroad', number)) end as country,
        spread('version', number, 23) as version_place,
        after(getvariable('starts_at'), -86400 * blend(1000, 3000, draw('registered', number))) as registered_at
    from sellers join markets on market = home
),
versions as (
    select *, unnest(if(version_place < 0.25, [1, 2], [1])) as version, floor(version_place / 0.25 * 6) as change
    from described
),
stated as (
    select *, if(not is_large and spread('plan', number, 29) < 0.06, 'individual', 'professional') as plan,
        case when is_large then 'good'
             when spread('standing', number, 31) < 0.04 then 'suspended'
             when spread('standing', number, 31) < 0.09 then 'at_risk'
             else 'good' end as standing
    from versions
)
select seller_id,
    pick(coalesce(own.heads, any_name.heads), draw('head', number)) || coalesce(own.joiner, any_name.joiner)
        || pick(coalesce(own.tails, any_name.tails), draw(if(version = 2 and change = 5, 'new tail', 'tail'), number))
        as name,
    stated.country,
    if(stated.country = home_country, home_language, coalesce(own.language, 'en')) as language,
    if(version = 2 and change = 4, 'billing', 'office') || printf('@shop%05d.example', number) as email,
    if(version = 2 and change = 3, 'professional', plan) as plan,
    case when version = 1 or change > 2 then standing else ['at_risk', 'suspended', 'good'][1 + change::integer] end
        as standing,
    written(registered_at, zone, happens('zulu', number)) as registered_at,
    written(if(version = 1, registered_at, after(getvariable('starts_at'),
        (epoch(getvariable('ends_at')) - epoch(getvariable('starts_at'))) * draw('version', number))),
        zone, happens('zulu', number)) as updated_at
from stated
left join names as own on own.country = stated.country
join names as any_name on any_name.country = 'US'
order by number, version
"""

# One row per event of a seller and marketplace, as its story tells; a few activations take longer than an hour.
ENROLMENT_EVENTS = """
with shares as (
    select story, coalesce(sum(share) over (order by place rows between unbounded preceding and 1 preceding), 0) as low,
        low + share as high
    from (select *, row_number() over () as place from stories where share is not null)
),
stalls as (
    select seller_id, number, home as market, number as stall, is_large from sellers
    union all
    select seller_id, number, second_home, number + getvariable('sellers'), is_large from sellers
    where second_home is not null
),
told as (
    select stalls.*, story, event, source, accepted, marketplace_id, zone,
        epoch(getvariable('ends_at')) - epoch(getvariable('starts_at')) as duration,
        case moment
            when 'long_ago' then greatest(timestamp '2020-01-02',
                after(getvariable('starts_at'), -86400 * blend(100, 900, draw('long ago', stall))))
            when 'recently' then after(getvariable('starts_at'), -86400 * blend(1, 25, draw('recently', stall)))
            when 'midway' then after(getvariable('starts_at'), duration * blend(0.1, 0.7, draw('midway', stall)))
            when 'later' then after(getvariable('starts_at'), duration * blend(0.75, 0.9, draw('midway', stall)))
        end as effective_at
    from stalls
    join shares on if(is_large, 0, spread('enrolment', stall, 5)) >= low
        and if(is_large, 0, spread('enrolment', stall, 5)) < high
    join stories using (story)
    join markets using (market)
)
select seller_id, marketplace_id, event,
    written(effective_at, zone, happens('zulu', stall)) as effective_at,
    source,
    written(after(effective_at, if(event = 'activate' and spread('slow', stall, 37) < 0.06,
        -3600 * blend(2, 30, draw('slow', stall)), -blend(30, 3000, draw('activation', stall)))),
        zone, happens('zulu', stall)) as requested_at,
    accepted as terms_accepted
from told
order by number, market, told.effective_at, event
"""

# -- orders and their items -------------------------------------------------------------------------------------

# One row per order placed in the month, by day; weekends are busier.
ORDERS = """
create or replace table orders as
with days as (
    select range as day, [1.05, 1.0, 0.97, 0.95, 0.9, 1.03, 1.15][isodow(range)]
        * blend(0.9, 1.1, draw('day', epoch(range)::bigint)) as weight
    from range(getvariable('month_starts_at'), getvariable('month_starts_at') + interval 1 month, interval 1 day)
),
shares as (
    select day, sum(weight) over (order by day) / sum(weight) over () as high, high - weight / sum(weight) over () as low
    from days
),
counted as (
    select day, round(low * getvariable('orders'))::bigint as low, round(high * getvariable('orders'))::bigint as high
    from shares
)
select day, getvariable('placed') + unnest(range(low, high)) as number from counted
"""

# One row per item of those orders. `shipped_at` is null when it was cancelled; `parcel` is 0 to 3, by who ships it.
ITEMS = """
create or replace table items as
with placed as (
    select number as order_number, day,
        least(getvariable('sellers'), floor(pow(1 - draw('seller', number)
            * (1 - pow(getvariable('sellers') + 1, -getvariable('seller_skew'))), -1 / getvariable('seller_skew')))
        )::integer as number,
        case when not happens('second item', order_number) then 1
             when not happens('third item', order_number) then 2
             else 3 end as items,
        86400 * ((0.4 + (draw('hour', order_number) + draw('minute', order_number)) / 2) % 1) as second_of_day
    from orders
),
lines as (
    select placed.*, sellers.* exclude (number), zone, market, unnest(range(1, items + 1))::integer as item,
        order_number * 4 + item as item_key,
        timezone('UTC', timezone(zone, after(day, second_of_day))) as purchased_at,
        item = items and items > 1 and happens('two sellers', order_number) as is_of_neighbour
    from placed
    join sellers using (number)
    join markets on market = if(second_home is not null and draw('market', order_number) < 0.3, second_home, home)
),
fulfilled as (
    select *, case
        when items = 3 and happens('mixed order', order_number) then ['MFN', 'AFN', 'prime'][item]
        when draw('fulfilment', item_key) < afn_rate then 'AFN'
        when draw('fulfilment', item_key) < afn_rate + prime_rate then 'prime'
        else 'MFN' end as fulfilment
    from lines
),
parcelled as (
    select *, if(is_of_neighbour, 3, case fulfilment when 'MFN' then 0 when 'AFN' then 1 else 2 end) as parcel,
        order_number * 4 + parcel as parcel_key
    from fulfilled
)
select order_number, item, item_key, if(is_of_neighbour, neighbour, number) as number, market, zone, purchased_at,
    fulfilment, parcel, parcel_key, contact_rate, valid_rate, prepaid_rate, neighbour,
    least(getvariable('most_quantity'),
        floor(pow(1 - draw('quantity', item_key), -1 / getvariable('quantity_skew'))))::integer as quantity,
    floor(60 * pow(draw('product', item_key), 3))::integer as product,
    case when happens('cancelled', item_key) then null
         when happens('shipped before ordered', parcel_key)
             then after(purchased_at, -3600 * blend(1, 20, draw('early', parcel_key)))
         else after(purchased_at, 3600 + waiting(if(fulfilment = 'MFN', 38, 14), 360, draw('delay', parcel_key)))
    end as shipped_at
from parcelled
"""

# One row per delivery of an item: `month` is the one whose file it is in.
ORDER_ITEMS = """
select order_number, item, item_key, number, market, zone, purchased_at, fulfilment, product,
    unnest(deliveries(happens('repeated item', item_key), happens('corrected item', item_key))) as delivery,
    if(delivery = 'revised', if(quantity > 1, quantity - 1, quantity + 1), quantity) as quantity,
    if(delivery = 'revised', after(purchased_at, blend(600, 90000, draw('correction', item_key))), purchased_at)
        as updated_at,
    month_of(updated_at, zone) + case delivery
        when 'original' then happens('late item', item_key)::integer
        when 'repeated' then round(draw('repeated item again', item_key))::integer
        else 0 end as month
from items
"""

ORDER_ITEMS_FILE = """
select order_id_of(order_number) as order_id, item_id_of(order_number, item) as order_item_id, seller_id, marketplace_id,
    written(purchased_at, order_items.zone, happens('zulu', item_key)) as purchased_at,
    if(fulfilment = 'AFN', 'AFN', 'MFN') as fulfillment, fulfilment = 'prime' as is_prime,
    printf('B0%08X', (hash(number * 64 + product) & 4294967295)::bigint) as asin,
    printf('SKU-%04d-%02d', number % 10000, product) as sku, quantity,
    written(updated_at, order_items.zone, happens('zulu', item_key)) as updated_at
from order_items join sellers using (number) join markets using (market)
where order_items.month = getvariable('month')
order by order_items.updated_at, item_key, delivery
"""

# -- shipments --------------------------------------------------------------------------------------------------

# One row per delivery of a shipment line; items of one order that the same hands ship share their parcels.
SHIPMENTS = """
with shipped as (
    select *, if(quantity > 1 and happens('split', item_key), 2, 1) as parcels, unnest(range(1, parcels + 1)) as part,
        parcel_key * 2 + part as shipment_key,
        happens('void shipment', shipment_key) as is_withdrawn,
        not happens('untracked', shipment_key) and happens('tracking known later', shipment_key) as is_known_later
    from items
    where shipped_at is not null and month_of(shipped_at, zone) >= getvariable('first_month')
),
delivered as (
    select * replace (if(part = 1, shipped_at,
            after(shipped_at, 86400 * blend(1, 4, draw('second parcel', parcel_key)))) as shipped_at),
        unnest(deliveries(happens('repeated shipment', shipment_key), is_withdrawn or is_known_later)) as delivery
    from shipped
)
select order_number, item, part, parcel, shipment_key, zone, shipped_at, delivery,
    case when parcels = 1 then quantity when part = 1 then quantity - quantity // 2 else quantity // 2 end
        + (part = parcels and happens('shipped beyond ordered', item_key))::integer as quantity,
    case when happens('untracked', shipment_key) or (delivery <> 'revised' and is_known_later) then null
         else draw('valid', shipment_key) < valid_rate end as is_tracking_valid,
    is_withdrawn and delivery = 'revised' as is_void,
    if(delivery = 'revised', after(shipped_at, 86400 * blend(1, 12, draw('withdrawal', shipment_key))), shipped_at)
        as updated_at,
    month_of(updated_at, zone) + case delivery
        when 'original' then happens('late shipment', shipment_key)::integer
        when 'repeated' then round(draw('repeated shipment again', shipment_key))::integer
        else 0 end as month
from delivered
"""

SHIPMENTS_FILE = """
select 'S' || item_id_of(order_number, parcel) || part as shipment_id,
    item_id_of(order_number, item) as order_item_id, order_id_of(order_number) as order_id,
    written(shipped_at, zone, happens('zulu', shipment_key)) as shipped_at, quantity,
    if(happens('untracked', shipment_key), null,
        pick(['Northway', 'Kitepost', 'Blue Heron Parcel', 'Sagawind'], draw('carrier', shipment_key))) as carrier,
    if(happens('untracked', shipment_key), null, printf('TR%012d', floor(draw('track', shipment_key) * 1e12)::bigint))
        as tracking_id,
    is_tracking_valid, is_void, written(updated_at, zone, happens('zulu', shipment_key)) as updated_at
from shipments
where shipments.month = getvariable('month')
order by shipments.updated_at, shipment_key, item, delivery
"""

# -- contacts ---------------------------------------------------------------------------------------------------

# One row per delivery of a contact. Some are made before the order or before shipping, most days after it.
CONTACTS = """
with asked as (
    select *, least(20, floor(contact_rate * quantity + draw('contact', item_key)))::integer as first_contacts,
        first_contacts + (first_contacts > 0 and happens('second contact', item_key))::integer
            + (first_contacts > 0 and happens('third contact', item_key))::integer as contacts,
        unnest(range(contacts))::integer as contact, item_key * 32 + contact as contact_key,
        draw('time', item_key) as time_place
    from items
),
timed as (
    select *, after(case
            when time_place < 0.02 then after(purchased_at, -3600 * blend(1, 48, draw('before', item_key)))
            when time_place < 0.12 then after(purchased_at, waiting(10, 48, draw('waiting', item_key)))
            else after(coalesce(shipped_at, purchased_at), waiting(130, 840, draw('waiting', item_key)))
        end, contact * 3600 * blend(4, 70, draw('gap', item_key))) as contacted_at
    from asked
),
reasoned as (
    select * exclude (quantity), happens('void contact', contact_key) as is_withdrawn,
        if(contacted_at < purchased_at, if(draw('reason', contact_key) < 0.8, 'product_question', 'pre_order'),
            pick(['where_is_my_order', 'where_is_my_order', 'where_is_my_order', 'where_is_my_order', 'delivery',
                'delivery', 'delivery', 'return', 'return', 'return', 'refund', 'refund', 'damaged', 'damaged',
                'cancel', 'product_question', 'product_question', 'invoice', 'customisation', 'other'],
                draw('reason', contact_key))) as reason,
        draw('about', contact_key) as about_place,
        unnest(deliveries(happens('repeated contact', contact_key),
            is_withdrawn or happens('corrected contact', contact_key))) as delivery
    from timed
    where month_of(contacted_at, zone) >= getvariable('first_month')
)
select order_number, item, contact_key, market, zone, contacted_at, delivery,
    if(happens('noted wrongly', contact_key), neighbour, number) as number,
    -- one in a hundred names an order that nobody knows, one an item of another order, two in a hundred nothing
    case when about_place < 0.76 then 'item' when about_place < 0.96 then 'order' when about_place < 0.97 then 'unknown'
         when about_place < 0.98 then 'other_item' else 'nothing' end as about,
    if(delivery = 'revised' and not is_withdrawn, if(reason = 'invoice', 'refund', 'invoice'), reason) as reason,
    is_withdrawn and delivery = 'revised' as is_void,
    if(delivery = 'revised', after(contacted_at, 86400 * blend(1, 20, draw('contest', contact_key))), contacted_at)
        as updated_at,
    month_of(updated_at, zone) + case delivery
        when 'original' then happens('late contact', contact_key)::integer
        when 'repeated' then round(draw('repeated contact again', contact_key))::integer
        else 0 end as month
from reasoned
"""

CONTACTS_FILE = """
select printf('C%s%02d', item_id_of(order_number, item), contact_key % 32) as contact_id,
    case about when 'nothing' then null when 'unknown' then order_id_of(order_number + 50000000000000)
        else order_id_of(order_number) end as order_id,
    case about when 'item' then item_id_of(order_number, item)
        when 'other_item' then item_id_of(order_number + 50000000000000, item) end as order_item_id,
    seller_id, marketplace_id, pick(['phone', 'phone', 'chat', 'chat', 'email'], draw('channel', contact_key)) as channel,
    reason, written(contacted_at, contacts.zone, happens('zulu', contact_key)) as contacted_at,
    case when draw('resolved', contact_key) < 0.96 then written(after(contacted_at, 300
        + waiting(14, 200, draw('resolution', contact_key))), contacts.zone, happens('zulu', contact_key)) end as resolved_at,
    is_void, written(updated_at, contacts.zone, happens('zulu', contact_key)) as updated_at
from contacts join sellers using (number) join markets using (market)
where contacts.month = getvariable('month')
order by contacts.updated_at, contact_key, delivery
"""

# -- returns ----------------------------------------------------------------------------------------------------

# One row per delivery of a return, days to weeks after shipping.
RETURNS = """
select order_number, item, item_key, zone, prepaid_rate,
    after(shipped_at, 86400 * blend(3, 30, draw('return', item_key))) as requested_at,
    unnest(deliveries(happens('repeated return', item_key), false)) as delivery,
    month_of(requested_at, zone)
        + (delivery = 'repeated' and draw('repeated return again', item_key) < 0.5)::integer as month
from items
where shipped_at is not null and happens('returned', item_key) and month_of(shipped_at, zone) >= getvariable('first_month')
"""

RETURNS_FILE = """
select 'R' || item_id_of(order_number, item) as return_id, order_id_of(order_number) as order_id,
    item_id_of(order_number, item) as order_item_id,
    written(requested_at, zone, happens('zulu', item_key)) as requested_at,
    if(draw('label', item_key) < prepaid_rate, 'prepaid', 'other') as label
from returns
where returns.month = getvariable('month')
order by returns.requested_at, item_key
"""

MONTHLY = {
    "order_items": (ORDER_ITEMS, ORDER_ITEMS_FILE),
    "shipments": (SHIPMENTS, SHIPMENTS_FILE),
    "contacts": (CONTACTS, CONTACTS_FILE),
    "returns": (RETURNS, RETURNS_FILE),
}
"""Dataset → the rows that come of a month's items, and what is written of those whose month it is."""
