"""Settlement reports and feedback: of all they hold, what is needed to compare and to count defects, and no more."""

from datetime import datetime
from decimal import Decimal

import pytest
from settlements import Charge, v1, v2

from assets.core.marketplaces import read_marketplaces
from assets.settings import CHECKOUT

MARKETPLACES = read_marketplaces(CHECKOUT / "data" / "marketplaces.csv")
US, JP, DE, GB = "ATVPDKIKX0DER", "A1VC38T7YXB528", "A1PA6795UKMFR9", "A1F83G8C2ARO7P"
CHARGES = [
    Charge("-0.40", "112-1", "62538071274626", "2"),
    Charge("-0.40", "112-1", "62538071274626", "2"),
    Charge("0.40", "112-1", "62538071274626", "2", transaction="Refund"),
    Charge("-7.20", fee="CSBA Fee", transaction="ServiceFee"),
]


def load(home, name: str, content: bytes, **options):
    (done,) = home.load_file(f"seller=A1B2/{name}", content, marketplaces=MARKETPLACES, **options).loads
    return done


@pytest.mark.parametrize(("report", "source"), [(v1, "amazon_settlement_v1"), (v2, "amazon_settlement_v2")])
def test_a_settlement_keeps_the_lines_of_the_fee(home, report, source):
    done = load(home, "settlement.txt", report(CHARGES))
    assert (done.source, done.rows_loaded, done.rows_quarantined) == (source, 4, 0)
    assert done.skipped_because == {"no fee of this service": 1, "the settlement itself": 1}
    lines = home.rows("""
        select
            line_id, seller_id, marketplace_id, amount_description, amount, currency, posted_at, order_item_id, quantity
        from raw.settlement_lines order by row_number""")
    at, item = datetime(2026, 4, 3, 10), "62538071274626"
    assert lines == [
        ("112-1:62538071274626:-0.4000:1", "A1B2", US, "CSBAFee", Decimal("-0.4"), "USD", at, item, 2),
        ("112-1:62538071274626:-0.4000:2", "A1B2", US, "CSBAFee", Decimal("-0.4"), "USD", at, item, 2),
        ("112-1:62538071274626:0.4000:1", "A1B2", US, "CSBAFee", Decimal("0.4"), "USD", at, item, 2),
        ("::-7.2000:1", "A1B2", US, "CSBA Fee", Decimal("-7.2"), "USD", at, None, None),
    ]


@pytest.mark.parametrize("report", [v1, v2])
@pytest.mark.parametrize("times", ["%Y-%m-%d %H:%M:%S UTC", "%d.%m.%Y %H:%M:%S UTC"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_in_europe_it_is_written_otherwise(home, report, times, encoding):
    charge = Charge("-12,5", "302-1", "7", fee="CSBAFee für März", marketplace="Amazon.de")
    content = report([charge], currency="EUR", times=times).decode().encode(encoding)
    assert load(home, "settlement.txt", content).rows_loaded == 1
    assert home.rows("select marketplace_id, amount, currency, posted_at from raw.settlement_lines") == [
        (DE, Decimal("-12.5"), "EUR", datetime(2026, 4, 3, 10))
    ]


@pytest.mark.parametrize("report", [v1, v2])
def test_the_same_settlement_again_doubles_nothing(home, report):
    load(home, "first.txt", report(CHARGES[:2]))
    done = load(home, "whole.txt", report(CHARGES))
    assert (done.rows_loaded, done.rows_duplicate) == (2, 2)
    # The other report of one settlement calls the same line by another name.
    other = v2 if report is v1 else v1
    load(home, "other.txt", other(CHARGES, "6016502941" if report is v1 else "18906543210"))
    assert home.rows("select count(*), sum(amount) from in_force.settlement_lines") == [(4, Decimal("-7.6"))]
    load(home, "another.txt", report(CHARGES, "77"))
    assert home.rows("select count(*), sum(amount) from in_force.settlement_lines") == [(8, Decimal("-15.2"))]


@pytest.mark.parametrize(
    ("changes", "column", "words"),
    [
        (
            {"amount": "-1,234"},
            "amount",
            "an amount of up to 14 digits and 4 decimals, such as -12.50; it has a decimal",
        ),
        ({"amount": "#VALUE!"}, "amount", "a spreadsheet shows an error"),
        ({"amount": ""}, "amount", "required"),
        ({"item": "6.25381E+13"}, "order_item_id", "an id that no spreadsheet has shortened"),
        ({"marketplace": "Amazon.nowhere"}, "marketplace_name", "the address of a marketplace that is listed"),
    ],
)
@pytest.mark.parametrize("report", [v1, v2])
def test_a_line_of_the_fee_that_cannot_be_read_is_quarantined(home, report, changes, column, words):
    given = {"amount": "-0.40", "order_id": "112-1", "item": "6", **changes}
    done = load(home, "settlement.txt", report([Charge(**given), Charge("-0.20", "112-2", "8")]))
    assert (done.rows_loaded, done.rows_quarantined) == (1, 1)
    ((_, at_fault, good, _),) = home.quarantine()
    assert at_fault == column
    assert words in good


def test_a_line_without_a_store_is_of_the_marketplace_that_is_told(home):
    charge = Charge("-7", marketplace="")
    home.load_file(f"seller=A/marketplace={JP}/s.txt", v2([charge], currency="JPY"), marketplaces=MARKETPLACES)
    assert home.rows("select marketplace_id, currency from raw.settlement_lines") == [(JP, "JPY")]


def test_a_row_that_was_cut_off_before_it_was_posted_is_no_charge(home):
    content = v2([Charge("-0.40", "112-1", "6"), Charge("-12.50", "112-2", "7")])
    cut = content[: content.rindex(b"-12.50") + len(b"-12")]
    done = load(home, "settlement.txt", cut)
    assert (done.rows_loaded, done.rows_quarantined) == (1, 1)
    ((_, column, good, _),) = home.quarantine()
    assert (column, good) == ("line", "the end of a line, as a row may end early and this one may be cut off")


# -- feedback ------------------------------------------------------------------------------------------------------


def feedback(*rows: str) -> bytes:
    header = "Date\tRating\tComments\tYour Response\tOrder ID\tRater Email"
    return "\n".join([header, *rows, ""]).encode()


def rated(day: str, stars: str, order: str = "112-1") -> str:
    return f"{day}\t{stars}\tNever again\tWe are sorry\t{order}\tjane@example.com"


def test_one_and_two_stars_are_defects(home):
    rows = [rated("10/20/23", str(stars), f"112-{stars}") for stars in range(7)] + [rated("10/20/23", "", "112-9")]
    content = feedback(*rows, rated("10/20/23", "1.0", "112-10"), rated("10/20/23", "1", ""))
    done = home.load_file(f"marketplace={US}/feedback.txt", content).loads[0]
    assert done.source == "amazon_seller_feedback"
    assert done.skipped_because == {"feedback with more than 2 stars": 3}
    assert home.in_force("defects") == [
        (f"feedback:112-{stars}", f"112-{stars}", "negative_feedback", datetime(2023, 10, 20, 7))
        for stars in (1, 10, 2)
    ]
    assert [(row, column) for row, column, *_ in home.quarantine()] == [
        *((number, "rating") for number in (1, 7, 8)), (10, "defect_id"),
    ]  # fmt: skip
    everything = str(home.rows("from raw.defects"))
    assert "Never" not in everything
    assert "jane" not in everything


def test_feedback_again_is_the_same_defect(home):
    home.load_file(f"marketplace={US}/a.txt", feedback(rated("10/20/23", "1")))
    done = home.load_file(
        f"marketplace={US}/b.txt", feedback(rated("10/20/2023", "2"), rated("10/21/23", "1", "2"))
    ).loads[0]
    assert (done.rows_loaded, done.rows_duplicate) == (1, 1)


@pytest.mark.parametrize(
    ("path", "day", "at"),
    [
        (f"marketplace={US}", "10/11/23", datetime(2023, 10, 11, 7)),
        (f"marketplace={JP}", "2016/01/31", datetime(2016, 1, 30, 15)),
        (f"marketplace={GB}", "2023-11-10", datetime(2023, 11, 10)),
        (f"dates=day-month-year/marketplace={GB}", "10/11/23", datetime(2023, 11, 10)),
        (f"dates=day-month-year/marketplace={DE}", "10.11.2023", datetime(2023, 11, 9, 23)),
        (f"dates=month-day-year/marketplace={GB}", "10/11/23", datetime(2023, 10, 10, 23)),
        (f"marketplace={GB}", "10/11/23", None),
        (f"marketplace={US}", "20/11/23", None),
        (f"marketplace={US}", "Nov 20", None),
    ],
)
def test_a_day_is_read_in_the_order_that_is_known(home, path, day, at):
    done = home.load_file(f"{path}/feedback.txt", feedback(rated(day, "1")), marketplaces=MARKETPLACES).loads[0]
    assert home.rows("select occurred_at from raw.defects") == ([(at,)] if at else [])
    assert done.rows_quarantined == (0 if at else 1)
    if path == f"marketplace={GB}" and not at:
        ((_, _, good, _),) = home.quarantine()
        assert good == "a day of a file that says `dates`, as month-day-year or day-month-year"
