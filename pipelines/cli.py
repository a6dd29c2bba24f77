"""The command `csba`.

Exit codes: 0 done (quarantined rows are counted, not an error); 1 a check failed, nothing of what it guards is kept; 2
unusable input or arguments, one refused file among others included. What a command does lives in a module of its own.
"""

import sys
import time
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from assets.settings import DUCKDB, ENGINES, SPARK, settings
from pipelines.commands import (
    CHECK_FAILED,
    UNUSABLE,
    close_and_show,
    complain,
    listed_marketplaces,
    load_and_show,
    new_console,
    one_period,
    open_home,
    publish_and_say,
    run_and_show,
    shown,
    telling_of_spill,
    utc_now,
)
from pipelines.periods import parse_periods


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
    places, console = settings(), new_console()
    with TemporaryDirectory(prefix="csba-") if dry_run else nullcontext(places.home) as home:
        places = replace(places, home=Path(home), lake="" if dry_run else places.lake)
        with open_home(places, "csba load", wait=wait) as warehouse:
            report = load_and_show(console, warehouse, places, paths)
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
@click.option("--anew", is_flag=True, help="Make every table, even unchanged ones; rate what late rows touched anew.")
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

    places, console, profile = settings(), new_console(), Profile() if is_profiled else None
    places = replace(places, engine=engine or places.engine, master=master or places.master)
    if master and places.engine != SPARK:
        raise click.UsageError("--master is Spark's: it goes with --engine spark")
    with open_home(places, f"csba run {shown(periods)}", wait=wait) as warehouse:
        warehouse.makes_anew = anew
        code = run_and_show(
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
            publish_and_say(console, warehouse, places)
    sys.exit(code)


@cli.command()
@click.argument("periods", metavar="PERIOD", type=PERIODS)
@MARKETPLACES
@BY
@click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal.")
@WAIT
def close(periods: list[str], marketplaces: tuple[str, ...], by: str, yes: bool, wait: bool) -> None:
    """Shut the books of a period that has ended: brings it up to date, shows what will be frozen, asks, freezes it."""
    period = one_period(periods)
    if not by.strip():
        raise click.UsageError("--by is the name of whoever answers for the close")
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("without a terminal there is nobody to ask: closing needs --yes")
    places, console = settings(), new_console()
    with open_home(places, f"csba close {period}", wait=wait) as warehouse:
        code = close_and_show(console, warehouse, places, period, marketplaces, by=by.strip(), yes=yes)
        if not code:
            publish_and_say(console, warehouse, places)
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

    console, found, places = new_console(), [], settings()
    for period in periods:
        found += make_again(places.home, period, press_of(places), marketplaces, out, places.memory)
    if not found:
        raise click.UsageError(f"{shown(periods)} is not closed")
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

    period, places, console = one_period(periods), settings(), new_console()
    if folder is not None and (sent or again):
        raise click.UsageError("--dry-run changes nothing: --sent and --again do not go with it")
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} is not an empty folder")
    if (sent or again) and not by.strip():
        raise click.UsageError("--sent and --again need --by, the name of whoever says so")
    if folder is None and not yes and not sys.stdin.isatty():
        raise click.UsageError("without a terminal there is nobody to ask: sending needs --yes")
    mail, listed = read_mail(places), listed_marketplaces(places, marketplaces)
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
                    now=utc_now(),
                    complain=complain,
                )
        else:
            with open_home(places, f"csba send {period}", wait=wait) as warehouse:
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
                    clock=utc_now,
                    complain=complain,
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

    places, console = settings(), new_console()
    with open_home(places, "csba bounces", wait=wait) as warehouse:
        code = note_bounces(console, warehouse, folder, utc_now(), complain)
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

    places, console = settings(), new_console()
    listed = listed_marketplaces(places, [marketplace_id])
    try:
        number = Decimal(amount)
    except InvalidOperation:
        raise click.UsageError(f"{amount!r} is no amount; one is written 12.50") from None
    granted = Credit(seller, listed[marketplace_id], one_period(periods), number, reason, by)
    with open_home(places, f"csba credit {granted.period}", wait=wait) as warehouse:
        try:
            posted, is_new = grant(warehouse, granted, utc_now())
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
            raise click.UsageError(f"{shown(periods)} is not closed: only closed periods are posted")
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

    places, period = settings(), one_period(periods)
    listed = listed_marketplaces(places, marketplaces)
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
        show_explanation(new_console(), found, shipment=shipment, every_row=every_row)


@cli.command()
@click.option("--json", "is_json", is_flag=True, help="Print everything as JSON.")
def status(is_json: bool) -> None:
    """What is loaded, what of each marketplace is closed, drafted or late, what fails, and what to do next."""
    import json

    from assets.warehouse import read_warehouse
    from pipelines.status import show_status, status_of

    with read_warehouse(settings().home) as warehouse:
        found = status_of(warehouse, utc_now())
    if is_json:
        click.echo(json.dumps(found, default=str, ensure_ascii=False, indent=1))
    else:
        show_status(new_console(), found)


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

    places, console = settings(), new_console()
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
        complain(f"{path}: {error}")
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
        show_comparison(new_console(), found, {name: each.country for name, each in listed.items()})
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

    places, console = settings(), new_console()
    listed_marketplaces(places, marketplaces)
    try:
        periods = parse_periods(f"{one_period(first)}..{one_period(last)}")
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with ExitStack() as stack:
        try:
            with telling_of_spill(places, is_error=True), working_bar(new_console(is_error=True), "reading") as show:
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
        complain(mistake)
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
    places, console = settings(), new_console()
    if days is not None:
        with open_home(places, f"csba quarantine --purge {days}", wait=wait) as warehouse:
            deleted = purge(warehouse, days, utc_now(), names)
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
    places, console = settings(), new_console()
    if not places.snapshots:
        raise click.UsageError("CSBA_SNAPSHOTS is 0, so that no copy is made")
    with open_home(places, "csba publish", wait=wait) as warehouse:
        warehouse.makes_anew = True
        publish_and_say(console, warehouse, places)


@cli.command()
def check() -> None:
    """Whether marketplaces, terms, sources, mail, engine and lake can be used."""
    from pipelines.checking import check_inputs

    console, mistakes = new_console(), 0
    for what, found, wrong in check_inputs(settings()):
        console.print(f"{what}: {found}", highlight=False)
        for mistake in wrong:
            complain(mistake)
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

    started, console = time.monotonic(), new_console()
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
    places, console = settings(), new_console()
    places = replace(places, home=places.home / "demo", engine=DUCKDB, lake="")
    sample = places.data / "sample"
    periods = sorted({path.name.removesuffix(".csv").split("_")[-1] for path in sample.glob("shipments_*")})
    with open_home(places, "csba demo") as warehouse:
        report = load_and_show(console, warehouse, places, [sample])
        code = UNUSABLE if report.faults else run_and_show(console, warehouse, places, periods, ())
        if not code:
            publish_and_say(console, warehouse, places)
    sys.exit(code)
