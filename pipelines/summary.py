"""What a run, a load or a home comes to, in tables for the terminal.

Everything is read from the published tables; nothing is computed here but sums.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from assets.warehouse import Warehouse
from pipelines.printing import new_table, show_table

FILES_SHOWN = 40
OUTCOMES = (
    "chargeable",
    "trial",
    "opted_out",
    "before_enrolment",
    "never_enrolled",
    "prime",
    "platform_fulfilled",
    "void",
    "unmatched",
)


def show_run(console: Console, warehouse: Warehouse, periods: Sequence[str]) -> None:
    """Units by outcome, sellers by tier, totals by currency and exceptions by kind, of some periods."""
    several = len(periods) > 1
    title = f"{periods[0]} to {periods[-1]}" if several else periods[0]
    names = {row["marketplace_id"]: row["country"] for row in warehouse.rows("from core.marketplaces")}
    _units(console, warehouse, periods, title, names)
    _sellers(console, warehouse, periods, title)
    _totals(console, warehouse, periods, title, names)
    _exceptions(console, warehouse, periods, title, names)


def _units(console: Console, warehouse: Warehouse, periods: Sequence[str], title: str, names: dict[str, str]) -> None:
    sums = ", ".join(f"cast(sum({outcome}) as bigint) as {outcome}" for outcome in OUTCOMES)
    rows = warehouse.rows(
        f"""
        select
            marketplace_id, cast(sum(shipped) as bigint) as shipped, {sums},
            cast(sum(difference) as bigint) as difference
        from audit.unit_balance
        where list_contains(?, period)
        group by marketplace_id
        having sum(shipped) > 0
        order by marketplace_id""",
        [list(periods)],
    )
    columns = ["shipped", *(outcome for outcome in OUTCOMES if any(row[outcome] for row in rows)), "difference"]
    table = new_table("marketplace", *(name.replace("_", " ") for name in columns))
    for row in rows:
        table.add_row(names.get(row["marketplace_id"], row["marketplace_id"]), *(f"{row[name]:,}" for name in columns))
    show_table(console, f"Units shipped in {title}, by outcome", table)


def _sellers(console: Console, warehouse: Warehouse, periods: Sequence[str], title: str) -> None:
    rows = warehouse.rows(
        """
        select
            marketplace_id, terms_id, count(distinct seller_id) as sellers,
            case
                when kind = 'trial' then 'trial'
                when waiver is not null then 'waived: ' || replace(waiver, '_', ' ')
                when discount > 0 then 'tier ' || tier || ', rewarded'
                else 'tier ' || tier
            end as class
        from billing.fee_lines
        where list_contains(?, period)
        group by marketplace_id, terms_id, class
        order by marketplace_id, terms_id, class""",
        [list(periods)],
    )
    classes = list(dict.fromkeys(sorted((row["class"] for row in rows), key=_order_of_class)))
    table = new_table("terms", *classes)
    terms = list(dict.fromkeys((row["marketplace_id"], row["terms_id"]) for row in rows))
    for marketplace, version in terms:
        counts = {
            r["class"]: r["sellers"] for r in rows if (r["marketplace_id"], r["terms_id"]) == (marketplace, version)
        }
        table.add_row(f"{version}", *(f"{counts[name]:,}" if name in counts else "" for name in classes))
    show_table(console, f"Sellers with covered units in {title}, by tier", table)


def _order_of_class(name: str) -> tuple[int, str]:
    return (0 if name.startswith("tier") else 1 if name == "trial" else 2), name


def _totals(console: Console, warehouse: Warehouse, periods: Sequence[str], title: str, names: dict[str, str]) -> None:
    rows = warehouse.rows(
        """
        select marketplace_id, statement.currency, minor_units, count(*) as statements, sum(total) as total
        from billing.statements as statement
        join core.marketplaces using (marketplace_id)
        where list_contains(?, period)
        group by marketplace_id, statement.currency, minor_units
        order by marketplace_id""",
        [list(periods)],
    )
    table = new_table("marketplace", "statements", "total", "currency")
    for row in rows:
        _add_total(table, names[row["marketplace_id"]], [row])
    for currency in sorted({row["currency"] for row in rows}):
        of_currency = [row for row in rows if row["currency"] == currency]
        if len(of_currency) > 1:
            _add_total(table, "all", of_currency)
    show_table(console, f"Drafts for {title} (illustrative fees, net of tax)", table)


def _add_total(table: Table, name: str, rows: Sequence[dict[str, Any]]) -> None:
    total = sum((row["total"] for row in rows), Decimal(0))
    statements = sum(row["statements"] for row in rows)
    table.add_row(name, f"{statements:,}", f"{total:,.{rows[0]['minor_units']}f}", rows[0]["currency"])


def _exceptions(
    console: Console, warehouse: Warehouse, periods: Sequence[str], title: str, names: dict[str, str]
) -> None:
    rows = warehouse.rows(
        "select kind, marketplace_id, count(*) as reported, min(subject) as example from audit.exceptions"
        " where list_contains(?, period) group by kind, marketplace_id order by all",
        [list(periods)],
    )
    table = new_table("kind", "marketplace", "for example", "times", left=3)
    for row in rows:
        where = names.get(row["marketplace_id"], row["marketplace_id"])
        table.add_row(row["kind"].replace("_", " "), where, Text(row["example"][:40]), f"{row['reported']:,}")
    show_table(console, f"Reported in {title} (audit.exceptions)", table)


def show_load(console: Console, report: Any, quarantined: Sequence[dict[str, Any]]) -> None:
    """Rows by file, why rows were skipped or refused, and the files that were refused."""
    table = new_table("file", "as", "read", "loaded", "duplicate", "quarantined", "skipped", left=2)
    for file in report.loads[:FILES_SHOWN]:
        counts = file.rows_read, file.rows_loaded, file.rows_duplicate, file.rows_quarantined, file.rows_skipped
        table.add_row(Text(file.path.name), file.dataset, *(f"{count:,}" for count in counts))
    if len(report.loads) > 1:
        sums = [
            sum(getattr(file, f"rows_{what}") for file in report.loads)
            for what in ("read", "loaded", "duplicate", "quarantined", "skipped")
        ]
        table.add_row(f"all {len(report.loads):,}", "", *(f"{count:,}" for count in sums))
    show_table(console, "Files loaded", table)
    for file in report.loads:
        for reason, count in file.skipped_because.items():
            console.print(Text(f"{file.path.name}: {count:,} skipped as {file.dataset}: {reason}"))
        if file.ignored_columns:
            console.print(
                Text(f"{file.path.name}: columns that {file.dataset} does not have: {', '.join(file.ignored_columns)}")
            )
    if quarantined:
        table = new_table("file", "column", "must be", "value", "row", "rows", left=4)
        for row in quarantined:
            texts = row["name"], row["column_name"] or "", row["check_name"], row["value"] or "(blank)"
            table.add_row(*map(Text, texts), f"{row['first_row']:,}", f"{row['rows']:,}")
        show_table(console, "Quarantined rows (audit.quarantine), the first of each kind", table)
    if report.unchanged:
        console.print(f"{len(report.unchanged):,} files were loaded before and are unchanged")
