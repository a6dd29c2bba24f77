"""The close report on the real engine: its figures are those of the tables, and it holds whatever the data hold."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Generator
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest
from finance import APRIL, JP, JUNE, MARCH, MAY, US, Finance, credit
from house import NOW, PRESS_WITHOUT_PDF, close_period, load_paths, opened, row, write_csv

from pipelines.crediting import grant
from reports.charts import column_chart
from reports.close_report import view, write_close_reports

VOID = {"meta", "link", "br", "img", "input", "hr", "rect", "line", "polyline", "circle"}
HOSTILE = [
    "<script>alert(1)</script>",
    "</style><b>",
    "\u202egnissap\u202c",
    '" onmouseover="x',
    "{{ 7 * 7 }}",
    "a\u2029b",
    "x" * 300,
    "🙂",
]


class Page(HTMLParser):
    """A page, parsed: its tags must nest. Tables by what their caption begins with, rows as lists of cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.open, self.tags, self.words = html, [], [], []
        self.tables: list[tuple[list[str], list[list[list[str]]]]] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in VOID:
            return
        self.open.append(tag)
        if tag == "table":
            self.tables.append(([], []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in {"td", "th"}:
            self.tables[-1][1][-1].append([])

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.words.append(data)
        if "caption" in self.open:
            self.tables[-1][0].append(data)
        elif {"td", "th"} & set(self.open):
            self.tables[-1][1][-1][-1].append(data)

    @property
    def text(self) -> str:
        return plain("".join(self.words))

    def table(self, caption: str) -> dict[str, list[str]]:
        """The first cell of each row → the others."""
        for said, rows in self.tables:
            if plain("".join(said)).startswith(caption):
                cells = [[plain("".join(cell)) for cell in row] for row in rows]
                return {first: rest for first, *rest in cells}
        raise AssertionError(f"no table {caption!r} among {[plain(''.join(said)) for said, _ in self.tables]}")


def plain(text: str) -> str:
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-").split())


@pytest.fixture
def finance(tmp_path: Path) -> Generator[Finance]:
    with opened(tmp_path / "home") as warehouse:
        yield Finance(warehouse, tmp_path)


def paths(finance: Finance, *scope: tuple[str, str]) -> list[str]:
    written = write_close_reports(finance.warehouse.con, scope, finance.folder / "reports")
    return [path.relative_to(finance.folder / "reports").as_posix() for path in written]


def page(finance: Finance, period: str) -> Page:
    """The page of the period; whatever it says, it says of tables that agree."""
    (path,) = write_close_reports(finance.warehouse.con, [(period, US)], finance.folder / "reports")
    return Page(path.read_text(encoding="utf-8"))


def close(finance: Finance, *periods: str) -> None:
    for period in periods:
        assert close_period(
            finance.warehouse, period, terms=finance.terms, only=[US], press=PRESS_WITHOUT_PDF
        ) == [US]  # fmt: skip


def enrol(finance: Finance, seller: str, **values: str) -> None:
    values = {"effective_at": "2025-01-01T00:00:00Z", **values}
    finance.load(enrolment_events=[row("enrolment_events", seller_id=seller, **values)])


def ship(finance: Finance, order: str, quantity: int, month: str, seller: str, **values: str) -> None:
    placed = {"purchased_at": f"{month}-02T12:00:00Z", "quantity": str(quantity)}
    finance.load(order_items=[row("order_items", order_id=order, seller_id=seller, **placed)])
    finance.load(shipments=[finance.parcel(order, quantity, month, **values)])


def two_sellers(finance: Finance) -> None:
    """March and April of S, whose contact lifts it by a tier, and April of T, which is new."""
    finance.ship("B", 12, APRIL)
    finance.contact("C1", APRIL, order="B")
    finance.contact("C2", APRIL, order="B", reason="invoice")
    enrol(finance, "T", effective_at=f"{APRIL}-01T12:00:00Z")
    ship(finance, "F", 3, APRIL, "T")
    ship(finance, "N", 4, APRIL, "U")
    finance.run(MARCH, APRIL)


# -- figures -------------------------------------------------------------------------------------------------------


def test_the_month_is_compared_with_the_one_before(finance: Finance) -> None:
    two_sellers(finance)
    found = page(finance, APRIL)
    rows = found.table("Amounts in USD")
    assert rows["Units shipped"] == ["19", "10", "+9", "+90.0%"]
    assert rows["Covered units"] == ["15", "10", "+5", "+50.0%"]
    assert rows["in free trial"] == ["3", "0", "+3", "–"]
    assert rows["chargeable"] == ["12", "10", "+2", "+20.0%"]
    assert rows["Contacts counted"] == ["1", "0", "+1", "–"]
    assert rows["Contacts per unit"] == ["6.67%", "0.00%", "+6.67 points", "–"]
    assert rows["Statements"] == ["2", "1", "+1", "+100.0%"]
    assert rows["other than zero"] == ["1", "1", "0", "0.0%"]
    assert rows["Charges"] == rows["Total"] == ["4.80", "2.00", "+2.80", "+140.0%"]
    assert rows["Adjustments, credits"] == ["0.00", "0.00", "0.00", "–"]
    ((total,),) = finance.warehouse.con.execute(
        "select sum(total) from billing.statements where period = ?", [APRIL]
    ).fetchall()
    assert total == Decimal("4.8")
    assert "4.80 USD" in found.text
    assert "2.80 USD (140.0%) more than in March 2026." in found.text
    months = found.table("The months known of the last twelve")
    assert months["March 2026 draft"] == ["1", "0 / 10", "0.00%", "2.00"]
    assert months["April 2026 draft"] == ["2", "1 / 15", "6.67%", "4.80"]


def test_what_is_not_known_of_the_month_before_is_not_compared(finance: Finance) -> None:
    finance.run(MARCH)
    found = page(finance, MARCH)
    assert found.table("Amounts in USD")["Total"] == ["2.00", "–", "–", "–"]
    assert "February 2026 is not known" in found.text
    assert "Largest movements" not in found.text
    assert not any("svg" in tag and attrs["aria-labelledby"].startswith("totals") for tag, attrs in found.tags)


def test_sellers_by_tier_and_how_they_moved(finance: Finance) -> None:
    two_sellers(finance)
    found = page(finance, APRIL)
    tiers = found.table("Sellers with a statement")
    assert tiers["Tier 1 up to 5%"] == ["0", "1", "0", "0.00"]
    assert tiers["Tier 2 over 5%, up to 10%"] == ["1", "0", "12", "4.80"]
    assert tiers["Trial only"] == ["1", "0", "0", "0.00"]
    matrix = found.table("Sellers by where they stood")
    assert matrix == {"Before": ["Tier 2", "Trial only"], "Tier 1": ["1", ""], "new": ["", "1"]}
    assert "Against March 2026: 1 in a higher tier, 1 new." in found.text
    assert found.table("The sellers whose totals changed most") == {
        "Seller": ["Before", "Now", "Change", "Why"],
        "Kontor & Söhne S": ["2.00", "4.80", "+2.80", "tier 1 → 2; units 10 → 12"],
    }
    finance.run(MAY)
    gone = page(finance, MAY).table("The sellers whose totals changed most")
    assert gone["Kontor & Söhne S"] == ["4.80", "0.00", "-4.80", "tier 2 → no charge line"]


def test_two_versions_that_price_a_month_and_what_they_forgo(finance: Finance) -> None:
    finance.ship("early", 10, MAY)
    finance.ship("late", 20, MAY, shipped_at=f"{MAY}-25T12:00:00Z")
    finance.run(APRIL, MAY)
    found = page(finance, MAY)
    assert found.table("Sellers with a statement")["Waived"] == ["1", "0", "30", "2.00"]
    # 20 units at 0.20, waived: fewer than 3 % contacts
    assert found.table("Forgone is units × fee")["Waived: few contacts"] == ["1", "20", "4.00"]
    assert "2 versions of the terms priced the month" in found.text
    assert "A seller stands where the last version that priced its units puts it." in found.text


def test_the_units_and_contacts_add_up(finance: Finance) -> None:
    two_sellers(finance)
    finance.load(shipments=[finance.parcel("never", 7, APRIL)])
    finance.run(APRIL)
    found = page(finance, APRIL)
    assert found.table("Every unit") == {
        "Chargeable": ["12"],
        "Free trial": ["3"],
        "Never enrolled": ["4"],
        "Without an order": ["0"],
        "Shipped": ["19"],
        "Difference": ["0"],
    }
    assert found.table("Every contact") == {
        "Counted": ["1"],
        "Reason not covered": ["1"],
        "Without an order": ["0"],
        "Received": ["2"],
        "Difference": ["0"],
    }
    assert "their order has not come: 7 units of April 2026" in found.text
    assert "All 8 sums hold." in found.text
    assert all(
        cells[-1].endswith("✓") for name, cells in found.table("What the tables say twice").items() if name != "What"
    )


def test_sums_that_do_not_hold_are_said_first(finance: Finance) -> None:
    finance.run(MARCH)
    finance.warehouse.con.execute("update billing.statements set charges = charges + 1, total = total + 1")
    found = page(finance, MARCH)
    assert "3 sums do not hold." in found.text
    assert "Charges: it differs by -1.00" in found.text
    assert "Sellers: it differs by -1" in found.text
    assert "csba close" not in found.text


def test_exceptions_and_days_without(finance: Finance) -> None:
    finance.ship("early", 2, MARCH, shipped_at=f"{MARCH}-02T09:00:00Z")
    finance.contact("C1", MARCH)
    finance.run(MARCH)
    found = page(finance, MARCH)
    number, example = found.table("Reported, and changing nothing")["Shipped before ordered"]
    assert number == "1"
    assert example.startswith("P-early item 1 shipped 2026-03-02 09:00:00")
    # ordered on the 2nd, shipped on the 2nd and 3rd, asked on the 20th, on Pacific time
    assert "30 days without orders: 1, 3–31." in found.text
    assert "29 days without shipments: 1, 4–31." in found.text
    assert "30 days without contacts: 1–19, 21–31." in found.text


# -- books -----------------------------------------------------------------------------------------------------------


def test_a_draft_says_how_it_is_closed_and_what_would_be_posted(finance: Finance) -> None:
    finance.run(MARCH, APRIL)
    found = page(finance, MARCH)
    assert "DRAFT" in found.text
    assert "CLOSED" not in found.text
    assert f"csba close {MARCH} --marketplace {US} --by 'YOUR NAME'" in found.text
    assert found.table("Posted at the close: what its 1 entry would come to") == {
        "Account": ["Debit", "Credit"],
        "Assets:Receivable:Sellers": ["2.00", "0.00"],
        "Income:CustomerService:Fees": ["0.00", "2.00"],
        "Both sides": ["2.00", "2.00"],
    }
    assert "There is nothing to post" in page(finance, APRIL).text
    close(finance, MARCH)
    finance.run(APRIL, MAY)
    assert "April 2026 is to be closed first" in page(finance, MAY).text
    finance.run("2026-02")
    assert paths(finance, ("2026-02", US)) == [f"2026-02/{US}.html"]
    assert "It cannot be closed: it lies before March 2026" in page(finance, "2026-02").text


def test_a_closed_month_says_by_whom_and_stays_as_it_was_closed(finance: Finance) -> None:
    close(finance, MARCH)
    found = page(finance, MARCH)
    for each in ("CLOSED", "Ada", "23 November 2026", "code test", "2.00 USD", "All 12 sums hold.", "illustrative"):
        assert each in found.text
    assert "DRAFT" not in found.text
    assert "since the close" not in found.text
    assert found.table("1 entry posted at the close")["Both sides"] == ["2.00", "2.00"]
    finance.ship("late", 5, MARCH)
    finance.run(MARCH, APRIL)
    found = page(finance, MARCH)
    assert "Files were loaded since the close." in found.text
    assert "Orders came late, shipments came late: other lines for 1 seller, booked in April 2026." in found.text
    assert found.table("Amounts in USD")["Covered units"][0] == "15"
    assert found.table("Amounts in USD")["Total"][0] == "2.00"
    assert found.table("Sellers with a statement")["Tier 1 up to 5%"] == ["1", "–", "10", "2.00"]
    assert "All 12 sums hold." in found.text


def test_adjustments_and_credits_are_shown_where_they_are_booked(finance: Finance) -> None:
    close(finance, MARCH)
    finance.ship("late", 5, MARCH)
    finance.contact("C1", MARCH)
    finance.contact("C2", MARCH)
    grant(finance.warehouse, credit("12.50", reason="dispute <7>"), now=NOW)
    finance.run(APRIL)
    found = page(finance, APRIL)
    why = "Contacts came late, orders came late, shipments came late"
    assert found.table("To closed months")[f"March 2026 {why}"] == ["2", "1", "+10.00"]
    assert found.table("Granted by finance") == {
        "Seller": ["About", "Reason", "Granted by", "Amount"],
        "Kontor & Söhne S": ["March 2026", "dispute <7>", "Ada, 23 November 2026", "-12.50"],
    }
    assert found.table("Amounts in USD")["Total"] == ["-2.50", "2.00", "-4.50", "-225.0%"]
    assert "1 statement, 1 other than zero, 1 of them in the seller’s favour." in found.text
    movers = found.table("The sellers whose totals changed most")
    assert movers["Kontor & Söhne S"][-1] == "tier 1 → no charge line; adjustments 0.00 → -2.50"
    posted = found.table("Posted at the close: what its 3 entries would come to")
    assert posted["Assets:Receivable:Sellers"] == ["12.00", "14.50"]
    assert posted["Both sides"] == ["26.50", "26.50"]
    close(finance, APRIL)
    found = page(finance, APRIL)
    assert found.table("3 entries posted at the close") == posted
    assert "All 12 sums hold." in found.text


# -- data ------------------------------------------------------------------------------------------------------------


def test_files_are_accounted_for_and_no_refused_value_is_shown(finance: Finance) -> None:
    lines = [
        {**finance.parcel("A", 1, MARCH), "shipment_id": "more"},
        {**finance.parcel("A", 1, MARCH), "shipment_id": "JOHN-DOE-5551234", "shipped_at": "SECRET-TIME"},
    ]
    report = load_paths(finance.warehouse, write_csv(finance.folder / "bad", {"shipments": lines}, "_bad"))
    assert [file.rows_quarantined for file in report.loads] == [1]
    finance.run(MARCH)
    found = page(finance, MARCH)
    assert found.table("Files that brought")["shipments_bad.csv shipments"] == ["1", "2", "1", "0", "1", "0"]
    ((name, numbers),) = [each for each in found.table("Rows refused when loading").items() if each[0] != "Column"]
    assert name.startswith("shipments: shipped_at an ISO 8601 time")
    assert numbers == ["1"]
    assert "1 row refused when loading" in found.text
    assert "SECRET" not in found.html
    assert "DOE" not in found.html
    assert finance.warehouse.con.execute("select value from audit.quarantine").fetchall() == [("SECRET-TIME",)]


def test_many_files_are_summed_up(finance: Finance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "FILES", 2)
    for number in range(4):
        finance.load(shipments=[{**finance.parcel("A", 1, MARCH), "shipment_id": f"part-{number}"}])
    finance.run(MARCH)
    found = page(finance, MARCH)
    assert found.table("Files that brought")["All 5 files"] == ["5", "5", "5", "0", "0", "0"]
    assert "3 more files, in the sums below." in found.text


# -- pages -----------------------------------------------------------------------------------------------------------


def test_without_anything_there_is_no_page_and_an_old_one_goes(finance: Finance) -> None:
    finance.load(shipments=[finance.parcel("never", 7, MARCH)])
    finance.run(MARCH)
    scope = [(MARCH, US), (MARCH, JP), (JUNE, US), (MARCH, "unknown"), (MARCH, US)]
    assert paths(finance, *scope) == [f"{MARCH}/{US}.html"]
    folder = finance.folder / "reports"
    assert [path.name for path in folder.rglob("*.html")] == [f"{US}.html"]
    (folder / MARCH / f"{JP}.html").write_text("old")
    assert paths(finance, (MARCH, JP)) == []
    assert [path.name for path in (folder / MARCH).iterdir()] == [f"{US}.html"]


@pytest.mark.parametrize("period", ["2026-13", "../2026", "2026-1", "2026-10\n", ""])
def test_a_period_that_is_none_is_refused(period: str, tmp_path: Path) -> None:
    with duckdb.connect() as con, pytest.raises(ValueError, match="is no billing period"):
        write_close_reports(con, [(MARCH, US), (period, US)], tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_same_rows_make_the_same_bytes_and_reading_will_do(finance: Finance) -> None:
    two_sellers(finance)
    (first,) = write_close_reports(finance.warehouse.con, [(APRIL, US)], finance.folder / "a")
    finance.warehouse.con.close()
    with duckdb.connect(str(finance.folder / "home" / "warehouse.duckdb"), read_only=True) as con:
        (second,) = write_close_reports(con, [(APRIL, US)], finance.folder / "b")
    assert first.read_bytes() == second.read_bytes()


def test_a_page_needs_nothing_from_elsewhere(finance: Finance) -> None:
    two_sellers(finance)
    found = page(finance, APRIL)
    styles = re.findall(r"<style>(.*?)</style>", found.html, re.DOTALL)
    hashes = [b64encode(hashlib.sha256(style.encode()).digest()).decode() for style in styles]
    assert len(hashes) == 2
    (policy,) = [attrs["content"] for tag, attrs in found.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    assert policy == f"default-src 'none'; style-src {allowed}; base-uri 'none'; form-action 'none'"
    assert not {tag for tag, _ in found.tags} & {"script", "link", "img", "iframe"}
    assert not any("style" in attrs or "src" in attrs for _, attrs in found.tags)
    assert "://" not in found.html
    assert not any("@import" in style or "url(" in style for style in styles)
    # every anchor leads to a section, every chart and table says what it is
    ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"] for tag, attrs in found.tags if tag == "a"]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert all(said for said, _ in found.tables)
    charts = [attrs["aria-labelledby"].split() for tag, attrs in found.tags if tag == "svg"]
    assert len(charts) == 4
    assert all(set(labels) <= set(ids) for labels in charts)


def test_hostile_names_break_no_page(finance: Finance, tmp_path: Path) -> None:
    names = dict(zip(("S", *(f"H{number}" for number in range(1, len(HOSTILE)))), HOSTILE, strict=True))
    finance.run(MARCH)
    con = finance.warehouse.con
    for number, (seller, name) in enumerate(names.items()):
        con.execute(
            "insert into raw.sellers by name select * replace ($1 as seller_id, $2 as name, $3 as updated_at)"
            " from raw.sellers where seller_id = 'T' limit 1",
            [seller, name, NOW],
        )
        if seller != "S":
            enrol(finance, seller)
            ship(finance, f"O{number}", 2 + number, APRIL, seller)
    con.execute("delete from raw.sellers where seller_id = 'S' and updated_at < ?", [NOW])
    finance.run(MARCH, APRIL)
    found = page(finance, APRIL)
    movers = found.table("The sellers whose totals changed most")
    assert len(movers) == len(HOSTILE) + 1
    assert not {tag for tag, _ in found.tags} & {"script", "b"}
    assert not any("onmouseover" in attrs for _, attrs in found.tags)
    assert "{{ 7 * 7 }}" in found.words
    assert "a\ufffdb" in found.words
    # whatever could turn the direction of the text stands in a <bdi>
    assert "\u202e" in found.html
    assert "\u202e" not in re.sub(r"<bdi[^>]*>[^<]*</bdi>", "", found.html)


def test_columns_lie_above_and_below_zero() -> None:
    chart = column_chart([("Mar", 30.0, "30"), ("Apr", None, ""), ("May", -10.0, "-10")])
    march, april, may = chart.columns
    assert march.top + march.height == pytest.approx(chart.zero, abs=0.2)
    assert may.top == chart.zero
    assert march.height == pytest.approx(3 * may.height, abs=0.2)
    assert april.height == 0
    assert march.value_y < march.top
    assert may.top + may.height < may.value_y < chart.height
    assert [column.is_marked for column in chart.columns] == [False, False, True]
