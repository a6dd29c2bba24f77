"""The command `csba`.

Exit codes: 0 done (quarantined rows are counted, not an error); 1 a check failed, nothing of what it guards is kept; 2
unusable input or arguments, one refused file among others included. What a command does lives in a module of its own.
"""

import atexit
import gc
import os
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn

import click

from assets.settings import DUCKDB, ENGINES, SPARK, Settings, settings
from pipelines.periods import parse_periods
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
OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""A command makes many objects as it imports, and nearly all of them stay: to look for garbage then is for nothing."""


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

WAIT = click.option("--wait", is_flag=True, help="Wait for another command on this home instead of giving up.")
MARKETPLACES = click.option(
    "--marketplace", "marketplaces", multiple=True, metavar="ID", help="Only this one; may be repeated."
)
BY = click.option("--by", required=True, metavar="NAME", help="Who answers for it.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="csba-billing")
def cli() -> None:
    """Monthly billing of Customer Service by Amazon: from files of orders, shipments and contacts to statements.

    Everything made lies below CSBA_HOME (the checkout's var/), what it starts from in CSBA_DATA (its data/). It uses up
    to CSBA_MEMORY (such as 4GB; half of the machine's), and goes on in CSBA_HOME/spill when that is not enough.
    """


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Load into a home that is thrown away, to see what each file would be.")
@WAIT
def load(paths: tuple[Path, ...], dry_run: bool, wait: bool) -> None:
    """Load new files and folders, once each by content."""
    started = time.monotonic()
    places, console = settings(), _console()
    with TemporaryDirectory(prefix="csba-") if dry_run else nullcontext(places.home) as home:
        places = replace(places, home=Path(home), lake="" if dry_run else places.lake)
        with _open(places, "csba load", wait=wait) as warehouse:
            report = _load(console, warehouse, places, paths)
    if dry_run:
        console.print("Nothing was kept; what the home knows already was not looked at", soft_wrap=True)
        sys.exit(UNUSABLE if report.faults else 0)
    seconds = time.monotonic() - started
    rows = sum(file.rows_read for file in report.loads)
    what = (
        f"{rows:,} rows read in {seconds:.1f} s, {rows / seconds:,.0f} a second" if rows else "Nothing new was loaded"
    )
    console.print(f"{what}; warehouse: {places.warehouse}", soft_wrap=True)
    sys.exit(UNUSABLE if report.faults else 0)


@cli.command()
@click.argument("periods", metavar="PERIOD", type=PERIODS)
@MARKETPLACES
@click.option("--engine", type=click.Choice(ENGINES), help="What makes the tables of orders; by default CSBA_ENGINE.")
@click.option("--master", metavar="URL", help="Spark's cluster, such as spark://host:7077; by default CSBA_MASTER.")
@click.option("--reprice", is_flag=True, help="Let changed terms price closed periods anew, and book the difference.")
@click.option("--anew", is_flag=True, help="Make every table, even those that nothing has changed of.")
@click.option("--tables-only", is_flag=True, help="Tables and checks, but no statements and no close report.")
@click.option("--profile", "is_profiled", is_flag=True, help="Show rows, time, bytes written and memory by stage.")
@WAIT
def run(
    periods: list[str],
    marketplaces: tuple[str, ...],
    engine: str | None,
    master: str | None,
    reprice: bool,
    anew: bool,
    tables_only: bool,
    is_profiled: bool,
    wait: bool,
) -> None:
    """Bring a period (2026-10, or 2026-07..2026-10) up to date: its tables, checks and draft statements.

    Late rows of closed periods are rated anew and booked as adjustments in the first open period.
    """
    from pipelines.profiling import Profile

    places, console, profile = settings(), _console(), Profile() if is_profiled else None
    places = replace(places, engine=engine or places.engine, master=master or places.master)
    if master and places.engine != SPARK:
        raise click.UsageError("--master is Spark's: it goes with --engine spark")
    with _open(places, f"csba run {_shown(periods)}", wait=wait) as warehouse:
        warehouse.makes_anew = anew
        code = _run(
            console,
            warehouse,
            places,
            periods,
            marketplaces,
            reprice=reprice,
            pages=not tables_only,
            profile=profile,
        )
        if code != CHECK_FAILED and not tables_only:
            _publish(console, warehouse, places)
    sys.exit(code)


@cli.command()
@click.argument("periods", metavar="PERIOD", type=PERIODS)
@MARKETPLACES
@BY
@click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal.")
@WAIT
def close(periods: list[str], marketplaces: tuple[str, ...], by: str, yes: bool, wait: bool) -> None:
    """Shut the books of a period that has ended: brings it up to date, shows what will be frozen, asks, freezes it."""
    period = _one(periods)
    if not by.strip():
        raise click.UsageError("--by is the name of whoever answers for the close")
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("without a terminal there is nobody to ask: closing needs --yes")
    places, console = settings(), _console()
    with _open(places, f"csba close {period}", wait=wait) as warehouse:
        code = _close(console, warehouse, places, period, marketplaces, by=by.strip(), yes=yes)
        if not code:
            _publish(console, warehouse, places)
    sys.exit(code)


@cli.command()
@click.argument("periods", metavar="PERIOD", type=PERIODS)
@MARKETPLACES
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write the statements made again here.")
def reproduce(periods: list[str], marketplaces: tuple[str, ...], out: Path | None) -> None:
    """Make a closed period again as it was closed, and say whether it is the same; exit code 1 if not."""
    from pipelines.press import press_of
    from pipelines.reproducing import reproduce as make_again
    from pipelines.summary import show_reproduction

    console, found, places = _console(), [], settings()
    for period in periods:
        found += make_again(places.home, period, press_of(places), marketplaces, out, places.memory)
    if not found:
        raise click.UsageError(f"{_shown(periods)} is not closed")
    for each in found:
        show_reproduction(console, each)
    sys.exit(CHECK_FAILED if any(each.differences for each in found) else 0)


@cli.command()
@click.argument("periods", metavar="PERIOD", type=PERIODS)
@MARKETPLACES
@click.option("--dry-run", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write the messages there.")
@click.option("--sent", multiple=True, metavar="ID", help="This statement was sent, as its server knows; needs --by.")
@click.option(
    "--again", multiple=True, metavar="ID", help="Send this one again; or all that were 'refused' or 'bounced'."
)
@click.option("--by", default="", metavar="NAME", help="Who says so; needed with --sent and --again.")
@click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal.")
@WAIT
def send(
    periods: list[str],
    marketplaces: tuple[str, ...],
    folder: Path | None,
    sent: tuple[str, ...],
    again: tuple[str, ...],
    by: str,
    yes: bool,
    wait: bool,
) -> None:
    """Send the final statements of a closed period to their sellers by e-mail, each once.

    Which server, from whom and whether attached or linked is said in mail.toml of CSBA_DATA. It shows what waits, asks,
    and sends. What a crash left in doubt is not sent again by itself: --sent or --again settle it.
    """
    from assets.settings import read_mail
    from assets.warehouse import read_warehouse
    from pipelines.mailing import SendRefusedError, dry_run, send_period
    from pipelines.sending import SendError

    period, places, console = _one(periods), settings(), _console()
    if folder is not None and (sent or again):
        raise click.UsageError("--dry-run changes nothing: --sent and --again do not go with it")
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} is not an empty folder")
    if (sent or again) and not by.strip():
        raise click.UsageError("--sent and --again need --by, the name of whoever says so")
    if folder is None and not yes and not sys.stdin.isatty():
        raise click.UsageError("without a terminal there is nobody to ask: sending needs --yes")
    mail, listed = read_mail(places), _listed(places, marketplaces)
    try:
        if folder is not None:
            with read_warehouse(places.home) as warehouse:
                code = dry_run(
                    console,
                    warehouse,
                    places,
                    mail,
                    period,
                    listed,
                    chosen=marketplaces,
                    folder=folder,
                    now=_now(),
                    complain=_complain,
                )
        else:
            with _open(places, f"csba send {period}", wait=wait) as warehouse:
                code = send_period(
                    console,
                    warehouse,
                    places,
                    mail,
                    period,
                    listed,
                    chosen=marketplaces,
                    sent=sent,
                    again=again,
                    by=by.strip(),
                    yes=yes,
                    clock=_now,
                    complain=_complain,
                )
    except (SendRefusedError, SendError) as error:
        raise click.UsageError(str(error)) from error
    sys.exit(code)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@WAIT
def bounces(folder: Path, wait: bool) -> None:
    """Read the notifications in FOLDER (.eml files), and mark the statements that came back."""
    from pipelines.mailing import note_bounces

    places, console = settings(), _console()
    with _open(places, "csba bounces", wait=wait) as warehouse:
        code = note_bounces(console, warehouse, folder, _now(), _complain)
    sys.exit(code)


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("seller")
@click.argument("amount", metavar="AMOUNT")
@click.option("--marketplace", "marketplace_id", required=True, metavar="ID", help="Where.")
@click.option("--for", "periods", required=True, type=PERIODS, help="The closed period that it is about.")
@click.option("--reason", required=True, help="Why, as the statement says it.")
@BY
@WAIT
def credit(seller: str, amount: str, marketplace_id: str, periods: list[str], reason: str, by: str, wait: bool) -> None:
    """Grant a seller an amount (a dispute, goodwill), booked in the first open period; a negative one takes it back."""
    from decimal import Decimal, InvalidOperation

    from pipelines.crediting import Credit, CreditError, grant

    places, console = settings(), _console()
    listed = _listed(places, [marketplace_id])
    try:
        number = Decimal(amount)
    except InvalidOperation:
        raise click.UsageError(f"{amount!r} is no amount; one is written 12.50") from None
    granted = Credit(seller, listed[marketplace_id], _one(periods), number, reason, by)
    with _open(places, f"csba credit {granted.period}", wait=wait) as warehouse:
        try:
            posted, is_new = grant(warehouse, granted, _now())
        except CreditError as error:
            raise click.UsageError(str(error)) from error
    said = "granted" if is_new else "was granted before; nothing changed"
    console.print(
        f"{granted.credit_id} {said}: {number} {granted.marketplace.currency}, booked in {posted}", soft_wrap=True
    )
    if is_new:
        console.print(f"Next: csba run {posted}")


@cli.command()
@click.argument("periods", metavar="PERIOD", type=PERIODS)
@click.option("--format", "form", default="csv", show_default=True, type=click.Choice(["csv", "beancount"]))
@click.option("--marketplace", "marketplace_id", metavar="ID", help="Only this one.")
@click.option(
    "--out", type=click.File("w", encoding="utf-8", lazy=True), default="-", help="A file; else the terminal."
)
def journal(periods: list[str], form: str, marketplace_id: str | None, out: Any) -> None:
    """Print the journal of closed periods for the accounting system."""
    from assets.warehouse import read_warehouse
    from pipelines.journalling import write_journal

    with read_warehouse(settings().home) as warehouse:
        closed = warehouse.rows("select distinct period from billing.closes where list_contains(?, period)", [periods])
        if not closed:
            raise click.UsageError(f"{_shown(periods)} is not closed: only closed periods are posted")
        entries = write_journal(warehouse, periods, marketplace_id, form, out)
    click.echo(f"{entries:,} entries", err=True)


@cli.command()
@click.argument("seller")
@click.argument("periods", metavar="PERIOD", type=PERIODS)
@MARKETPLACES
@click.option("--line", type=click.IntRange(1), metavar="N", help="Only this line of the statement, from 1.")
@click.option("--shipment", metavar="ID", help="Only this shipment: on which lines it counts, or why on none.")
@click.option("--all", "every_row", is_flag=True, help="Show every row behind a line, not the first of them.")
@click.option("--json", "is_json", is_flag=True, help="Print everything as JSON, with every row.")
def explain(
    seller: str,
    periods: list[str],
    marketplaces: tuple[str, ...],
    line: int | None,
    shipment: str | None,
    every_row: bool,
    is_json: bool,
) -> None:
    """Explain how each amount of a seller's statement came about, down to the rows of files.

    A line in the books is explained by what was known when it was entered, a draft by what is known now.
    """
    import json

    from assets.warehouse import read_warehouse
    from pipelines.explained import show_explanation
    from pipelines.explaining import ExplainError
    from pipelines.explaining import explain as explain_lines

    places, period = settings(), _one(periods)
    listed = _listed(places, marketplaces)
    with read_warehouse(places.home) as warehouse:
        try:
            found = explain_lines(
                warehouse, seller, period, listed, marketplaces=marketplaces, line=line, shipment=shipment
            )
        except ExplainError as error:
            raise click.UsageError(str(error)) from error
    if is_json:
        click.echo(json.dumps(found, default=str, ensure_ascii=False, indent=1))
    else:
        show_explanation(_console(), found, shipment=shipment, every_row=every_row)


@cli.command()
@click.option("--json", "is_json", is_flag=True, help="Print everything as JSON.")
def status(is_json: bool) -> None:
    """What is loaded, what of each marketplace is closed, drafted or late, what fails, and what to do next."""
    import json

    from assets.warehouse import read_warehouse
    from pipelines.status import show_status, status_of

    with read_warehouse(settings().home) as warehouse:
        found = status_of(warehouse, _now())
    if is_json:
        click.echo(json.dumps(found, default=str, ensure_ascii=False, indent=1))
    else:
        show_status(_console(), found)


@cli.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def inspect(path: Path) -> None:
    """Look at a file without loading it: which source knows it, its first rows, and what would be refused.

    Of a file that nobody knows: which sources come nearest, what it lacks for them, and a draft of a source.
    """
    from assets.core.marketplaces import read_marketplaces
    from assets.raw.files import FileRefusedError
    from assets.raw.sources import read_sources
    from assets.raw.unknown import fault_of
    from pipelines.inspecting import draft, nearest, readings
    from pipelines.summary import show_reading, show_unknown

    places, console = settings(), _console()
    sources = read_sources(places.sources)
    try:
        if not path.is_file():
            raise FileRefusedError("it is not a file")
        found = readings(path, sources, read_marketplaces(places.marketplaces), places.limits, places.memory)
        for reading in found:
            show_reading(console, path, reading)
        if not found and sources.joins(path):
            console.print(f"{path.name} tells of other files, and is read together with them", soft_wrap=True)
            return
        fault = None if found else fault_of(path, places.limits)
        if fault:
            raise FileRefusedError(fault)
        if not found:
            show_unknown(console, path, nearest(path, sources), draft(path))
    except FileRefusedError as error:
        _complain(f"{path}: {error}")
        sys.exit(UNUSABLE)
    sys.exit(0 if found and not any(reading.refused for reading in found) else UNUSABLE)


@cli.command()
@click.argument("settlements", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write all lines there, as CSV.")
@click.option("--json", "is_json", is_flag=True, help="Print everything as JSON.")
def compare(settlements: tuple[Path, ...], out: Path | None, is_json: bool) -> None:
    """Compare what was billed with what settlement reports charged, line by line, and say why they differ.

    The reports are read for this alone: nothing of them is kept, and nothing of the books changes.
    """
    import json

    from assets.core.marketplaces import read_marketplaces
    from assets.raw.sources import read_sources
    from assets.warehouse import read_warehouse
    from pipelines.comparing import CompareError, as_json, write_lines
    from pipelines.comparing import compare as compare_with
    from pipelines.summary import show_comparison

    places = settings()
    sources, listed = read_sources(places.sources), read_marketplaces(places.marketplaces)
    with read_warehouse(places.home) as warehouse:
        try:
            found = compare_with(warehouse, settlements, sources, listed, places.limits)
        except CompareError as error:
            raise click.UsageError(str(error)) from error
    if out is not None:
        with out.open("w", encoding="utf-8", newline="") as file:
            write_lines(found, file)
    if is_json:
        click.echo(json.dumps(as_json(found), ensure_ascii=False, indent=1))
    else:
        show_comparison(_console(), found, {name: each.country for name, each in listed.items()})
    sys.exit(CHECK_FAILED if found.differs else 0)


@cli.command()
@click.option(
    "--terms", "folder", required=True, type=click.Path(path_type=Path), help="The folder of the other terms."
)
@click.option("--from", "first", required=True, type=PERIODS, help="The first month.")
@click.option("--to", "last", required=True, type=PERIODS, help="The last month.")
@MARKETPLACES
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write a page and all rows as CSV there.")
@click.option("--json", "is_json", is_flag=True, help="Print totals, moves and sellers as JSON.")
def simulate(
    folder: Path, first: list[str], last: list[str], marketplaces: tuple[str, ...], out: Path | None, is_json: bool
) -> None:
    """What months that were billed would come to under other terms: who would pay more or less, who moves tier.

    Nothing is booked, and nothing in the home is changed. A marketplace without a file in the folder keeps its terms.
    """
    import json

    from pipelines.bars import working_bar
    from pipelines.simulating import SimulateError, simulated
    from pipelines.simulation_summary import as_json, show_simulation, write_files

    places, console = settings(), _console()
    _listed(places, marketplaces)
    try:
        periods = parse_periods(f"{_one(first)}..{_one(last)}")
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with ExitStack() as stack:
        try:
            with _telling_of_spill(places, is_error=True), working_bar(_console(is_error=True), "reading") as show:
                found = stack.enter_context(
                    simulated(places.home, folder, periods, marketplaces, places.memory, progress=show)
                )
        except SimulateError as error:
            raise click.UsageError(str(error)) from error
        written = write_files(found, out) if out is not None else []
        if is_json:
            click.echo(json.dumps(as_json(found), ensure_ascii=False, indent=1))
        else:
            show_simulation(console, found)
            for path in written:
                console.print(str(path), soft_wrap=True)
    for mistake in (*found.refused, *map(str, found.left_out)):
        _complain(mistake)
    sys.exit(0 if found.is_whole else UNUSABLE)


@cli.command()
@click.argument("names", nargs=-1)
@click.option("--export", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write the rows there.")
@click.option(
    "--purge", "days", type=click.IntRange(0, 36_500), metavar="DAYS", help="Delete the rows loaded longer ago; 0: all."
)
@WAIT
def quarantine(names: tuple[str, ...], folder: Path | None, days: int | None, wait: bool) -> None:
    """List quarantined rows by file and reason, of all files or of those whose names hold one of NAMES.

    With --export they are written as they came, under the name of their file, with their row numbers and reasons. Mend
    them and load them: what is good is added, once. They may hold personal data: --purge deletes them, mended or not,
    and keeps their number.
    """
    from assets.raw.sources import read_sources
    from assets.warehouse import read_warehouse
    from pipelines.quarantine import export, purge, refused_rows
    from pipelines.summary import show_refused

    if folder is not None and days is not None:
        raise click.UsageError("--export and --purge do not go together: export first, then purge")
    places, console = settings(), _console()
    if days is not None:
        with _open(places, f"csba quarantine --purge {days}", wait=wait) as warehouse:
            deleted = purge(warehouse, days, _now(), names)
        console.print(f"{deleted:,} quarantined {'row was' if deleted == 1 else 'rows were'} deleted")
        return
    with read_warehouse(places.home) as warehouse:
        show_refused(console, refused_rows(warehouse, names))
        for path in export(warehouse, folder, read_sources(places.sources), names) if folder else ():
            console.print(str(path), soft_wrap=True)


@cli.command()
@WAIT
def publish(wait: bool) -> None:
    """Copy the tables for readers, as run and close do: published/latest.duckdb, and published/latest as Parquet."""
    places, console = settings(), _console()
    if not places.snapshots:
        raise click.UsageError("CSBA_SNAPSHOTS is 0, so that no copy is made")
    with _open(places, "csba publish", wait=wait) as warehouse:
        warehouse.makes_anew = True
        _publish(console, warehouse, places)


@cli.command()
def check() -> None:
    """Whether marketplaces, terms, sources, mail, engine and lake can be used."""
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
@click.option("--service", is_flag=True, help="With requests to sellers, refunds and defects.")
def generate(
    out: Path, sellers: int, units: int, months: list[str], seed: int, countries: tuple[str, ...], *, service: bool
) -> None:
    """Write a synthetic world of files, at any size."""
    from assets.core.marketplaces import read_marketplaces
    from pipelines.bars import working_bar
    from pipelines.generating import Market
    from pipelines.generating import generate as write

    started, console = time.monotonic(), _console()
    by_country = {m.country: m for m in read_marketplaces(settings().marketplaces).values()}
    unknown = [country for country in countries if country not in by_country]
    if unknown:
        raise click.UsageError(f"no marketplace of {unknown[0]!r} is listed; there are {', '.join(by_country)}")
    markets = [
        Market(m.marketplace_id, m.country, m.language, m.time_zone, m.currency, m.minor_units)
        for m in map(by_country.__getitem__, countries)
    ]
    size = {"markets": markets, "sellers": sellers, "units": units, "months": months, "seed": seed}
    with working_bar(console, "generating") as show:
        try:
            paths = write(out, **size, has_service=service, progress=show)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    console.print(f"{len(paths)} files in {out} in {time.monotonic() - started:.1f} s")


@cli.command()
def demo() -> None:
    """Load the sample, bill its months and say where the statements lie; in a home of its own, below CSBA_HOME."""
    places, console = settings(), _console()
    places = replace(places, home=places.home / "demo", engine=DUCKDB, lake="")
    sample = places.data / "sample"
    periods = sorted({path.name.removesuffix(".csv").split("_")[-1] for path in sample.glob("shipments_*")})
    with _open(places, "csba demo") as warehouse:
        report = _load(console, warehouse, places, [sample])
        code = UNUSABLE if report.faults else _run(console, warehouse, places, periods, ())
        if not code:
            _publish(console, warehouse, places)
    sys.exit(code)


# -- what commands share ------------------------------------------------------------------------------------------


def _load(console: "Console", warehouse: "Warehouse", places: Settings, paths: Sequence[Path]) -> "LoadReport":
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
            now=_now(),
            limits=places.limits,
            lake=places.lake,
            progress=show,
        )
    for fault in report.faults:
        _complain(fault)
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


def _run(
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
    from contextlib import nullcontext

    from pipelines.press import press_of
    from pipelines.summary import show_profile, show_run
    from reports.statement import started_early

    started = time.monotonic()
    listed = _listed(places, marketplaces)
    if pages:
        press_of(places).must_be_there()
    with started_early(press_of(places)) if pages else nullcontext():
        report = _bring_up_to_date(
            console, warehouse, places, periods, listed, marketplaces, reprice=reprice, pages=pages, profile=profile
        )
    if profile is not None:
        show_profile(console, profile)
    for mistake in report.refused_terms:
        _complain(f"{mistake}; the other marketplaces are billed")
    for period, reasons in report.stopped.items():
        for reason in reasons:
            _complain(f"{period} was stopped: {reason}")
    for reason in report.broken:
        _complain(reason)
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
        f"{_shown(periods)}: {time.monotonic() - started:.1f} s; warehouse: {places.warehouse}", soft_wrap=True
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
    from contextlib import nullcontext

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


def _close(
    console: "Console",
    warehouse: "Warehouse",
    places: Settings,
    period: str,
    marketplaces: Sequence[str],
    *,
    by: str,
    yes: bool,
) -> int:
    from assets.core.terms import terms_for_a_run
    from pipelines.bars import closing_bar
    from pipelines.closing import CloseError, close, lost_files, preview, to_close
    from pipelines.press import press_of
    from pipelines.summary import show_close, show_preview, show_run
    from reports.statement import write_statements

    listed = _listed(places, marketplaces)
    press_of(places).must_be_there()
    try:
        due, already = to_close(warehouse, period, listed, marketplaces, _now())
    except CloseError as error:
        raise click.UsageError(str(error)) from error
    again = write_statements(warehouse.con, [(period, name) for name in already], places.statements, press_of(places))
    for said in lost_files(period, again.lost):
        _complain(said)
        warehouse.failures.append(said)
    for name in already:
        console.print(f"{period} of {listed[name].country} ({name}) is closed already; nothing changed", soft_wrap=True)
    if not due:
        if not already:
            raise click.UsageError(f"there is nothing to close in {period}: nothing of it was loaded")
        return CHECK_FAILED if again.lost else 0
    report = _bring_up_to_date(console, warehouse, places, [period], listed, due)
    for mistake in (*report.refused_terms, *report.stopped.get(period, ()), *report.broken):
        _complain(f"{period} cannot be closed: {mistake}")
    if report.stopped or report.broken:
        return CHECK_FAILED
    if report.refused_terms:
        warehouse.failures.extend(report.refused_terms)
        return UNUSABLE
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
            now=_now(),
            press=press_of(places),
        )
    show_close(console, warehouse, period, due)
    console.print(f"The final statements lie in {places.statements / period}", soft_wrap=True)
    console.print(f"The close report lies in {places.close_reports / period}", soft_wrap=True)
    return 0


def _publish(console: "Console", warehouse: "Warehouse", places: Settings) -> None:
    from pipelines.publishing import publish as publish_tables

    if publish_tables(warehouse, places.published, places.snapshots, _now()):
        console.print(f"For readers: {places.published / 'latest.duckdb'}", soft_wrap=True)


@contextmanager
def _open(places: Settings, command: str, *, wait: bool = False) -> Generator["Warehouse"]:
    """The home's warehouse, for this command alone, with the run kept in `audit.runs`."""
    from assets.version import code_version
    from assets.warehouse import open_warehouse

    with open_warehouse(places.home, holder=command, now=_now(), wait=wait, memory=places.memory) as warehouse:
        warehouse.begin_run(command, now=_now(), code_version=code_version())
        try:
            with _telling_of_spill(places):
                yield warehouse
        except BrokenPipeError:  # whoever read what it printed has seen enough; the work is done
            raise
        except BaseException as error:
            warehouse.failures.append(f"{type(error).__name__}: {error}")
            raise
        finally:
            warehouse.end_run(now=_now())


@contextmanager
def _telling_of_spill(places: Settings, *, is_error: bool = False) -> Generator[None]:
    """Say in the end how much did not fit into memory, if anything did not."""
    from assets.warehouse import spill_of
    from pipelines.profiling import Watch

    with Watch(spill_of(places.home), seconds=0.5) as watch:
        yield
    if watch.peak_spill:
        limit, spilled = (f"{size / 10**9:,.1f} GB" for size in (places.memory, watch.peak_spill))
        said = f"Beyond {limit} of memory (CSBA_MEMORY) up to {spilled} went to {spill_of(places.home)}"
        click.echo(said, err=is_error)


def _console(*, is_error: bool = False) -> "Console":
    from rich.console import Console

    return Console(highlight=False, stderr=is_error)


def _listed(places: Settings, wanted: Sequence[str]) -> "Mapping[str, Marketplace]":
    from assets.core.marketplaces import read_marketplaces

    listed = read_marketplaces(places.marketplaces)
    unlisted = [name for name in wanted if name not in listed]
    if unlisted:
        raise click.UsageError(f"marketplace {unlisted[0]!r} is not listed; there are {', '.join(listed)}")
    return listed


def _one(periods: Sequence[str]) -> str:
    if len(periods) != 1:
        raise click.UsageError(f"one period at a time, not {_shown(periods)}")
    return periods[0]


def _shown(periods: Sequence[str]) -> str:
    return periods[0] if len(periods) == 1 else f"{periods[0]}..{periods[-1]}"


def _complain(message: str) -> None:
    click.echo(f"csba: {as_lines(message)}", err=True)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _mistakes() -> tuple[type[Exception], ...]:
    """What a user can mend: told in a sentence, never with a traceback."""
    from assets.core.accounts import AccountsError
    from assets.core.marketplaces import MarketplacesError
    from assets.engines import EngineError
    from assets.raw.sources import SourceError
    from assets.settings import SettingsError
    from assets.warehouse import WarehouseBusyError, WarehouseMissingError, WarehouseUnusableError
    from pipelines.closing import CloseError
    from reports.pdf import PdfError

    inputs = AccountsError, EngineError, MarketplacesError, PdfError, SettingsError, SourceError, OSError
    return CloseError, *inputs, WarehouseBusyError, WarehouseMissingError, WarehouseUnusableError


def main() -> NoReturn:
    """The console script."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        answer()
    except SystemExit as end:
        _end_at_once(end)


def answer() -> NoReturn:
    """Do what the command line asks for; raises `SystemExit` with the exit code."""
    try:
        cli(prog_name="csba")
    except Exception as error:
        import duckdb

        if isinstance(error, duckdb.OutOfMemoryException):
            reason = str(error).splitlines()[0]
            _complain(
                f"{settings().memory / 10**9:,.1f} GB of memory are too little; set CSBA_MEMORY higher ({reason})"
            )
        elif isinstance(error, _mistakes()):
            _complain(str(error))
        else:
            raise
    sys.exit(UNUSABLE)


def _end_at_once(end: SystemExit) -> NoReturn:
    """End the process as Python does, but for taking every object apart, which takes half a second after a run.

    As `multiprocessing` ends its processes, by calls that have no public name: threads and other processes are waited
    for, what was left to be done at the end is done, and what was printed goes out.
    """
    try:
        threading._shutdown()  # ty: ignore[missing-attribute]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except (KeyboardInterrupt, OSError):  # nobody waits for it, or reads it, any more
        os._exit(CHECK_FAILED)
    os._exit(end.code if isinstance(end.code, int) else 0)
