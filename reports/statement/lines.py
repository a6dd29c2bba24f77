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
    *("units", "outcome", "reason", "terms_id"),
)

LIVE = frozenset("=+-@\t\r＝＋－＠")
"""How a cell begins that a spreadsheet would take for a formula."""


def make_lines(name: str, lines: Iterable[UnitLine], why: Callable[[str], str]) -> tuple[bytes, File]:
    """The file, in the order of shipping, and what the statement says of it.

    Times are UTC. A cell that a spreadsheet would take for a formula begins with an apostrophe. It begins with a byte
    order mark, without which spreadsheets would take its letters for those of another alphabet.
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
                *(line.quantity, line.outcome, reasons[line.outcome], _harmless(line.terms_id or "")),
            )
        )
        number += 1
    content = out.getvalue().encode("utf-8-sig")
    return content, File(name, number, hashlib.sha256(content).hexdigest())


def _harmless(text: str) -> str:
    if not text.isprintable():
        text = printable(text)
    return f"'{text}" if text[:1] in LIVE else text
