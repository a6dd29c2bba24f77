"""What the page of a simulation shows, as figures and short sentences in English: its head, and each marketplace.

Every text that comes from data passes `printable` here, and stands in a `bdi` there.

Does not belong here: what is read (`rows`), the form of figures (`reports/amounts.py`), the page.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from reports import charts
from reports.amounts import Amounts
from reports.language import language_of
from reports.printable import printable
from reports.simulation.rows import Month, Rows, Seller, Tier, Version
from reports.standings import name_of, order_of

ARROW = "\N{RIGHTWARDS ARROW}"
MOVES_SHOWN = 3
COLUMNS = ("Now", "Simulated", "Change", "Per cent", "Sellers", "Pay more", "Pay less", "Move")
"""Of the table of months."""


class Facts(NamedTuple):
    """What is known of a simulation beside its tables."""

    periods: Sequence[str]
    folder: str
    """Where the other terms lie, as it was said."""
    files: dict[str, str]
    """Marketplace → the file of its other terms; one without keeps its own."""
    left_out: Sequence[str]
    """What was asked for and is not there, in sentences."""
    load_id: int
    code_version: str


class Line(NamedTuple):
    """A month, or all of them."""

    name: str
    figures: Sequence[str]


class Cell(NamedTuple):
    """How often sellers stand here and would stand there; empty for never."""

    times: str
    is_same: bool


class Matrix(NamedTuple):
    """Where sellers stand (rows), and would stand (columns)."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


class Changed(NamedTuple):
    """A seller whose total changes."""

    seller_id: str
    name: str
    known: str
    simulated: str
    change: str
    why: str


class Told(NamedTuple):
    """A version of terms."""

    terms_id: str
    conditions: str
    tiers: Sequence[tuple[str, str, str, str]]
    """Number, bounds, fee, and the discount of a reward."""
    has_rewards: bool


class View:
    """The page: its head, and a part for each marketplace."""

    def __init__(self, facts: Facts, parts: Sequence[Rows]) -> None:
        self.facts = facts
        self.parts = [Part(rows, rows.place.marketplace_id in facts.files) for rows in parts]

    @property
    def months(self) -> str:
        """The months simulated."""
        first, last = (language_of("en").month(period) for period in (self.facts.periods[0], self.facts.periods[-1]))
        return first if first == last else f"{first} to {last}"

    @cached_property
    def about(self) -> list[tuple[str, str, str]]:
        """Name, text and remark of what stands in the head."""
        files = ", ".join(sorted(map(printable, self.facts.files.values())))
        load = f"up to load {language_of('en').whole(self.facts.load_id)}"
        return [
            ("Other terms", files, f"in {printable(self.facts.folder)}"),
            ("Data seen", load, f"code {printable(self.facts.code_version)}"),
        ]

    @cached_property
    def left_out(self) -> list[str]:
        """What is not in it."""
        return list(map(printable, self.facts.left_out))


class Part:
    """What is shown of one marketplace."""

    def __init__(self, rows: Rows, has_other_terms: bool) -> None:
        self.rows, self.place, self.has_other_terms = rows, rows.place, has_other_terms
        self.say = Amounts(rows.place.currency, rows.place.minor_units)
        self.known = sum((month.known for month in rows.months), Decimal(0))
        self.simulated = sum((month.simulated for month in rows.months), Decimal(0))
        self.difference = self.simulated - self.known
        self.id = printable(rows.place.country).lower()

    @property
    def name(self) -> str:
        """The marketplace's domain."""
        return printable(self.place.domain)

    @cached_property
    def sentences(self) -> list[str]:
        """What the change comes to, and whom it concerns."""
        say, it = self.say, self.rows.all_months
        change = f", {say.change_per_cent(self.difference, self.known)}" if self.known > 0 else ""
        same = it.sellers - it.more - it.less
        found = [
            f"From {say.amount(self.known)} to {say.amount(self.simulated)}{change}.",
            (
                f"Of {say.counted(it.sellers, 'seller')} {say.whole(it.more)} would pay more,"
                f" {say.whole(it.less)} less, {say.whole(same)} the same."
            ),
        ]
        moved = [f"{say.counted(it.moved, 'seller')} would stand elsewhere in some month"] if it.moved else []
        if it.newly_waived:
            moved.append(f"{say.whole(it.newly_waived)} would newly be waived")
        if it.no_longer_waived:
            moved.append(f"{say.whole(it.no_longer_waived)} would no longer be waived")
        return [*found, f"{'; '.join(moved)}."] if moved else found

    # -- months -----------------------------------------------------------------------------------------------------

    @cached_property
    def changes(self) -> tuple[str, charts.ColumnChart]:
        """In what the changes of the months are, and a column for each."""
        months = self.rows.months
        unit, texts = self.say.side_by_side([month.difference for month in months], signed=True)
        shown = [
            (self.say.language.short_month(month.period), float(month.difference), text)
            for month, text in zip(months, texts, strict=True)
        ]
        return unit, charts.column_chart(shown, marks_last=False)

    @property
    def differs(self) -> bool:
        """Whether any month does."""
        return any(month.difference for month in self.rows.months)

    @cached_property
    def lines(self) -> list[Line]:
        """The months."""
        return list(map(self._line, self.rows.months))

    @cached_property
    def total(self) -> Line | None:
        """All months, if there are several."""
        if len(self.rows.months) == 1:
            return None
        it = self.rows.all_months
        counts = it.sellers, it.more, it.less, it.moved
        return Line("All months", self._figures(self.known, self.simulated, self.difference, counts))

    def _line(self, month: Month) -> Line:
        counts = month.sellers, month.sellers_more, month.sellers_less, month.sellers_moved
        figures = self._figures(month.known, month.simulated, month.difference, counts)
        return Line(self.say.month(month.period), figures)

    def _figures(self, known: Decimal, simulated: Decimal, difference: Decimal, counts: Iterable[int]) -> list[str]:
        """The figures of `COLUMNS`."""
        amounts = self.say.figure(known), self.say.figure(simulated), self.say.change(difference)
        return [*amounts, self.say.change_per_cent(difference, known), *map(self.say.whole, counts)]

    # -- sellers ----------------------------------------------------------------------------------------------------

    @cached_property
    def matrix(self) -> Matrix:
        """How often sellers stand somewhere and would stand elsewhere."""
        times = {(each.known, each.simulated): each.times for each in self.rows.moves}
        known = sorted({one for one, _ in times}, key=order_of)
        simulated = sorted({other for _, other in times}, key=order_of)
        return Matrix(
            list(map(name_of, simulated)),
            [
                (
                    name_of(one),
                    [
                        Cell(self.say.whole(times[one, other]) if (one, other) in times else "", one == other)
                        for other in simulated
                    ],
                )
                for one in known
            ],
        )

    @cached_property
    def sellers(self) -> list[Changed]:
        """The sellers whose totals change most."""
        return [
            Changed(
                printable(each.seller_id),
                printable(each.name or ""),
                self.say.figure(each.known),
                self.say.figure(each.simulated),
                self.say.change(each.difference),
                self._why(each),
            )
            for each in self.rows.sellers
        ]

    def _why(self, seller: Seller) -> str:
        moves = [
            f"{name_of(one).lower()} {ARROW} {name_of(other).lower()} in {self.say.counted(months, 'month')}"
            for one, other, months in seller.moves
        ]
        more = len(moves) - MOVES_SHOWN
        shown = moves if more <= 0 else [*moves[:MOVES_SHOWN], f"{more} more"]
        return "; ".join(shown) or "stands where it stood, at another price"

    @cached_property
    def other_sellers(self) -> str:
        """How many more change."""
        more = self.rows.all_months.more + self.rows.all_months.less - len(self.rows.sellers)
        return f"{self.say.counted(more, 'more seller')} would change by less; sellers.csv has all." if more else ""

    # -- terms ------------------------------------------------------------------------------------------------------

    @cached_property
    def terms(self) -> list[tuple[str, list[Told]]]:
        """The versions that priced the months now, and those of the simulation."""
        return [
            ("Now", [self._told(each) for each in self.rows.known]),
            ("Simulated", [self._told(each) for each in self.rows.simulated]),
        ]

    def _told(self, version: Version) -> Told:
        has_rewards = any(each.discount for each in version.tiers)
        return Told(
            printable(version.terms_id), "; ".join(self._conditions(version)), list(self._tiers(version)), has_rewards
        )

    def _conditions(self, version: Version) -> Iterable[str]:
        say = self.say
        yield f"trial of {say.counted(version.trial_days, 'day')}"
        if version.cpu_below is not None:
            yield f"free below {say.bound(version.cpu_below)}"
        if version.orders_in_quarter_below is not None:
            yield f"free under {say.counted(version.orders_in_quarter_below, 'order')} a quarter"
        if version.vtr_at_least is not None:
            yield f"rewards from {say.bound(version.vtr_at_least)} valid tracking"
        if version.aprl_at_least is not None:
            yield f"rewards from {say.bound(version.aprl_at_least)} prepaid labels"

    def _tiers(self, version: Version) -> Iterable[tuple[str, str, str, str]]:
        lower = ""
        for tier in version.tiers:
            bounds = ", ".join(filter(None, (lower, self._upper(tier)))) or "any"
            yield str(tier.tier), bounds, self.say.figure(tier.fee), self.say.bound(tier.discount)
            if tier.up_to is not None:
                lower = f"{'from' if tier.is_exclusive else 'over'} {self.say.bound(tier.up_to)}"

    def _upper(self, tier: Tier) -> str:
        if tier.up_to is None:
            return ""
        return f"{'below' if tier.is_exclusive else 'up to'} {self.say.bound(tier.up_to)}"
