"""Months under other terms, by the command: what it shows and writes, and what it leaves out and says so."""

import csv
import json
import re
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from finance import APRIL, MARCH, MAY, US, Finance
from house import DATA, PRESS_WITHOUT_PDF, bill, close_period, load_paths, opened, row, write_csv

from pipelines.cli import cli

JP, DE = "A1VC38T7YXB528", "A1PA6795UKMFR9"
MONTHS = ("2026-03", "2026-04", "2026-05", "2026-06")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, billed, with its first month closed."""
    place = tmp_path_factory.mktemp("simulated")
    with opened(place) as warehouse:
        load_paths(warehouse, [DATA / "sample"])
        close_period(warehouse, MONTHS[0], press=PRESS_WITHOUT_PDF)
        bill(warehouse, MONTHS)
    return place


@pytest.fixture
def terms(tmp_path: Path) -> Path:
    """A copy of the terms in force, to be changed."""
    return Path(shutil.copytree(DATA / "terms", tmp_path / "other"))


def change(path: Path, pattern: str, by: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.search(pattern, text)
    path.write_text(re.sub(pattern, by, text), encoding="utf-8")


def simulate(home: Path, terms: Path, *more: str, first: str = MONTHS[0], last: str = MONTHS[-1]) -> Result:
    return CliRunner().invoke(
        cli,
        ["simulate", "--terms", str(terms), "--from", first, "--to", last, *more],
        env={"CSBA_HOME": str(home), "COLUMNS": "160"},
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def amount(table: list[dict[str, str]] | list[Mapping[str, str]], name: str, marketplace: str) -> Decimal:
    return sum((Decimal(row[name]) for row in table if row["marketplace_id"] == marketplace), Decimal(0))


def test_the_terms_in_force_change_nothing(home: Path, terms: Path, tmp_path: Path) -> None:
    before = (home / "warehouse.duckdb").read_bytes()
    found = simulate(home, terms, "--out", str(tmp_path / "out"))
    assert (found.exit_code, "Nothing changes for any seller" in found.stdout) == (0, True)
    assert "illustrative" in found.stdout
    assert not found.stderr.strip()
    totals = rows(tmp_path / "out" / "totals.csv")
    assert len(totals) == 12
    assert all(row["known"] == row["simulated"] and Decimal(row["difference"]) == 0 for row in totals)
    # what README says that the demo comes to
    assert [amount(totals, "known", name) for name in (US, JP, DE)] == [
        Decimal("549.28"),
        Decimal(22_876),
        Decimal("79.20"),
    ]
    assert (home / "warehouse.duckdb").read_bytes() == before


def test_all_that_is_shown_agrees(home: Path, terms: Path, tmp_path: Path) -> None:
    change(terms / "us.toml", r"fee = 0\.20", "fee = 0.30")
    change(terms / "us.toml", r"up_to = 0\.05", "up_to = 0.07")
    (terms / "jp.toml").unlink()
    found = simulate(home, terms, "--out", str(tmp_path / "out"))
    assert found.exit_code == 0
    assert "JP keeps its terms" in found.stdout
    tables = {name: rows(tmp_path / "out" / f"{name}.csv") for name in ("totals", "moves", "sellers", "seller_months")}
    told = json.loads(simulate(home, terms, "--json").stdout)
    assert told["terms_kept"] == [JP]
    assert {each["marketplace_id"] for each in told["terms"]} == {
        each for each in (US, DE, *(row["marketplace_id"] for row in told["terms"])) if each != JP
    }
    for name in ("totals", "moves", "sellers"):
        assert told[name] == [
            {key: int(row[key]) if isinstance(value, int) else row[key] for key, value in like.items()}
            for row, like in zip(tables[name], told[name], strict=True)
        ]
    changes = {name: amount(table, "difference", US) for name, table in tables.items()}
    assert len(set(changes.values())) == 1
    assert changes["totals"] != 0
    assert amount(tables["totals"], "difference", JP) == amount(tables["totals"], "difference", DE) == 0
    assert f"{changes['totals']:+,.2f}" in found.stdout
    moved = [row for row in tables["seller_months"] if row["standing_known"] != row["standing_simulated"]]
    assert len(moved) == sum(int(row["sellers_moved"]) for row in tables["totals"])
    assert len(moved) == sum(int(row["months_moved"]) for row in tables["sellers"])
    assert {(row["standing_known"], row["standing_simulated"]) for row in moved} >= {("tier 2", "tier 1")}
    page = (tmp_path / "out" / "simulation.html").read_text(encoding="utf-8")
    assert f"{abs(changes['totals']):,.2f}" in page
    assert "Fees are illustrative" in page
    assert "It keeps its terms" in page


def test_those_whose_totals_change_most_come_first(home: Path, terms: Path, tmp_path: Path) -> None:
    change(terms / "jp.toml", r"fee = \d+", "fee = 50")
    assert simulate(home, terms, "--out", str(tmp_path / "out")).exit_code == 0
    changes = [abs(Decimal(row["difference"])) for row in rows(tmp_path / "out" / "sellers.csv")
               if row["marketplace_id"] == JP]  # fmt: skip
    assert changes == sorted(changes, reverse=True)
    assert changes[0] > 0


def test_one_marketplace(home: Path, terms: Path) -> None:
    told = json.loads(simulate(home, terms, "--json", "--marketplace", JP, first="2026-05", last="2026-05").stdout)
    assert [(row["marketplace_id"], row["period"]) for row in told["totals"]] == [(JP, "2026-05")]
    unlisted = simulate(home, terms, "--marketplace", "nowhere")
    assert (unlisted.exit_code, "'nowhere' is not listed" in unlisted.stderr) == (2, True)


def test_a_refused_file_stops_its_marketplace_alone(home: Path, terms: Path) -> None:
    change(terms / "us.toml", "trial_days = 30", "trial_days = 30.5")
    found = simulate(home, terms, "--json")
    assert found.exit_code == 2
    assert "us.toml, version US-2019-01: `trial_days`" in found.stderr
    told = json.loads(found.stdout)
    assert {row["marketplace_id"] for row in told["totals"]} == {JP, DE}
    assert len(told["terms_refused"]) == 1


def test_terms_that_begin_too_late_stop_their_marketplace_alone(home: Path, terms: Path) -> None:
    change(terms / "de.toml", r"from = [\d-]+", "from = 2026-04-15")
    found = simulate(home, terms, "--json")
    assert found.exit_code == 2
    assert "of DE (A1PA6795UKMFR9) is left out" in found.stderr
    assert re.search(r"the first version in de.toml, \S+, begins on 2026-04-15", found.stderr)
    told = json.loads(found.stdout)
    assert {row["marketplace_id"] for row in told["totals"]} == {US, JP}
    assert [(each["marketplace_id"], each["periods"]) for each in told["left_out"]] == [(DE, list(MONTHS))]


def test_a_unit_before_the_first_version(tmp_path: Path, terms: Path) -> None:
    """Its seller was activated later, so that no activation stops it."""
    placed = row("order_items", order_id="A", purchased_at="2026-03-02T12:00:00Z")
    shipped = row("shipments", shipment_id="P", order_id="A", shipped_at="2026-03-03T12:00:00Z")
    later = {"shipment_id": "Q", "order_id": "B", "shipped_at": "2026-03-28T12:00:00Z"}
    files = {
        "sellers": [row("sellers", seller_id="S")],
        "enrolment_events": [row("enrolment_events", seller_id="S", effective_at="2026-03-20T00:00:00Z")],
        "order_items": [placed, row("order_items", order_id="B", purchased_at="2026-03-27T12:00:00Z")],
        "shipments": [shipped, row("shipments", **later)],
    }
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, write_csv(tmp_path / "files", files))
        bill(warehouse, [MARCH])
    change(terms / "us.toml", "from = 2019-01-01", "from = 2026-03-15")
    change(terms / "us.toml", "from = 2021-11-16", "from = 2026-04-01")
    found = simulate(tmp_path / "home", terms, first=MARCH, last=MARCH)
    assert (found.exit_code, found.stdout) == (2, "")
    assert "a unit has terms in force when it ships" in found.stderr
    assert "us.toml, US-2019-01, begins on 2026-03-15" in found.stderr


def test_months_that_were_never_run_are_said(home: Path, terms: Path) -> None:
    found = simulate(home, terms, "--json", first="2026-05", last="2026-08")
    assert found.exit_code == 2
    assert "2026-07..2026-08 of US (ATVPDKIKX0DER) is left out: it was never run" in found.stderr
    assert "csba run 2026-07..2026-08" in found.stderr
    assert {row["period"] for row in json.loads(found.stdout)["totals"]} == {"2026-05", "2026-06"}


@pytest.fixture
def finance(tmp_path: Path) -> Finance:
    """March closed, April a draft; nobody has the home open."""
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        finance.ship("B", 20, APRIL)
        finance.run(MARCH, APRIL)
        finance.close(MARCH)
    return finance


@contextmanager
def at_work(finance: Finance) -> Generator[None]:
    with opened(finance.warehouse.home) as finance.warehouse:
        yield


def test_what_came_since_is_said_and_a_run_mends_it(finance: Finance, terms: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with at_work(finance):
        finance.ship("C", 30, MAY)
    assert simulate(home, terms, first=MARCH, last=APRIL).exit_code == 0, "it is of another month"
    with at_work(finance):
        finance.contact("C1", MARCH, order="A")
        finance.contact("C2", APRIL, order="B")
        finance.contact("C3", APRIL, order="B")
    found = simulate(home, terms, "--json", first=MARCH, last=APRIL)
    assert (found.exit_code, found.stdout) == (2, "")
    assert "2026-03 of US (ATVPDKIKX0DER) is left out: rows that were loaded" in found.stderr
    assert "since it was rated last; first: csba run 2026-04" in found.stderr
    assert "since it was run; first: csba run 2026-04" in found.stderr
    with at_work(finance):
        finance.run(APRIL)
    found = simulate(home, terms, "--json", first=MARCH, last=APRIL)
    assert found.exit_code == 0, found.stderr
    # one contact on ten units is tier 2, and so are two on twenty
    assert [row["known"] for row in json.loads(found.stdout)["totals"]] == ["4.0000", "8.0000"]


def test_terms_changed_since_are_said(finance: Finance, terms: Path, tmp_path: Path) -> None:
    change(finance.terms / "us.toml", r"fee = 0\.20", "fee = 0.25")
    with at_work(finance):
        finance.run(MAY, reprice=True)
    found = simulate(tmp_path / "home", terms, first=MARCH, last=APRIL)
    assert found.exit_code == 2
    assert "2026-04 of US (ATVPDKIKX0DER) is left out" in found.stderr
    assert "2026-03 of" not in found.stderr


def test_a_longer_trial(finance: Finance, terms: Path, tmp_path: Path) -> None:
    change(terms / "us.toml", "trial_days = 30", "trial_days = 460")  # from 2025-01-01 to 2026-04-06
    with at_work(finance):
        finance.ship("late", 7, APRIL, shipped_at="2026-04-07T12:00:00Z")
        finance.run(APRIL)
    found = simulate(tmp_path / "home", terms, "--out", str(tmp_path / "out"), first=MARCH, last=APRIL)
    assert found.exit_code == 0, found.stderr
    shown = [
        (row["units_known"], row["units_simulated"], row["standing_known"], row["standing_simulated"], row["simulated"])
        for row in rows(tmp_path / "out" / "seller_months.csv")
    ]
    assert shown == [("10", "0", "tier 1", "trial", "0.0000"), ("27", "7", "tier 1", "tier 1", "1.4000")]


def test_what_cannot_be_used_is_said(home: Path, terms: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for found, said in (
        (simulate(home, tmp_path / "empty"), "has no terms"),
        (simulate(home, tmp_path / "missing"), "there is no such folder"),
        (simulate(home, terms, first="2026-05", last="2026-03"), "ends before it begins"),
        (simulate(home, terms, first="2026-13"), "is no billing period"),
        (simulate(home, terms, first="2027-01", last="2027-02"), "csba run 2027-01..2027-02"),
    ):
        assert (found.exit_code, said in found.stderr) == (2, True), (said, found.stderr)
        assert "Traceback" not in found.output
    with opened(tmp_path / "new") as warehouse:
        load_paths(warehouse, [DATA / "sample"])
    found = simulate(tmp_path / "new", terms)
    assert (found.exit_code, "run a month first: csba run PERIOD" in found.stderr) == (2, True)
