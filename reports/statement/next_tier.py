"""How far the next tier is: what fewer contacts would have saved.

The rules of rating are told once more here (domain.md, "Terms, and rating"), for contacts that never were; what is owed
comes from `billing.fee_lines` alone. Where these rules and a line disagree, nothing is said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from reports.language import EXACT
from reports.statement.rows import FeeLine, Performance, Tier, Version


class Rating(NamedTuple):
    """How a version of the terms rates a line of chargeable units."""

    tier: Tier
    waiver: str | None
    amount: Decimal


@dataclass(frozen=True)
class Step:
    """The smallest number of fewer contacts that would have changed how a line is rated."""

    fewer: int
    contacts: int
    saving: Decimal
    """Over all lines; negative where a lower tier costs more, because its discount is smaller."""
    changes: Mapping[str, Rating]
    """Terms version → its new rating, of the versions that would have rated otherwise."""


def within(contacts: int, tier: Tier, units: int) -> bool:
    """Whether contacts per unit lie within a tier's upper bound; exact."""
    if tier.up_to is None:
        return True
    edge = EXACT.multiply(tier.up_to, Decimal(units))
    return contacts < edge if tier.is_exclusive else contacts <= edge


def tier_of(version: Version, contacts: int, units: int) -> Tier:
    """The tier that contacts per unit fall in."""
    return next(tier for tier in version.tiers if within(contacts, tier, units))


def is_tracked(version: Version, performance: Performance) -> bool:
    """Whether the condition on valid tracking holds (or there is none)."""
    if version.vtr_at_least is None:
        return True
    return performance.units_valid_tracking >= EXACT.multiply(version.vtr_at_least, Decimal(performance.units))


def is_labelled(version: Version, performance: Performance, *, has_returns: bool) -> bool:
    """Whether the condition on prepaid return labels holds; without returns, if the marketplace has any at all."""
    if version.aprl_at_least is None:
        return True
    if performance.returns == 0:
        return has_returns
    return performance.returns_prepaid >= EXACT.multiply(version.aprl_at_least, Decimal(performance.returns))


def is_rewarded(version: Version, performance: Performance, line: FeeLine, *, has_returns: bool) -> bool:
    """Whether the rewards were earned. The line itself is the best witness: what it says goes before the conditions."""
    tier = next((tier for tier in version.tiers if tier.tier == line.tier), None)
    if tier and tier.discount and line.waiver is None:
        return bool(line.discount)
    return is_tracked(version, performance) and is_labelled(version, performance, has_returns=has_returns)


def rate(
    version: Version, units: int, performance: Performance, contacts: int, *, rewarded: bool, digits: int
) -> Rating:
    """Rate chargeable units by a month's performance, had it drawn so many contacts; to so many decimals, half up."""
    tier = tier_of(version, contacts, performance.units)
    if version.cpu_below is not None and contacts < EXACT.multiply(version.cpu_below, Decimal(performance.units)):
        return Rating(tier, "cpu_below", Decimal(0))
    bound = version.orders_in_quarter_below
    if bound is not None and performance.orders_in_quarter < bound:
        return Rating(tier, "orders_in_quarter_below", Decimal(0))
    owed = EXACT.multiply(Decimal(units), tier.fee)
    if rewarded and tier.discount:
        owed = EXACT.multiply(owed, 1 - tier.discount)
    return Rating(tier, None, EXACT.quantize(owed, Decimal(1).scaleb(-digits)))


def next_tier(
    versions: Mapping[str, Version],
    performance: Performance,
    lines: Sequence[FeeLine],
    *,
    has_returns: bool,
    digits: int,
) -> Step | None:
    """The nearest lower tier or waiver by CPU, over all charge lines of a statement; none if there is no such."""
    charged = [line for line in lines if line.kind == "charge" and line.waiver is None]
    if not charged or performance.units == 0:
        return None
    rewarded = {
        line.terms_id: is_rewarded(versions[line.terms_id], performance, line, has_returns=has_returns)
        for line in charged
    }

    def rated(line: FeeLine, contacts: int) -> Rating:
        return rate(
            versions[line.terms_id],
            line.units,
            performance,
            contacts,
            rewarded=rewarded[line.terms_id],
            digits=digits,
        )

    now = {line.terms_id: rated(line, performance.contacts) for line in charged}
    if any((now[line.terms_id].tier.tier, now[line.terms_id].amount) != (line.tier, line.amount) for line in charged):
        return None
    steps = [
        most
        for line in charged
        for most in _most_contacts(versions[line.terms_id], performance.units)
        if 0 <= most < performance.contacts
    ]
    if not steps:
        return None
    contacts = max(steps)
    then = {line.terms_id: rated(line, contacts) for line in charged}
    return Step(
        fewer=performance.contacts - contacts,
        contacts=contacts,
        saving=sum((line.amount - then[line.terms_id].amount for line in charged), Decimal(0)),
        changes={terms_id: rating for terms_id, rating in then.items() if rating[:2] != now[terms_id][:2]},
    )


def _most_contacts(version: Version, units: int) -> list[int]:
    """The most contacts with which each lower tier, and the waiver by CPU, would still be reached."""
    bounds = [(tier.up_to, tier.is_exclusive) for tier in version.tiers if tier.up_to is not None]
    if version.cpu_below is not None:
        bounds.append((version.cpu_below, True))
    most = []
    for up_to, is_exclusive in bounds:
        edge = EXACT.multiply(up_to, Decimal(units))
        if is_exclusive:
            most.append(int(edge.to_integral_value(ROUND_CEILING)) - 1)
        else:
            most.append(int(edge.to_integral_value(ROUND_FLOOR)))
    return most
