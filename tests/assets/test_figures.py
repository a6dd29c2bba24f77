"""What operators see of a table, in Markdown: whatever a value is, it shows as itself."""

import re
from base64 import b64decode
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

from house import DATA, bill, load_paths, opened

from assets.core.marketplaces import read_marketplaces
from assets.figures import as_table, chart_of, figures_of
from assets.making import set_scope
from assets.tables import tables

LISTED = read_marketplaces(DATA / "marketplaces.csv")


def drawn(chart: str) -> list[str]:
    """The texts of a chart's drawing, in order."""
    (encoded,) = re.findall(r"\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)$", chart)
    return [each.text or "" for each in ElementTree.fromstring(b64decode(encoded)).iter() if each.tag.endswith("text")]


def test_a_value_is_no_markdown() -> None:
    table = as_table(("sku", "rows"), [("a|b <b>x</b> `c` [d](http://e)\n# f", 1200), (None, None), ("x" * 200, 0)])
    head, marks, first, nothing, long = table.splitlines()
    assert (head, marks) == ("| sku | rows |", "| --- | --: |")
    assert first == r"| a\|b \<b\>x\<\/b\> \`c\` \[d\]\(http\:\/\/e\) \# f | 1,200 |"
    assert nothing == "|  |  |"
    assert long == f"| {'x' * 79}… | 0 |"


def test_a_chart_says_its_numbers_in_its_description_too() -> None:
    chart = chart_of("units <shipped>", [("2026-03", 12_000), ("2026-04", 0), ("2026-05", -3)], chosen="2026-03")
    assert drawn(chart) == ["12k", "2026-03", "0", "2026-04", "-3", "2026-05"]
    assert "2026-03 12,000, 2026-04 0, 2026-05 -3" in chart
    assert chart_of("nothing", []) == ""


def test_figures_are_those_of_the_month_by_marketplace(tmp_path: Path) -> None:
    with opened(tmp_path) as warehouse:
        load_paths(warehouse, [DATA / "sample"])
        bill(warehouse, ["2026-04", "2026-05"])
        set_scope(warehouse, "2026-05")
        found = {name: figures_of(warehouse.con, table, "2026-05", LISTED) for name, table in tables().items()}
        for name, figures in found.items():
            period = tables()[name].period_column
            only = f"where {period} = '2026-05'" if tables()[name].is_by_period else ""
            if tables()[name].is_by_period and tables()[name].is_view:
                assert figures.rows is None
                continue
            assert warehouse.rows(f"select count(*) as rows from {name} {only}") == [{"rows": figures.rows}], name
        (balance,) = warehouse.rows("""
            select cast(sum(shipped) filter (period = '2026-05') as bigint) as may,
                cast(sum(shipped) filter (period = '2026-04') as bigint) as april from audit.unit_balance""")
        (amount,) = warehouse.rows(
            "select sum(amount) as eur from billing.fee_lines where period = '2026-05' and currency = 'EUR'"
        )
    units = found["core.units"]
    assert units.totals == {"units": balance["may"]}
    assert [text for text in drawn(units.chart) if "-" in text] == ["2026-04", "2026-05"]
    assert f"2026-04 {balance['april']:,}, 2026-05 {balance['may']:,}]" in units.chart
    assert Decimal(amount["eur"]) > 0
    lines = found["billing.fee_lines"].by_marketplace
    assert f"{amount['eur']:,.2f} EUR |" in lines
    assert re.search(r"^\| JP \| [\d,]+ \| [\d,]+ \| [\d,]+ JPY \|$", lines, re.MULTILINE)
