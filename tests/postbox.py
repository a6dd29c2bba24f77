"""A mail server on loopback: keeps what it takes, refuses and defers as a test says, and may kill who talks to it."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from house import DATA, NOW, PRESS_WITHOUT_PDF, close_period, load_paths, opened, row, write_csv

from reports.statement import Press

PERIOD = "2026-03"
USER, PASSWORD = "billing", "correct horse battery"


class Postbox:
    """What the server does with each message, and what it has taken."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.recipients: list[str] = []
        """Of the envelopes, in the same order."""
        self.at_mail: list[str] = []
        """Answers to the next senders that are named."""
        self.at_rcpt: defaultdict[str, list[str]] = defaultdict(list)
        """Answers to the next times that a recipient is named."""
        self.at_data: defaultdict[str, list[str]] = defaultdict(list)
        """Answers to the next messages to a recipient; `lost` cuts the connection, `taken and lost` takes it before."""
        self.on_message: Callable[[int, bool], None] = lambda _number, _is_kept: None
        """Called for each message, before it is kept and after, with how many were kept."""
        self.connections = self.open_connections = 0

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list) -> str:  # noqa: N802
        answer = self.at_mail.pop(0) if self.at_mail else "250 OK"
        if answer.startswith("250"):
            envelope.mail_from = address
        return answer

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list) -> str:  # noqa: N802
        answer = self.at_rcpt[address].pop(0) if self.at_rcpt[address] else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        (address,) = envelope.rcpt_tos
        answer = self.at_data[address].pop(0) if self.at_data[address] else "250 taken"
        self.on_message(len(self.taken), False)
        if answer.startswith(("250", "taken")):
            assert isinstance(envelope.content, bytes)
            self.taken.append(message_from_bytes(envelope.content, policy=default))
            self.recipients.append(address)
            self.on_message(len(self.taken), True)
        if answer.endswith("lost"):
            assert server.transport is not None
            server.transport.abort()
        return answer

    def has(self, message_id: str) -> bool:
        """Whether a message lies there."""
        return any(each["Message-ID"] == message_id for each in self.taken)

    def is_left_alone(self) -> None:
        """Wait until nobody is connected any more: then it has taken what it ever will of what was sent."""
        until = time.monotonic() + 30
        while self.open_connections:
            assert time.monotonic() < until
            time.sleep(0.01)

    def messages_of_each(self) -> Counter[str]:
        return Counter(self.recipients)


class _Server(Controller):
    def factory(self) -> SMTP:
        postbox = self.handler

        class Counting(SMTP):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                if not self._tls_protocol:  # STARTTLS makes the same connection again
                    postbox.connections += 1
                    postbox.open_connections += 1
                super().connection_made(transport)

            def connection_lost(self, error: Exception | None) -> None:
                postbox.open_connections -= 1
                super().connection_lost(error)

        return Counting(self.handler, **self.SMTP_kwargs)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _log_in(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword | object
) -> AuthResult:
    is_known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_known, handled=False)


@contextmanager
def serving(
    postbox: Postbox, *, tls: ssl.SSLContext | None = None, is_tls_at_once: bool = False, asks_who: bool = False
) -> Generator[dict[str, str]]:
    """The server while it serves, and the variables that name it; with `tls` it offers STARTTLS or begins with TLS."""
    known = (
        {"authenticator": _log_in, "auth_required": True, "auth_require_tls": not is_tls_at_once} if asks_who else {}
    )
    if tls is not None and not is_tls_at_once:
        known |= {"tls_context": tls, "require_starttls": True}
    port = free_port()
    server = _Server(postbox, hostname="127.0.0.1", port=port, ssl_context=tls if is_tls_at_once else None, **known)
    server.start()
    postbox.is_left_alone()
    postbox.connections = 0
    security = "none" if tls is None else "tls" if is_tls_at_once else "starttls"
    try:
        yield {
            "CSBA_MAIL_HOST": "127.0.0.1",
            "CSBA_MAIL_PORT": str(port),
            "CSBA_MAIL_SECURITY": security,
            "CSBA_MAIL_SENDER": "billing@csba.example",
            "CSBA_MAIL_MOST_PER_SECOND": "0",
            "CSBA_MAIL_PAUSE": "0",
        }
    finally:
        server.stop()


def killing(postbox: Postbox, pid: int, number: int, *, is_kept: bool) -> None:
    """Kill a process while it waits for the answer to a message, before the server keeps it, or after."""

    def kill(kept: int, has_kept: bool) -> None:
        if kept == number + is_kept and has_kept == is_kept:
            os.kill(pid, signal.SIGKILL)

    postbox.on_message = kill


def make_closed_home(
    folder: Path, emails: Mapping[str, str], press: Press = PRESS_WITHOUT_PDF, languages: Sequence[str] = ("en",)
) -> Path:
    """A home with a closed month, in which each of these sellers had a unit shipped."""
    home = folder / "home"
    rows: dict[str, list[dict[str, str | None]]] = defaultdict(list)
    for number, (seller, email) in enumerate(emails.items()):
        language = languages[number % len(languages)]
        rows["sellers"].append(row("sellers", seller_id=seller, email=email, language=language))
        rows["enrolment_events"].append(row("enrolment_events", seller_id=seller, effective_at="2025-01-01T00:00:00Z"))
        order = {"order_id": f"O-{seller}"}
        rows["order_items"].append(row("order_items", seller_id=seller, purchased_at=f"{PERIOD}-02T12:00:00Z", **order))
        rows["shipments"].append(
            row("shipments", shipment_id=f"P-{seller}", shipped_at=f"{PERIOD}-03T12:00:00Z", **order)
        )
    with opened(home) as warehouse:
        report = load_paths(warehouse, write_csv(folder / "files", rows))
        assert not report.refusals
        assert not sum(file.rows_quarantined for file in report.loads)
        assert close_period(warehouse, PERIOD, press=press, only=["ATVPDKIKX0DER"])
    return home


def change_email(home: Path, seller: str, email: str) -> None:
    """A later version of a seller."""
    changed = row("sellers", seller_id=seller, email=email, updated_at=f"{NOW:%Y-%m-%dT%H:%M:%SZ}")
    folder = home.parent / f"change-{seller}-{len(list(home.parent.iterdir()))}"
    with opened(home) as warehouse:
        assert not load_paths(warehouse, write_csv(folder, {"sellers": [changed]})).refusals


def copy_home(home: Path, to: Path) -> Path:
    shutil.copytree(home, to, symlinks=True)
    return to


def environment(home: Path) -> dict[str, str]:
    return {"CSBA_HOME": str(home), "CSBA_DATA": str(DATA), "CSBA_MAIL": ""}
