"""A month at several sizes within a limit of memory: what a row costs in time and memory, stage by stage.

    python bench/scale.py --items 1000000,10000000,100000000 --memory 4 --folder DIR --out SCALE.md

A size is a number of order items of one month, with the shipments, contacts and returns that belong to them. A world
of up to ten million is written once; a larger size is that world several times over, each time under other ids, loaded
part by part. Such a part is removed once it is loaded, so that the disk holds little more than the warehouse.

`--memory` is what a process may hold, in GB: `CSBA_MEMORY`, what the engine gets of it, is what the interpreter and its
libraries leave. The peak that is shown is the kernel's for the whole process, and the table says whether it stayed
within. Writes a table in Markdown, and a plot as SVG.
"""

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import duckdb
from run import BENCH, CSBA, MONTH, PEERS, Timed, apart, machine, timed

PART = 10_000_000
"""Order items of a world that is written as it is."""
UNITS_AN_ITEM = 1.24
"""Of the worlds that `csba generate` writes: so many units are shipped for each row of order items."""
INTERPRETER = 1.1
"""GB that a process holds beside its engine's memory."""
STAGE = re.compile(r"^\d{4}-\d\d (\S+) +([\d,]+) +([\d,.]+) +([\d,.]+|–) +([\d,.]+|–)\s*$", re.MULTILINE)
LETTERED = ("shipment_id", "contact_id", "return_id")
"""Ids that begin with a letter, after which a part's number is put."""
WHOLE = ("load", "run")
"""The two commands; the other stages are parts of the second."""


@dataclass
class Stage:
    """A stage of the work on one size: seconds, and the peak memory in MB of its process."""

    name: str
    seconds: float
    memory: float


@dataclass
class Size:
    """A size, and what its stages took."""

    items: int
    shipments: int
    contacts: int
    stages: list[Stage]

    def stage(self, name: str) -> Stage:
        """The stage of that name."""
        return next(stage for stage in self.stages if stage.name == name)

    def cost(self, name: str) -> float:
        """Microseconds that a stage takes for an order item."""
        return self.stage(name).seconds / self.items * 1e6


def parts(world: Path, number: int, out: Path) -> Iterator[list[Path]]:
    """The files of a world, `number` times over; those of a part are gone when the next is asked for."""
    yield sorted(world.glob("*.csv"))
    for part in range(1, number):
        renamed = apart(_under_other_ids, world, part, out)
        yield renamed
        for path in renamed:
            path.unlink()


def _under_other_ids(world: Path, part: int, out: Path) -> list[Path]:
    """The month's files of a world as another part of a larger one."""
    renamed = []
    with duckdb.connect() as con:
        con.execute("set enable_progress_bar = false")
        for path in sorted(world.glob(f"*{MONTH}.csv")):
            rows = f"read_csv('{path}', all_varchar = true)"
            names = [row[0] for row in con.execute(f"describe from {rows}").fetchall()]
            ids = {
                "order_id": f"(substr(order_id, 1, 3)::int + 4 * {part}) || substr(order_id, 4)",
                "order_item_id": f"'{part}' || order_item_id",
                **{name: f"{name}[1] || '{part}' || {name}[2:]" for name in LETTERED},
            }
            replaced = ", ".join(f"{ids[name]} as {name}" for name in names if name in ids)
            renamed.append(out / f"{path.stem}_{part}.csv")
            con.execute(f"copy (select * replace ({replaced}) from {rows}) to '{renamed[-1]}'")
    return renamed


def measure(items: int, sellers: int, memory: float, folder: Path) -> Size:
    """Write, load and bill a month of about so many order items."""
    part = min(items, PART)
    world, home, renamed = folder / f"world-{part}", folder / "home", folder / "renamed"
    if not world.exists():
        size = ["--sellers", str(sellers), "--units", str(round(part * UNITS_AN_ITEM)), "--months", MONTH]
        timed([*CSBA, "generate", "--out", world, *size])
    for place in (home, renamed):
        shutil.rmtree(place, ignore_errors=True)
    renamed.mkdir()
    limits = {"CSBA_HOME": str(home), "CSBA_MEMORY": f"{memory - INTERPRETER:.1f}GB", "COLUMNS": "200"}
    loads = [timed([*CSBA, "load", *paths], **limits) for paths in parts(world, round(items / part), renamed)]
    run = timed([*CSBA, "run", MONTH, "--tables-only", "--profile"], **limits)
    found = apart(_rows_loaded, home)
    shutil.rmtree(home)
    return Size(*found, [_together("load", loads), _together("run", [run]), *_stages(run.output)])


def _rows_loaded(home: Path) -> list[int]:
    """Order items, shipment lines and contacts."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        names = ("order_items", "shipments", "contacts")
        return [con.execute(f"select count(*) from raw.{name}").fetchall()[0][0] for name in names]


def _together(name: str, runs: list[Timed]) -> Stage:
    return Stage(name, sum(run.seconds for run in runs), max(run.memory for run in runs))


def _stages(profile: str) -> Iterator[Stage]:
    """The stages that `--profile` shows."""
    found = STAGE.findall(profile)
    if not found:
        raise SystemExit(f"no profile in:\n{profile}")
    for name, _, seconds, _, peak in found:
        yield Stage(name, float(seconds.replace(",", "")), float(peak.replace(",", "")))


def in_markdown(sizes: Sequence[Size], memory: float) -> str:
    """The table of what was measured."""
    last, most = sizes[-1], max(size.stage(name).memory for size in sizes for name in WHOLE)
    names = [*WHOLE, *(stage.name for stage in last.stages if stage.name not in WHOLE)]
    head = "".join(f" {size.items:,} items |" for size in sizes)
    lines = [
        "# What a row costs, by size",
        "",
        f"Written by `bench/scale.py`. {datetime.now(UTC):%Y-%m-%d} · {machine()}",
        "",
        f"A month of order items, with `CSBA_MEMORY={memory - INTERPRETER:.1f}GB` to hold {memory:g} GB at most:",
        *(
            f"- {size.items:,} order items, {size.shipments:,} shipment lines, {size.contacts:,} contacts: run in"
            f" {size.stage('run').seconds:,.0f} s, {size.stage('run').memory:,.0f} MB at most; load"
            f" {size.stage('load').seconds:,.0f} s, {size.stage('load').memory:,.0f} MB"
            for size in sizes
        ),
        "",
        f"The largest process held {most / 1000:.2f} GB: {'within' if most <= memory * 1000 else 'BEYOND'} the limit.",
        "",
        *(
            f"A row of {later.items:,} costs the run {later.cost('run') / earlier.cost('run'):.2f} times"
            f" what one of {earlier.items:,} costs, and the load {later.cost('load') / earlier.cost('load'):.2f} times."
            for earlier, later in pairwise(sizes)
        ),
        "",
        "![Microseconds an order item, and peak memory, by size](scale.svg)",
        "",
        "Microseconds an order item, and peak memory; the stages are those of the run that `--profile` shows.",
        "",
        f"| stage |{head}",
        f"|---|{'---|' * len(sizes)}",
    ]
    for name in names:
        cells = (f" {size.cost(name):.2f} µs, {size.stage(name).memory:,.0f} MB |" for size in sizes)
        lines.append(f"| {name} |{''.join(cells)}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure each size, and write the table and the plot."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--items", default="100000,1000000,10000000")
    arguments.add_argument("--sellers", type=int, default=100_000)
    arguments.add_argument("--memory", type=float, default=4.0, help="GB for each process")
    arguments.add_argument(
        "--folder", type=Path, help="where worlds and homes go; worlds are kept. Else a temporary one."
    )
    arguments.add_argument("--out", type=Path, required=True)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = (given.folder or Path(place)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        sizes = []
        for items in map(int, given.items.split(",")):
            sizes.append(measure(items, given.sellers, given.memory, folder))
            print(in_markdown(sizes, given.memory), flush=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(in_markdown(sizes, given.memory), encoding="utf-8")
    stages = {
        size.items: {stage.name: [size.cost(stage.name), stage.memory] for stage in size.stages} for size in sizes
    }
    plot = [PEERS, BENCH / "plot.py", given.out.with_name("scale.svg")]
    subprocess.run(plot, input=json.dumps({"limit": given.memory, "stages": stages}), text=True, check=True)


if __name__ == "__main__":
    main()
