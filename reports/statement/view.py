"""What a statement shows: a seller's rows made into text, in the order of the page, without HTML.

It explains amounts and never makes one: the lines must add up to the statement, or there is no statement. Sentences
are in `words`, the form of a figure in `figures`; the page itself is `statement.html.j2`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

from reports.statement import reasons, words
from reports.statement.figures import EXACT, JOINED, Share, bound, day, moment, month, printable, share, whole
from reports.statement.next_tier import tier_of
from reports.statement.rows import Adjustment, FeeLine, SellerRows, Setting, StatementError, Version


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


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What is put right of an earlier period: its old lines reversed, those now known entered, and why; and credits."""

    period: str
    why: str | None
    lines: Sequence[Line]
    difference: str


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
    adjusted: Sequence[Adjusted]
    adjustments: str | None
    total: str
    trial: Sequence[str]
    conditions: Sequence[reasons.Conditions]
    next_tier: str | None
    contacts: Matrix | None
    not_counted: Sequence[Outcome]
    top_items: Sequence[tuple[str, str]]
    check: Sequence[str]
    dispute: str
    remark: str


def view(rows: SellerRows, setting: Setting) -> View:
    """What the statement of a seller shows. Raises `StatementError` when its rows contradict each other."""
    statement, currency = rows.statement, setting.currency
    _must_add_up(rows, setting)
    bounds = reasons.bounds_of(rows, setting)
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
        sentence=reasons.owed(rows, setting, cpu),
        units=_units(rows),
        units_total=whole(sum(each.units for each in rows.units)),
        cpu=cpu,
        cpu_undefined=None if cpu else _cpu_undefined(rows),
        tiers=[_tier_table(rows, setting.versions[terms_id], setting) for terms_id in reasons.terms_used(rows.lines)],
        lines=[_line(line, setting) for line in rows.lines],
        charges=currency.figure(statement.charges),
        adjusted=_adjusted(rows, setting),
        adjustments=currency.figure(statement.adjustments) if rows.adjustments else None,
        total=currency.figure(statement.total),
        trial=reasons.trial(rows, setting),
        conditions=reasons.conditions(rows, setting, cpu),
        next_tier=reasons.nearest(rows, setting, bounds),
        contacts=_matrix(rows),
        not_counted=_not_counted(rows),
        top_items=[(printable(item.sku), whole(item.contacts)) for item in rows.items],
        check=words.how_to_check(
            start=moment(setting.starts_at, setting.zone),
            end=moment(setting.ends_at, setting.zone),
            unit=currency.amount(Decimal(1).scaleb(-currency.minor_units)),
        ),
        dispute=reasons.dispute(rows, setting),
        remark=words.REMARK,
    )


def _must_add_up(rows: SellerRows, setting: Setting) -> None:
    statement = rows.statement
    lines = sum((line.amount for line in rows.lines), Decimal(0))
    adjustments = sum((entry.amount for entry in rows.adjustments), Decimal(0))
    unknown = {line.terms_id for line in rows.lines} - setting.versions.keys()
    used = {statement.currency, *(line.currency for line in (*rows.lines, *rows.adjustments))}
    currencies = used - {setting.marketplace.currency}
    if lines != statement.charges:
        wrong = f"its lines come to {lines}, its charges to {statement.charges}"
    elif adjustments != statement.adjustments:
        wrong = f"its entries come to {adjustments}, its adjustments to {statement.adjustments}"
    elif statement.charges + statement.adjustments != statement.total:
        wrong = f"{statement.charges} of charges and {statement.adjustments} of adjustments are not {statement.total}"
    elif unknown:
        wrong = f"core.terms has no {', '.join(sorted(unknown))}"
    elif currencies:
        wrong = f"it is in {', '.join(sorted(currencies))}, its marketplace in {setting.marketplace.currency}"
    else:
        return
    raise StatementError(f"statement {statement.statement_id}: {wrong}")


# -- units, tiers and lines -----------------------------------------------------------------------------------------


def _units(rows: SellerRows) -> list[Outcome]:
    order = list(words.OUTCOMES_OF_UNITS)
    found = sorted(rows.units, key=lambda each: order.index(each.outcome) if each.outcome in order else len(order))
    return [
        Outcome(*_named(words.OUTCOMES_OF_UNITS, each.outcome, each.units), is_charged=each.outcome == "chargeable")
        for each in found
    ]


def _named(outcomes: Mapping[str, tuple[str, str]], outcome: str, number: int) -> tuple[str, str, str]:
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
        since=day(version.starts_at, setting.zone),
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


def _line(line: FeeLine | Adjustment, setting: Setting) -> Line:
    figure = setting.currency.figure
    product = EXACT.multiply(Decimal(line.units), line.fee or Decimal(0))
    version = setting.versions.get(line.terms_id or "")
    if line.kind == "trial":
        name, note = words.FREE_TRIAL, None
    elif version is None or len(version.tiers) > 1:
        name, note = f"Tier{JOINED}{line.tier}", None
    else:
        name, note = "Flat fee", None
    if line.waiver:
        note = {"cpu_below": "free: few contacts", "orders_in_quarter_below": "free: few orders"}.get(line.waiver)
    elif line.discount:
        note = f"rewards: {bound(line.discount)} off"
    return Line(
        name=f"{name}, {printable(line.terms_id or '')}",
        note=note,
        units=whole(line.units),
        fee=figure(line.fee or Decimal(0)),
        product=figure(product),
        discount=figure(product - line.amount),
        amount=figure(line.amount),
    )


def _adjusted(rows: SellerRows, setting: Setting) -> list[Adjusted]:
    found = []
    for period, together in groupby(rows.adjustments, lambda entry: entry.period):
        entries = list(together)
        causes = next((entry.causes for entry in entries if entry.causes), None)
        found.append(
            Adjusted(
                period=month(period),
                why=words.because_of(causes.split(", ")) if causes else None,
                lines=[_entry(entry, setting) for entry in entries],
                difference=setting.currency.figure(sum((entry.amount for entry in entries), Decimal(0))),
            )
        )
    return found


def _entry(entry: Adjustment, setting: Setting) -> Line:
    if entry.kind == "credit":
        name = words.CREDIT if entry.amount <= 0 else words.CREDIT_TAKEN_BACK
        return Line(name, printable(entry.reason or ""), "", "", "", "", setting.currency.figure(entry.amount))
    line = _line(entry, setting)
    said = words.REVERSED if entry.entry == "reversal" else words.ENTERED
    return line._replace(note=f"{said}; {line.note}" if line.note else said)


# -- contacts, and what to do with the statement --------------------------------------------------------------------


def _matrix(rows: SellerRows) -> Matrix | None:
    cells: dict[tuple[str, str], int] = {}
    for each in rows.contacts:
        if each.outcome == "counted":
            cells[each.reason, each.channel] = cells.get((each.reason, each.channel), 0) + each.contacts
    if not cells:
        return None
    channels = sorted({channel for _, channel in cells}, key=lambda each: [*words.CHANNELS, each].index(each))
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
