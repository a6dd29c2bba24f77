"""What a close report shows, as figures and short sentences in English: its head, what to look at, and its sections.

Three sections have a module of their own: `compared`, `sellers` and `proof`. The template asks for one after the other.
Every text that comes from data passes `printable` here, and stands in a `bdi` there. Of amounts nothing is computed but
sums of few, differences and percentages, in decimals.

Does not belong here: what is read (`rows`), names of codes (`words`), the form of figures (`forms`), the page.
"""

import shlex
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from pathlib import PurePath
from typing import NamedTuple

from reports.amounts import NONE
from reports.close_report import words
from reports.close_report.compared import Compared
from reports.close_report.forms import Forms
from reports.close_report.proof import Proof
from reports.close_report.rows import FILES, Rows
from reports.close_report.sellers import Sellers
from reports.printable import printable


class Note(NamedTuple):
    """Something to look at before signing, and the section that has it."""

    text: str
    section: str
    is_wrong: bool = False


class Line(NamedTuple):
    """A line of a table: what, more of it, and figures."""

    name: str
    aside: str
    figures: Sequence[str]


class Credit(NamedTuple):
    """A credit, as it is booked."""

    seller_id: str
    name: str
    period: str
    reason: str
    granted_by: str
    granted_on: str
    amount: str


class Reported(NamedTuple):
    """Exceptions of a kind, and one of them."""

    name: str
    number: str
    subject: str
    detail: str


class View:
    """A close report: its head, and section by section."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.setting, self.now = rows, rows.setting, rows.now
        self.say = Forms(rows.setting)
        self.compared = Compared(rows, self.say)
        self.sellers = Sellers(rows, self.say)
        self.proof = Proof(rows, self.say)

    # -- the head ---------------------------------------------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """Whether the books are shut."""
        return self.rows.close is not None

    @property
    def place(self) -> tuple[str, str, str]:
        """Domain, country and id of the marketplace."""
        it = self.setting.marketplace
        return printable(it.domain), printable(it.country), printable(it.marketplace_id)

    @cached_property
    def facts(self) -> list[tuple[str, str, str]]:
        """Name, text and remark of what stands in the head."""
        priced = ", ".join(map(printable, self.rows.terms)) or NONE
        found = [
            ("Marketplace", self.place[0], f"{self.place[1]}, {self.place[2]}"),
            ("Month", self.say.period, f"up to {self.say.moment(self.setting.ends_at)}"),
            ("Terms that priced it", priced, ""),
        ]
        close = self.rows.close
        if close:
            found += [
                ("Closed by", printable(close.closed_by), self.say.moment(close.closed_at)),
                ("Data seen", f"up to load {self.say.whole(close.load_id)}", f"code {printable(close.code_version)}"),
            ]
        return found

    @cached_property
    def summary(self) -> list[str]:
        """What the total is made of, and how it compares."""
        now = self.now
        favoured = f", {self.say.whole(now.favoured)} of them in the seller’s favour" if now.favoured else ""
        statements = self.say.counted(now.statements, "statement")
        said = f"{statements}, {self.say.whole(now.charged)} other than zero{favoured}."
        if now.adjustments or self.rows.corrections or self.rows.number_of_credits:
            amounts = self.say.figure(now.charges), self.say.figure(now.adjustments)
            said += f" Charges {amounts[0]}, adjustments and credits {amounts[1]}."
        return [said, self._compared()]

    def _compared(self) -> str:
        if self.rows.before is None:
            return f"{self.say.before} is not known, so that nothing is compared."
        difference = self.now.total - self.rows.before.total
        if not difference:
            return f"The same as in {self.say.before}."
        per_cent = self.say.change_per_cent(abs(difference), self.rows.before.total)
        share_of = f" ({per_cent.removeprefix('+')})" if per_cent != NONE else ""
        than = f"{'more' if difference > 0 else 'less'} than in {self.say.before}"
        return f"{self.say.amount(abs(difference))}{share_of} {than}."

    @cached_property
    def since_the_close(self) -> list[str]:
        """What is known now that was not at the close."""
        rerating = self.rows.rerating
        if rerating is None or not self.rows.has_come_late:
            return []
        shown = "Amounts stand as they were closed; units, contacts and exceptions are shown as known now"
        said = [f"Files were loaded since the close. {shown}, up to load {self.say.whole(rerating.load_id)}."]
        for each in self.rows.since:
            where = f"{self.say.counted(each.sellers, 'seller')}, booked in {self.say.month(each.posted_period)}"
            said.append(f"{self.say.causes(each.causes)}: other lines for {where}.")
        return said

    @cached_property
    def how_to_close(self) -> tuple[str, str]:
        """What closing the draft waits for, and the command."""
        rerating, period = self.rows.rerating, self.setting.period
        if rerating and period < rerating.first_period:
            first = self.say.month(rerating.first_period)
            return f"It cannot be closed: it lies before {first}, the first month that was.", ""
        if rerating and period > rerating.open_period:
            return f"{self.say.month(rerating.open_period)} is to be closed first: months close in order.", ""
        if self.proof.failing:
            return "It cannot be closed as long as a sum does not hold.", ""
        command = shlex.join(["csba", "close", period, "--marketplace", self.place[2], "--by", "YOUR NAME"])
        return f"It can be closed from {self.say.moment(self.setting.ends_at)} on:", command

    # -- what to look at --------------------------------------------------------------------------------------------

    @cached_property
    def notes(self) -> list[Note]:
        """What is out of the ordinary."""
        rows = self.rows
        found = [
            Note(f"{each.name}: it differs by {each.difference}", "proof", is_wrong=True) for each in self.proof.failing
        ]
        entries = sum(each.entries for each in rows.corrections)
        if entries:
            net = self.now.adjustments - rows.credits_amount
            booked = f"{self.say.counted(entries, 'adjustment')} of closed months: {self.say.amount(net)}"
            found.append(Note(booked, "adjustments"))
        if rows.number_of_credits:
            granted = self.say.counted(rows.number_of_credits, "credit")
            found.append(Note(f"{granted} granted: {self.say.amount(rows.credits_amount)}", "credits"))
        found += self._notes_on_sellers()
        if len(rows.terms) > 1:
            found.append(Note(f"{self.say.whole(len(rows.terms))} versions of the terms priced the month", "tiers"))
        if self.proof.waiting_rows:
            found.append(Note(f"{self.proof.waiting_rows} without an order so far", "proof"))
        number = sum(each.number for each in rows.reported)
        if number:
            found.append(Note(f"{self.say.counted(number, 'exception')} reported", "exceptions"))
        for what, days in rows.days_without.items():
            if days:
                found.append(Note(f"{self.say.counted(len(days), 'day')} without {what}", "data"))
        if rows.refused:
            number = sum(each.rows for each in rows.refused)
            found.append(Note(f"{self.say.counted(number, 'row')} refused when loading", "data"))
        return found

    def _notes_on_sellers(self) -> Iterable[Note]:
        moves = self.sellers.moves
        if moves["in a higher tier"]:
            yield Note(f"{self.say.counted(moves['in a higher tier'], 'seller')} in a higher tier than before", "tiers")
        if moves["new"]:
            yield Note(self.say.counted(moves["new"], "new seller"), "tiers")
        if moves["gone"]:
            yield Note(f"{self.say.counted(moves['gone'], 'seller')} gone", "tiers")

    # -- what was given, and what was booked ------------------------------------------------------------------------

    @cached_property
    def grants(self) -> list[Line]:
        """Waivers and rewards, with what they gave away."""
        return [
            Line(
                f"{words.GRANTS.get(each.kind, printable(each.kind))}"
                + (f", {self.say.bound(each.discount)} off" if each.discount else ""),
                "",
                [self.say.whole(each.sellers), self.say.whole(each.units), self.say.figure(each.forgone)],
            )
            for each in self.rows.grants
        ]

    @cached_property
    def forgone(self) -> str:
        """All that was given away."""
        return self.say.figure(sum((each.forgone for each in self.rows.grants), Decimal(0)))

    @cached_property
    def corrections(self) -> list[Line]:
        """Adjustments by the month they correct, and why."""
        return [
            Line(
                self.say.month(each.period),
                self.say.causes(each.causes),
                [
                    self.say.whole(each.entries),
                    self.say.whole(each.sellers),
                    self.say.signed(self.say.figure(each.amount), each.amount),
                ],
            )
            for each in self.rows.corrections
        ]

    @cached_property
    def credits(self) -> list[Credit]:
        """The largest credits."""
        return [
            Credit(
                printable(each.seller_id),
                printable(each.name or ""),
                self.say.month(each.period),
                printable(each.reason),
                printable(each.granted_by),
                self.say.day(each.granted_at),
                self.say.signed(self.say.figure(each.amount), each.amount),
            )
            for each in self.rows.credits
        ]

    @cached_property
    def other_credits(self) -> str:
        """How many more there are."""
        more = self.rows.number_of_credits - len(self.rows.credits)
        return f"{self.say.counted(more, 'smaller credit')} more." if more > 0 else ""

    # -- exceptions and data ----------------------------------------------------------------------------------------

    @cached_property
    def exceptions(self) -> list[Reported]:
        """What was reported, by kind."""
        return [
            Reported(
                words.EXCEPTIONS.get(each.kind, printable(each.kind)),
                self.say.whole(each.number),
                printable(each.subject),
                printable(each.detail or ""),
            )
            for each in self.rows.reported
        ]

    @cached_property
    def days(self) -> list[str]:
        """Days on which nothing happened."""
        found = self.rows.days_without
        said = [
            f"{self.say.counted(len(days), 'day')} without {what}: {_ranges(days)}."
            for what, days in found.items()
            if days
        ]
        full = [what for what, days in found.items() if not days]
        if full:
            said.append(f"Every day had {' and '.join(full)}.")
        return said

    @cached_property
    def files(self) -> list[Line]:
        """Files that brought rows of the month; where there are many, those first of which not all was taken."""
        files = self.rows.files
        if len(files) > FILES:
            files = sorted(files, key=lambda each: not (each.rows_quarantined or each.rows_skipped))[:FILES]
        return [
            Line(
                printable(PurePath(each.path).name),
                printable(each.dataset),
                [self.say.whole(number) for number in each[2:]],
            )
            for each in files
        ]

    @cached_property
    def all_files(self) -> Line:
        """The sums over all of them."""
        sums = [self.say.whole(sum(numbers)) for numbers in zip(*(each[2:] for each in self.rows.files), strict=True)]
        return Line(f"All {self.say.counted(len(self.rows.files), 'file')}", "", sums)

    @cached_property
    def other_files(self) -> str:
        """How many more there are."""
        more = len(self.rows.files) - len(self.files)
        return f"{self.say.counted(more, 'more file')}, in the sums below." if more > 0 else ""

    @cached_property
    def refused(self) -> list[Line]:
        """Rows that no load took, by dataset, column and check."""
        return [
            Line(
                f"{printable(each.dataset)}: {printable(each.column or NONE)}",
                printable(each.check),
                [self.say.whole(each.rows)],
            )
            for each in self.rows.refused
        ]


def _ranges(days: Sequence[date]) -> str:
    """`1, 4–6, 30`: the days of a month."""
    runs = [
        [number for _, number in run]
        for _, run in groupby(enumerate(day.day for day in days), lambda each: each[1] - each[0])
    ]
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
