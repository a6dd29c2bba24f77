"""Where things lie. Read from the environment once; nothing else in the project reads it.

Does not belong here: opening any of these places.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


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
    def marketplaces(self) -> Path:
        """The list of marketplaces."""
        return self.data / "marketplaces.csv"

    @property
    def accounts(self) -> Path:
        """The accounts of the journal."""
        return self.data / "accounts.toml"


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The places named by `CSBA_HOME`, `CSBA_DATA`, `CSBA_TERMS`, `CSBA_SOURCES` and `CSBA_FONTS`, else those of the
    checkout and its home; and the PDF engine that `CSBA_PDF` names."""

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
    )
