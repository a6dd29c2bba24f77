"""A small world of published tables, for statements, a few rows each, written by the tests; and a browser."""

from collections.abc import Generator
from datetime import datetime, timedelta
from decimal import Decimal

import duckdb
import pytest
from browsing import Visit, a_browser, visiting
from playwright.sync_api import Browser

TABLES = """
create schema core;
create schema billing;
create table core.marketplaces (marketplace_id varchar, country varchar, domain varchar, currency varchar,
    minor_units integer, time_zone varchar, language varchar);
create table core.calendar (marketplace_id varchar, period varchar, starts_at timestamp, ends_at timestamp,
    quarter_starts_at timestamp);
create table core.sellers (seller_id varchar, name varchar, country varchar, language varchar, email varchar,
    plan varchar, standing varchar, registered_at timestamp, updated_at timestamp);
create table core.terms (marketplace_id varchar, terms_id varchar, starts_at timestamp, ends_at timestamp,
    trial_days integer, dispute_days integer, vtr_at_least decimal(18,6), aprl_at_least decimal(18,6),
    cpu_below decimal(18,6), orders_in_quarter_below bigint);
create table core.marketplaces_with_returns (marketplace_id varchar);
create table core.tiers (marketplace_id varchar, terms_id varchar, tier integer, up_to decimal(18,6),
    is_exclusive boolean, fee decimal(18,4), discount decimal(18,6));
create table core.enrolments (seller_id varchar, marketplace_id varchar, interval_number integer,
    started_at timestamp, ended_at timestamp, trial_ends_at timestamp);
create table core.order_items (order_id varchar, order_item_id varchar, seller_id varchar, marketplace_id varchar,
    purchased_at timestamp, fulfillment varchar, is_prime boolean, asin varchar, sku varchar, quantity bigint);
create table core.units (period varchar, marketplace_id varchar, seller_id varchar, shipment_id varchar,
    order_id varchar, order_item_id varchar, sku varchar, purchased_at timestamp, shipped_at timestamp,
    quantity bigint, outcome varchar, terms_id varchar, file_id bigint, row_number bigint, is_tracking_valid boolean);
create table core.contacts (period varchar, marketplace_id varchar, seller_id varchar, contact_id varchar,
    order_id varchar, order_item_id varchar, channel varchar, reason varchar, contacted_at timestamp,
    resolved_at timestamp, outcome varchar, file_id bigint, row_number bigint);
create table billing.performance (period varchar, marketplace_id varchar, seller_id varchar, units bigint,
    contacts bigint, cpu double, vtr double, aprl double, units_valid_tracking bigint, returns bigint,
    returns_prepaid bigint, orders_in_quarter bigint);
create table billing.fee_lines (period varchar, marketplace_id varchar, seller_id varchar, terms_id varchar,
    kind varchar, units bigint, tier integer, fee decimal(18,4), discount decimal(18,6), waiver varchar,
    amount decimal(18,4), currency varchar);
create table billing.adjustments (posted_period varchar, period varchar, marketplace_id varchar, seller_id varchar,
    terms_id varchar, kind varchar, entry varchar, units bigint, tier integer, fee decimal(18,4),
    discount decimal(18,6), waiver varchar, amount decimal(18,4), currency varchar, causes varchar, credit_id varchar,
    reason varchar);
create table billing.service (period varchar, marketplace_id varchar, seller_id varchar, contacts bigint,
    contacts_resolved bigint, requests bigint, requests_due bigint, requests_answered bigint, requests_late bigint,
    requests_unanswered bigint, orders bigint, orders_with_defect bigint, a_to_z_claims bigint,
    negative_feedback bigint, chargebacks bigint, period_before_enrolment varchar, orders_before bigint,
    orders_with_defect_before bigint, a_to_z_claims_before bigint, negative_feedback_before bigint,
    chargebacks_before bigint);
create table billing.refunds (period varchar, marketplace_id varchar, seller_id varchar, issued_by varchar,
    currency varchar, refunds bigint, amount decimal(18,4), safe_t_filed bigint, safe_t_filed_amount decimal(18,4),
    safe_t_granted bigint, safe_t_granted_amount decimal(18,4), safe_t_denied bigint,
    safe_t_denied_amount decimal(18,4));
create table billing.kept_pages (period varchar, marketplace_id varchar, file_name varchar, statement_id varchar,
    html varchar, json_name varchar, view varchar);
create table billing.closes (period varchar, marketplace_id varchar, manifest varchar);
create table billing.statements (statement_id varchar, period varchar, marketplace_id varchar, seller_id varchar,
    currency varchar, charges decimal(18,4), adjustments decimal(18,4), total decimal(18,4), status varchar);
"""

US, JP = "ATVPDKIKX0DER", "A1VC38T7YXB528"
PERIOD = "2026-10"
LONG_AGO = datetime(2020, 1, 1)
STARTS_AT = {US: datetime(2026, 10, 1, 7), JP: datetime(2026, 9, 30, 15)}
ENDS_AT = {US: datetime(2026, 11, 1, 7), JP: datetime(2026, 10, 31, 15)}


class Books:
    """The tables, and one verb for each thing a test writes into them."""

    def __init__(self) -> None:
        self.con = duckdb.connect()
        self.con.execute(TABLES)
        self._numbers = iter(range(1, 1_000_000))
        self.insert("core.marketplaces", US, "US", "amazon.com", "USD", 2, "America/Los_Angeles", "en")
        self.insert("core.marketplaces", JP, "JP", "amazon.co.jp", "JPY", 0, "Asia/Tokyo", "ja")
        for marketplace in (US, JP):
            quarter = STARTS_AT[marketplace] - timedelta(days=61)
            self.insert("core.calendar", marketplace, PERIOD, STARTS_AT[marketplace], ENDS_AT[marketplace], quarter)

    def insert(self, table: str, *values: object) -> None:
        self.con.execute(f"insert into {table} values ({', '.join('?' * len(values))})", list(values))

    def terms(
        self, terms_id: str, *tiers: tuple, marketplace: str = US, starts_at: datetime = LONG_AGO,
        dispute_days: int = 90, vtr: str | None = None, aprl: str | None = None, cpu_below: str | None = None,
        orders_below: int | None = None,
    ) -> None:  # fmt: skip
        """A version; a tier is (up_to or None, fee) or (up_to or None, fee, discount)."""
        self.insert(
            "core.terms", marketplace, terms_id, starts_at, None, 30, dispute_days, vtr, aprl, cpu_below, orders_below
        )
        for number, (up_to, fee, *discount) in enumerate(tiers, 1):
            self.insert(
                "core.tiers", marketplace, terms_id, number, up_to, False, fee, discount[0] if discount else "0"
            )

    def line(
        self, seller: str, terms_id: str, units: int, tier: int | None, fee: str, amount: str, *, discount: str = "0",
        waiver: str | None = None, kind: str = "charge", marketplace: str = US, currency: str = "USD",
    ) -> None:  # fmt: skip
        self.insert(
            "billing.fee_lines", PERIOD, marketplace, seller, terms_id, kind, units, tier, fee, discount, waiver,
            amount, currency,
        )  # fmt: skip

    def performance(
        self, seller: str, units: int, contacts: int, *, valid: int = 0, returns: int = 0, prepaid: int = 0,
        orders: int = 100, marketplace: str = US,
    ) -> None:  # fmt: skip
        self.insert(
            "billing.performance", PERIOD, marketplace, seller, units, contacts, None, None, None, valid, returns,
            prepaid, orders,
        )  # fmt: skip
        if returns:
            self.insert("core.marketplaces_with_returns", marketplace)

    def units(self, seller: str, outcome: str, quantity: int, *, marketplace: str = US) -> None:
        key = str(next(self._numbers))
        when = STARTS_AT[marketplace]
        self.insert(
            "core.units",
            PERIOD,
            marketplace,
            seller,
            key,
            key,
            "1",
            "sku",
            when,
            when,
            quantity,
            outcome,
            None,
            1,
            1,
            None,
        )

    def contacts(
        self, seller: str, number: int, *, outcome: str = "counted", reason: str = "delivery", channel: str = "email",
        sku: str = "SKU-1", marketplace: str = US,
    ) -> None:  # fmt: skip
        when = STARTS_AT[marketplace]
        for _ in range(number):
            key = f"order-{next(self._numbers)}"
            self.insert("core.order_items", key, "1", seller, marketplace, when, "MFN", False, "asin", sku, 1)
            self.insert(
                "core.contacts", PERIOD, marketplace, seller, f"contact-{key}", key, "1", channel, reason, when, None,
                outcome, 1, 1,
            )  # fmt: skip

    def served(self, seller: str, marketplace: str = US, **values: object) -> None:
        """A row of billing.service, null in what the test does not say."""
        columns = ("period", "marketplace_id", "seller_id", "contacts", "contacts_resolved", *values)
        row = (PERIOD, marketplace, seller, 20, 18, *values.values())
        marks = ", ".join("?" * len(row))
        self.con.execute(f"insert into billing.service ({', '.join(columns)}) values ({marks})", list(row))

    def refunded(
        self, seller: str, issued_by: str, number: int, amount: str, *claims: object, currency: str = "USD",
    ) -> None:  # fmt: skip
        """Refunds; claims are number and amount of those filed, granted and denied."""
        claims = claims or (0, "0") * 3
        self.insert("billing.refunds", PERIOD, US, seller, issued_by, currency, number, amount, *claims)

    def enrolled(
        self, seller: str, started_at: datetime, *, trial_ends_at: datetime | None = None,
        ended_at: datetime | None = None, marketplace: str = US,
    ) -> None:  # fmt: skip
        trial_ends_at = trial_ends_at or started_at + timedelta(days=30)
        self.insert("core.enrolments", seller, marketplace, 1, started_at, ended_at, trial_ends_at)

    def seller(self, seller: str, name: str) -> None:
        self.insert(
            "core.sellers", seller, name, "US", "en", "x@example.org", "professional", "good", LONG_AGO, LONG_AGO
        )

    def statement(
        self,
        seller: str,
        *,
        adjustments: str = "0",
        status: str = "draft",
        marketplace: str = US,
        currency: str = "USD",
    ) -> None:
        """The statement that the seller's lines so far come to."""
        ((charges,),) = self.con.execute(
            "select coalesce(sum(amount), 0) from billing.fee_lines where seller_id = ? and marketplace_id = ?",
            [seller, marketplace],
        ).fetchall()
        number = f"{PERIOD}-{next(self._numbers):06}"
        total = charges + Decimal(adjustments)
        if total != charges:
            line = (
                None,
                "credit",
                "correction",
                0,
                None,
                None,
                None,
                None,
                adjustments,
                currency,
                None,
                "C1",
                "goodwill",
            )
            self.insert("billing.adjustments", PERIOD, "2026-08", marketplace, seller, *line)
        self.insert(
            "billing.statements", number, PERIOD, marketplace, seller, currency, charges, adjustments, total, status
        )

    def usual_terms(self) -> None:
        """Three tiers, and rewards."""
        tiers = (("0.05", "0.20", "1"), ("0.10", "0.40", "0.5"), (None, "0.80", "0.15"))
        self.terms("US-1", *tiers, vtr="0.95", aprl="0.95")

    def usual_seller(self, seller: str = "S1", name: str = "Ada's Lamps") -> None:
        """312 chargeable units, 33 of trial, 20 contacts: tier 2."""
        self.seller(seller, name)
        self.enrolled(seller, datetime(2026, 9, 5, 16, 30))
        self.units(seller, "chargeable", 300)
        self.units(seller, "chargeable", 12)
        self.units(seller, "trial", 33)
        self.units(seller, "prime", 7)
        self.contacts(seller, 12, reason="where_is_my_order", channel="chat")
        self.contacts(seller, 8, reason="return", channel="email", sku="SKU-2")
        self.contacts(seller, 3, outcome="excluded_reason", reason="invoice")
        self.performance(seller, 345, 20, valid=320, returns=9, prepaid=8)
        self.line(seller, "US-1", 33, None, "0", "0", kind="trial")
        self.line(seller, "US-1", 312, 2, "0.40", "124.80")
        self.statement(seller)


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with a_browser() as found:
        yield found


@pytest.fixture
def visit(browser: Browser) -> Generator[Visit]:
    with visiting(browser) as found:
        yield found
