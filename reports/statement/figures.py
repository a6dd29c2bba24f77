"""Exact figures as text: amounts, fees, shares and instants.

Only integers and decimals come in, and nothing is rounded but a percentage, which gets more digits wherever rounding
would hide on which side of a bound it lies. Sentences are in `words`.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from itertools import count
from zoneinfo import ZoneInfo

EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
"""Room for any product of a count, a fee and a discount, so that only a rounding that is meant ever happens."""

MINUS = "\N{MINUS SIGN}"
JOINED = "\N{NO-BREAK SPACE}"
"""Between a figure and its unit, so that no line breaks there."""

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, lone surrogates, line and paragraph separators: they have no place in a name or an id."""


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency's code and the decimals of its minor unit."""

    code: str
    minor_units: int

    def amount(self, value: Decimal) -> str:
        """An amount or fee in full: `1,234.50 USD`, `1,520 JPY`, `0.125 USD`; never rounded."""
        return f"{decimal(value, at_least=self.minor_units)}{JOINED}{self.code}"

    def figure(self, value: Decimal) -> str:
        """The same without the code, for a column that names it."""
        return decimal(value, at_least=self.minor_units)

    def rounded(self, value: Decimal) -> Decimal:
        """The value rounded half up to the minor unit, as fee lines are."""
        return EXACT.quantize(value, Decimal(1).scaleb(-self.minor_units))


@dataclass(frozen=True, slots=True)
class Share:
    """A share as text: `per_cent` is `3.48 %`, `per_hundred` the same without the sign."""

    fraction: str
    per_hundred: str
    beside: str | None
    """`just above 5 %` where two decimals would have hidden it."""

    @property
    def per_cent(self) -> str:
        """The share as a percentage."""
        return f"{self.per_hundred}{JOINED}%"


def decimal(value: Decimal, *, at_least: int = 0) -> str:
    """A decimal in full, thousands apart, without needless zeros beyond `at_least` decimals."""
    if value == 0:
        value = Decimal(0)
    exponent = EXACT.normalize(value).as_tuple().exponent
    decimals = max(at_least, -exponent) if isinstance(exponent, int) else at_least
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def whole(value: int) -> str:
    """A count with its thousands apart."""
    return f"{value:,}".replace("-", MINUS)


def bound(value: Decimal) -> str:
    """A bound or discount as a percentage, in full: `5 %`, `2.5 %`."""
    return f"{decimal(EXACT.multiply(value, Decimal(100)))}{JOINED}%"


def share(part: int, of: int, bounds: Iterable[Decimal] = ()) -> Share:
    """`part / of` as fraction and percentage, half up to two decimals, or as many as tell it from every bound."""
    bounds = list(bounds)
    sides = [(part > edge) - (part < edge) for edge in (EXACT.multiply(each, Decimal(of)) for each in bounds)]
    beside = None
    for digits in count(2):
        steps = (2 * part * 10 ** (digits + 2) + of) // (2 * of)
        shown = EXACT.scaleb(Decimal(steps), -(digits + 2))
        hidden = [
            (each, side) for each, side in zip(bounds, sides, strict=True) if (shown > each) - (shown < each) != side
        ]
        if not hidden:
            break
        edge, side = hidden[0]
        beside = f"just {'above' if side > 0 else 'below'} {bound(edge)}" if side else None
    per_hundred = decimal(EXACT.scaleb(Decimal(steps), -digits), at_least=2)
    return Share(f"{whole(part)}{JOINED}/{JOINED}{whole(of)}", per_hundred, beside)


def month(period: str) -> str:
    """A billing period in words: `October 2026`."""
    year, number = period.split("-")
    return f"{MONTHS[int(number) - 1]}{JOINED}{int(year):04}"


def day(instant: datetime, zone: ZoneInfo) -> str:
    """The local day of an instant kept as UTC: `1 October 2026`."""
    local = instant.replace(tzinfo=UTC).astimezone(zone)
    return f"{local.day}{JOINED}{MONTHS[local.month - 1]}{JOINED}{local.year}"


def moment(instant: datetime, zone: ZoneInfo) -> str:
    """An instant kept as UTC, in local time with its zone: `1 October 2026, 00:00 America/Los_Angeles (UTC−07:00)`."""
    local = instant.replace(tzinfo=UTC).astimezone(zone)
    clock = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    offset = f"{local:%z}".replace("-", MINUS)
    return f"{day(instant, zone)}, {clock} {zone.key} (UTC{offset[:3]}:{offset[3:5]})"


def printable(text: str) -> str:
    """Text from data with everything replaced that is no character to read."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(each) in UNPRINTABLE else each for each in text)
