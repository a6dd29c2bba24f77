"""Why to believe the figures: what the tables say twice, every unit and contact by its outcome, and the journal."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from reports import charts
from reports.close_report import words
from reports.close_report.forms import Forms
from reports.close_report.rows import Rows
from reports.printable import printable

LABELS = 150
"""Room for the labels of bars, in units of a chart's width."""


class Check(NamedTuple):
    """The same thing added up in two ways."""

    name: str
    one: str
    one_is: str
    other: str
    other_is: str
    difference: str
    holds: bool


class Posted(NamedTuple):
    """What was, or would be, posted to an account."""

    account: str
    debit: str
    credit: str


class Proof:
    """Sums, held against each other."""

    def __init__(self, rows: Rows, say: Forms) -> None:
        self.rows, self.say = rows, say

    @cached_property
    def units(self) -> list[tuple[str, str]]:
        """Units by outcome, those that there are."""
        return self._balance(self.rows.units, words.OUTCOMES_OF_UNITS)

    @cached_property
    def contacts(self) -> list[tuple[str, str]]:
        """Contacts by outcome, those that there are."""
        return self._balance(self.rows.contacts, words.OUTCOMES_OF_CONTACTS)

    def _balance(self, found: Mapping[str, int], names: Mapping[str, str]) -> list[tuple[str, str]]:
        return [
            (name, self.say.whole(found[code])) for code, name in names.items() if found[code] or code == "unmatched"
        ]

    @cached_property
    def units_chart(self) -> charts.BarChart:
        """Units by outcome; those charged are marked."""
        found = self.rows.units
        return charts.bar_chart(
            [
                (name, found[code], self.say.whole(found[code]), code == "chargeable")
                for code, name in words.OUTCOMES_OF_UNITS.items()
                if found[code]
            ],
            LABELS,
        )

    @cached_property
    def waiting(self) -> str:
        """Rows of no marketplace yet."""
        if not self.waiting_rows:
            return ""
        return f"Of no marketplace yet, as their order has not come: {self.waiting_rows} of {self.say.period} (UTC)."

    @property
    def waiting_rows(self) -> str:
        """How many they are."""
        numbers = (self.rows.waiting_units, "unit"), (self.rows.waiting_contacts, "contact")
        return " and ".join(self.say.counted(number, what) for number, what in numbers if number)

    @cached_property
    def checks(self) -> list[Check]:
        """What the tables say twice."""
        rows, now, proof = self.rows, self.rows.now, self.rows.proof
        rated = "lines rated with what is known now" if rows.has_come_late else "fee lines"
        units = sum(rows.units[outcome] for outcome in words.OUTCOMES_OF_UNITS)
        contacts = sum(rows.contacts[outcome] for outcome in words.OUTCOMES_OF_CONTACTS)
        booked = proof.line_amounts + proof.adjustment_amounts
        return [
            self._same_count("Units shipped", (units, "all outcomes"), (rows.units["shipped"], "rows loaded")),
            self._same_count(
                "Contacts received", (contacts, "all outcomes"), (rows.contacts["received"], "rows loaded")
            ),
            self._same_count("Contacts counted", (now.contacts, "performance of sellers"), (now.counted, "outcomes")),
            self._same_count("Covered units", (proof.line_units, rated), (now.covered, "outcomes")),
            self._same_money("Charges", (proof.line_amounts, "fee lines"), (now.charges, "statements")),
            self._same_money(
                "Adjustments, credits", (proof.adjustment_amounts, "entries"), (now.adjustments, "statements")
            ),
            self._same_money("Total", (booked, "lines and entries"), (now.total, "statements")),
            self._same_count("Sellers", (proof.agreeing, "those whose own sums agree"), (proof.sellers, "all")),
            *self._checks_of_the_books(),
        ]

    def _checks_of_the_books(self) -> list[Check]:
        close, proof = self.rows.close, self.rows.proof
        if close is None:
            return []
        return [
            self._same_money("Total closed", (close.total, "the close"), (self.rows.now.total, "statements")),
            self._same_count(
                "Lines posted", (proof.journal_entries, "journal entries"), (proof.postable_lines, "lines not zero")
            ),
            self._same_money(
                "Amounts posted", (self._debit, "debits"), (proof.postable_amounts, "lines, without sign")
            ),
            self._same_money("Journal", (self._debit, "debits"), (self._credit, "credits")),
        ]

    def _same_count(self, name: str, one: tuple[int, str], other: tuple[int, str]) -> Check:
        difference = one[0] - other[0]
        figures = self.say.whole(one[0]), one[1], self.say.whole(other[0]), other[1]
        return Check(name, *figures, self.say.signed(self.say.whole(difference), difference), not difference)

    def _same_money(self, name: str, one: tuple[Decimal, str], other: tuple[Decimal, str]) -> Check:
        difference = one[0] - other[0]
        figures = self.say.figure(one[0]), one[1], self.say.figure(other[0]), other[1]
        return Check(name, *figures, self.say.signed(self.say.figure(difference), difference), not difference)

    @cached_property
    def failing(self) -> list[Check]:
        """Those that do not hold."""
        return [each for each in self.checks if not each.holds]

    # -- the journal ------------------------------------------------------------------------------------------------

    @cached_property
    def accounts(self) -> list[Posted]:
        """Accounts with debit and credit."""
        return [
            Posted(printable(each.account), self.say.figure(each.debit), self.say.figure(each.credit))
            for each in self.rows.accounts
        ]

    @cached_property
    def posted(self) -> Posted:
        """Both sides of all accounts."""
        return Posted("Both sides", self.say.figure(self._debit), self.say.figure(self._credit))

    @property
    def _debit(self) -> Decimal:
        return sum((each.debit for each in self.rows.accounts), Decimal(0))

    @property
    def _credit(self) -> Decimal:
        return sum((each.credit for each in self.rows.accounts), Decimal(0))

    @cached_property
    def entries(self) -> str:
        """How many entries there are, or will be."""
        proof = self.rows.proof
        return self.say.counted(proof.journal_entries if self.rows.close else proof.postable_lines, "entry", "entries")
