"""`make bench`: how long csba takes, each figure as a ratio to something else that is run in the same minutes.

    python bench/run.py [--rows load,month,...] [--units 1000000] [--sellers 2000] [--rounds 3] [--out bench/RESULTS.md]

Writes a synthetic world once, then for each row takes turns between csba and what it is compared with, in fresh homes,
and enters medians, ratios and their spread into a table in Markdown, with the machine and the versions. Machines differ
and are noisy: the ratios are what is worth quoting. The rows:

    load     csba load                         against `create table as from read_csv` of the same files (by_hand.py)
    month    csba run --tables-only            against the month billed by hand-written SQL, to the same fee lines
    peers    load and run together             against scripts in pandas and Polars that keep account as csba does, and
                                               bare ones, to the same totals of fee lines; and those scripts against the
                                               bare reading and the hand-written SQL: how many times as long each takes
    again    load and run with nothing new     against the first load, and against the run
    late     rows of one per cent of sellers   for a closed month, less what they cost in a tiny world, against loading
                                               and running the month; a contact about every tenth of their items, and
                                               every twentieth of their shipments withdrawn
    beside   a month beside twelve loaded      against the month alone
    simulate a year under other terms          against running one of its months
    fixed    what any command costs            in seconds; the first run makes pages and PDFs
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb

from assets.version import code_version

CSBA = [sys.executable, "-m", "pipelines"]
BENCH = Path(__file__).parent
BY_HAND = [sys.executable, str(BENCH / "by_hand.py")]
PEERS = BENCH.parent / ".venv-bench" / "bin" / "python"
"""With pandas and matplotlib; `make bench` sets it up."""
MONTH, NEXT_MONTH, FIRST_MONTH = "2026-03", "2026-04", "2025-03"
YEAR = ("2025-04", MONTH)
ROWS = ("load", "month", "peers", "again", "late", "beside", "simulate", "fixed")
LATE_SHARE = 100
"""One seller in so many has late rows."""


@dataclass(frozen=True)
class Timed:
    """A command that ran: seconds, peak memory in MB of it or of the largest of its children, and what it printed."""

    seconds: float
    memory: float
    output: str


def timed(command: Sequence[str | Path], **environment: str) -> Timed:
    """Run a command as a whole process; what was written before it is on the disk by then, and no burden of its."""
    os.sync()
    started = time.monotonic()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaint:
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, "CSBA_PDF": "none", **environment},
            stdout=output,
            stderr=complaint,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        output.seek(0)
        complaint.seek(0)
        if status:
            raise SystemExit(f"{' '.join(map(str, command))} failed:\n{complaint.read().decode()}")
        return Timed(seconds, usage.ru_maxrss * 1024 / 1e6, output.read().decode())


def apart(work: Callable[..., Any], *given: object) -> Any:
    """Do something in a process of its own: what it holds would be the least that any command seems to hold later."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def _together(*runs: Timed) -> Timed:
    """One after the other."""
    return Timed(sum(run.seconds for run in runs), max(run.memory for run in runs), "")


@dataclass
class Row:
    """A line of the results: what was measured, the goal, and a value for each round."""

    measure: str
    goal: str
    unit: str = "x"
    values: list[float] = field(default_factory=list)
    ours: list[Timed] = field(default_factory=list)
    theirs: list[Timed] = field(default_factory=list)

    def add(self, ours: Timed, theirs: Timed, value: float | None = None) -> None:
        """Enter a round; the value is the ratio of the two unless it is given."""
        self.ours.append(ours)
        self.theirs.append(theirs)
        self.values.append(ours.seconds / theirs.seconds if value is None else value)

    def in_markdown(self) -> str:
        """The row of the table."""

        def shown(value: float) -> str:
            return f"{value:.1%}" if self.unit == "%" else f"{value:.2f}{' s' if self.unit == 's' else ''}"

        def middle(runs: list[Timed]) -> str:
            if not runs:
                return "–"
            seconds, memory = (statistics.median(getattr(run, name) for run in runs) for name in ("seconds", "memory"))
            return f"{seconds:.1f} s, {memory:,.0f} MB"

        spread = f"{shown(min(self.values))} to {shown(max(self.values))}"
        median = shown(statistics.median(self.values))
        return (
            f"| {self.measure} | {self.goal} | **{median}** | {spread} | {middle(self.ours)} | {middle(self.theirs)} |"
        )


@dataclass
class Bench:
    """A world, a folder for homes, and how often to measure."""

    folder: Path
    units: int
    sellers: int
    rounds: int

    def world(
        self, name: str = "world", months: str = MONTH, units: int | None = None, sellers: int | None = None
    ) -> Path:
        """The files of a world, written once."""
        out = self.folder / name
        if not out.exists():
            size = ["--sellers", str(sellers or self.sellers), "--units", str(units or self.units), "--months", months]
            timed([*CSBA, "generate", "--out", out, *size])
        return out

    def fresh(self, name: str) -> str:
        """A place for a home, or a database, that is not there yet."""
        home = self.folder / name
        shutil.rmtree(home, ignore_errors=True)
        home.with_suffix(".duckdb").unlink(missing_ok=True)
        return str(home)

    # -- the rows -------------------------------------------------------------------------------------------------

    def load(self) -> list[Row]:
        """Loading, against reading the same files."""
        row = Row("load / `create table as from read_csv`", "≤ 2, the aim is 1.5")
        for _ in range(self.rounds):
            bare = timed([*BY_HAND, "load", self.world(), self.fresh("bare") + ".duckdb"])
            row.add(timed([*CSBA, "load", self.world()], CSBA_HOME=self.fresh("home")), bare)
        return [row]

    def month(self) -> list[Row]:
        """All tables and checks of a month, against SQL written by hand."""
        row = Row("run of a month, tables and checks / hand-written SQL", "≤ 1.3")
        bare, home = self.fresh("bare"), self.fresh("home")
        timed([*BY_HAND, "load", self.world(), bare + ".duckdb"])
        timed([*CSBA, "load", self.world()], CSBA_HOME=home)
        for _ in range(self.rounds):
            by_hand = timed([*BY_HAND, "bill", bare + ".duckdb", MONTH])
            ours = timed([*CSBA, "run", MONTH, "--tables-only", "--anew"], CSBA_HOME=home)
            apart(same_lines, home, by_hand.output)
            row.add(ours, by_hand)
        return [row]

    def peers(self) -> list[Row]:
        """Files to fee lines, against scripts that a user might write instead; how many times as fast."""
        goals = {f"{name} script that keeps account as csba does": "≥ 4" for name in ("pandas", "Polars")}
        goals |= {"bare pandas script": "–", "bare Polars script": "–"}
        rows = [Row(f"{name} / load and run of a month", goal) for name, goal in goals.items()]
        least = [Row(f"{name} / bare reading and hand-written SQL together", "–") for name in goals]
        for _ in range(self.rounds):
            home, bare = self.fresh("home"), self.fresh("bare") + ".duckdb"
            ours = _together(
                timed([*CSBA, "load", self.world()], CSBA_HOME=home),
                timed([*CSBA, "run", MONTH, "--tables-only"], CSBA_HOME=home),
            )
            by_hand = _together(timed([*BY_HAND, "load", self.world(), bare]), timed([*BY_HAND, "bill", bare, MONTH]))
            scripts = (
                [PEERS, BENCH / "with_pandas_in_full.py", self.world(), self.fresh("kept")],
                [sys.executable, BENCH / "with_polars_in_full.py", self.world(), self.fresh("kept-too")],
                [PEERS, BENCH / "with_pandas.py", self.world()],
                [sys.executable, BENCH / "with_polars.py", self.world()],
            )
            peers = [timed([*script, MONTH]) for script in scripts]
            for peer in peers[:2]:
                apart(same_outcomes, home, peer.output)
            for row, engine, peer in zip(rows, least, peers, strict=True):
                apart(same_lines, home, peer.output)
                row.add(ours, peer, peer.seconds / ours.seconds)
                engine.theirs.append(by_hand)
                engine.values.append(peer.seconds / by_hand.seconds)
        return [*rows, *least]

    def again(self) -> list[Row]:
        """A second load and a second run, of nothing new."""
        second_load = Row("second load of untouched files / first", "≤ 5 %", "%")
        second_run = Row("second run with nothing new, beyond the fixed cost / first", "≤ 10 %", "%")
        empty = self.fixed_home
        for _ in range(self.rounds):
            home = self.fresh("home")
            time.sleep(3)  # files that were written just now are not trusted to stay as they are
            load = timed([*CSBA, "load", self.world()], CSBA_HOME=home)
            second_load.add(timed([*CSBA, "load", self.world()], CSBA_HOME=home), load)
            run = timed([*CSBA, "run", MONTH, "--tables-only"], CSBA_HOME=home)
            fixed = timed([*CSBA, "run", MONTH, "--tables-only"], CSBA_HOME=empty)
            second = timed([*CSBA, "run", MONTH, "--tables-only"], CSBA_HOME=home)
            second_run.add(second, run, (second.seconds - fixed.seconds) / (run.seconds - fixed.seconds))
        return [second_load, second_run]

    def late(self) -> list[Row]:
        """Late rows of a closed month: its sellers are rated anew. Fixed is what the same costs in a tiny world."""
        row = Row("late rows of 1 % of sellers, beyond the fixed cost / load and run", "≤ 5 %", "%")
        world, tiny = self.world(), self.world("tiny", units=10_000, sellers=1_000)
        late, few = (apart(late_rows, *each) for each in ((world, self.folder / "late"), (tiny, self.folder / "few")))
        for _ in range(self.rounds):
            _, fixed = self.rated_anew(tiny, few)
            full, ours = self.rated_anew(world, late)
            row.add(ours, full, (ours.seconds - fixed.seconds) / full.seconds)
        return [row]

    def rated_anew(self, world: Path, late: Path) -> tuple[Timed, Timed]:
        """Load and bill a world, close its month, begin the next; then late rows come. The first two, and the last."""
        home = self.fresh("home")

        def load_and_run(files: Path, month: str) -> Timed:
            return _together(
                timed([*CSBA, "load", files], CSBA_HOME=home),
                timed([*CSBA, "run", month, "--tables-only"], CSBA_HOME=home),
            )

        full = load_and_run(world, MONTH)
        timed([*CSBA, "close", MONTH, "--by", "bench", "--yes"], CSBA_HOME=home)
        timed([*CSBA, "run", NEXT_MONTH, "--tables-only"], CSBA_HOME=home)
        return full, load_and_run(late, NEXT_MONTH)

    def beside(self) -> list[Row]:
        """A month with twelve others loaded before it."""
        row = Row("run of a month beside twelve loaded ones / the month alone", "≤ 1.3")
        world = self.world("year", f"{FIRST_MONTH}..{MONTH}", self.units * 13)
        alone, beside = self.fresh("alone"), self.fresh("beside")
        of_month = [path for path in sorted(world.iterdir()) if MONTH in path.name or "20" not in path.name]
        timed([*CSBA, "load", *of_month], CSBA_HOME=alone)
        timed([*CSBA, "load", world], CSBA_HOME=beside)
        for _ in range(self.rounds):
            by_itself = timed([*CSBA, "run", MONTH, "--tables-only", "--anew"], CSBA_HOME=alone)
            row.add(timed([*CSBA, "run", MONTH, "--tables-only", "--anew"], CSBA_HOME=beside), by_itself)
        return [row]

    def simulate(self) -> list[Row]:
        """A year under other terms, with its page and files."""
        row = Row("simulation of a year / run of one of its months, tables and checks", "< 60 s for 10M order items")
        world, home = self.world("twelve", f"{YEAR[0]}..{YEAR[1]}", self.units * 12), self.fresh("twelve-home")
        terms = other_terms(self.folder / "terms")
        timed([*CSBA, "load", world], CSBA_HOME=home)
        timed([*CSBA, "run", f"{YEAR[0]}..{YEAR[1]}", "--tables-only"], CSBA_HOME=home)
        year = ["--from", YEAR[0], "--to", YEAR[1], "--out", self.folder / "simulated"]
        for _ in range(self.rounds):
            month = timed([*CSBA, "run", MONTH, "--tables-only", "--anew"], CSBA_HOME=home)
            row.add(timed([*CSBA, "simulate", "--terms", terms, *year], CSBA_HOME=home), month)
        return [row]

    def fixed(self) -> list[Row]:
        """What commands cost whatever there is to do."""
        rows = []
        for command, goal in (("--help", "< 0.5 s"), ("status", "< 0.5 s")):
            row = Row(f"`csba {command}` on the sample", goal, "s")
            for _ in range(max(self.rounds, 3)):
                row.ours.append(timed([*CSBA, *command.split()], CSBA_HOME=self.fixed_home))
            rows.append(row)
        row = Row("first `csba run 2026-05` on the sample, with its pages and PDFs", "< 6 s", "s")
        for _ in range(max(self.rounds, 3)):
            home = self.fresh("home")
            timed([*CSBA, "load", BENCH.parent / "data" / "sample"], CSBA_HOME=home)
            row.ours.append(timed([*CSBA, "run", "2026-05"], CSBA_HOME=home, CSBA_PDF="plutoprint"))
        rows.append(row)
        for row in rows:
            row.values = [run.seconds for run in row.ours]
        return rows

    @cached_property
    def fixed_home(self) -> str:
        """A home with the sample, of which a run costs what any run costs."""
        home = self.fresh("sample")
        timed([*CSBA, "load", BENCH.parent / "data" / "sample"], CSBA_HOME=home)
        timed([*CSBA, "run", MONTH, "--tables-only"], CSBA_HOME=home)
        return home


def same_lines(home: str, printed: str) -> None:
    """The fee lines must come to what another script says: units, number of lines and amount."""
    with duckdb.connect(str(Path(home) / "warehouse.duckdb"), read_only=True) as con:
        query = "select sum(units)::bigint, count(*), sum(amount) from billing.fee_lines where period = ?"
        found = " ".join(map(str, con.execute(query, [MONTH]).fetchall()[0]))
    other = printed.strip().splitlines()[0]
    if found != other:
        raise SystemExit(f"the fee lines come to {found}, but by the other script to {other}")


def same_outcomes(home: str, printed: str) -> None:
    """The units by outcome must be what another script says in its last line, as JSON."""
    with duckdb.connect(str(Path(home) / "warehouse.duckdb"), read_only=True) as con:
        query = "select outcome, sum(quantity)::bigint from core.units where period = ? group by outcome"
        found = dict(con.execute(query, [MONTH]).fetchall())
    other = json.loads(printed.strip().splitlines()[-1])
    if found != other:
        raise SystemExit(f"the units come to {found}, but by the other script to {other}")


def late_rows(world: Path, out: Path) -> Path:
    """Files of late rows of the closed month: contacts about orders of some sellers, and shipments that were withdrawn.

    In every marketplace the month has not ended the day before it does in UTC.
    """
    out.mkdir(exist_ok=True)
    with duckdb.connect() as con:
        con.execute("set enable_progress_bar = false")
        con.execute(f"create view items as from read_csv('{world}/order_items*.csv', all_varchar = true)")
        con.execute(f"""
            create table few as select distinct seller_id from items where hash(seller_id) % {LATE_SHARE} = 0;
            create table of_few as
            select distinct on (order_id, order_item_id) * from items semi join few using (seller_id);
            copy (
                select * replace (true as is_void, '2026-04-20T00:00:00Z' as updated_at)
                from (
                    select distinct on (shipment_id, order_item_id) *
                    from read_csv('{world}/shipments*.csv', all_varchar = true)
                    semi join of_few using (order_id, order_item_id)
                ) where hash(shipment_id) % 20 = 0 and shipped_at < '{MONTH}-31'
            ) to '{out}/shipments_late.csv';
            copy (
                select 'late-' || order_item_id as contact_id, order_id, order_item_id, seller_id, marketplace_id,
                    'email' as channel, 'delivery' as reason, '2026-03-30T00:00:00Z' as contacted_at,
                    null as resolved_at, false as is_void, '2026-04-20T00:00:00Z' as updated_at
                from of_few where hash(order_item_id) % 10 = 0
            ) to '{out}/contacts_late.csv'""")
    return out


def other_terms(out: Path) -> Path:
    """The terms in force with other tiers, fees and trials."""
    out.mkdir(exist_ok=True)
    for path in (BENCH.parent / "data" / "terms").glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        for old, new in (
            ("up_to = 0.05", "up_to = 0.06"),
            ("trial_days = 30", "trial_days = 45"),
            ("fee = ", "fee = 1"),
        ):
            text = text.replace(old, new)
        (out / path.name).write_text(text, encoding="utf-8")
    return out


def machine() -> str:
    """What was measured on, and with."""
    cpu = (
        next(
            (
                line.split(":")[1].strip()
                for line in Path("/proc/cpuinfo").read_text().splitlines()
                if "model name" in line
            ),
            platform.processor(),
        )
        if Path("/proc/cpuinfo").exists()
        else platform.processor()
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "polars", "pandera", "dagster"))
    measured = f"csba {code_version()}; Python {platform.python_version()}, {packages}"
    return f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GiB; {measured}"


def main() -> None:
    """Measure, print and write down."""
    every: dict[str, Callable[[Bench], list[Row]]] = {name: getattr(Bench, name) for name in ROWS}
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rows", default=",".join(every))
    arguments.add_argument("--units", type=int, default=1_000_000)
    arguments.add_argument("--sellers", type=int, default=2_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--folder", type=Path, help="where worlds and homes go; kept. Else a temporary one.")
    arguments.add_argument("--out", type=Path, help="the table in Markdown; it is printed in any case")
    arguments.add_argument("--append", action="store_true", help="add the table to those in the file")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = given.folder or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(folder.resolve(), given.units, given.sellers, given.rounds)
        lines = [
            f"{datetime.now(UTC):%Y-%m-%d} · {machine()}",
            "",
            f"A world of {given.units:,} units and {given.sellers:,} sellers in {MONTH}; {given.rounds} rounds.",
            "",
            "| measure | goal | median | spread | csba | the other |",
            "|---|---|---|---|---|---|",
        ]
        print("\n".join(lines), flush=True)
        for name in given.rows.split(","):
            for row in every[name](bench):
                lines.append(row.in_markdown())
                print(lines[-1], flush=True)
    if given.out:
        before = "# What was measured\n\nWritten by `bench/run.py`; what each row is stands there.\n\n"
        if given.append and given.out.exists():
            before = given.out.read_text(encoding="utf-8") + "\n"
        given.out.write_text(before + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
