"""Figures on pages for finance, in English: counts, and the amounts of one currency.

Only integers and decimals come in. Nothing is rounded here but percentages, half up, and what stands in a chart.

Does not belong here: what a figure is of.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from reports import charts
from reports.language import EXACT, language_of
from reports.statement.view import in_full

NONE = "–"
"""Where there is no figure."""

HUNDRED, TENTH = Decimal(100), Decimal("0.1")


class Scale(NamedTuple):
    """In what amounts are written where there is little room."""

    name: str
    digits: int | None
    """How many digits are left out; None: the amount is written in full."""

    @property
    def below(self) -> Decimal:
        """What is too much for it."""
        return Decimal(10) ** ((self.digits or 0) + 4)


SCALES = (Scale("", 0), Scale("thousand", 3), Scale("million", 6), Scale("billion", 9))


class Amounts:
    """The form of figures, in a currency with so many decimals."""

    def __init__(self, currency: str, minor_units: int) -> None:
        self.language = language_of("en")
        self.currency, self.digits = currency, minor_units

    def whole(self, number: int) -> str:
        """A count."""
        return self.language.whole(number)

    def figure(self, value: Decimal) -> str:
        """An amount or fee without its currency, in full."""
        return self.language.figure(in_full(value, self.digits), self.digits)

    def amount(self, value: Decimal) -> str:
        """An amount with its currency."""
        return self.language.amount(in_full(value, self.digits), self.currency, self.digits)

    def month(self, period: str) -> str:
        """A period in words."""
        return self.language.month(period)

    def counted(self, number: int, one: str, many: str = "") -> str:
        """`1 seller`, `2 sellers`."""
        return f"{self.whole(number)} {one if number == 1 else many or one + 's'}"

    def signed(self, text: str, value: Decimal | int) -> str:
        """A figure with a plus, if it is above zero; a minus it has itself."""
        return f"+{text}" if value > 0 else text

    def change(self, value: Decimal) -> str:
        """A difference, with its sign."""
        return self.signed(self.figure(value), value)

    def change_per_cent(self, difference: Decimal, before: Decimal) -> str:
        """A change as a share of what was; none of nothing, or of less than nothing."""
        if before <= 0:
            return NONE
        hundredths = EXACT.quantize(EXACT.divide(EXACT.multiply(difference, HUNDRED), before), TENTH)
        return self.signed(self.language.per_cent(hundredths, at_least=1), hundredths)

    def bound(self, value: Decimal) -> str:
        """A bound or discount, in full."""
        return self.language.bound(in_full(value))

    def side_by_side(self, amounts: Sequence[Decimal | None], *, signed: bool = False) -> tuple[str, list[str]]:
        """In what amounts of a chart are, and each of them: in full if there is room, else in thousands or more."""
        found = ["" if each is None else self.signed(self.figure(each), each if signed else 0) for each in amounts]
        if charts.fit(found):
            return self.currency, found
        most = max((abs(each) for each in amounts if each is not None), default=Decimal(0))
        scale = next((each for each in SCALES if most < each.below), SCALES[-1])
        rounded = [
            None if each is None else EXACT.quantize(EXACT.scaleb(each, -(scale.digits or 0)), Decimal(1))
            for each in amounts
        ]
        short = [
            "" if each is None else self.signed(self.language.number(each), each if signed else 0) for each in rounded
        ]
        return " ".join(filter(None, (scale.name, self.currency))), short
