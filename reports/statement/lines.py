"""`lines.csv`: every unit line of a statement with its outcome and the reason, for whoever checks it line by line."""

import csv
import hashlib
import io
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


def make_lines(name: str, lines: Iterable[UnitLine], why: Callable[[str], str]) -> tuple[bytes, File]:
    """The file, in the order of shipping, and what the statement says of it.

    Times are UTC. A cell, or a part of it behind a semicolon, at which spreadsheets of some languages split, begins
    with an apostrophe where a spreadsheet would take it for a formula. The file begins with a byte order mark, without
    which spreadsheets would take its letters for those of another alphabet.
    """
    out, number, reasons = io.StringIO(newline=""), 0, {}
    write = csv.writer(out, lineterminator="\r\n").writerow
    write(COLUMNS)
    for line in lines:
        if line.outcome not in reasons:
            reasons[line.outcome] = why(line.outcome)
        write(
            (
                *(_harmless(line.shipment_id), _harmless(line.order_id), _harmless(line.order_item_id)),
                *(_harmless(line.sku or ""), f"{line.purchased_at.isoformat()}Z", f"{line.shipped_at.isoformat()}Z"),
                *(
                    line.quantity,
                    line.outcome,
                    reasons[line.outcome],
                    _harmless(line.terms_id or ""),
                    TRACKED[line.is_tracking_valid],
                ),
            )
        )
        number += 1
    content = out.getvalue().encode("utf-8-sig")
    return content, File(name, number, hashlib.sha256(content).hexdigest())


def _harmless(text: str) -> str:
    if text.isascii() and text.isprintable() and text[:1] not in LIVE and ";" not in text and text[:1] != " ":
        return text
    shown = printable(text)
    parts = [f"'{part}" if _begins_live(part) else part for part in shown.split(";")]
    return ";".join(parts)


def _begins_live(text: str) -> bool:
    """Whether it begins like a formula, behind whatever cannot be seen."""
    return next((each for each in text if each.isprintable() and not each.isspace()), "") in LIVE
