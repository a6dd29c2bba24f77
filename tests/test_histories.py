"""Random histories of loads, runs and closes: whatever came late, the books come to what one run over all would bill.

domain.md, "Closing, and what comes late". The reference bills all rows at once; a history loads a world file by file,
and in between runs, closes and changes terms as finance might. What is closed must stay as it was to the byte, all
adjustments together must come to the reference to the cent, every line must be traced to the files and back to its
amount, and every closed period must come out the same again.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from house import PRESS_WITHOUT_PDF, bill, close_period, load_paths, opened
from reference import bill as bill_by_hand
from reference import read_terms
from test_reference import COLUMNS, by_hand_in, in_order
from traced import assert_every_line_is_traced
from worlds import later, world

from assets.core.marketplaces import read_marketplaces
from assets.core.terms import terms_for_a_run
from assets.warehouse import Warehouse
from pipelines.reproducing import reproduce

A_FEW = (1,)
MANY = (0, *range(2, 101))
AFTER_ALL = datetime(2099, 1, 1)

KNOWN_NOW = (
    *("core.units", "core.contacts", "core.returns", "billing.performance"),
    *("core.requests", "core.refunds", "core.defects", "billing.defects", "billing.refunds", "billing.service"),
    *("audit.unit_balance", "audit.contact_balance", "audit.exceptions"),
    *("audit.request_balance", "audit.refund_balance", "audit.defect_balance"),
)

FROZEN = {
    "billing.fee_lines": "period",
    "billing.adjustments": "posted_period",
    "billing.statements": "period",
    "billing.journal": "period",
    "billing.closes": "period",
    "billing.kept_pages": "period",
    "billing.explained_lines": "posted_period",
}


@pytest.mark.parametrize("seed", A_FEW)
def test_a_history_comes_to_what_one_run_would_bill(seed: int, tmp_path: Path) -> None:
    History(seed, tmp_path).play()


@pytest.mark.prove
@pytest.mark.parametrize("seed", MANY)
def test_many_histories_come_to_what_one_run_would_bill(seed: int, tmp_path: Path) -> None:
    History(seed, tmp_path).play()


class History:
    """A world told file by file, with closes in between."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed, self.folder, self.chance, self.told = seed, folder, Random(seed), world(seed)
        self.chance_of_anew = Random(f"{seed} anew")
        self.places = {
            "marketplaces": self.told.write_marketplaces(folder / "marketplaces.csv"),
            "terms": folder / "terms",
        }
        self.told.write_terms(folder / "terms")
        self.periods = (*self.told.periods, later(self.told.periods[-1], 1))
        """The last one stays open, so that there is always a period to book in."""
        self.frozen: dict[tuple[str, str, str], str] = {}

    def play(self) -> None:
        with opened(self.folder / "home") as warehouse:
            for path in self.files():
                assert not load_paths(warehouse, [path], self.places["marketplaces"]).refusals
                for _ in range(self.chance.choice((0, 0, 1))):
                    self.act(warehouse)
            self.act(warehouse)
            still_open = [period for period in self.periods if not self.is_closed_everywhere(warehouse, period)]
            bill(warehouse, still_open, **self.places)
            before = self.rows(warehouse, "billing.adjustments")
            bill(warehouse, still_open, **self.places)
            assert self.rows(warehouse, "billing.adjustments") == before, "a second run books nothing new"
            self.assert_nothing_frozen_changed(warehouse)
            self.assert_it_comes_to_the_reference(warehouse)
            assert assert_every_line_is_traced(warehouse, self.told.marketplaces, self.told.terms)
            self.assert_the_journal_is_the_statements(warehouse)
            self.assert_a_full_run_would_show_the_same(warehouse)
            missed = "from billing.late_causes where cause = 'counted_anew'"
            assert warehouse.rows(missed) == [], "what late rows touch is all that is otherwise when all is rated anew"
            closed = [row["period"] for row in warehouse.rows("select distinct period from billing.closes")]
        for period in closed:
            for found in reproduce(self.folder / "home", period, PRESS_WITHOUT_PDF):
                assert not found.differences, (period, found)
                assert found.is_same_press
                assert found.files == found.rows == 0 or found.files >= 4

    def files(self) -> Iterator[Path]:
        """In the order of the world: late rows come by themselves, as worlds repeat and correct."""
        for load in self.told.write(self.folder / "files"):
            yield from load

    def act(self, warehouse: Warehouse) -> None:
        """Run or close something, for all marketplaces or for one; sometimes with all that is touched made anew."""
        warehouse.makes_anew = self.chance_of_anew.random() < 0.2
        if self.chance.random() < 0.15:
            self.reprice(warehouse)
        only = [self.chance.choice(list(self.told.marketplaces))] if self.chance.random() < 0.4 else []
        if self.chance.random() < 0.4:
            bill(warehouse, [self.chance.choice(self.told.periods)], only=only, **self.places)
        else:
            name = only[0] if only else self.chance.choice(list(self.told.marketplaces))
            due = self.next_to_close(warehouse, name)
            if due:
                close_period(warehouse, due, only=[name], now=AFTER_ALL, press=PRESS_WITHOUT_PDF, **self.places)
        warehouse.makes_anew = False
        self.assert_nothing_frozen_changed(warehouse)
        self.remember(warehouse)

    def reprice(self, warehouse: Warehouse) -> None:
        """Change a marketplace's fees: refused where that prices closed periods otherwise, until told to reprice."""
        name = self.chance.choice(list(self.told.marketplaces))
        old = self.told.terms[name]
        new = re.sub(r"fee = [0-9.]+", lambda _: f"fee = {self.chance.choice(('0.5', '1.25', '38'))}", old)
        self.told = replace(self.told, terms={**self.told.terms, name: new})
        self.told.write_terms(self.folder / "terms")
        listed = read_marketplaces(self.places["marketplaces"])
        _, refused = terms_for_a_run(warehouse.con, self.places["terms"], listed)
        priced = "select 1 from billing.closes where marketplace_id = ? limit 1"
        assert bool(refused) == (
            bool(warehouse.rows(priced, [name])) and self.is_priced_otherwise(warehouse, name, new)
        )
        bill(warehouse, [self.chance.choice(self.periods)], reprice=True, **self.places)

    def is_priced_otherwise(self, warehouse: Warehouse, name: str, text: str) -> bool:
        """Whether a closed month was priced by a version whose fees are others now, by the months' days alone."""
        kept = "select content from billing.kept_terms where marketplace_id = $1 and terms_sha256 in ($2, $3)"
        last = (
            "select max_by(terms_sha256, period), max(period), min(period) from billing.closes where marketplace_id = ?"
        )
        posted, latest, first = warehouse.con.execute(last, [name]).fetchall()[0]
        drafted = warehouse.rows("select terms_sha256 from billing.rerating where marketplace_id = ?", [name])
        texts = warehouse.con.execute(kept, [name, posted, drafted[0]["terms_sha256"]]).fetchall()

        def fees(of: str) -> list[tuple]:
            versions = read_terms(of)
            ends = [*(version.starts_on for version in versions[1:]), date.max]
            start, end = date.fromisoformat(f"{first}-01"), date.fromisoformat(f"{later(latest, 1)}-01")
            return [
                (version.id, [tier.fee for tier in version.tiers])
                for version, ends_on in zip(versions, ends, strict=True)
                if version.starts_on < end and ends_on > start
            ]

        return all(fees(of) != fees(text) for (of,) in texts)

    def next_to_close(self, warehouse: Warehouse, name: str) -> str | None:
        closed = warehouse.rows("select max(period) as last from billing.closes where marketplace_id = ?", [name])
        waiting = [period for period in self.told.periods if period > (closed[0]["last"] or "")]
        return waiting[0] if waiting else None

    def is_closed_everywhere(self, warehouse: Warehouse, period: str) -> bool:
        closes = warehouse.rows("select count(*) as number from billing.closes where period = ?", [period])
        return closes[0]["number"] == len(self.told.marketplaces)

    def remember(self, warehouse: Warehouse) -> None:
        for close in warehouse.rows("select period, marketplace_id from billing.closes"):
            for table in FROZEN:
                key = table, close["period"], close["marketplace_id"]
                if key not in self.frozen:
                    self.frozen[key] = self.content(warehouse, *key)

    def assert_nothing_frozen_changed(self, warehouse: Warehouse) -> None:
        for key, content in self.frozen.items():
            assert self.content(warehouse, *key) == content, key

    def content(self, warehouse: Warehouse, table: str, period: str, marketplace_id: str) -> str:
        query = f"from {table} where {FROZEN[table]} = ? and marketplace_id = ? order by all"
        return json.dumps(warehouse.rows(query, [period, marketplace_id]), default=str)

    def rows(self, warehouse: Warehouse, table: str) -> list[tuple]:
        return warehouse.con.execute(f"from {table} order by all").fetchall()

    def assert_it_comes_to_the_reference(self, warehouse: Warehouse) -> None:
        told = self.told
        books = bill_by_hand(told.rows(), told.marketplaces, told.versions(), self.periods)
        expected: dict[tuple, list] = defaultdict(lambda: [0, Decimal(0)])
        for line in books.fee_lines:
            key = line["period"], line["marketplace_id"], line["seller_id"], line["terms_id"], line["kind"]
            expected[key] = [line["units"], line["amount"]]
        booked: dict[tuple, list] = defaultdict(lambda: [0, Decimal(0)])
        for row in warehouse.rows("""
            select period, marketplace_id, seller_id, terms_id, kind, units, amount from billing.fee_lines
            union all
            select period, marketplace_id, seller_id, terms_id, kind, units, amount from billing.adjustments"""):
            *key, units, amount = row.values()
            booked[tuple(key)][0] += units
            booked[tuple(key)][1] += amount
        assert {key: value for key, value in booked.items() if any(value)} == {
            key: value for key, value in expected.items() if any(value)
        }
        owed = warehouse.rows("""
            select marketplace_id, seller_id, sum(total) as total from billing.statements group by all""")
        due: dict[tuple, Decimal] = defaultdict(Decimal)
        for line in books.fee_lines:
            due[line["marketplace_id"], line["seller_id"]] += line["amount"]
        assert {(r["marketplace_id"], r["seller_id"]): r["total"] for r in owed if r["total"]} == {
            key: total for key, total in due.items() if total
        }
        for table in (
            *("core.enrolments", "core.units", "core.contacts", "billing.performance"),
            *("core.requests", "core.refunds", "core.defects", "billing.defects", "billing.refunds", "billing.service"),
        ):
            names = COLUMNS[table].split()
            known = f"select {', '.join(names)} from {table} where marketplace_id <> 'unknown'"
            by_hand = [line for line in by_hand_in(books, table) if line["marketplace_id"] != "unknown"]
            found = in_order(warehouse.con.execute(known).fetchall())
            assert found == in_order(tuple(line[name] for name in names) for line in by_hand), table
        for table in (name for name in KNOWN_NOW if name.endswith("_balance")):
            assert warehouse.rows(f"from {table} where difference <> 0") == []

    def assert_a_full_run_would_show_the_same(self, warehouse: Warehouse) -> None:
        """Re-rating looks at late orders alone; making all periods anew as a whole must show nothing else."""
        shown = {table: self.rows(warehouse, table) for table in KNOWN_NOW}
        warehouse.makes_anew = True
        bill(warehouse, self.periods, **self.places)
        warehouse.makes_anew = False
        for table, before in shown.items():
            assert self.rows(warehouse, table) == before, table

    def assert_the_journal_is_the_statements(self, warehouse: Warehouse) -> None:
        sums = "select currency from billing.journal group by currency having sum(debit) <> sum(credit)"
        assert warehouse.rows(sums) == []
        lines = """
            select period, marketplace_id, seller_id, amount from billing.fee_lines
            semi join billing.closes using (period, marketplace_id) where amount <> 0
            union all
            select posted_period, marketplace_id, seller_id, amount from billing.adjustments as adjustment
            semi join billing.closes as close
                on close.period = adjustment.posted_period and close.marketplace_id = adjustment.marketplace_id
            where amount <> 0"""
        posted = """
            select period, marketplace_id, seller_id, debit - credit as amount from billing.journal
            where account = 'Assets:Receivable:Sellers'"""
        assert warehouse.con.execute(f"({lines}) except all ({posted})").fetchall() == []
        assert warehouse.con.execute(f"({posted}) except all ({lines})").fetchall() == []
