"""The command `csba`.

Exit codes: 0 done (quarantined rows are counted, not an error); 1 a check failed, nothing of what it guards is kept; 2
unusable input or arguments, one refused file among others included. What a command does lives in a module of its own.
"""

import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assets.settings import Settings, settings
from pipelines.periods import parse_periods

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from assets.raw.loading import LoadReport
    from assets.warehouse import Warehouse

CHECK_FAILED, UNUSABLE = 1, 2


class Periods(click.ParamType):
    """`2026-10` or `2026-07..2026-10`."""

    name = "PERIOD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """The periods of the range."""
        if isinstance(value, list):
            return value
        try:
            return parse_periods(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


PERIODS = Periods()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="csba-billing")
def cli() -> None:
    """Monthly billing of Customer Service by Amazon: from files of orders, shipments and contacts to statements.

    Everything made lies below CSBA_HOME (the checkout's var/), what it starts from in CSBA_DATA (its data/).
    """


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def load(paths: tuple[Path, ...]) -> None:
    """Load new files and folders, once each by content."""
    started = time.monotonic()
    places, console = settings(), _console()
    with _open(places, "csba load") as warehouse:
        report = _load(console, warehouse, places, paths)
    console.print(f"{len(report.loads):,} loads in {time.monotonic() - started:.1f} s; warehouse: {places.warehouse}")
    sys.exit(UNUSABLE if report.refusals else 0)


@cli.command()
@click.argument("periods", metavar="PERIOD", type=PERIODS)
@click.option("--marketplace", "marketplaces", multiple=True, metavar="ID", help="Only this one; may be repeated.")
def run(periods: list[str], marketplaces: tuple[str, ...]) -> None:
    """Bring a period (2026-10, or 2026-07..2026-10) up to date: its tables, checks and draft statements."""
    places, console = settings(), _console()
    with _open(places, f"csba run {_shown(periods)}") as warehouse:
        code = _run(console, warehouse, places, periods, marketplaces)
    sys.exit(code)


@cli.command()
def status() -> None:
    """What is loaded, which periods have drafts, and what to do next."""
    from assets.warehouse import read_warehouse
    from pipelines.status import show_status

    with read_warehouse(settings().home) as warehouse:
        show_status(_console(), warehouse)


@cli.command()
def check() -> None:
    """Whether marketplaces, terms and sources can be used."""
    from pipelines.checking import check_inputs

    console, mistakes = _console(), 0
    for what, found, wrong in check_inputs(settings()):
        console.print(f"{what}: {found}", highlight=False)
        for mistake in wrong:
            _complain(mistake)
        mistakes += len(wrong)
    sys.exit(UNUSABLE if mistakes else 0)


@cli.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="An empty or new folder.")
@click.option("--sellers", default=60, show_default=True, type=click.IntRange(1), help="Sellers in all.")
@click.option("--units", default=4000, show_default=True, type=click.IntRange(1), help="Units shipped in all, about.")
@click.option("--months", default="2026-03..2026-06", show_default=True, type=PERIODS, help="Months of shipping.")
@click.option("--seed", default=1, show_default=True, type=int, help="Another seed, another world.")
@click.option(
    "--marketplace",
    "countries",
    multiple=True,
    default=("US", "JP", "DE"),
    show_default=True,
    help="By country; may be repeated.",
)
def generate(out: Path, sellers: int, units: int, months: list[str], seed: int, countries: tuple[str, ...]) -> None:
    """Write a synthetic world of files, at any size."""
    from assets.core.marketplaces import read_marketplaces
    from pipelines.generating import Market
    from pipelines.generating import generate as write

    started, console = time.monotonic(), _console()
    by_country = {m.country: m for m in read_marketplaces(settings().marketplaces).values()}
    unknown = [country for country in countries if country not in by_country]
    if unknown:
        raise click.UsageError(f"no marketplace of {unknown[0]!r} is listed; there are {', '.join(by_country)}")
    markets = [
        Market(m.marketplace_id, m.country, m.language, m.time_zone) for m in map(by_country.__getitem__, countries)
    ]
    with _progress(console) as bar:
        task = bar.add_task("generating", total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        try:
            paths = write(out, markets=markets, sellers=sellers, units=units, months=months, seed=seed, progress=show)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    console.print(f"{len(paths)} files in {out} in {time.monotonic() - started:.1f} s")


@cli.command()
def demo() -> None:
    """Load the sample, bill its months and say where the statements lie; in a home of its own, below CSBA_HOME."""
    from dataclasses import replace

    places, console = settings(), _console()
    places = replace(places, home=places.home / "demo")
    sample = places.data / "sample"
    periods = sorted({path.name.removesuffix(".csv").split("_")[-1] for path in sample.glob("shipments_*")})
    with _open(places, "csba demo") as warehouse:
        report = _load(console, warehouse, places, [sample])
        code = UNUSABLE if report.refusals else _run(console, warehouse, places, periods, ())
    sys.exit(code)


# -- what commands share ------------------------------------------------------------------------------------------


def _load(console: "Console", warehouse: "Warehouse", places: Settings, paths: Sequence[Path]) -> "LoadReport":
    from assets.core.marketplaces import read_marketplaces
    from assets.raw.loading import load as load_files
    from assets.raw.sources import read_sources
    from pipelines.summary import show_load

    with _progress(console) as bar:
        tasks: dict[tuple[Path, str], Any] = {}

        def show(path: Path, dataset: str, done: int, total: int) -> None:
            key = path, dataset
            if key not in tasks:
                tasks[key] = bar.add_task(f"{path.name} as {dataset}", total=total)
            bar.update(tasks[key], completed=done, visible=done < total)

        report = load_files(
            warehouse,
            paths,
            sources=read_sources(places.sources),
            marketplaces=read_marketplaces(places.marketplaces),
            now=_now(),
            progress=show,
        )
    for refusal in report.refusals:
        _complain(f"{refusal.path}: {refusal.reason}")
        warehouse.failures.append(f"{refusal.path}: {refusal.reason}")
    warehouse.counts |= {
        "files": len(report.loads),
        "files_unchanged": len(report.unchanged),
        "files_refused": len(report.refusals),
        "rows_loaded": sum(file.rows_loaded for file in report.loads),
        "rows_quarantined": sum(file.rows_quarantined for file in report.loads),
    }
    show_load(console, report, _quarantined(warehouse, report.load_id))
    return report


def _quarantined(warehouse: "Warehouse", load_id: int) -> list[dict[str, Any]]:
    """By file, column and reason: how many rows, and the first of them with the value at fault."""
    return warehouse.rows(
        """
        select
            parse_filename(path) as name, quarantine.dataset, column_name, check_name, count(*) as rows,
            min(row_number) as first_row, min_by(value, row_number) as value
        from audit.quarantine as quarantine
        join audit.files using (file_id)
        where load_id = ?
        group by all
        order by rows desc, name, column_name, check_name
        limit 20""",
        [load_id],
    )


def _run(
    console: "Console", warehouse: "Warehouse", places: Settings, periods: Sequence[str], marketplaces: Sequence[str]
) -> int:
    from assets.core.marketplaces import read_marketplaces
    from pipelines.running import PeriodError
    from pipelines.running import run as run_periods
    from pipelines.summary import show_run

    started = time.monotonic()
    listed = read_marketplaces(places.marketplaces)
    unlisted = [name for name in marketplaces if name not in listed]
    if unlisted:
        raise click.UsageError(f"marketplace {unlisted[0]!r} is not listed; there are {', '.join(listed)}")
    with _progress(console) as bar:
        task = bar.add_task(_shown(periods), total=None)

        def show(period: str, step: str, done: int, total: int) -> None:
            everything = total * len(periods)
            completed = periods.index(period) * total + done
            bar.update(task, description=f"{period} {step.replace('__', '.')}", completed=completed, total=everything)

        try:
            report = run_periods(warehouse, places, periods, listed=listed, marketplaces=marketplaces, progress=show)
        except PeriodError as error:
            raise click.UsageError(str(error)) from error
    for mistake in report.refused_terms:
        _complain(f"{mistake}; the other marketplaces are billed")
    for period, reasons in report.stopped.items():
        for reason in reasons:
            _complain(f"{period} was stopped: {reason}")
    warehouse.failures.extend(report.refused_terms)
    if report.periods:
        show_run(console, warehouse, report.periods)
        folder = places.statements / (report.periods[0] if len(periods) == 1 else "")
        console.print(f"{warehouse.counts.get('statements', 0):,} draft statements in {folder}", soft_wrap=True)
    console.print(
        f"{_shown(periods)}: {time.monotonic() - started:.1f} s; warehouse: {places.warehouse}", soft_wrap=True
    )
    if report.stopped:
        return CHECK_FAILED
    return UNUSABLE if report.refused_terms else 0


@contextmanager
def _open(places: Settings, command: str) -> Generator["Warehouse"]:
    """The home's warehouse, for this command alone, with the run kept in `audit.runs`."""
    from assets.version import code_version
    from assets.warehouse import open_warehouse

    with open_warehouse(places.home, holder=command, now=_now()) as warehouse:
        warehouse.begin_run(command, now=_now(), code_version=code_version())
        try:
            yield warehouse
        except BaseException as error:
            warehouse.failures.append(f"{type(error).__name__}: {error}")
            raise
        finally:
            warehouse.end_run(now=_now())


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False)


@contextmanager
def _progress(console: "Console") -> Generator["Progress"]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Rows, or whatever is counted, per second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f}/s" if task.speed else "")

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield bar


def _shown(periods: Sequence[str]) -> str:
    return periods[0] if len(periods) == 1 else f"{periods[0]}..{periods[-1]}"


def _complain(message: str) -> None:
    click.echo(f"csba: {message}", err=True)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _mistakes() -> tuple[type[Exception], ...]:
    """What a user can mend: told in a sentence, never with a traceback."""
    from assets.core.marketplaces import MarketplacesError
    from assets.raw.sources import SourceError
    from assets.warehouse import WarehouseBusyError, WarehouseMissingError

    return MarketplacesError, SourceError, WarehouseBusyError, WarehouseMissingError, OSError


def main() -> None:
    """The console script."""
    try:
        cli(prog_name="csba")
    except Exception as error:
        if not isinstance(error, _mistakes()):
            raise
        _complain(str(error))
        sys.exit(UNUSABLE)
