"""The form of figures in a close report: amounts, and times on the marketplace's clocks."""

from datetime import datetime

from reports.amounts import NONE, Amounts
from reports.close_report import words
from reports.printable import printable
from reports.statement.figures import share
from reports.statement.rows import Setting


class Forms(Amounts):
    """Forms of a marketplace's currency and clocks."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting.marketplace.currency, setting.marketplace.minor_units)
        self.zone = setting.zone
        self.period, self.before = self.month(setting.period), self.month(setting.months[-2])

    def moment(self, instant: datetime) -> str:
        """An instant on the marketplace's clocks."""
        return self.language.moment(instant, self.zone)

    def day(self, instant: datetime) -> str:
        """The day of an instant, on the marketplace's clocks."""
        return self.language.day(instant, self.zone)

    def ratio(self, contacts: int, units: int) -> str:
        """Contacts per unit; none without units."""
        return share(contacts, units, self.language).per_cent if units else NONE

    def causes(self, codes: str) -> str:
        """`late_shipment, late_contact` in words."""
        names = [words.CAUSES.get(code, printable(code)) for code in codes.split(", ")]
        said = ", ".join(names)
        return said[:1].upper() + said[1:]
