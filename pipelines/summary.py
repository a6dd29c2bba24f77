"""What a run, a load or a home comes to, in tables for the terminal.

Everything is read from the published tables; nothing is computed here but sums.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from assets.tables import UNKNOWN
from assets.warehouse import Warehouse
from pipelines.closing import Preview
from pipelines.printing import as_lines, new_table, show_table
from pipelines.profiling import Profile
from pipelines.reproducing import Reproduction

if TYPE_CHECKING:
    from pipelines.comparing import Comparison
    from pipelines.inspecting import Nearness, Reading

LINE = "line"
"""Stands for a column where a row is refused before it has any."""
REQUIRED = "required"
"""What a value should be that may not be blank."""
DIFFERENCES_SHOWN = 30
LONGEST_SHOWN = 40
"""Characters of a value."""

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


def show_run(console: Console, warehouse: Warehouse, periods: Sequence[str], marketplaces: Sequence[str] = ()) -> None:
    """Units by outcome, sellers by tier, adjustments, totals and exceptions, of some periods of some marketplaces."""
    several = len(periods) > 1
    warehouse.con.execute(
        "create or replace temp table shown as select unnest($periods) as period, marketplace_id from ("
        " select marketplace_id from core.marketplaces where len($names) = 0 or list_contains($names, marketplace_id)"
        f" union all select '{UNKNOWN}')",
        {"periods": list(periods), "names": list(marketplaces)},
    )
    title = f"{periods[0]} to {periods[-1]}" if several else periods[0]
    names = {row["marketplace_id"]: row["country"] for row in warehouse.rows("from core.marketplaces")}
    _units(console, warehouse, title, names)
    _sellers(console, warehouse, title)
    _adjustments(console, warehouse, title, names)
    _totals(console, warehouse, title, names)
    _exceptions(console, warehouse, title, names)
    for name in warehouse.counts.get("datasets_never_loaded", ()):
        rewards = ", and rewards that need them are not given" if name == "returns" else ""
        _say(console, f"No {name.replace('_', ' ')} were ever loaded: statements leave them out{rewards}")


def _units(console: Console, warehouse: Warehouse, title: str, names: dict[str, str]) -> None:
    sums = ", ".join(f"cast(sum({name}) as bigint) as {name}" for name in ("shipped", *OUTCOMES, "difference"))
    rows = warehouse.rows(
        f"""
        select marketplace_id, {sums}
        from audit.unit_balance semi join shown using (period, marketplace_id)
        group by marketplace_id
        having sum(shipped) > 0
        order by marketplace_id"""
    )
    table = new_table("outcome", *(names.get(row["marketplace_id"], row["marketplace_id"]) for row in rows), "all")
    for name in (*OUTCOMES, "shipped", "difference"):
        counts = [row[name] for row in rows]
        if any(counts) or name in ("shipped", "difference"):
            table.add_row(name.replace("_", " "), *(f"{count:,}" for count in (*counts, sum(counts))))
    show_table(console, f"Units shipped in {title}, by outcome", table)


def _sellers(console: Console, warehouse: Warehouse, title: str) -> None:
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
        semi join shown on shown.period = line.period and shown.marketplace_id = line.marketplace_id
        group by all
        order by terms_id, class"""
    )
    table = new_table("terms", "tier", "sellers", "units", "amount", "currency", left=2)
    for row in rows:
        counts = f"{row['sellers']:,}", f"{row['units']:,}", f"{row['amount']:,.{row['minor_units']}f}"
        table.add_row(row["terms_id"], row["class"], *counts, row["currency"])
    show_table(console, f"Sellers with covered units in {title}, by tier (illustrative fees)", table)


def _adjustments(console: Console, warehouse: Warehouse, title: str, names: dict[str, str]) -> None:
    rows = warehouse.rows("""
        select
            marketplace_id, posted_period, booked.period, if(kind = 'credit', 'credit', causes) as why, minor_units,
            count(distinct seller_id) as sellers, sum(amount) as difference, booked.currency
        from billing.adjustments as booked
        join core.marketplaces using (marketplace_id)
        semi join shown on shown.period = booked.posted_period and shown.marketplace_id = booked.marketplace_id
        group by all
        order by marketplace_id, posted_period, booked.period, why""")
    table = new_table("marketplace", "corrects", "because of", "sellers", "difference", "currency", left=3)
    for row in rows:
        difference = f"{row['difference']:,.{row['minor_units']}f}"
        what = (names[row["marketplace_id"]], row["period"], row["why"].replace("_", " "))
        table.add_row(*what, f"{row['sellers']:,}", difference, row["currency"])
    show_table(console, f"Adjustments of closed periods, booked in {title}", table)


def _totals(console: Console, warehouse: Warehouse, title: str, names: dict[str, str]) -> None:
    rows = warehouse.rows(
        """
        select marketplace_id, statement.currency, minor_units, count(*) as statements, sum(total) as total
        from (from billing.statements semi join shown using (period, marketplace_id)) as statement
        join core.marketplaces using (marketplace_id)
        group by marketplace_id, statement.currency, minor_units
        order by marketplace_id"""
    )
    table = new_table("marketplace", "statements", "total", "currency")
    for row in rows:
        _add_total(table, names[row["marketplace_id"]], [row])
    for currency in sorted({row["currency"] for row in rows}):
        of_currency = [row for row in rows if row["currency"] == currency]
        if len(of_currency) > 1:
            _add_total(table, "all", of_currency)
    show_table(console, f"Statements for {title} (illustrative fees, net of tax)", table)


def _add_total(table: Table, name: str, rows: Sequence[dict[str, Any]]) -> None:
    total = sum((row["total"] for row in rows), Decimal(0))
    statements = sum(row["statements"] for row in rows)
    table.add_row(name, f"{statements:,}", f"{total:,.{rows[0]['minor_units']}f}", rows[0]["currency"])


def _exceptions(console: Console, warehouse: Warehouse, title: str, names: dict[str, str]) -> None:
    rows = warehouse.rows(
        "select kind, marketplace_id, count(*) as reported, min(subject) as example from audit.exceptions"
        " semi join shown using (period, marketplace_id) group by kind, marketplace_id order by all"
    )
    table = new_table("kind", "marketplace", "for example", "times", left=3)
    for row in rows:
        where = names.get(row["marketplace_id"], row["marketplace_id"])
        table.add_row(row["kind"].replace("_", " "), where, Text(as_lines(row["example"][:40])), f"{row['reported']:,}")
    show_table(console, f"Reported in {title} (audit.exceptions)", table)


def show_preview(console: Console, period: str, previews: Sequence[Preview]) -> None:
    """What closing a period would freeze, a column a marketplace."""
    table = new_table("", *(each.marketplace.country for each in previews))

    def money(each: Preview, amount: Decimal) -> str:
        return f"{amount:,.{each.marketplace.minor_units}f} {each.marketplace.currency}"

    lines: tuple[tuple[str, Callable[[Preview], str]], ...] = (
        ("statements", lambda each: f"{each.statements:,}"),
        ("of them not zero", lambda each: f"{each.sellers_charged:,}"),
        ("covered units", lambda each: f"{each.units:,}"),
        ("charges", lambda each: money(each, each.charges)),
        ("adjustments", lambda each: money(each, each.adjustments)),
        ("total", lambda each: money(each, each.total)),
        ("exceptions reported", lambda each: f"{each.exceptions:,}"),
        *(
            (f"days without {what}", lambda each, what=what: f"{each.days_without[what]:,}")
            for what in previews[0].days_without
        ),
    )
    for name, cell in lines:
        table.add_row(name, *(cell(each) for each in previews))
    show_table(console, f"Closing {period} will freeze (illustrative fees, net of tax)", table)
    if previews[0].unmatched:
        _say(console, f"{previews[0].unmatched:,} units of the month wait for their order, in no marketplace yet")
    if previews[0].quarantined:
        _say(console, f"{previews[0].quarantined:,} rows are in quarantine, from all loads (audit.quarantine)")


def show_close(console: Console, warehouse: Warehouse, period: str, marketplaces: Sequence[str]) -> None:
    """What was closed, from the books."""
    for row in warehouse.rows(
        "select country, minor_units, closes.* from billing.closes as closes"
        " join core.marketplaces using (marketplace_id)"
        " where period = ? and list_contains(?, marketplace_id) order by country",
        [period, list(marketplaces)],
    ):
        total = f"{row['total']:,.{row['minor_units']}f}"
        _say(
            console,
            f"{period} of {row['country']} is closed by {row['closed_by']}: {row['statements']:,} statements,"
            f" {total} {row['currency']}, load {row['load_id']}",
        )


def show_reproduction(console: Console, found: Reproduction) -> None:
    """Whether a closed period comes out the same."""
    title = f"{found.period} of {found.country}"
    if not found.is_same_code:
        how = "made by other code: pages and data proved by the hashes kept"
    elif not found.is_same_press:
        how = "PDFs by another engine: lines made again byte for byte, pages and data proved by the hashes kept"
    else:
        how = "made again byte for byte"
    if not found.differences:
        _say(console, f"{title} is the same: {found.rows:,} rows; {found.files:,} files of statements, {how}")
    else:
        _say(console, f"{title} differs ({found.rows:,} rows and {found.files:,} files compared):")
        for difference in found.differences:
            _say(console, f"  {difference}")


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
        if file.encoding:
            _say(console, f"{file.path.name}: read line by line, as {file.encoding}")
        for told in _clock_changes(file.times_repeated, file.times_skipped):
            _say(console, f"{file.path.name}: {told}")
    for row in quarantined:
        why = _why(row["column_name"], row["check_name"], row["value"])
        _say(
            console,
            f"{row['name']}: {row['rows']:,} quarantined as {row['dataset']}, first in row {row['first_row']:,}: {why}",
        )
    if quarantined and quarantined[0]["reasons"] > len(quarantined):
        _say(console, f"… and {quarantined[0]['reasons'] - len(quarantined):,} more reasons")
    if quarantined:
        _say(
            console,
            "`csba quarantine --export DIR` writes the quarantined rows as they came; mend them, and load that file",
        )
    if report.unchanged:
        before = "files were" if len(report.unchanged) > 1 else "file was"
        _say(console, f"{len(report.unchanged):,} {before} loaded before and nothing of it has changed")
    if not report.loads and not report.refusals and not report.unchanged:
        _say(console, "There is no file to load among those named")


def _why(column: str, check: str, value: str | None = None) -> str:
    """Why a row is refused: the column at fault, what a good value is, and the value, if one was kept.

    None was kept where it was blank, but also of a column that is not the dataset's, and of a row that could not be
    read: only what is required was blank for sure.
    """
    if check == REQUIRED:
        return f"{column} is {repr(value) if value and value.strip() else 'blank'}, but required"
    return f"{column} should be {check}" if value is None else f"{column} is {value!r}, not {check}"


def _clock_changes(repeated: int, skipped: int) -> Iterator[str]:
    """What was decided of local times in the two hours of clock changes."""
    if repeated:
        yield f"{repeated:,} rows have a local time that a clock change repeats; it was read as the second of the two"
    if skipped:
        yield f"{skipped:,} rows have a local time that a clock change skips; it was read as if the change came later"


def show_reading(console: Console, path: Path, found: "Reading") -> None:
    """A file as a source reads it."""
    name = "canonical columns" if found.source.select is None else f"the source {found.source.name}"
    _say(console, f"{path.name} is {found.source.dataset.name}, by {found.why}: {name}")
    if found.refused:
        _say(console, f"It would be refused: {found.refused}")
        return
    refused, skipped = sum(row[2] for row in found.refusals), sum(count for _, count in found.skipped)
    how = f", read line by line as {found.encoding}" if found.encoding else ""
    good = found.rows_read - refused - skipped
    _say(console, f"{found.rows_read:,} rows{how}: {good:,} good, {refused:,} refused, {skipped:,} skipped")
    for column, check, rows, first in found.refusals:
        _say(console, f"  refused: {rows:,}, first in row {first:,}: {_why(column, check)}")
    for reason, rows in found.skipped:
        _say(console, f"  skipped: {rows:,}: {reason}")
    for told in _clock_changes(found.times_repeated, found.times_skipped):
        _say(console, f"  {told}")
    table = new_table("column", *("" for _ in found.first), left=1 + len(found.first))
    for column in found.source.dataset.columns if found.first else ():
        table.add_row(column, *(Text(as_lines(_short(row[column]))) for row in found.first))
    show_table(console, "The first good rows", table)


def show_unknown(console: Console, path: Path, near: Sequence["Nearness"], draft: str) -> None:
    """A file that nobody knows, and how to make it known."""
    _say(console, f"Nobody knows {path.name}, neither by its name nor by its columns or keys")
    for each in near:
        other = "" if not each.has else f"; it reads {_delimiter(each.reads)}, and the file has {_delimiter(each.has)}"
        _say(console, f"  {each.source} would need {', '.join(each.missing) or 'no other column'}{other}")
    _say(console, "A source to begin with, as one file below CSBA_SOURCES (docs/sources.md):\n")
    _say(console, draft)


def _delimiter(called: str) -> str:
    return "tabs" if called == "tab" else f"`{called}`"


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def show_refused(console: Console, refused: Sequence[dict[str, Any]]) -> None:
    """Quarantined rows by file and reason."""
    table = new_table("file", "dataset", "because", "load", "rows", "first row", left=3)
    for row in refused:
        words = row["name"], row["dataset"], _why(row["column_name"], row["check_name"])
        table.add_row(
            *(Text(as_lines(each)) for each in words), *(f"{row[name]:,}" for name in ("load_id", "rows", "first_row"))
        )
    show_table(console, "Quarantined (audit.quarantine)", table)
    if not refused:
        _say(console, "No row is quarantined")


def show_comparison(console: Console, found: "Comparison", names: Mapping[str, str]) -> None:
    """What was billed and what was charged, by seller and month, and the largest differences with their reasons."""

    def amounts(row: dict[str, Any]) -> list[str]:
        return [f"{row[name]:,.4f}".rstrip("0").rstrip(".") for name in ("billed", "charged", "difference")]

    totals = new_table("month", "marketplace", "seller", "billed", "charged", "difference", "currency", left=3)
    for row in found.totals:
        place = names.get(row["marketplace_id"], row["marketplace_id"])
        totals.add_row(row["period"], place, Text(as_lines(row["seller_id"])), *amounts(row), row["currency"])
    show_table(console, "Billed here, charged there (illustrative fees, net of tax)", totals)
    differing = sorted((row for row in found.lines if row["because"]), key=lambda row: -abs(row["difference"]))
    reasons = new_table("because", "lines", "difference", "currency")
    for because, currency in dict.fromkeys((row["because"], row["currency"]) for row in differing):
        rows = [row for row in differing if (row["because"], row["currency"]) == (because, currency)]
        total = sum((row["difference"] for row in rows), Decimal(0))
        reasons.add_row(Text(as_lines(because)), f"{len(rows):,}", f"{total:,.4f}".rstrip("0").rstrip("."), currency)
    show_table(console, "Why they differ", reasons)
    lines = new_table("month", "order", "item", "billed", "charged", "because", left=3)
    lines.columns[-1].justify = "left"
    for row in differing[:DIFFERENCES_SHOWN]:
        words = (as_lines(row[name] or "–") for name in ("period", "order_id", "order_item_id"))
        lines.add_row(*map(Text, words), *amounts(row)[:2], Text(as_lines(row["because"])))
    show_table(console, "The largest differences", lines)
    if len(differing) > DIFFERENCES_SHOWN:
        _say(console, f"{len(differing) - DIFFERENCES_SHOWN:,} more; --out FILE writes all lines")
    for path, row, why in found.refused:
        _say(console, f"{path.name}: row {row} cannot be read and was left out: {why}")
    if not found.differs:
        _say(console, "What was charged is what was billed")


def _say(console: Console, text: str) -> None:
    console.print(Text(as_lines(text)), soft_wrap=True)


def show_profile(console: Console, profile: Profile) -> None:
    """Where a run's time went, stage by stage."""

    def in_mb(size: int | None) -> str:
        return "–" if size is None else f"{size / 10**6:,.1f}"

    table = new_table("stage", "rows", "seconds", "MB written", "peak MB")
    for stage in profile.stages:
        table.add_row(
            stage.name, f"{stage.rows:,}", f"{stage.seconds:,.2f}", in_mb(stage.written), in_mb(stage.peak_memory)
        )
    between = profile.seconds - sum(stage.seconds for stage in profile.stages)
    table.add_row("between stages", "", f"{between:,.2f}", "", "")
    table.add_row("all", "", f"{profile.seconds:,.2f}", "", "")
    show_table(console, "Where the time went", table)
