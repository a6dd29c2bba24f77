"""core.marketplaces: the marketplaces of `data/marketplaces.csv`, with their currency and time zone."""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from assets.tables import UNKNOWN
from assets.warehouse import Warehouse, replace_table

DESCRIPTION = "One row per marketplace of marketplaces.csv."
COLUMNS = {
    "marketplace_id": ("varchar", "the marketplace"),
    "country": ("varchar", "ISO 3166-1 alpha-2"),
    "domain": ("varchar", "the store's address"),
    "currency": ("varchar", "ISO 4217; fees are in it"),
    "minor_units": ("integer", "decimals of an amount: 0, 2 or 3"),
    "time_zone": ("varchar", "IANA; its months are the billing periods"),
    "language": ("varchar", "BCP 47"),
}
_FORMS = {
    "marketplace_id": r"[A-Za-z0-9]{1,40}",
    "country": r"[A-Z]{2}",
    "domain": r"\S+",
    "currency": r"[A-Z]{3}",
    "minor_units": r"[023]",
    "time_zone": r"\S+",
    "language": r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*",
}


class MarketplacesError(Exception):
    """The list of marketplaces cannot be used; the message names the file, the line and the reason."""


@dataclass(frozen=True)
class Marketplace:
    """A line of the list."""

    marketplace_id: str
    country: str
    domain: str
    currency: str
    minor_units: int
    time_zone: str
    language: str

    @property
    def zone(self) -> ZoneInfo:
        """Whose months are its billing periods."""
        return ZoneInfo(self.time_zone)


def read_marketplaces(path: Path) -> Mapping[str, Marketplace]:
    """The list, by id. Raises `MarketplacesError`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MarketplacesError(f"{path}: it cannot be read: {error}") from error
    found: dict[str, Marketplace] = {}
    for number, line in enumerate(lines, start=2):
        for column, form in _FORMS.items():
            if not re.fullmatch(form, line.get(column) or ""):
                raise MarketplacesError(
                    f"{path}, line {number}: {column} {line.get(column)!r} is not of the form {form}"
                )
        texts = {name: line[name] for name in _FORMS if name != "minor_units"}
        marketplace = Marketplace(**texts, minor_units=int(line["minor_units"]))
        if marketplace.marketplace_id in found or marketplace.marketplace_id == UNKNOWN:
            raise MarketplacesError(f"{path}, line {number}: the id {marketplace.marketplace_id} is taken")
        try:
            _ = marketplace.zone
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise MarketplacesError(f"{path}, line {number}: {marketplace.time_zone!r} is not a time zone") from error
        found[marketplace.marketplace_id] = marketplace
    if not found:
        raise MarketplacesError(f"{path}: it lists no marketplace")
    return found


def make_marketplaces(warehouse: Warehouse, marketplaces: Mapping[str, Marketplace]) -> int:
    """Replace core.marketplaces; returns its rows.

    Raises `MarketplacesError` if loaded rows need one that is gone, or the list would change a closed period.
    """
    used = warehouse.con.execute("select distinct marketplace_id from raw.order_items order by all").fetchall()
    gone = [row[0] for row in used if row[0] not in marketplaces]
    if gone:
        raise MarketplacesError(f"orders of {', '.join(gone)} are loaded, so that marketplaces.csv must list it")
    closed = warehouse.con.execute(
        "select marketplace_id, min(period), any_value(marketplace) from billing.closes group by 1"
    )
    for name, period, text in closed.fetchall():
        then, now = json.loads(text), marketplaces.get(name)
        for column in ("country", "currency", "minor_units", "time_zone"):
            if now is None or getattr(now, column) != then[column]:
                raise MarketplacesError(
                    f"{name} has closed periods since {period}, so that its {column} must stay {then[column]}"
                )
    rows: Sequence[tuple] = [tuple(getattr(m, name) for name in COLUMNS) for m in marketplaces.values()]
    with warehouse.transaction():
        replace_table(warehouse.con, "core.marketplaces", DESCRIPTION, COLUMNS, rows)
    return len(rows)
