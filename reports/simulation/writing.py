"""Writes the page of a simulation, made beside the old one and renamed over it.

Does not belong here: what the page says (`view`), what is read (`rows`).
"""

from functools import cache
from pathlib import Path

import duckdb
import jinja2

from reports import templates
from reports.simulation.rows import Rows, read_places
from reports.simulation.view import COLUMNS, Facts, View

PAGE = "simulation.html"
HERE = Path(__file__).parent
STYLES = (
    templates.FOLDER / "page.css",
    templates.FOLDER / "close_report" / "close_report.css",
    HERE / "simulation.css",
)
"""It looks as a close report does."""


def write_page(con: duckdb.DuckDBPyConnection, facts: Facts, folder: Path) -> Path:
    """Write the page of what lies in the schema `simulation` into a folder, and return where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    html = _template().render(it=View(facts, [Rows(con, place) for place in read_places(con)]))
    page = folder / PAGE
    fresh = page.with_name(f".{PAGE}.new")
    fresh.write_bytes(html.encode())
    fresh.replace(page)
    return page


@cache
def _template() -> jinja2.Template:
    """The page, compiled once a process."""
    known = {"styles": list(map(templates.style, STYLES)), "columns": COLUMNS}
    return templates.environment(HERE, known).get_template("simulation.html.j2")
