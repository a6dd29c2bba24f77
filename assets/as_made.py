"""Which tables would come out as they are, so that a run need not make them again.

Beside the rows of a table stands, for each period and marketplace, a version: a hash of all that they were made from,
which is the code, the last load that brought rows of the datasets (and months, and orders) it reads, the versions of
the tables it reads, and the content of books and of small tables. It is written in the transaction that writes the rows
and checks them. Where everything is as it was, so are the rows, and every check of them holds as it did.

Does not belong here: making anything.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import duckdb

from assets.billing import books
from assets.version import code_version

TABLE = "audit.made"
TABLES: Mapping[str, tuple[str, Mapping[str, tuple[str, str]]]] = {
    TABLE: (
        "One row per table, period and marketplace: the version of what its rows were made from.",
        {
            "table_name": (
                "varchar",
                "the table, with its schema; or what is made from tables: reports.…, published.…",
            ),
            "period": ("varchar", "the period; empty: of a table that has none"),
            "marketplace_id": ("varchar", "the marketplace; empty: of a table that has no periods"),
            "version": ("varchar", "hash of all that the rows were made from"),
        },
    )
}

Pairs = Collection[tuple[str, str]]
"""Periods and marketplaces; ("", "") stands for a table without periods."""
WHOLE: Pairs = (("", ""),)

_IS_ONE = "list_contains($pairs, struct_pack(period := period, marketplace_id := marketplace_id))"

FOLLOWING = {"billing.posted_lines", "billing.rerated_lines", "billing.late_causes", "billing.kept_evidence"}
"""Large tables of which every change shows in those that they follow from."""
FOLLOWED = {"billing.closes", "billing.credits", "billing.rerating"}
IDENTIFYING = {"billing.closes": "period, marketplace_id", "billing.credits": "credit_id"}
"""Columns that stand for a row that never changes, so that it does not count when it was written."""


LastLoad = tuple[int | None, bool]
"""A load of a dataset, and whether there was any at all: a table of what was never loaded is left empty."""


def version_of(
    con: duckdb.DuckDBPyConnection,
    rules: Any,
    inputs: Mapping[str, Pairs],
    loads: Mapping[str, LastLoad] | None = None,
) -> str:
    """The version that a table made by these rules would have now; `inputs` are the tables read, and of which pairs.

    Raw tables stand for the rows in force; those read in part have the `loads` that count for them. Of books, and where
    no pairs are given, the content counts and not the version: of the pairs, or all of it.
    """
    found: dict[str, Any] = {"rules": rules, "code": code_version()}
    names = set(inputs)
    following = {name for name in names & FOLLOWING if not inputs[name]}
    if following:
        names = names - following | FOLLOWED
    for name in sorted(names):
        if name.startswith("raw."):
            found[name] = (loads or {}).get(name) or last_load(con, name.removeprefix("raw."))
        elif inputs.get(name) and name not in books.TABLES:
            found[name] = _versions(con, name, inputs[name])
        else:
            rows, values = f"select {IDENTIFYING.get(name, '*')} from {name}", {}
            if inputs.get(name):
                rows, values = f"{rows} where {_IS_ONE}", {"pairs": _as_structs(inputs[name])}
            content = f"select count(*), sum(cast(hash(t) as hugeint)) from ({rows}) as t"
            found[name] = con.execute(content, values).fetchall()
    return hashlib.sha256(json.dumps(found, default=str).encode()).hexdigest()


def last_load(
    con: duckdb.DuckDBPyConnection, dataset: str, within: tuple[datetime, datetime] | None = None
) -> LastLoad:
    """The last load that brought rows of a dataset, if given such as may have happened from an instant to another."""
    first, end = within or (None, None)
    (found,) = con.execute(
        """
        select max(load_id) filter (where coalesce(first_at < $end and last_at >= $first, true)), count(*) > 0
        from audit.files
        left join audit.file_times using (file_id)
        where dataset = $dataset and rows_loaded > 0""",
        {"dataset": dataset, "first": first, "end": end},
    ).fetchall()
    return found


def is_as_made(con: duckdb.DuckDBPyConnection, table: str, pairs: Pairs, version: str) -> bool:
    """Whether the rows of all these pairs have that version."""
    return all(found == version for _, _, found in _versions(con, table, pairs))


def note_made(con: duckdb.DuckDBPyConnection, table: str, pairs: Pairs, version: str) -> None:
    """Write down the version of rows, in the transaction that wrote them."""
    chosen = _as_structs(pairs)
    con.execute(f"delete from {TABLE} where table_name = $table and {_IS_ONE}", {"table": table, "pairs": chosen})
    con.execute(
        f"insert into {TABLE} select $table, pair.period, pair.marketplace_id, $version"
        " from (select unnest($pairs) as pair)",
        {"table": table, "pairs": chosen, "version": version},
    )


def _as_structs(pairs: Pairs) -> list[dict[str, str]]:
    return [{"period": period, "marketplace_id": marketplace} for period, marketplace in pairs]


def _versions(con: duckdb.DuckDBPyConnection, table: str, pairs: Pairs) -> list[tuple[str, str, str | None]]:
    """Each pair with the version of its rows; none where they were never made."""
    found = {
        (period, marketplace): version
        for period, marketplace, version in con.execute(
            f"select period, marketplace_id, version from {TABLE} where table_name = ?", [table]
        ).fetchall()
    }
    return [(*pair, found.get(pair)) for pair in sorted(pairs)]
