"""Billing periods: calendar months in the marketplace's own zone, half-open, without gap or overlap."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from house import DATA, opened
from hypothesis import given
from hypothesis import strategies as st

from assets.core.calendar import first_instant, make_calendar
from assets.core.marketplaces import MarketplacesError, make_marketplaces, read_marketplaces

ZONES = ["America/Los_Angeles", "Asia/Tokyo", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Gaza"]


@pytest.mark.parametrize(
    ("day", "zone", "expected"),
    [
        (date(2026, 10, 1), "Asia/Tokyo", datetime(2026, 9, 30, 15)),
        (date(2026, 11, 1), "America/Los_Angeles", datetime(2026, 11, 1, 7)),
        (date(2026, 12, 1), "America/Los_Angeles", datetime(2026, 12, 1, 8)),
        (date(2018, 11, 4), "America/Sao_Paulo", datetime(2018, 11, 4, 3)),  # clocks skipped midnight
        (date(2011, 12, 31), "Pacific/Apia", datetime(2011, 12, 30, 10)),  # the day before did not exist
    ],
)
def test_the_first_instant_of_a_local_day(day: date, zone: str, expected: datetime) -> None:
    assert first_instant(day, ZoneInfo(zone)) == expected


@given(st.dates(date(2000, 1, 2), date(2037, 12, 30)), st.sampled_from(ZONES))
def test_no_earlier_instant_is_of_that_day(day: date, name: str) -> None:
    zone = ZoneInfo(name)
    instant = first_instant(day, zone).replace(tzinfo=UTC)
    assert instant.astimezone(zone).date() == day
    assert (instant - timedelta(microseconds=1)).astimezone(zone).date() < day


def test_periods_adjoin_and_a_clock_change_makes_a_month_an_hour_longer(tmp_path: Path) -> None:
    listed = read_marketplaces(DATA / "marketplaces.csv")
    with opened(tmp_path) as warehouse:
        make_marketplaces(warehouse, listed)
        assert make_calendar(warehouse, listed) == (len(listed) + 1) * 1200
        gaps = """
            select * from (
                select ends_at, lead(starts_at) over (partition by marketplace_id order by period) as next_starts_at
                from core.calendar
            ) where ends_at <> next_starts_at"""
        assert warehouse.rows(gaps) == []
        hours = "select (epoch(ends_at) - epoch(starts_at)) / 3600 as hours from core.calendar where period = ?"
        berlin = f"{hours} and marketplace_id = 'A1PA6795UKMFR9'"
        assert [warehouse.rows(berlin, [p])[0]["hours"] for p in ("2026-03", "2026-07", "2026-10")] == [743, 744, 745]
        utc = warehouse.rows("from core.calendar where marketplace_id = 'unknown' and period = '2026-03'")[0]
        assert (utc["starts_at"], utc["ends_at"]) == (datetime(2026, 3, 1), datetime(2026, 4, 1))
        assert utc["quarter_starts_at"] == datetime(2026, 1, 1)


HEADER = "marketplace_id,country,domain,currency,minor_units,time_zone,language\n"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("", "lists no marketplace"),
        ("X1,US,a.example,USD,2,Mars/Olympus,en\n", "'Mars/Olympus' is not a time zone"),
        ("X1,US,a.example,USD,5,UTC,en\n", "minor_units '5'"),
        ("X1,US,a.example,usd,2,UTC,en\n", "currency 'usd'"),
        ("X1,US,a.example,USD,2,UTC,en\nX1,JP,b.example,JPY,0,UTC,ja\n", "line 3: the id X1 is taken"),
        ("unknown,US,a.example,USD,2,UTC,en\n", "the id unknown is taken"),
        ("X1,US,a.example\n", "currency None"),
    ],
)
def test_a_list_of_marketplaces_that_cannot_be_used(lines: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "marketplaces.csv"
    path.write_text(HEADER + lines)
    with pytest.raises(MarketplacesError, match=r"marketplaces\.csv") as error:
        read_marketplaces(path)
    assert reason in str(error.value)
