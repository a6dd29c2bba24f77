"""Notifications that a message could not be delivered (RFC 3464), read from files as a mailbox keeps them.

They come from anywhere and may hold anything. What is read of a file is bounded, in bytes and in parts within parts;
the statement is known by the Message-ID of the message that came back, and by nothing else.

Does not belong here: fetching them from a mailbox.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message
from email.policy import compat32
from pathlib import Path

from assets.billing.outbox import note
from assets.warehouse import Warehouse
from reports.printable import printable

MOST_READ = 256 * 1024
"""Bytes of a file: what tells of the bounce stands before the text of what came back, which may be long."""
MOST_PARTS = 30
LONGEST_REASON = 500
"""Characters."""

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{3,250}>")
_PART = re.compile(rb"boundary", re.IGNORECASE)


class NotUnderstoodError(Exception):
    """A file that is no notification, or not one about a message from here; the message says why."""


@dataclass(frozen=True)
class Bounce:
    """What a notification tells."""

    message_ids: tuple[str, ...]
    """Of what came back; more than one where the notification says more than one."""
    is_failed: bool
    """Whether it was given up; else it was delivered, or is delayed."""
    reason: str


@dataclass
class Found:
    """What the files of a folder came to."""

    bounced: list[str] = field(default_factory=list)
    """A line for each statement that is now known to have bounced."""
    known: int = 0
    """Files that were read before."""
    others: int = 0
    """Files that tell of a delay or a delivery."""
    not_understood: list[str] = field(default_factory=list)
    """A line for each file."""


def read_bounces(warehouse: Warehouse, folder: Path, now: datetime) -> Found:
    """Read every file of a folder, and note the statements that came back. Each file counts once, by its content."""
    found = Found()
    read = {row["file_sha256"] for row in warehouse.rows("select distinct file_sha256 from billing.outbox_log")}
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        try:
            if not path.is_file():
                raise NotUnderstoodError("it is no file")
            with path.open("rb") as file:
                content = file.read(MOST_READ)
            sha256 = hashlib.sha256(content).hexdigest()
            if sha256 in read:
                found.known += 1
                continue
            bounce = bounce_of(content)
            sent = _sent(warehouse, bounce)
            if not bounce.is_failed:
                found.others += 1
                continue
        except (NotUnderstoodError, OSError) as error:
            found.not_understood.append(f"{path}: {error}")
            continue
        note(warehouse, sent["statement_id"], "bounced", now, reply=bounce.reason, file_sha256=sha256)
        read.add(sha256)
        found.bounced.append(f"{sent['statement_id']} to {sent['seller_id']} bounced: {bounce.reason}")
    return found


def _sent(warehouse: Warehouse, bounce: Bounce) -> dict[str, str]:
    """The statement that came back."""
    rows = warehouse.rows(
        "select statement_id, seller_id, state from billing.outbox where list_contains(?, message_id)",
        [list(bounce.message_ids)],
    )
    if len(rows) != 1:
        before = "select statement_id from billing.outbox_log where list_contains(?, message_id) limit 1"
        for row in warehouse.rows(before, [list(bounce.message_ids)]):
            raise NotUnderstoodError(f"{row['statement_id']}, which it is about, was sent to another address since")
        raise NotUnderstoodError("it is about no statement that was sent from here")
    if rows[0]["state"] not in {"sent", "handing_over", "bounced"}:
        raise NotUnderstoodError(f"{rows[0]['statement_id']}, which it is about, is to be sent again")
    return rows[0]


def bounce_of(content: bytes) -> Bounce:
    """What a notification tells, of which `content` is at least the beginning. Raises `NotUnderstoodError`."""
    if len(_PART.findall(content)) > MOST_PARTS:
        raise NotUnderstoodError("it has too many parts")
    try:
        message = message_from_bytes(content, policy=compat32)
        return _bounce(message)
    except NotUnderstoodError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, MessageError) as error:
        raise NotUnderstoodError(f"it cannot be read ({type(error).__name__})") from error


def _bounce(message: Message) -> Bounce:
    if message.get_content_type() != "multipart/report" or not message.is_multipart():
        raise NotUnderstoodError("it is no notification of a delivery (multipart/report)")
    parts = [part for part in message.get_payload() if isinstance(part, Message)]
    status = next((part for part in parts if part.get_content_type() == "message/delivery-status"), None)
    if status is None or not status.is_multipart():
        raise NotUnderstoodError("it says nothing of a delivery (message/delivery-status)")
    fields = [block for block in status.get_payload() if isinstance(block, Message) and block["Action"]]
    if not fields:
        raise NotUnderstoodError("it does not say what became of the delivery (Action)")
    failed = [block for block in fields if str(block["Action"]).strip().lower() == "failed"]
    returned = [
        part
        for part in parts
        if part.get_content_type() in {"message/rfc822", "text/rfc822-headers", "message/rfc822-headers"}
    ]
    message_ids = dict.fromkeys(each for part in returned for each in _message_ids(part))
    if not message_ids:
        raise NotUnderstoodError("it does not name the message that came back (Message-ID)")
    reason = next((_reason(block) for block in failed), "")
    return Bounce(tuple(message_ids), bool(failed), reason)


def _message_ids(part: Message) -> list[str]:
    """The Message-ID of what came back whole, or as its headers alone."""
    if part.is_multipart():
        returned = part.get_payload(0)
        header = returned["Message-ID"] if isinstance(returned, Message) else None
    else:
        payload = part.get_payload(decode=True)
        header = message_from_bytes(payload, policy=compat32)["Message-ID"] if isinstance(payload, bytes) else None
    return _MESSAGE_ID.findall(str(header or ""))[:1]


def _reason(block: Message) -> str:
    """Why, in the words of the server that gave up."""
    words = [
        str(block[name] or "").partition(";")[2] if name == "Diagnostic-Code" else str(block[name] or "")
        for name in ("Status", "Diagnostic-Code")
    ]
    said = " ".join(" ".join(words).split())
    return printable(said)[:LONGEST_REASON] or "no reason is given"
