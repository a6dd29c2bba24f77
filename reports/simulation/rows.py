"""The rows that the page of a simulation is made from, of one marketplace: sums, moves, and who changes most.

Does not belong here: what a figure is called, or how it looks (`view`).
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import duckdb

SELLERS = 10
"""So many are shown one by one; the others are only counted."""


class Place(NamedTuple):
    """A marketplace that was simulated."""

    marketplace_id: str
    country: str
    domain: str
    currency: str
    minor_units: int
    time_zone: str


class Month(NamedTuple):
    """A month of a marketplace, of `simulation.totals`."""

    period: str
    known: Decimal
    simulated: Decimal
    difference: Decimal
    sellers: int
    sellers_more: int
    sellers_less: int
    sellers_moved: int


class Range(NamedTuple):
    """Sellers of a marketplace over all months."""

    sellers: int
    more: int
    less: int
    moved: int
    """Those that move in any month."""
    newly_waived: int
    no_longer_waived: int


class Move(NamedTuple):
    """Where sellers stand and would stand, and how often that is so: each once a month."""

    known: str
    simulated: str
    times: int


class Seller(NamedTuple):
    """A seller whose total changes."""

    seller_id: str
    name: str | None
    known: Decimal
    simulated: Decimal
    difference: Decimal
    moves: Sequence[tuple[str, str, int]]
    """From where to where, and in how many months."""


class Tier(NamedTuple):
    """A tier of a version."""

    tier: int
    up_to: Decimal | None
    is_exclusive: bool
    fee: Decimal
    discount: Decimal


class Version(NamedTuple):
    """A version of terms that priced a line."""

    terms_id: str
    starts_at: datetime
    trial_days: int
    vtr_at_least: Decimal | None
    aprl_at_least: Decimal | None
    cpu_below: Decimal | None
    orders_in_quarter_below: int | None
    tiers: Sequence[Tier]


class Rows:
    """What is read of one marketplace."""

    def __init__(self, con: duckdb.DuckDBPyConnection, place: Place) -> None:
        self.con, self.place = con, place
        self.months = [Month(*row) for row in self._rows(_MONTHS)]
        (self.all_months,) = (Range(*row) for row in self._rows(_RANGE))
        self.moves = [Move(*row) for row in self._rows(_MOVES)]
        self.sellers = [Seller(*row[:5], [tuple(each.values()) for each in row[5]]) for row in self._rows(_SELLERS)]
        self.known = self._versions("known")
        self.simulated = self._versions("simulated")

    def _versions(self, side: str) -> list[Version]:
        found = []
        for row in self._rows(_VERSIONS, side=side):
            tiers = [Tier(*tier) for tier in self._rows(_TIERS, side=side, terms=row[0])]
            found.append(Version(*row, tiers))
        return found

    def _rows(self, query: str, **values: str) -> list[tuple]:
        return self.con.execute(query, {"id": self.place.marketplace_id, **values}).fetchall()


def read_places(con: duckdb.DuckDBPyConnection) -> list[Place]:
    """The marketplaces simulated, those with most sellers first."""
    return [Place(*row) for row in con.execute(_PLACES).fetchall()]


_PLACES = """
select marketplace_id, place.country, domain, place.currency, place.minor_units, time_zone
from simulation.totals
join core.marketplaces as place using (marketplace_id)
group by all
order by sum(sellers) desc, place.country"""

_MONTHS = f"select {', '.join(Month._fields)} from simulation.totals where marketplace_id = $id order by period"

_RANGE = """
select
    count(*), count(*) filter (difference > 0), count(*) filter (difference < 0), count(*) filter (months_moved > 0),
    count(*) filter (months_newly_waived > 0), count(*) filter (months_no_longer_waived > 0)
from simulation.sellers where marketplace_id = $id"""

_MOVES = """
select standing_known, standing_simulated, cast(sum(sellers) as bigint)
from simulation.moves where marketplace_id = $id
group by all
order by all"""

_SELLERS = f"""
with largest as (
    select * from simulation.sellers
    where marketplace_id = $id and difference <> 0
    order by abs(difference) desc, seller_id
    limit {SELLERS}
),
moves as (
    select seller_id, standing_known, standing_simulated, count(*) as months
    from simulation.seller_months
    semi join largest using (seller_id)
    where marketplace_id = $id and standing_known <> standing_simulated
    group by all
),
of_sellers as (
    select
        seller_id,
        list(
            struct_pack(known := standing_known, simulated := standing_simulated, months := months)
            order by months desc, standing_known, standing_simulated
        ) as moves
    from moves
    group by seller_id
)
select largest.seller_id, seller.name, known, simulated, difference, coalesce(of_sellers.moves, [])
from largest
left join core.sellers as seller on seller.seller_id = largest.seller_id
left join of_sellers on of_sellers.seller_id = largest.seller_id
order by abs(difference) desc, largest.seller_id"""

_VERSIONS = f"""
select {", ".join(Version._fields[:-1])} from simulation.terms
where marketplace_id = $id and side = $side
order by starts_at"""

_TIERS = f"""
select {", ".join(Tier._fields)} from simulation.tiers
where marketplace_id = $id and side = $side and terms_id = $terms
order by tier"""
