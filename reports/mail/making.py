"""Makes the message: plain text, the same as HTML, and the statement attached or the address where it is.

Does not belong here: whether and to whom it is sent.
"""

import email.policy
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from functools import cache
from pathlib import Path

import jinja2

from reports import templates
from reports.attaching import Attachment
from reports.language import JOINED, language_of
from reports.printable import printable
from reports.statement.pages import vocabulary
from reports.statement.view import View
from reports.statement.words import Words

POLICY = email.policy.SMTP.clone(cte_type="7bit")
"""Nothing beyond ASCII on the way, so that every server takes it."""


@dataclass(frozen=True)
class Sender:
    """Whom statements come from."""

    address: str
    name: str
    reply_to: str = ""
    """Empty: answers go to the address."""


@dataclass(frozen=True)
class Letter:
    """A statement on its way to its seller."""

    view: View
    to: str
    message_id: str
    """With its angle brackets."""
    attachments: Sequence[Attachment] = ()
    link: str = ""
    """Where the statement is; empty: it is attached."""


def message(letter: Letter, sender: Sender, now: datetime) -> bytes:
    """The message, dated `now`, in UTC, as it goes to a server or into an `.eml` file."""
    say = MailWords(letter)
    made = EmailMessage(POLICY)
    made["From"] = Address(sender.name, addr_spec=sender.address)
    made["To"] = Address(addr_spec=letter.to)
    if sender.reply_to:
        made["Reply-To"] = Address(addr_spec=sender.reply_to)
    made["Subject"] = say.subject
    made["Date"] = now.replace(tzinfo=UTC)
    made["Message-ID"] = letter.message_id
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer by a machine is wanted
    made.set_content(say.text)
    made.add_alternative(say.html, subtype="html")
    for each in letter.attachments:
        main, _, sub = each.media_type.partition("/")
        params = {"charset": "utf-8"} if main == "text" else {}
        made.add_attachment(each.content, maintype=main, subtype=sub, filename=each.name, params=params)
    made["Content-Language"] = letter.view.language  # last: what sets content takes such headers away
    return made.as_bytes()


class MailWords:
    """What a message says; the statement's sentences are the statement's."""

    def __init__(self, letter: Letter) -> None:
        self.letter, self.it = letter, letter.view
        self.language = language_of(self.it.language)
        self.statement = Words(self.it, self.language)
        self._ = self.language.texts.gettext

    @property
    def subject(self) -> str:
        """One line."""
        values = {"period": self.language.month(self.it.period.id), "marketplace": self.it.marketplace.domain}
        said = self._("Statement for %(period)s, %(marketplace)s") % values
        return said.replace(JOINED, " ")

    @property
    def period(self) -> str:
        """From when to when."""
        start, end = self.it.period.starts_at, self.it.period.ends_at
        values = {"start": self.statement.moment(start), "end": self.statement.moment(end)}
        return self._("This statement is for the time from %(start)s up to, but not including, %(end)s.") % values

    @property
    def where(self) -> str:
        """Where the statement is."""
        if self.letter.link:
            return self._("The statement, with all figures and each of your unit lines, is at this address:")
        if len(self.letter.attachments) == 1:
            return self._(
                "The statement is attached as a PDF; all figures and each of your unit lines are attached to the PDF."
            )
        return self._("The statement is attached as a page, with all figures and each of your unit lines beside it.")

    @property
    def why(self) -> str:
        """Why the seller gets this."""
        return self._("This message was sent automatically, to the address at which you are registered as a seller.")

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Whose statement it is: label and value."""
        seller = self.it.seller
        return [
            (self._("Seller"), f"{printable(seller.name)} ({seller.id})" if seller.name else seller.id),
            (self._("Marketplace"), f"{self.it.marketplace.domain} ({self.it.marketplace.country})"),
            (self._("Statement number"), self.it.statement_id),
        ]

    @property
    def text(self) -> str:
        """The message as plain text."""
        colon = "\N{FULLWIDTH COLON}" if self.language.is_unspaced else ": "
        parts = [
            self.subject,
            self.statement.sentence,
            "\n".join(f"{label}{colon}{value}" for label, value in self.facts),
            self.period,
            f"{self.where}\n{self.letter.link}" if self.letter.link else self.where,
            f"{self._('How to dispute it')}{colon.rstrip()}\n{self.statement.dispute} {self.it.statement_id}",
            self.statement.remark,
            self.why,
        ]
        return "\n\n".join(parts) + "\n"

    @property
    def html(self) -> str:
        """The message as a page."""
        return _templates().get_template("mail.html.j2").render(**vocabulary(self.it.language), it=self.it, say=self)


@cache
def _templates() -> jinja2.Environment:
    return templates.environment(Path(__file__).parent, {})
