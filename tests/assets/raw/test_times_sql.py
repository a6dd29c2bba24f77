"""Times in a form that a source names are read exactly, and what is decided of the hours of a clock change is told."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.raw.sources import read_sources
from assets.raw.times_sql import TimeForm
from assets.raw.typing_sql import Writing, typed

LOS_ANGELES, TOKYO, LONDON = "America/Los_Angeles", "Asia/Tokyo", "Europe/London"
OF_PAYMENTS = "%b %d, %Y %I:%M:%S %p %Z"
LOCAL = st.datetimes(datetime(2000, 1, 2), datetime(2068, 12, 30)).map(lambda at: at.replace(microsecond=0))


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        yield con


@pytest.fixture(scope="module")
def read(con):
    def read(text: str, *forms: str, zone: str | None = None) -> datetime | None:
        writing = Writing(f"'{zone}'" if zone else None, (zone,) if zone else (), tuple(map(TimeForm, forms)))
        query = f"select {typed('t', 'TIMESTAMP', writing)} from (select cast(? as varchar) as t)"
        return con.execute(query, [text]).fetchall()[0][0]

    return read


@pytest.mark.parametrize(
    ("text", "form", "zone", "utc"),
    [
        ("10-Jul-2025", "%d-%b-%Y", LOS_ANGELES, "2025-07-10 07:00"),
        ("10/20/23", "%m/%d/%y", LOS_ANGELES, "2023-10-20 07:00"),
        ("10/11/23", "%m/%d/%y", LOS_ANGELES, "2023-10-11 07:00"),
        ("10/11/23", "%d/%m/%y", LONDON, "2023-11-10 00:00"),
        ("2016/01/31", "%Y/%m/%d", TOKYO, "2016-01-30 15:00"),
        ("Jun 8, 2025 10:23:05 PM PDT", OF_PAYMENTS, LOS_ANGELES, "2025-06-09 05:23:05"),
        ("2023-01-01 00:00:00 UTC", "%Y-%m-%d %H:%M:%S %Z", None, "2023-01-01 00:00"),
        ("24.07.2026 18:21:50 UTC", "%d.%m.%Y %H:%M:%S %Z", None, "2026-07-24 18:21:50"),
        ("Wed 1.3.2026 +0130", "Wed %d.%m.%Y %H:%M %z", None, None),
        ("1.3.2026 9:05 +0130", "%d.%m.%Y %H:%M %z", None, "2026-03-01 07:35"),
        ("it's 1.3.2026", "it's %d.%m.%Y", TOKYO, "2026-02-28 15:00"),
    ],
)
def test_what_the_world_sends(read, text, form, zone, utc):
    assert read(f" {text} ", form, zone=zone) == (utc and datetime.fromisoformat(utc))


@pytest.mark.parametrize("form", ["%d-%b-%Y", "%d.%m.%Y %H:%M"])
def test_a_local_time_or_day_is_none_without_a_zone(read, form):
    assert read(datetime(2026, 3, 1, 10).strftime(form), form) is None


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("20/10/23", "%m/%d/%y"),
        ("10/20/2023", "%m/%d/%y"),
        ("10/20/23", "%m/%d/%Y"),
        ("2/30/23", "%m/%d/%y"),
        ("10-Jul-25", "%d-%b-%Y"),
        ("10-July-2025", "%d-%b-%Y"),
        ("10-Juli-2025", "%d-%B-%Y"),
        ("10 - Jul - 2025", "%d-%b-%Y"),
        ("10-Jul-2025 x", "%d-%b-%Y"),
        ("Jun 8, 2025 10:23:05 PM", OF_PAYMENTS),
        ("Jun 8, 2025 13:23:05 PM PDT", OF_PAYMENTS),
        ("Jun 8, 2025 10:23:05 PM pdt", OF_PAYMENTS),
    ],
)
def test_what_is_not_in_the_form_is_no_time(read, text, form):
    assert read(text, form, zone=LOS_ANGELES) is None


@given(local=LOCAL, zone=st.sampled_from([LOS_ANGELES, "America/Sao_Paulo", LONDON, TOKYO, "Australia/Lord_Howe"]))
def test_a_day_is_its_first_instant(read, local, zone):
    first = read(local.strftime("%d.%m.%Y"), "%d.%m.%Y", zone=zone)
    assert first is not None

    def day_at(instant: datetime):
        return instant.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone)).date()

    assert day_at(first) == local.date()
    assert day_at(first - timedelta(seconds=1)) < local.date()


def test_a_day_that_begins_twice_or_not_at_midnight(read):
    assert read("05.11.2017", "%d.%m.%Y", zone="America/Havana") == datetime(2017, 11, 5, 4)
    assert read("04.11.2018", "%d.%m.%Y", zone="America/Sao_Paulo") == datetime(2018, 11, 4, 3)


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("Nov 2, 2025 01:23:05 AM PDT", LOS_ANGELES, "2025-11-02 08:23:05"),
        ("Nov 2, 2025 01:23:05 AM PST", LOS_ANGELES, "2025-11-02 09:23:05"),
        ("Nov 2, 2025 03:23:05 AM PDT", LOS_ANGELES, None),
        ("Mar 9, 2025 02:30:00 AM PST", LOS_ANGELES, None),
        ("Jun 8, 2025 10:23:05 PM PST", LOS_ANGELES, None),
        ("Jun 8, 2025 10:23:05 PM JST", LOS_ANGELES, None),
        ("Jun 8, 2025 10:23:05 PM JST", TOKYO, "2025-06-08 13:23:05"),
        ("Jun 8, 2025 10:23:05 PM BST", LONDON, "2025-06-08 21:23:05"),
        ("Jan 8, 2025 10:23:05 PM GMT", LONDON, "2025-01-08 22:23:05"),
        ("Jun 8, 2025 10:23:05 PM GMT", LONDON, None),
        ("Jun 8, 2013 10:23:05 PM MSK", "Europe/Moscow", "2013-06-08 18:23:05"),
        ("Jun 8, 2015 10:23:05 PM MSK", "Europe/Moscow", "2015-06-08 19:23:05"),
        ("Jun 8, 2025 10:23:05 PM PDT", None, None),
        ("Jun 8, 2025 10:23:05 PM UTC", LOS_ANGELES, "2025-06-08 22:23:05"),
    ],
)
def test_the_short_name_of_a_zone_counts_where_it_is_in_force(read, text, zone, utc):
    assert read(text, OF_PAYMENTS, zone=zone) == (utc and datetime.fromisoformat(utc))


@pytest.mark.parametrize(
    ("form", "complaint"),
    [
        ("%d.%m.", "has not one of %Y, %y"),
        ("%Y-%d", "has not one of %m, %b, %B"),
        ("%Y %m %b %d", "has not one of %m, %b, %B"),
        ("%Y-%m-%d %Q", "has '%Q'"),
        ("%Y-%m-%d %", "has '%'"),
        ("%Y-%m-%d %I:%M", "neither a day nor a time"),
        ("%Y-%m-%d %H", "neither a day nor a time"),
        ("%Y-%m-%d %Z", "neither a day nor a time"),
        ("%Z %Y-%m-%d %H:%M", "has %Z elsewhere than at its end"),
    ],
)
def test_a_form_that_does_not_say_which_day_it_is_is_refused(form, complaint):
    with pytest.raises(ValueError, match=complaint):
        TimeForm(form)


# -- in a load -----------------------------------------------------------------------------------------------------

RETURNS = """-- Returns of a shop.
-- dataset: returns
-- file: shop_*.csv
-- times: %d.%m.%Y %H:%M
select row_number, id as return_id, 'O' as order_id, '1' as order_item_id, came as requested_at, 'other' as label,
    zone as time_zone, case when id = 'skip' then 'not ours' end as skipped
from input
"""


@pytest.fixture
def shop(home):
    (home.folder / "sources").mkdir()
    (home.folder / "sources" / "shop.sql").write_text(RETURNS)
    return read_sources(home.folder / "sources")


def test_the_hours_of_a_clock_change_are_told(home, shop):
    rows = [
        ("a", "25.10.2026 02:30", "Europe/Berlin"),  # twice
        ("b", "2026-10-25T02:30:00", "Europe/Berlin"),  # twice
        ("skip", "25.10.2026 02:30", "Europe/Berlin"),
        ("bad", "25.10.2026 02:61", "Europe/Berlin"),
        ("c", "2026-10-25T02:30:00+01:00", "Europe/Berlin"),  # says which
        ("d", "25.10.2026 02:30", TOKYO),
        ("e", "29.03.2026 02:30", "Europe/Berlin"),  # not there
        ("f", "29.03.2026 03:30", "Europe/Berlin"),
        ("g", "29.03.2026 01:59", "Europe/Berlin"),
        ("h", "01.11.2026 01:30", LOS_ANGELES),  # twice
        ("i", "08.03.2026 02:30", LOS_ANGELES),  # not there
        ("j", "08.03.2026 03:30", "Europe/Berlin"),
    ]
    content = "id,came,zone\n" + "\n".join(map(",".join, rows))
    (done,) = home.load_file("shop_1.csv", content.encode(), sources=shop).loads
    assert (done.rows_loaded, done.rows_skipped, done.rows_quarantined) == (10, 1, 1)
    assert (done.times_repeated, done.times_skipped) == (3, 2)
    found = dict(home.rows("select return_id, requested_at from raw.returns"))
    assert found["a"] == found["b"] == found["c"] == datetime(2026, 10, 25, 1, 30)
    assert found["e"] == found["f"] == datetime(2026, 3, 29, 1, 30)
    assert found["h"] == datetime(2026, 11, 1, 9, 30)
    assert found["i"] == datetime(2026, 3, 8, 10, 30)


def test_a_file_without_times_in_such_hours_tells_nothing(home, shop):
    (done,) = home.load_file("shop_1.csv", b"id,came,zone\na,01.03.2026 10:00,Europe/Berlin\n", sources=shop).loads
    assert (done.rows_loaded, done.times_repeated, done.times_skipped) == (1, 0, 0)
    (done,) = home.load_file("shop_2.csv", b"id,came,zone\n", sources=shop).loads
    assert (done.rows_read, done.times_repeated, done.times_skipped) == (0, 0, 0)


def test_a_row_without_a_zone_has_no_local_time(home, shop):
    home.load_file("shop_1.csv", b"id,came,zone\na,01.03.2026 10:00,\nb,2026-03-01T10:00Z,\n", sources=shop)
    assert home.rows("select return_id from raw.returns") == [("b",)]
    ((row, column, good, _),) = home.quarantine()
    assert (row, column) == (1, "requested_at")
    assert "or like 31.01.2026 23:59" in good
