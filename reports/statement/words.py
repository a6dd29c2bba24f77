"""What a statement says, in English: the only place with sentences. Figures come in as text, ready to print.

Does not belong here: which of the sentences holds (`view`), how a figure is printed (`figures`).
"""

from collections.abc import Mapping, Sequence

from reports.statement.figures import JOINED, bound, whole
from reports.statement.rows import Tier

OUTCOMES_OF_UNITS: Mapping[str, tuple[str, str]] = {
    "chargeable": ("Chargeable", "Ordered while you were enrolled and shipped after your free trial: charged by tier."),
    "trial": ("Free trial", "Ordered while you were enrolled and shipped before your free trial ended: free."),
    "before_enrolment": ("Before enrolment", "Ordered before you first enrolled: not covered, not charged."),
    "opted_out": ("Opted out", "Ordered while you were opted out: not covered, not charged."),
    "never_enrolled": ("Never enrolled", "You have never been enrolled in this marketplace: not covered, not charged."),
    "prime": ("Seller-fulfilled Prime", "Never part of the programme: not charged."),
    "platform_fulfilled": ("Fulfilled by Amazon", "Never part of the programme: not charged."),
    "void": ("Withdrawn", "The shipment was withdrawn, as if it had never happened: not charged."),
}

OUTCOMES_OF_CONTACTS: Mapping[str, tuple[str, str]] = {
    "excluded_reason": (
        "Reason not covered",
        "Enquiries about invoices or customisation and pre-order enquiries never count.",
    ),
    "before_order": ("Before the order", "Made before the order was placed."),
    "before_enrolment": ("Before enrolment", "About an order placed before you first enrolled."),
    "opted_out": ("Opted out", "About an order placed while you were opted out."),
    "never_enrolled": ("Never enrolled", "About an order of a seller never enrolled in this marketplace."),
    "prime": ("Seller-fulfilled Prime", "About an order that is never part of the programme."),
    "platform_fulfilled": ("Fulfilled by Amazon", "About an order that is never part of the programme."),
    "void": ("Withdrawn", "Withdrawn, for instance after you contested it."),
    "unmatched": ("Without an order", "No order was found for it."),
}

REASONS = {
    "where_is_my_order": "Where is my order?",
    "delivery": "Delivery",
    "return": "Return",
    "refund": "Refund",
    "damaged": "Damaged",
    "cancel": "Cancellation",
    "product_question": "Product question",
    "invoice": "Invoice",
    "customisation": "Customisation",
    "pre_order": "Pre-order",
    "other": "Other",
}

CAUSES = {
    "late_order_item": "an order came late",
    "corrected_order_item": "an order was corrected",
    "late_shipment": "a shipment came late",
    "corrected_shipment": "a shipment was corrected or withdrawn",
    "late_contact": "a contact came late",
    "corrected_contact": "a contact was corrected or withdrawn",
    "late_return": "a return came late",
    "corrected_return": "a return was corrected",
    "enrolment_changed": "your enrolment was corrected",
    "first_returns": "returns of this marketplace came in for the first time",
    "terms_repriced": "the terms of that period were corrected",
}
"""What changed a closed period, by names of billing.late_causes."""

FREE_TRIAL = "Free trial"
REVERSED, ENTERED = "as billed, taken back", "as it should be"
CREDIT, CREDIT_TAKEN_BACK = "Credit", "Credit taken back"

CHANNELS = {"phone": "Phone", "email": "E-mail", "chat": "Chat"}

REMARK = "The amounts of the fees are illustrative. All amounts are net of tax."

NO_TIER_IN_TRIAL = (
    "No tier is charged in your free trial; the marked one is where your contacts per unit would put you."
)


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 unit`, `312 units`."""
    return f"{whole(number)}{JOINED}{one if number == 1 else many or one + 's'}"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def range_of(tiers: Sequence[Tier], tier: Tier) -> str:
    """The contacts per unit that a tier spans: `above 5 %, up to 10 %`."""
    lower = next((each for each in tiers if each.tier == tier.tier - 1), None)
    parts = []
    if lower and lower.up_to is not None:
        parts.append(f"{'from' if lower.is_exclusive else 'above'} {bound(lower.up_to)}")
    if tier.up_to is not None:
        parts.append(f"{'below' if tier.is_exclusive else 'up to'} {bound(tier.up_to)}")
    return ", ".join(parts) or "any"


# -- what is owed ---------------------------------------------------------------------------------------------------


def owed(*, total: str, sign: int) -> str:
    """How the first sentence begins."""
    return {1: f"You owe {total}", 0: "You owe nothing", -1: f"You have a credit of {total}"}[sign]


def because_of_tiers(per_hundred: str, placed: Sequence[tuple[str, str | None]]) -> str:
    """Why chargeable units cost what they do; `placed` has a tier for each version (none where the fee is flat)."""
    if not any(tier for _, tier in placed):
        return "a flat fee for each, whatever the contacts"
    several = len(placed) > 1
    tiers = [f"{tier} of {terms_id}" if several else tier for terms_id, tier in placed if tier]
    flat = [terms_id for terms_id, tier in placed if not tier]
    also = f" ({listed(flat)} has a flat fee)" if flat else ""
    return f"{per_hundred} contacts per 100{JOINED}units put you in {listed(tiers)}{also}"


def nothing_because(*, units: int, trial: int, free: str | None) -> str:
    """Why nothing is charged for a month without charges."""
    if free:
        return free
    if trial:
        return (
            f"all {counted(trial, 'covered unit')} shipped in your free trial"
            if trial > 1
            else "your one covered unit shipped in your free trial"
        )
    if units:
        return "none of the units that shipped is covered"
    return "no units shipped that the programme covers"


def chargeable(units: int, *, of: int) -> str:
    """The units that are paid for: `312 chargeable units`, `12 of 312 chargeable units`."""
    return counted(of, "chargeable unit") if units == of else f"{whole(units)} of {counted(of, 'chargeable unit')}"


def free_by(*, by: str, units: int, per_cent: str, orders: str, limit: str) -> str:
    """Why chargeable units were free: a waiver, rewards, or a fee of nothing."""
    free = f"{counted(units, 'chargeable unit')} {'is' if units == 1 else 'are'} free"
    return {
        "cpu_below": f"{free}, because {per_cent} contacts per unit are below {limit}",
        "orders_in_quarter_below": f"{free}, because {orders} in the quarter are fewer than {limit}",
        "reward": f"{free}, because your rewards take off {limit}",
        "fee": f"{free} in your tier",
    }[by]


def with_adjustments(head: str, *, charges: str | None, adjustments: str, is_credit: bool, because: str) -> str:
    """The first sentence of a month with adjustments of earlier ones."""
    if charges is None:
        favour = " in your favour" if is_credit else ""
        earlier = f"adjustments to earlier periods come to {adjustments}{favour}"
        return f"{head}: {earlier}, and nothing is charged for this one ({because})."
    joint = "less" if is_credit else "and"
    return f"{head}: {charges}, {joint} {adjustments} of adjustments to earlier periods; {because}."


def because_of(causes: Sequence[str]) -> str:
    """Why an earlier period is put right: `A shipment came late and a contact was corrected after it was closed.`"""
    said = listed([CAUSES.get(cause, cause) for cause in causes])
    return f"{said[0].upper()}{said[1:]} after the period was closed."


def cpu_undefined(contacts: int) -> str:
    """Why a month with contacts but without covered units has no CPU."""
    made = f"{counted(contacts, 'contact')} {'was' if contacts == 1 else 'were'} counted, but no covered unit shipped"
    return f"{made}: contacts per unit are undefined, and nothing is charged for them."


# -- the trial ------------------------------------------------------------------------------------------------------


def trial(*, ends: str, days_left: int | None, when: str) -> str:
    """Where the free trial stood; `when` is `after`, `during` or `before` the period."""
    if when == "after":
        left = f"{counted(days_left, 'full day')} of it were left" if days_left else "less than a day of it was left"
        if days_left == 1:
            left = "one full day of it was left"
        return f"Your free trial ends on {ends}; at the end of this period {left}."
    return f"Your free trial ended on {ends}, {when} this period."


TRIAL_RULE = (
    "What counts is when a unit ships, not when it was ordered: a covered unit is free if it ships before that instant."
)

NO_TRIAL = "The terms under which you enrolled have no free trial."


def enrolled(*, since: str, left: str | None) -> str:
    """How long the seller has been in the programme."""
    return f"You enrolled on {since} and left on {left}." if left else f"You first enrolled on {since}."


# -- the next tier --------------------------------------------------------------------------------------------------


def next_tier(*, fewer: int, saving: str, sign: int, cpu: str, places: Sequence[str]) -> str:
    """What fewer contacts would have changed."""
    contacts = f"{whole(fewer)}{JOINED}fewer {'contact' if fewer == 1 else 'contacts'}"
    where = listed(places)
    if sign > 0:
        return f"{contacts} would have saved {saving}: at {cpu} you would have been {where}."
    same = "for the same amount" if sign == 0 else f"which would have cost {saving} more, as its discount is smaller"
    return f"At {contacts} ({cpu}) you would have been {where}, {same}."


LOWEST_TIER = "You are in the lowest tier: fewer contacts would not have changed what you owe."


# -- checking and disputing ------------------------------------------------------------------------------------------


def how_to_check(*, start: str, end: str, unit: str) -> list[str]:
    """Where the figures come from, and how to do the sum again."""
    belongs = "A unit belongs to the period in which it shipped, a contact to the one in which it was made"
    cpu = "Contacts per unit (CPU) are counted contacts divided by covered units, free trial included"
    amount = f"Each amount is units × fee × (1 − discount), rounded once, half up, to {unit}"
    return [
        f"{belongs}: from {start} up to, but not including, {end}.",
        "Your own shipments of that time, by their ship dates, are the units above; each has exactly one outcome.",
        f"{cpu}. They are compared with every bound exactly, before any rounding.",
        f"{amount}; the discount shown is units × fee less that amount.",
    ]


def dispute(*, last_day: str | None, days: int | None) -> str:
    """How to contest a figure, before the statement's id."""
    until = f" by {last_day}, within {counted(days, 'day')} of the end of the period" if last_day and days else ""
    return (
        f"If a figure looks wrong, tell Seller Support{until}."
        " Say which line or outcome you contest, and quote statement"
    )
