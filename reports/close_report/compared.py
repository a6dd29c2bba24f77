"""The month against the one before, and among the last twelve."""

from collections.abc import Callable
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from reports import charts
from reports.amounts import HUNDRED, NONE
from reports.close_report.forms import Forms
from reports.close_report.rows import Month, Rows
from reports.language import EXACT
from reports.statement.figures import share

HUNDREDTH = Decimal("0.01")


class Figure(NamedTuple):
    """A line of the comparison with the month before."""

    name: str
    now: str
    before: str
    change: str
    per_cent: str
    is_total: bool = False


class MonthLine(NamedTuple):
    """A month of the last twelve."""

    month: str
    books: str
    total: str
    statements: str
    fraction: str
    per_cent: str
    is_last: bool


class Compared:
    """The figures of the month, and of those before."""

    def __init__(self, rows: Rows, say: Forms) -> None:
        self.rows, self.say, self.setting, self.now = rows, say, rows.setting, rows.now

    @property
    def short_period(self) -> str:
        """The month in few letters."""
        return self.say.language.short_month(self.setting.period)

    @property
    def short_before(self) -> str:
        """The month before, in few letters."""
        return self.say.language.short_month(self.setting.months[-2])

    @cached_property
    def figures(self) -> list[Figure]:
        """The month against the one before."""
        return [
            self._count("Units shipped", lambda month: month.shipped),
            self._count("Covered units", lambda month: month.covered),
            self._count("in free trial", lambda month: month.trial),
            self._count("chargeable", lambda month: month.chargeable),
            self._count("Contacts counted", lambda month: month.contacts),
            self._contacts_per_unit(),
            self._count("Statements", lambda month: month.statements),
            self._count("other than zero", lambda month: month.charged),
            self._money("Charges", lambda month: month.charges),
            self._money("Adjustments, credits", lambda month: month.adjustments),
            self._money("Total", lambda month: month.total)._replace(is_total=True),
        ]

    def _count(self, name: str, of: Callable[[Month], int]) -> Figure:
        return self._figure(name, self.say.whole, of)

    def _money(self, name: str, of: Callable[[Month], Decimal]) -> Figure:
        return self._figure(name, self.say.figure, of)

    def _figure(self, name: str, form: Callable[[Any], str], of: Callable[[Month], Any]) -> Figure:
        now = of(self.now)
        if self.rows.before is None:
            return Figure(name, form(now), NONE, NONE, NONE)
        before = of(self.rows.before)
        change = now - before
        per_cent = self.say.change_per_cent(Decimal(change), Decimal(before))
        return Figure(name, form(now), form(before), self.say.signed(form(change), change), per_cent)

    def _contacts_per_unit(self) -> Figure:
        name, now, before = "Contacts per unit", self.now, self.rows.before
        shown = self.say.ratio(now.contacts, now.units)
        if before is None:
            return Figure(name, shown, NONE, NONE, NONE)
        was = self.say.ratio(before.contacts, before.units)
        if not before.units or not now.units:
            return Figure(name, shown, was, NONE, NONE)
        old, new = (EXACT.divide(Decimal(each.contacts), Decimal(each.units)) for each in (before, now))
        change = EXACT.subtract(new, old)
        points = EXACT.quantize(EXACT.multiply(change, HUNDRED), HUNDREDTH)
        said = self.say.signed(f"{self.say.language.number(points, at_least=2)} points", points)
        return Figure(name, shown, was, said, self.say.change_per_cent(change, old))

    @cached_property
    def months(self) -> list[MonthLine]:
        """The months known of the last twelve; none if there is one only."""
        if len(self.rows.months) < 2:
            return []
        return [
            MonthLine(
                self.say.month(each.period),
                "closed" if each.is_closed else "draft",
                self.say.figure(each.total),
                self.say.whole(each.statements),
                share(each.contacts, each.units, self.say.language).fraction if each.units else "",
                self.say.ratio(each.contacts, each.units),
                each is self.now,
            )
            for each in self.rows.months
        ]

    @property
    def has_closed_months(self) -> bool:
        """Whether any of the months before is closed."""
        return any(each.is_closed for each in self.rows.months[:-1])

    @cached_property
    def slots(self) -> list[tuple[str, Month | None]]:
        """The months of the charts, from the first that is known on: label, and the month if it is known."""
        known = {each.period: each for each in self.rows.months}
        periods = [each for each in self.setting.months if each >= self.rows.months[0].period]
        return [(self.say.language.short_month(each), known.get(each)) for each in periods]

    @property
    def totals_in(self) -> str:
        """In what the chart of totals is."""
        return self._totals[0]

    @cached_property
    def totals_chart(self) -> charts.ColumnChart:
        """The totals of the months, in full if there is room."""
        return charts.column_chart(
            [
                (label, float(month.total) if month else None, text)
                for (label, month), text in zip(self.slots, self._totals[1], strict=True)
            ]
        )

    @cached_property
    def _totals(self) -> tuple[str, list[str]]:
        return self.say.side_by_side([month.total if month else None for _, month in self.slots])

    @cached_property
    def contacts_chart(self) -> charts.LineChart | None:
        """Contacts per unit of the months; none unless two are known."""
        values = [
            (label, month.contacts / month.units, share(month.contacts, month.units, self.say.language))
            if month and month.units
            else (label, None, None)
            for label, month in self.slots
        ]
        if sum(value is not None for _, value, _ in values) < 2:
            return None
        return charts.line_chart(
            [(label, value, figure.per_hundred_in_short if figure else "") for label, value, figure in values], []
        )
