"""A home in a test: files loaded and months billed by the real engine, without Dagster around it."""

import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from assets.billing.rerating import rerate
from assets.core.accounts import make_accounts, read_accounts
from assets.core.calendar import make_calendar
from assets.core.marketplaces import make_marketplaces, read_marketplaces
from assets.core.terms import make_terms, terms_for_a_run
from assets.engines import Engine
from assets.making import make, set_scope
from assets.raw.datasets import DATASETS
from assets.raw.loading import LoadReport, load
from assets.raw.sources import read_sources
from assets.settings import CHECKOUT, settings
from assets.tables import steps
from assets.warehouse import FILE, Warehouse, open_warehouse
from pipelines.closing import close, to_close
from reports.statement import Press

NOW = datetime(2026, 11, 23, 9, 0)
DATA = CHECKOUT / "data"
SHARED_DATA = CHECKOUT.parent / "shared" / "data"
"""Real data and hostile files, where they are at hand."""

THREADS = max((os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")), 1)

FONTS = CHECKOUT / ".pytest_cache" / "fonts"
"""Where tests keep the fonts of PDFs, from one run to the next."""

PRESS = Press("plutoprint", FONTS, "test", workers=1)
PRESS_WITHOUT_PDF = replace(PRESS, pdf="none")

DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "sellers": {
        "name": "Kontor & Söhne",
        "country": "US",
        "language": "en",
        "email": "office@sellers.example",
        "plan": "professional",
        "standing": "good",
        "registered_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
    },
    "enrolment_events": {
        "marketplace_id": "ATVPDKIKX0DER",
        "event": "activate",
        "source": "seller",
        "terms_accepted": "true",
    },
    "order_items": {
        "order_item_id": "1",
        "seller_id": "S",
        "marketplace_id": "ATVPDKIKX0DER",
        "fulfillment": "MFN",
        "is_prime": "false",
        "asin": "B000000001",
        "sku": "SKU-1",
        "quantity": "1",
    },
    "shipments": {"order_item_id": "1", "quantity": "1", "is_tracking_valid": "true"},
    "contacts": {
        "seller_id": "S",
        "marketplace_id": "ATVPDKIKX0DER",
        "channel": "email",
        "reason": "delivery",
    },
    "returns": {"order_item_id": "1", "label": "prepaid"},
    "seller_requests": {"seller_id": "S"},
    "refunds": {
        "order_item_id": "1",
        "amount": "12.50",
        "currency": "USD",
        "issued_by": "service",
        "safe_t_status": "none",
        "safe_t_amount": "0",
    },
    "defects": {"type": "a_to_z_claim"},
}
"""Values that a test need not say; times follow from each other."""


def row(dataset: str, **values: str | None) -> dict[str, str | None]:
    """A good row: what the test says, defaults, and times taken from the time it says."""
    times = {
        "enrolment_events": {"requested_at": values.get("effective_at")},
        "order_items": {"updated_at": values.get("purchased_at")},
        "shipments": {"updated_at": values.get("shipped_at")},
        "contacts": {"updated_at": values.get("contacted_at")},
    }
    return {**DEFAULTS[dataset], **times.get(dataset, {}), **values}


def write_csv(folder: Path, rows: Mapping[str, Sequence[Mapping[str, str | None]]], suffix: str = "") -> list[Path]:
    """A file for each dataset, in canonical columns."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for dataset, lines in rows.items():
        columns = list(DATASETS[dataset].columns)
        text = [",".join(columns), *(",".join(line.get(name) or "" for name in columns) for line in lines)]
        path = folder / f"{dataset}{suffix}.csv"
        path.write_text("\n".join(text) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


@cache
def _empty_file() -> bytes:
    """A warehouse's file as it is before anything is loaded: it is made once, not for every test."""
    with TemporaryDirectory() as home:
        with open_warehouse(Path(home), holder="a test", now=NOW):
            pass
        return (Path(home) / FILE).read_bytes()


@contextmanager
def opened(home: Path) -> Generator[Warehouse]:
    """The warehouse of a home. Processes that test side by side share the cores."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / FILE).exists():
        (home / FILE).write_bytes(_empty_file())
    with open_warehouse(home, holder="a test", now=NOW) as warehouse:
        warehouse.con.execute(f"set threads = {THREADS}")
        yield warehouse


def load_paths(
    warehouse: Warehouse, paths: Sequence[Path], marketplaces: Path = DATA / "marketplaces.csv", lake: str = ""
) -> LoadReport:
    """Load files; the test decides what it makes of refusals and quarantined rows."""
    return load(
        warehouse,
        paths,
        sources=read_sources(DATA / "sources"),
        marketplaces=read_marketplaces(marketplaces),
        now=NOW,
        lake=lake,
    )


def bill(
    warehouse: Warehouse,
    periods: Iterable[str],
    *,
    marketplaces: Path = DATA / "marketplaces.csv",
    terms: Path = DATA / "terms",
    only: Sequence[str] = (),
    reprice: bool = False,
    engine: Engine | None = None,
) -> None:
    """Make every table for the periods, as the job does."""
    listed = read_marketplaces(marketplaces)
    make_marketplaces(warehouse, listed)
    make_calendar(warehouse, listed)
    cards, refused = terms_for_a_run(warehouse.con, terms, listed, reprice=reprice)
    assert not refused, refused
    make_terms(warehouse, cards, listed)
    make_accounts(warehouse, read_accounts(DATA / "accounts.toml"))
    for period in periods:
        set_scope(warehouse, period, only)
        for step in steps():
            if step[0].schema == "core":
                make(warehouse, step, engine=engine)
        rerate(warehouse, {card.marketplace_id: card for card in cards}, listed, only or list(listed))
        set_scope(warehouse, period, only)
        for step in steps():
            if step[0].schema != "core":
                make(warehouse, step, engine=engine)


def close_period(
    warehouse: Warehouse,
    period: str,
    *,
    marketplaces: Path = DATA / "marketplaces.csv",
    terms: Path = DATA / "terms",
    only: Sequence[str] = (),
    now: datetime = NOW,
    press: Press = PRESS,
    engine: Engine | None = None,
) -> list[str]:
    """Bring a period up to date and close it, as the command does; returns the marketplaces closed."""
    listed = read_marketplaces(marketplaces)
    due, _ = to_close(warehouse, period, listed, only, now)
    if due:
        bill(warehouse, [period], marketplaces=marketplaces, terms=terms, only=due, engine=engine)
        cards, _ = terms_for_a_run(warehouse.con, terms, listed)
        close(
            warehouse,
            replace(settings({}), home=warehouse.home),
            period,
            [listed[name] for name in due],
            {card.marketplace_id: card for card in cards},
            by="Ada",
            now=now,
            press=press,
        )
    return due
