"""`csba send`: final statements to sellers by e-mail, each once, also after a crash in between.

The order of things is what keeps it right: the outbox says `handing_over`, committed, before a text goes to the server,
and what the server answered right after (`assets/billing/outbox.py`). The home's lock is held all the while, so that
two commands never send at once.

Does not belong here: talking to a server (`smtp`), what a message says (`reports/mail`), what is asked and shown
(`mailing`).
"""

import hashlib
import json
import signal
import threading
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from assets.addresses import fault_of_address
from assets.billing.outbox import Entry, note
from assets.settings import Mail
from assets.warehouse import Warehouse
from pipelines.smtp import Server, ServerError
from reports import mail as letters
from reports.attaching import Attachment
from reports.statement import statements_of
from reports.statement.kept import view_of
from reports.statement.rows import StatementError

MEDIA_TYPES = {".pdf": "application/pdf", ".html": "text/html", ".json": "application/json", ".csv": "text/csv"}

AGAIN = ("handing_over", "sent", "refused", "bounced")
"""The states out of which a statement is sent again, if somebody asks."""
WORDS = {
    "queued": "waiting",
    "unaddressed": "without an address",
    "handing_over": "not known whether it was sent",
    "failed": "to be tried again",
}
"""States, where they are called otherwise."""


class SendError(Exception):
    """What was asked cannot be done; the message says why and what to do."""


class NotSendableError(Exception):
    """A statement that cannot be sent as it lies there; the message says why and what to do."""


@dataclass
class Outcome:
    """What came of sending."""

    states: Counter[str] = field(default_factory=Counter)
    """State → statements that this command has brought there."""
    troubles: list[str] = field(default_factory=list)
    """What did not arrive, and why: a line for each statement."""
    stopped: str = ""
    """Why it ended before everything was tried; empty: it did not."""
    is_server_at_fault: bool = False


Progress = Callable[[str, int, int], None]
"""Called with the seller, how many are done, and how many there are."""


# -- what is said by people ---------------------------------------------------------------------------------------


def settle(
    warehouse: Warehouse,
    entries: Sequence[Entry],
    sent: Sequence[str],
    again: Sequence[str],
    by: str,
    now: datetime,
) -> tuple[int, int]:
    """Note which statements were sent, and which are to be sent again; `again` may name all `refused` or `bounced`.

    Returns how many of each. Raises `SendError`, and then nothing is noted, where one is not of these statements, or is
    not in a state that lets it be settled.
    """
    known = {entry.statement_id: entry for entry in entries}
    named = list(dict.fromkeys(again))
    for state in ("refused", "bounced"):
        if state in named:
            place = named.index(state)
            named[place : place + 1] = [each.statement_id for each in entries if each.state == state]
    for statement_id in (*sent, *named):
        if statement_id not in known:
            raise SendError(f"{statement_id} is none of these final statements; its number stands on its page")
    for statement_id in sent:
        if known[statement_id].state != "handing_over":
            raise SendError(
                f"{statement_id} is {_in_words(known[statement_id].state)}; --sent settles what is not known"
            )
    for statement_id in named:
        if statement_id in sent:
            raise SendError(f"{statement_id} cannot be both sent and to be sent again")
        if known[statement_id].state not in AGAIN:
            raise SendError(f"{statement_id} is {_in_words(known[statement_id].state)}: it is sent without --again")
    for statement_id in dict.fromkeys(sent):
        note(warehouse, statement_id, "sent", now, by=by, reply=f"{by} says that it was sent")
    for statement_id in named:
        note(warehouse, statement_id, "queued", now, by=by, reply=f"{by} asks to send it again")
    return len(dict.fromkeys(sent)), len(named)


def _in_words(state: str) -> str:
    return WORDS.get(state, state)


# -- sending --------------------------------------------------------------------------------------------------------


def send(
    warehouse: Warehouse,
    statements: Path,
    mail: Mail,
    waiting: Sequence[Entry],
    clock: Callable[[], datetime],
    progress: Progress = lambda _seller, _done, _total: None,
) -> Outcome:
    """Send what waits. A server's “try later” is tried again after a pause, and then left for the next command.

    An interrupt ends it after the statement that is being sent. Nothing is raised for a server that cannot be used:
    what was sent is sent, and the outcome says why it ended.
    """
    outcome, total = Outcome(), len(waiting)
    post = _Post(warehouse, statements, mail, clock)
    last: dict[str, str] = {}
    with _stopping() as stop, Server(mail) as server:
        try:
            for number in range(mail.tries):
                if number:
                    server.leave()  # none stays connected for as long as a pause
                if number and (not waiting or stop.wait(mail.pause)):
                    break
                later = []
                for entry in waiting:
                    if stop.is_set():
                        break
                    state, reply = post.send(server, entry)
                    if state == "failed":
                        later.append(entry)
                        last[entry.statement_id] = f"{_who(entry)} is to be tried again: {reply}"
                    else:
                        last.pop(entry.statement_id, None)
                        outcome.states[state] += 1
                        if state != "sent":
                            outcome.troubles.append(f"{_who(entry)} {TROUBLES[state]}: {reply}")
                    progress(entry.seller_id, sum(outcome.states.values()), total)
                waiting = later
            outcome.stopped = "it was interrupted" if stop.is_set() else ""
        except ServerError as error:
            outcome.stopped, outcome.is_server_at_fault = str(error), True
    outcome.states["failed"] = len(last)
    outcome.troubles += last.values()
    return outcome


TROUBLES = {
    "unaddressed": "has no address that can be used",
    "unsendable": "was not sent",
    "handing_over": "may have been sent",
    "refused": "was refused",
}


def write_letters(
    warehouse: Warehouse, statements: Path, mail: Mail, waiting: Sequence[Entry], folder: Path, now: datetime
) -> Outcome:
    """Write what would be sent into a folder, an `.eml` file for each statement; nothing is sent or noted."""
    outcome = Outcome()
    post = _Post(warehouse, statements, mail, lambda: now)
    folder.mkdir(parents=True, exist_ok=True)
    for entry in waiting:
        try:
            _, content = post.letter(entry, now)
        except _UnaddressedError as error:
            state, reply = "unaddressed", str(error)
        except NotSendableError as error:
            state, reply = "unsendable", str(error)
        else:
            (folder / f"{entry.statement_id}.eml").write_bytes(content)
            outcome.states["written"] += 1
            continue
        outcome.states[state] += 1
        outcome.troubles.append(f"{_who(entry)} {TROUBLES[state]}: {reply}")
    return outcome


class _UnaddressedError(Exception):
    """A seller without an address that can be used."""


class _Post:
    """Makes the messages of statements, and sends one."""

    def __init__(self, warehouse: Warehouse, statements: Path, mail: Mail, clock: Callable[[], datetime]) -> None:
        self._warehouse, self._statements, self._mail, self._clock = warehouse, statements, mail, clock
        self._sender = letters.Sender(mail.sender, mail.sender_name, mail.reply_to)
        self._manifests: dict[tuple[str, str], Mapping[str, Any]] = {}

    def send(self, server: Server, entry: Entry) -> tuple[str, str]:
        """What became of a statement, and why. Raises `ServerError`."""
        statement_id = entry.statement_id
        try:
            message_id, content = self.letter(entry, self._clock())
        except _UnaddressedError as error:
            if (entry.state, entry.reply) != ("unaddressed", str(error)):
                note(self._warehouse, statement_id, "unaddressed", self._clock(), reply=str(error))
            return "unaddressed", str(error)
        except NotSendableError as error:
            return "unsendable", str(error)
        to = {"address": entry.email, "message_id": message_id}

        def before() -> None:
            note(self._warehouse, statement_id, "handing_over", self._clock(), **to)

        answer = server.hand_over(entry.email or "", content, before)
        note(self._warehouse, statement_id, answer.state, self._clock(), reply=answer.reply, **to)
        return answer.state, answer.reply

    def letter(self, entry: Entry, now: datetime) -> tuple[str, bytes]:
        """The Message-ID and the whole message of a statement."""
        fault = fault_of_address(entry.email)
        if fault or entry.email is None:
            raise _UnaddressedError(fault)
        message_id = self._message_id(entry, entry.email)
        page, shown = self._kept(entry)
        try:
            view = view_of(shown)
        except StatementError as error:
            raise NotSendableError(str(error)) from error
        files = self._files(entry)
        if self._mail.attach == "link":
            self._content(entry, page, files[page])
            place = statements_of(Path(), entry.period, entry.marketplace_id) / page
            link = f"{self._mail.base_url.rstrip('/')}/{quote(place.as_posix())}"
            letter = letters.Letter(view, entry.email, message_id, link=link)
        else:
            pdf = [name for name in files if name.endswith(".pdf")]
            letter = letters.Letter(
                view,
                entry.email,
                message_id,
                [
                    Attachment(name, MEDIA_TYPES[Path(name).suffix], self._content(entry, name, files[name]))
                    for name in pdf or sorted(files, key=lambda name: name != page)
                ],
            )
        return message_id, letters.message(letter, self._sender, now)

    def _message_id(self, entry: Entry, address: str) -> str:
        """The same for a statement and address, whenever and however often it is sent."""
        if entry.message_id and entry.address == address:
            return entry.message_id
        digest = hashlib.sha256(f"{entry.statement_id}\0{address}".encode()).hexdigest()[:32]
        return f"<{digest}@{self._mail.sender.rpartition('@')[2]}>"

    def _kept(self, entry: Entry) -> tuple[str, str]:
        """The name of a statement's page, and its data as the close kept it."""
        rows = self._warehouse.rows(
            "select file_name, view from billing.kept_pages"
            " where period = ? and marketplace_id = ? and statement_id = ?",
            [entry.period, entry.marketplace_id, entry.statement_id],
        )
        return rows[0]["file_name"], rows[0]["view"]

    def _files(self, entry: Entry) -> Mapping[str, str]:
        """The files of a statement, with the hashes that the close kept."""
        key = entry.period, entry.marketplace_id
        if key not in self._manifests:
            query = "select manifest from billing.closes where period = ? and marketplace_id = ?"
            self._manifests[key] = json.loads(self._warehouse.rows(query, key)[0]["manifest"])["statements"]
        return self._manifests[key][entry.statement_id]["files"]

    def _content(self, entry: Entry, name: str, sha256: str) -> bytes:
        """A file as the close made it."""
        path = statements_of(self._statements, entry.period, entry.marketplace_id) / name
        try:
            content = path.read_bytes()
        except OSError as error:
            reason = f"{path} cannot be read ({error.strerror})"
        else:
            if hashlib.sha256(content).hexdigest() == sha256:
                return content
            reason = f"{path} is not what the close made"
        raise NotSendableError(f"{reason}: csba reproduce {entry.period} --out {self._statements} makes it again")


def _who(entry: Entry) -> str:
    return f"{entry.statement_id} to {entry.seller_id}"


@contextmanager
def _stopping() -> Generator[threading.Event]:
    """An event that an interrupt sets, where it would end the process within a message; a second one does end it."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    before: dict[int, Any] = {}

    def set_stop(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[number])

    for each in (signal.SIGINT, signal.SIGTERM):
        before[each] = signal.signal(each, set_stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
