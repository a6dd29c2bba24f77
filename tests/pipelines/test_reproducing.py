"""A closed period made again: the same, or what differs; and after the templates, or the books, have changed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from finance import APRIL, MARCH, MAY, Finance, credit
from house import NOW, PRESS, opened

from assets.warehouse import FILE
from pipelines.crediting import grant
from pipelines.reproducing import Reproduction, reproduce
from reports.statement import Press
from reports.statement.names import file_names
from reports.statement.words import Words


@pytest.fixture(scope="module")
def closed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two closed months with a late shipment and a credit booked in the second, and a late contact since."""
    folder = tmp_path_factory.mktemp("closed")
    with opened(folder / "home") as warehouse:
        finance = Finance(warehouse, folder)
        finance.close(MARCH)
        finance.ship("late", 5, MARCH)
        finance.ship("B", 20, APRIL)
        grant(warehouse, credit("0.50"), NOW)
        finance.close(APRIL)
        finance.contact("C1", MARCH)
        finance.contact("C2", APRIL, order="B")
        finance.run(MAY)
    return folder / "home"


@pytest.fixture
def home(closed_home: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return shutil.copytree(closed_home, tmp_path / "home")


OTHER_CODE = replace(PRESS, code_version="other")


def again(home: Path, period: str, press: Press = PRESS) -> Reproduction:
    (found,) = reproduce(home, period, press)
    return found


def damage(home: Path, statement: str) -> None:
    with duckdb.connect(str(home / FILE)) as con:
        con.execute(statement)


def test_a_closed_period_comes_out_the_same_whatever_came_since(home: Path) -> None:
    for period in (MARCH, APRIL):
        found = again(home, period)
        assert found.differences == []
        assert (found.is_same_code, found.is_same_press, found.files) == (True, True, 5)
        assert found.rows >= 5


@pytest.mark.parametrize("number", [4, pytest.param(6, marks=pytest.mark.prove)])
def test_months_with_late_rows_of_all_kinds(number: int, tmp_path: Path) -> None:
    months = [f"2026-0{month}" for month in range(1, number + 1)]
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        for place, month in enumerate(months):
            finance.ship(f"of-{month}", 10 + place, month)
            finance.contact(f"of-{month}", month, order=f"of-{month}")
            for earlier in months[:place]:
                finance.ship(f"late-{month}-{earlier}", 3, earlier)
            if place:
                before = months[place - 1]
                finance.contact(f"late-{month}", before, order=f"of-{before}")
                finance.contact(
                    f"of-{before}", before, order=f"of-{before}", is_void="true", updated_at=f"{month}-28T00:00:00Z"
                )
                grant(warehouse, credit("0.10", period=before, reason=month), NOW)
            if place == 2:
                finance.edit_terms("{ up_to = 0.05, fee = 0.20 }", "{ up_to = 0.05, fee = 0.22 }")
                finance.run(month, reprice=True)
            finance.close(month)
        booked = warehouse.rows(
            "select posted_period, count(*) as entries from billing.adjustments group by all order by all"
        )
        assert [row["posted_period"] for row in booked] == months[1:]
        assert booked[-1]["entries"] >= number
    for month in months:
        found = again(tmp_path / "home", month)
        assert found.differences == []
        assert found.files == 5


def test_an_open_period_is_not_made_again(home: Path) -> None:
    assert reproduce(home, MAY, PRESS) == []


def test_changed_words_do_not_touch_what_was_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Words, "remark", "Other words.")
    names = file_names("S")
    assert again(home, MARCH).differences == [f"{name}: made again, it is another" for name in (names.html, names.pdf)]
    found = again(home, MARCH, OTHER_CODE)
    assert found.differences == []
    assert (found.is_same_code, found.files) == (False, 5)


def test_without_the_engine_of_the_close_the_rest_is_proved(home: Path) -> None:
    found = again(home, MARCH, replace(PRESS, pdf="none"))
    assert found.differences == []
    assert (found.is_same_code, found.is_same_press) == (True, False)


def test_a_month_before_the_first_close_stays_on_the_chart(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        finance.run(MARCH)
        finance.ship("B", 20, APRIL)
        finance.close(APRIL)
        (view,) = warehouse.con.execute("select view from billing.kept_pages where view is not null").fetchall()[0]
    assert [(month["period"], month["units"]) for month in json.loads(view)["months"][-2:]] == [
        (MARCH, 10),
        (APRIL, 20),
    ]
    assert again(tmp_path / "home", APRIL).differences == []


@pytest.mark.parametrize(
    "tampered_with",
    [
        {
            "update billing.fee_lines set amount = amount + 1 where period = '2026-03'": "billing.fee_lines",
            "update billing.journal set debit = debit + 1 where debit > 0 and period = '2026-04'": "billing.journal",
            "update billing.kept_pages set html = html || ' '": "is not the one whose hash was kept",
        },
        {
            "delete from billing.fee_lines where period = '2026-03'": "is made but is not in the books",
            "update billing.adjustments set units = units + 1 where kind <> 'credit'": "billing.adjustments",
            "update billing.statements set total = total + 1 where period = '2026-04'": "billing.statements",
            "delete from billing.kept_pages where statement_id is null": "index.html: its copy was not kept",
        },
        {
            "update raw.shipments set quantity = 11 where shipment_id = 'P-A'": "billing.fee_lines",
            "update billing.adjustments set reason = 'another' where kind = 'credit'": "billing.adjustments",
            "update billing.kept_pages set view = replace(view, '10', '11')": "is not the one whose hash was kept",
        },
        {"update billing.closes set manifest = replace(manifest, '.pdf\": \"', '.pdf\": \"0')": "it is another"},
    ],
)
def test_whatever_was_tampered_with_is_named(home: Path, tampered_with: dict[str, str]) -> None:
    for statement in tampered_with:
        damage(home, statement)
    differences = [each for period in (MARCH, APRIL) for each in again(home, period).differences]
    for said in tampered_with.values():
        assert any(said in each for each in differences), (said, differences)
