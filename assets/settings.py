"""Where things lie. Read from the environment once; nothing else in the project reads it.

Does not belong here: opening any of these places.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
DEEPEST_POSSIBLE = 500
"""JSON that is nested deeper is not parsed, whatever is set: the parser's own end comes not long after."""


@dataclass(frozen=True)
class Limits:
    """What a file to be loaded may be; beyond that it is refused. Each is set by its name, as `CSBA_LONGEST_LINE`."""

    longest_line: int = 2_000_000
    """Bytes of a line of text; a longer one is most likely no line of a table."""
    longest_value: int = 100_000
    """Bytes of a value; a row with a longer one is refused."""
    most_columns: int = 1_000
    largest_file: int = 200_000_000_000
    """Bytes, once it is decompressed."""
    largest_ratio: int = 100
    """So many times as large as it was may a file become when it is decompressed; small files are not looked at."""
    largest_document: int = 10_000_000
    """Characters of a record of JSON, or of a value beside records: no more of a document is held at once."""
    deepest_nesting: int = 64
    """Objects and arrays of JSON within each other."""

    @staticmethod
    def named(name: str) -> str:
        """The setting that sets a limit."""
        return f"CSBA_{name.upper()}"


@dataclass(frozen=True)
class Settings:
    """The places a command works with, all absolute, and how it makes PDFs."""

    home: Path
    """Everything made: `warehouse.duckdb`, `statements/`, Dagster's own files."""
    data: Path
    """What it starts from: `marketplaces.csv`, `accounts.toml`, `terms/`, `sources/`, `sample/`."""
    terms: Path
    sources: Path
    fonts: Path
    """The cache of fonts for PDFs; may be deleted at any time."""
    pdf: str
    """The PDF engine: `plutoprint`; `weasyprint-a` or `weasyprint-ua` for archives; `none` for no PDFs."""
    memory: int
    """Bytes that the engine of tables may hold; what is more goes to `spill/` below the home, and comes back."""
    limits: Limits
    snapshots: int
    """So many copies for readers are kept in `published/`; with 0 none is made."""
    has_postgres: bool
    """Whether Dagster keeps its runs and events in Postgres: it reads the address in `CSBA_POSTGRES` itself."""

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.home / "warehouse.duckdb"

    @property
    def statements(self) -> Path:
        """The folder of statements: `<period>/<marketplace>/`."""
        return self.home / "statements"

    @property
    def close_reports(self) -> Path:
        """The folder of close reports: `<period>/<marketplace>.html`."""
        return self.home / "close_reports"

    @property
    def published(self) -> Path:
        """The folder of copies for readers: `latest.duckdb`, and as Parquet `latest/`."""
        return self.home / "published"

    @property
    def marketplaces(self) -> Path:
        """The list of marketplaces."""
        return self.data / "marketplaces.csv"

    @property
    def accounts(self) -> Path:
        """The accounts of the journal."""
        return self.data / "accounts.toml"


class SettingsError(Exception):
    """A setting that cannot be used."""


UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
SNAPSHOTS = 3
LEAST_MEMORY = 256 * 10**6
"""Bytes; with less, even a small month does not fit."""


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """What the environment says, else the defaults.

    `CSBA_HOME`, `CSBA_DATA`, `CSBA_TERMS`, `CSBA_SOURCES` and `CSBA_FONTS` name places, by default those of the
    checkout and its home; `CSBA_PDF` the PDF engine; `CSBA_MEMORY` the memory, such as `4GB`, by default half of the
    machine's; `CSBA_SNAPSHOTS` how many copies for readers are kept; and `CSBA_LONGEST_LINE` and its like the limits of
    files, as whole numbers.

    Raises `SettingsError`.
    """

    def place(variable: str, default: Path) -> Path:
        return Path(environment.get(variable) or default).expanduser().resolve()

    home = place("CSBA_HOME", CHECKOUT / "var")
    data = place("CSBA_DATA", CHECKOUT / "data")
    return Settings(
        home=home,
        data=data,
        terms=place("CSBA_TERMS", data / "terms"),
        sources=place("CSBA_SOURCES", data / "sources"),
        fonts=place("CSBA_FONTS", home / "fonts"),
        pdf=environment.get("CSBA_PDF") or "plutoprint",
        memory=_memory(environment.get("CSBA_MEMORY") or ""),
        limits=_limits(environment),
        snapshots=_snapshots((environment.get("CSBA_SNAPSHOTS") or "").strip()),
        has_postgres=_has_postgres(environment.get("CSBA_POSTGRES") or ""),
    )


def _has_postgres(address: str) -> bool:
    if address and not address.startswith("postgresql+psycopg2://"):
        raise SettingsError("CSBA_POSTGRES is written postgresql+psycopg2://user:password@host:port/database")
    return bool(address)


def _snapshots(text: str) -> int:
    if text and not re.fullmatch(r"\d{1,3}", text):
        raise SettingsError(f"CSBA_SNAPSHOTS is {text!r}; it is a whole number below 1,000, such as {SNAPSHOTS}")
    return int(text or SNAPSHOTS)


def _limits(environment: Mapping[str, str]) -> Limits:
    given = {}
    for limit in fields(Limits):
        text = (environment.get(Limits.named(limit.name)) or "").strip()
        if text and (not re.fullmatch(r"\d{1,15}", text) or not int(text)):
            raise SettingsError(
                f"{Limits.named(limit.name)} is {text!r}; it is a whole number, such as {limit.default}"
            )
        if text and limit.name == "deepest_nesting" and int(text) > DEEPEST_POSSIBLE:
            raise SettingsError(f"{Limits.named(limit.name)} is {text!r}; it is at most {DEEPEST_POSSIBLE}")
        if text:
            given[limit.name] = int(text)
    return Limits(**given)


def _memory(text: str) -> int:
    if not text:
        return max(_memory_of_the_machine() // 2, LEAST_MEMORY)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MGT]i?B)", text.strip(), re.IGNORECASE)
    if found is None:
        raise SettingsError(f"CSBA_MEMORY is {text!r}; it is written like 4GB or 800MB")
    size = int(float(found[1]) * UNITS[found[2].upper()])
    if size < LEAST_MEMORY:
        raise SettingsError(f"CSBA_MEMORY is {text!r}; at least {LEAST_MEMORY // 10**6}MB are needed")
    return size


def _memory_of_the_machine() -> int:
    """Bytes; of a container, those it may use."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    allowed = limit.read_text().strip() if limit.exists() else ""
    return min(physical, int(allowed)) if allowed.isdigit() else physical
