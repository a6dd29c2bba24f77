"""Reports of Amazon's selling partners: known by their columns whatever they are called, and mapped row by row."""

import gzip
from datetime import datetime
from pathlib import Path

import pytest

from assets.core.marketplaces import read_marketplaces
from assets.raw.facts import facts_of
from assets.raw.files import FileRefusedError
from assets.raw.sources import read_sources
from assets.settings import CHECKOUT

FORMATS = CHECKOUT.parent / "shared" / "data" / "formats"
MARKETPLACES = read_marketplaces(CHECKOUT / "data" / "marketplaces.csv")
SOURCES = read_sources(CHECKOUT / "data" / "sources")
US, JP = "ATVPDKIKX0DER", "A1VC38T7YXB528"

ORDER_REPORT = """order-id order-item-id purchase-date payments-date buyer-email buyer-name buyer-phone-number sku
    product-name quantity-purchased currency item-price item-tax shipping-price shipping-tax ship-service-level
    recipient-name ship-city"""
ALL_ORDERS = """amazon-order-id merchant-order-id purchase-date last-updated-date order-status fulfillment-channel
    sales-channel order-channel url ship-service-level product-name sku asin item-status quantity currency"""
FEED = "order-id order-item-id quantity ship-date carrier-code carrier-name tracking-number ship-method"
RETURNS = """Order=ID Order=date Return=request=date Return=request=status Amazon=RMA=ID Label=type Label=to=be=paid=by
    ASIN Merchant=SKU Item=Name Return=quantity"""


def report(columns: str, *rows: dict[str, str]) -> bytes:
    """Tab-separated and not quoted, as such reports are."""
    names = [name.replace("=", " ") for name in columns.split()]
    lines = [names, *([row.get(name, "") for name in names] for row in rows)]
    return "".join("\t".join(line) + "\r\n" for line in lines).encode()


def order(**values: str) -> dict[str, str]:
    return {
        "order-id": "114-1",
        "order-item-id": "59686379847882",
        "purchase-date": "2026-03-01T14:18:23-07:00",
        "payments-date": "2026-03-01T15:00:00-07:00",
        "sku": 'A "3"',
        "product-name": 'A hat, 5" wide',
        "quantity-purchased": "2",
    } | {name.replace("_", "-"): value for name, value in values.items()}


@pytest.mark.parametrize("name", ["1234567890.txt", "report.tsv", "orders.csv", "RÉSUMÉ.TXT.gz"])
def test_an_order_report_is_known_by_its_columns(home, name):
    content = report(ORDER_REPORT, order(), order(order_id="114-2", order_item_id="5.80293E+13"))
    path = f"seller=A1B2/marketplace={US}/{name}"
    home.load_file(path, gzip.compress(content) if name.endswith("gz") else content)
    (row,) = home.in_force("order_items")
    at = datetime(2026, 3, 1, 21, 18, 23)
    assert row[:9] == ("114-1", "59686379847882", "A1B2", US, at, "MFN", False, "unknown", 'A "3"')
    assert home.quarantine() == [(2, "order_item_id", "an id that no spreadsheet has shortened", "5.80293E+13")]


def test_the_sales_channel_says_the_marketplace(home):
    columns = f"{ORDER_REPORT} sales-channel"
    rows = [
        order(sales_channel="Amazon.com"),
        order(order_id="2", sales_channel="Amazon.com.br"),
        order(order_id="S02-3", sales_channel="Non-Amazon US"),
        order(order_id="4", sales_channel="Amazon.nowhere"),
    ]
    report_of = home.load_file(f"marketplace={US}/of_seller=A1B2.txt", report(columns, *rows)).loads[0]
    assert [(row[0], row[3]) for row in home.in_force("order_items")] == [("114-1", US), ("2", "A2Q3Y263D00KWC")]
    assert report_of.skipped_because == {"sold elsewhere": 1}
    assert home.quarantine()[0][:2] == (4, "sales_channel")


@pytest.mark.parametrize("source", [source for source in SOURCES.mapped if source.columns], ids=lambda each: each.name)
def test_a_source_needs_no_other_columns_than_it_says(home, source):
    delimiter, above = (source.dialect.delimiter, source.dialect.header - 1) if source.dialect else (",", 0)
    header = "above\n" * above + delimiter.join(sorted(source.columns))
    report = home.load_file(f"seller=A1B2/marketplace={US}/report.csv", f"{header}\n".encode())
    assert report.refusals == []
    assert source.name in [load.source for load in report.loads]


def test_a_report_that_does_not_say_whose_it_is_is_refused(home):
    assert home.refusal("report.txt", report(ORDER_REPORT, order())) == (
        "it does not say its seller: put it into a folder seller=…, call it …_seller=….txt, or put a file"
        ' report.txt.toml beside it that says seller = "…"'
    )


def test_all_orders_are_items_by_their_sku(home):
    def item(**values: str) -> dict[str, str]:
        return {
            "amazon-order-id": "1",
            "purchase-date": "2026-03-01T08:04:21+00:00",
            "last-updated-date": "2026-03-02T08:04:21+00:00",
            "fulfillment-channel": "Merchant",
            "sales-channel": "Amazon.com",
            "item-status": "Shipped",
            "sku": "S1",
            "asin": "B01",
            "quantity": "1",
        } | {name.replace("_", "-"): value for name, value in values.items()}

    rows = [
        item(),
        item(sku="S2", fulfillment_channel="Amazon"),
        item(sku="S3", item_status="Cancelled", quantity="0"),
        item(sku="S4", item_status="Cancelled", quantity="3"),
        item(sku="S5", fulfillment_channel="Somebody"),
        item(sku="S6", item_status="", order_status="Canceled", quantity="0"),
        item(sku="S7", sales_channel="Amazon.xx"),
        item(sku="S8", sales_channel="Non-Amazon US"),
    ]
    done = home.load_file("seller=A1B2/all.txt", report(ALL_ORDERS, *rows)).loads[0]
    assert home.rows(
        "select order_item_id, fulfillment, quantity, is_cancelled from in_force.order_items order by all"
    ) == [
        *(("S1", "MFN", 1, None), ("S2", "AFN", 1, None), ("S3", "MFN", 1, True), ("S4", "MFN", 3, True)),
        ("S6", "MFN", 1, True),
    ]
    assert done.rows_skipped == 1
    assert [row[:2] for row in home.quarantine()] == [(5, "fulfillment"), (7, "sales_channel")]


@pytest.mark.parametrize(
    ("marketplace", "lines_above", "shipped_at"),
    [
        (US, b"", datetime(2026, 3, 1, 8)),
        (JP, b"TemplateType=OrderFulfillment\tVersion\r\n\x92\x8d\x95\xb6\r\n", None),
        (JP, b"TemplateType=OrderFulfillment\r\n\r\n", None),
    ],
)
def test_a_shipping_confirmation_has_days(home, marketplace, lines_above, shipped_at):
    row = {
        "order-id": "1",
        "order-item-id": "7",
        "quantity": "1",
        "ship-date": "2026-03-01",
        "carrier-code": "Other",
        "carrier-name": "ヤマト運輸" if lines_above else "Ours",
        "tracking-number": "T1",
    }
    text = report(FEED, row).decode()
    content = lines_above + text.encode("cp932") if lines_above else text.encode()
    home.load_file(f"marketplace={marketplace}/feed.txt", content, marketplaces=MARKETPLACES)
    ((parcel, item, order_id, at, quantity, carrier, *_),) = home.in_force("shipments")
    assert (parcel, item, order_id, quantity) == ("1:T1", "7", "1", 1)
    assert at == (shipped_at or datetime(2026, 2, 28, 15))
    assert carrier == row["carrier-name"]


def test_a_parcel_is_the_same_however_it_is_written(home):
    def line(day: str, tracking: str = "", quantity: str = "1") -> dict[str, str]:
        said = {"order-id": "1", "order-item-id": "7", "carrier-code": "UPS"}
        return said | {"quantity": quantity, "ship-date": day, "tracking-number": tracking}

    above = b"TemplateType=OrderFulfillment\r\n\r\n"
    for name, line_of_day in (("1.txt", line("2026/6/5")), ("2.txt", line("2026-06-05", quantity="2"))):
        home.load_file(name, above + report(FEED, line_of_day), marketplaces=MARKETPLACES)
    assert [(row[0], row[4]) for row in home.in_force("shipments")] == [("1:2026-06-05", 2)], "the later load counts"
    lines = report(FEED, line("2026-06-08", "1Z 999"), line("2026-06-07", "1z999", "3"))
    home.load_file(f"marketplace={US}/3.txt", lines, marketplaces=MARKETPLACES)
    parcels = [(row[0], row[4]) for row in home.in_force("shipments")]
    assert parcels == [("1:1Z999", 3), ("1:2026-06-05", 2)], "though its day is earlier"


def test_returns_have_days_in_several_forms(home):
    def returned(rma: str, day: str, label: str = "AmazonPrePaidLabel") -> dict[str, str]:
        return {
            "Order ID": "1",
            "Return request date": day,
            "Amazon RMA ID": rma,
            "Label type": label,
            "Merchant SKU": "S1",
            "Return quantity": "1",
        }

    rows = [
        *(returned("R1", "14-Jul-2025"), returned("R2", "2025-07-14", "Other"), returned("R3", "14/07/25")),
        returned("R4", "14-Jul-2025", "Amazon Pre-Paid Label"),
        *(returned(rma, "14-Jul-2025", label) for rma, label in (("R5", ""), ("R6", "#N/A"))),
    ]
    home.load_file(f"marketplace={US}/returns.txt", report(RETURNS, *rows))
    at = datetime(2025, 7, 14, 7)
    assert home.in_force("returns") == [
        ("R1:S1", "1", "S1", at, "prepaid"),
        ("R2:S1", "1", "S1", at, "other"),
        ("R4:S1", "1", "S1", at, "prepaid"),
    ]
    assert [row[:2] for row in home.quarantine()] == [(3, "requested_at"), (5, "label_type"), (6, "label_type")]


# -- what is told of a file ----------------------------------------------------------------------------------------


def test_what_stands_nearest_counts(tmp_path: Path):
    path = tmp_path / "seller=OUTER" / "seller=INNER" / "marketplace=US" / "x_seller=NAME.txt"
    path.parent.mkdir(parents=True)
    path.touch()
    assert facts_of(path) == {"seller": "NAME", "marketplace": "US"}
    assert facts_of(path.with_name("y.txt")) == {"seller": "INNER", "marketplace": "US"}
    path.with_name("x_seller=NAME.txt.toml").write_text('seller = "BESIDE"\nmore = "it\'s"')
    assert facts_of(path) == {"seller": "BESIDE", "marketplace": "US", "more": "it's"}


def test_what_cannot_be_told_for_sure_is_not_said(tmp_path: Path):
    for name in (
        "a_seller=A1_2026",
        "seller=acme_ltd",
        "seller=Müller",
        "seller=A=B",
        "seller=",
        "1seller=A1",
        "seller=A1.v2",
        "b_seller=shop.one",
    ):
        assert facts_of(tmp_path / f"{name}.txt") == {}
    inner = tmp_path / "seller=OUTER" / "seller=acme_ltd" / "x.txt"
    assert facts_of(inner) == {}, "what stands nearest counts, even if it cannot be used"
    assert facts_of(tmp_path / "seller=shop.one" / "x.txt") == {}, "a folder has no suffix"
    assert (
        facts_of(tmp_path / "Seller=A1" / "x.txt.gz") == facts_of(tmp_path / "x_seller=A1.txt.gz") == {"seller": "A1"}
    )


def test_what_nobody_asks_of_a_file_is_not_passed_over(home):
    home.file("report.txt.toml", b'seller = "A"\nmarketplaec = "X"')
    assert "report.txt.toml says 'marketplaec'" in home.refusal("report.txt", report(ORDER_REPORT, order()))
    home.file("other.txt.toml", b'seller = "A"\nmarketplace = "X"')
    refused = home.refusal("other.txt", report(ORDER_REPORT, order(order_id="9")), marketplaces=MARKETPLACES)
    assert refused == "its marketplace is told as 'X', which marketplaces.csv does not list"


@pytest.mark.parametrize(
    "text", ["seller =", "seller = 1", "\x00", "a = " + "1" * 5000, "a = " + "[" * 3000, "#" * 20_000]
)
def test_a_file_that_tells_nothing_right_is_refused(tmp_path: Path, text):
    (tmp_path / "x.txt.toml").write_text(text)
    with pytest.raises(FileRefusedError, match=r"x\.txt\.toml, which tells of it"):
        facts_of(tmp_path / "x.txt")


@pytest.mark.parametrize("above", [b"a\nb\n", b"a\rb\n", b"a\r\nb\r", b"a\r\nb\r\n", b'"a\nb"\n'])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_no_row_is_lost_whatever_ends_the_lines_above_a_header(home, above, end):
    names = FEED.split()
    row = dict.fromkeys(names, "1") | {"ship-date": "2026-03-01"}
    rows = [names, [row[name] for name in names], [(row | {"order-id": "2"})[name] for name in names]]
    content = above + b"".join("\t".join(values).encode() + end for values in rows)
    assert home.load_file("1.txt", content, marketplaces=MARKETPLACES).loads[0].rows_loaded == 2


def test_blank_lines_above_a_header_do_not_make_it_another_report(home):
    """In Japan two lines stand above the header: a report with two blank ones was taken for both."""
    row = dict.fromkeys(FEED.split(), "1") | {"ship-date": "2026-03-01"}
    done = home.load_file(f"marketplace={US}/1.txt", b"\n\n" + report(FEED, row), marketplaces=MARKETPLACES).loads
    assert [load.source for load in done] == ["amazon_shipping_confirmation"]
    assert len(home.in_force("shipments")) == 1


def test_a_file_beside_is_no_file_to_load_and_is_taken_at_its_word(home):
    home.file("landing/report.txt.toml", f'seller = "it\'s"\nmarketplace = "{US}"'.encode())
    home.file("landing/report.txt", report(ORDER_REPORT, order()))
    assert home.load(home.folder / "landing").refusals == []
    assert [row[2] for row in home.in_force("order_items")] == ["it's"]


def test_the_same_report_of_another_seller_is_another_file(home):
    for seller in ("A", "B"):
        home.load_file(f"seller={seller}/marketplace={US}/r.txt", report(ORDER_REPORT, order(order_id=f"O{seller}")))
        home.load_file(f"seller={seller}/marketplace={US}/s.txt", report(ORDER_REPORT, order(order_id="same")))
    assert home.rows("select seller_id from raw.order_items where order_id = 'same' order by all") == [("A",), ("B",)]


# -- as they really come -------------------------------------------------------------------------------------------

AS_THEY_COME = {
    "all_orders_29col_header.tsv": ("amazon_all_orders", 0, 0),
    "all_orders_32col_real_scrubbed_row.tsv": ("amazon_all_orders", 1, 0),
    "all_orders_33col_header.tsv": ("amazon_all_orders", 0, 0),
    "archived_orders_34col_header.tsv": ("amazon_all_orders", 0, 0),
    "order_report_29col_test_rows.tsv": ("amazon_order_report", 2, 0),
    "order_report_30col_sales_channel_real_row_redacted.tsv": ("amazon_order_report", 1, 0),
    "order_report_eu_41col_header.tsv": ("amazon_order_report", 0, 0),
    "unshipped_actionable_orders_27col_header.tsv": ("amazon_order_report", 0, 0),
    "fba_shipments_48col_header.tsv": ("amazon_fulfilled_shipments", 0, 0),
    "fba_shipments_jp_49col_real_rows_redacted.cp932.tsv": ("amazon_fulfilled_shipments", 1, 3),
    "fba_shipments_jp_49col_real_rows_redacted.utf8.tsv": ("amazon_fulfilled_shipments", 1, 3),
    "fulfillment_feed_plain_8col_header_documented_example.tsv": ("amazon_shipping_confirmation", 1, 0),
    "fulfillment_feed_jp_3header_9col.cp932.tsv": ("amazon_shipping_confirmation_jp", 0, 0),
    "fulfillment_feed_jp_3header_9col.utf8.tsv": ("amazon_shipping_confirmation_jp", 0, 0),
    "mfn_returns_by_return_date_32col_real_row_redacted.tsv": ("amazon_mfn_returns", 1, 0),
    "fba_customer_returns_13col_header.tsv": ("amazon_fba_customer_returns", 0, 0),
    "settlement_v1_flat_file_36col_real_rows.tsv": ("amazon_settlement_v1", 0, 0),
    "settlement_v1_flat_file_36col_airbyte_UTC_suffix.tsv": ("amazon_settlement_v1", 0, 0),
    "settlement_v2_flat_file_v2_24col_illustrative_RAGGED.tsv": ("amazon_settlement_v2", 0, 0),
    "seller_feedback_6col_header.tsv": ("amazon_seller_feedback", 0, 1),
}


@pytest.mark.skipif(not FORMATS.is_dir(), reason="the real reports are not here")
@pytest.mark.parametrize("name", AS_THEY_COME)
def test_a_report_as_it_really_comes(home, name):
    source, loaded, quarantined = AS_THEY_COME[name]
    content = (FORMATS / name).read_bytes()
    (done,) = home.load_file(f"seller=A1B2/marketplace={US}/1.txt", content, marketplaces=MARKETPLACES).loads
    assert (done.source, done.rows_loaded, done.rows_quarantined) == (source, loaded, quarantined)
