"""How an explanation reads in the terminal: a line as a sum, then what decided each of its factors, then the rows.

Does not belong here: finding any of it (`explaining.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from pipelines.printing import as_lines
from reports.statement.view import in_full

ROWS_SHOWN = 3
"""Of each kind of rows, unless all are asked for."""

NAMES: Mapping[str, str] = {
    "shipments": "units",
    "contacts": "contacts",
    "returns": "returns",
    "order_items": "quarter",
    "enrolment_events": "enrolment",
}
SAYS: Mapping[str, str] = {
    "billed": "on this line",
    "judged": "in what decides the tier, the waiver and the reward",
    "left_out": "left out",
    "enrolment": "",
}
ABOUT_ITEMS = ("shipments", "contacts", "returns")

WHY: Mapping[str, str] = {
    "chargeable": "ordered while enrolled, shipped after the trial",
    "trial": "ordered while enrolled, shipped before the trial ended",
    "before_enrolment": "ordered before the seller first enrolled",
    "opted_out": "ordered while the seller was opted out",
    "never_enrolled": "the seller has no enrolment there",
    "prime": "seller-fulfilled Prime is never part of the programme",
    "platform_fulfilled": "what the platform fulfils is never part of the programme",
    "void": "withdrawn",
    "excluded_reason": "invoice, customisation and pre-order enquiries never count",
    "before_order": "made before the order was placed",
    "refused": "an activation that opened no enrolment",
    "repeated": "an activation while enrolled changes nothing",
    "outside": "a deactivation while not enrolled changes nothing",
}
"""Outcomes (domain.md, "Units", "Contacts", "Enrolment"), for whoever answers a seller."""


def show_explanation(console: Console, found: Mapping[str, Any], *, shipment: str | None, every_row: bool) -> None:
    """Print the statements of a seller's period, line by line."""
    for statement in found["statements"]:
        _show_statement(console, found["seller_id"], statement)
        for line in statement["lines"]:
            _show_line(console, statement, line, None if every_row else ROWS_SHOWN, is_whole=shipment is None)
        if not statement["lines"]:
            _say(console, "No line: nothing was covered, and nothing is adjusted.")
            console.print()


def _show_statement(console: Console, seller: str, statement: Mapping[str, Any]) -> None:
    closed = f", closed {statement['closed_at']:%Y-%m-%d} by {statement['closed_by']}" if statement["closed_at"] else ""
    _say(
        console,
        f"{seller}, {statement['period']}, {statement['country']} ({statement['marketplace_id']}):"
        f" {_money(statement, statement['total'])}",
        style="bold",
    )
    _say(
        console,
        f"Statement {statement['statement_id']}, {statement['status']}{closed}; charges"
        f" {_money(statement, statement['charges'])}, adjustments {_money(statement, statement['adjustments'])}."
        " Illustrative fees, net of tax; times are UTC.",
    )
    console.print()


def _show_line(
    console: Console, statement: Mapping[str, Any], line: Mapping[str, Any], most: int | None, *, is_whole: bool
) -> None:
    about = f" of {line['period']}" if line["period"] != statement["period"] else ""
    entry = f", {line['entry']}" if line["entry"] else ""
    _say(console, f"Line {line['line_number']}: {line['kind']}{about}{entry}", style="bold")
    facts = [("amount", _sum(statement, line))]
    if line["reason"]:
        facts.append(("because of", line["reason"].replace("_", " ")))
    if line["terms"] and is_whole:
        facts += _decided(line)
    if line["kind"] != "credit":
        at_the_close = f"load {line['load_id']}, when the line was entered in the books"
        facts.append(
            ("known", "of all loads: a draft" if line["load_id"] is None else f"of the loads up to {at_the_close}")
        )
    for name, said in facts:
        _fact(console, name, said)
    _show_rows(console, line, most)
    console.print()


def _sum(statement: Mapping[str, Any], line: Mapping[str, Any]) -> str:
    amount = _money(statement, line["amount"])
    if line["kind"] == "credit":
        return amount
    units = _number(line["units"], "unit")
    if line["kind"] == "trial":
        return f"{amount}: {units} in the free trial"
    fee = f"{in_full(line['fee'], statement['minor_units']):,f} {line['currency']}"
    if line["waiver"]:
        return f"{amount}: {units}, tier {line['tier']} ({fee} each), waived"
    off = f" × (1 − {_percent(line['discount'])})" if line["discount"] else ""
    return f"{amount} = {units} × {fee}{off}"


def _decided(line: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What tier, waiver and reward were decided by: the month's counts against the bounds of the terms."""
    month, terms = line["month"], line["terms"]
    units, contacts = month["units"], month["contacts"]
    rate = f"{_number(contacts, 'contact')} / {_number(units, 'unit')}"
    rate += f" = {_percent(Decimal(contacts) / Decimal(units), digits=3)}" if units else ""
    if line["kind"] == "charge":
        yield "tier", f"{line['tier']}, {_bounds(terms['tiers'], line['tier'])}: {rate}"
        yield from _waivers(line, month, terms)
        yield from _rewards(line, month, terms)
    else:
        yield "month", rate
    trial = next((row["trial_ends_at"] for row in line["rows"] if row["dataset"] == "enrolment_events"), None)
    if trial:
        yield "trial", f"to {trial:%Y-%m-%d %H:%M:%S}, by the time of shipping"
    kept = f", as in the file kept at the close (SHA-256 {terms['sha256'][:12]}…)" if terms["sha256"] else ""
    yield "terms", f"{terms['terms_id']}{kept}"


def _bounds(tiers: Sequence[Mapping[str, Any]], number: int) -> str:
    """Such as `above 5 % to 10 %`, or below where a bound is exclusive."""
    above = ""
    if number > 1:
        before = tiers[number - 2]
        above = f"{'from' if before['is_exclusive'] else 'above'} {_percent(before['up_to'])}"
    this = tiers[number - 1]
    if this["up_to"] is None:
        return above or "the only one"
    to = f"{'below' if this['is_exclusive'] else 'to'} {_percent(this['up_to'])}"
    return f"{above} {to}" if above else f"up {to}" if to.startswith("to") else to


def _waivers(line: Mapping[str, Any], month: Mapping[str, int], terms: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    limits = {
        "cpu_below": (terms["cpu_below"], f"{month['contacts']:,} contacts / {month['units']:,} units"),
        "orders_in_quarter_below": (terms["orders_in_quarter_below"], f"{month['orders_in_quarter']:,} orders"),
    }
    for name, (limit, found) in limits.items():
        if limit is None:
            continue
        bound = (
            f"contacts per unit below {_percent(limit)}"
            if name == "cpu_below"
            else f"fewer than {limit} orders in the quarter"
        )
        applies = "free" if line["waiver"] == name else "not needed" if line["waiver"] else "does not hold"
        yield "waiver", f"{bound}: {applies}, {found}"
        if line["waiver"] == name:
            return


def _rewards(line: Mapping[str, Any], month: Mapping[str, int], terms: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    discount = terms["tiers"][line["tier"] - 1]["discount"]
    if not discount or line["waiver"]:
        return
    asked = []
    if terms["vtr_at_least"] is not None:
        found = f"{month['units_valid_tracking']:,} of {month['units']:,} units tracked"
        asked.append(f"at least {_percent(terms['vtr_at_least'])} valid tracking ({found})")
    if terms["aprl_at_least"] is not None:
        found = f"{month['returns_prepaid']:,} of {month['returns']:,} returns"
        asked.append(f"at least {_percent(terms['aprl_at_least'])} prepaid labels ({found})")
    earned = "earned" if line["discount"] else "not earned"
    yield "reward", f"{_percent(discount)} off {earned}: {', '.join(asked) or 'no condition'}"


def _show_rows(console: Console, line: Mapping[str, Any], most: int | None) -> None:
    """The rows behind a line, by what they are and whether they count, each group with the first of them."""
    hidden, start, before = 0, 0, None
    for count in line["counts"]:
        rows = line["rows"][start : start + count["rows"]]
        start += count["rows"]
        _fact(console, "" if count["dataset"] == before else NAMES[count["dataset"]], _counted(count))
        before = count["dataset"]
        for row in rows[:most]:
            _fact(console, "", f"  {_row(row)}")
        hidden += len(rows[most:]) if most is not None else 0
    if hidden:
        _fact(console, "", f"… {hidden:,} rows more: --all shows them, --json gives all columns")


def _counted(count: Mapping[str, Any]) -> str:
    if count["dataset"] == "shipments":
        number = f"{_number(count['units'], 'unit')} in {_number(count['rows'], 'shipment line')}"
    elif count["dataset"] == "order_items":
        number = f"{_number(count['orders'], 'order')} with {_number(count['rows'], 'item')}"
    else:
        number = f"{count['rows']:,}"
    outcome = (count["outcome"] or "").replace("_", " ")
    why = WHY.get(count["outcome"] or "")
    return ", ".join(filter(None, (number, outcome, SAYS[count["role"]]))) + (f": {why}" if why else "")


def _row(row: Mapping[str, Any]) -> str:
    item = f", of {_place(row['item_path'], row['item_row_number'])}" if row["dataset"] in ABOUT_ITEMS else ""
    units = _number(row["quantity"], "unit") if row["dataset"] == "shipments" else None
    subject = row["order_id"] if row["dataset"] == "order_items" else row["subject_id"]
    detail = row["detail"].replace("_", " ") if row["detail"] else None
    at = f"{row['happened_at']:%Y-%m-%d %H:%M:%S}"
    if row["dataset"] == "shipments" and row["purchased_at"]:
        at += f" (ordered {row['purchased_at']:%Y-%m-%d %H:%M:%S})"
    return "  ".join(filter(None, (at, subject, units, detail, f"{_place(row['path'], row['row_number'])}{item}")))


def _place(path: str | None, row_number: int | None) -> str:
    return f"{Path(path).name} row {row_number:,}" if path and row_number else "no row"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if abs(count) == 1 else 's'}"


def _fact(console: Console, name: str, said: str) -> None:
    _say(console, f"  {name:<12}{said}")


def _money(statement: Mapping[str, Any], amount: Decimal) -> str:
    return f"{amount:,.{statement['minor_units']}f} {statement['currency']}"


def _percent(share: Decimal, digits: int | None = None) -> str:
    """In full, or rounded for reading."""
    return f"{in_full(100 * share if digits is None else round(100 * share, digits)):f} %"


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(as_lines(text), style=style), soft_wrap=True)
