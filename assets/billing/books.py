"""The books: the tables that closing a period or granting a credit writes into.

What stands in `billing.closes`, `billing.credits` and the kept terms and pages is never changed.
`billing.posted_lines` has the fee lines as they stand in the books, brought forward by each close, and
`billing.kept_evidence` what they rest on, where that has changed since; the other tables say the same of what is known
now, and `rerating.py` keeps them up to date.

Does not belong here: working out any amount.
"""

from collections.abc import Mapping
from typing import Any

import duckdb

_LINE: Mapping[str, tuple[str, str]] = {
    "period": ("varchar", "the closed period"),
    "marketplace_id": ("varchar", "the marketplace"),
    "seller_id": ("varchar", "the seller"),
    "terms_id": ("varchar", "the version of the terms"),
    "kind": ("varchar", "trial or charge"),
    "units": ("bigint", "covered units"),
    "tier": ("integer", "from 1; null for trial"),
    "fee": ("decimal(18,4)", "per unit, before discount, in currency"),
    "discount": ("decimal(5,4)", "share of the fee that the reward takes off"),
    "waiver": ("varchar", "what makes the units free; null: nothing"),
    "amount": ("decimal(18,4)", "net of tax, in currency"),
    "currency": ("varchar", "ISO 4217"),
}

LINE_COLUMNS = ", ".join(_LINE)

_IDS = ("period", "marketplace_id", "seller_id", "dataset", "subject_id", "order_id", "order_item_id")
_EVIDENCE: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(_IDS, ("varchar", "as in audit.evidence")),
    **dict.fromkeys(("happened_at", "purchased_at", "trial_ends_at"), ("timestamp", "as in audit.evidence, UTC")),
    "quantity": ("bigint", "as in audit.evidence, units"),
    **dict.fromkeys(("outcome", "detail", "terms_id"), ("varchar", "as in audit.evidence")),
    **dict.fromkeys(("file_id", "row_number", "item_file_id", "item_row_number"), ("bigint", "as in audit.evidence")),
}

EVIDENCE_COLUMNS = ", ".join(_EVIDENCE)

TABLES: Mapping[str, tuple[str, Mapping[str, tuple[str, str]]]] = {
    "billing.closes": (
        "One row per closed period of a marketplace. Never changed, never removed.",
        {
            "period": ("varchar", "the period"),
            "marketplace_id": ("varchar", "the marketplace"),
            "closed_at": ("timestamp", "when the books were shut, UTC"),
            "closed_by": ("varchar", "who shut them"),
            "load_id": ("bigint", "the load up to which data was seen"),
            "terms_sha256": ("varchar", "the terms file that priced it (billing.kept_terms)"),
            "code_version": ("varchar", "the code that made it"),
            "total": ("decimal(18,4)", "sum of its statements, net of tax, in currency"),
            "currency": ("varchar", "ISO 4217"),
            "statements": ("bigint", "how many there are"),
            "manifest": ("varchar", "every file of its statements with its SHA-256, and what made them; JSON"),
            "marketplace": ("varchar", "the marketplace as it was listed then, JSON"),
        },
    ),
    "billing.kept_terms": (
        "One row per terms file that priced a closed period.",
        {
            "terms_sha256": ("varchar", "hash of the file"),
            "marketplace_id": ("varchar", "whose terms"),
            "content": ("varchar", "the file, TOML"),
        },
    ),
    "billing.kept_pages": (
        "One row per page of a closed period: each statement, and the index of them.",
        {
            "period": ("varchar", "the period"),
            "marketplace_id": ("varchar", "the marketplace"),
            "file_name": ("varchar", "below statements/<period>/<marketplace>/"),
            "statement_id": ("varchar", "the statement; null for the index"),
            "html": ("varchar", "the page"),
            "json_name": ("varchar", "the file of its data, beside it; null for the index"),
            "view": ("varchar", "its data: what the page shows, JSON"),
        },
    ),
    "billing.credits": (
        "One row per credit that finance granted, booked as an adjustment in posted_period. Undone by its opposite.",
        {
            "credit_id": ("varchar", "derived from all that was said of it, so that saying it again changes nothing"),
            "marketplace_id": ("varchar", "the marketplace"),
            "seller_id": ("varchar", "whom it is granted"),
            "period": ("varchar", "the closed period that it is about"),
            "amount": ("decimal(18,4)", "in the seller's favour; negative: taken back"),
            "currency": ("varchar", "ISO 4217"),
            "reason": ("varchar", "why, as the statement says it"),
            "granted_by": ("varchar", "who approved it"),
            "granted_at": ("timestamp", "when, UTC"),
            "posted_period": ("varchar", "the first period that was open then"),
        },
    ),
    "billing.posted_lines": (
        (
            "One row per seller, marketplace, closed period, terms version and kind: its fee line as it stands in the"
            " books, that is as billed, with all posted adjustments applied."
        ),
        _LINE,
    ),
    "billing.rerated_lines": (
        (
            "One row per seller, marketplace, closed period, terms version and kind: its fee line as rated with all"
            " that is known now."
        ),
        _LINE,
    ),
    "billing.kept_evidence": (
        (
            "One row per row of audit.evidence of a seller and closed period that became otherwise after a close: as it"
            " was until then, or that it was not there. Lines in the books rest on what was."
        ),
        {
            **_EVIDENCE,
            "was_there": (
                "boolean",
                "true: these are its values until then; false: it was not there until then, and has its key alone",
            ),
            "last_closed": (
                "varchar",
                "the marketplace's last closed period when it changed; what was posted up to then rests on it",
            ),
        },
    ),
    "billing.rerating": (
        "One row per marketplace with a closed period: how far its closed periods are re-rated.",
        {
            "marketplace_id": ("varchar", "the marketplace"),
            "first_period": ("varchar", "the first that was closed; what shipped earlier was never billed here"),
            "open_period": ("varchar", "the first open period after the closed ones: adjustments are booked in it"),
            "load_id": ("bigint", "the load up to which billing.rerated_lines know"),
            "has_returns": ("boolean", "whether any return of the marketplace was loaded by then"),
            "terms_sha256": ("varchar", "the terms they are rated with (billing.kept_terms)"),
        },
    ),
    "billing.carried_balances": (
        (
            "One row per marketplace and closed period whose balances (audit.unit_balance and so on) late rows carried"
            " forward. The next close counts them again from all raw rows; until then runs leave the period as it is,"
            " but for `csba run --anew`, which rates it anew as a whole."
        ),
        {"period": ("varchar", "the closed period"), "marketplace_id": ("varchar", "the marketplace, or unknown")},
    ),
    "billing.late_causes": (
        "One row per cause that changed lines of a closed period, and the load that brought it.",
        {
            "marketplace_id": ("varchar", "the marketplace"),
            "period": ("varchar", "the closed period"),
            "seller_id": ("varchar", "the seller"),
            "cause": (
                "varchar",
                (
                    "late or corrected: order_item, shipment, contact, return; enrolment_changed, contact_reassigned,"
                    " first_returns, terms_repriced, counted_anew"
                ),
            ),
            "load_id": ("bigint", "the load"),
            "posted_period": ("varchar", "the first period that was open then, in which the difference is booked"),
        },
    ),
}


def known_lines(database: str = "") -> str:
    """The query of the lines of all months as known now: of closed ones as rated again, of open ones their drafts."""
    of = f"{database}." if database else ""
    return f"""
        select {LINE_COLUMNS} from {of}billing.rerated_lines
        union all
        select {LINE_COLUMNS} from {of}billing.fee_lines anti join {of}billing.closes using (period, marketplace_id)"""


def keep_terms(con: duckdb.DuckDBPyConnection, sha256: str, marketplace_id: str, content: str) -> None:
    """Keep a terms file, once."""
    con.execute(
        "insert into billing.kept_terms select $1, $2, $3"
        " where not exists (from billing.kept_terms where terms_sha256 = $1 and marketplace_id = $2)",
        [sha256, marketplace_id, content],
    )


def kept_terms(con: duckdb.DuckDBPyConnection, sha256: str, marketplace_id: str) -> str:
    """The text of a kept terms file."""
    query = "select content from billing.kept_terms where terms_sha256 = ? and marketplace_id = ?"
    return con.execute(query, [sha256, marketplace_id]).fetchall()[0][0]


def rerating_of(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """The rows of `billing.rerating`, by marketplace."""
    columns = list(TABLES["billing.rerating"][1])
    rows = con.execute(f"select {', '.join(columns)} from billing.rerating order by marketplace_id").fetchall()
    return {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
