"""A home to load into, and order items to load: what the tests of the raw tables share."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from house import opened

from assets.core.marketplaces import read_marketplaces
from assets.raw.datasets import DATASETS
from assets.raw.loading import LoadReport, load
from assets.raw.sources import Sources, read_sources
from assets.settings import CHECKOUT
from assets.warehouse import Warehouse

NOW = datetime(2026, 11, 1, 12)
US, BRAZIL = "ATVPDKIKX0DER", "A2Q3Y263D00KWC"
MARKETPLACES = read_marketplaces(CHECKOUT / "data" / "marketplaces.csv")

ITEM = {
    "order_id": "O-1",
    "order_item_id": "1",
    "seller_id": "S-1",
    "marketplace_id": US,
    "purchased_at": "2026-01-31T10:00:00Z",
    "fulfillment": "MFN",
    "is_prime": "false",
    "asin": "B01",
    "sku": "SKU-1",
    "quantity": "2",
    "updated_at": "2026-01-31T10:00:00Z",
}
SELLER = {
    "seller_id": "S-1",
    "name": "A seller",
    "country": "US",
    "language": "en-US",
    "email": "s@sellers.example",
    "plan": "professional",
    "standing": "good",
    "registered_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
}


def item(**changes: Any) -> dict[str, Any]:
    return ITEM | changes


def seller(**changes: Any) -> dict[str, Any]:
    return SELLER | changes


def as_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None, **dialect: Any) -> bytes:
    """Rows as delimited text in UTF-8, with a header."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, columns or list(rows[0]), lineterminator=dialect.pop("lineterminator", "\n"), **dialect
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


class Home:
    """An open warehouse beside a folder of files, and the questions that tests ask of it."""

    def __init__(self, folder: Path, warehouse: Warehouse):
        self.folder, self.warehouse = folder, warehouse
        self.sources: Sources = read_sources(CHECKOUT / "data" / "sources")

    def file(self, name: str, content: bytes | Sequence[Mapping[str, Any]]) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else as_csv(content))
        return path

    def load(self, *paths: Path, **options: Any) -> LoadReport:
        """Load, and hold every row of every file to account."""
        settings = {
            "sources": self.sources,
            "marketplaces": {name: MARKETPLACES[name] for name in (US, BRAZIL)},
            "now": NOW,
        } | options
        report = load(self.warehouse, list(paths), **settings)
        self.check_accounts()
        assert all("\n" not in refusal.reason and refusal.reason for refusal in report.refusals)
        return report

    def load_file(self, name: str, content: bytes | Sequence[Mapping[str, Any]], **options: Any) -> LoadReport:
        return self.load(self.file(name, content), **options)

    def refusal(self, name: str, content: bytes | Sequence[Mapping[str, Any]], **options: Any) -> str:
        """Why a file is refused, of which nothing may be kept."""
        before = self.counts()
        report = self.load_file(name, content, **options)
        assert (report.loads, len(report.refusals)) == ([], 1)
        assert self.counts() == before
        return report.refusals[0].reason

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.warehouse.con.execute(query).fetchall()

    def in_force(self, dataset: str) -> list[tuple[Any, ...]]:
        """The rows in force, without where they came from."""
        return self.rows(f"select {', '.join(DATASETS[dataset].columns)} from in_force.{dataset} order by all")

    def quarantine(self) -> list[tuple[int, str, str, str]]:
        return self.rows(
            "select row_number, column_name, check_name, value from audit.quarantine order by file_id, row_number"
        )

    def counts(self) -> list[tuple[Any, ...]]:
        tables = [*(f"raw.{name}" for name in DATASETS), "raw.superseded", "audit.files", "audit.quarantine"]
        return self.rows(" union all ".join(f"select '{table}', count(*) from {table}" for table in tables))

    def check_accounts(self) -> None:
        """Every file adds up, and its raw and quarantined rows are as many as it says; nothing temporary is left."""
        raw = " union all ".join(f"select file_id, row_number from raw.{name}" for name in DATASETS)
        assert not self.rows(f"""
            with raw as ({raw})
            from audit.files as f where
                rows_read <> rows_loaded + rows_duplicate + rows_quarantined + rows_skipped
                or rows_loaded <> (select count(*) from raw where raw.file_id = f.file_id)
                or rows_quarantined <> (select count(*) from audit.quarantine as q where q.file_id = f.file_id)""")
        assert not self.rows(f"""
            with raw as ({raw} union all select file_id, row_number from audit.quarantine)
            select file_id, row_number from raw group by all having count(*) > 1
            union all
            select file_id, row_number from raw left join audit.files using (file_id)
            where row_number not between 1 and coalesce(rows_read, 0)""")
        assert not self.rows("select dataset, file_id, row_number from raw.superseded group by all having count(*) > 1")
        assert not self.rows(
            "select table_name from duckdb_tables() where temporary"
            " union all select view_name from duckdb_views() where temporary and not internal"
        )


@contextmanager
def open_home(folder: Path) -> Iterator[Home]:
    with opened(folder / "home") as warehouse:
        yield Home(folder, warehouse)


@contextmanager
def fresh_home() -> Iterator[Home]:
    """A home of its own, for each example of a property."""
    with TemporaryDirectory() as folder, open_home(Path(folder)) as home:
        yield home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path) as home:
        yield home


@pytest.fixture(scope="session")
def raw() -> SimpleNamespace:
    """The functions above, for tests, which cannot import this file."""
    return SimpleNamespace(
        **{f.__name__: f for f in (item, seller, as_csv, open_home, fresh_home)}, ITEM=ITEM, NOW=NOW, US=US
    )
