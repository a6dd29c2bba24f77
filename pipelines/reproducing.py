"""`csba reproduce`: a closed period made again as it was closed, beside the books, and held against them.

From the rows known at its close and the terms kept then, by the same SQL, in memory. Compared are all fee lines,
adjustments, statements and journal entries of the period; every earlier closed period as the books stood after that
close; and the statements: every file byte for byte where the same code, engine and fonts make them, else the kept
copies of pages and data by their hashes.
"""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assets.aside import HERE, beside, look_through
from assets.billing.books import LINE_COLUMNS, TABLES
from assets.core.calendar import make_calendar
from assets.core.marketplaces import COLUMNS, Marketplace
from assets.core.marketplaces import DESCRIPTION as MARKETPLACES
from assets.core.terms import make_terms, parse_terms
from assets.making import choose, make
from assets.raw.datasets import DATASETS
from assets.tables import step_of, steps
from assets.warehouse import Warehouse, make_tables, replace_table
from reports.statement import Press
from reports.statement.folders import replacement
from reports.statement.names import MANIFEST, folder_name
from reports.statement.writing import files_of, make_final

SHOWN = 5

COMPARED = {
    "billing.fee_lines": "period",
    "billing.adjustments": "posted_period",
    "billing.statements": "period",
    "billing.journal": "period",
}
"""Table → the column of the period in which a row is booked."""

MADE_LAST = ("billing.adjustments", "billing.statements", "billing.journal")
NOT_MADE = (*MADE_LAST, "audit.exceptions", "audit.evidence", "billing.explained_lines")


@dataclass
class Reproduction:
    """What came of making a closed period of a marketplace again."""

    marketplace_id: str
    country: str
    period: str
    is_same_code: bool
    rows: int = 0
    """Rows compared."""
    files: int = 0
    """Files of its statements."""
    is_same_press: bool = True
    """Whether engine and fonts are those of the close; if not, only the lines in CSV are made again for comparing."""
    differences: list[str] = field(default_factory=list)


def reproduce(
    home: Path,
    period: str,
    press: Press,
    chosen: Sequence[str] = (),
    out: Path | None = None,
    memory: int | None = None,
) -> list[Reproduction]:
    """Make a closed period again, of the marketplaces chosen or of all where it is closed; the books stay untouched.

    The statements made again are written below `out`, as a run writes them, where the code is that of the close.
    `memory` is how many bytes the engine may hold.

    Raises `WarehouseMissingError`, `WarehouseBusyError`.
    """
    with beside(home, memory) as con:
        closes = Warehouse(home, con).rows(
            f"from {HERE}.billing.closes where period = $period"
            " and (len($chosen) = 0 or list_contains($chosen, marketplace_id)) order by marketplace_id",
            {"period": period, "chosen": list(chosen)},
        )
    found = []
    for close in closes:
        with beside(home, memory) as con:
            found.append(_Again(Warehouse(home, con), close, press, out).run())
    return found


class _Again:
    """A closed period of a marketplace, made again."""

    def __init__(self, warehouse: Warehouse, close: dict[str, Any], press: Press, out: Path | None) -> None:
        self.warehouse, self.con, self.close = warehouse, warehouse.con, close
        self.period, self.id = close["period"], close["marketplace_id"]
        self.marketplace = Marketplace(**json.loads(close["marketplace"]))
        self.press, self.out = press, out
        self.found = Reproduction(
            self.id, self.marketplace.country, self.period, is_same_code=close["code_version"] == press.code_version
        )
        self.key = {"period": self.period, "id": self.id}

    def run(self) -> Reproduction:
        """Make, compare, and say what differs."""
        self.lay_out()
        self.rate_what_was_closed()
        self.show_the_defects_before()
        self.compare("the lines of all periods closed by then", "from billing.fee_lines", self.books("<="))
        self.show_the_books_before()
        self.show_the_months_before()
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
        self.compare_files()
        return self.found

    # -- making -------------------------------------------------------------------------------------------------

    def lay_out(self) -> None:
        """The rows known at the close, and the marketplace, calendar, accounts and terms as they were."""
        con, listed = self.con, {self.id: self.marketplace}
        look_through(con, [f"raw.{name}" for name in (*DATASETS, "superseded")])
        self.warehouse.show_as_of(self.close["load_id"])
        make_tables(con, TABLES)
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

    def show_the_months_before(self) -> None:
        """Earlier months that were never closed, as the statements showed them: they are no part of the books."""
        self.con.execute(
            f"""
            insert into billing.performance by name
            select month.period, $id as marketplace_id, seller_id, month.units, month.contacts
            from (
                select statement.seller_id, unnest(from_json(json_extract(page.view, '$.months'),
                    '[{{"period": "VARCHAR", "units": "BIGINT", "contacts": "BIGINT"}}]')) as month
                from {HERE}.billing.kept_pages as page
                join {HERE}.billing.statements as statement using (statement_id)
                where page.period = $period and page.marketplace_id = $id
            )
            where month.units is not null
                and month.period not in (select period from {self.books_of("closes")} and period <= $period)""",
            self.key,
        )

    def show_the_defects_before(self) -> None:
        """Defects of months before enrolments that were never closed, as the statements showed them."""
        self.con.execute(
            f"""
            insert into billing.defects by name
            select
                month.period, $id as marketplace_id, seller_id, month.orders, month.orders_with_defect,
                month.orders_with_defect / nullif(month.orders, 0) as defect_rate,
                month.a_to_z_claims, month.negative_feedback, month.chargebacks
            from (
                select statement.seller_id, from_json(json_extract(page.view, '$.defects_before_enrolment'),
                    '{{"period": "VARCHAR", "orders": "BIGINT", "orders_with_defect": "BIGINT",
                    "a_to_z_claims": "BIGINT", "negative_feedback": "BIGINT", "chargebacks": "BIGINT"}}') as month
                from {HERE}.billing.kept_pages as page
                join {HERE}.billing.statements as statement using (statement_id)
                where page.period = $period and page.marketplace_id = $id
            )
            where month.period is not null
                and month.period not in (select period from {self.books_of("closes")} and period <= $period)""",
            self.key,
        )

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

    def compare_files(self) -> None:
        """Hold the statements made again, or else the kept copies of pages and data, against the manifest kept."""
        manifest = json.loads(self.close["manifest"])
        wanted = files_of(manifest)
        self.found.files = len(wanted)
        kept = self.con.execute(
            f"select file_name, html, json_name, view from {self.books_of('kept_pages')} and period = $period",
            self.key,
        ).fetchall()
        for html_name, html, json_name, view in kept:
            for name, text in ((html_name, html), (json_name, view)):
                if name is not None and hashlib.sha256(text.encode()).hexdigest() != wanted.get(name):
                    self.found.differences.append(f"{name}: the kept copy is not the one whose hash was kept")
        unkept = {name for name in wanted if name.endswith((".html", ".json"))} - {
            name for html_name, _, json_name, _ in kept for name in (html_name, json_name)
        }
        self.found.differences += [f"{name}: its copy was not kept" for name in sorted(unkept)]
        if not self.found.is_same_code:
            return
        with ExitStack() as stack:
            folder = self.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            written, place = make_final(self.con, self.period, self.id, folder, self.press)
            made = files_of(json.loads((place / MANIFEST).read_text(encoding="utf-8")))
            if self.out:
                with replacement(place.with_name(folder_name(self.id)), made_already=True):
                    pass
        self.found.differences += written.broken
        if self.press.label != manifest["made_with"]:  # another engine makes other PDFs, and pages that name none
            self.found.is_same_press = False
            made, wanted = ({name: each[name] for name in each if name.endswith(".csv")} for each in (made, wanted))
        for name in sorted(wanted.keys() | made.keys()):
            if made.get(name) != wanted.get(name):
                said = "is another" if name in made and name in wanted else "is there" if name in made else "is missing"
                self.found.differences.append(f"{name}: made again, it {said}")
