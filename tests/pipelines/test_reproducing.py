"""A closed period made again: the same, or what differs; and after the templates, or the books, have changed."""

from pathlib import Path

import duckdb
import pytest
from finance import APRIL, MARCH, MAY, US, Finance, credit
from house import NOW, opened

from assets.warehouse import FILE
from pipelines.crediting import grant
from pipelines.reproducing import Reproduction, reproduce
from reports.statement import pages
from reports.statement.names import file_name


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two closed months with a late shipment and a credit booked in the second, and a late contact since."""
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        finance.close(MARCH)
        finance.ship("late", 5, MARCH)
        finance.ship("B", 20, APRIL)
        grant(warehouse, credit("0.50"), NOW)
        finance.close(APRIL)
        finance.contact("C1", MARCH)
        finance.contact("C2", APRIL, order="B")
        finance.run(MAY)
    return tmp_path / "home"


def again(home: Path, period: str, code_version: str = "test") -> Reproduction:
    (found,) = reproduce(home, period, code_version)
    return found


def damage(home: Path, statement: str) -> None:
    with duckdb.connect(str(home / FILE)) as con:
        con.execute(statement)


def test_a_closed_period_comes_out_the_same_whatever_came_since(home: Path) -> None:
    for period in (MARCH, APRIL):
        found = again(home, period)
        assert found.differences == []
        assert (found.is_same_code, found.pages) == (True, 2)
        assert found.rows >= 5


def test_six_months_with_late_rows_of_all_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    months = [f"2026-0{month}" for month in range(1, 7)]
    with opened(tmp_path / "home") as warehouse:
        finance = Finance(warehouse, tmp_path)
        for number, month in enumerate(months):
            finance.ship(f"of-{month}", 10 + number, month)
            finance.contact(f"of-{month}", month, order=f"of-{month}")
            for earlier in months[:number]:
                finance.ship(f"late-{month}-{earlier}", 3, earlier)
            if number:
                before = months[number - 1]
                finance.contact(f"late-{month}", before, order=f"of-{before}")
                finance.contact(
                    f"of-{before}", before, order=f"of-{before}", is_void="true", updated_at=f"{month}-28T00:00:00Z"
                )
                grant(warehouse, credit("0.10", period=before, reason=month), NOW)
            if number == 3:
                finance.edit_terms("{ up_to = 0.05, fee = 0.20 }", "{ up_to = 0.05, fee = 0.22 }")
                finance.run(month, reprice=True)
            finance.close(month)
        booked = warehouse.rows(
            "select posted_period, count(*) as entries from billing.adjustments group by all order by all"
        )
        assert [row["posted_period"] for row in booked] == months[1:]
        assert booked[-1]["entries"] >= 10
    for code_version in ("test", "other code"):
        for month in months:
            found = again(tmp_path / "home", month, code_version)
            assert found.differences == []
            assert found.pages == 2
        monkeypatch.setattr(pages, "HERE", changed_templates(tmp_path))


def changed_templates(folder: Path) -> Path:
    changed = folder / "templates"
    changed.mkdir(exist_ok=True)
    for name in (pages.STATEMENT, pages.INDEX, pages.STYLE):
        text = (pages.HERE / name).read_text(encoding="utf-8")
        (changed / name).write_text(text.replace("<h1>", "<h1>New ").replace("--ground", "--floor"), encoding="utf-8")
    return changed


def test_an_open_period_is_not_made_again(home: Path) -> None:
    assert reproduce(home, MAY, "test") == []


def test_changed_templates_do_not_touch_what_was_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "HERE", changed_templates(tmp_path))
    assert any("the page is another" in each for each in again(home, MARCH).differences), (
        "under the same code it would be"
    )
    found = again(home, MARCH, "other code")
    assert found.differences == []
    assert (found.is_same_code, found.pages) == (False, 2)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("update billing.fee_lines set amount = amount + 1 where period = '2026-03'", "billing.fee_lines"),
        ("delete from billing.fee_lines where period = '2026-03'", "is made but is not in the books"),
        ("update billing.adjustments set units = units + 1 where kind <> 'credit'", "billing.adjustments"),
        ("update billing.adjustments set reason = 'another' where kind = 'credit'", "billing.adjustments"),
        ("update billing.statements set total = total + 1 where period = '2026-04'", "billing.statements"),
        ("update billing.journal set debit = debit + 1 where debit > 0 and period = '2026-04'", "billing.journal"),
        ("update raw.shipments set quantity = 11 where shipment_id = 'P-A'", "billing.fee_lines"),
        ("update billing.kept_pages set html = html || ' '", "is not the one whose hash was kept"),
        ("update billing.kept_pages set html = 'x', html_sha256 = sha256('x')", "are not those that were closed"),
        ("delete from billing.kept_pages where statement_id is null", "are not those that were closed"),
    ],
)  # fmt: skip
def test_whatever_was_tampered_with_is_named(home: Path, statement: str, said: str) -> None:
    damage(home, statement)
    differences = [each for period in (MARCH, APRIL) for each in again(home, period).differences]
    assert any(said in each for each in differences), differences


def test_kept_pages_of_other_code_are_proved_by_their_templates(home: Path) -> None:
    damage(home, "update billing.kept_pages set view = replace(view, 'March', 'May')")
    differences = again(home, MARCH, "other code").differences
    assert {each.split(":")[0] for each in differences} == {file_name("S"), "index.html"}
    assert all("the kept templates make another page" in each for each in differences)


def test_what_is_known_now_stands_beside_what_was_billed(home: Path) -> None:
    """The query that docs/closing.md gives."""
    with duckdb.connect(str(home / FILE), read_only=True) as con:
        found = con.execute(f"""
            select period, seller_id, billed.amount as billed, posted.amount as posted, known.amount as known
            from billing.fee_lines as billed
            full join billing.posted_lines as posted using (period, marketplace_id, seller_id, terms_id, kind)
            full join billing.rerated_lines as known using (period, marketplace_id, seller_id, terms_id, kind)
            where period = '{MARCH}' and marketplace_id = '{US}'""").fetchall()
    assert found == [(MARCH, "S", 2, 3, 6)]
