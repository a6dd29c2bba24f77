"""What a statement shows: a seller's rows made into text, in the order of the page, without HTML.

It explains amounts and never makes one: the lines must add up to the statement, or there is no statement. Sentences
are in `words`, the form of a figure in `figures`; the page itself is `statement.html.j2`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal
from typing import NamedTuple

from reports.statement import words
from reports.statement.figures import (
    EXACT,
    JOINED,
    MONTHS,
    Share,
    bound,
    decimal,
    moment,
    month,
    printable,
    share,
    whole,
)
from reports.statement.next_tier import is_labelled, is_rewarded, is_tracked, next_tier, tier_of
from reports.statement.rows import FeeLine, SellerRows, Setting, StatementError, Version


class Outcome(NamedTuple):
    """Units or contacts of one outcome, and why they are charged or not."""

    name: str
    number: str
    why: str
    is_charged: bool = False


class TierRow(NamedTuple):
    """A tier of a version of the terms."""

    tier: int
    range: str
    fee: str
    discount: str
    is_yours: bool


@dataclass(frozen=True, slots=True)
class TierTable:
    """The tiers of one version of the terms."""

    terms_id: str
    since: str
    rows: Sequence[TierRow]
    has_discounts: bool
    note: str | None


class Line(NamedTuple):
    """A fee line: units × fee − discount = amount."""

    name: str
    note: str | None
    units: str
    fee: str
    product: str
    discount: str
    amount: str


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


@dataclass(frozen=True, slots=True)
class Matrix:
    """Counted contacts by reason and channel, with totals."""

    channels: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str], str]]
    totals: Sequence[str]
    total: str


@dataclass(frozen=True, slots=True)
class View:
    """Everything a statement shows; what does not apply is empty or none, and then has no section."""

    statement_id: str
    is_final: bool
    period: str
    country: str
    domain: str
    seller_id: str
    seller_name: str | None
    currency: str
    owed_as: str
    owed: str
    sentence: str
    units: Sequence[Outcome]
    units_total: str
    cpu: Share | None
    cpu_undefined: str | None
    tiers: Sequence[TierTable]
    lines: Sequence[Line]
    charges: str
    adjustments: str | None
    total: str
    trial: Sequence[str]
    conditions: Sequence[Conditions]
    next_tier: str | None
    contacts: Matrix | None
    not_counted: Sequence[Outcome]
    items: Sequence[tuple[str, str]]
    check: Sequence[str]
    dispute: str
    remark: str


def view(rows: SellerRows, setting: Setting) -> View:
    """What the statement of a seller shows. Raises `StatementError` when its rows contradict each other."""
    statement, currency = rows.statement, setting.currency
    _must_add_up(rows, setting)
    bounds = _bounds(rows, setting)
    performance = rows.performance
    cpu = share(performance.contacts, performance.units, bounds) if performance.units else None
    return View(
        statement_id=printable(statement.statement_id),
        is_final=statement.status == "final",
        period=month(setting.period),
        country=printable(setting.marketplace.country),
        domain=printable(setting.marketplace.domain),
        seller_id=printable(statement.seller_id),
        seller_name=printable(rows.name) if rows.name else None,
        currency=currency.code,
        owed_as="Credit to you" if statement.total < 0 else "Amount owed",
        owed=currency.amount(abs(statement.total)),
        sentence=_sentence(rows, setting, cpu),
        units=_units(rows),
        units_total=whole(sum(each.units for each in rows.units)),
        cpu=cpu,
        cpu_undefined=None if cpu else _cpu_undefined(rows),
        tiers=[_tier_table(rows, setting.versions[terms_id], setting) for terms_id in _terms(rows.lines)],
        lines=[_line(line, setting) for line in rows.lines],
        charges=currency.figure(statement.charges),
        adjustments=currency.figure(statement.adjustments) if statement.adjustments else None,
        total=currency.figure(statement.total),
        trial=_trial(rows, setting),
        conditions=_conditions(rows, setting, cpu),
        next_tier=_next_tier(rows, setting, bounds),
        contacts=_matrix(rows),
        not_counted=_not_counted(rows),
        items=[(printable(item.sku), whole(item.contacts)) for item in rows.items],
        check=words.how_to_check(
            start=moment(setting.starts_at, setting.zone),
            end=moment(setting.ends_at, setting.zone),
            unit=currency.amount(Decimal(1).scaleb(-currency.minor_units)),
        ),
        dispute=_dispute(rows, setting),
        remark=words.REMARK,
    )


def _must_add_up(rows: SellerRows, setting: Setting) -> None:
    statement = rows.statement
    lines = sum((line.amount for line in rows.lines), Decimal(0))
    unknown = {line.terms_id for line in rows.lines} - setting.versions.keys()
    currencies = {statement.currency, *(line.currency for line in rows.lines)} - {setting.marketplace.currency}
    if lines != statement.charges:
        wrong = f"its lines come to {lines}, its charges to {statement.charges}"
    elif statement.charges + statement.adjustments != statement.total:
        wrong = f"{statement.charges} of charges and {statement.adjustments} of adjustments are not {statement.total}"
    elif unknown:
        wrong = f"core.terms has no {', '.join(sorted(unknown))}"
    elif currencies:
        wrong = f"it is in {', '.join(sorted(currencies))}, its marketplace in {setting.marketplace.currency}"
    else:
        return
    raise StatementError(f"statement {statement.statement_id}: {wrong}")


def _terms(lines: Iterable[FeeLine]) -> list[str]:
    return list(dict.fromkeys(line.terms_id for line in lines))


def _bounds(rows: SellerRows, setting: Setting) -> list[Decimal]:
    """Every bound that contacts per unit are compared with."""
    versions = [setting.versions[terms_id] for terms_id in _terms(rows.lines)]
    ends = {tier.up_to for version in versions for tier in version.tiers}
    return sorted(each for each in ends | {version.cpu_below for version in versions} if each is not None)


# -- what is owed ---------------------------------------------------------------------------------------------------


def _sentence(rows: SellerRows, setting: Setting, cpu: Share | None) -> str:
    statement, currency = rows.statement, setting.currency
    sign = (statement.total > 0) - (statement.total < 0)
    head = words.owed(total=currency.amount(abs(statement.total)), sign=sign)
    charged = [line for line in rows.lines if line.kind == "charge"]
    units = words.counted(sum(line.units for line in charged), "chargeable unit")
    if statement.charges:
        because = words.because_of_tiers(cpu.per_hundred, _placed(charged, setting)) if cpu else ""
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


def _placed(charged: Sequence[FeeLine], setting: Setting) -> list[tuple[str, str | None]]:
    return [
        (line.terms_id, f"tier{JOINED}{line.tier}" if len(setting.versions[line.terms_id].tiers) > 1 else None)
        for line in charged
        if line.waiver is None
    ]


def _free(rows: SellerRows, charged: Sequence[FeeLine], setting: Setting, cpu: Share | None) -> str | None:
    """Why the chargeable units of a month without charges are free, by the line with most of them."""
    if not charged:
        return None
    line = max(charged, key=lambda each: each.units)
    version = setting.versions[line.terms_id]
    limit = ""
    by = line.waiver or ("reward" if line.discount == 1 else "fee")
    if by == "cpu_below" and version.cpu_below is not None:
        limit = bound(version.cpu_below)
    elif by == "orders_in_quarter_below":
        limit = whole(version.orders_in_quarter_below or 0)
    elif by == "reward":
        limit = bound(Decimal(1))
    units = sum(each.units for each in charged)
    return words.free_by(
        by=by,
        units=f"your {words.counted(units, 'chargeable unit')} {'is' if units == 1 else 'are'}",
        per_cent=cpu.per_cent if cpu else "",
        orders=words.counted(rows.performance.orders_in_quarter, "order"),
        limit=limit,
    )


# -- units, tiers and lines -----------------------------------------------------------------------------------------


def _units(rows: SellerRows) -> list[Outcome]:
    order = list(words.OUTCOMES_OF_UNITS)
    found = sorted(rows.units, key=lambda each: order.index(each.outcome) if each.outcome in order else len(order))
    return [
        Outcome(*_named(words.OUTCOMES_OF_UNITS, each.outcome, each.units), is_charged=each.outcome == "chargeable")
        for each in found
    ]


def _named(outcomes, outcome: str, number: int) -> tuple[str, str, str]:
    name, why = outcomes.get(outcome, (printable(outcome), ""))
    return name, whole(number), why


def _cpu_undefined(rows: SellerRows) -> str | None:
    contacts = rows.performance.contacts
    return words.cpu_undefined(contacts) if contacts else None


def _tier_table(rows: SellerRows, version: Version, setting: Setting) -> TierTable:
    lines = [line for line in rows.lines if line.terms_id == version.terms_id]
    billed = next((line.tier for line in lines if line.kind == "charge"), None)
    yours = billed
    if yours is None and rows.performance.units:
        yours = tier_of(version, rows.performance.contacts, rows.performance.units).tier
    return TierTable(
        terms_id=printable(version.terms_id),
        since=moment(version.starts_at, setting.zone),
        rows=[
            TierRow(
                tier.tier,
                words.range_of(version.tiers, tier),
                setting.currency.figure(tier.fee),
                bound(tier.discount or Decimal(0)),
                tier.tier == yours,
            )
            for tier in version.tiers
        ],
        has_discounts=version.has_rewards,
        note=None if billed else words.NO_TIER_IN_TRIAL,
    )


def _line(line: FeeLine, setting: Setting) -> Line:
    figure = setting.currency.figure
    product = EXACT.multiply(Decimal(line.units), line.fee or Decimal(0))
    if line.kind == "trial":
        name, note = "Free trial", None
    elif len(setting.versions[line.terms_id].tiers) > 1:
        name, note = f"Tier{JOINED}{line.tier}", None
    else:
        name, note = "Flat fee", None
    if line.waiver:
        note = {"cpu_below": "free: few contacts", "orders_in_quarter_below": "free: few orders"}.get(line.waiver)
    elif line.discount:
        note = f"rewards: {bound(line.discount)} off"
    return Line(
        name=f"{name}, {printable(line.terms_id)}",
        note=note,
        units=whole(line.units),
        fee=figure(line.fee or Decimal(0)),
        product=figure(product),
        discount=figure(product - line.amount),
        amount=figure(line.amount),
    )


# -- the trial, waivers and rewards, the next tier ------------------------------------------------------------------


def _trial(rows: SellerRows, setting: Setting) -> list[str]:
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
    trial = words.trial(ends=moment(ends_at, setting.zone), days_left=days_left, when=when)
    return [*said, trial] if when == "before" else [*said, trial, words.TRIAL_RULE]


def _conditions(rows: SellerRows, setting: Setting, cpu: Share | None) -> list[Conditions]:
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
    asked.append(Condition("Reward", "every condition on tracking and labels", off, result, rewarded))
    return asked


def _condition(name: str, need: str, figure: Share | None, is_met: bool, nothing: str = "none") -> Condition:
    text = f"{figure.fraction} = {figure.per_cent}" if figure else nothing
    if figure and figure.beside:
        text = f"{text}, {figure.beside}"
    return Condition(name, need, text, "met" if is_met else "missed", is_met)


def _next_tier(rows: SellerRows, setting: Setting, bounds: Sequence[Decimal]) -> str | None:
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


# -- contacts, and what to do with the statement --------------------------------------------------------------------


def _matrix(rows: SellerRows) -> Matrix | None:
    cells: dict[tuple[str, str], int] = {}
    for each in rows.contacts:
        if each.outcome == "counted":
            cells[each.reason, each.channel] = cells.get((each.reason, each.channel), 0) + each.contacts
    if not cells:
        return None
    channels = sorted({channel for _, channel in cells}, key=lambda each: (list(words.CHANNELS) + [each]).index(each))
    by_reason = {
        reason: sum(number for (of, _), number in cells.items() if of == reason) for reason in {of for of, _ in cells}
    }
    reasons = sorted(by_reason, key=lambda each: (-by_reason[each], each))
    return Matrix(
        channels=[words.CHANNELS.get(channel, printable(channel)) for channel in channels],
        rows=[
            (
                words.REASONS.get(reason, printable(reason)),
                [whole(cells.get((reason, channel), 0)) for channel in channels],
                whole(by_reason[reason]),
            )
            for reason in reasons
        ],
        totals=[whole(sum(number for (_, of), number in cells.items() if of == channel)) for channel in channels],
        total=whole(sum(cells.values())),
    )


def _not_counted(rows: SellerRows) -> list[Outcome]:
    numbers: dict[str, int] = {}
    for each in rows.contacts:
        if each.outcome != "counted":
            numbers[each.outcome] = numbers.get(each.outcome, 0) + each.contacts
    order = list(words.OUTCOMES_OF_CONTACTS)
    found = sorted(numbers, key=lambda each: (order.index(each) if each in order else len(order), each))
    return [Outcome(*_named(words.OUTCOMES_OF_CONTACTS, outcome, numbers[outcome])) for outcome in found]


def _dispute(rows: SellerRows, setting: Setting) -> str:
    """The last day is that of the version most generous to the seller, of those that priced the month."""
    used = [setting.versions[terms_id] for terms_id in _terms(rows.lines)]
    used = used or [each for each in setting.versions.values() if each.starts_at < setting.ends_at][-1:]
    days = max((version.dispute_days for version in used if version.dispute_days), default=None)
    if not days:
        return words.dispute(last_day=None, days=None)
    end = setting.ends_at.replace(tzinfo=UTC).astimezone(setting.zone).date()
    last = end + timedelta(days=days - 1)
    return words.dispute(last_day=f"{last.day}{JOINED}{MONTHS[last.month - 1]}{JOINED}{last.year}", days=days)
