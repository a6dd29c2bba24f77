"""What an operator sees of a table at a glance: rows and totals by marketplace, a small chart, rows that break a check.

All of it is Markdown, as Dagster's page shows it; a chart is a drawing within the text. It is read from what was just
made, or from small tables that sum it up, so that it costs next to nothing beside making it.

Does not belong here: Dagster itself, and anything that is billed.
"""

import unicodedata
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from html import escape
from typing import Any

import duckdb

from assets.core.marketplaces import Marketplace
from assets.raw.datasets import DATASETS
from assets.tables import UNKNOWN, Table

Marketplaces = Mapping[str, Marketplace]

MONTHS = 12
LOADS = 12
LONGEST_VALUE = 80
"""Characters of a value in a table."""

WIDTH, HEIGHT, ABOVE, BELOW = 420, 110, 16, 16
INK, BAR, CHOSEN = "#80868f", "#9aa5e8", "#4f43dd"
"""Readable on light and on dark; the month that was made stands out."""

_MARKS = frozenset("\\`*_{}[]<>()#+!|~&:@/")
"""What Markdown, or a page that reads it, may take for more than text."""


@dataclass(frozen=True)
class Figures:
    """What is shown of a table; a text that is empty is not shown."""

    rows: int | None = None
    totals: dict[str, int] = field(default_factory=dict)
    """Over all marketplaces; amounts, which have a currency each, are not among them."""
    by_marketplace: str = ""
    chart: str = ""


def figures_of(con: duckdb.DuckDBPyConnection, table: Table, period: str, listed: Marketplaces) -> Figures:
    """Of a table that was just made for what is in `scope`; the chart ends with that period."""
    if table.is_view:  # the rows of one by period are joined only when it is asked: to count them would be to make it
        return Figures(None if table.is_by_period else _rows_of_view(con, table))
    totals = dict(table.totals)
    found = _by_marketplace(con, table.in_scope, totals, listed)
    summed = {
        name: sum(row[2 + number] or 0 for row in found)
        for number, name in enumerate(totals)
        if not any(isinstance(row[2 + number], Amount) for row in found)
    }
    if table.is_by_period:
        name, query = table.chart
        chart = chart_of(f"{name}, by month", _by_month(con, query, period), chosen=period)
    else:
        chart = _chart_by_marketplace(found)
    return Figures(sum(row[1] for row in found), summed, _as_listed(found, totals), chart)


def figures_of_whole(
    con: duckdb.DuckDBPyConnection, name: str, columns: Iterable[str], listed: Marketplaces
) -> Figures:
    """Of a table that Python makes, all of it; `columns` are its own."""
    if "marketplace_id" not in columns:
        return Figures(con.execute(f"select count(*) from {name}").fetchall()[0][0])
    totals = {each: f"sum({each})" for each in ("units", "amount") if each in columns}
    found = _by_marketplace(con, name, totals, listed)
    return Figures(sum(row[1] for row in found), {}, _as_listed(found, totals), _chart_by_marketplace(found))


def figures_of_dataset(con: duckdb.DuckDBPyConnection, dataset: str) -> Figures:
    """Of a raw table: the rows that loads brought; the chart has the last of them."""
    loads = con.execute(
        """
        select load_id, min(loaded_at), cast(sum(rows_loaded) as bigint) from audit.files
        where dataset = ? group by load_id order by load_id""",
        [dataset],
    ).fetchall()
    bars = [(f"{loaded_at:%Y-%m-%d}", rows) for _, loaded_at, rows in loads[-LOADS:]]
    return Figures(sum(rows for *_, rows in loads), chart=chart_of("rows loaded, by load", bars))


def refused_of_dataset(con: duckdb.DuckDBPyConnection, dataset: str, load_id: int) -> str:
    """The rows of a dataset that a load refused, by what was wrong with them: never a value, nor a row."""
    found = con.execute(
        """
        select column_name, check_name, count(*) from audit.quarantine
        join audit.files using (file_id, dataset)
        where dataset = ? and load_id = ? group by all order by count(*) desc, column_name, check_name limit 20""",
        [dataset, load_id],
    ).fetchall()
    return as_table(("column", "a good value is", "rows refused"), found) if found else ""


def as_table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown, numbers to the right; values are cut and stand for themselves, whatever is in them."""
    lines = [tuple(row) for row in rows]
    right = [all(isinstance(line[n], int | Decimal | Amount | None) for line in lines) for n in range(len(names))]
    marks = ("--:" if is_right else "---" for is_right in right)
    body = (" | ".join(_escaped(shown(value)) for value in line) for line in lines)
    return "\n".join(f"| {line} |" for line in (" | ".join(map(_escaped, names)), " | ".join(marks), *body))


def chart_of(title: str, bars: Sequence[tuple[str, int]], *, chosen: str = "") -> str:
    """A column for each label, as an image within Markdown; its numbers stand in its description, too."""
    if not bars:
        return ""
    room = WIDTH / len(bars)
    width, most = min(room * 0.7, 40.0), max((value for _, value in bars), default=0) or 1
    parts = []
    for number, (label, value) in enumerate(bars):
        middle, height = room * (number + 0.5), max(value, 0) / most * (HEIGHT - ABOVE - BELOW)
        top, fill = HEIGHT - BELOW - height, CHOSEN if label == chosen else BAR
        box = f'x="{middle - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
        parts += [
            f'<rect {box} fill="{fill}"/>',
            f'<text x="{middle:.1f}" y="{top - 4:.1f}">{_short(value)}</text>',
            f'<text x="{middle:.1f}" y="{HEIGHT - 3}">{escape(_fitting(label, room))}</text>',
        ]
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<g font-family="sans-serif" font-size="9" text-anchor="middle" fill="{INK}">{"".join(parts)}</g></svg>'
    )
    told = _escaped(shown(f"{title}: " + ", ".join(f"{label} {value:,}" for label, value in bars), longest=2_000))
    return f"{title}\n\n![{told}](data:image/svg+xml;base64,{b64encode(drawn.encode()).decode()})"


@dataclass(frozen=True)
class Amount:
    """A sum of money, as it is shown: with its currency."""

    value: Decimal
    currency: str
    minor_units: int

    def __str__(self) -> str:
        return f"{self.value:,.{self.minor_units}f} {self.currency}"


def _by_marketplace(
    con: duckdb.DuckDBPyConnection, rows: str, totals: Mapping[str, str], listed: Marketplaces
) -> list[tuple[Any, ...]]:
    """Each marketplace, by country, with its rows and the totals; `rows` is what follows FROM."""
    sums = "".join(f", {expression}" for expression in totals.values())
    found = con.execute(f"select marketplace_id, count(*){sums} from {rows} group by marketplace_id").fetchall()
    rows_shown = []
    for name, count, *values in found:
        place = listed.get(name)
        money = (place.currency, place.minor_units) if place else ("", 2)
        shown = (Amount(value, *money) if isinstance(value, Decimal) else value for value in values)
        rows_shown.append((place.country if place else name or UNKNOWN, count, *shown))
    return sorted(rows_shown, key=lambda row: row[:2])


def _as_listed(found: Sequence[tuple[Any, ...]], totals: Iterable[str]) -> str:
    return as_table(("marketplace", "rows", *totals), found) if found else ""


def _chart_by_marketplace(found: Sequence[tuple[Any, ...]]) -> str:
    return chart_of("rows, by marketplace", [(row[0], row[1]) for row in found])


def _by_month(con: duckdb.DuckDBPyConnection, query: str, period: str) -> list[tuple[str, int]]:
    """The last months up to a period, with what a query says of each; those without rows are left out."""
    first = f"{int(period[:4]) - 1}-{period[5:]}"
    return con.execute(
        f"""
        select period, cast(sum(number) as bigint) from ({query}) as by_month(period, number)
        where period > $first and period <= $last group by period order by period""",
        {"first": first, "last": period},
    ).fetchall()


def _rows_of_view(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Rows of a view. One of a row for each key of a dataset has those in force, which are known without a look."""
    for dataset in DATASETS.values():
        if dataset.key == table.key:
            query = """
                select coalesce((select sum(rows_loaded) from audit.files where dataset = $1), 0)
                    - (select count(*) from raw.superseded where dataset = $1)"""
            return int(con.execute(query, [dataset.name]).fetchall()[0][0])
    return con.execute(f"select count(*) from {table.full_name}").fetchall()[0][0]


def _short(value: int) -> str:
    """A number as it fits above a column."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if value >= size:
            return f"{value / min(size, 1000) if unit == 'k' else value / size:.3g}{unit}"
    return f"{value:,}"


def _fitting(label: str, room: float) -> str:
    return label if len(label) * 5 <= room else label[-max(int(room / 5), 2) :]


def shown(value: Any, longest: int = LONGEST_VALUE) -> str:
    """A value as text of one line, cut."""
    if value is None:
        return ""
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    text = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _escaped(text: str) -> str:
    """Text that Markdown takes for nothing else."""
    return "".join(f"\\{each}" if each in _MARKS else each for each in text)
