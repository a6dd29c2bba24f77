"""Text becomes exactly what it says, or nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.raw.typing_sql import Writing, is_blank, typed

OFFSETS = st.one_of(
    st.just("Z"),
    st.tuples(st.sampled_from("+-"), st.integers(0, 23), st.integers(0, 59), st.sampled_from(["", ":"])).map(
        lambda o: f"{o[0]}{o[1]:02}{o[3]}{o[2]:02}"
    ),
    st.tuples(st.sampled_from("+-"), st.integers(0, 23)).map(lambda o: f"{o[0]}{o[1]:02}"),
)
INSTANTS = st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30))
BLANKS = ["", " ", "\t", " \r\n ", None]


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        yield con


@pytest.fixture(scope="module")
def read(con):
    def read(text: str | None, kind: str, zone: str | None = None) -> Any:
        expression = typed("t", kind, Writing(f"'{zone}'", (zone,)) if zone else Writing())
        query = f"select {expression} from (select cast(? as varchar) as t)"
        return con.execute(query, [text]).fetchall()[0][0]

    return read


@pytest.mark.parametrize("kind", ["VARCHAR", "BIGINT", "BOOLEAN", "TIMESTAMP"])
@pytest.mark.parametrize("text", BLANKS)
def test_blank_text_is_null_and_known_to_be_blank(con, read, text, kind):
    assert read(text, kind) is None
    assert con.execute(f"select {is_blank('t')} from (select cast(? as varchar) as t)", [text]).fetchall() == [(True,)]


@given(text=st.text(st.characters(codec="utf-8"), min_size=1))
def test_text_stays_as_it_is_unless_blank_or_with_nul(con, read, text):
    expected = None if "\0" in text or not text.strip(" \t\r\n") else text
    assert read(text, "VARCHAR") == expected
    (blank,) = con.execute(f"select {is_blank('t')} from (select cast(? as varchar) as t)", [text]).fetchall()[0]
    assert blank == (not text.strip(" \t\r\n"))


@given(number=st.integers(-(10**18) + 1, 10**18 - 1), zeros=st.sampled_from(["", ".", ".0", ".000"]))
def test_whole_numbers_are_read_exactly(read, number, zeros):
    assert read(f" {number}{zeros}", "BIGINT") == number


@pytest.mark.parametrize(
    "text",
    ["2.5", "2.01", "1e3", "0x10", "1,000", "1 000", "1_000", "--1", "+", ".0", "9" * 19, "9" * 400, "²", "٣", "NaN"],
)
def test_what_is_no_whole_number_is_not_rounded_to_one(read, text):
    assert read(text, "BIGINT") is None


@given(text=st.text())
def test_no_text_is_taken_for_another_number(read, text):
    value = read(text, "BIGINT")
    if value is not None:
        assert int(text.strip().split(".")[0]) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("TRUE", True), (" t ", True), ("Yes", True), ("y", True), ("1", True)]
    + [("false", False), ("F", False), ("no", False), ("N", False), ("0", False)]
    + [(text, None) for text in ("on", "off", "2", "1.0", "tru", "wahr", "-1", "null", "NaN")],
)
def test_flags(read, text, value):
    assert read(text, "BOOLEAN") is value


@given(local=INSTANTS, offset=OFFSETS, separator=st.sampled_from("T "))
def test_instants_with_any_offset_agree_with_python(read, local, offset, separator):
    text = local.isoformat(separator) + offset
    expected = datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    assert read(text, "TIMESTAMP") == expected


@given(local=INSTANTS, decimals=st.integers(1, 6), zeros=st.integers(0, 6), offset=OFFSETS)
def test_decimals_of_a_second_are_kept_to_the_sixth(read, local, decimals, zeros, offset):
    local = local.replace(microsecond=local.microsecond // 10 ** (6 - decimals) * 10 ** (6 - decimals))
    text = f"{local:%Y-%m-%dT%H:%M:%S}.{f'{local.microsecond:06}'[:decimals]}{'0' * zeros}{offset}"
    python = f"{local.isoformat()}{offset}"
    assert read(text, "TIMESTAMP") == datetime.fromisoformat(python).astimezone(UTC).replace(tzinfo=None)
    seventh = f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond:06}1{offset}"
    assert read(seventh, "TIMESTAMP") is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31",
        "2026-01-31T10:00:00",
        "2026-01-31 10:00",
        "infinity",
        "-infinity",
        "epoch",
        "now",
        "10000-01-01T00:00:00Z",
        "+010000-01-01T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T23:59:60Z",
        "2026-01-31T23:60:00Z",
        "2026-02-29T10:00:00Z",
        "2026-13-01T10:00:00Z",
        "2026-01-31T10:00:00+24:00",
        "2026-01-31T10:00:00+05:60",
        "2026-01-31T10:00:00 UTC",
        "2026-01-31T10:00:00 America/New_York",
        "2026-01-31T10:00:00Z[UTC]",
        "2026-01-31t10:00:00z",
        "20260131T100000Z",
        "2026-W05-6T10:00:00Z",
        "2026-01-31T10Z",
        "31.01.2026 10:00",
        "1/31/2026 10:00:00 AM",
        "Jun 8, 2025 10:23:05 PM PDT",
        "1769853600",
        "46053.41667",
        "2026-01-31T10:00:00Z; drop table x",
    ],
)
@pytest.mark.parametrize("zone", [None, "America/Sao_Paulo"])
def test_what_does_not_say_an_instant_is_none(read, text, zone):
    if zone and text in {"2026-01-31T10:00:00", "2026-01-31 10:00"}:
        assert read(text, "TIMESTAMP", zone) == datetime(2026, 1, 31, 13)
    else:
        assert read(text, "TIMESTAMP", zone) is None


@given(local=INSTANTS, hours=st.integers(-12, 14))
def test_an_offset_counts_more_than_the_zone_of_the_source(read, local, hours):
    aware = local.replace(tzinfo=timezone(timedelta(hours=hours)))
    expected = aware.astimezone(UTC).replace(tzinfo=None)
    assert read(aware.isoformat(), "TIMESTAMP", "Asia/Tokyo") == expected


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        ("America/Sao_Paulo", "2018-07-01 12:00:00", "2018-07-01 15:00:00"),
        ("America/Sao_Paulo", "2018-11-04 00:30:00", "2018-11-04 03:30:00"),  # skipped: -03:00 was in force before
        ("America/Sao_Paulo", "2018-02-17 22:59:59", "2018-02-18 00:59:59"),
        ("America/Sao_Paulo", "2018-02-17 23:30:00", "2018-02-18 02:30:00"),  # twice: the second, -03:00
        ("Europe/Berlin", "2026-03-29 02:30:00", "2026-03-29 01:30:00"),  # skipped: +01:00 was in force before
        ("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25 01:30:00"),  # twice: the second, +01:00
        ("Asia/Tokyo", "2026-01-01T00:00:00.5", "2025-12-31 15:00:00.500000"),
    ],
)
def test_local_times_of_a_source_with_a_zone(read, zone, local, utc):
    assert read(local, "TIMESTAMP", zone) == datetime.fromisoformat(utc)


def test_other_types_are_not_known():
    with pytest.raises(ValueError, match="DOUBLE"):
        typed("t", "DOUBLE")


@given(amount=st.decimals(-(10**14) + 1, 10**14 - 1, places=4), zeros=st.integers(0, 3))
def test_amounts_are_read_exactly(read, amount, zeros):
    assert read(f" {amount:f}{'0' * zeros}", "DECIMAL(18,4)") == amount


@pytest.mark.parametrize(
    "text", ["1,000.00", "1.00001", "1e2", ".5", "5.", "1 000", "$1", "(5.00)", "NaN", "9" * 15, "²", "-", "0x1"]
)
def test_what_is_no_exact_amount_is_none(read, text):
    assert read(text, "DECIMAL(18,4)") is None


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("-12,5", "DECIMAL(18,4)", Decimal("-12.5")),
        ("12", "DECIMAL(18,4)", Decimal(12)),
        ("12.5", "DECIMAL(18,4)", None),
        ("1.234,50", "DECIMAL(18,4)", None),
        ("2,0", "BIGINT", 2),
        ("2,5", "BIGINT", None),
        ("2.0", "BIGINT", None),
    ],
)
def test_a_decimal_comma_where_the_source_says_so(con, text, kind, value):
    expression = typed("t", kind, Writing(has_decimal_comma=True))
    assert con.execute(f"select {expression} from (select cast(? as varchar) as t)", [text]).fetchall() == [(value,)]
