"""Small generated worlds that sit on the edges of the rules: sellers, orders, parcels and contacts as files to load.

`world(seed)` draws instants from a pool in which the ends of months, clock changes, enrolments, opt-outs, ends of
trials and changes of terms are common, each a microsecond early, exact or late; and it builds months whose figures lie
on a bound or one beside it. `shuffled` tells the same world in other files. All rows are good: what becomes of refused
rows is not tested with worlds, and what the right figures are does not belong here but in `reference.py`.
"""

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
from reference import (
    DATASETS,
    DEFECT_TYPES,
    EXCLUDED_REASONS,
    FLAGS,
    Marketplace,
    Version,
    read_terms,
    version_in_force,
)

Row = dict[str, str | None]

MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
HALF_AN_HOUR = timedelta(minutes=30)

COUNTRIES = {
    "US": Marketplace("ATVPDKIKX0DER", "USD", 2, "America/Los_Angeles"),
    "JP": Marketplace("A1VC38T7YXB528", "JPY", 0, "Asia/Tokyo"),
    "DE": Marketplace("A1PA6795UKMFR9", "EUR", 2, "Europe/Berlin"),
    "BR": Marketplace("A2Q3Y263D00KWC", "BRL", 2, "America/Sao_Paulo"),
    # Of no real programme: half an hour of clock change, an offset of half hours, and midnights that come twice.
    "AU": Marketplace("XLORDHOWE", "KWD", 3, "Australia/Lord_Howe"),
    "IN": Marketplace("XKOLKATA", "KWD", 3, "Asia/Kolkata"),
    "CU": Marketplace("XHAVANA", "CUP", 2, "America/Havana"),
}
OWN = ("AU", "IN", "CU")
STARTS = ("2026-03", "2026-10", "2025-12", "2024-02", "2026-02", "2025-10", "2026-01", "2024-10")
"""Most have a clock change near; the first of November 2026 is one in Havana, right at the start of the month."""

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz", ".tsv.zst", ".jsonl.gz", ".csv.zst", ".jsonl.zst")
OFFSETS = ("Z", "+00:00", "-08:00", "+0530", "+09", "-03:00", "+10:30", "-0330", "+05:45")
BOUNDS = (
    *("0", "0.01", "0.015", "0.0192", "0.02", "0.03", "0.04", "0.05"),
    *("0.0625", "0.07", "0.1", "0.125", "0.14", "0.2", "0.25", "0.5"),
)
"""At 0.0192, 0.07 and 0.14 a product in floats is wrong; above 0.01 and 0.015 a quotient of four decimals is."""

LOW_BOUNDS = ("0.015", "0.02", "0.03", "0.04", "0.05", "0.07")
FEES = {
    0: ("19", "38", "12.5", "0.5", "7.25", "152", "33.3333", "0"),
    2: ("0.20", "0.005", "0.125", "0.0125", "0.8", "1.0005", "0.3333", "0.015"),
    3: ("0.0005", "0.0125", "0.2", "1.2345", "0.0625", "0.3333"),
}
DISCOUNTS = ("1.00", "0.5", "0.5", "0.15", "0.3333", "0.125", "0.0005", "0")
COUNTED_REASONS = (
    "where_is_my_order",
    "delivery",
    "return",
    "refund",
    "damaged",
    "cancel",
    "product_question",
    "other",
)
NAMES = ("Müller & Söhne", "山田商店", 'Tools "R" Good, Inc.', "Plain Goods", "O'Neill")


@dataclass(frozen=True)
class WorldFile:
    """A file of a world, in canonical columns; its name says its dataset and its format."""

    name: str
    dataset: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    load: int
    """Which load it belongs to, from 1."""

    def write(self, folder: Path) -> Path:
        """Write it into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.name
        if path.suffix == ".parquet":
            pq.write_table(self._table(), path)
            return path
        kind = self.name.split(".")[1]
        content = (self._json_lines() if kind == "jsonl" else self._delimited(kind)).encode()
        if path.suffix == ".gz":
            content = gzip.compress(content, mtime=0)
        elif path.suffix == ".zst":
            content = pa.compress(content, codec="zstd", asbytes=True)
        path.write_bytes(content)
        return path

    def _delimited(self, kind: str) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, delimiter="," if kind == "csv" else "\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows({column: row[column] for column in self.columns} for row in self.rows)
        return text.getvalue()

    def _json_lines(self) -> str:
        return "".join(
            json.dumps({column: _plain(column, row[column]) for column in self.columns}, ensure_ascii=False) + "\n"
            for row in self.rows
        )

    def _table(self) -> pa.Table:
        columns = {}
        for column in self.columns:
            values = [_plain(column, row[column]) for row in self.rows]
            if column.endswith("_at"):
                values = [value and datetime.fromisoformat(value) for value in values]
                columns[column] = pa.array(values, pa.timestamp("us", "UTC"))
            else:
                kind = pa.bool_() if column in FLAGS else pa.int64() if column == "quantity" else pa.string()
                columns[column] = pa.array(values, kind)
        return pa.table(columns)


@dataclass(frozen=True)
class World:
    """Everything that a billing run starts from."""

    seed: int
    marketplaces: dict[str, Marketplace]
    terms: dict[str, str]
    """Marketplace → its terms file, as TOML."""
    files: tuple[WorldFile, ...]
    """In the order in which they are loaded: load by load, and within one by name."""
    periods: tuple[str, ...]

    def rows(self) -> list[tuple[str, Row]]:
        """Dataset and row, in the order in which they are loaded."""
        return [(file.dataset, row) for file in self.files for row in file.rows]

    def versions(self) -> dict[str, list[Version]]:
        """The terms, read."""
        return {marketplace_id: read_terms(text) for marketplace_id, text in self.terms.items()}

    def write(self, folder: Path) -> list[list[Path]]:
        """Write the files, each load in a folder of its own; returns those of each load."""
        loads = sorted({file.load for file in self.files})
        return [[f.write(folder / f"load-{load}") for f in self.files if f.load == load] for load in loads]

    def write_terms(self, folder: Path) -> list[Path]:
        """Write a terms file for each marketplace."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{_country(marketplace_id).lower()}.toml" for marketplace_id in self.terms]
        for path, text in zip(paths, self.terms.values(), strict=True):
            path.write_text(text, encoding="utf-8")
        return paths

    def write_marketplaces(self, path: Path) -> Path:
        """Write the list of marketplaces."""
        lines = ["marketplace_id,country,domain,currency,minor_units,time_zone,language"]
        for marketplace_id, m in self.marketplaces.items():
            country = _country(marketplace_id)
            domain = f"example.{country.lower()}"
            lines.append(f"{marketplace_id},{country},{domain},{m.currency},{m.minor_units},{m.time_zone},en")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def world(seed: int) -> World:
    """The world of a seed."""
    return _Draft(seed).world()


def is_order_free(seed: int) -> bool:
    """Whether its world comes out the same in whatever order the rows come: each tenth holds ties that it decides."""
    return seed % 10 != 9


def shuffled(told: World, seed: int) -> World:
    """The same rows in other files and loads, in another order, with other offsets, and some of them repeated."""
    rng = Random(f"shuffled {seed}")
    rows: dict[str, list[Row]] = {}
    for dataset, row in told.rows():
        rows.setdefault(dataset, []).append(row)
    return replace(told, files=_files(rng, rows))


def other_terms(told: World, seed: int) -> World:
    """The same world, with other terms for all of its marketplaces."""
    rng = Random(f"other terms {told.seed} {seed}")
    return replace(told, terms={name: _terms(rng, _country(name), told.periods) for name in told.terms})


def month_start(marketplace: Marketplace, period: str) -> datetime:
    """The first instant of a billing period, as naive UTC."""
    return _first_instant(marketplace, date.fromisoformat(f"{period}-01"))


def later(period: str, months: int) -> str:
    """The period some months later, or earlier."""
    count = int(period[:4]) * 12 + int(period[5:]) - 1 + months
    return f"{count // 12:04}-{count % 12 + 1:02}"


@lru_cache
def clock_changes(time_zone: str) -> tuple[datetime, ...]:
    """The instants, as naive UTC, at which clocks changed or will, from 2023 to 2027."""
    zone = ZoneInfo(time_zone)

    def offset(at: datetime) -> timedelta | None:
        return at.astimezone(zone).utcoffset()

    found, day = [], datetime(2023, 1, 1, tzinfo=UTC)
    while day.year < 2028:
        if offset(day) != offset(day + DAY):
            at = day
            while offset(at) == offset(day):
                at += HALF_AN_HOUR
            found.append(_naive(at))
        day += DAY
    return tuple(found)


def _first_instant(marketplace: Marketplace, day: date) -> datetime:
    # fold 0: where clocks go back over midnight, the first of the two
    return _naive(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(marketplace.time_zone)))


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def _country(marketplace_id: str) -> str:
    return next(code for code, m in COUNTRIES.items() if m.marketplace_id == marketplace_id)


def _plain(column: str, text: str | None):
    """A value as a format with types of its own has it; instants stay text."""
    if text is None:
        return None
    if column in FLAGS:
        return text == "true"
    return int(text) if column == "quantity" else text


def _as_text(rng: Random, value) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return _instant_as_text(rng, value)
    return str(value).lower()


def _instant_as_text(rng: Random, instant: datetime) -> str:
    offset = rng.choice(OFFSETS)
    zone = datetime.fromisoformat(f"2000-01-01T00:00{offset}").tzinfo
    local = instant.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    return local.isoformat(sep=rng.choice("T "), timespec="microseconds" if local.microsecond else "seconds") + offset


# -- how rows become files ----------------------------------------------------------------------------------------


def _files(rng: Random, rows: dict[str, list[Row]]) -> tuple[WorldFile, ...]:
    """The rows dealt to files and loads, some of them twice, and now and then a whole file twice."""
    loads = rng.choice((1, 1, 2, 3))
    files = []
    for dataset, once in rows.items():
        dealt = [_retold(rng, row) for row in once + rng.choices(once, k=len(once) // 10)]
        rng.shuffle(dealt)
        cuts = sorted(rng.randrange(len(dealt) + 1) for _ in range(rng.choice((0, 1, 2))))
        for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(dealt)], strict=True), start=1):
            if start == end:
                continue
            name = f"{dataset}_{number}{rng.choice(SUFFIXES)}"
            part = tuple(dealt[start:end])
            file = WorldFile(name, dataset, _columns(rng, dataset, part), part, rng.randint(1, loads))
            files.append(file)
            if rng.random() < 0.15:
                files.append(replace(file, name=f"{dataset}_again_{name}", load=rng.randint(1, loads)))
    # the numbers of loads without a gap, as they will be given
    numbers = {load: number for number, load in enumerate(sorted({file.load for file in files}), start=1)}
    files = [replace(file, load=numbers[file.load]) for file in files]
    return tuple(sorted(files, key=lambda file: (file.load, file.name)))


def _retold(rng: Random, row: Row) -> Row:
    """The same row with its instants in other offsets."""
    return {
        column: _instant_as_text(rng, _naive(datetime.fromisoformat(text))) if text and column.endswith("_at") else text
        for column, text in row.items()
    }


def _columns(rng: Random, dataset: str, rows: Sequence[Row]) -> tuple[str, ...]:
    """The columns in any order; one that is blank throughout may be left out."""
    columns = " ".join(DATASETS[dataset]).split()
    rng.shuffle(columns)
    return tuple(c for c in columns if any(row[c] is not None for row in rows) or rng.random() < 0.5)


# -- terms --------------------------------------------------------------------------------------------------------


def _terms(rng: Random, code: str, periods: Sequence[str]) -> str:
    """A terms file: the first version long before the periods, others in the midst of them."""
    starts = {date.fromisoformat(f"{later(periods[0], -8)}-01")}
    for _ in range(rng.choice((0, 1, 1, 2))):
        starts.add(date.fromisoformat(f"{rng.choice(periods)}-{rng.choice((1, 2, 6, 15, 16, 22, 28)):02}"))
    versions = [f'marketplace_id = "{COUNTRIES[code].marketplace_id}"\n']
    versions += [_version(rng, code, start) for start in sorted(starts)]
    return "\n".join(versions)


def _version(rng: Random, code: str, start: date) -> str:
    bounds = sorted(rng.sample(BOUNDS, rng.choice((0, 1, 2, 2, 3, 3))), key=Decimal)
    fees = rng.choices(FEES[COUNTRIES[code].minor_units], k=len(bounds) + 1)
    lines = [
        "[[version]]",
        f'id = "{code}-{start}"',
        f"from = {start}",
        f"trial_days = {rng.choice((0, 1, 7, 14, 30, 30, 90))}",
        "tier = [",
        *(
            f"    {{ up_to = {bound}, fee = {fee}{rng.choice(('', '', ', exclusive = true'))} }},"
            for bound, fee in zip(bounds, fees, strict=False)
        ),
        f"    {{ fee = {fees[-1]} }},",
        "]",
    ]
    if rng.random() < 0.6:
        conditions = rng.choice((("vtr_at_least",), ("aprl_at_least",), ("vtr_at_least", "aprl_at_least")))
        lines.append("[version.rewards]")
        lines += [f"{condition} = {rng.choice(('0.95', '0.75', '0.5', '0.8'))}" for condition in conditions]
        lines.append(f"discounts = [{', '.join(rng.choices(DISCOUNTS, k=len(fees)))}]")
    if rng.random() < 0.6:
        waivers = {"cpu_below": rng.choice(LOW_BOUNDS), "orders_in_quarter_below": rng.choice((2, 3, 4))}
        lines.append("[version.waive]")
        lines += [f"{name} = {waivers[name]}" for name in rng.choice((list(waivers), *([name] for name in waivers)))]
    return "\n".join(lines) + "\n"


# -- what happens in a world --------------------------------------------------------------------------------------


@dataclass
class _Item:
    """An item as it was drafted, for the parcels, contacts and returns about it."""

    order_id: str
    order_item_id: str
    seller_id: str
    marketplace: Marketplace
    purchased_at: datetime
    quantity: int


class _Draft:
    """A world in the making; methods named after things add rows of them."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = rng = Random(f"world {seed}")
        start = STARTS[seed % len(STARTS)]
        self.periods = tuple(later(start, months) for months in range(rng.randint(2, 4)))
        codes = rng.sample(("US", "JP", "DE", "BR"), rng.randint(2, 3))
        if rng.random() < 0.5:
            codes.append(rng.choice(OWN))
        self.marketplaces = [COUNTRIES[code] for code in codes]
        self.terms = {COUNTRIES[code].marketplace_id: _terms(rng, code, self.periods) for code in codes}
        self.versions = {marketplace_id: read_terms(text) for marketplace_id, text in self.terms.items()}
        self.earliest = max(self.first_terms(m) for m in self.marketplaces)
        """Wherever an item turns out to belong, nothing ships before its terms."""
        self.has_returns = rng.random() < 0.8
        self.with_returns = {m.marketplace_id for m in self.marketplaces if self.has_returns and rng.random() < 0.8}
        self.rows: dict[str, list[Row]] = {dataset: [] for dataset in DATASETS}
        self.keys: set[tuple] = set()
        self.ids = 0
        self.items: list[_Item] = []
        self.parcel_ids: dict[str, str] = {}
        """Order → its first parcel, in which further items of it may lie."""

    def world(self) -> World:
        rng = self.rng
        exact = [self.seller() for _ in range(rng.randint(2, 3))]
        for seller in exact:
            for marketplace in rng.sample(self.marketplaces, rng.randint(1, 2)):
                self.exact_month(seller, marketplace, rng.choice(self.periods))
        others = [self.other_seller() for _ in range(rng.randint(3, 5))]
        for _ in range(rng.randint(3, 5)):
            self.mixed_order(others)
        self.bystander()
        self.strays()
        self.aftermath()
        if not is_order_free(self.seed):
            self.ties()
        rows = {dataset: rows for dataset, rows in self.rows.items() if rows}
        return World(
            self.seed,
            {m.marketplace_id: m for m in self.marketplaces},
            self.terms,
            _files(rng, rows),
            self.periods,
        )

    # instants

    def first_terms(self, marketplace: Marketplace) -> datetime:
        return _first_instant(marketplace, self.versions[marketplace.marketplace_id][0].starts_on)

    def version_at(self, marketplace: Marketplace, instant: datetime) -> Version:
        return version_in_force(marketplace, self.versions[marketplace.marketplace_id], instant)

    def bounds(self, marketplace: Marketplace, period: str) -> tuple[datetime, datetime]:
        return month_start(marketplace, period), month_start(marketplace, later(period, 1))

    def between(self, start: datetime, end: datetime) -> datetime:
        """Any instant from start to before end, in whole minutes after start."""
        return start + timedelta(minutes=self.rng.randrange(max(1, int((end - start).total_seconds()) // 60)))

    def edges(self, marketplace: Marketplace) -> list[datetime]:
        """The instants at which a rule of the marketplace turns, from a month before the periods to their end."""
        months = [later(self.periods[0], -1), *self.periods, later(self.periods[-1], 1)]
        starts = [month_start(marketplace, period) for period in months]
        changes = [at for at in clock_changes(marketplace.time_zone) if starts[0] <= at < starts[-1]]
        terms = [_first_instant(marketplace, v.starts_on) for v in self.versions[marketplace.marketplace_id][1:]]
        return starts + 2 * changes + 2 * terms

    def near(self, instants: Sequence[datetime]) -> datetime:
        return self.rng.choice(instants) + self.rng.choice((-1, 0, 1)) * MICROSECOND

    def some_instant(self, marketplace: Marketplace, focus: Sequence[datetime] = ()) -> datetime:
        """An instant in or around the periods: on an edge, on one of the instants in focus, or anywhere."""
        draw = self.rng.random()
        if focus and draw < 0.5:
            return self.near(focus)
        if draw < 0.8:
            return self.near(self.edges(marketplace))
        start = month_start(marketplace, self.periods[0]) - 20 * DAY
        return self.between(start, month_start(marketplace, later(self.periods[-1], 1)))

    # rows

    def new_id(self, prefix: str) -> str:
        self.ids += 1
        return f"{prefix}{self.ids:04}"

    def put(self, dataset: str, older: Sequence[dict] = (), **values) -> None:
        """Add a row, and older versions of it that differ as said; a key that is taken already is passed over."""
        key = dataset, *(values[column] for column in DATASETS[dataset][0].split())
        if key in self.keys:
            return
        self.keys.add(key)
        versions = [values]
        for changes in older:
            age = self.rng.choice((MICROSECOND, timedelta(seconds=1), DAY))
            versions.append({**values, **changes, "updated_at": versions[-1]["updated_at"] - age})
        self.rows[dataset] += [{c: _as_text(self.rng, v) for c, v in version.items()} for version in versions]

    def older(self, *choices: dict) -> list[dict]:
        """Now and then, one or two of the changes given, as what an earlier version said."""
        return self.rng.sample(choices, min(len(choices), self.rng.choice((0, 0, 0, 0, 1, 2))))

    def seller_version(self, seller_id: str, updated_at: datetime, plan: str = "professional", standing: str = "good"):
        self.put(
            "sellers",
            seller_id=seller_id,
            name=self.rng.choice(NAMES),
            country=self.rng.choice(("US", "JP", "DE", "CN")),
            language=self.rng.choice(("en", "zh-Hans", "de", "ja", "pt-BR")),
            email=f"{seller_id.lower()}@example.com",
            plan=plan,
            standing=standing,
            registered_at=self.earliest - 400 * DAY,
            updated_at=updated_at,
        )

    def seller(self) -> str:
        """A seller that is eligible from long ago on."""
        seller_id = self.new_id(self.rng.choice(("S", "s", "0")))
        self.seller_version(seller_id, self.earliest - 300 * DAY)
        return seller_id

    def event(self, seller_id: str, marketplace: Marketplace, event: str, at: datetime, accepted: bool = True) -> None:
        self.put(
            "enrolment_events",
            seller_id=seller_id,
            marketplace_id=marketplace.marketplace_id,
            event=event,
            effective_at=at,
            source=self.rng.choice(("seller", "automatic")),
            requested_at=at - self.rng.choice((0, 60, 61)) * timedelta(minutes=1),
            terms_accepted=accepted,
        )

    def item(self, seller_id: str, marketplace: Marketplace, at: datetime, order_id="", item_id="", **values) -> _Item:
        """An item, ordered in an order of its own unless one is named."""
        rng = self.rng
        item = _Item(
            order_id or self.new_id("O-"),
            item_id or rng.choice(("1", "9", "10", "a", "B")),
            seller_id,
            marketplace,
            at,
            values.pop("quantity", rng.randint(1, 5)),
        )
        self.items.append(item)
        older = values.pop(
            "older",
            self.older(
                {"seller_id": "S-before"},
                {"marketplace_id": rng.choice(self.marketplaces).marketplace_id},
                {"fulfillment": "AFN"},
                {"purchased_at": at - DAY},
                {"is_prime": True},
                {"is_cancelled": True},
                {"is_cancelled": False},
            ),
        )
        self.put(
            "order_items",
            older,
            **{
                "order_id": item.order_id,
                "order_item_id": item.order_item_id,
                "seller_id": seller_id,
                "marketplace_id": marketplace.marketplace_id,
                "purchased_at": at,
                "fulfillment": "MFN",
                "is_prime": False,
                "asin": f"B{rng.randrange(10**9):09}",
                "sku": rng.choice(("SKU-1", "SKU 2, blue", "007")),
                "quantity": item.quantity,
                "is_cancelled": rng.choice((None, None, None, None, False, True)),
                "updated_at": at + DAY,
            }
            | values,
        )
        return item

    def parcel(self, item: _Item, at: datetime, quantity: int, **values) -> None:
        at = max(at, self.earliest)
        parcel_id = self.new_id("P")
        if self.rng.random() < 0.3:
            parcel_id = self.parcel_ids.setdefault(item.order_id, parcel_id)
        older = values.pop(
            "older",
            self.older(
                {"is_void": True}, {"quantity": quantity + 1}, {"order_id": "O-mistaken"}, {"shipped_at": at + DAY}
            ),
        )
        self.put(
            "shipments",
            older,
            **{
                "shipment_id": parcel_id,
                "order_item_id": item.order_item_id,
                "order_id": item.order_id,
                "shipped_at": at,
                "quantity": quantity,
                "carrier": self.rng.choice((None, "UPS", "日本郵便")),
                "tracking_id": self.rng.choice((None, "1Z 999")),
                "is_tracking_valid": self.rng.choice((True, True, True, False, None)),
                "is_void": self.rng.choice((None, False)),
                "updated_at": at + DAY,
            }
            | values,
        )

    def contact(self, at: datetime, order_id: str | None, item_id: str | None, **values) -> None:
        rng = self.rng
        older = values.pop("older", self.older({"is_void": True}, {"reason": "invoice"}, {"order_id": None}))
        self.put(
            "contacts",
            older,
            **{
                "contact_id": self.new_id("C"),
                "order_id": order_id,
                "order_item_id": item_id,
                # what the row says of seller and marketplace is not to be believed
                "seller_id": "S-noted",
                "marketplace_id": rng.choice(self.marketplaces).marketplace_id,
                "channel": rng.choice(("phone", "email", "chat")),
                "reason": rng.choice(COUNTED_REASONS),
                "contacted_at": at,
                "resolved_at": rng.choice((None, at + 2 * DAY, at + 2 * DAY + MICROSECOND)),
                "is_void": rng.choice((None, False)),
                "updated_at": at + DAY,
            }
            | values,
        )

    def give_back(self, item: _Item, at: datetime, label: str) -> None:
        if item.marketplace.marketplace_id in self.with_returns:
            self.returned(item, at, label)

    def returned(self, item: _Item, at: datetime, label: str) -> None:
        self.put(
            "returns",
            return_id=self.new_id("R"),
            order_id=item.order_id,
            order_item_id=item.order_item_id,
            requested_at=at,
            label=label,
        )

    # months whose figures lie on a bound, or one beside it

    def exact_month(self, seller_id: str, marketplace: Marketplace, period: str) -> None:
        """A month of a seller that has no other in that marketplace, built so that contacts, orders, tracking and
        returns are each on a bound of one of the month's versions, or one beside it."""
        rng = self.rng
        start, end = self.bounds(marketplace, period)
        version = self.version_at(marketplace, rng.choice((start, end - MICROSECOND)))
        activated_at = self.activated_for(marketplace, start, end)
        self.event(seller_id, marketplace, "activate", activated_at)
        trial = timedelta(days=self.version_at(marketplace, activated_at).trial_days)

        units, contacts = self.units_and_contacts(version)
        vtr = version.vtr_at_least or Decimal("0.9")
        valid = min(units, max(0, -int(-vtr * units // 1) - rng.choice((0, 0, 1))))
        orders = max(1, (version.orders_in_quarter_below or rng.randint(1, 4)) - rng.choice((0, 1)))

        opens = max(activated_at, month_start(marketplace, later(period, -2)))
        placed = [opens] + [self.between(opens, end) for _ in range(orders - 1)]
        order_ids = [self.new_id("O-") for _ in placed]
        # neither of these two is of the quarter
        self.item(seller_id, marketplace, month_start(marketplace, later(period, -2)) - MICROSECOND, older=())
        self.item(seller_id, marketplace, end, older=())

        lines = [(quantity, True) for quantity in self.split(valid)]
        lines += [(quantity, rng.choice((False, None))) for quantity in self.split(units - valid)]
        lines += [(0, None)] * (orders - len(lines))
        in_month = [start, end - MICROSECOND, *(at for at in self.edges(marketplace) if start <= at < end)]
        in_month += [at for at in (activated_at + trial - MICROSECOND, activated_at + trial) if start <= at < end]
        items = []
        for number, (quantity, is_valid) in enumerate(lines):
            order = number % orders
            item = self.item(
                seller_id,
                marketplace,
                placed[order],
                order_ids[order],
                item_id=f"{number + 1}",
                quantity=max(1, quantity),
                older=(),
            )
            items.append(item)
            if quantity:
                at = rng.choice(in_month) if rng.random() < 0.5 else self.between(start, end)
                self.parcel(item, at, quantity, is_tracking_valid=is_valid)
        for _ in range(contacts):
            item = rng.choice(items)
            at = max(item.purchased_at, rng.choice((start, end - MICROSECOND, self.between(start, end))))
            self.contact(at, item.order_id, rng.choice((item.order_item_id, None)))
        self.contact(start - MICROSECOND, items[0].order_id, None)
        self.contact(end, items[0].order_id, None)
        self.contact(self.between(start, end), items[0].order_id, None, reason=rng.choice(EXCLUDED_REASONS))
        self.contact(self.between(start, end), items[0].order_id, None, is_void=True)
        if rng.random() < 0.8:
            prepaid, returns = (version.aprl_at_least or Decimal("0.5")).as_integer_ratio()
            prepaid -= rng.choice((0, 0, 1))
            for number in range(returns):
                at = rng.choice((start, end - MICROSECOND, self.between(start, end)))
                self.give_back(rng.choice(items), at, "prepaid" if number < prepaid else "other")

    def activated_for(self, marketplace: Marketplace, start: datetime, end: datetime) -> datetime:
        """When to enrol: long ago, or so that the trial ends within the month."""
        first = self.first_terms(marketplace)
        if self.rng.random() < 0.3:
            ends_at = self.between(start, end)
            at = ends_at - timedelta(days=self.versions[marketplace.marketplace_id][0].trial_days)
            if self.version_at(marketplace, at).starts_on == self.versions[marketplace.marketplace_id][0].starts_on:
                return at
        return first + self.rng.choice((timedelta(0), MICROSECOND, DAY))

    def units_and_contacts(self, version: Version) -> tuple[int, int]:
        """Units and contacts whose CPU is exactly a bound of the version, or that is missed by one of either."""
        bounds = [tier.up_to for tier in version.tiers if tier.up_to is not None]
        bounds += [bound for bound in (version.cpu_below, version.cpu_below) if bound is not None]
        bound = self.rng.choice(bounds or [Decimal("0.1")])
        contacts, units = bound.as_integer_ratio()
        most = max(1, min(12 // max(1, contacts), 1200 // units))
        times = self.rng.choice((self.rng.randint(1, most), most))
        more_units, more_contacts = self.rng.choice(((0, 0), (0, 0), (0, 0), (0, -1), (0, 1), (-1, 0), (-1, 0), (1, 0)))
        return max(1, units * times + more_units), max(0, contacts * times + more_contacts)

    def split(self, units: int) -> list[int]:
        """Units in one to five lines."""
        cuts = sorted({self.rng.randint(1, units) for _ in range(4)} | {units}) if units else []
        return [cut - before for before, cut in zip([0, *cuts], cuts, strict=False)]

    # sellers to whom anything may happen

    def other_seller(self) -> str:
        rng = self.rng
        seller_id = self.new_id("T")
        has_version = rng.random() < 0.9
        for marketplace in rng.sample(self.marketplaces, rng.choice((1, 1, 2))):
            focus = self.stay(seller_id, marketplace, is_plain=not has_version)
            for _ in range(rng.randint(4, 7)):
                self.order(seller_id, marketplace, focus)
        if has_version:
            draw = rng.random()
            if draw < 0.25:
                # the earliest version counts for what lies before it, so late ones are enough
                plans = rng.sample(("professional", "professional", "individual"), 2)
                self.seller_version(seller_id, self.earliest + 500 * DAY, plans[0])
                self.seller_version(seller_id, self.earliest + 501 * DAY, plans[1])
            else:
                standing = "at_risk" if draw > 0.93 else "good"
                self.seller_version(seller_id, self.earliest - 300 * DAY, standing=standing)
        return seller_id

    def stay(self, seller_id: str, marketplace: Marketplace, is_plain: bool) -> list[datetime]:
        """Events of enrolment; returns the instants at which something turns."""
        rng = self.rng
        first = self.near(self.edges(marketplace)[:3]) + rng.choice((-45, -20, 0, 0, 5)) * DAY
        out = rng.choice((first + MICROSECOND, self.some_instant(marketplace), first + 12 * DAY))
        back = rng.choice((out + MICROSECOND, self.some_instant(marketplace), out + 9 * DAY))
        trial_ends_at = first + timedelta(days=self.version_at(marketplace, first).trial_days)
        focus = [first, trial_ends_at]
        story = (
            "once"
            if is_plain
            else rng.choice(("never", "once", "again", "doubled", "same instant", "refused", "changed"))
        )
        if story == "never":
            self.event(seller_id, marketplace, "deactivate", first)
            return focus
        if story == "refused":
            self.event(seller_id, marketplace, "activate", first - 3 * DAY, accepted=False)
            focus.append(first - 3 * DAY)
        if story == "changed":
            # plan or standing turn right at the activation, a microsecond before or after it
            plan, standing = rng.choice(
                (("individual", "good"), ("professional", "suspended"), ("professional", "good"))
            )
            self.seller_version(seller_id, first + rng.choice((-1, 0, 1)) * MICROSECOND, plan, standing)
            self.seller_version(seller_id, first + 2 * DAY)
            self.event(seller_id, marketplace, "activate", first + 2 * DAY)
            focus.append(first + 2 * DAY)
        self.event(seller_id, marketplace, "activate", first)
        if story in ("again", "doubled", "same instant"):
            self.event(seller_id, marketplace, "deactivate", out)
            focus += [out, out]
        if story == "doubled":
            self.event(seller_id, marketplace, "activate", first + HALF_AN_HOUR)
            self.event(seller_id, marketplace, "deactivate", first - DAY)
            self.event(seller_id, marketplace, "deactivate", out + HALF_AN_HOUR)
        if story == "same instant":
            self.event(seller_id, marketplace, "activate", out)
        if story == "again":
            self.event(seller_id, marketplace, "activate", back)
            focus += [back, back]
            if rng.random() < 0.5:
                self.event(seller_id, marketplace, "deactivate", back + 10 * DAY)
                self.event(seller_id, marketplace, "activate", back + 11 * DAY)
        return focus

    def order(self, seller_id: str, marketplace: Marketplace, focus: Sequence[datetime]) -> None:
        """An order of one seller, with what is shipped, asked and sent back of it."""
        rng = self.rng
        at, order_id = self.some_instant(marketplace, focus), self.new_id("O-")
        item_ids = rng.sample(("1", "2", "9", "10", "a", "B"), rng.choice((1, 1, 2)))
        for item_id in item_ids:
            kind = rng.choice(({}, {}, {}, {}, {"fulfillment": "AFN"}, {"is_prime": True}))
            self.serve(self.item(seller_id, marketplace, at, order_id, item_id, **kind), focus)

    def serve(self, item: _Item, focus: Sequence[datetime] = ()) -> None:
        """Parcels, contacts and a return for an item, at any time."""
        rng, marketplace, placed = self.rng, item.marketplace, item.purchased_at

        def some_time() -> datetime:
            soon = placed + rng.choice((-60, 1, 60, 1500, 9000)) * timedelta(minutes=1)
            return rng.choice((soon, self.some_instant(marketplace, focus)))

        for quantity in rng.choice(([item.quantity], [item.quantity], [1] * item.quantity, [item.quantity + 1], [])):
            self.parcel(item, some_time(), quantity, is_void=rng.choice((None, None, False, False, False, True)))
        for _ in range(rng.choice((0, 0, 1, 2))):
            at = rng.choice((placed - MICROSECOND, placed, some_time(), some_time()))
            reason = rng.choice((*COUNTED_REASONS, *EXCLUDED_REASONS))
            item_id = rng.choice((item.order_item_id, item.order_item_id, None, None, "none of these"))
            self.contact(at, item.order_id, item_id, reason=reason, is_void=rng.choice((None, False, False, True)))
        if rng.random() < 0.3:
            self.give_back(item, some_time(), rng.choice(("prepaid", "other")))

    def mixed_order(self, sellers: Sequence[str]) -> None:
        """An order whose items are of several sellers, marketplaces, times and ways of shipping."""
        rng = self.rng
        order_id = self.new_id("M-")
        item_ids = rng.sample(("1", "2", "9", "10", "a", "B"), rng.randint(2, 4))
        at = self.some_instant(self.marketplaces[0])
        for item_id in item_ids:
            kind = rng.choice(
                ({}, {}, {"fulfillment": "AFN"}, {"is_prime": True}, {"fulfillment": "AFN", "is_prime": True})
            )
            placed = rng.choice((at, at, self.some_instant(self.marketplaces[0])))
            marketplace = rng.choice(self.marketplaces)
            self.serve(self.item(rng.choice(sellers), marketplace, placed, order_id, item_id, **kind))
        for _ in range(2):
            self.contact(self.some_instant(self.marketplaces[0]), order_id, None)

    def bystander(self) -> None:
        """A seller that sells nothing, and whose stay begins and ends where months do."""
        seller_id, marketplace = self.seller(), self.rng.choice(self.marketplaces)
        starts = [month_start(marketplace, period) for period in self.periods]
        self.event(seller_id, marketplace, "activate", starts[0] + self.rng.choice((-1, 0, 1)) * MICROSECOND)
        self.event(seller_id, marketplace, "deactivate", starts[1] + self.rng.choice((-1, 0, 0, 1)) * MICROSECOND)

    def strays(self) -> None:
        """Parcels, contacts and returns of orders that nobody knows, and what just barely has terms."""
        rng, marketplace = self.rng, self.rng.choice(self.marketplaces)
        seller_id = self.seller()
        earliest = self.item(seller_id, marketplace, self.first_terms(marketplace) - DAY, older=())
        # at its first instant the first version is in force already; `parcel` would come later where zones differ
        shipped = {"shipped_at": self.first_terms(marketplace), "updated_at": self.earliest}
        self.parcel(earliest, self.earliest, 1, older=(), **shipped)
        in_utc = replace(marketplace, time_zone="UTC")
        for _ in range(rng.randint(2, 5)):
            at = self.near([month_start(in_utc, period) for period in self.periods] + self.edges(marketplace))
            item_id = rng.choice((earliest.order_item_id, "77"))
            lost = replace(earliest, order_id=self.new_id("L-"), order_item_id=item_id)
            self.parcel(lost, at, rng.randint(1, 3), is_void=rng.choice((None, False, True)))
            self.contact(
                at, *rng.choice(((lost.order_id, item_id), (None, item_id), (None, None), (lost.order_id, None)))
            )
            self.contact(at, None, None, is_void=True)
            self.give_back(lost, at, "prepaid")

        for marketplace in self.marketplaces:
            if self.has_returns and marketplace.marketplace_id not in self.with_returns and rng.random() < 0.7:
                # the only return of its marketplace, and of an item that is not covered
                at = self.some_instant(marketplace)
                self.returned(self.item(seller_id, marketplace, at, fulfillment="AFN", older=()), at, "other")

    # what the service asked of sellers, gave back for them and heard of them

    def aftermath(self) -> None:
        """Requests, refunds and defects of any items, most in a month's first and last day; each dataset may be absent.

        Drawn apart, so that they change nothing else of a world.
        """
        usual, self.rng = self.rng, Random(f"aftermath {self.seed}")
        lost = replace(self.items[0], order_id="L-ost")
        for what in (self.request, self.refund, self.defect):
            if self.rng.random() < 0.85:
                for item in self.rng.choices(self.items, k=self.rng.randint(6, 24)) + self.rng.choices([lost], k=2):
                    what(item, self.some_end(item.marketplace))
        self.rng = usual

    def some_end(self, marketplace: Marketplace) -> datetime:
        """An instant, often one at which a month ends, or will have ended in 24 hours."""
        at = self.some_instant(marketplace)
        if self.rng.random() < 0.4:
            ends = [month_start(marketplace, later(period, 1)) for period in self.periods]
            at = self.near(ends) - self.rng.choice((0, 1)) * DAY
        return at

    def request(self, item: _Item, at: datetime) -> None:
        rng = self.rng
        others = [other.seller_id for other in self.items if other.order_id == item.order_id]
        reply = rng.choice((None, -HALF_AN_HOUR, HALF_AN_HOUR, DAY - MICROSECOND, DAY, DAY + MICROSECOND, 3 * DAY))
        self.put(
            "seller_requests",
            request_id=self.new_id("Q"),
            seller_id=rng.choice((item.seller_id, *others, "S-noted")),
            order_id=item.order_id,
            requested_at=at,
            replied_at=None if reply is None else at + reply,
        )

    def refund(self, item: _Item, at: datetime) -> None:
        rng = self.rng
        status = rng.choice(("none", "none", "filed", "granted", "denied"))
        self.put(
            "refunds",
            refund_id=self.new_id("F"),
            order_id=item.order_id,
            order_item_id=rng.choice((*[item.order_item_id] * 9, "none of these")),
            amount=rng.choice(("0", "12.5", "12.50", "0.0001", "1999", "1000000000")),
            currency=rng.choice((item.marketplace.currency, item.marketplace.currency, "XAU")),
            refunded_at=at,
            issued_by=rng.choice(("service", "seller")),
            safe_t_status=status,
            safe_t_amount="0" if status == "none" else rng.choice(("12.5", "0.5", "7")),
        )

    def defect(self, item: _Item, at: datetime) -> None:
        for _ in range(self.rng.choice((1, 1, 2))):
            kind = self.rng.choice(tuple(DEFECT_TYPES.values()))
            self.put("defects", defect_id=self.new_id("D"), order_id=item.order_id, type=kind, occurred_at=at)

    def ties(self) -> None:
        """Other contents of rows, with nothing but the order of loading to say which holds."""
        changes: dict[str, Callable[[Row], Row]] = {
            "sellers": lambda row: {"plan": "individual"},
            "enrolment_events": lambda row: {"terms_accepted": "false" if row["terms_accepted"] == "true" else "true"},
            "order_items": lambda row: self.rng.choice(
                ({"fulfillment": "AFN"}, {"sku": "tied"}, {"is_prime": "true"}, {"is_cancelled": "true"})
            ),
            "shipments": lambda row: self.rng.choice(({"is_void": "true"}, {"quantity": "7"})),
            "contacts": lambda row: self.rng.choice(({"reason": "invoice"}, {"is_void": "true"})),
            "returns": lambda row: {"label": "other" if row["label"] == "prepaid" else "prepaid"},
            "seller_requests": lambda row: {"replied_at": None if row["replied_at"] else row["requested_at"]},
            "refunds": lambda row: {"amount": "3"},
            "defects": lambda row: {"type": "chargeback" if row["type"] != "chargeback" else "negative_feedback"},
        }
        for dataset, change in changes.items():
            rows = self.rows[dataset]
            rows += [row | change(row) for row in self.rng.sample(rows, (len(rows) + 4) // 5)]
