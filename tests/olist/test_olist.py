"""Real orders: the months of 2018, billed, against plain SQL on the files and the totals of the README beside this."""

import re
from collections.abc import Generator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from house import SHARED_DATA, bill, load_paths, opened

from assets.warehouse import Warehouse

HERE = Path(__file__).parent
OLIST = SHARED_DATA / "olist"
BR = "A2Q3Y263D00KWC"
MONTHS = [f"2018-{month:02}" for month in range(1, 9)]

pytestmark = pytest.mark.skipif(not OLIST.exists(), reason="the Olist files are not at hand")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Generator[Warehouse]:
    """All files of the folder loaded, and eight months billed."""
    with opened(tmp_path_factory.mktemp("olist")) as warehouse:
        report = load_paths(warehouse, [OLIST])
        assert not report.refusals
        bill(warehouse, MONTHS)
        yield warehouse


@pytest.fixture(scope="module")
def by_hand() -> list[tuple]:
    query = (HERE / "by_hand.sql").read_text(encoding="utf-8")
    for name in ("order_items", "orders", "order_reviews"):
        query = query.replace(f"'olist_{name}_dataset.csv'", f"'{OLIST}/olist_{name}_dataset.csv'")
    with duckdb.connect() as con:
        return con.execute(query).fetchall()


def test_every_line_is_what_plain_sql_says(warehouse: Warehouse, by_hand: list[tuple]) -> None:
    lines = warehouse.con.execute("""
        select line.period, line.seller_id, line.units, performance.contacts, line.tier, line.amount
        from billing.fee_lines as line
        join billing.performance as performance using (period, marketplace_id, seller_id)
        where kind = 'charge'
        order by line.period, line.seller_id""").fetchall()
    assert len(lines) > 5_000
    assert lines == by_hand


def test_the_totals_of_the_readme(warehouse: Warehouse) -> None:
    told = [
        (period, *(Decimal(number.replace(",", "")) for number in numbers))
        for period, *numbers in re.findall(
            r"^\| (\d{4}-\d\d) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,.]+) \|$",
            (HERE / "README.md").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    ]
    billed = warehouse.con.execute(
        """
        select units.period, units.chargeable, contacts.counted, count(*) filter (statement.total > 0), sum(total)
        from audit.unit_balance as units
        join audit.contact_balance as contacts using (period, marketplace_id)
        join billing.statements as statement using (period, marketplace_id)
        where marketplace_id = ?
        group by all
        order by units.period""",
        [BR],
    ).fetchall()
    assert [row[0] for row in told] == MONTHS
    assert billed == told


def test_nothing_is_lost_on_the_way(warehouse: Warehouse) -> None:
    assert warehouse.rows("from audit.unit_balance where difference <> 0 or shipped <> chargeable") == []
    assert warehouse.rows("from audit.contact_balance where difference <> 0") == []
    unaccounted = """
        from audit.files
        where rows_read <> rows_loaded + rows_duplicate + rows_quarantined + rows_skipped"""
    assert warehouse.rows(unaccounted) == []
    read = warehouse.rows(
        "select dataset, rows_read, rows_loaded, rows_quarantined from audit.files where path like '%.parquet'"
        " order by dataset"
    )
    assert [tuple(row.values()) for row in read] == [
        ("order_items", 112_650, 39_664, 72_986),
        ("shipments", 112_650, 38_471, 72_986),
    ]


def test_orders_shipped_before_they_were_placed_are_reported(warehouse: Warehouse) -> None:
    reported = "select count(distinct subject) as orders from audit.exceptions where kind = 'shipped_before_ordered'"
    assert warehouse.rows(reported) == [{"orders": 55}]
