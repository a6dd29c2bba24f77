"""The rules of domain.md once more: slow, plain, row by row, and independent of the pipeline it is there to check.

It shares nothing with `assets` and uses neither an engine nor a frame, so that the same slip is hardly made twice.
What late rows do to closed periods does not belong here: `bill` gives the figures of periods that are all open.
"""

import csv
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

UNKNOWN = "unknown"
MICROSECOND = timedelta(microseconds=1)
A_DAY, TWO_DAYS = timedelta(hours=24), timedelta(hours=48)
COVERED = ("trial", "chargeable")
ITEM_OUTCOMES = ("platform_fulfilled", "prime", "never_enrolled", "before_enrolment", "opted_out")
UNIT_OUTCOMES = ("void", *ITEM_OUTCOMES, *COVERED, "unmatched")
PLATFORM = ("platform_fulfilled", "prime")
REQUEST_OUTCOMES = ("answered", "late", "unanswered", "not_due", "unmatched")
REFUND_OUTCOMES = (*ITEM_OUTCOMES, "counted", "unmatched")
DEFECT_OUTCOMES = (*PLATFORM, "counted", "unmatched")
DEFECT_TYPES = {"a_to_z_claims": "a_to_z_claim", "negative_feedback": "negative_feedback", "chargebacks": "chargeback"}
CONTACT_OUTCOMES = ("void", "unmatched", *ITEM_OUTCOMES, "excluded_reason", "before_order", "counted")
EXCLUDED_REASONS = ("invoice", "customisation", "pre_order")

DATASETS = {
    "sellers": ("seller_id updated_at", "name country language email plan standing registered_at"),
    "enrolment_events": ("seller_id marketplace_id event effective_at", "source requested_at terms_accepted"),
    "order_items": (
        "order_id order_item_id",
        "seller_id marketplace_id purchased_at fulfillment is_prime asin sku quantity is_cancelled updated_at",
    ),
    "shipments": (
        "shipment_id order_item_id",
        "order_id shipped_at quantity carrier tracking_id is_tracking_valid is_void updated_at",
    ),
    "contacts": (
        "contact_id",
        "order_id order_item_id seller_id marketplace_id channel reason contacted_at resolved_at is_void updated_at",
    ),
    "returns": ("return_id", "order_id order_item_id requested_at label"),
    "seller_requests": ("request_id", "seller_id order_id requested_at replied_at"),
    "refunds": (
        "refund_id",
        "order_id order_item_id amount currency refunded_at issued_by safe_t_status safe_t_amount",
    ),
    "defects": ("defect_id", "order_id type occurred_at"),
}
"""Dataset → the columns of its key, and the others (domain.md, "Input datasets")."""

AMOUNTS = ("amount", "safe_t_amount")
FLAGS = ("terms_accepted", "is_prime", "is_tracking_valid", "is_void", "is_cancelled")


class BeforeFirstVersion(Exception):  # noqa: N818 - the name says what was met
    """A unit or an activation before the first version of its marketplace's terms."""


@dataclass(frozen=True)
class Marketplace:
    """What marketplaces.csv says of one, as far as it matters for billing."""

    marketplace_id: str
    currency: str
    minor_units: int
    time_zone: str

    def local_date(self, instant: datetime) -> date:
        """The date on the clocks of the marketplace; they tell both its billing periods and its versions of terms."""
        return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(self.time_zone)).date()

    def period(self, instant: datetime) -> str:
        """The billing period of an instant (domain.md, "Clocks")."""
        return f"{self.local_date(instant):%Y-%m}"


IN_UTC = Marketplace(UNKNOWN, "", 0, "UTC")
"""Where things count that belong to no order (domain.md, "Units")."""


@dataclass(frozen=True)
class Tier:
    """A fee per unit up to a number of contacts per unit; the last tier has no bound."""

    up_to: Decimal | None
    is_exclusive: bool
    fee: Decimal
    discount: Decimal

    def takes(self, contacts: int, units: int) -> bool:
        """Whether contacts per unit are within the bound, exactly (domain.md, "Performance")."""
        if self.up_to is None:
            return True
        return contacts < self.up_to * units if self.is_exclusive else contacts <= self.up_to * units


@dataclass(frozen=True)
class Version:
    """One version of a marketplace's terms."""

    id: str
    starts_on: date
    trial_days: int
    tiers: tuple[Tier, ...]
    vtr_at_least: Decimal | None = None
    aprl_at_least: Decimal | None = None
    cpu_below: Decimal | None = None
    orders_in_quarter_below: int | None = None


@dataclass
class Books:
    """All that `bill` works out: rows as dicts, with the columns of the tables of the same names."""

    enrolments: list[dict] = field(default_factory=list)
    units: list[dict] = field(default_factory=list)
    contacts: list[dict] = field(default_factory=list)
    performance: list[dict] = field(default_factory=list)
    fee_lines: list[dict] = field(default_factory=list)
    statements: list[dict] = field(default_factory=list)
    unit_balance: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    """Marketplace and period → units by outcome."""
    contact_balance: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    """Marketplace and period → contacts by outcome."""
    requests: list[dict] = field(default_factory=list)
    refunds: list[dict] = field(default_factory=list)
    defects: list[dict] = field(default_factory=list)
    defect_rates: list[dict] = field(default_factory=list)
    """The rows of billing.defects."""
    refund_sums: list[dict] = field(default_factory=list)
    """The rows of billing.refunds."""
    service: list[dict] = field(default_factory=list)
    request_balance: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    refund_balance: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    defect_balance: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    shipped_though_cancelled: list[dict] = field(default_factory=list)
    """Those of `units` whose item was cancelled."""


def read_marketplaces(path: Path) -> dict[str, Marketplace]:
    """The marketplaces of a marketplaces.csv, by id."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["marketplace_id"]: Marketplace(
                row["marketplace_id"], row["currency"], int(row["minor_units"]), row["time_zone"]
            )
            for row in csv.DictReader(file)
        }


def read_terms(toml_text: str) -> list[Version]:
    """The versions in a terms file, in order of their dates (domain.md, "Terms, and rating")."""
    versions = []
    for version in tomllib.loads(toml_text, parse_float=Decimal)["version"]:
        rewards, waive = version.get("rewards", {}), version.get("waive", {})
        discounts = rewards.get("discounts", [0] * len(version["tier"]))
        versions.append(
            Version(
                id=version["id"],
                starts_on=version["from"],
                trial_days=version["trial_days"],
                tiers=tuple(
                    Tier(
                        _decimal(tier.get("up_to")),
                        tier.get("exclusive", False),
                        Decimal(tier["fee"]),
                        Decimal(discount),
                    )
                    for tier, discount in zip(version["tier"], discounts, strict=True)
                ),
                vtr_at_least=_decimal(rewards.get("vtr_at_least")),
                aprl_at_least=_decimal(rewards.get("aprl_at_least")),
                cpu_below=_decimal(waive.get("cpu_below")),
                orders_in_quarter_below=waive.get("orders_in_quarter_below"),
            )
        )
    return sorted(versions, key=lambda version: version.starts_on)


def bill(
    rows: Sequence[tuple[str, Mapping[str, str | None]]],
    marketplaces: Mapping[str, Marketplace],
    terms: Mapping[str, Sequence[Version]],
    periods: Iterable[str],
) -> Books:
    """The books of some periods, from all rows in the order in which they were loaded."""
    return _Biller(rows, marketplaces, terms, sorted(periods)).bill()


def version_in_force(marketplace: Marketplace, versions: Sequence[Version], instant: datetime) -> Version:
    """The version that starts last on or before the local date of an instant; raises `BeforeFirstVersion`."""
    started = [version for version in versions if version.starts_on <= marketplace.local_date(instant)]
    if not started:
        raise BeforeFirstVersion(f"{marketplace.marketplace_id} has no terms at {instant}")
    return max(started, key=lambda version: version.starts_on)


def typed_rows(rows: Iterable[tuple[str, Mapping[str, str | None]]], dataset: str) -> list[dict]:
    """The rows of a dataset as values, in load order; an absent column is a blank one."""
    columns = " ".join(DATASETS[dataset]).split()
    return [{column: _value(column, row.get(column)) for column in columns} for name, row in rows if name == dataset]


def key_of(dataset: str, row: Mapping) -> tuple:
    """The key of a typed row."""
    return tuple(row[column] for column in DATASETS[dataset][0].split())


def in_force(rows: Iterable[tuple[str, Mapping[str, str | None]]], dataset: str) -> list[dict]:
    """The row in force of each key (domain.md, "Input datasets").

    A row that repeats any earlier content of its key is a duplicate and changes nothing. Of the others the greatest
    `updated_at` holds; among equals, and where there is none, the one that was loaded last.
    """
    seen, holds = set(), {}
    for row in typed_rows(rows, dataset):
        content = tuple(row.values())
        if content in seen:
            continue
        seen.add(content)
        key = key_of(dataset, row)
        if key not in holds or "updated_at" not in row or row["updated_at"] >= holds[key]["updated_at"]:
            holds[key] = row
    return list(holds.values())


def _value(column: str, text: str | None):
    if text is None:
        return None
    if column.endswith("_at"):
        return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    if column in FLAGS:
        return {"true": True, "false": False}[text]
    if column in AMOUNTS:
        return Decimal(text)
    return int(text) if column == "quantity" else text


def _decimal(number: int | Decimal | None) -> Decimal | None:
    return None if number is None else Decimal(number)


class _Biller:
    """Holds what is known while the books are made; each method is a section of domain.md."""

    def __init__(self, rows, marketplaces, terms, periods) -> None:
        self.marketplaces, self.terms, self.periods = marketplaces, terms, periods
        self.sellers = defaultdict(list)
        for version in in_force(rows, "sellers"):
            self.sellers[version["seller_id"]].append(version)
        self.events = in_force(rows, "enrolment_events")
        self.items = {key_of("order_items", item): item for item in in_force(rows, "order_items")}
        self.shipments = in_force(rows, "shipments")
        self.tracked = {key_of("shipments", row) for row in self.shipments if row["is_tracking_valid"]}
        self.contacts = in_force(rows, "contacts")
        self.returns = in_force(rows, "returns")
        self.requests, self.refunds, self.defects = (
            in_force(rows, dataset) for dataset in ("seller_requests", "refunds", "defects")
        )
        self.intervals = defaultdict(list)
        self.books = Books()

    def bill(self) -> Books:
        self.enrol()
        units = [self.unit(shipment) for shipment in self.shipments]
        self.books.units = [row for row in units if row["period"] in self.periods]
        self.books.shipped_though_cancelled = [row for row in self.books.units if self.is_though_cancelled(row)]
        contacts = [self.contact(contact) for contact in self.contacts]
        self.books.contacts = [row for row in contacts if row["period"] in self.periods]
        for made, rows in (
            (self.books.requests, map(self.request, self.requests)),
            (self.books.refunds, map(self.refund, self.refunds)),
            (self.books.defects, map(self.defect, self.defects)),
        ):
            made += [row for row in rows if row["period"] in self.periods]
        self.balance()
        for period in self.periods:
            for marketplace in self.marketplaces.values():
                self.rate(marketplace, period)
                self.count_defects(marketplace, period)
        self.sum_refunds()
        self.serve()
        return self.books

    def terms_at(self, marketplace_id: str, instant: datetime) -> Version:
        return version_in_force(self.marketplaces[marketplace_id], self.terms.get(marketplace_id, ()), instant)

    # "Enrolment"

    def enrol(self) -> None:
        """Make the intervals of each seller and marketplace from its events."""
        # "deactivate" comes after "activate" in the alphabet, and before it at one instant.
        for event in sorted(self.events, key=lambda event: (event["effective_at"], event["event"] == "activate")):
            stay = self.intervals[event["seller_id"], event["marketplace_id"]]
            is_inside = bool(stay) and stay[-1]["ended_at"] is None
            at = event["effective_at"]
            if event["event"] == "deactivate":
                if is_inside:
                    stay[-1]["ended_at"] = at
                continue
            version = self.terms_at(event["marketplace_id"], at)
            if is_inside or not event["terms_accepted"] or not self.is_eligible(event["seller_id"], at):
                continue
            trial_ends_at = stay[0]["trial_ends_at"] if stay else at + version.trial_days * timedelta(hours=24)
            interval = {
                "seller_id": event["seller_id"],
                "marketplace_id": event["marketplace_id"],
                "interval_number": len(stay) + 1,
                "started_at": at,
                "ended_at": None,
                "trial_ends_at": trial_ends_at,
            }
            stay.append(interval)
            self.books.enrolments.append(interval)

    def is_eligible(self, seller_id: str, instant: datetime) -> bool:
        versions = sorted(self.sellers[seller_id], key=lambda version: version["updated_at"])
        if not versions:
            return False
        known = [version for version in versions if version["updated_at"] <= instant]
        version = known[-1] if known else versions[0]
        return version["plan"] == "professional" and version["standing"] == "good"

    def why_not_covered(self, item: dict) -> str | None:
        """The outcome of an item that the programme does not answer for; None when it does ("Units", "Contacts")."""
        stay = self.intervals[item["seller_id"], item["marketplace_id"]]
        placed = item["purchased_at"]
        if item["fulfillment"] == "AFN":
            return "platform_fulfilled"
        if item["is_prime"]:
            return "prime"
        if not stay:
            return "never_enrolled"
        if placed < stay[0]["started_at"]:
            return "before_enrolment"
        if any(i["started_at"] <= placed and (i["ended_at"] is None or placed < i["ended_at"]) for i in stay):
            return None
        return "opted_out"

    # "Units: one outcome each"

    def unit(self, shipment: dict) -> dict:
        item = self.items.get((shipment["order_id"], shipment["order_item_id"]))
        marketplace = self.marketplaces[item["marketplace_id"]] if item else IN_UTC
        return {
            "period": marketplace.period(shipment["shipped_at"]),
            "marketplace_id": marketplace.marketplace_id,
            "seller_id": item["seller_id"] if item else None,
            "shipment_id": shipment["shipment_id"],
            "order_id": shipment["order_id"],
            "order_item_id": shipment["order_item_id"],
            "sku": item["sku"] if item else None,
            "purchased_at": item["purchased_at"] if item else None,
            "shipped_at": shipment["shipped_at"],
            "quantity": shipment["quantity"],
            "outcome": self.unit_outcome(shipment, item),
            "terms_id": self.terms_at(item["marketplace_id"], shipment["shipped_at"]).id if item else None,
        }

    def unit_outcome(self, shipment: dict, item: dict | None) -> str:
        if item is None:
            return "unmatched"
        if shipment["is_void"]:
            return "void"
        reason = self.why_not_covered(item)
        if reason:
            return reason
        first = self.intervals[item["seller_id"], item["marketplace_id"]][0]
        return "trial" if shipment["shipped_at"] < first["trial_ends_at"] else "chargeable"

    def is_though_cancelled(self, unit: dict) -> bool:
        """Whether a unit shipped of an item that was cancelled ("Reported, never silently accepted")."""
        item = self.items.get((unit["order_id"], unit["order_item_id"]))
        return item is not None and item["is_cancelled"] is True and unit["outcome"] != "void"

    # "Contacts: one outcome each"

    def contact(self, contact: dict) -> dict:
        item = self.item_of_contact(contact)
        marketplace = self.marketplaces[item["marketplace_id"]] if item else IN_UTC
        named = item or contact
        return {
            "period": marketplace.period(contact["contacted_at"]),
            "marketplace_id": marketplace.marketplace_id,
            "seller_id": item["seller_id"] if item else None,
            "contact_id": contact["contact_id"],
            "order_id": named["order_id"],
            "order_item_id": named["order_item_id"],
            "channel": contact["channel"],
            "reason": contact["reason"],
            "contacted_at": contact["contacted_at"],
            "resolved_at": contact["resolved_at"],
            "outcome": self.contact_outcome(contact, item),
        }

    def item_of_contact(self, contact: dict) -> dict | None:
        if contact["order_id"] is None:
            return None
        if contact["order_item_id"] is not None:
            return self.items.get((contact["order_id"], contact["order_item_id"]))
        items = sorted(
            (item for item in self.items.values() if item["order_id"] == contact["order_id"]),
            key=lambda item: item["order_item_id"],
        )
        covered = [item for item in items if self.why_not_covered(item) is None]
        return next(iter(covered + items), None)

    def contact_outcome(self, contact: dict, item: dict | None) -> str:
        if contact["is_void"]:
            return "void"
        if item is None:
            return "unmatched"
        reason = self.why_not_covered(item)
        if reason:
            return reason
        if contact["reason"] in EXCLUDED_REASONS:
            return "excluded_reason"
        return "before_order" if contact["contacted_at"] < item["purchased_at"] else "counted"

    # "Requests, refunds and defects"

    def items_of(self, order_id: str) -> list[dict]:
        items = (item for item in self.items.values() if item["order_id"] == order_id)
        return sorted(items, key=lambda item: item["order_item_id"])

    def placed(self, item: dict | None, at: datetime, row: dict, columns: str) -> dict:
        """The period, marketplace and seller of what happened to an item, and columns as the row has them."""
        marketplace = self.marketplaces[item["marketplace_id"]] if item else IN_UTC
        return {
            "period": marketplace.period(at),
            "marketplace_id": marketplace.marketplace_id,
            "seller_id": item["seller_id"] if item else None,
            "order_item_id": item["order_item_id"] if item else None,
        } | {column: row[column] for column in columns.split()}

    def request(self, request: dict) -> dict:
        items = self.items_of(request["order_id"])
        # the sort keeps the order of text within what is alike
        items.sort(key=lambda item: (item["seller_id"] != request["seller_id"], self.why_not_covered(item) is not None))
        item, due_at = next(iter(items), None), request["requested_at"] + A_DAY
        made = self.placed(item, request["requested_at"], request, "request_id order_id requested_at replied_at")
        made["due_at"] = due_at
        replied_at = request["replied_at"]
        if item is None:
            outcome = "unmatched"
        elif self.marketplaces[item["marketplace_id"]].period(due_at - MICROSECOND) > made["period"]:
            outcome = "not_due"
        elif replied_at is None:
            outcome = "unanswered"
        else:
            outcome = "answered" if replied_at - request["requested_at"] <= A_DAY else "late"
        return made | {"outcome": outcome}

    def refund(self, refund: dict) -> dict:
        item = self.items.get((refund["order_id"], refund["order_item_id"]))
        columns = "refund_id order_id order_item_id refunded_at issued_by amount safe_t_status safe_t_amount currency"
        made = self.placed(item, refund["refunded_at"], refund, columns)
        return made | {"outcome": "unmatched" if item is None else self.why_not_covered(item) or "counted"}

    def defect(self, defect: dict) -> dict:
        reasons = {item["order_item_id"]: self.why_not_covered(item) for item in self.items_of(defect["order_id"])}
        items = sorted(
            self.items_of(defect["order_id"]),
            key=lambda item: (
                reasons[item["order_item_id"]] in PLATFORM,
                reasons[item["order_item_id"]] is not None,
            ),
        )
        item = next(iter(items), None)
        made = self.placed(item, defect["occurred_at"], defect, "defect_id order_id type occurred_at")
        if item is None:
            return made | {"outcome": "unmatched"}
        reason = reasons[item["order_item_id"]]
        return made | {"outcome": reason if reason in PLATFORM else "counted"}

    def count_defects(self, marketplace: Marketplace, period: str) -> None:
        """Orders and defects of each seller, where any defect of the marketplace is known in the period."""
        here = {"period": period, "marketplace_id": marketplace.marketplace_id}
        known = [row for row in self.books.defects if here.items() <= row.items()]
        if not known:
            return
        counted = self.by_seller(row for row in known if row["outcome"] == "counted")
        orders = defaultdict(set)
        for item in self.items.values():
            is_own = item["fulfillment"] == "MFN" and not item["is_prime"]
            is_here = item["marketplace_id"] == marketplace.marketplace_id
            if is_own and is_here and marketplace.period(item["purchased_at"]) == period:
                orders[item["seller_id"]].add(item["order_id"])
        for seller in {*counted, *orders}:
            types = Counter(row["type"] for row in counted[seller])
            self.books.defect_rates.append(
                here
                | {
                    "seller_id": seller,
                    "orders": len(orders[seller]),
                    "orders_with_defect": len({row["order_id"] for row in counted[seller]}),
                }
                | {column: types[name] for column, name in DEFECT_TYPES.items()}
            )

    def sum_refunds(self) -> None:
        groups = defaultdict(list)
        for row in self.books.refunds:
            if row["outcome"] == "counted":
                names = ("period", "marketplace_id", "seller_id", "issued_by", "currency")
                groups[tuple((name, row[name]) for name in names)].append(row)
        for key, rows in groups.items():
            sums = {"refunds": len(rows), "amount": sum(row["amount"] for row in rows)}
            for status in ("filed", "granted", "denied"):
                claims = [row["safe_t_amount"] for row in rows if row["safe_t_status"] == status]
                sums |= {f"safe_t_{status}": len(claims), f"safe_t_{status}_amount": sum(claims, Decimal(0))}
            self.books.refund_sums.append(dict(key) | sums)

    def serve(self) -> None:
        """How each seller and the service served the customers of a month."""
        groups = defaultdict(lambda: ([], []))
        rates = {}
        for number, rows in enumerate((self.books.contacts, self.books.requests)):
            for row in rows:
                if row["outcome"] == "counted" or (number and row["outcome"] != "unmatched"):
                    groups[row["period"], row["marketplace_id"], row["seller_id"]][number].append(row)
        for row in self.books.defect_rates:
            key = row["period"], row["marketplace_id"], row["seller_id"]
            rates[key] = row
            groups[key] = groups[key]
        figures = ("orders", "orders_with_defect", *DEFECT_TYPES)
        for key, (contacts, requests) in groups.items():
            period, marketplace_id, seller = key
            outcomes = Counter(row["outcome"] for row in requests)
            counts = {
                "requests": len(requests),
                "requests_due": len(requests) - outcomes["not_due"],
                **{f"requests_{name}": outcomes[name] for name in ("answered", "late", "unanswered")},
            }
            if not requests:
                counts = dict.fromkeys(counts)
            before = self.month_before_enrolment(marketplace_id, seller)
            rate, rate_before = rates.get(key), rates.get((before, marketplace_id, seller))
            if before is None or before >= period:
                rate_before = None
            resolved = [row for row in contacts if row["resolved_at"] is not None]
            self.books.service.append(
                {"period": period, "marketplace_id": marketplace_id, "seller_id": seller, "contacts": len(contacts)}
                | {
                    "contacts_resolved": sum(row["resolved_at"] - row["contacted_at"] <= TWO_DAYS for row in resolved),
                    "period_before_enrolment": before if rate_before else None,
                }
                | counts
                | {name: rate[name] if rate else None for name in figures}
                | {f"{name}_before": rate_before[name] if rate_before else None for name in figures}
            )

    def month_before_enrolment(self, marketplace_id: str, seller_id: str) -> str | None:
        stay = self.intervals[seller_id, marketplace_id]
        if not stay:
            return None
        first = self.marketplaces[marketplace_id].local_date(stay[0]["started_at"]).replace(day=1)
        return f"{first - timedelta(days=1):%Y-%m}"

    def balance(self) -> None:
        """Everything that happened under one outcome of one marketplace and period."""
        for rows, balance, outcomes in (
            (self.books.units, self.books.unit_balance, UNIT_OUTCOMES),
            (self.books.contacts, self.books.contact_balance, CONTACT_OUTCOMES),
            (self.books.requests, self.books.request_balance, REQUEST_OUTCOMES),
            (self.books.refunds, self.books.refund_balance, REFUND_OUTCOMES),
            (self.books.defects, self.books.defect_balance, DEFECT_OUTCOMES),
        ):
            for row in rows:
                counts = balance.setdefault((row["marketplace_id"], row["period"]), dict.fromkeys(outcomes, 0))
                counts[row["outcome"]] += row.get("quantity", 1)

    # "Performance", "Terms, and rating", "Statements"

    def rate(self, marketplace: Marketplace, period: str) -> None:
        """Judge each seller's month, price its units, and add up its statement."""
        here = {"period": period, "marketplace_id": marketplace.marketplace_id}
        units = self.by_seller(
            unit for unit in self.books.units if here.items() <= unit.items() and unit["outcome"] in COVERED
        )
        contacts = self.by_seller(
            contact
            for contact in self.books.contacts
            if here.items() <= contact.items() and contact["outcome"] == "counted"
        )
        returns, has_returns = self.returns_of(marketplace, period)
        served = {*units, *contacts}
        for seller in sorted({*served, *returns}):
            performance = here | {
                "seller_id": seller,
                "units": sum(unit["quantity"] for unit in units[seller]),
                "units_valid_tracking": sum(
                    unit["quantity"] for unit in units[seller] if key_of("shipments", unit) in self.tracked
                ),
                "contacts": len(contacts[seller]),
                "returns": len(returns[seller]),
                "returns_prepaid": sum(row["label"] == "prepaid" for row in returns[seller]),
                "orders_in_quarter": self.orders_in_quarter(seller, marketplace, period),
            }
            self.books.performance.append(performance)
            self.books.fee_lines += self.fee_lines(performance, units[seller], marketplace, has_returns)
        enrolled = {
            interval["seller_id"]
            for interval in self.books.enrolments
            if interval["marketplace_id"] == marketplace.marketplace_id
            and marketplace.period(interval["started_at"]) <= period
            # the end is the first instant outside, so the one before it is the last of the stay
            and (interval["ended_at"] is None or period <= marketplace.period(interval["ended_at"] - MICROSECOND))
        }
        for seller in sorted({*served, *enrolled}):
            lines = (line for line in self.books.fee_lines if (here | {"seller_id": seller}).items() <= line.items())
            self.books.statements.append(
                here | {"seller_id": seller, "total": sum((line["amount"] for line in lines), Decimal(0))}
            )

    @staticmethod
    def by_seller(rows: Iterable[dict]) -> defaultdict[str, list[dict]]:
        groups = defaultdict(list)
        for row in rows:
            groups[row["seller_id"]].append(row)
        return groups

    def returns_of(self, marketplace: Marketplace, period: str) -> tuple[defaultdict[str, list[dict]], bool]:
        """The returns of covered items requested in a period, by seller; and whether the marketplace ever had any."""
        of_period, is_any = defaultdict(list), False
        for row in self.returns:
            item = self.item_returned(row)
            if item is None or item["marketplace_id"] != marketplace.marketplace_id:
                continue
            is_any = True
            if self.why_not_covered(item) is None and marketplace.period(row["requested_at"]) == period:
                of_period[item["seller_id"]].append(row)
        return of_period, is_any

    def item_returned(self, row: dict) -> dict | None:
        """The item that a return names, by its id or by its SKU."""
        by_sku = (
            item
            for item in self.items.values()
            if (item["order_id"], item["sku"]) == (row["order_id"], row["order_item_id"])
        )
        first = min(
            by_sku, key=lambda item: (self.why_not_covered(item) is not None, item["order_item_id"]), default=None
        )
        return self.items.get((row["order_id"], row["order_item_id"]), first)

    def orders_in_quarter(self, seller_id: str, marketplace: Marketplace, period: str) -> int:
        year, month = int(period[:4]), int(period[5:])
        months = [year * 12 + month - 1 - back for back in range(3)]
        quarter = {f"{count // 12:04}-{count % 12 + 1:02}" for count in months}
        orders = {
            item["order_id"]
            for item in self.items.values()
            if item["seller_id"] == seller_id
            and item["marketplace_id"] == marketplace.marketplace_id
            and item["fulfillment"] == "MFN"
            and not item["is_prime"]
            and marketplace.period(item["purchased_at"]) in quarter
        }
        return len(orders)

    def fee_lines(
        self, performance: dict, units: list[dict], marketplace: Marketplace, has_returns: bool
    ) -> Iterable[dict]:
        groups = Counter()
        for unit in units:
            groups[unit["terms_id"], "trial" if unit["outcome"] == "trial" else "charge"] += unit["quantity"]
        versions = {version.id: version for version in self.terms[marketplace.marketplace_id]}
        for (terms_id, kind), quantity in sorted(groups.items()):
            line = {
                "period": performance["period"],
                "marketplace_id": marketplace.marketplace_id,
                "seller_id": performance["seller_id"],
                "terms_id": terms_id,
                "kind": kind,
                "units": quantity,
                "tier": None,
                "fee": Decimal(0),
                "discount": Decimal(0),
                "waiver": None,
                "amount": Decimal(0),
                "currency": marketplace.currency,
            }
            if kind == "charge":
                line |= price(versions[terms_id], performance, quantity, marketplace.minor_units, has_returns)
            yield line


def price(version: Version, performance: Mapping, quantity: int, minor_units: int, has_returns: bool) -> dict:
    """Tier, fee, discount, waiver and amount of chargeable units ("Terms, and rating")."""
    contacts, units = performance["contacts"], performance["units"]
    number, tier = next((n, tier) for n, tier in enumerate(version.tiers, 1) if tier.takes(contacts, units))
    priced = {"tier": number, "fee": tier.fee, "discount": Decimal(0), "waiver": None, "amount": Decimal(0)}
    if version.cpu_below is not None and contacts < version.cpu_below * units:
        return priced | {"waiver": "cpu_below"}
    fewest = version.orders_in_quarter_below
    if fewest is not None and performance["orders_in_quarter"] < fewest:
        return priced | {"waiver": "orders_in_quarter_below"}
    discount = tier.discount if has_earned_rewards(version, performance, has_returns) else Decimal(0)
    amount = round_half_up(quantity * tier.fee * (1 - discount), minor_units)
    return priced | {"discount": discount, "amount": amount}


def has_earned_rewards(version: Version, performance: Mapping, has_returns: bool) -> bool:
    """Whether every condition holds that the version sets; one that sets none gives no discount anyway."""
    vtr, aprl = version.vtr_at_least, version.aprl_at_least
    if vtr is not None and performance["units_valid_tracking"] < vtr * performance["units"]:
        return False
    if aprl is None:
        return True
    if performance["returns"] == 0:
        return has_returns
    return performance["returns_prepaid"] >= aprl * performance["returns"]


def round_half_up(amount: Decimal, minor_units: int) -> Decimal:
    """An amount in the smallest unit of its currency; a half goes away from zero."""
    return amount.quantize(Decimal(1).scaleb(-minor_units), rounding=ROUND_HALF_UP)
