"""Shares as text: a percentage gets more digits wherever rounding would hide on which side of a bound it lies."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from reports.language import EXACT, JOINED, Language


@dataclass(frozen=True, slots=True)
class Share:
    """A share as text."""

    fraction: str
    """`20 / 345`"""
    per_hundred: str
    """`5.80`"""
    per_cent: str
    """`5.80%`"""
    per_hundred_in_short: str
    """`5.8`, where there is room for little"""
    side: int = 0
    """−1 or 1 where it lies so close below or above `bound` that only many decimals would tell; else 0."""
    bound: str = ""


def share(part: int, of: int, language: Language, bounds: Iterable[Decimal] = ()) -> Share:
    """`part / of` as fraction and percentage, half up to two decimals, or as many as tell it from every bound."""
    bounds = list(bounds)
    sides = [(part > edge) - (part < edge) for edge in (EXACT.multiply(each, Decimal(of)) for each in bounds)]
    beside = (0, "")
    for digits in count(2):
        steps = (2 * part * 10 ** (digits + 2) + of) // (2 * of)
        shown = EXACT.scaleb(Decimal(steps), -(digits + 2))
        hidden = [
            (each, side) for each, side in zip(bounds, sides, strict=True) if (shown > each) - (shown < each) != side
        ]
        if not hidden:
            break
        edge, side = hidden[0]
        beside = (side, language.bound(edge)) if side else beside
    hundredths = EXACT.normalize(EXACT.scaleb(Decimal(steps), -digits))
    return Share(
        f"{language.whole(part)}{JOINED}/{JOINED}{language.whole(of)}",
        language.number(hundredths, at_least=2),
        language.per_cent(hundredths, at_least=2),
        language.number(EXACT.quantize(hundredths, Decimal("0.1")), at_least=1),
        *beside,
    )
