"""`lines.csv`: every unit line of a statement with its outcome and the reason, for whoever checks it line by line."""

import hashlib
import re
from collections.abc import Callable, Iterable

from reports.printable import printable
from reports.statement.rows import UnitLine
from reports.statement.view import File

COLUMNS = (
    *("shipment_id", "order_id", "order_item_id", "sku", "purchased_at", "shipped_at"),
    *("units", "outcome", "reason", "terms_id", "is_tracking_valid"),
)

TRACKED = {True: "true", False: "false", None: ""}

LIVE = frozenset("=+-@\t\r＝＋－＠")
"""How a cell begins that a spreadsheet would take for a formula."""

_PLAIN = "(?:[A-Za-z0-9_][A-Za-z0-9_./:# -]*)?"
_FIVE_PLAIN = re.compile("\n".join([_PLAIN] * 5))
"""Ids that can stand in the file as they are. Nearly all can, and one look at a line's five saves most of its time."""


def make_lines(name: str, lines: Iterable[UnitLine], why: Callable[[str], str]) -> tuple[bytes, File]:
    """The file, in the order of shipping, and what the statement says of it.

    Times are UTC. A cell, or a part of it behind a semicolon, at which spreadsheets of some languages split, begins
    with an apostrophe where a spreadsheet would take it for a formula. The file begins with a byte order mark, without
    which spreadsheets would take its letters for those of another alphabet.
    """
    rows: list[str] = [",".join(COLUMNS)]
    outcomes: dict[str, str] = {}
    for line in lines:
        shipment, order, item, sku, ordered_at, shipped_at, units, outcome, terms, is_tracked = line
        if outcome not in outcomes:
            outcomes[outcome] = f"{_cell(outcome)},{_cell(why(outcome))}"
        ids = (shipment, order, item, sku or "", terms or "")
        if not _FIVE_PLAIN.fullmatch("\n".join(ids)):
            ids = map(_cell, map(_harmless, ids))
        shipment, order, item, sku, terms = ids
        rows.append(
            f"{shipment},{order},{item},{sku},{ordered_at.isoformat()}Z,{shipped_at.isoformat()}Z,"
            f"{units},{outcomes[outcome]},{terms},{TRACKED[is_tracked]}"
        )
    content = "\r\n".join([*rows, ""]).encode("utf-8-sig")
    return content, File(name, len(rows) - 1, hashlib.sha256(content).hexdigest())


def _cell(text: str) -> str:
    """In quotes where it needs them (RFC 4180)."""
    return '"{}"'.format(text.replace('"', '""')) if re.search('[",\r\n]', text) else text


def _harmless(text: str) -> str:
    shown = printable(text)
    parts = [f"'{part}" if _begins_live(part) else part for part in shown.split(";")]
    return ";".join(parts)


def _begins_live(text: str) -> bool:
    """Whether it begins like a formula, behind whatever cannot be seen."""
    return next((each for each in text if each.isprintable() and not each.isspace()), "") in LIVE
