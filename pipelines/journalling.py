"""`csba journal`: the journal of a closed period for the accounting system, as CSV or as a beancount file."""

import csv
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from typing import IO

from assets.core.calendar import month_of
from assets.warehouse import Warehouse

FORMATS = ("csv", "beancount")
COLUMNS = (
    *("entry_id", "period", "marketplace_id", "seller_id", "account"),
    *("debit", "credit", "currency", "statement_id", "corrects", "source_key"),
)
ENTRIES = f"""
select {", ".join(COLUMNS)}
from billing.journal
where list_contains($periods, period) and ($id is null or marketplace_id = $id)
order by period, marketplace_id, seller_id, entry_id, debit = 0"""


def write_journal(warehouse: Warehouse, periods: list[str], marketplace_id: str | None, form: str, out: IO[str]) -> int:
    """Write the entries of closed periods; returns how many there are. An open period has none."""
    rows = _entries(warehouse, periods, marketplace_id)
    return _csv(rows, out) if form == "csv" else _beancount(rows, warehouse, out)


def _entries(warehouse: Warehouse, periods: list[str], marketplace_id: str | None) -> Iterator[dict]:
    result = warehouse.con.execute(ENTRIES, {"periods": periods, "id": marketplace_id})
    while batch := result.fetchmany(10_000):
        for row in batch:
            yield dict(zip(COLUMNS, row, strict=True))


def _csv(rows: Iterator[dict], out: IO[str]) -> int:
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    entries = set()
    for row in rows:
        entries.add(row["entry_id"])
        writer.writerow({name: _harmless(value) for name, value in row.items()})
    return len(entries)


def _harmless(value: object) -> object:
    """An id as a spreadsheet cannot take it for a formula; numbers stay what they are."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _beancount(rows: Iterator[dict], warehouse: Warehouse, out: IO[str]) -> int:
    """Entries on the last day of the period in which they are posted; accounts open with the first of them."""
    opened = warehouse.rows(
        "select account, min(period) as period from billing.journal group by account order by account"
    )
    for account in opened:
        out.write(f"{month_of(account['period'])[0]} open {account['account']}\n")
    entries = 0
    for _, sides in groupby(rows, lambda row: row["entry_id"]):
        postings = list(sides)
        first = postings[0]
        day = month_of(first["period"])[1] - timedelta(days=1)
        corrects = f", corrects {first['corrects']}" if first["corrects"] else ""
        what = f"{first['marketplace_id']} {first['period']}{corrects}"
        out.write(f"\n{day} * {_quoted(first['seller_id'])} {_quoted(what)}\n")
        for name, column in (("entry", "entry_id"), ("statement", "statement_id"), ("source", "source_key")):
            out.write(f"  {name}: {_quoted(first[column])}\n")
        for posting in postings:
            amount: Decimal = posting["debit"] - posting["credit"]
            out.write(f"  {posting['account']}  {amount:f} {posting['currency']}\n")
        entries += 1
    return entries


def _quoted(text: str) -> str:
    printable = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
