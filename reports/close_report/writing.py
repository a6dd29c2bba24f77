"""Writes the close report of each period and marketplace: one page, made beside the old one and renamed over it.

Does not belong here: what a page says (`view`), what is read (`rows`).
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import duckdb
import jinja2

from reports import templates
from reports.close_report.rows import is_there, read_rows
from reports.close_report.view import View
from reports.statement.names import folder_name

HERE = Path(__file__).parent
STYLES = (templates.FOLDER / "page.css", HERE / "close_report.css")


def write_close_reports(con: duckdb.DuckDBPyConnection, scope: Sequence[tuple[str, str]], folder: Path) -> list[Path]:
    """Write a page for every period and marketplace in scope, and return the pages.

    Each is `<period>/<marketplace>.html` below the folder, the marketplace named as `folder_name` does. Where there is
    no statement, no unit and no close there is no page, and an old one is removed. The same rows make the same bytes.
    Only committed rows are seen. Raises `ValueError` where a period is none, `StatementError` where it has no calendar.
    """
    for period, _ in scope:
        if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", period):
            raise ValueError(f"{period!r} is no billing period, such as 2026-10")
    written = []
    for period, marketplace_id in dict.fromkeys(scope):
        page = report_page(folder, period, marketplace_id)
        fresh = page.with_name(f".{page.name}.new")
        if not is_there(con, period, marketplace_id):
            page.unlink(missing_ok=True)
            fresh.unlink(missing_ok=True)
            continue
        html = _template().render(it=View(read_rows(con, period, marketplace_id)))
        page.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(html.encode())
        fresh.replace(page)
        written.append(page)
    return written


def report_page(folder: Path, period: str, marketplace_id: str) -> Path:
    """Where the page of a period and marketplace lies."""
    return folder / period / f"{folder_name(marketplace_id)}.html"


@cache
def _template() -> jinja2.Template:
    """The page, compiled once a process."""
    return templates.environment(HERE, {"styles": list(map(templates.style, STYLES))}).get_template(
        "close_report.html.j2"
    )
