"""The form of figures in a close report: counts, amounts, changes and times, in English.

Only integers and decimals come in. Nothing is rounded here but percentages and points, half up.
"""

from datetime import datetime
from decimal import Decimal

from reports.close_report import words
from reports.language import EXACT, language_of
from reports.printable import printable
from reports.statement.figures import share
from reports.statement.rows import Setting
from reports.statement.view import in_full

NONE = "–"
"""Where there is no figure."""

HUNDRED, TENTH = Decimal(100), Decimal("0.1")


class Forms:
    """Forms of a marketplace's currency and clocks."""

    def __init__(self, setting: Setting) -> None:
        self.language = language_of("en")
        self.currency, self.digits = setting.marketplace.currency, setting.marketplace.minor_units
        self.zone = setting.zone
        self.period, self.before = self.month(setting.period), self.month(setting.months[-2])

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

    def change_per_cent(self, difference: Decimal, before: Decimal) -> str:
        """A change as a share of what was; none of nothing, or of less than nothing."""
        if before <= 0:
            return NONE
        hundredths = EXACT.quantize(EXACT.divide(EXACT.multiply(difference, HUNDRED), before), TENTH)
        return self.signed(self.language.per_cent(hundredths, at_least=1), hundredths)

    def moment(self, instant: datetime) -> str:
        """An instant on the marketplace's clocks."""
        return self.language.moment(instant, self.zone)

    def day(self, instant: datetime) -> str:
        """The day of an instant, on the marketplace's clocks."""
        return self.language.day(instant, self.zone)

    def bound(self, value: Decimal) -> str:
        """A bound or discount, in full."""
        return self.language.bound(in_full(value))

    def ratio(self, contacts: int, units: int) -> str:
        """Contacts per unit; none without units."""
        return share(contacts, units, self.language).per_cent if units else NONE

    def causes(self, codes: str) -> str:
        """`late_shipment, late_contact` in words."""
        names = [words.CAUSES.get(code, printable(code)) for code in codes.split(", ")]
        said = ", ".join(names)
        return said[:1].upper() + said[1:]
