"""Pages that would come out as they lie there: neither what they are made from has changed since, nor have they.

Of a marketplace everything counts: each of its tables in every period, as `audit.made` knows them, what Python makes,
the files loaded, the books, the code and the engine. Its pages count by name, size and times, so that one that was
removed or written over is made again.

Does not belong here: making pages.
"""

import hashlib
from functools import cached_property
from pathlib import Path

from assets.as_made import TABLE, is_as_made, note_made, version_of
from assets.tables import SCHEMAS, UNKNOWN
from assets.warehouse import Warehouse

MADE_BY_PYTHON = ("core.accounts", "core.calendar", "core.marketplaces", "core.terms", "core.tiers")
BOOKS = ("billing.closes", "billing.credits", "billing.rerating", "audit.files")

Pair = tuple[str, str]
"""A period and a marketplace."""


class Pages:
    """The pages of an asset; `made_with` names what makes them beside the code."""

    def __init__(self, warehouse: Warehouse, asset: str, made_with: str = "") -> None:
        self.warehouse, self.asset, self.made_with = warehouse, asset, made_with

    def are_as_made(self, pair: Pair, place: Path) -> bool:
        """Whether those of a period and marketplace are what was made last, and would come out so again."""
        if self.warehouse.makes_anew:
            return False
        return is_as_made(self.warehouse.con, self.asset, [pair], self._version(pair, place))

    def note(self, pair: Pair, place: Path) -> None:
        """Write down that they have just been made."""
        with self.warehouse.transaction():
            note_made(self.warehouse.con, self.asset, [pair], self._version(pair, place))

    def _version(self, pair: Pair, place: Path) -> str:
        query = f"""
            select table_name, period, marketplace_id, version from {TABLE}
            where marketplace_id in (?, ?, '') and list_contains(?, split_part(table_name, '.', 1)) order by all"""
        tables = self.warehouse.con.execute(query, [pair[1], UNKNOWN, list(SCHEMAS)]).fetchall()
        return hashlib.sha256(repr((self._of_all, tables, _listing(place))).encode()).hexdigest()

    @cached_property
    def _of_all(self) -> str:
        """The version of what every marketplace's pages are made from."""
        return version_of(self.warehouse.con, self.made_with, dict.fromkeys((*MADE_BY_PYTHON, *BOOKS), ()))


def _listing(place: Path) -> str:
    """A hash of what lies in a folder, or of a file: names, sizes and times."""
    found = sorted(place.iterdir()) if place.is_dir() else [place] if place.exists() else []
    digest = hashlib.sha256()
    for path in found:
        stat = path.stat()
        digest.update(f"{path.name}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ctime_ns}\0".encode())
    return digest.hexdigest()
