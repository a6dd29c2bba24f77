"""Months under other terms, on generated worlds: equal to the books under the terms in force, else to the reference."""

import hashlib
from datetime import datetime
from pathlib import Path

import pytest
from house import PRESS_WITHOUT_PDF, bill, close_period, load_paths, opened
from reference import bill as bill_by_hand
from test_reference import COLUMNS, in_order, with_few_items_near
from worlds import World, other_terms, world

from pipelines.simulating import Simulation, simulated

A_FEW = (1, 2)
MANY = (0, *range(3, 203))
AFTER_ALL = datetime(2099, 1, 1)
LINE = COLUMNS["billing.fee_lines"].split()


@pytest.mark.parametrize("seed", A_FEW)
def test_a_world_under_its_terms_and_under_others(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_simulated(seed, tmp_path, monkeypatch)


@pytest.mark.prove
@pytest.mark.parametrize("seed", MANY)
def test_many_worlds_under_their_terms_and_under_others(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_simulated(seed, tmp_path, monkeypatch)


def assert_simulated(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Simulated(seed, folder)
    if seed % 2 == 0:
        with_few_items_near(monkeypatch)
    told.assert_all()


class Simulated:
    """A world that was billed: in each fifth one its first month was closed before the last rows came."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed, self.folder, self.told = seed, folder, world(seed)
        self.home = folder / "home"
        marketplaces = self.told.write_marketplaces(folder / "marketplaces.csv")
        places = {"marketplaces": marketplaces, "terms": folder / "terms"}
        self.told.write_terms(folder / "terms")
        *first, last = [path for load in self.told.write(folder / "files") for path in load]
        with opened(self.home) as warehouse:
            load_paths(warehouse, first, marketplaces)
            if seed % 5 == 1:
                close_period(warehouse, self.told.periods[0], now=AFTER_ALL, press=PRESS_WITHOUT_PDF, **places)
            load_paths(warehouse, [last], marketplaces)
            bill(warehouse, self.told.periods, **places)

    def assert_all(self) -> None:
        before = self.all_files()
        with simulated(self.home, self.folder / "terms", self.told.periods) as found:
            self.assert_whole(found)
            self.assert_lines(found, "known", self.told)
            self.assert_lines(found, "simulated", self.told)
            changed = "from simulation.seller_months where difference <> 0 or standing_known <> standing_simulated"
            assert found.warehouse.rows(changed) == []
        other = other_terms(self.told, self.seed)
        other.write_terms(self.folder / "other")
        with simulated(self.home, self.folder / "other", self.told.periods) as found:
            self.assert_whole(found)
            self.assert_lines(found, "known", self.told)
            self.assert_lines(found, "simulated", other)
            self.assert_it_adds_up(found)
        assert self.all_files() == before, "nothing in the home is changed"

    def assert_whole(self, found: Simulation) -> None:
        assert (found.left_out, found.refused, found.kept) == ([], [], [])

    def assert_lines(self, found: Simulation, side: str, told: World) -> None:
        books = bill_by_hand(told.rows(), told.marketplaces, told.versions(), told.periods)
        query = f"select {', '.join(LINE)} from simulation.lines where side = ?"
        lines = found.warehouse.con.execute(query, [side]).fetchall()
        assert in_order(lines) == in_order(tuple(line[name] for name in LINE) for line in books.fee_lines)

    def assert_it_adds_up(self, found: Simulation) -> None:
        for column, side in (("known", "known"), ("simulated", "simulated")):
            sums = [
                found.warehouse.rows(
                    f"select marketplace_id, sum({column}) as amount from {table} group by 1 order by 1"
                )
                for table in ("simulation.totals", "simulation.sellers", "simulation.seller_months")
            ]
            lines = f"""
                select marketplace_id, sum(amount) as amount from simulation.lines where side = '{side}'
                group by 1 order by 1"""
            assert sums == [found.warehouse.rows(lines)] * 3
        moves = "select sum(sellers) as sellers, sum(difference) as difference from simulation.moves"
        months = "select count(*) as sellers, sum(difference) as difference from simulation.seller_months"
        assert found.warehouse.rows(moves) == found.warehouse.rows(months)

    def all_files(self) -> dict[str, str]:
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.home.rglob("*"))
            if path.is_file()
        }
