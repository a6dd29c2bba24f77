"""A month on both engines at several sizes: time and memory a row, and from how many machines on Spark is the faster.

    python bench/engines.py --items 1000000,10000000,50000000 --memory 8 --folder DIR --out ENGINES.md

Each size is loaded once, with a lake, and billed by DuckDB and, in a copy of the home, by Spark, on all cores of this
machine or on the cluster named by `--master`. What is compared are the stages of the heavy tables, their checks and
balances included, which DuckDB makes in either case. `--memory` is what DuckDB may hold, and Spark's driver, in GB.

Of Spark's stages one part goes with the machines: what Spark itself works. The other stays on one: reading what was
made, checking and counting it. Both are taken to grow with the rows, and the first to shrink with the machines.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from run import CSBA, MONTH, machine, timed
from scale import PART, STAGE, UNITS_AN_ITEM, parts

from assets.engines import HEAVY

START = 10_000
"""Order items of a month so small that it shows what Spark costs before it has done anything."""
MACHINES = (2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Engine:
    """What the heavy stages of a month took: seconds, of them those that Spark worked, and peak memory in MB."""

    seconds: float
    by_spark: float
    memory: float

    @property
    def by_duckdb(self) -> float:
        """The seconds that did not go with Spark's machines."""
        return self.seconds - self.by_spark


@dataclass(frozen=True)
class Size:
    """A size, and what it took on each engine."""

    items: int
    lake: float
    """MB of the lake's raw rows."""
    duckdb: Engine
    spark: Engine


def measure(items: int, given: argparse.Namespace, folder: Path) -> Size:
    """Write, load and bill a month of about so many order items, on both engines."""
    part = min(items, PART)
    names = (f"world-{part}", "home", "copy", "lake", "renamed")
    world, home, copy, lake, renamed = (folder / name for name in names)
    if not world.exists():
        size = ["--sellers", str(min(given.sellers, part)), "--units", str(round(part * UNITS_AN_ITEM))]
        timed([*CSBA, "generate", "--out", world, *size, "--months", MONTH])
    for place in (home, copy, lake, renamed):
        shutil.rmtree(place, ignore_errors=True)
    renamed.mkdir()
    properties = folder / "spark.properties"
    properties.write_text(f"spark.driver.memory {given.memory * 1000:.0f}m\nspark.local.dir {folder}\n{given.spark}\n")
    places = {
        "CSBA_HOME": str(home),
        "CSBA_LAKE": str(lake),
        "CSBA_MEMORY": f"{given.memory:.1f}GB",
        "CSBA_SPARK_PROPERTIES": str(properties),
        "COLUMNS": "200",
    }
    for paths in parts(world, round(items / part), renamed):
        timed([*CSBA, "load", *paths], **places)
    shutil.copytree(home, copy)  # so that both begin with a home in which nothing was made
    run = [*CSBA, "run", MONTH, "--tables-only", "--profile"]
    by_duckdb = timed([*run, "--engine", "duckdb"], **{**places, "CSBA_HOME": str(copy)})
    of_duckdb = _lines(copy)
    shutil.rmtree(copy)
    by_spark = timed([*run, "--engine", "spark", "--master", given.master], **places)
    if _lines(home) != of_duckdb:
        raise SystemExit(f"{items:,} items: Spark came to other fee lines than DuckDB")
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        ((rows,),) = con.execute("select count(*) from raw.order_items").fetchall()
        ((counts,),) = con.execute("select counts from audit.runs order by run_id desc limit 1").fetchall()
    raw = sum(path.stat().st_size for path in lake.glob("home-*/raw/**/*.parquet")) / 1e6
    for place in (home, lake):
        shutil.rmtree(place)
    worked = json.loads(counts)["spark_seconds"]
    return Size(rows, raw, _heavy(by_duckdb.output, 0), _heavy(by_spark.output, worked))


def _lines(home: Path) -> list[tuple]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return con.execute("select count(*), sum(hash(line)) from billing.fee_lines as line").fetchall()


def _heavy(profile: str, by_spark: float) -> Engine:
    """The stages of the heavy tables together, as `--profile` shows them."""
    found = [(seconds, peak) for name, _, seconds, _, peak in STAGE.findall(profile) if name in HEAVY]
    seconds, peaks = ([float(each.replace(",", "")) for each in column] for column in zip(*found, strict=True))
    return Engine(sum(seconds), by_spark, max(peaks))


def crossing(start: Size, last: Size) -> str:
    """By what rows cost at the last size, beyond starting: from how many of them and machines on Spark is faster."""
    fixed, rows = start.spark.by_spark, last.items - start.items
    by_duckdb = (last.duckdb.seconds - start.duckdb.seconds) / rows
    spread = (last.spark.by_spark - start.spark.by_spark) / rows
    stays = (last.spark.by_duckdb - start.spark.by_duckdb) / rows
    costs = (
        f"At the last size a row costs DuckDB {by_duckdb * 1e6:.2f} µs. With Spark it costs {spread * 1e6:.2f} µs that"
        f" are spread over machines, and {stays * 1e6:.2f} µs that stay on one; to start costs {fixed:.0f} s."
    )
    if by_duckdb <= stays:
        return f"{costs} What stays costs as much as all of it by DuckDB: by time alone Spark is never the better."
    machines = spread / (by_duckdb - stays)
    lines = [f"{costs} Spark is the faster from {machines:.1f} machines like this one on, if the rows are many:", ""]
    for number in MACHINES:
        gain = by_duckdb - stays - spread / number
        lines.append(f"- {number} machines: {f'from {fixed / gain / 1e6:,.0f}M order items' if gain > 0 else 'never'}")
    return "\n".join(lines)


def in_markdown(start: Size, sizes: Sequence[Size], master: str) -> str:
    """The table of what was measured."""
    head = "| order items | engine | seconds | µs a row | of them Spark's | peak memory | lake |"
    lines = [
        "# Two engines",
        "",
        f"Written by `bench/engines.py`. {datetime.now(UTC):%Y-%m-%d} · {machine()}; Spark on `{master}`",
        "",
        (
            "The stages of the heavy tables of a month, with their checks and balances. Memory is that of csba and, on"
            " this machine, of Spark beside it."
        ),
        "",
        head,
        "|---|---|---|---|---|---|---|",
    ]
    for size in (start, *sizes):
        for name, engine in (("DuckDB", size.duckdb), ("Spark", size.spark)):
            spark = f"{engine.by_spark / engine.seconds:.0%}" if engine.by_spark else ""
            cost, memory = engine.seconds / size.items * 1e6, engine.memory / size.items * 1e6
            lines.append(
                f"| {size.items:,} | {name} | {engine.seconds:,.1f} | {cost:,.2f} | {spark} | {engine.memory:,.0f} MB,"
                f" {memory:,.0f} B a row | {size.lake:,.0f} MB |"
            )
    return "\n".join([*lines, "", crossing(start, sizes[-1]), ""])


def main() -> None:
    """Measure each size, and write the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--items", default="1000000,10000000,50000000")
    arguments.add_argument("--sellers", type=int, default=100_000)
    arguments.add_argument("--memory", type=float, default=4.0, help="GB for DuckDB, and as many for Spark's driver")
    arguments.add_argument("--master", default="local[*]", help="Spark's cluster; by default this machine")
    arguments.add_argument("--spark", default="", help="a further line of Spark's properties")
    arguments.add_argument("--folder", type=Path, help="where worlds, homes and lakes go. Else a temporary one.")
    arguments.add_argument("--out", type=Path, required=True)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = (given.folder or Path(place)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        start, sizes = measure(START, given, folder), []
        given.out.parent.mkdir(parents=True, exist_ok=True)
        for items in map(int, given.items.split(",")):
            sizes.append(measure(items, given, folder))
            text = in_markdown(start, sizes, given.master)
            print(text, flush=True)
            given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
