"""core.calendar: the billing periods of every marketplace (domain.md, "Clocks").

A billing period is a calendar month in the marketplace's own time zone, half-open. Rows without a marketplace are
counted in months of UTC.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache

from assets.core.marketplaces import Marketplace
from assets.tables import UNKNOWN
from assets.warehouse import Warehouse, replace_table

DESCRIPTION = "One row per marketplace and billing period, from 2000 to 2099; `unknown` has months of UTC."
COLUMNS = {
    "marketplace_id": ("varchar", "the marketplace, or unknown"),
    "period": ("varchar", "the month, such as 2026-10"),
    "starts_at": ("timestamp", "its first instant, UTC"),
    "ends_at": ("timestamp", "the first instant of the next, UTC"),
    "quarter_starts_at": ("timestamp", "the first instant of the three periods that end with this one, UTC"),
}
FIRST_YEAR, LAST_YEAR = 2000, 2099


def month_of(period: str) -> tuple[date, date]:
    """The first day of a billing period, and the first day after it."""
    start = date.fromisoformat(f"{period}-01")
    return start, date(start.year + start.month // 12, start.month % 12 + 1, 1)


def first_instant(day: date, zone: tzinfo) -> datetime:
    """The first instant of a local day, UTC without a zone; also where a clock change skips midnight."""
    instant = datetime.combine(day, time(), zone).astimezone(UTC)
    while (instant - timedelta(minutes=1)).astimezone(zone).date() >= day:
        instant -= timedelta(minutes=1)
    return instant.replace(tzinfo=None)


def make_calendar(warehouse: Warehouse, marketplaces: Mapping[str, Marketplace]) -> int:
    """Replace core.calendar; returns its rows."""
    zones: dict[str, tzinfo] = {name: marketplace.zone for name, marketplace in marketplaces.items()}
    rows = [(name, *period) for name, zone in {**zones, UNKNOWN: UTC}.items() for period in _periods_of(zone)]
    with warehouse.transaction():
        replace_table(warehouse.con, "core.calendar", DESCRIPTION, COLUMNS, rows)
    return len(rows)


@cache
def _periods_of(zone: tzinfo) -> Sequence[tuple[str, datetime, datetime, datetime]]:
    """Each period of a zone with the instants at which it starts and ends, and at which its quarter starts."""
    months = [date(year, month, 1) for year in range(FIRST_YEAR, LAST_YEAR + 1) for month in range(1, 13)]
    starts = [first_instant(month, zone) for month in (*months, date(LAST_YEAR + 1, 1, 1))]
    return [
        (f"{month:%Y-%m}", starts[number], starts[number + 1], starts[max(number - 2, 0)])
        for number, month in enumerate(months)
    ]
