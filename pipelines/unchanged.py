"""Pages that would come out as they lie there: neither what they are made from has changed since, nor have they.

Of a marketplace everything counts: each of its tables in every period, as `audit.made` knows them, what Python makes,
the files loaded, the books, the code and the engine. Its pages count by name, size and times, so that one that was
removed or written over is made again.

Does not belong here: making pages.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from assets.as_made import TABLE, WHOLE, is_as_made, note_made, version_of
from assets.tables import UNKNOWN, tables
from assets.warehouse import Warehouse

MADE_BY_PYTHON = ("core.accounts", "core.calendar", "core.marketplaces", "core.terms", "core.tiers")
BOOKS = ("billing.closes", "billing.credits", "billing.rerating", "audit.files")

Pair = tuple[str, str]
"""A period and a marketplace."""


@dataclass(frozen=True)
class Pages:
    """The pages of an asset; `made_with` names what makes them beside the code."""

    warehouse: Warehouse
    asset: str
    made_with: str = ""

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
        con, (_, marketplace_id) = self.warehouse.con, pair
        query = f"select distinct period, marketplace_id from {TABLE} where marketplace_id in (?, ?) and period <> ''"
        every = con.execute(query, [marketplace_id, UNKNOWN]).fetchall()
        made = {name: every if table.is_by_period else WHOLE for name, table in tables().items() if not table.is_view}
        return version_of(con, [self.made_with, _listing(place)], made | dict.fromkeys((*MADE_BY_PYTHON, *BOOKS), ()))


def _listing(place: Path) -> str:
    """A hash of what lies in a folder, or of a file: names, sizes and times."""
    found = sorted(place.iterdir()) if place.is_dir() else [place] if place.exists() else []
    digest = hashlib.sha256()
    for path in found:
        stat = path.stat()
        digest.update(f"{path.name}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ctime_ns}\0".encode())
    return digest.hexdigest()
