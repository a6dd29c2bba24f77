"""What a statement says, in the reader's language: the only place with sentences, beside the labels of its template.

Each sentence is a whole message of the gettext catalogues in `reports/words/`, and what is joined is joined by a
message too, because languages differ in the order of words. A test holds catalogues, code and template together.

Does not belong here: which reason holds and what a figure is (`view`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from reports.language import Language
from reports.statement.figures import Share, share
from reports.statement.view import (
    Adjusted,
    Clause,
    Condition,
    Defects,
    Entry,
    Landing,
    Line,
    Ratio,
    Stay,
    Terms,
    TierRow,
    View,
)


def N_(message: str) -> str:  # noqa: N802 - the usual name of what marks a message for the catalogues
    """Mark a message that is looked up elsewhere."""
    return message


OUTCOMES_OF_UNITS: Mapping[str, tuple[str, str]] = {
    "chargeable": (
        N_("Chargeable"),
        N_("Ordered while you were enrolled and not shipped in your free trial: charged as the lines below say."),
    ),
    "trial": (
        N_("Free trial"),
        N_("Ordered while you were enrolled and shipped before your free trial ended: free."),
    ),
    "before_enrolment": (
        N_("Before enrolment"),
        N_("Ordered before you first enrolled: not covered, not charged."),
    ),
    "opted_out": (N_("Opted out"), N_("Ordered while you were opted out: not covered, not charged.")),
    "never_enrolled": (
        N_("Never enrolled"),
        N_("You have never been enrolled in this marketplace: not covered, not charged."),
    ),
    "prime": (N_("Seller-fulfilled Prime"), N_("Never part of the programme: not charged.")),
    "platform_fulfilled": (N_("Fulfilled by Amazon"), N_("Never part of the programme: not charged.")),
    "void": (N_("Withdrawn"), N_("The shipment was withdrawn, as if it had never happened: not charged.")),
}

OUTCOMES_OF_CONTACTS: Mapping[str, tuple[str, str]] = {
    "excluded_reason": (
        N_("Reason not covered"),
        N_("Enquiries about invoices or customisation and pre-order enquiries never count."),
    ),
    "before_order": (N_("Before the order"), N_("Made before the order was placed.")),
    "before_enrolment": (N_("Before enrolment"), N_("About an order placed before you first enrolled.")),
    "opted_out": (N_("Opted out"), N_("About an order placed while you were opted out.")),
    "never_enrolled": (N_("Never enrolled"), N_("About an order of a seller never enrolled in this marketplace.")),
    "prime": (N_("Seller-fulfilled Prime"), N_("About an order that is never part of the programme.")),
    "platform_fulfilled": (N_("Fulfilled by Amazon"), N_("About an order that is never part of the programme.")),
    "void": (N_("Withdrawn"), N_("Withdrawn, for instance after you contested it.")),
    "unmatched": (N_("Without an order"), N_("No order was found for it.")),
}

REASONS: Mapping[str, str] = {
    "where_is_my_order": N_("Where is my order?"),
    "delivery": N_("Delivery"),
    "return": N_("Return"),
    "refund": N_("Refund"),
    "damaged": N_("Damaged"),
    "cancel": N_("Cancellation"),
    "product_question": N_("Product question"),
    "invoice": N_("Invoice"),
    "customisation": N_("Customisation"),
    "pre_order": N_("Pre-order"),
    "other": N_("Other"),
}

CHANNELS: Mapping[str, str] = {"phone": N_("Phone"), "email": N_("E-mail"), "chat": N_("Chat")}

CAUSES: Mapping[str, str] = {
    "late_order_item": N_("an order came late"),
    "corrected_order_item": N_("an order was corrected"),
    "late_shipment": N_("a shipment came late"),
    "corrected_shipment": N_("a shipment was corrected or withdrawn"),
    "late_contact": N_("a contact came late"),
    "corrected_contact": N_("a contact was corrected or withdrawn"),
    "late_return": N_("a return came late"),
    "corrected_return": N_("a return was corrected"),
    "enrolment_changed": N_("your enrolment was corrected"),
    "contact_reassigned": N_("a contact was assigned to another item of its order"),
    "first_returns": N_("returns of this marketplace came in for the first time"),
    "terms_repriced": N_("the terms of that period were corrected"),
    "counted_anew": N_("the whole of that period was counted again"),
}
"""What changed a closed period, by names of billing.late_causes."""


ISSUERS: Mapping[str, str] = {"service": N_("The service"), "seller": N_("You")}

CLAIMS: Mapping[str, str] = {
    "filed": N_("Not decided yet"),
    "granted": N_("Granted: reimbursed to you"),
    "denied": N_("Denied"),
}
"""How SAFE-T claims stand."""


@dataclass(frozen=True, slots=True)
class ConditionSaid:
    """A row of the table of waivers and rewards."""

    name: str
    asked: str
    figure: str
    result: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    """Counted contacts by reason and channel, most first, with totals."""

    channels: Sequence[str]
    rows: Sequence[tuple[str, Sequence[int], int]]
    totals: Sequence[int]
    total: int


class Words:
    """A statement's facts in a language; the template asks for one sentence after the other."""

    def __init__(self, it: View, language: Language) -> None:
        self.it, self.language = it, language
        self.zone = language.zone(it.period.time_zone)
        self._ = language.texts.gettext
        self._n = language.texts.ngettext

    # -- figures ----------------------------------------------------------------------------------------------------

    def amount(self, value: Decimal) -> str:
        """With the currency."""
        return self.language.amount(value, self.it.currency, self.it.minor_units)

    def figure(self, value: Decimal) -> str:
        """Without it, for a column that names it."""
        return self.language.figure(value, self.it.minor_units)

    @cached_property
    def bounds(self) -> list[Decimal]:
        """Every bound that contacts per unit are compared with."""
        ends = {tier.up_to for terms in self.it.terms for tier in terms.tiers if tier.up_to is not None}
        waivers = {row.limit for each in self.it.conditions for row in each.rows if row.kind == "cpu_below"}
        return sorted(ends | waivers)

    @cached_property
    def cpu(self) -> Share | None:
        """Contacts per unit."""
        return self._share(self.it.contacts_per_unit) if self.it.contacts_per_unit else None

    def _share(self, ratio: Ratio) -> Share:
        return share(ratio.contacts, ratio.units, self.language, self.bounds)

    def beside(self, figure: Share | None) -> str:
        """Where a share lies so close to a bound that rounding would hide it; else nothing."""
        if figure is None or not figure.side:
            return ""
        if figure.side > 0:
            return self._("just above %(bound)s") % {"bound": figure.bound}
        return self._("just below %(bound)s") % {"bound": figure.bound}

    # -- what is owed -----------------------------------------------------------------------------------------------

    @cached_property
    def owed_as(self) -> str:
        """What the large figure is."""
        return self._("Credit to you") if self.it.total < 0 else self._("Amount owed")

    @cached_property
    def sentence(self) -> str:
        """What is owed and why, in one sentence."""
        total = self.amount(abs(self.it.total))
        if self.it.total > 0:
            head = self._("You owe %(total)s") % {"total": total}
        elif self.it.total < 0:
            head = self._("You have a credit of %(total)s") % {"total": total}
        else:
            head = self._("You owe nothing")
        several = len(self.it.reasons) > 1
        reasons = [self._clause(clause, names_amount=several) for clause in self.it.reasons]
        return self._("%(what)s: %(why)s.") % {"what": head, "why": self._("; ").join(reasons)}

    def _clause(self, clause: Clause, *, names_amount: bool) -> str:
        if clause.kind == "adjustments":
            assert clause.amount is not None
            return self._("adjustments to earlier periods of %(amount)s") % {"amount": self.amount(clause.amount)}
        if clause.kind in {"trial", "none_covered", "none_shipped"}:
            return self._nothing(clause)
        said = self._charged(clause)
        if names_amount and clause.amount is not None:
            said = self._("%(amount)s for %(units)s") % {"amount": self.amount(clause.amount), "units": said}
        if len(self.it.terms) > 1:
            said = self._("%(reason)s (%(terms)s)") % {"reason": said, "terms": clause.terms_id}
        return said

    def _nothing(self, clause: Clause) -> str:
        units = {"units": self.language.whole(clause.units)}
        if clause.kind == "trial":
            said = self._n(
                "your one covered unit shipped in your free trial",
                "all %(units)s covered units shipped in your free trial",
                clause.units,
            )
            return said % units
        if clause.kind == "none_covered":
            return self._("none of the units that shipped is covered")
        return self._("no units shipped that the programme covers")

    def _charged(self, clause: Clause) -> str:
        n, cpu = clause.units, self.cpu
        values = {"units": self.language.whole(n), "tier": clause.tier}
        if clause.kind == "tier":
            values["cpu"] = cpu.per_hundred if cpu else ""
            return (
                self._n(
                    "%(units)s chargeable unit in tier %(tier)s, at %(cpu)s contacts per 100 units",
                    "%(units)s chargeable units in tier %(tier)s, at %(cpu)s contacts per 100 units",
                    n,
                )
                % values
            )
        if clause.kind == "flat":
            return (
                self._n("%(units)s chargeable unit at a flat fee", "%(units)s chargeable units at a flat fee", n)
                % values
            )
        if clause.kind == "cpu_below":
            values |= {"cpu": cpu.per_cent if cpu else "", "limit": self.language.bound(clause.limit)}
            return (
                self._n(
                    "%(units)s chargeable unit free of charge, as %(cpu)s contacts per unit are below %(limit)s",
                    "%(units)s chargeable units free of charge, as %(cpu)s contacts per unit are below %(limit)s",
                    n,
                )
                % values
            )
        if clause.kind == "orders_in_quarter_below":
            values["limit"] = self.language.whole(int(clause.limit or 0))
            return (
                self._n(
                    "%(units)s chargeable unit free of charge, as you had fewer than %(limit)s orders in the quarter",
                    "%(units)s chargeable units free of charge, as you had fewer than %(limit)s orders in the quarter",
                    n,
                )
                % values
            )
        if clause.kind == "reward":
            values["discount"] = self.language.bound(clause.limit)
            return (
                self._n(
                    "%(units)s chargeable unit free of charge, as your rewards take off %(discount)s",
                    "%(units)s chargeable units free of charge, as your rewards take off %(discount)s",
                    n,
                )
                % values
            )
        return (
            self._n(
                "%(units)s chargeable unit free of charge in your tier",
                "%(units)s chargeable units free of charge in your tier",
                n,
            )
            % values
        )

    # -- units, tiers and lines -------------------------------------------------------------------------------------

    @cached_property
    def units(self) -> list[tuple[str, int, str, bool]]:
        """Units by outcome: its name, how many, why, and whether they are charged."""
        order = list(OUTCOMES_OF_UNITS)
        found = sorted(self.it.units, key=lambda each: _place(order, each.outcome))
        return [
            (*self._outcome(OUTCOMES_OF_UNITS, each.outcome, each.number), each.outcome == "chargeable")
            for each in found
        ]

    @cached_property
    def not_counted(self) -> list[tuple[str, int, str]]:
        """Contacts that were not counted, by outcome."""
        order = list(OUTCOMES_OF_CONTACTS)
        found = sorted(self.it.contacts_not_counted, key=lambda each: _place(order, each.outcome))
        return [self._outcome(OUTCOMES_OF_CONTACTS, each.outcome, each.number) for each in found]

    def _outcome(self, outcomes: Mapping[str, tuple[str, str]], outcome: str, number: int) -> tuple[str, int, str]:
        if outcome not in outcomes:
            return outcome, number, ""
        name, why = outcomes[outcome]
        return self._(name), number, self._(why)

    @cached_property
    def cpu_undefined(self) -> str:
        """Why a month with contacts but without covered units has no contacts per unit."""
        number = self.it.contacts_counted
        if self.it.contacts_per_unit or not number:
            return ""
        return self._n(
            "%(number)s contact was counted, but no covered unit shipped: contacts per unit are undefined, and nothing"
            " is charged for it.",
            "%(number)s contacts were counted, but no covered unit shipped: contacts per unit are undefined, and"
            " nothing is charged for them.",
            number,
        ) % {"number": self.language.whole(number)}

    def range_of(self, terms: Terms, tier: TierRow) -> str:
        """The contacts per unit that a tier spans: `above 5%, up to 10%`."""
        parts = []
        lower = next((each for each in terms.tiers if each.tier == tier.tier - 1), None)
        if lower and lower.up_to is not None:
            start = self._("from %(bound)s") if lower.is_exclusive else self._("above %(bound)s")
            parts.append(start % {"bound": self.language.bound(lower.up_to)})
        if tier.up_to is not None:
            end = self._("below %(bound)s") if tier.is_exclusive else self._("up to %(bound)s")
            parts.append(end % {"bound": self.language.bound(tier.up_to)})
        if len(parts) == 2:
            return self._("%(lower)s, %(upper)s") % {"lower": parts[0], "upper": parts[1]}
        return parts[0] if parts else self._("any")

    def name_of(self, line: Line) -> str:
        """What a line is for: `Tier 2, US-2021-11`."""
        if line.kind == "trial":
            name = self._("Free trial")
        elif line.is_flat:
            name = self._("Flat fee")
        else:
            name = self._("Tier %(tier)s") % {"tier": line.tier}
        return self._("%(line)s, %(terms)s") % {"line": name, "terms": line.terms_id}

    def note_of(self, line: Line) -> str:
        """Why a line is free or cheaper."""
        if line.waiver == "cpu_below":
            return self._("free: few contacts")
        if line.waiver == "orders_in_quarter_below":
            return self._("free: few orders")
        if line.rate:
            return self._("rewards: %(discount)s off") % {"discount": self.language.bound(line.rate)}
        return ""

    def because(self, adjusted: Adjusted) -> str:
        """Why an earlier period is put right."""
        if not adjusted.causes:
            return ""
        causes = self.listed([self._(CAUSES.get(cause, cause)) for cause in adjusted.causes])
        return self._("Why, after the period was closed: %(causes)s.") % {"causes": causes}

    def name_of_entry(self, entry: Entry) -> str:
        """What is booked."""
        if entry.line is not None:
            return self.name_of(entry.line)
        return self._("Credit") if entry.amount <= 0 else self._("Credit taken back")

    def note_of_entry(self, entry: Entry) -> str:
        """Whether it takes back or enters; of a credit, why it was granted."""
        if entry.line is None:
            return entry.reason or ""
        said = self._("as billed, taken back") if entry.entry == "reversal" else self._("as it should be")
        note = self.note_of(entry.line)
        return self._("; ").join([said, note]) if note else said

    # -- the trial, waivers and rewards, the next tier --------------------------------------------------------------

    @cached_property
    def enrolment(self) -> list[str]:
        """How long the seller has been enrolled, and where its free trial stood."""
        it = self.it.enrolment
        if it is None:
            return []
        said = [self._stay(number, stay) for number, stay in enumerate(it.stays)]
        if it.trial_ends_at is None:
            return [*said, self._("The terms under which you enrolled have no free trial.")]
        rule = self._(
            "What counts is when a unit ships, not when it was ordered: a covered unit is free if it ships before that"
            " instant."
        )
        values = {"end": self.moment(it.trial_ends_at)}
        if it.trial_days_left is not None:
            days = it.trial_days_left
            left = self._n(
                "Your free trial ends on %(end)s; at the end of this period %(days)s full day of it was left.",
                "Your free trial ends on %(end)s; at the end of this period %(days)s full days of it were left.",
                days,
            )
            return [*said, left % {**values, "days": self.language.whole(days)}, rule]
        if it.trial_ends_at >= self.it.period.starts_at:
            return [*said, self._("Your free trial ended on %(end)s, during this period.") % values, rule]
        return [*said, self._("Your free trial ended on %(end)s, before this period.") % values]

    def _stay(self, number: int, stay: Stay) -> str:
        values = {"since": self.moment(stay.started_at), "left": self.moment(stay.ended_at) if stay.ended_at else ""}
        if number == 0 and stay.ended_at:
            return self._("You enrolled on %(since)s and left on %(left)s.") % values
        if number == 0:
            return self._("You first enrolled on %(since)s.") % values
        if stay.ended_at:
            return self._("You enrolled again on %(since)s and left on %(left)s.") % values
        return self._("You enrolled again on %(since)s.") % values

    def conditions(self, rows: Sequence[Condition]) -> list[ConditionSaid]:
        """The waivers and rewards of a version of the terms."""
        asked = [row for row in rows if row.kind in {"vtr_at_least", "aprl_at_least"}]
        return [self._condition(row, asked) for row in rows]

    def _condition(self, row: Condition, asked: Sequence[Condition]) -> ConditionSaid:
        limit = {"limit": self.language.bound(row.limit)}
        names = {"vtr_at_least": self._("Valid tracking"), "aprl_at_least": self._("Prepaid return labels")}
        if row.kind == "cpu_below":
            name, need = self._("Free with few contacts"), self._("contacts per unit below %(limit)s") % limit
        elif row.kind == "orders_in_quarter_below":
            name, orders = self._("Free with few orders"), int(row.limit)
            need = self._n(
                "fewer than %(number)s order in the quarter", "fewer than %(number)s orders in the quarter", orders
            ) % {"number": self.language.whole(orders)}
        elif row.kind == "vtr_at_least":
            name, need = names[row.kind], self._("at least %(limit)s of units") % limit
        elif row.kind == "aprl_at_least":
            name, need = names[row.kind], self._("at least %(limit)s of returns") % limit
        else:
            name = self._("Reward")
            need = self._("%(discount)s off in tier %(tier)s") % {"discount": limit["limit"], "tier": row.tier}
        results = {
            "met": self._("met"),
            "missed": self._("missed"),
            "earned": self._("earned"),
            "not_needed": self._("not needed"),
        }
        figure = self.listed([names[each.kind] for each in asked]) if row.kind == "reward" else self._decided(row)
        return ConditionSaid(name, need, figure, results[row.result], row.result != "missed")

    def _decided(self, row: Condition) -> str:
        """The figure that decided."""
        if row.part is None:
            if row.result == "met":
                return self._("no returns in the period")
            return self._("no returns are known in this marketplace")
        if row.of is None:
            return self._n("%(number)s order", "%(number)s orders", row.part) % {
                "number": self.language.whole(row.part)
            }
        if not row.of:
            return self._("no units")
        bounds = self.bounds if row.kind == "cpu_below" else [row.limit]
        figure = share(row.part, row.of, self.language, bounds)
        text = f"{figure.fraction} = {figure.per_cent}"
        beside = self.beside(figure)
        return self._("%(figure)s, %(remark)s") % {"figure": text, "remark": beside} if beside else text

    @cached_property
    def next_tier(self) -> str:
        """What fewer contacts would have changed; or that there is no lower tier; or nothing."""
        it = self.it.next_tier
        if it is None:
            if not self.it.is_in_lowest_tier:
                return ""
            return self._("You are in the lowest tier: fewer contacts would not have changed what you owe.")
        figure = self._share(Ratio(it.contacts, self.it.contacts_per_unit.units)) if self.it.contacts_per_unit else None
        values = {
            "fewer": self.language.whole(it.fewer),
            "saving": self.amount(abs(it.saving)),
            "cpu": f"{figure.fraction} = {figure.per_cent}" if figure else "",
            "places": self.listed([self._landing(each, names_terms=it.is_one_of_several) for each in it.places]),
        }
        if it.saving > 0:
            said = self._n(
                "%(fewer)s fewer contact would have saved %(saving)s: at %(cpu)s you would have been %(places)s.",
                "%(fewer)s fewer contacts would have saved %(saving)s: at %(cpu)s you would have been %(places)s.",
                it.fewer,
            )
        elif it.saving == 0:
            said = self._n(
                "At %(fewer)s fewer contact (%(cpu)s) you would have been %(places)s, for the same amount.",
                "At %(fewer)s fewer contacts (%(cpu)s) you would have been %(places)s, for the same amount.",
                it.fewer,
            )
        else:
            said = self._n(
                "At %(fewer)s fewer contact (%(cpu)s) you would have been %(places)s, which would have cost %(saving)s"
                " more, as its discount is smaller.",
                "At %(fewer)s fewer contacts (%(cpu)s) you would have been %(places)s, which would have cost %(saving)s"
                " more, as its discount is smaller.",
                it.fewer,
            )
        return said % values

    def _landing(self, place: Landing, *, names_terms: bool) -> str:
        said = self._("free of charge") if place.is_free else self._("in tier %(tier)s") % {"tier": place.tier}
        return self._("%(place)s under %(terms)s") % {"place": said, "terms": place.terms_id} if names_terms else said

    # -- contacts, and what to do with the statement ----------------------------------------------------------------

    @cached_property
    def contacts(self) -> Matrix | None:
        """Counted contacts by reason and channel."""
        cells = {(each.reason, each.channel): each.number for each in self.it.contacts}
        if not cells:
            return None
        channels = sorted({channel for _, channel in cells}, key=lambda each: _place(list(CHANNELS), each))
        sums: dict[str, int] = {}
        for (reason, _), number in cells.items():
            sums[reason] = sums.get(reason, 0) + number
        return Matrix(
            channels=[self._(CHANNELS[channel]) if channel in CHANNELS else channel for channel in channels],
            rows=[
                (
                    self._(REASONS[reason]) if reason in REASONS else reason,
                    [cells.get((reason, channel), 0) for channel in channels],
                    sums[reason],
                )
                for reason in sorted(sums, key=lambda each: (-sums[each], each))
            ],
            totals=[sum(number for (_, of), number in cells.items() if of == channel) for channel in channels],
            total=sum(cells.values()),
        )

    @cached_property
    def resolved(self) -> str:
        """How many counted contacts the service resolved in the time that it promises."""
        it = self.it.resolved
        if it is None:
            return ""
        return self._("Counted contacts resolved within 48 hours: %(figure)s") % {
            "figure": self._figure(it.within_two_days, it.contacts)
        }

    def _figure(self, part: int, of: int) -> str:
        figure = share(part, of, self.language)
        return f"{figure.fraction} = {figure.per_cent}"

    # -- requests, refunds and defects ------------------------------------------------------------------------------

    @cached_property
    def response(self) -> Share | None:
        """The share of requests due that were answered in time."""
        it = self.it.requests
        return share(it.answered, it.due, self.language) if it and it.due else None

    @cached_property
    def requests(self) -> list[tuple[str, int]]:
        """Requests by what became of them."""
        it = self.it.requests
        if it is None:
            return []
        rows = [
            (self._("Answered within 24 hours"), it.answered),
            (self._("Answered later"), it.late),
            (self._("Not answered"), it.unanswered),
            (self._("Made less than 24 hours before the period ended: in no rate"), it.not_due),
        ]
        return [(name, number) for name, number in rows if number]

    @cached_property
    def refunds(self) -> list[tuple[str, int, str]]:
        """Refunds by who gave them: how many, and what they come to."""
        return [
            (self._(ISSUERS[each.issued_by]), each.number, self._sum(each.amount, each.currency))
            for each in self.it.refunds
        ]

    @cached_property
    def claims(self) -> list[tuple[str, int, str]]:
        """SAFE-T claims by how they stand."""
        order = list(CLAIMS)
        return [
            (self._(CLAIMS[each.status]), each.number, self._sum(each.amount, each.currency))
            for each in sorted(self.it.claims, key=lambda each: (order.index(each.status), each.currency))
        ]

    def _sum(self, amount: Decimal, currency: str) -> str:
        digits = self.it.minor_units if currency == self.it.currency else 0
        return self.language.amount(amount, currency, digits)

    @cached_property
    def defects(self) -> list[tuple[str, list[str]]]:
        """What customers complained of, and the defect rate: this month, and beside it the one before enrolment."""
        months = [month for month in (self.it.defects, self.it.defects_before_enrolment) if month]
        whole = self.language.whole
        return [
            (self._("A-to-z claims"), [whole(month.a_to_z_claims) for month in months]),
            (self._("Negative feedback"), [whole(month.negative_feedback) for month in months]),
            (self._("Chargebacks"), [whole(month.chargebacks) for month in months]),
            (self._("Orders with any of these"), [whole(month.orders_with_defect) for month in months]),
            (self._("Orders placed"), [whole(month.orders) for month in months]),
            (self._("Order defect rate"), [self._defect_rate(month) for month in months]),
        ]

    def _defect_rate(self, month: Defects) -> str:
        return share(month.orders_with_defect, month.orders, self.language).per_cent if month.orders else "–"

    @cached_property
    def months(self) -> list[tuple[str, str, Share | None]]:
        """The last twelve months: in few letters, in full, and contacts per unit."""
        return [
            (
                self.language.short_month(each.period),
                self.language.month(each.period),
                share(each.contacts or 0, each.units, self.language) if each.units else None,
            )
            for each in self.it.months
        ]

    @cached_property
    def months_described(self) -> str:
        """The same as text, for those who cannot see the chart."""
        said = [
            self._("%(month)s: %(fraction)s = %(cpu)s")
            % {"month": month, "fraction": figure.fraction, "cpu": figure.per_cent}
            for _, month, figure in self.months
            if figure
        ]
        return self._("; ").join(said)

    @cached_property
    def how_to_check(self) -> list[str]:
        """Where the figures come from, and how to do the sum again."""
        period = {"start": self.moment(self.it.period.starts_at), "end": self.moment(self.it.period.ends_at)}
        unit = self.amount(Decimal(1).scaleb(-self.it.minor_units))
        return [
            self._(
                "A unit belongs to the period in which it shipped, a contact to the one in which it was made: from"
                " %(start)s up to, but not including, %(end)s."
            )
            % period,
            *self._own_shipments,
            self._(
                "Contacts per unit are counted contacts divided by covered units, free trial included. They are"
                " compared with every bound exactly, before any rounding."
            ),
            self._(
                "Each amount is units × fee × (1 − discount), rounded once, half up, to %(unit)s; the discount shown is"
                " units × fee less that amount."
            )
            % {"unit": unit},
        ]

    @property
    def _own_shipments(self) -> list[str]:
        if not self.it.units:
            return []
        said = self._(
            "Your own shipments of that time, by their ship dates, are the units above; each has exactly one outcome."
        )
        return [said]

    @cached_property
    def dispute(self) -> str:
        """How to contest a figure, and until when."""
        if self.it.dispute is None:
            until = self._("If a figure looks wrong, tell Seller Support.")
        else:
            days = self.it.dispute.days
            until = self._n(
                "If a figure looks wrong, tell Seller Support by %(day)s, within %(days)s day of the period's end.",
                "If a figure looks wrong, tell Seller Support by %(day)s, within %(days)s days of the period's end.",
                days,
            ) % {"day": self.language.date(self.it.dispute.last_day), "days": self.language.whole(days)}
        return (
            until
            + self._space
            + self._("Say which line or outcome you contest, and quote the number of this statement.")
        )

    @cached_property
    def remark(self) -> str:
        """What must be known of the amounts."""
        return self._("The amounts of the fees are illustrative. All amounts are net of tax.")

    # -- joining ----------------------------------------------------------------------------------------------------

    def moment(self, instant: datetime) -> str:
        """An instant in the marketplace's local time."""
        return self.language.moment(instant, self.zone)

    def day(self, instant: datetime) -> str:
        """The local day of an instant."""
        return self.language.day(instant, self.zone)

    def listed(self, parts: Sequence[str]) -> str:
        """`a`, `a and b`, `a, b and c`."""
        if len(parts) < 2:
            return "".join(parts)
        return self._("%(some)s and %(last)s") % {"some": self._(", ").join(parts[:-1]), "last": parts[-1]}

    @property
    def _space(self) -> str:
        return "" if self.language.is_unspaced else " "


def _place(order: Sequence[str], name: str) -> tuple[int, str]:
    """Where a code stands in an order; those unknown last, by name."""
    return (order.index(name) if name in order else len(order)), name
