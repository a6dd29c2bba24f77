"""The conversation with a mail server: one message after the other over as few connections as it likes.

It knows what an answer means for a message: taken, refused for good, to be tried later, or unknown because the
connection was lost after the text had gone. It never writes down what it says to the server, least of all the password.

Does not belong here: which messages there are, and what becomes of them.
"""

import smtplib
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

from assets.settings import Mail
from reports.printable import printable

SECONDS_FOR_AN_ANSWER = 60
SECONDS_FOR_A_MESSAGE = 600
"""A server may look at a whole message before it answers (RFC 5321, 4.5.3.2)."""
MOST_LOST = 3
"""So many connections lost in a row, each without an answer, and the server is taken to be down."""
LONGEST_REPLY = 500
"""Characters of an answer that are kept."""

UNAVAILABLE, TOO_LARGE = 421, 552


class ServerError(Exception):
    """A server that takes nothing from here; the message says why. What was not sent yet can be sent later."""


class Answer(NamedTuple):
    """What came of handing a message over: `sent`, `refused`, `failed` or, if nobody knows, `handing_over`."""

    state: str
    reply: str
    """What the server said, or what happened to the connection."""


class Server:
    """A mail server; connections are made when they are needed. Use it in a `with`."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail
        self._smtp: smtplib.SMTP | None = None
        self._handed_over = 0
        """Messages of the present connection."""
        self._lost: list[str] = []
        """Of connections lost in a row, what was said last."""
        self._next_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def hand_over(self, recipient: str, content: bytes, before: Callable[[], None]) -> Answer:
        """Hand a message over. `before` is called when the server takes the recipient, before any text goes to it.

        Raises `ServerError` where the server cannot be used for any message.
        """
        if len(self._lost) == MOST_LOST:
            raise ServerError(f"{self._mail.server} gave up {MOST_LOST} connections in a row: {self._lost[-1]}")
        self._wait_for_turn()
        answer = self._say(recipient, content, before)
        if self._smtp is None:
            self._lost.append(answer.reply)
        else:
            self._lost.clear()
            self._handed_over += 1
            if self._handed_over >= self._mail.most_per_connection:
                self.leave()
        return answer

    def leave(self) -> None:
        """End the connection as it should be; the next message makes another."""
        if self._smtp is not None:
            with suppress(OSError, smtplib.SMTPException):
                self._smtp.quit()
        self._drop()

    def _say(self, recipient: str, content: bytes, before: Callable[[], None]) -> Answer:
        smtp = self._connected()
        try:
            answer = self._address(smtp, recipient, len(content))
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPResponseException) as error:
            self._drop()
            return Answer("failed", _said(error))
        if answer is not None:
            return answer
        before()
        if smtp.sock is not None:
            smtp.sock.settimeout(SECONDS_FOR_A_MESSAGE)
        try:
            code, reply = smtp.data(content)
        except smtplib.SMTPDataError as error:
            return self._answer(error.smtp_code, error.smtp_error)
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPResponseException) as error:
            self._drop()
            return Answer("handing_over", _said(error))
        if smtp.sock is not None:
            smtp.sock.settimeout(SECONDS_FOR_AN_ANSWER)
        if not 200 <= code < 300 and not 400 <= code < 600:
            self._drop()
            return Answer("handing_over", f"an answer that is none: {_text(code, reply)}")
        return self._answer(code, reply)

    def _address(self, smtp: smtplib.SMTP, recipient: str, size: int) -> Answer | None:
        """Name sender and recipient; the server's answer if it does not take them."""
        code, reply = smtp.mail(self._mail.sender, [f"size={size}"] if smtp.has_extn("size") else [])
        if 500 <= code < 600 and code != TOO_LARGE:
            raise ServerError(f"{self._mail.server} takes no mail from {self._mail.sender}: {_text(code, reply)}")
        if code == 250:
            code, reply = smtp.rcpt(recipient)
            if 200 <= code < 300:
                return None
        answer = self._answer(code, reply)
        if self._smtp is not None:
            smtp.rset()
        return answer

    def _answer(self, code: int, reply: bytes | str) -> Answer:
        if code == UNAVAILABLE:
            self._drop()
        state = "sent" if 200 <= code < 300 else "refused" if 500 <= code < 600 else "failed"
        return Answer(state, _text(code, reply))

    # -- the connection ---------------------------------------------------------------------------------------------

    def _connected(self) -> smtplib.SMTP:
        if self._smtp is None:
            self._smtp = self._connect()
            self._handed_over = 0
        return self._smtp

    def _connect(self) -> smtplib.SMTP:
        mail = self._mail
        smtp: smtplib.SMTP | None = None
        try:
            if mail.security == "none":
                smtp = smtplib.SMTP(mail.host, mail.port, timeout=SECONDS_FOR_AN_ANSWER)
            else:
                context = ssl.create_default_context(cafile=mail.ca_file or None)
                if mail.security == "tls":
                    smtp = smtplib.SMTP_SSL(mail.host, mail.port, timeout=SECONDS_FOR_AN_ANSWER, context=context)
                else:
                    smtp = smtplib.SMTP(mail.host, mail.port, timeout=SECONDS_FOR_AN_ANSWER)
                    smtp.starttls(context=context)
            if mail.user:
                smtp.login(mail.user, mail.password)
            else:
                smtp.ehlo_or_helo_if_needed()
        except (OSError, smtplib.SMTPException) as error:
            if smtp is not None:
                smtp.close()
            raise ServerError(f"{mail.server} {_why(error)}") from None
        return smtp

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None

    def _wait_for_turn(self) -> None:
        """Keep to so many messages a second."""
        if self._mail.most_per_second:
            time.sleep(max(0.0, self._next_at - time.monotonic()))
            self._next_at = time.monotonic() + 1 / self._mail.most_per_second


def _why(error: Exception) -> str:
    """Why there is no connection, as the end of a sentence."""
    why = f"cannot be reached: {getattr(error, 'strerror', None) or error}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        why = f"does not accept the user and password: {_text(error.smtp_code, error.smtp_error)}"
    elif isinstance(error, ssl.SSLCertVerificationError):
        why = f"shows a certificate that is not trusted ({error.verify_message}); ca_file names others to trust"
    elif isinstance(error, ssl.SSLError):
        why = f"does not speak TLS as it should ({error.reason}); is the port right?"
    elif isinstance(error, smtplib.SMTPNotSupportedError):
        why = "offers no STARTTLS" if "STARTTLS" in str(error) else "does not let anybody log in"
    elif isinstance(error, smtplib.SMTPResponseException):
        why = f"does not want to talk: {_text(error.smtp_code, error.smtp_error)}"
    elif isinstance(error, smtplib.SMTPException):
        why = f"broke off: {printable(str(error))[:LONGEST_REPLY]}"
    return why


def _said(error: Exception) -> str:
    return f"the connection was lost: {printable(str(error))[:LONGEST_REPLY]}"


def _text(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", errors="replace") if isinstance(reply, bytes) else reply
    return printable(" ".join(f"{code} {text}".split()))[:LONGEST_REPLY]
