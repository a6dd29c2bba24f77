"""What a simulation shows, in the terminal, as CSV and as JSON: totals, moves between tiers, and sellers by change.

Does not belong here: making it (`simulating`), and the page (`reports/simulation`).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from assets.version import code_version
from pipelines.printing import as_lines, new_table, show_table
from pipelines.simulating import Simulation
from reports.simulation import Facts, write_page
from reports.standings import name_of

SELLERS_SHOWN = 10
"""Of each marketplace; amounts of different currencies have no order."""

FILES = ("totals", "moves", "sellers", "seller_months")
"""Tables of `simulation` that are written as CSV, each under its name."""


def write_files(simulation: Simulation, folder: Path) -> list[Path]:
    """Write the page, and the tables as CSV; each is made beside the one that lies there and renamed over it."""
    facts = Facts(
        periods=simulation.periods,
        folder=str(simulation.folder),
        files={name: card.path.name for name, card in simulation.terms.items()},
        left_out=[*simulation.refused, *map(str, simulation.left_out)],
        load_id=simulation.warehouse.latest_load(),
        code_version=code_version(),
    )
    written = [write_page(simulation.warehouse.con, facts, folder)]
    for name in FILES:
        path = folder / f"{name}.csv"
        fresh = path.with_name(f".{path.name}.new")
        target = str(fresh).replace("'", "''")
        simulation.warehouse.con.execute(f"copy (from simulation.{name}) to '{target}' (format csv, header)")
        fresh.replace(path)
        written.append(path)
    return written


def as_json(simulation: Simulation) -> dict[str, Any]:
    """Everything but the single months of sellers, for a program; amounts are text, which keeps them exact."""
    return {
        "from": simulation.periods[0],
        "to": simulation.periods[-1],
        "load_id": simulation.warehouse.latest_load(),
        "fees_are_illustrative": True,
        "terms": [
            {"marketplace_id": name, "file": card.path.name, "sha256": card.sha256}
            for name, card in simulation.terms.items()
        ],
        "terms_kept": simulation.kept,
        "terms_refused": simulation.refused,
        "left_out": [
            {"marketplace_id": each.marketplace_id, "periods": each.periods, "reason": each.reason}
            for each in simulation.left_out
        ],
        **{name: [_plain(row) for row in _rows(simulation, name)] for name in FILES if name != "seller_months"},
    }


def show_simulation(console: Console, simulation: Simulation) -> None:
    """Print it: by marketplace and month, then who moves, then the sellers whose totals change most."""
    totals = _rows(simulation, "totals")
    months = f"{simulation.periods[0]} to {simulation.periods[-1]}"
    console.print(
        Text(as_lines(f"{months} under the terms of {simulation.folder}, beside what they come to now")), soft_wrap=True
    )
    console.print("Fees are illustrative, amounts net of tax. Nothing is booked.\n")
    _show_totals(console, totals)
    _show_moves(console, simulation)
    _show_sellers(console, simulation, {row["marketplace_id"]: row["minor_units"] for row in totals})
    countries = {name: each.country for name, each in simulation.marketplaces.items()}
    for name in simulation.kept:
        console.print(f"{countries[name]} keeps its terms: there is no file for it", soft_wrap=True)
    if not any(row["sellers_more"] or row["sellers_less"] for row in totals):
        console.print("Nothing changes for any seller")


def _show_totals(console: Console, totals: Sequence[Mapping[str, Any]]) -> None:
    table = new_table("", "month", "now", "simulated", "change", "%", "more", "less", "move", left=2)
    counts = ("sellers_more", "sellers_less", "sellers_moved")
    for country in dict.fromkeys(row["country"] for row in totals):
        rows = [row for row in totals if row["country"] == country]
        place = f"{country} {rows[0]['currency']}"
        for row in rows:
            numbers = (f"{row[name]:,}" for name in counts)
            table.add_row(place, row["period"], *_amounts(row, row["minor_units"]), *numbers)
        if len(rows) > 1:
            total = {name: sum(row[name] for row in rows) for name in ("known", "simulated", "difference")}
            table.add_row(place, "all", *_amounts(total, rows[0]["minor_units"]), style="bold")
    show_table(console, "By marketplace and month; sellers that pay more, pay less, and move", table)


def _show_moves(console: Console, simulation: Simulation) -> None:
    table = new_table("", "now", "simulated", "sellers", "times", "change", left=3)
    for row in simulation.warehouse.rows("""
        select
            country, standing_known, standing_simulated, any_value(place.minor_units) as minor_units,
            count(distinct seller_id) as sellers, count(*) as times, sum(difference) as difference,
            any_value(month.currency) as currency
        from simulation.seller_months as month
        join core.marketplaces as place using (marketplace_id)
        where standing_known <> standing_simulated
        group by country, marketplace_id, standing_known, standing_simulated
        order by country, marketplace_id, standing_known, standing_simulated"""):
        stands = (name_of(row[name]).lower() for name in ("standing_known", "standing_simulated"))
        change = _change(row["difference"], row["minor_units"])
        place = f"{row['country']} {row['currency']}"
        table.add_row(place, *stands, f"{row['sellers']:,}", f"{row['times']:,}", change)
    show_table(console, "Who moves, over all months; a seller once for each month", table)


def _show_sellers(console: Console, simulation: Simulation, minor_units: Mapping[str, int]) -> None:
    table = new_table("", "seller", "now", "simulated", "change", "%", "months", "moves", left=2)
    rows = simulation.warehouse.rows(
        """
        select *, count(*) over (partition by marketplace_id) as changing
        from simulation.sellers
        where difference <> 0
        qualify row_number() over (partition by marketplace_id order by abs(difference) desc, seller_id) <= ?
        order by country, marketplace_id, abs(difference) desc, seller_id""",
        [SELLERS_SHOWN],
    )
    for row in rows:
        seller, amounts = Text(as_lines(row["seller_id"])), _amounts(row, minor_units[row["marketplace_id"]])
        counts = f"{row['months']:,}", f"{row['months_moved']:,}"
        table.add_row(f"{row['country']} {row['currency']}", seller, *amounts, *counts)
    show_table(console, "The sellers whose totals change most", table)
    for country, changing in dict.fromkeys((row["country"], row["changing"]) for row in rows):
        if changing > SELLERS_SHOWN:
            console.print(f"{changing - SELLERS_SHOWN:,} more sellers of {country} change; --out FOLDER writes all")


def _amounts(row: Mapping[str, Any], minor_units: int) -> list[str]:
    """What it comes to now and under the other terms, the change, and the change in per cent of what it is now."""
    known, simulated, difference = (Decimal(row[name]) for name in ("known", "simulated", "difference"))
    per_cent = f"{difference / known * 100:+.1f}" if known > 0 and difference else "–"
    return [f"{known:,.{minor_units}f}", f"{simulated:,.{minor_units}f}", _change(difference, minor_units), per_cent]


def _change(difference: Decimal, minor_units: int) -> str:
    return f"{difference:+,.{minor_units}f}" if difference else "–"


def _rows(simulation: Simulation, name: str) -> list[dict[str, Any]]:
    return simulation.warehouse.rows(f"from simulation.{name}")


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in row.items()}
