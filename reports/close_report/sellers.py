"""The sellers by tier, how they moved from the month before, and whose totals changed most."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from reports import charts
from reports.amounts import NONE
from reports.close_report.forms import Forms
from reports.close_report.rows import Mover, Rows, SellerMonth
from reports.printable import printable
from reports.standings import name_of, order_of, tier_of

ARROW = "\N{RIGHTWARDS ARROW}"
MOVES = ("where they were", "in a higher tier", "in a lower tier", "elsewhere", "new", "gone")
LABELS = 100
"""Room for the labels of bars, in units of a chart's width."""


class Standing(NamedTuple):
    """Sellers of a tier, or of another standing."""

    name: str
    bounds: str
    sellers: str
    before: str
    units: str
    charges: str


class Cell(NamedTuple):
    """Sellers that went from one standing to another; empty for none."""

    sellers: str
    is_same: bool


class Matrix(NamedTuple):
    """From which standing the month before, to which now."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


class Moved(NamedTuple):
    """A seller whose total changed."""

    seller_id: str
    name: str
    before: str
    now: str
    change: str
    why: str


class Sellers:
    """Where sellers stand."""

    def __init__(self, rows: Rows, say: Forms) -> None:
        self.rows, self.say, self.setting = rows, say, rows.setting

    @cached_property
    def standings(self) -> list[Standing]:
        """Sellers by tier, and those in none."""
        now = {each.standing: each for each in self.rows.standings}
        names = sorted({*now, *self.rows.standings_before}, key=order_of)
        return [
            Standing(
                name=name_of(name),
                bounds=self.bounds.get(name, ""),
                sellers=self.say.whole(now[name].sellers if name in now else 0),
                before=NONE if self.rows.before is None else self.say.whole(self.rows.standings_before.get(name, 0)),
                units=self.say.whole(now[name].units if name in now else 0),
                charges=self.say.figure(now[name].charges if name in now else Decimal(0)),
            )
            for name in names
        ]

    @cached_property
    def bounds(self) -> Mapping[str, str]:
        """Contacts per unit of each tier, by the terms that the month was priced with."""
        close, rerating = self.rows.close, self.rows.rerating
        if not self.rows.terms or (close and rerating and close.terms_sha256 != rerating.terms_sha256):
            return {}
        tiers = self.setting.versions[self.rows.terms[-1]].tiers
        found, lower = {}, ""
        for tier in tiers:
            upper = "" if tier.up_to is None else self.say.bound(tier.up_to)
            to = f"{'below' if tier.is_exclusive else 'up to'} {upper}" if upper else ""
            found[f"tier {tier.tier}"] = ", ".join(filter(None, (lower, to)))
            lower = f"{'from' if tier.is_exclusive else 'over'} {upper}"
        return found if len(tiers) > 1 else {}

    @cached_property
    def standings_chart(self) -> charts.BarChart:
        """Sellers by tier; tiers are marked, for they are charged."""
        return charts.bar_chart(
            [
                (name_of(each.standing), each.sellers, self.say.whole(each.sellers), each.tier is not None)
                for each in sorted(self.rows.standings, key=lambda each: order_of(each.standing))
            ],
            LABELS,
        )

    @cached_property
    def remark_on_tiers(self) -> str:
        """By which terms a seller has its tier, where there were several."""
        terms, before = self.rows.terms, self.rows.terms_before
        said = []
        if len(terms) > 1:
            said.append("A seller stands where the last version that priced its units puts it.")
        if terms and before and terms[-1] != before[-1]:
            said.append(
                f"The tiers of {self.say.before} are those of {printable(before[-1])}, these of {printable(terms[-1])}."
            )
        return " ".join(said)

    @cached_property
    def matrix(self) -> Matrix | None:
        """How sellers moved from the month before; none if it is not known."""
        if self.rows.before is None or not self.rows.moved:
            return None
        cells = {(each.before, each.now): each.sellers for each in self.rows.moved}
        before = sorted({each for each, _ in cells}, key=order_of)
        now = sorted({each for _, each in cells}, key=order_of)
        return Matrix(
            ["gone" if each is None else name_of(each) for each in now],
            [
                (
                    "new" if old is None else name_of(old),
                    [
                        Cell(
                            self.say.whole(cells[old, new]) if (old, new) in cells else "",
                            old is not None and old == new,
                        )
                        for new in now
                    ],
                )
                for old in before
            ],
        )

    @cached_property
    def moves(self) -> Mapping[str, int]:
        """Where sellers went from the month before, and how many; none if it is not known."""
        found = dict.fromkeys(MOVES, 0)
        for each in self.rows.moved if self.rows.before else ():
            found[_went(each.before, each.now)] += each.sellers
        return found

    @cached_property
    def movement(self) -> str:
        """The same in a sentence."""
        said = ", ".join(f"{self.say.whole(number)} {where}" for where, number in self.moves.items() if number)
        return f"Against {self.say.before}: {said}."

    @cached_property
    def movers(self) -> list[Moved]:
        """The sellers whose totals changed most."""
        if self.rows.before is None:
            return []
        return [
            Moved(
                printable(each.seller_id),
                printable(each.name or ""),
                self.say.figure(each.before.total) if each.before else NONE,
                self.say.figure(each.now.total) if each.now else NONE,
                self.say.signed(self.say.figure(each.difference), each.difference),
                "; ".join(self._why(each)),
            )
            for each in self.rows.movers
        ]

    def _why(self, it: Mover) -> Iterable[str]:
        if it.before is None or it.now is None:
            there = it.now or it.before
            yield "new" if it.now else "gone"
            if there:
                yield _standing_of(there)
            return
        found = [*self._standing_changed(it.before, it.now), *self._price_changed(it.before, it.now)]
        if it.before.tier and it.now.tier and it.before.units != it.now.units:
            found.append(f"units {self.say.whole(it.before.units)} {ARROW} {self.say.whole(it.now.units)}")
        if it.before.adjustments != it.now.adjustments:
            amounts = self.say.figure(it.before.adjustments), self.say.figure(it.now.adjustments)
            found.append(f"adjustments {amounts[0]} {ARROW} {amounts[1]}")
        yield from found or [f"other: {_standing_of(it.now)}"]

    def _standing_changed(self, before: SellerMonth, now: SellerMonth) -> Iterable[str]:
        if now.tier and before.tier and now.tier != before.tier:
            yield f"tier {before.tier} {ARROW} {now.tier}"
        elif before.standing == now.standing:
            return
        elif before.waiver and now.tier:
            yield f"waiver lost, tier {now.tier}"
        elif before.standing == "trial" and now.tier:
            yield f"trial over, tier {now.tier}"
        else:
            yield f"{_standing_of(before)} {ARROW} {_standing_of(now)}"

    def _price_changed(self, before: SellerMonth, now: SellerMonth) -> Iterable[str]:
        if now.terms and before.terms:
            yield from (f"{printable(each)} ended" for each in before.terms if each not in now.terms)
            yield from (f"{printable(each)} began" for each in now.terms if each not in before.terms)
        if not (now.tier and before.tier):
            return
        if now.discount != before.discount:
            old, new = (self.say.bound(each.discount or Decimal(0)) for each in (before, now))
            if not now.discount:
                yield f"reward of {old} lost"
            elif not before.discount:
                yield f"reward of {new}"
            else:
                yield f"reward {old} {ARROW} {new}"
        if now.tier == before.tier and now.fee is not None and before.fee is not None and now.fee != before.fee:
            yield f"fee {self.say.figure(before.fee)} {ARROW} {self.say.figure(now.fee)}"

    @cached_property
    def other_movers(self) -> str:
        """How many more changed."""
        more = self.rows.number_of_movers - len(self.rows.movers)
        return f"{self.say.counted(more, 'more seller')} changed by less." if more > 0 else ""


def _went(before: str | None, now: str | None) -> str:
    """One of `MOVES`."""
    if before is None or now is None:
        return "new" if now else "gone"
    if before == now:
        return "where they were"
    if not (tier_of(before) and tier_of(now)):
        return "elsewhere"
    return "in a higher tier" if tier_of(now) > tier_of(before) else "in a lower tier"


def _standing_of(month: SellerMonth) -> str:
    return name_of(month.standing).lower()
