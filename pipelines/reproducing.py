"""`csba reproduce`: a closed period made again as it was closed, beside the books, and held against them.

From the rows known at its close and the terms kept then, by the same SQL, in memory. Compared are all fee lines,
adjustments, statements and journal entries of the period; every earlier closed period as the books stood after that
close; and the pages: byte for byte where the same code made them, else the kept copy by its hash, and what the kept
templates make of the kept views.
"""

import hashlib
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from assets.aside import HERE, look_through
from assets.billing.books import LINE_COLUMNS, make_books
from assets.core.calendar import make_calendar
from assets.core.marketplaces import COLUMNS, Marketplace
from assets.core.marketplaces import DESCRIPTION as MARKETPLACES
from assets.core.terms import make_terms, parse_terms
from assets.raw.contracts import DATASETS
from assets.tables import choose, make, step_of, steps
from assets.warehouse import SCHEMAS, Warehouse, attach_for_reading, replace_table
from reports.statement.names import INDEX_PAGE
from reports.statement.pages import INDEX, STATEMENT, Templates, make_pages

SHOWN = 5

COMPARED = {
    "billing.fee_lines": "period",
    "billing.adjustments": "posted_period",
    "billing.statements": "period",
    "billing.journal": "period",
}
"""Table → the column of the period in which a row is booked."""

MADE_LAST = ("billing.adjustments", "billing.statements", "billing.journal")
NOT_MADE = (*MADE_LAST, "audit.exceptions")


@dataclass
class Reproduction:
    """What came of making a closed period of a marketplace again."""

    marketplace_id: str
    country: str
    period: str
    is_same_code: bool
    rows: int = 0
    """Rows compared."""
    pages: int = 0
    differences: list[str] = field(default_factory=list)


def reproduce(home: Path, period: str, code_version: str, chosen: Sequence[str] = ()) -> list[Reproduction]:
    """Make a closed period again, of the marketplaces chosen or of all where it is closed; the books stay untouched.

    Raises `WarehouseMissingError`, `WarehouseBusyError`.
    """
    with _beside(home) as con:
        closes = Warehouse(home, con).rows(
            f"from {HERE}.billing.closes where period = $period"
            " and (len($chosen) = 0 or list_contains($chosen, marketplace_id)) order by marketplace_id",
            {"period": period, "chosen": list(chosen)},
        )
    found = []
    for close in closes:
        with _beside(home) as con:
            found.append(_Again(Warehouse(home, con), close, close["code_version"] == code_version).run())
    return found


@contextmanager
def _beside(home: Path) -> Generator[duckdb.DuckDBPyConnection]:
    """A database in memory, with the warehouse attached for reading."""
    with duckdb.connect(":memory:") as con:
        attach_for_reading(con, home, HERE)
        yield con


class _Again:
    """A closed period of a marketplace, made again."""

    def __init__(self, warehouse: Warehouse, close: dict[str, Any], is_same_code: bool) -> None:
        self.warehouse, self.con, self.close = warehouse, warehouse.con, close
        self.period, self.id = close["period"], close["marketplace_id"]
        self.marketplace = Marketplace(**json.loads(close["marketplace"]))
        self.found = Reproduction(self.id, self.marketplace.country, self.period, is_same_code)
        self._templates: dict[str, Templates] = {}
        self.key = {"period": self.period, "id": self.id}

    def run(self) -> Reproduction:
        """Make, compare, and say what differs."""
        self.lay_out()
        self.rate_what_was_closed()
        self.compare("the lines of all periods closed by then", "from billing.fee_lines", self.books("<="))
        self.show_the_books_before()
        choose(self.con, [(self.period, self.id)])
        for name in MADE_LAST:
            make(self.warehouse, step_of(name), aside=True)
        self.con.execute("update billing.statements set status = 'final'")
        for table, column in COMPARED.items():
            booked = f"where {column} = '{self.period}' and marketplace_id = '{self.id}'"
            columns = ", ".join(row[0] for row in self.con.execute(f"describe {table}").fetchall())
            self.compare(
                table, f"select {columns} from {table} {booked}", f"select {columns} from {HERE}.{table} {booked}"
            )
        self.compare_pages()
        return self.found

    # -- making -------------------------------------------------------------------------------------------------

    def lay_out(self) -> None:
        """The rows known at the close, and the marketplace, calendar, accounts and terms as they were."""
        con, listed = self.con, {self.id: self.marketplace}
        for schema in SCHEMAS:
            con.execute(f"create schema {schema}")
        look_through(con, [f"raw.{name}" for name in (*DATASETS, "superseded")])
        self.warehouse.show_as_of(self.close["load_id"])
        make_books(con)
        con.execute(
            f"insert into billing.closes from {self.books_of('closes')} and period = $period",
            self.key,
        )
        as_listed = tuple(getattr(self.marketplace, name) for name in COLUMNS)
        replace_table(con, "core.marketplaces", MARKETPLACES, COLUMNS, [as_listed])
        make_calendar(self.warehouse, listed)
        con.execute(f"create table core.accounts as from {HERE}.core.accounts")
        (text,) = con.execute(
            f"select content from {self.books_of('kept_terms')} and terms_sha256 = $sha256",
            {"id": self.id, "sha256": self.close["terms_sha256"]},
        ).fetchall()[0]
        make_terms(self.warehouse, [parse_terms(text, Path("the terms kept"), listed)], listed)

    def rate_what_was_closed(self) -> None:
        """The period, and every one that was closed before it, rated with what was known."""
        closed = self.con.execute(
            f"select period, marketplace_id from {self.books_of('closes')} and period <= $period",
            self.key,
        ).fetchall()
        choose(self.con, closed)
        for step in steps():
            if step[0].full_name not in NOT_MADE:
                make(self.warehouse, step, aside=True)

    def books_of(self, table: str) -> str:
        """The rows of a table of the books that are the marketplace's."""
        return f"{HERE}.billing.{table} where marketplace_id = $id"

    def books(self, until: str) -> str:
        """The lines of closed periods as the books stood: until (`<=`) this close, or just before (`<`) it."""
        mine = f"marketplace_id = '{self.id}'"
        undone = LINE_COLUMNS.replace("units", "-units").replace("amount", "cast(-amount as decimal(18, 4))")
        adjusted = f"from {HERE}.billing.adjustments where {mine} and posted_period {until} '{self.period}' and entry ="
        billed = f"from {HERE}.billing.fee_lines semi join {HERE}.billing.closes using (period, marketplace_id)"
        return f"""
            (
                select {LINE_COLUMNS} {billed} where {mine} and period {until} '{self.period}'
                union all select {LINE_COLUMNS} {adjusted} 'correction' and kind <> 'credit'
            ) except all select {undone} {adjusted} 'reversal'"""

    def show_the_books_before(self) -> None:
        """What the period's adjustments start from: the books before its close, and earlier periods as known then."""
        con = self.con
        con.execute(f"insert into billing.posted_lines {self.books('<')}")
        con.execute(
            f"insert into billing.rerated_lines select {LINE_COLUMNS} from billing.fee_lines where period < $period",
            {"period": self.period},
        )
        con.execute("delete from billing.fee_lines where period < $period", {"period": self.period})
        con.execute(
            f"""
            insert into billing.rerating by name
            select $id as marketplace_id, $period as open_period
            from {self.books_of("closes")} and period < $period
            having count(*) > 0""",
            self.key,
        )
        con.execute(f"insert into billing.credits from {self.books_of('credits')}", {"id": self.id})
        con.execute(f"insert into billing.late_causes from {self.books_of('late_causes')}", {"id": self.id})

    # -- comparing ----------------------------------------------------------------------------------------------

    def compare(self, what: str, now: str, then: str) -> None:
        """Hold two queries against each other, row by row."""
        self.found.rows += self.con.execute(f"select count(*) from ({then})").fetchall()[0][0]
        for said, one, other in (
            ("is made but is not in the books", now, then),
            ("is in the books but is not made", then, now),
        ):
            rows = self.warehouse.rows(f"select * from (({one}) except all ({other})) order by all limit {SHOWN}")
            for row in rows:
                shown = ", ".join(f"{name} {value}" for name, value in row.items() if value is not None)
                self.found.differences.append(f"{what}: this {said}: {shown}")

    def compare_pages(self) -> None:
        """Hold the pages made again, or else what the kept templates make of the kept views, against those kept."""
        kept = self.con.execute(
            f"select file_name, view, template_sha256, html, html_sha256 from {self.books_of('kept_pages')}"
            " and period = $period order by file_name",
            self.key,
        ).fetchall()
        self.found.pages = len(kept)
        listed = "\n".join(f"{name}:{sha256}" for name, *_, sha256 in kept)
        if hashlib.sha256(listed.encode()).hexdigest() != self.close["pages_sha256"]:
            self.found.differences.append("pages: those kept are not those that were closed")
        again: dict[str, str] = {}
        if self.found.is_same_code:
            made = make_pages(self.con, self.period, self.id, Templates(), is_final=True)
            again = {page.file_name: page.html for page in made}
        for name, view, template_sha256, html, sha256 in kept:
            if hashlib.sha256(html.encode()).hexdigest() != sha256:
                self.found.differences.append(f"{name}: the kept page is not the one whose hash was kept")
            elif self.found.is_same_code:
                if again.get(name) != html:
                    self.found.differences.append(f"{name}: made again, the page is another")
            elif self.templates(template_sha256).html(INDEX if name == INDEX_PAGE else STATEMENT, view) != html:
                self.found.differences.append(f"{name}: the kept templates make another page of the kept view")
        for name in again.keys() - {row[0] for row in kept}:
            self.found.differences.append(f"{name}: made again, but not kept")

    def templates(self, sha256: str) -> Templates:
        """Kept templates."""
        if sha256 not in self._templates:
            query = f"select content from {HERE}.billing.kept_templates where template_sha256 = ?"
            self._templates[sha256] = Templates(json.loads(self.con.execute(query, [sha256]).fetchall()[0][0]))
        return self._templates[sha256]
