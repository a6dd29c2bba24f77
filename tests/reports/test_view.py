"""What statements show: the figures, and the right sentence for each situation."""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.language import language_of
from reports.statement.next_tier import next_tier
from reports.statement.rows import FeeLine, Performance, StatementError, Tier, Version, read_sellers, read_setting
from reports.statement.view import File, View, view
from reports.statement.words import Words

PERIOD, US, JP = "2026-10", "ATVPDKIKX0DER", "A1VC38T7YXB528"


def plain(value):
    """The same with ordinary spaces."""
    if isinstance(value, str):
        return value.replace("\N{NO-BREAK SPACE}", " ")
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


LINES = File("lines.csv", 0, "")


def shown(books, marketplace: str = US) -> list[View]:
    """What the statements of a marketplace show, in the order of seller ids."""
    setting = read_setting(books.con, PERIOD, marketplace)
    return [view(rows, setting, LINES) for rows in read_sellers(books.con, setting)]


class Said:
    """The words of a statement in English, with ordinary spaces."""

    def __init__(self, it: View) -> None:
        self.words = Words(it, language_of("en"))

    def __getattr__(self, name: str):
        return plain(getattr(self.words, name))

    def conditions(self, number: int = 0):
        return self.words.conditions(self.words.it.conditions[number].rows)


def utc(*parts: int) -> datetime:
    return datetime(*parts)


# -- months -----------------------------------------------------------------------------------------------------------


def test_an_ordinary_month(books):
    books.usual_terms()
    books.usual_seller()
    (it,) = shown(books)
    say = Said(it)
    assert say.sentence == "You owe 124.80 USD: 312 chargeable units in tier 2, at 5.80 contacts per 100 units."
    assert (say.owed_as, str(it.total)) == ("Amount owed", "124.80")
    assert [each[:2] for each in say.units] == [["Chargeable", 312], ["Free trial", 33], ["Seller-fulfilled Prime", 7]]
    assert it.units_shipped == 352
    assert (it.contacts_per_unit, plain(say.words.cpu.fraction)) == ((20, 345), "20 / 345")
    (terms,) = it.terms
    assert [(row.tier, say.words.range_of(terms, row), str(row.fee), row.is_yours) for row in terms.tiers] == [
        (1, "up to 5%", "0.20", False),
        (2, "above 5%, up to 10%", "0.40", True),
        (3, "above 10%", "0.80", False),
    ]
    assert [tuple(map(str, (*line[4:8], line.amount))) for line in it.lines] == [
        ("33", "0.00", "0.00", "0.00", "0.00"),
        ("312", "0.40", "124.80", "0.00", "124.80"),
    ]
    assert say.enrolment[1] == (
        "Your free trial ended on 5 October 2026, 09:30 (America/Los_Angeles, UTC−07:00), during this period."
    )
    assert "not when it was ordered" in say.enrolment[2]
    assert [(row.name, plain(row.figure), row.result) for row in say.conditions()] == [
        ("Valid tracking", "320 / 345 = 92.75%", "missed"),
        ("Prepaid return labels", "8 / 9 = 88.89%", "missed"),
        ("Reward", "Valid tracking and Prepaid return labels", "missed"),
    ]
    assert say.conditions()[2].asked == "50% off in tier 2"
    assert say.next_tier == (
        "3 fewer contacts would have saved 62.40 USD: at 17 / 345 = 4.93% you would have been in tier 1."
    )
    contacts = say.words.contacts
    assert contacts.channels == ["E-mail", "Chat"]
    assert contacts.rows == [("Where is my order?", [0, 12], 12), ("Return", [8, 0], 8)]
    assert (contacts.totals, contacts.total) == ([8, 12], 20)
    assert it.items == [("SKU-1", 12), ("SKU-2", 8)]
    assert say.not_counted[0][:2] == ["Reason not covered", 3]
    assert (
        "from 1 October 2026, 00:00 (America/Los_Angeles, UTC−07:00) up to, but not including," in say.how_to_check[0]
    )
    assert "by 29 January 2027, within 90 days" in say.dispute


def test_only_five_items_are_shown(books):
    books.usual_terms()
    books.usual_seller()
    for number in range(3, 9):
        books.contacts("S1", number, sku=f"SKU-{number}")
    (it,) = shown(books)
    assert it.items == [("SKU-1", 12), ("SKU-2", 8), ("SKU-8", 8), ("SKU-7", 7), ("SKU-6", 6)]


def test_a_discount_holds_the_rounding(books):
    books.terms("JP-1", ("0.05", "19.5"), (None, "38.5"), marketplace=JP)
    books.performance("J", 3, 0, marketplace=JP)
    books.line("J", "JP-1", 3, 1, "19.5", "59", marketplace=JP, currency="JPY")
    books.statement("J", marketplace=JP, currency="JPY")
    (it,) = shown(books, JP)
    line = it.lines[0]
    assert list(map(str, (line.units, line.fee, line.product, line.discount, line.amount))) == [
        *("3", "19.5", "58.5", "-0.5", "59"),
    ]
    assert Said(it).words.figure(line.discount) == "−0.5"


def test_two_versions_in_a_month(books):
    books.terms("JP-1", (None, "38"), marketplace=JP)
    books.terms("JP-2", ("0.05", "19"), ("0.10", "38.5"), (None, "76"), marketplace=JP, starts_at=utc(2026, 10, 9, 15))
    books.performance("J", 1541, 80, marketplace=JP)
    books.line("J", "JP-2", 1001, 2, "38.5", "38539", marketplace=JP, currency="JPY")
    books.line("J", "JP-1", 500, 1, "38", "19000", marketplace=JP, currency="JPY")
    books.line("J", "JP-1", 40, None, "0", "0", kind="trial", marketplace=JP, currency="JPY")
    books.statement("J", marketplace=JP, currency="JPY", status="final")
    (it,) = shown(books, JP)
    say = Said(it)
    assert (it.status, it.language) == ("final", "ja")
    assert [plain(say.words.name_of(line)) for line in it.lines] == [
        *("Free trial, JP-1", "Flat fee, JP-1", "Tier 2, JP-2"),
    ]
    assert [terms.id for terms in it.terms] == ["JP-1", "JP-2"]
    assert say.sentence == (
        "You owe 57,539 JPY: 19,000 JPY for 500 chargeable units at a flat fee (JP-1); 38,539 JPY for 1,001 chargeable"
        " units in tier 2, at 5.19 contacts per 100 units (JP-2)."
    )
    assert say.next_tier == (
        "3 fewer contacts would have saved 19,520 JPY: at 77 / 1,541 = 4.997% you would have been in tier 1 under JP-2."
    )


def test_a_month_of_trial(books):
    books.usual_terms()
    books.enrolled("S", utc(2026, 10, 20))
    books.performance("S", 50, 5)
    books.units("S", "trial", 50)
    books.line("S", "US-1", 50, None, "0", "0", kind="trial")
    books.statement("S")
    (it,) = shown(books)
    say = Said(it)
    assert say.sentence == "You owe nothing: all 50 covered units shipped in your free trial."
    assert say.enrolment[1].endswith("; at the end of this period 17 full days of it were left.")
    assert [row.is_yours for row in it.terms[0].tiers] == [False, True, False]
    assert not it.terms[0].is_charged
    assert not it.conditions
    assert say.next_tier == ""


@pytest.mark.parametrize(
    ("waiver", "contacts", "orders", "sentence"),
    [
        ("cpu_below", 5, 30, "200 chargeable units free of charge, as 2.50% contacts per unit are below 3%"),
        (
            "orders_in_quarter_below",
            9,
            29,
            "200 chargeable units free of charge, as you had fewer than 30 orders in the quarter",
        ),
    ],
)
def test_a_waiver(books, waiver, contacts, orders, sentence):
    books.terms("US-2", ("0.05", "0.20"), (None, "0.40"), cpu_below="0.03", orders_below=30)
    books.performance("S", 200, contacts, orders=orders)
    books.line("S", "US-2", 200, 1, "0.20", "0", waiver=waiver)
    books.statement("S")
    (it,) = shown(books)
    say = Said(it)
    assert say.sentence == f"You owe nothing: {sentence}."
    line = it.lines[0]
    assert list(map(str, (line.units, line.fee, line.product, line.discount, line.amount))) == [
        *("200", "0.20", "40.00", "40.00", "0.00"),
    ]
    assert {row.name: row.result for row in say.conditions()} == {
        "Free with few contacts": "met" if waiver == "cpu_below" else "missed",
        "Free with few orders": "missed" if waiver == "cpu_below" else "met",
    }
    assert say.next_tier == ""


def test_a_missed_waiver_counts_as_the_next_step(books):
    books.terms("US-2", ("0.05", "0.20"), (None, "0.40"), cpu_below="0.03", orders_below=30)
    books.performance("S", 200, 8)
    books.line("S", "US-2", 200, 1, "0.20", "40")
    books.statement("S")
    (it,) = shown(books)
    assert Said(it).next_tier == (
        "3 fewer contacts would have saved 40.00 USD: at 5 / 200 = 2.50% you would have been free of charge."
    )


def test_a_reward(books):
    books.usual_terms()
    books.performance("S", 200, 15, valid=190, returns=4, prepaid=4)
    books.line("S", "US-1", 200, 2, "0.40", "40", discount="0.5")
    books.statement("S")
    (it,) = shown(books)
    say = Said(it)
    assert say.words.note_of(it.lines[0]) == "rewards: 50% off"
    assert [row.result for row in say.conditions()] == ["met", "met", "earned"]
    assert "5 fewer contacts would have saved 40.00 USD" in say.next_tier


@pytest.mark.parametrize(("has_returns", "discount", "amount"), [(True, "1", "0"), (False, "0", "40")])
def test_rewards_without_returns(books, has_returns, discount, amount):
    books.usual_terms()
    books.performance("S", 200, 9, valid=190)
    if has_returns:
        books.performance("another", 1, 0, returns=1)
    books.line("S", "US-1", 200, 1, "0.20", amount, discount=discount)
    books.statement("S")
    (it,) = shown(books)
    say = Said(it)
    labels = say.conditions()[1]
    assert (labels.figure, labels.result) == (
        ("no returns in the period", "met") if has_returns else ("no returns are known in this marketplace", "missed")
    )
    assert say.next_tier == "You are in the lowest tier: fewer contacts would not have changed what you owe."


def test_contacts_without_units(books):
    books.usual_terms()
    books.contacts("S", 3)
    books.performance("S", 0, 3)
    books.statement("S")
    (it,) = shown(books)
    say = Said(it)
    assert say.sentence == "You owe nothing: no units shipped that the programme covers."
    assert say.cpu is None
    assert say.cpu_undefined.startswith("3 contacts were counted, but no covered unit shipped")
    assert (it.lines, it.terms, say.next_tier) == ([], [], "")
    assert say.words.contacts.total == 3


def test_only_enrolled(books):
    books.usual_terms()
    books.enrolled("S", utc(2025, 1, 1), ended_at=utc(2026, 10, 2, 12, 0, 5))
    books.statement("S")
    (it,) = shown(books)
    say = Said(it)
    assert it.seller.name is None
    enrolled, trial = say.enrolment
    assert enrolled == (
        "You enrolled on 31 December 2024, 16:00 (America/Los_Angeles, UTC−08:00)"
        " and left on 2 October 2026, 05:00:05 (America/Los_Angeles, UTC−07:00)."
    )
    assert trial == (
        "Your free trial ended on 30 January 2025, 16:00 (America/Los_Angeles, UTC−08:00), before this period."
    )
    assert not any((say.cpu, say.cpu_undefined, say.units, it.lines, it.conditions, it.contacts, it.items))


def test_every_stay_in_the_programme_is_told(books):
    books.usual_terms()
    books.enrolled("S", utc(2026, 8, 1), ended_at=utc(2026, 9, 1))
    books.insert("core.enrolments", "S", US, 2, utc(2026, 9, 10), utc(2026, 10, 5), utc(2026, 8, 31))
    books.insert("core.enrolments", "S", US, 3, utc(2026, 10, 20), utc(2026, 12, 1), utc(2026, 8, 31))
    books.statement("S")
    (it,) = shown(books)
    assert [stay.ended_at for stay in it.enrolment.stays] == [utc(2026, 9, 1), utc(2026, 10, 5), None]
    first, second, third, trial = Said(it).enrolment
    assert first.startswith("You enrolled on 31 July 2026")
    assert second.startswith("You enrolled again on 9 September 2026")
    assert "and left on 4 October 2026" in second
    assert third.startswith("You enrolled again on 19 October 2026")
    assert "left" not in third
    assert trial.startswith("Your free trial ended on 30 August 2026")


def test_an_amount_that_rounds_to_nothing_is_not_called_free(books):
    books.terms("US-1", ("0.05", "0.004", "0.15"), (None, "0.40"), vtr="0.95")
    books.performance("S", 1, 0, valid=1)
    books.line("S", "US-1", 1, 1, "0.004", "0", discount="0.15")
    books.statement("S")
    (it,) = shown(books)
    assert Said(it).sentence == "You owe nothing: 1 chargeable unit in tier 1, at 0.00 contacts per 100 units."


def test_below_the_lowest_tier_may_lie_a_waiver(books):
    books.terms("US-2", ("0.05", "0.20"), (None, "0.40"), cpu_below="0.03")
    books.performance("S", 200, 5)
    books.line("S", "US-2", 200, 1, "0.20", "39")  # as no rule would have it
    books.statement("S")
    (it,) = shown(books)
    assert Said(it).next_tier == ""


def test_a_credit(books):
    books.usual_terms()
    books.performance("S", 100, 6)
    books.line("S", "US-1", 100, 2, "0.40", "40")
    books.statement("S", adjustments="-52.5")
    books.statement("T", adjustments="-12.5")
    it, bare = shown(books)
    say = Said(it)
    assert (say.owed_as, say.words.figure(it.total)) == ("Credit to you", "−12.50")
    assert (str(it.charges), str(it.adjustments)) == ("40.00", "-52.50")
    assert say.sentence == (
        "You have a credit of 12.50 USD: 40.00 USD for 100 chargeable units in tier 2, at 6.00 contacts per 100 units;"
        " adjustments to earlier periods of −52.50 USD."
    )
    assert Said(bare).sentence == (
        "You have a credit of 12.50 USD: no units shipped that the programme covers; adjustments to earlier periods of"
        " −12.50 USD."
    )


def test_the_last_twelve_months(books):
    books.usual_terms()
    books.usual_seller()
    for period, units, contacts in (("2025-10", 9, 9), ("2025-11", 100, 7), ("2026-08", 0, 2)):
        books.insert("billing.performance", period, US, "S1", units, contacts, None, None, None, 0, 0, 0, 0)
    (it,) = shown(books)
    assert [month.period for month in it.months] == [
        *("2025-11", "2025-12", *(f"2026-{number:02}" for number in range(1, 11))),
    ]
    assert [month for month in it.months if month.units is not None] == [
        *(("2025-11", 100, 7), ("2026-08", 0, 2), ("2026-10", 345, 20)),
    ]
    assert Said(it).months_described == "November 2025: 7 / 100 = 7.00%; October 2026: 20 / 345 = 5.80%"


@pytest.mark.parametrize(
    ("sellers", "language"),
    [("de", "de"), ("zh-TW", "zh-Hans"), ("it-CH", "it"), ("fr", "en"), ("", "en"), ("EN-us", "en"), ("ja", "ja")],
)
def test_the_language_is_the_sellers_else_the_marketplaces(books, sellers, language):
    books.usual_terms()
    books.usual_seller()
    books.con.execute("update core.sellers set language = ?", [sellers])
    (it,) = shown(books)
    assert it.language == language


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("update billing.statements set charges = 1", "its lines come to 124.8000, its charges to 1.0000"),
        ("update billing.statements set total = 1", "of adjustments are not 1.0000"),
        ("update billing.statements set currency = 'EUR'", "it is in EUR, its marketplace in USD"),
        ("delete from core.terms", "core.terms has no US-1"),
        ("delete from core.calendar", "core.calendar has no such row"),
    ],
)
def test_what_contradicts_itself_is_refused(books, change, message):
    books.usual_terms()
    books.usual_seller()
    books.con.execute(change)
    with pytest.raises(StatementError, match=message):
        shown(books)


# -- the next tier, against counting down one contact after the other --------------------------------------------------

CENT = Fraction(1, 100)


def rated(version, units, performance, contacts, rewarded):
    """The rules once more, in fractions, as plainly as can be."""
    cpu = Fraction(contacts, performance.units)
    for tier in version.tiers:
        if tier.up_to is None or cpu < Fraction(tier.up_to) or (cpu == Fraction(tier.up_to) and not tier.is_exclusive):
            break
    if version.cpu_below is not None and cpu < Fraction(version.cpu_below):
        return tier.tier, True, Fraction(0)
    owed = units * Fraction(tier.fee) * (1 - (Fraction(tier.discount) if rewarded else 0))
    return tier.tier, False, (owed / CENT + Fraction(1, 2)).__floor__() * CENT


@st.composite
def versions(draw, terms_id):
    edges = sorted(draw(st.lists(st.decimals("0.01", "0.5", places=2), min_size=0, max_size=3, unique=True)))
    tiers = [
        Tier(
            number,
            up_to,
            draw(st.booleans()),
            draw(st.decimals("0", "2", places=4)),
            draw(st.sampled_from([Decimal("0"), Decimal("0.15"), Decimal("0.5"), Decimal("1")])),
        )
        for number, up_to in enumerate([*edges, None], 1)
    ]
    cpu_below = draw(st.none() | st.decimals("0.01", "0.2", places=3))
    return Version(terms_id, utc(2020, 1, 1), None, 90, None, None, cpu_below, None, tuple(tiers))


@given(
    terms=st.tuples(versions("A"), versions("B")),
    units=st.tuples(st.integers(1, 300), st.integers(0, 300)),
    trial=st.integers(0, 50),
    contacts=st.integers(0, 200),
    rewarded=st.booleans(),
)
def test_the_next_tier_is_the_first_one_met_when_counting_down(terms, units, trial, contacts, rewarded):
    performance = Performance(sum(units) + trial, contacts, 0, 0, 0, 100)
    priced = [(version, number) for version, number in zip(terms, units, strict=True) if number]
    lines, now = [], {}
    for version, number in priced:
        # rewards are told from a line's discount; where its tier has none, the conditions (here: none) hold
        is_rewarded = rewarded or not version.tiers[rated(version, 1, performance, contacts, True)[0] - 1].discount
        tier, waived, amount = rated(version, number, performance, contacts, is_rewarded)
        now[version.terms_id] = (tier, waived, amount, is_rewarded)
        discount = version.tiers[tier - 1].discount if is_rewarded and not waived else Decimal(0)
        waiver = "cpu_below" if waived else None
        paid = Decimal(amount.numerator) / Decimal(amount.denominator)
        fee = version.tiers[tier - 1].fee
        lines.append(FeeLine(version.terms_id, "charge", number, tier, fee, discount, waiver, paid, "USD"))
    found = next_tier({version.terms_id: version for version in terms}, performance, lines, has_returns=False, digits=2)
    for fewer in range(1, contacts + 1):
        saving, changes = Fraction(0), set()
        for version, number in priced:
            tier, waived, amount, is_rewarded = now[version.terms_id]
            then = rated(version, number, performance, contacts - fewer, is_rewarded)
            if not waived and then[:2] != (tier, waived):
                changes.add(version.terms_id)
            saving += 0 if waived else amount - then[2]
        if changes:
            assert found is not None
            assert (found.fewer, found.contacts) == (fewer, contacts - fewer)
            assert Fraction(found.saving) == saving
            assert found.changes.keys() == changes
            return
    assert found is None


@pytest.mark.parametrize(
    ("is_exclusive", "contacts", "tier", "fewer"),
    [(False, 5, 1, None), (False, 6, 2, 1), (True, 4, 1, None), (True, 5, 2, 1), (True, 6, 2, 2)],
)
def test_a_bound_is_inclusive_unless_it_says_otherwise(is_exclusive, contacts, tier, fewer):
    low, high = Tier(1, Decimal("0.05"), is_exclusive, Decimal("0.2"), None), Tier(2, None, False, Decimal("0.4"), None)
    version = Version("A", utc(2020, 1, 1), None, 90, None, None, None, None, (low, high))
    fee = (low, high)[tier - 1].fee
    line = FeeLine("A", "charge", 100, tier, fee, Decimal(0), None, 100 * fee, "USD")
    found = next_tier({"A": version}, Performance(100, contacts, 0, 0, 0, 100), [line], has_returns=False, digits=2)
    assert (found and found.fewer) == fewer
    assert (found and found.saving) == (fewer and Decimal(20))


def test_nothing_is_said_where_a_line_and_the_rules_disagree():
    tiers = (Tier(1, Decimal("0.05"), False, Decimal("0.2"), None), Tier(2, None, False, Decimal("0.4"), None))
    version = Version("A", utc(2020, 1, 1), None, 90, None, None, None, None, tiers)
    line = FeeLine("A", "charge", 100, 1, Decimal("0.2"), Decimal(0), None, Decimal(20), "USD")
    performance = Performance(100, 50, 0, 0, 0, 100)  # would be tier 2: known only after the period was closed
    assert next_tier({"A": version}, performance, [line], has_returns=False, digits=2) is None


# -- requests, refunds and defects ------------------------------------------------------------------------------------


def test_what_is_not_known_is_left_out(books):
    books.usual_terms()
    books.usual_seller()
    (it,) = shown(books)
    assert (it.requests, it.refunds, it.claims, it.defects, it.defects_before_enrolment) == (None, [], [], None, None)
    say = Said(it)
    assert (say.requests, say.response, say.refunds, say.claims, say.resolved) == ([], None, [], [], "")


def test_requests_are_judged_by_those_that_were_due(books):
    books.usual_terms()
    books.usual_seller()
    books.served("S1", requests=10, requests_due=8, requests_answered=6, requests_late=2, requests_unanswered=0)
    (it,) = shown(books)
    assert it.requests == (8, 6, 2, 0, 2)
    say = Said(it)
    assert plain(say.words.response.fraction) == "6 / 8"
    assert say.words.response.per_cent == "75.00%"
    assert say.requests == [
        ["Answered within 24 hours", 6],
        ["Answered later", 2],
        ["Made less than 24 hours before the period ended: in no rate", 2],
    ]
    assert say.resolved == "Counted contacts resolved within 48 hours: 18 / 20 = 90.00%"
    assert it.defects is None, "of those nothing is known"


def test_without_a_request_that_was_due_there_is_no_rate(books):
    books.usual_terms()
    books.usual_seller()
    books.served("S1", requests=1, requests_due=0, requests_answered=0, requests_late=0, requests_unanswered=0)
    (it,) = shown(books)
    assert it.requests == (0, 0, 0, 0, 1)
    assert Said(it).response is None


def test_refunds_by_who_gave_them_and_claims_by_how_they_stand(books):
    books.usual_terms()
    books.usual_seller()
    books.refunded("S1", "service", 4, "44.5001", 1, "12.5", 1, "5", 0, "0")
    books.refunded("S1", "seller", 1, "3", 1, "3", 0, "0", 0, "0")
    books.refunded("S1", "service", 2, "1999", 0, "0", 0, "0", 2, "1999", currency="JPY")
    (it,) = shown(books)
    say = Said(it)
    assert say.refunds == [
        ["The service", 2, "1,999 JPY"],
        ["The service", 4, "44.5001 USD"],
        ["You", 1, "3.00 USD"],
    ]
    assert say.claims == [
        ["Not decided yet", 2, "15.50 USD"],
        ["Granted: reimbursed to you", 1, "5.00 USD"],
        ["Denied", 2, "1,999 JPY"],
    ]
    assert str(it.total) == "124.80", "they are no part of it"


def test_defects_beside_those_of_the_month_before_enrolment(books):
    books.usual_terms()
    books.usual_seller()
    now = {"orders": 400, "orders_with_defect": 1, "a_to_z_claims": 1, "negative_feedback": 0, "chargebacks": 1}
    books.served("S1", **now)
    (it,) = shown(books)
    assert (it.defects, it.defects_before_enrolment) == ((PERIOD, 1, 0, 1, 1, 400), None)
    assert [figures for _, figures in Said(it).defects] == [["1"], ["0"], ["1"], ["1"], ["400"], ["0.25%"]]
    books.con.execute("delete from billing.service")
    before = {f"{name}_before": 0 for name in now}
    books.served("S1", **now, **before, period_before_enrolment="2026-08")
    (it,) = shown(books)
    assert it.defects_before_enrolment == ("2026-08", 0, 0, 0, 0, 0)
    assert Said(it).defects[-1] == ["Order defect rate", ["0.25%", "–"]]
