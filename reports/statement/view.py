"""What a statement shows, as facts: numbers, codes and instants, without a word of any language.

This is what `statement.json` holds, field by field (`docs/statement.schema.json`); words and pages are made from it and
from nothing else. It explains amounts and never makes one: the lines must add up to the statement, or there is no
statement. There is no field for anything of a customer.

Does not belong here: sentences (`words`), the form of a figure (`reports/language.py`), the page.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

import orjson

from reports.language import EXACT, negotiate
from reports.printable import printable
from reports.statement.next_tier import Step, is_labelled, is_rewarded, is_tracked, next_tier, tier_of
from reports.statement.rows import Adjustment, FeeLine, SellerRows, Setting, StatementError, Version

FORM = "csba-statement/1"
"""The form of `statement.json`; the number rises when a field changes its meaning or goes."""


class Period(NamedTuple):
    """The billing period: half-open, in the marketplace's time zone."""

    id: str
    starts_at: datetime
    ends_at: datetime
    time_zone: str


class Place(NamedTuple):
    """The marketplace."""

    id: str
    country: str
    domain: str


class Party(NamedTuple):
    """The seller."""

    id: str
    name: str | None


class Clause(NamedTuple):
    """One of the reasons for the total.

    `kind` is `tier` (charged by a tier), `flat` (one fee for all), `cpu_below`, `orders_in_quarter_below`, `reward` or
    `no_fee` (chargeable but free), `trial`, `none_covered`, `none_shipped` (why nothing is charged) or `adjustments`.
    """

    kind: str
    units: int = 0
    terms_id: str | None = None
    tier: int | None = None
    limit: Decimal | None = None
    """Of a waiver, its bound; of a reward, the share it takes off."""
    amount: Decimal | None = None


class Outcome(NamedTuple):
    """Units or contacts of one outcome (domain.md, "Units", "Contacts")."""

    outcome: str
    number: int


class Ratio(NamedTuple):
    """Contacts per unit, exact."""

    contacts: int
    units: int


class TierRow(NamedTuple):
    """A tier of a version of the terms."""

    tier: int
    up_to: Decimal | None
    is_exclusive: bool
    fee: Decimal
    discount: Decimal
    is_yours: bool


class Terms(NamedTuple):
    """A version of the terms that priced units of the statement."""

    id: str
    starts_at: datetime
    tiers: Sequence[TierRow]
    has_rewards: bool
    is_charged: bool
    """Whether any of its units is chargeable; else the tier marked is where contacts per unit would put the seller."""


class Line(NamedTuple):
    """A fee line: units × fee = product; product − discount = amount."""

    kind: str
    terms_id: str
    tier: int | None
    is_flat: bool
    """Whether its terms have one tier only."""
    units: int
    fee: Decimal
    product: Decimal
    discount: Decimal
    rate: Decimal
    """The share of the fee that rewards take off."""
    waiver: str | None
    amount: Decimal


class Entry(NamedTuple):
    """What is booked of an earlier period: its old line `reversal`, the new one `correction`, or a `credit`."""

    entry: str
    line: Line | None
    """None for a credit."""
    reason: str | None
    """Of a credit, as finance gave it."""
    amount: Decimal


class Adjusted(NamedTuple):
    """What is put right of an earlier period, and why."""

    period: str
    causes: Sequence[str]
    entries: Sequence[Entry]
    difference: Decimal


class Stay(NamedTuple):
    """A time in which orders were covered."""

    started_at: datetime
    ended_at: datetime | None
    """None if it went on at the end of the period."""


class Enrolment(NamedTuple):
    """The seller's stays in the programme, up to the end of the period, and its free trial."""

    stays: Sequence[Stay]
    trial_ends_at: datetime | None
    """None if its terms have no trial."""
    trial_days_left: int | None
    """Full days after the end of the period; null if the trial had ended by then."""


class Condition(NamedTuple):
    """A waiver or reward: what it asks, the figures that decided, and how it ended."""

    kind: str
    """`cpu_below`, `orders_in_quarter_below`, `vtr_at_least`, `aprl_at_least`; or `reward`, for what they earn."""
    limit: Decimal
    """The bound; of a reward the share it takes off."""
    part: int | None
    of: int | None
    """The figure is part / of; a count of orders has no `of`; none of both: there is nothing to count."""
    result: str
    """`met` or `missed`; of a reward `earned`, `missed` or `not_needed`."""
    tier: int | None
    """Of a reward."""


class Conditions(NamedTuple):
    """The waivers and rewards of one version of the terms."""

    terms_id: str
    rows: Sequence[Condition]


class Landing(NamedTuple):
    """Where fewer contacts would have put a version's units."""

    terms_id: str
    tier: int
    is_free: bool


class NextTier(NamedTuple):
    """The fewest contacts less that would have changed anything."""

    fewer: int
    contacts: int
    saving: Decimal
    """Negative where the lower tier costs more, because its discount is smaller."""
    places: Sequence[Landing]
    is_one_of_several: bool
    """Whether more than one version of the terms charges, so that a place must name its own."""


class ContactCount(NamedTuple):
    """Counted contacts of a reason and channel."""

    reason: str
    channel: str
    number: int


class Item(NamedTuple):
    """An item that drew many contacts."""

    sku: str
    contacts: int


class Resolved(NamedTuple):
    """Counted contacts, and those that were resolved within 48 hours."""

    within_two_days: int
    contacts: int


class Requests(NamedTuple):
    """Requests of the service to the seller."""

    due: int
    """Those whose 24 hours had passed when the period ended."""
    answered: int
    """Of those due, within 24 hours."""
    late: int
    """Of those due, answered later."""
    unanswered: int
    """Of those due."""
    not_due: int
    """Made in the period, but less than 24 hours before it ended."""


class Refunds(NamedTuple):
    """Refunds of covered items that an issuer gave in a currency."""

    issued_by: str
    """`service` or `seller`."""
    currency: str
    number: int
    amount: Decimal


class Claims(NamedTuple):
    """SAFE-T claims that stand alike, for refunds of the period in a currency."""

    status: str
    """`filed` (not decided yet), `granted` or `denied`."""
    currency: str
    number: int
    amount: Decimal
    """Claimed; of granted ones, reimbursed."""


class Defects(NamedTuple):
    """What customers complained of in a month, and the order defect rate: orders_with_defect / orders."""

    period: str
    a_to_z_claims: int
    negative_feedback: int
    chargebacks: int
    orders_with_defect: int
    """Distinct ones, whenever they were placed."""
    orders: int
    """Distinct ones placed in the month that the seller fulfils itself."""


class MonthRow(NamedTuple):
    """A month of the last twelve; null where nothing of it is known."""

    period: str
    units: int | None
    contacts: int | None


class Dispute(NamedTuple):
    """Until when a figure may be contested."""

    last_day: date
    days: int


class File(NamedTuple):
    """A file that lies beside the statement."""

    name: str
    rows: int
    sha256: str


class View(NamedTuple):
    """Everything a statement shows; what does not apply is empty or null."""

    form: str
    statement_id: str
    status: str
    """`draft` or `final`."""
    language: str
    period: Period
    marketplace: Place
    currency: str
    minor_units: int
    seller: Party
    total: Decimal
    charges: Decimal
    adjustments: Decimal | None
    reasons: Sequence[Clause]
    units: Sequence[Outcome]
    units_shipped: int
    contacts_per_unit: Ratio | None
    contacts_counted: int
    terms: Sequence[Terms]
    lines: Sequence[Line]
    adjusted: Sequence[Adjusted]
    enrolment: Enrolment | None
    conditions: Sequence[Conditions]
    next_tier: NextTier | None
    is_in_lowest_tier: bool
    contacts: Sequence[ContactCount]
    contacts_not_counted: Sequence[Outcome]
    items: Sequence[Item]
    months: Sequence[MonthRow]
    resolved: Resolved | None
    requests: Requests | None
    refunds: Sequence[Refunds]
    claims: Sequence[Claims]
    defects: Defects | None
    defects_before_enrolment: Defects | None
    dispute: Dispute | None
    unit_lines: File
    are_fees_illustrative: bool = True
    is_net_of_tax: bool = True


def as_json(view: View) -> bytes:
    """`statement.json`: decimals as text, exactly; instants in UTC with a Z."""
    return orjson.dumps(view, _plain, orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)


def _plain(value: Any) -> Any:
    """What orjson has no form for: a decimal, or else a named tuple."""
    return f"{value:f}" if isinstance(value, Decimal) else value._asdict()


def language_of_statement(rows: SellerRows, setting: Setting) -> str:
    """The seller's language, else the marketplace's, else English."""
    return negotiate(rows.seller.language, setting.marketplace.language)


def view(rows: SellerRows, setting: Setting, unit_lines: File) -> View:
    """What the statement of a seller shows. Raises `StatementError` when its rows contradict each other."""
    _must_add_up(rows, setting)
    statement, performance, digits = rows.statement, rows.performance, setting.marketplace.minor_units
    step = next_tier(setting.versions, performance, rows.lines, has_returns=setting.has_returns, digits=digits)
    return View(
        form=FORM,
        statement_id=printable(statement.statement_id),
        status=statement.status,
        language=language_of_statement(rows, setting),
        period=Period(setting.period, setting.starts_at, setting.ends_at, setting.marketplace.time_zone),
        marketplace=Place(*map(printable, setting.marketplace[:3])),
        currency=setting.marketplace.currency,
        minor_units=digits,
        seller=Party(printable(statement.seller_id), printable(rows.seller.name) if rows.seller.name else None),
        total=in_full(statement.total, digits),
        charges=in_full(statement.charges, digits),
        adjustments=in_full(statement.adjustments, digits) if rows.adjustments else None,
        reasons=_reasons(rows, setting),
        units=[Outcome(printable(each.outcome), each.units) for each in rows.units],
        units_shipped=sum(each.units for each in rows.units),
        contacts_per_unit=Ratio(performance.contacts, performance.units) if performance.units else None,
        contacts_counted=performance.contacts,
        terms=[_terms(rows, setting.versions[terms_id], digits) for terms_id in _terms_used(rows.lines)],
        lines=[_line(line, setting) for line in rows.lines],
        adjusted=_adjusted(rows, setting),
        enrolment=_enrolment(rows, setting),
        conditions=_conditions(rows, setting),
        next_tier=_next_tier(step, rows, digits) if step else None,
        is_in_lowest_tier=step is None and _is_in_lowest_tier(rows, setting),
        contacts=[
            ContactCount(printable(each.reason), printable(each.channel), each.contacts)
            for each in rows.contacts
            if each.outcome == "counted"
        ],
        contacts_not_counted=_not_counted(rows),
        items=[Item(printable(item.sku), item.contacts) for item in rows.items],
        months=_months(rows, setting),
        resolved=_resolved(rows),
        requests=_requests(rows),
        refunds=[
            Refunds(each.issued_by, each.currency, each.refunds, _refunded(each.amount, each.currency, setting))
            for each in rows.refunds
        ],
        claims=_claims(rows, setting),
        defects=_defects(rows, setting),
        defects_before_enrolment=_defects_before(rows),
        dispute=_dispute(rows, setting),
        unit_lines=unit_lines,
    )


def in_full(value: Decimal, at_least: int = 0) -> Decimal:
    """The same number without needless zeros, but with at least so many decimals: `0.2000` → `0.20`, never rounded."""
    plain = EXACT.normalize(value) if value else Decimal(0)
    exponent = plain.as_tuple().exponent
    assert isinstance(exponent, int)  # amounts are numbers, not NaN
    return plain if -exponent >= at_least and exponent <= 0 else EXACT.quantize(plain, Decimal(1).scaleb(-at_least))


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


def _terms_used(lines: Iterable[FeeLine]) -> list[str]:
    """The versions of the terms that a statement's lines name, in order."""
    return list(dict.fromkeys(line.terms_id for line in lines))


def _charged(lines: Iterable[FeeLine]) -> list[FeeLine]:
    """Lines of chargeable units that no waiver frees."""
    return [line for line in lines if line.kind == "charge" and line.waiver is None]


# -- why the total is what it is --------------------------------------------------------------------------------------


def _reasons(rows: SellerRows, setting: Setting) -> list[Clause]:
    digits = setting.marketplace.minor_units
    clauses = [_reason(line, setting) for line in rows.lines if line.kind == "charge"]
    if not clauses:
        trial = sum(line.units for line in rows.lines if line.kind == "trial")
        shipped = sum(each.units for each in rows.units if each.outcome != "void")
        if trial:
            clauses = [Clause("trial", trial)]
        else:
            clauses = [Clause("none_covered" if shipped else "none_shipped", shipped)]
    if rows.adjustments:
        clauses.append(Clause("adjustments", amount=in_full(rows.statement.adjustments, digits)))
    return clauses


def _reason(line: FeeLine, setting: Setting) -> Clause:
    """Why chargeable units of a version cost what they do."""
    version, terms_id = setting.versions[line.terms_id], printable(line.terms_id)
    if line.waiver:
        bound = version.cpu_below if line.waiver == "cpu_below" else version.orders_in_quarter_below
        return Clause(line.waiver, line.units, terms_id, line.tier, in_full(Decimal(bound or 0)))
    if not line.fee:
        return Clause("no_fee", line.units, terms_id, line.tier)
    if line.discount == 1:
        return Clause("reward", line.units, terms_id, line.tier, in_full(line.discount))
    kind = "tier" if len(version.tiers) > 1 else "flat"
    return Clause(kind, line.units, terms_id, line.tier, amount=in_full(line.amount, setting.marketplace.minor_units))


# -- tiers and lines --------------------------------------------------------------------------------------------------


def _terms(rows: SellerRows, version: Version, digits: int) -> Terms:
    lines = [line for line in rows.lines if line.terms_id == version.terms_id]
    billed = next((line.tier for line in lines if line.kind == "charge"), None)
    yours = billed
    if yours is None and rows.performance.units:
        yours = tier_of(version, rows.performance.contacts, rows.performance.units).tier
    return Terms(
        id=printable(version.terms_id),
        starts_at=version.starts_at,
        tiers=[
            TierRow(
                tier.tier,
                None if tier.up_to is None else in_full(tier.up_to),
                tier.is_exclusive,
                in_full(tier.fee, digits),
                in_full(tier.discount or Decimal(0)),
                tier.tier == yours,
            )
            for tier in version.tiers
        ],
        has_rewards=version.has_rewards,
        is_charged=billed is not None,
    )


def _line(line: FeeLine | Adjustment, setting: Setting) -> Line:
    digits = setting.marketplace.minor_units
    product = EXACT.multiply(Decimal(line.units), line.fee or Decimal(0))
    version = setting.versions.get(line.terms_id or "")
    return Line(
        kind=line.kind,
        terms_id=printable(line.terms_id or ""),
        tier=line.tier,
        is_flat=version is not None and len(version.tiers) == 1,
        units=line.units,
        fee=in_full(line.fee or Decimal(0), digits),
        product=in_full(product, digits),
        discount=in_full(product - line.amount, digits),
        rate=in_full(line.discount or Decimal(0)),
        waiver=line.waiver,
        amount=in_full(line.amount, digits),
    )


def _adjusted(rows: SellerRows, setting: Setting) -> list[Adjusted]:
    digits, found = setting.marketplace.minor_units, []
    for period, together in groupby(rows.adjustments, lambda entry: entry.period):
        entries = list(together)
        causes = next((entry.causes for entry in entries if entry.causes), None)
        found.append(
            Adjusted(
                period=period,
                causes=causes.split(", ") if causes else [],
                entries=[
                    Entry("credit", None, printable(entry.reason or ""), in_full(entry.amount, digits))
                    if entry.kind == "credit"
                    else Entry(entry.entry, _line(entry, setting), None, in_full(entry.amount, digits))
                    for entry in entries
                ],
                difference=in_full(sum((entry.amount for entry in entries), Decimal(0)), digits),
            )
        )
    return found


# -- the trial, waivers and rewards, the next tier --------------------------------------------------------------------


def _enrolment(rows: SellerRows, setting: Setting) -> Enrolment | None:
    if not rows.enrolments:
        return None
    ends_at, days_left = rows.enrolments[0].trial_ends_at, None
    if ends_at is None or ends_at <= rows.enrolments[0].started_at:
        ends_at = None
    elif ends_at > setting.ends_at:
        days_left = (ends_at - setting.ends_at) // timedelta(days=1)
    return Enrolment([Stay(each.started_at, each.ended_at) for each in rows.enrolments], ends_at, days_left)


def _conditions(rows: SellerRows, setting: Setting) -> list[Conditions]:
    """The waivers and rewards of each version that priced chargeable units, met or missed."""
    found = []
    for line in rows.lines:
        asked = _asked(rows, line, setting) if line.kind == "charge" else []
        if asked:
            found.append(Conditions(printable(line.terms_id), asked))
    return found


def _asked(rows: SellerRows, line: FeeLine, setting: Setting) -> list[Condition]:
    version, performance = setting.versions[line.terms_id], rows.performance
    units, asked = performance.units, []

    def ask(kind: str, limit: Decimal, part: int | None, of: int | None, *, is_met: bool) -> None:
        asked.append(Condition(kind, in_full(limit), part, of, "met" if is_met else "missed", None))

    if version.cpu_below is not None and units:
        is_met = performance.contacts < EXACT.multiply(version.cpu_below, Decimal(units))
        ask("cpu_below", version.cpu_below, performance.contacts, units, is_met=is_met)
    limit = version.orders_in_quarter_below
    if limit is not None:
        orders = performance.orders_in_quarter
        ask("orders_in_quarter_below", Decimal(limit), orders, None, is_met=orders < limit)
    if not version.has_rewards:
        return asked
    if version.vtr_at_least is not None:
        tracked = performance.units_valid_tracking
        ask("vtr_at_least", version.vtr_at_least, tracked, units, is_met=is_tracked(version, performance))
    rewarded = is_rewarded(version, performance, line, has_returns=setting.has_returns)
    if version.aprl_at_least is not None:
        is_met = is_labelled(version, performance, has_returns=setting.has_returns)
        if performance.returns:
            part, of = performance.returns_prepaid, performance.returns
        else:
            part, of, is_met = None, None, rewarded or (is_met and not is_tracked(version, performance))
        ask("aprl_at_least", version.aprl_at_least, part, of, is_met=is_met)
    tier = next(tier for tier in version.tiers if tier.tier == line.tier)
    result = "not_needed" if rewarded and line.waiver else "earned" if rewarded else "missed"
    asked.append(Condition("reward", in_full(tier.discount or Decimal(0)), None, None, result, tier.tier))
    return asked


def _next_tier(step: Step, rows: SellerRows, digits: int) -> NextTier:
    return NextTier(
        fewer=step.fewer,
        contacts=step.contacts,
        saving=in_full(step.saving, digits),
        places=[
            Landing(printable(terms_id), rating.tier.tier, is_free=rating.waiver is not None)
            for terms_id, rating in step.changes.items()
        ],
        is_one_of_several=len(_charged(rows.lines)) > 1,
    )


def _is_in_lowest_tier(rows: SellerRows, setting: Setting) -> bool:
    charged = _charged(rows.lines)
    versions = [setting.versions[line.terms_id] for line in charged]
    in_lowest = all(line.tier == 1 for line in charged) and any(len(version.tiers) > 1 for version in versions)
    # below a tier may lie a waiver
    return in_lowest and rows.performance.units > 0 and all(version.cpu_below is None for version in versions)


# -- contacts, months, disputes ---------------------------------------------------------------------------------------


def _not_counted(rows: SellerRows) -> list[Outcome]:
    numbers: dict[str, int] = {}
    for each in rows.contacts:
        if each.outcome != "counted":
            numbers[each.outcome] = numbers.get(each.outcome, 0) + each.contacts
    return [Outcome(printable(outcome), number) for outcome, number in numbers.items()]


def _months(rows: SellerRows, setting: Setting) -> list[MonthRow]:
    known: Mapping[str, tuple[int, int]] = {month.period: (month.units, month.contacts) for month in rows.months}
    return [MonthRow(period, *known.get(period, (None, None))) for period in setting.months]


# -- how customers were served ----------------------------------------------------------------------------------------


def _resolved(rows: SellerRows) -> Resolved | None:
    it = rows.service
    return Resolved(it.contacts_resolved, it.contacts) if it and it.contacts else None


def _requests(rows: SellerRows) -> Requests | None:
    it = rows.service
    if it is None or it.requests is None:
        return None
    due = it.requests_due or 0
    answered, late, unanswered = it.requests_answered or 0, it.requests_late or 0, it.requests_unanswered or 0
    return Requests(due, answered, late, unanswered, it.requests - due)


def _claims(rows: SellerRows, setting: Setting) -> list[Claims]:
    """By status and currency, whoever gave the refund."""
    found: dict[tuple[str, str], tuple[int, Decimal]] = {}
    for each in rows.refunds:
        for status, number, amount in (
            ("filed", each.filed, each.filed_amount),
            ("granted", each.granted, each.granted_amount),
            ("denied", each.denied, each.denied_amount),
        ):
            if number:
                numbers, amounts = found.get((status, each.currency), (0, Decimal(0)))
                found[status, each.currency] = numbers + number, amounts + amount
    return [
        Claims(status, currency, number, _refunded(amount, currency, setting))
        for (status, currency), (number, amount) in found.items()
    ]


def _refunded(amount: Decimal, currency: str, setting: Setting) -> Decimal:
    """With the decimals of its currency, as far as they are known: those of the marketplace's."""
    return in_full(amount, setting.marketplace.minor_units if currency == setting.marketplace.currency else 0)


def _defects(rows: SellerRows, setting: Setting) -> Defects | None:
    """None where nothing of defects is known in the period, so that no figure could be told from none."""
    it = rows.service
    if it is None or it.orders is None:
        return None
    types = it.a_to_z_claims or 0, it.negative_feedback or 0, it.chargebacks or 0
    return Defects(setting.period, *types, it.orders_with_defect or 0, it.orders)


def _defects_before(rows: SellerRows) -> Defects | None:
    """Only beside those of the period."""
    it = rows.service
    if it is None or it.orders is None or it.period_before_enrolment is None:
        return None
    types = it.a_to_z_claims_before or 0, it.negative_feedback_before or 0, it.chargebacks_before or 0
    return Defects(it.period_before_enrolment, *types, it.orders_with_defect_before or 0, it.orders_before or 0)


def _dispute(rows: SellerRows, setting: Setting) -> Dispute | None:
    """The last day is that of the most generous version of those that priced the month."""
    used = [setting.versions[terms_id] for terms_id in _terms_used(rows.lines)]
    used = used or [each for each in setting.versions.values() if each.starts_at < setting.ends_at][-1:]
    days = max((version.dispute_days for version in used if version.dispute_days), default=None)
    if not days:
        return None
    return Dispute(setting.last_day + timedelta(days=days), days)
