"""Figures as text: exact, and rounded only where nothing is hidden by it."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.language import language_of
from reports.printable import printable
from reports.statement.figures import share

ENGLISH = language_of("en")


def plain(text: str | None) -> str | None:
    """The same with ordinary spaces."""
    return text and text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("value", "minor_units", "text"),
    [
        ("1234.5", 2, "1,234.50 USD"),
        ("0.0000", 2, "0.00 USD"),
        ("-0.00", 2, "0.00 USD"),
        ("-12.3000", 2, "−12.30 USD"),
        ("0.4275", 2, "0.4275 USD"),
        ("0.1250", 2, "0.125 USD"),
        ("1520.0000", 0, "1,520 USD"),
        ("38.5", 0, "38.5 USD"),
        ("100000000000000", 0, "100,000,000,000,000 USD"),
    ],
)
def test_amounts_are_shown_in_full(value, minor_units, text):
    assert plain(ENGLISH.amount(Decimal(value), "USD", minor_units)) == text


@pytest.mark.parametrize(
    ("part", "of", "bounds", "text", "side"),
    [
        (12, 345, [], "3.48", 0),
        (1, 800, [], "0.13", 0),  # 0.125 is rounded half up
        (0, 7, ["0.05"], "0.00", 0),
        (5, 100, ["0.05"], "5.00", 0),
        (5001, 100_000, ["0.05"], "5.001", 1),
        (49_999, 1_000_000, ["0.05", "0.1"], "4.9999", -1),
        (1, 32, ["0.03125"], "3.125", 0),  # two decimals would put it above the bound that it is
        (300, 200, ["0.05"], "150.00", 0),
    ],
)
def test_a_share_never_hides_its_side_of_a_bound(part, of, bounds, text, side):
    found = share(part, of, ENGLISH, [Decimal(each) for each in bounds])
    assert (found.per_hundred, found.per_cent, found.side) == (text, f"{text}%", side)
    assert found.bound == ("5%" if side else "")


@given(
    part=st.integers(0, 10**7),
    of=st.integers(1, 10**7),
    bounds=st.lists(st.decimals(0, 1, places=4), max_size=4),
)
def test_a_share_compares_as_the_exact_one(part, of, bounds):
    text = share(part, of, ENGLISH, bounds).per_hundred.replace(",", "")
    for each in bounds:
        exact, seen = Fraction(part, of), Fraction(text) / 100
        assert (exact > Fraction(each)) == (seen > Fraction(each))
        assert (exact < Fraction(each)) == (seen < Fraction(each))
    assert abs(Fraction(text) / 100 - Fraction(part, of)) <= Fraction(1, 20_000)


def test_bounds_and_decimals_lose_nothing():
    assert ENGLISH.bound(Decimal("0.050000")) == "5%"
    assert ENGLISH.bound(Decimal("0.0333")) == "3.33%"
    assert ENGLISH.number(Decimal("1E+3")) == "1,000"


def test_what_cannot_be_read_is_replaced():
    assert printable("a\x00b\u2028c\x1bd") == "a\ufffdb\ufffdc\ufffdd"
    assert printable("ก็็็็็็") == "ก็็็็\ufffd\ufffd", "towers of marks"
    assert printable("山田 \u202e Müller 🙂") == "山田 \u202e Müller 🙂"
