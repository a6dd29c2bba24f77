"""Why a statement comes to what it does: the reason in one sentence, the trial, waivers and rewards, the next tier.

Each function takes a seller's rows and says which sentence of `words` holds, with the figure that decided. Plain tables
of what was counted are in `view`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal
from typing import NamedTuple

from reports.statement import words
from reports.statement.figures import EXACT, JOINED, MONTHS, Share, bound, moment, printable, share, whole
from reports.statement.next_tier import is_labelled, is_rewarded, is_tracked, next_tier
from reports.statement.rows import FeeLine, SellerRows, Setting


class Condition(NamedTuple):
    """A waiver or reward: what it asks, the figure that decided, and how it ended."""

    name: str
    asked: str
    figure: str
    result: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class Conditions:
    """The waivers and rewards of one version of the terms."""

    terms_id: str
    rows: Sequence[Condition]


def terms_used(lines: Iterable[FeeLine]) -> list[str]:
    """The versions of the terms that a statement's lines name, in order."""
    return list(dict.fromkeys(line.terms_id for line in lines))


def bounds_of(rows: SellerRows, setting: Setting) -> list[Decimal]:
    """Every bound that contacts per unit are compared with."""
    versions = [setting.versions[terms_id] for terms_id in terms_used(rows.lines)]
    ends = {tier.up_to for version in versions for tier in version.tiers}
    return sorted(each for each in ends | {version.cpu_below for version in versions} if each is not None)


# -- what is owed ---------------------------------------------------------------------------------------------------


def owed(rows: SellerRows, setting: Setting, cpu: Share | None) -> str:
    """What is owed and why, in one sentence."""
    statement, currency = rows.statement, setting.currency
    sign = (statement.total > 0) - (statement.total < 0)
    head = words.owed(total=currency.amount(abs(statement.total)), sign=sign)
    charged = [line for line in rows.lines if line.kind == "charge"]
    paid = [line for line in charged if line.amount]
    units = words.chargeable(sum(line.units for line in paid), of=sum(line.units for line in charged))
    if statement.charges:
        because = words.because_of_tiers(cpu.per_hundred, _placed(paid, setting)) if cpu else ""
    else:
        because = words.nothing_because(
            units=sum(each.units for each in rows.units if each.outcome != "void"),
            trial=sum(line.units for line in rows.lines if line.kind == "trial"),
            free=_free(rows, charged, setting, cpu),
        )
    if statement.adjustments:
        return words.with_adjustments(
            head,
            charges=f"{currency.amount(statement.charges)} for {units}" if statement.charges else None,
            adjustments=currency.amount(abs(statement.adjustments)),
            is_credit=statement.adjustments < 0,
            because=because,
        )
    if statement.charges:
        return f"{head} for {units}: {because}." if because else f"{head} for {units}."
    return f"{head}: {because}."


def _placed(paid: Sequence[FeeLine], setting: Setting) -> list[tuple[str, str | None]]:
    return [
        (line.terms_id, f"tier{JOINED}{line.tier}" if len(setting.versions[line.terms_id].tiers) > 1 else None)
        for line in paid
    ]


def _free(rows: SellerRows, charged: Sequence[FeeLine], setting: Setting, cpu: Share | None) -> str | None:
    """Why the chargeable units of a month without charges are free: each reason with its units."""
    units: dict[tuple[str, str], int] = {}
    for line in charged:
        version = setting.versions[line.terms_id]
        limit = bound(line.discount) if line.discount else ""
        if line.waiver == "cpu_below":
            limit = bound(version.cpu_below or Decimal(0))
        elif line.waiver == "orders_in_quarter_below":
            limit = whole(version.orders_in_quarter_below or 0)
        why = line.waiver or ("reward" if line.discount else "fee"), limit
        units[why] = units.get(why, 0) + line.units
    orders = words.counted(rows.performance.orders_in_quarter, "order")
    free = [
        words.free_by(by=by, units=number, per_cent=cpu.per_cent if cpu else "", orders=orders, limit=limit)
        for (by, limit), number in units.items()
    ]
    return words.listed(free) or None


# -- the trial, waivers and rewards, the next tier ------------------------------------------------------------------


def trial(rows: SellerRows, setting: Setting) -> list[str]:
    """How long the seller has been enrolled, and where its free trial stood."""
    enrolment = rows.enrolment
    if enrolment is None:
        return []
    left = moment(enrolment.left_at, setting.zone) if enrolment.left_at else None
    said = [words.enrolled(since=moment(enrolment.started_at, setting.zone), left=left)]
    if enrolment.trial_ends_at is None or enrolment.trial_ends_at <= enrolment.started_at:
        return [*said, words.NO_TRIAL]
    ends_at, days_left = enrolment.trial_ends_at, None
    if ends_at > setting.ends_at:
        when, days_left = "after", (ends_at - setting.ends_at) // timedelta(days=1)
    else:
        when = "during" if ends_at >= setting.starts_at else "before"
    said.append(words.trial(ends=moment(ends_at, setting.zone), days_left=days_left, when=when))
    return said if when == "before" else [*said, words.TRIAL_RULE]


def conditions(rows: SellerRows, setting: Setting, cpu: Share | None) -> list[Conditions]:
    """The waivers and rewards of each version that priced chargeable units, met or missed."""
    found = []
    for line in rows.lines:
        asked = _asked(rows, line, setting, cpu) if line.kind == "charge" else []
        if asked:
            found.append(Conditions(printable(line.terms_id), asked))
    return found


def _asked(rows: SellerRows, line: FeeLine, setting: Setting, cpu: Share | None) -> list[Condition]:
    version, performance = setting.versions[line.terms_id], rows.performance
    asked = []
    if version.cpu_below is not None and cpu:
        is_met = performance.contacts < EXACT.multiply(version.cpu_below, Decimal(performance.units))
        asked.append(_condition("Free with few contacts", f"CPU below {bound(version.cpu_below)}", cpu, is_met))
    limit = version.orders_in_quarter_below
    if limit is not None:
        orders = performance.orders_in_quarter
        figure = words.counted(orders, "order")
        name, need = "Free with few orders", f"fewer than {words.counted(limit, 'order')} in the quarter"
        asked.append(Condition(name, need, figure, "met" if orders < limit else "missed", orders < limit))
    if not version.has_rewards:
        return asked
    waivers = len(asked)
    if version.vtr_at_least is not None:
        figure = share(performance.units_valid_tracking, performance.units, [version.vtr_at_least]) if cpu else None
        need = f"at least {bound(version.vtr_at_least)} of units"
        asked.append(_condition("Valid tracking", need, figure, is_tracked(version, performance)))
    rewarded = is_rewarded(version, performance, line, has_returns=setting.has_returns)
    if version.aprl_at_least is not None:
        need = f"at least {bound(version.aprl_at_least)} of returns"
        is_met = is_labelled(version, performance, has_returns=setting.has_returns)
        if performance.returns:
            figure = share(performance.returns_prepaid, performance.returns, [version.aprl_at_least])
        else:
            figure, is_met = None, rewarded or (is_met and not is_tracked(version, performance))
        nothing = "no returns in the period" if is_met else "no returns are known in this marketplace"
        asked.append(_condition("Prepaid return labels", need, figure, is_met, nothing))
    tier = next(tier for tier in version.tiers if tier.tier == line.tier)
    result = "not needed" if rewarded and line.waiver else "earned" if rewarded else "missed"
    off = f"{bound(tier.discount or Decimal(0))} off in tier{JOINED}{tier.tier}"
    asked.append(
        Condition(
            "Reward", words.listed([each.name for each in asked[waivers:]]).lower() or "nothing", off, result, rewarded
        )
    )
    return asked


def _condition(name: str, need: str, figure: Share | None, is_met: bool, nothing: str = "none") -> Condition:
    text = f"{figure.fraction} = {figure.per_cent}" if figure else nothing
    if figure and figure.beside:
        text = f"{text}, {figure.beside}"
    return Condition(name, need, text, "met" if is_met else "missed", is_met)


def nearest(rows: SellerRows, setting: Setting, bounds: Sequence[Decimal]) -> str | None:
    """How far the next tier was, or that there is none below."""
    charged = [line for line in rows.lines if line.kind == "charge" and line.waiver is None]
    step = next_tier(
        setting.versions, rows.performance, rows.lines, has_returns=setting.has_returns, currency=setting.currency
    )
    if step is None:
        tiers = [setting.versions[line.terms_id].tiers for line in charged]
        in_lowest = charged and all(line.tier == 1 for line in charged) and any(len(each) > 1 for each in tiers)
        return words.LOWEST_TIER if in_lowest and rows.performance.units else None
    several = len(charged) > 1
    places = []
    for terms_id, rating in step.changes.items():
        place = "free of charge" if rating.waiver else f"in tier{JOINED}{rating.tier.tier}"
        places.append(f"{place} of {printable(terms_id)}" if several else place)
    cpu = share(step.contacts, rows.performance.units, bounds)
    return words.next_tier(
        fewer=step.fewer,
        saving=setting.currency.amount(abs(step.saving)),
        sign=(step.saving > 0) - (step.saving < 0),
        cpu=f"{cpu.fraction} = {cpu.per_cent}",
        places=places,
    )


def dispute(rows: SellerRows, setting: Setting) -> str:
    """How to contest a figure; the last day is that of the most generous version of those that priced the month."""
    used = [setting.versions[terms_id] for terms_id in terms_used(rows.lines)]
    used = used or [each for each in setting.versions.values() if each.starts_at < setting.ends_at][-1:]
    days = max((version.dispute_days for version in used if version.dispute_days), default=None)
    if not days:
        return words.dispute(last_day=None, days=None)
    end = setting.ends_at.replace(tzinfo=UTC).astimezone(setting.zone).date()
    last = end + timedelta(days=days - 1)
    return words.dispute(last_day=f"{last.day}{JOINED}{MONTHS[last.month - 1]}{JOINED}{last.year}", days=days)
