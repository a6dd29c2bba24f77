"""`csba send` and `csba bounces` as people meet them: what is shown and asked before, and told afterwards.

Does not belong here: sending (`sending`), and reading notifications (`bounces`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from assets.billing.outbox import STANDINGS, Entry, enqueue, entries
from assets.settings import Mail, Settings
from assets.warehouse import Warehouse
from pipelines.bars import working_bar
from pipelines.bounces import read_bounces
from pipelines.printing import as_lines, new_table, show_table
from pipelines.sending import Outcome, send, settle, write_letters

if TYPE_CHECKING:
    from rich.console import Console

    from assets.core.marketplaces import Marketplace

TROUBLES_SHOWN = 20
NOT_SENT, UNUSABLE = 1, 2

Complain = Callable[[str], None]


class SendRefusedError(Exception):
    """Nothing of that can be sent; the message says why."""


def closed_of(
    warehouse: Warehouse, period: str, listed: "Mapping[str, Marketplace]", chosen: Sequence[str]
) -> list[str]:
    """The marketplaces whose statements are final, of those chosen or of all. Raises `SendRefusedError`."""
    closed = [
        row["marketplace_id"]
        for row in warehouse.rows("select marketplace_id from billing.closes where period = ? order by all", [period])
    ]
    for name in chosen:
        if name not in closed:
            raise SendRefusedError(f"{period} of {listed[name].country} ({name}) is not closed: only finals are sent")
    if not closed:
        raise SendRefusedError(f"{period} is not closed: only final statements are sent")
    return list(dict.fromkeys(chosen)) or closed


def send_period(
    console: "Console",
    warehouse: Warehouse,
    places: Settings,
    mail: Mail,
    period: str,
    listed: "Mapping[str, Marketplace]",
    *,
    chosen: Sequence[str],
    sent: Sequence[str],
    again: Sequence[str],
    by: str,
    yes: bool,
    clock: Callable[[], datetime],
    complain: Complain,
) -> int:
    """Settle what is said, show what is to be sent, ask, send, and tell; returns the exit code."""
    names = closed_of(warehouse, period, listed, chosen)
    enqueue(warehouse, period, names, clock())
    if sent or again:
        settled = settle(warehouse, entries(warehouse.con, period, names), sent, again, by, clock())
        warehouse.counts |= {"statements_settled": settled[0], "statements_to_send_again": settled[1]}
    found = entries(warehouse.con, period, names)
    waiting = [each for each in found if each.is_waiting]
    _show(console, period, found, listed)
    if waiting:
        what = f"{len(waiting):,} {'statement' if len(waiting) == 1 else 'statements'} of {period}"
        through = f"through {mail.server} as {mail.sender}"
        if yes:
            console.print(f"Sending {what} {through}", soft_wrap=True)
        elif not click.confirm(f"Send {what} {through}?"):
            console.print("Nothing was sent.")
            return 0
        with working_bar(console, f"sending through {mail.host}") as show:
            outcome = send(warehouse, places.statements, mail, waiting, clock, show)
        _tell(outcome, complain)
        warehouse.counts |= {f"statements_{state}": number for state, number in outcome.states.items() if number}
        warehouse.failures.extend(outcome.troubles)
        if outcome.states.total():
            _show(console, period, entries(warehouse.con, period, names), listed)
        if outcome.stopped:
            complain(f"{outcome.stopped}; what was not sent waits for the next csba send {period}")
            warehouse.failures.append(outcome.stopped)
        if outcome.is_server_at_fault:
            return UNUSABLE
    else:
        console.print(f"Nothing of {period} waits to be sent.")
    return _code(console, period, entries(warehouse.con, period, names))


def dry_run(
    console: "Console",
    warehouse: Warehouse,
    places: Settings,
    mail: Mail,
    period: str,
    listed: "Mapping[str, Marketplace]",
    *,
    chosen: Sequence[str],
    folder: Path,
    now: datetime,
    complain: Complain,
) -> int:
    """Write what would be sent as files; returns the exit code."""
    names = closed_of(warehouse, period, listed, chosen)
    found = entries(warehouse.con, period, names)
    outcome = write_letters(
        warehouse, places.statements, mail, [each for each in found if each.is_waiting], folder, now
    )
    _show(console, period, found, listed)
    _tell(outcome, complain)
    written = outcome.states["written"]
    console.print(
        f"{written:,} {'message' if written == 1 else 'messages'} in {folder}; nothing was sent", soft_wrap=True
    )
    return NOT_SENT if outcome.troubles else 0


def note_bounces(console: "Console", warehouse: Warehouse, folder: Path, now: datetime, complain: Complain) -> int:
    """Read notifications and tell what they say; returns the exit code."""
    found = read_bounces(warehouse, folder, now)
    for each in found.bounced:
        console.print(Text(as_lines(each)), soft_wrap=True)
    for each in found.not_understood:
        complain(each)
    parts = [f"{len(found.bounced):,} bounced", f"{found.known:,} known before", f"{found.others:,} tell of no bounce"]
    console.print(f"{', '.join(parts)}, {len(found.not_understood):,} not understood")
    warehouse.counts |= {"statements_bounced": len(found.bounced)}
    return UNUSABLE if found.not_understood else 0


def _tell(outcome: Outcome, complain: Complain) -> None:
    for trouble in outcome.troubles[:TROUBLES_SHOWN]:
        complain(trouble)
    more = len(outcome.troubles) - TROUBLES_SHOWN
    if more > 0:
        complain(f"and {more:,} more: billing.outbox has all of them")


def _code(console: "Console", period: str, found: Sequence[Entry]) -> int:
    """Whether everything has arrived as far as anybody knows; and what to do where nobody does."""
    table = new_table("statement", "to", "Message-ID", left=3)
    for each in found:
        if each.state == "handing_over":
            table.add_row(each.statement_id, Text(each.address or ""), Text(each.message_id or ""))
    if table.row_count:
        show_table(console, "These may have been sent, and nobody here knows", table)
        console.print(
            f"Look for them at the server, then say csba send {period} --sent STATEMENT, or --again STATEMENT, with"
            ' --by "YOUR NAME"',
            soft_wrap=True,
        )
    for state in ("refused", "bounced"):
        number = sum(each.state == state for each in found)
        if number:
            what = "was" if number == 1 else "were"
            again = f'csba send {period} --again {state} --by "YOUR NAME"'
            console.print(f"{number:,} {what} {state}: see to the address, then {again}", soft_wrap=True)
    return 0 if all(each.state == "sent" for each in found) else NOT_SENT


def _show(console: "Console", period: str, found: Sequence[Entry], listed: "Mapping[str, Marketplace]") -> None:
    """How the final statements of a period stand, by marketplace."""
    table = new_table("marketplace", "statements", *STANDINGS.values())
    for name in dict.fromkeys(each.marketplace_id for each in found):
        counted = Counter(each.standing for each in found if each.marketplace_id == name)
        numbers = counted.total(), *(counted[standing] for standing in STANDINGS)
        table.add_row(listed[name].country if name in listed else name, *(f"{number:,}" for number in numbers))
    show_table(console, f"Final statements of {period}, by e-mail", table)
