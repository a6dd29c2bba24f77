"""What commands do alike: open a home for themselves, say what is wrong; and load, run, close and publish, and show it.

Does not belong here: arguments and options (`cli.py`), and the work itself, which is done by a module for each.
"""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assets.settings import Settings
from pipelines.printing import as_lines

if TYPE_CHECKING:
    from rich.console import Console

    from assets.core.marketplaces import Marketplace
    from assets.raw.loading import LoadReport
    from assets.warehouse import Warehouse
    from pipelines.profiling import Profile
    from pipelines.running import RunReport

CHECK_FAILED, UNUSABLE = 1, 2
REASONS_SHOWN = 20


@contextmanager
def open_home(places: Settings, command: str, *, wait: bool = False) -> Generator["Warehouse"]:
    """The home's warehouse, for this command alone, with the run kept in `audit.runs`."""
    from assets.version import code_version
    from assets.warehouse import open_warehouse

    with open_warehouse(places.home, holder=command, now=utc_now(), wait=wait, memory=places.memory) as warehouse:
        warehouse.begin_run(command, now=utc_now(), code_version=code_version())
        try:
            with telling_of_spill(places):
                yield warehouse
        except BrokenPipeError:  # whoever read what it printed has seen enough; the work is done
            raise
        except BaseException as error:
            warehouse.failures.append(f"{type(error).__name__}: {error}")
            raise
        finally:
            warehouse.end_run(now=utc_now())


@contextmanager
def telling_of_spill(places: Settings, *, is_error: bool = False) -> Generator[None]:
    """Say in the end how much did not fit into memory, if anything did not."""
    from assets.warehouse import spill_of
    from pipelines.profiling import Watch

    with Watch(spill_of(places.home), seconds=0.5) as watch:
        yield
    if watch.peak_spill:
        limit, spilled = (f"{size / 10**9:,.1f} GB" for size in (places.memory, watch.peak_spill))
        said = f"Beyond {limit} of memory (CSBA_MEMORY) up to {spilled} went to {spill_of(places.home)}"
        click.echo(said, err=is_error)


def load_and_show(console: "Console", warehouse: "Warehouse", places: Settings, paths: Sequence[Path]) -> "LoadReport":
    """Load files, and show how many rows became what, and why any were quarantined."""
    from assets.core.marketplaces import read_marketplaces
    from assets.raw.loading import load as load_files
    from assets.raw.sources import read_sources
    from pipelines.bars import loading_bar
    from pipelines.summary import show_load

    with loading_bar(console, warehouse) as show:
        report = load_files(
            warehouse,
            paths,
            sources=read_sources(places.sources),
            marketplaces=read_marketplaces(places.marketplaces),
            now=utc_now(),
            limits=places.limits,
            lake=places.lake,
            progress=show,
        )
    for fault in report.faults:
        complain(fault)
        warehouse.failures.append(fault)
    warehouse.counts |= {
        "files": len(report.loads),
        "files_unchanged": len(report.unchanged),
        "files_refused": len(report.refusals),
        "rows_loaded": sum(file.rows_loaded for file in report.loads),
        "rows_quarantined": sum(file.rows_quarantined for file in report.loads),
        "rows_in_a_clock_change": sum(file.times_repeated + file.times_skipped for file in report.loads),
    }
    show_load(console, report, _quarantined(warehouse, report.load_id))
    return report


def _quarantined(warehouse: "Warehouse", load_id: int) -> list[dict[str, Any]]:
    """By file, column and reason: how many rows, and the first of them with the value at fault."""
    return warehouse.rows(
        """
        select
            parse_filename(path) as name, quarantine.dataset, column_name, check_name, count(*) as rows,
            min(row_number) as first_row, min_by(value, row_number) as value, count(*) over () as reasons
        from audit.quarantine as quarantine
        join audit.files using (file_id)
        where load_id = $1
        group by all
        order by rows desc, name, column_name, check_name
        limit $2""",
        [load_id, REASONS_SHOWN],
    )


def run_and_show(
    console: "Console",
    warehouse: "Warehouse",
    places: Settings,
    periods: Sequence[str],
    marketplaces: Sequence[str],
    *,
    reprice: bool = False,
    pages: bool = True,
    profile: "Profile | None" = None,
) -> int:
    """Bring periods up to date, and show what they come to; returns the exit code."""
    from pipelines.press import press_of
    from pipelines.summary import show_profile, show_run
    from reports.statement import started_early

    started = time.monotonic()
    listed = listed_marketplaces(places, marketplaces)
    if pages:
        press_of(places).must_be_there()
    with started_early(press_of(places)) if pages else nullcontext():
        report = _bring_up_to_date(
            console, warehouse, places, periods, listed, marketplaces, reprice=reprice, pages=pages, profile=profile
        )
    if profile is not None:
        show_profile(console, profile)
    for mistake in report.refused_terms:
        complain(f"{mistake}; the other marketplaces are billed")
    for period, reasons in report.stopped.items():
        for reason in reasons:
            complain(f"{period} was stopped: {reason}")
    for reason in report.broken:
        complain(reason)
    warehouse.failures.extend(report.refused_terms)
    if report.periods:
        show_run(console, warehouse, report.periods, report.marketplaces)
    if report.periods and pages:
        folder = places.statements / (report.periods[0] if len(periods) == 1 else "")
        written = warehouse.counts.get("statements", 0)
        made = warehouse.counts.get("statements_made", 0)
        what = "statement" if written == 1 else "statements"
        console.print(f"{written:,} {what} in {folder}, {made:,} made anew", soft_wrap=True)
        boxes = warehouse.counts.get("statements_without_glyphs", 0)
        if boxes:
            console.print(f"{boxes:,} of their PDFs show 〓 for characters that no font has")
        console.print(f"Close reports in {places.close_reports}", soft_wrap=True)
    console.print(
        f"{shown(periods)}: {time.monotonic() - started:.1f} s; warehouse: {places.warehouse}", soft_wrap=True
    )
    if report.stopped or report.broken:
        return CHECK_FAILED
    return UNUSABLE if report.refused_terms else 0


def _bring_up_to_date(
    console: "Console",
    warehouse: "Warehouse",
    places: Settings,
    periods: Sequence[str],
    listed: "Mapping[str, Marketplace]",
    marketplaces: Sequence[str],
    *,
    reprice: bool = False,
    pages: bool = True,
    profile: "Profile | None" = None,
) -> "RunReport":
    from pipelines.bars import running_bar
    from pipelines.running import PeriodError
    from pipelines.running import run as run_periods

    with running_bar(console, warehouse, periods) as show, profile.watching() if profile else nullcontext():
        try:
            return run_periods(
                warehouse,
                places,
                periods,
                listed=listed,
                marketplaces=marketplaces,
                reprice=reprice,
                pages=pages,
                profile=profile,
                progress=show,
            )
        except PeriodError as error:
            raise click.UsageError(str(error)) from error


def close_and_show(
    console: "Console",
    warehouse: "Warehouse",
    places: Settings,
    period: str,
    marketplaces: Sequence[str],
    *,
    by: str,
    yes: bool,
) -> int:
    """Close a period once somebody has agreed to what is shown of it; returns the exit code."""
    from assets.core.terms import terms_for_a_run
    from pipelines.bars import closing_bar
    from pipelines.closing import CloseError, close, count_again, lost_files, preview, to_close
    from pipelines.press import press_of
    from pipelines.summary import show_close, show_preview, show_run
    from reports.statement import write_statements

    listed = listed_marketplaces(places, marketplaces)
    press_of(places).must_be_there()
    try:
        due, already = to_close(warehouse, period, listed, marketplaces, utc_now())
    except CloseError as error:
        raise click.UsageError(str(error)) from error
    again = write_statements(warehouse.con, [(period, name) for name in already], places.statements, press_of(places))
    for said in lost_files(period, again.lost):
        complain(said)
        warehouse.failures.append(said)
    for name in already:
        console.print(f"{period} of {listed[name].country} ({name}) is closed already; nothing changed", soft_wrap=True)
    if not due:
        if not already:
            raise click.UsageError(f"there is nothing to close in {period}: nothing of it was loaded")
        return CHECK_FAILED if again.lost else 0
    report = _bring_up_to_date(console, warehouse, places, [period], listed, due)
    for mistake in (*report.refused_terms, *report.stopped.get(period, ()), *report.broken):
        complain(f"{period} cannot be closed: {mistake}")
    if report.stopped or report.broken:
        return CHECK_FAILED
    if report.refused_terms:
        warehouse.failures.extend(report.refused_terms)
        return UNUSABLE
    try:
        count_again(warehouse, period, due)
    except CloseError as error:
        complain(str(error))
        warehouse.failures.append(str(error))
        return CHECK_FAILED
    show_run(console, warehouse, [period], due)
    show_preview(console, period, [preview(warehouse, period, listed[name]) for name in due])
    if not yes and not click.confirm(f"Close {period} of {', '.join(listed[name].country for name in due)} for good?"):
        console.print("Nothing was closed.")
        return 0
    cards, _ = terms_for_a_run(warehouse.con, places.terms, listed)
    with closing_bar(console, warehouse):
        close(
            warehouse,
            places,
            period,
            [listed[name] for name in due],
            {card.marketplace_id: card for card in cards},
            by=by,
            now=utc_now(),
            press=press_of(places),
        )
    show_close(console, warehouse, period, due)
    console.print(f"The final statements lie in {places.statements / period}", soft_wrap=True)
    console.print(f"The close report lies in {places.close_reports / period}", soft_wrap=True)
    return 0


def publish_and_say(console: "Console", warehouse: "Warehouse", places: Settings) -> None:
    """Make the copy for readers, where one is kept, and say where it lies."""
    from pipelines.publishing import publish as publish_tables

    if publish_tables(warehouse, places.published, places.snapshots, utc_now()):
        console.print(f"For readers: {places.published / 'latest.duckdb'}", soft_wrap=True)


def new_console(*, is_error: bool = False) -> "Console":
    """The terminal, in which numbers and paths are not coloured."""
    from rich.console import Console

    return Console(highlight=False, stderr=is_error)


def listed_marketplaces(places: Settings, wanted: Sequence[str]) -> "Mapping[str, Marketplace]":
    """The marketplaces that are listed. Raises `UsageError` where one that is wanted is not."""
    from assets.core.marketplaces import read_marketplaces

    listed = read_marketplaces(places.marketplaces)
    unlisted = [name for name in wanted if name not in listed]
    if unlisted:
        raise click.UsageError(f"marketplace {unlisted[0]!r} is not listed; there are {', '.join(listed)}")
    return listed


def one_period(periods: Sequence[str]) -> str:
    """The one period of a range. Raises `UsageError` where there are more."""
    if len(periods) != 1:
        raise click.UsageError(f"one period at a time, not {shown(periods)}")
    return periods[0]


def shown(periods: Sequence[str]) -> str:
    """A range as it is written."""
    return periods[0] if len(periods) == 1 else f"{periods[0]}..{periods[-1]}"


def complain(message: str) -> None:
    """Say what is wrong."""
    click.echo(f"csba: {as_lines(message)}", err=True)


def utc_now() -> datetime:
    """The instant, in UTC, as the warehouse keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)
