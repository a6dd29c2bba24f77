"""The outbox: which final statement was sent to whom, so that each seller gets each once, also after a crash.

A statement is `handing_over` from before its text goes to the server until the server's answer is noted. Who opens the
warehouse and finds it so meets what a killed process left, or an answer that never came: it may have been sent, and
nobody here can know. It is not sent again until somebody says so.

Does not belong here: talking to a server, and what a message says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from assets.warehouse import Warehouse, exists

WAITING = ("queued", "unaddressed", "failed")
"""The states in which the next `csba send` tries."""

STANDINGS = {
    "sent": "sent",
    "waiting": "waiting",
    "unaddressed": "no address",
    "refused": "refused",
    "bounced": "bounced",
    "uncertain": "uncertain",
}
"""How final statements stand by e-mail, and what that is called."""

TABLES: Mapping[str, tuple[str, Mapping[str, tuple[str, str]]]] = {
    "billing.outbox": (
        "One row per final statement that is to be sent, or was, by e-mail: how it stands.",
        {
            "statement_id": ("varchar", "the statement"),
            "period": ("varchar", "its period"),
            "marketplace_id": ("varchar", "the marketplace"),
            "seller_id": ("varchar", "the seller"),
            "state": (
                "varchar",
                (
                    "queued; unaddressed: the seller has no address that can be used; handing_over: it may have been"
                    " sent, the server's answer is not known; sent: the server took it; failed: to be tried again;"
                    " refused: for good; bounced: sent, and it came back"
                ),
            ),
            "address": ("varchar", "to whom, as of the last try; null: never tried"),
            "message_id": ("varchar", "the Message-ID of the message, the same for a statement and address"),
            "tries": ("integer", "how often a server was asked to take it"),
            "since_at": ("timestamp", "since when it has been in this state, UTC"),
            "sent_at": ("timestamp", "when a server last took it, or somebody said it had, UTC; null: never"),
            "reply": ("varchar", "what the server said last, or why there is no address"),
        },
    ),
    "billing.outbox_log": (
        "One row per change of a state in billing.outbox. Never changed, never removed.",
        {
            "statement_id": ("varchar", "the statement"),
            "noted_at": ("timestamp", "when, UTC"),
            "state": ("varchar", "the new state"),
            "address": ("varchar", "to whom"),
            "message_id": ("varchar", "the Message-ID"),
            "reply": ("varchar", "what the server or a notification said"),
            "noted_by": ("varchar", "who said that it was sent, or is to be sent again; null: nobody was asked"),
            "run_id": ("bigint", "the command that noted it (audit.runs)"),
            "file_sha256": ("varchar", "of the notification that told of a bounce"),
        },
    ),
}


@dataclass(frozen=True)
class Entry:
    """A final statement, and how it stands."""

    statement_id: str
    period: str
    marketplace_id: str
    seller_id: str
    email: str | None
    """The seller's address as it is known now."""
    state: str
    address: str | None = None
    message_id: str | None = None
    reply: str | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the next `csba send` tries it; one that was refused is tried again at another address."""
        return self.state in WAITING or (self.state == "refused" and self.email != self.address)

    @property
    def standing(self) -> str:
        """One of `STANDINGS`."""
        if self.state == "handing_over":
            return "uncertain"
        return "waiting" if self.is_waiting and self.state != "unaddressed" else self.state


def entries(con: duckdb.DuckDBPyConnection, period: str, marketplaces: Sequence[str]) -> list[Entry]:
    """Every final statement of a period in some marketplaces; what the outbox does not know yet is queued."""
    known = "billing.outbox"
    if not exists(con, known):  # a warehouse that no command has opened for writing since there is an outbox
        nothing = ", ".join(
            f"cast(null as varchar) as {name}" for name in ("statement_id", "state", "address", "message_id", "reply")
        )
        known = f"(select {nothing})"
    rows = con.execute(
        f"""
        select
            statement.statement_id, statement.period, statement.marketplace_id, statement.seller_id, seller.email,
            coalesce(outbox.state, 'queued'), outbox.address, outbox.message_id, outbox.reply
        from billing.statements as statement
        left join core.sellers as seller on seller.seller_id = statement.seller_id
        left join {known} as outbox on outbox.statement_id = statement.statement_id
        where statement.period = ? and statement.status = 'final' and list_contains(?, statement.marketplace_id)
        order by statement.marketplace_id, statement.seller_id""",
        [period, list(marketplaces)],
    ).fetchall()
    return [Entry(*row) for row in rows]


def enqueue(warehouse: Warehouse, period: str, marketplaces: Sequence[str], now: datetime) -> None:
    """Enter the final statements of a period that the outbox does not know yet."""
    warehouse.con.execute(
        """
        insert into billing.outbox by name
        select statement_id, period, marketplace_id, seller_id, 'queued' as state, 0 as tries, $now as since_at
        from billing.statements
        where period = $period and status = 'final' and list_contains($names, marketplace_id)
            and statement_id not in (select statement_id from billing.outbox)""",
        {"period": period, "names": list(marketplaces), "now": now},
    )


def note(
    warehouse: Warehouse,
    statement_id: str,
    state: str,
    now: datetime,
    *,
    address: str | None = None,
    message_id: str | None = None,
    reply: str | None = None,
    by: str | None = None,
    file_sha256: str | None = None,
) -> None:
    """Let a statement of the outbox be in a state from now on, and enter the change in the log.

    Address and Message-ID stay what they were where none is given. An answer to a try counts the try.
    """
    con = warehouse.con
    is_answer = state in {"sent", "failed", "refused"} and by is None
    with warehouse.transaction():
        con.execute(
            """
            update billing.outbox set
                state = $state, since_at = $now, reply = $reply, address = coalesce($address, address),
                message_id = coalesce($message_id, message_id), tries = tries + $tries,
                sent_at = if($state = 'sent', $now, sent_at)
            where statement_id = $statement_id""",
            {
                "statement_id": statement_id,
                "state": state,
                "now": now,
                "address": address,
                "message_id": message_id,
                "reply": reply,
                "tries": int(is_answer),
            },
        )
        con.execute(
            """
            insert into billing.outbox_log
            select $1, $2, state, address, message_id, reply, $3, $4, $5 from billing.outbox where statement_id = $1""",
            [statement_id, now, by, warehouse.run_id, file_sha256],
        )


COUNTS = """
select
    marketplace_id, period, count(*) filter (state = 'sent') as sent,
    count(*) filter (coalesce(state, 'queued') in ('queued', 'failed')) as waiting,
    count(*) filter (state = 'unaddressed') as unaddressed, count(*) filter (state = 'refused') as refused,
    count(*) filter (state = 'bounced') as bounced, count(*) filter (state = 'handing_over') as uncertain
from billing.statements as statement
left join billing.outbox as outbox using (statement_id, period, marketplace_id)
where status = 'final' and (period, marketplace_id) in (select period, marketplace_id from billing.outbox)
group by all"""


def counts(warehouse: Warehouse) -> dict[tuple[str, str], dict[str, int]]:
    """Marketplace and period → its final statements by how they stand; only those of which any was to be sent."""
    if not exists(warehouse.con, "billing.outbox"):
        return {}
    found = warehouse.rows(COUNTS)
    return {(row.pop("marketplace_id"), row.pop("period")): row for row in found}
