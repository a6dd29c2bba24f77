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
    for name in warehouse.counts.get("datasets_never_loaded", ()):
        _say(
            console, f"No {name} were ever loaded: statements leave them out, and rewards that need them are not given"
        )


def _units(console: Console, warehouse: Warehouse, periods: Sequence[str], title: str, names: dict[str, str]) -> None:
    sums = ", ".join(f"cast(sum({name}) as bigint) as {name}" for name in ("shipped", *OUTCOMES, "difference"))
    rows = warehouse.rows(
        f"""
        select marketplace_id, {sums}
        from audit.unit_balance
        where list_contains(?, period)
        group by marketplace_id
        having sum(shipped) > 0
        order by marketplace_id""",
        [list(periods)],
    )
    table = new_table("outcome", *(names.get(row["marketplace_id"], row["marketplace_id"]) for row in rows), "all")
    for name in (*OUTCOMES, "shipped", "difference"):
        counts = [row[name] for row in rows]
        if any(counts) or name in ("shipped", "difference"):
            table.add_row(name.replace("_", " "), *(f"{count:,}" for count in (*counts, sum(counts))))
    show_table(console, f"Units shipped in {title}, by outcome", table)


def _sellers(console: Console, warehouse: Warehouse, periods: Sequence[str], title: str) -> None:
    rows = warehouse.rows(
        """
        select
            terms_id,
            case
                when kind = 'trial' then 'trial'
                when waiver is not null then 'tier ' || tier || ', waived: ' || replace(waiver, '_', ' ')
                when discount > 0 then 'tier ' || tier || ', rewarded'
                else 'tier ' || tier
            end as class,
            count(distinct seller_id) as sellers, cast(sum(units) as bigint) as units, sum(amount) as amount,
            minor_units, line.currency
        from billing.fee_lines as line
        join core.marketplaces using (marketplace_id)
        where list_contains(?, period)
        group by all
        order by terms_id, class""",
        [list(periods)],
    )
    table = new_table("terms", "tier", "sellers", "units", "amount", "currency", left=2)
    for row in rows:
        counts = f"{row['sellers']:,}", f"{row['units']:,}", f"{row['amount']:,.{row['minor_units']}f}"
        table.add_row(row["terms_id"], row["class"], *counts, row["currency"])
    show_table(console, f"Sellers with covered units in {title}, by tier (illustrative fees)", table)


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
    """Rows by dataset, and by file what was skipped, refused or not understood."""
    counts = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined", "rows_skipped")
    table = new_table("dataset", "files", *(count.removeprefix("rows_") for count in counts))
    for dataset in dict.fromkeys(file.dataset for file in report.loads):
        files = [file for file in report.loads if file.dataset == dataset]
        sums = (sum(getattr(file, count) for file in files) for count in counts)
        table.add_row(dataset, f"{len(files):,}", *(f"{number:,}" for number in sums))
    show_table(console, "Loaded (audit.files has each file)", table)
    for file in report.loads:
        for reason, count in file.skipped_because.items():
            _say(console, f"{file.path.name}: {count:,} skipped as {file.dataset}: {reason}")
        if file.ignored_columns:
            ignored = ", ".join(file.ignored_columns)
            _say(console, f"{file.path.name}: columns that {file.dataset} does not have: {ignored}")
    for row in quarantined:
        value = "blank" if row["value"] is None else repr(row["value"])
        _say(
            console,
            f"{row['name']}: {row['rows']:,} quarantined as {row['dataset']}, first in row {row['first_row']:,}:"
            f" {row['column_name']} is {value}, not {row['check_name']}",
        )
    if quarantined:
        _say(console, "audit.quarantine holds the quarantined rows as they came; mend them and load them in a new file")
    if report.unchanged:
        _say(console, f"{len(report.unchanged):,} files were loaded before and are unchanged")


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
