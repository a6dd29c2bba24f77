"""`python bench/parts.py`: what the ways that were chosen bring, each against its other way, in turns on the same rows.

    python bench/parts.py [--units 1000000] [--rounds 5] [--world FOLDER] [--only TEXT]

Prints, for each part, the median seconds of the other way and of the way chosen, and the ratio with its spread. The
parts: how ids are stored, and joined where only to count; how rows lie, and what a slice of orders and one order then
take to read; how versions that are beaten are left out; how times are read; when files are hashed; who holds good
rows against the contract, how many at a time, on how many threads, and looks for damaged ids; how versions in force
are found, and rows checked; how a page of JSON is read, and values are taken from its records; how the orders of a
quarter are counted, and in how many conditions they are chosen; how a key that comes twice, and an order whose items
disagree, are found; how the rows of a month that has begun, of few orders and of few places, and the sums of each
outcome are; what is kept of memory from one query to the next; and what late rows of orders that a month does not name
make of what is reported of it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from unittest.mock import patch

import duckdb

from assets.core.marketplaces import read_marketplaces
from assets.making import make, set_scope
from assets.raw import hashing, loading, staging
from assets.raw.by_record import Shape
from assets.raw.datasets import DATASETS
from assets.raw.json_records import read_records
from assets.raw.sources import CANONICAL, Source, read_sources
from assets.raw.staging import ROWS_PER_CHUNK
from assets.raw.typing_sql import _any_instant, typed
from assets.settings import CHECKOUT
from assets.tables import step_of
from assets.warehouse import HASH, columns_to_make, open_warehouse

MONTH, NEXT_MONTH = "2026-03", "2026-04"
RECORDS = 100_000
USUAL_FIRST = typed("purchased_at", "TIMESTAMP")
ANY_FORM = f"case {_any_instant('trim(purchased_at)', None)} end"
END = "(ends_with(purchased_at, ':00') or ends_with(purchased_at, ':30'))"
WITHIN = USUAL_FIRST.replace(END, "substring(purchased_at, 23, 1) = ':' and substring(purchased_at, 24, 1) < '6'")
assert END in USUAL_FIRST
Part = tuple[str, Callable[[], object], Callable[[], object]]


def seconds(work: Callable[[], object]) -> float:
    """What one piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class Parts:
    """Rows of a world, in a database on disk, and the pairs of ways."""

    def __init__(self, folder: Path, world: Path):
        self.folder, self.world = folder, world
        self.con = duckdb.connect(str(folder / "parts.duckdb"))
        self.con.execute("set timezone = 'UTC'; set enable_progress_bar = false")
        self.con.execute(f"""
            create table items as
            select *, 1 as file_id, row_number() over () as row_number, cast(purchased_at as timestamp) as placed_at
            from read_csv('{world}/order_items*.csv', all_varchar = true);
            create table parcels as from read_csv('{world}/shipments*.csv', all_varchar = true);
            create table beaten as select file_id, row_number from items using sample 1 percent (bernoulli, 7);
            create table month as
            select distinct '2026-03' as period, marketplace_id, timestamp '2026-03-01' as starts_at,
                timestamp '2026-04-01' as ends_at
            from items;
            create table lines as
            select distinct on ({KEY}) {KEY}, '2026-03' as period,
                (select min(marketplace_id) from month) as marketplace_id,
                hash(shipment_id) % 9 as outcome, 1 as quantity
            from parcels;
            create table begun as select '2026-04' as period, marketplace_id from month;
            create table few as select distinct order_id from items where hash(order_id) % 2000 = 0;
            create table places as select file_id, row_number from items semi join few using (order_id);
            create temp table ids as select order_id, order_item_id from items;
            create temp table other_ids as select order_id, order_item_id from parcels""")
        self.kept = folder / "kept.duckdb"
        self.keep(self.kept)

    def every(self) -> list[Part]:
        """Each part: what it is, the other way, the way chosen."""
        return [
            ("writing ids: compressed / as they are", lambda: self.store("plain"), lambda: self.store("as_they_are")),
            ("joining by ids: compressed / as they are", lambda: self.join("plain"), lambda: self.join("as_they_are")),
            ("counting by ids: joined as texts / by two hashes", lambda: self.join("as_they_are"), self.join_by_hashes),
            ("writing rows: as they came / by order", lambda: self.lay(CAME), lambda: self.lay(BY_ORDER)),
            ("a slice of orders: as they came / by order", lambda: self.slice(CAME), lambda: self.slice(BY_ORDER)),
            ("one order: as they came / by order", lambda: self.one(CAME), lambda: self.one(BY_ORDER)),
            ("leaving out what is beaten: not exists / anti join", self.not_exists, self.anti_join),
            ("reading times: any form / the usual one first", lambda: self.times(ANY_FORM), self.times),
            ("offsets of times: by letters within / by their end", lambda: self.times(WITHIN), self.times),
            ("files: hashed when their turn comes / meanwhile", lambda: self.load(in_turn=True), self.load),
            ("good rows: ids taken as they are / looked at", lambda: self.stage(ids_unseen=True), self.stage),
            ("good rows: held by the contract / passed by SQL", lambda: self.stage(by_contract=True), self.stage),
            (
                "rows in doubt: 50,000 at a time / 500,000",
                lambda: self.stage(by_contract=True, chunk=50_000),
                self.doubted,
            ),
            (
                "rows in doubt: all at a time / 500,000",
                lambda: self.stage(by_contract=True, chunk=sys.maxsize),
                self.doubted,
            ),
            ("good rows: by one thread / by all", self.on_one_thread, self.stage),
            ("rows in force: by a window at each read / by what was noted", self.by_window, self.in_force),
            ("checks of each row: a query for each / one for all", self.checked_apart, self.checked_at_once),
            ("a page of JSON: parsed by Python and no more / record by record", self.parse_page, self.read_page),
            ("values of JSON: each by its arrow / all by one from_json", self.by_arrows, self.by_one),
            ("orders of a quarter: by texts / by number", self.by_texts, self.by_number),
            ("orders of a quarter: five conditions / one", lambda: self.chosen(FIVE), lambda: self.chosen(ONE)),
            ("a key that comes twice: by texts / by a hash first", self.twice_by_texts, self.twice_if_a_hash_is),
            ("a key that comes twice: always / if a hash does", self.twice_by_hash, self.twice_if_a_hash_is),
            ("a month that has no rows: by rows of columns / by columns", lambda: self.of_begun(ROWS), self.of_begun),
            ("whole rows of few orders: by a join / by row id", lambda: self.of_few(JOINED), self.of_few),
            ("whole rows of few orders: by the id / by its hash", self.of_few, lambda: self.of_few(HASHED)),
            ("where few rows lie: by two columns / by one first", self.by_two_columns, self.by_one_first),
            ("sums of each outcome: filtered / grouped first", lambda: self.sums("lines"), lambda: self.sums(GROUPED)),
            ("orders that disagree: by two hashes / by one", lambda: self.disagree(TWO), lambda: self.disagree(ALL)),
            ("blocks between queries: given back / kept", lambda: self.one_after_another("0%"), self.one_after_another),
            ("late rows of other orders: reported anew / left", lambda: self.report(anew=True), self.report),
        ]

    def store(self, how: str) -> None:
        """Write the ids of items and parcels into a database of their own."""
        target = self.folder / f"{how}.duckdb"
        target.unlink(missing_ok=True)
        columns = {"order_id": "varchar", "order_item_id": "varchar"}
        plain = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        self.con.execute(f"attach '{target}' as target")
        for table in ("ids", "other_ids"):
            made = plain if how == "plain" else columns_to_make(columns)
            self.con.execute(f"create table target.{table} ({made})")
            self.con.execute(f"insert into target.{table} select order_id, order_item_id from temp.{table}")
        self.con.execute("detach target")

    def join(self, how: str) -> None:
        """Join what was written."""
        self.con.execute(f"attach '{self.folder / how}.duckdb' as target (read_only)")
        self.con.execute(
            "select count(*) from target.ids join target.other_ids using (order_id, order_item_id)"
        ).fetchall()
        self.con.execute("detach target")

    def join_by_hashes(self) -> None:
        """Join the hashes of what was written."""
        self.con.execute(f"attach '{self.folder / 'as_they_are'}.duckdb' as target (read_only)")
        hashes = "select hash(order_id) as order_hash, hash(order_item_id) as item_hash from target"
        self.con.execute(
            f"select count(*) from ({hashes}.ids) join ({hashes}.other_ids) using (order_hash, item_hash)"
        ).fetchall()
        self.con.execute("detach target")

    def lay(self, order: str) -> None:
        """Write whole items."""
        columns = {row[0]: row[1] for row in self.con.execute("describe items").fetchall()}
        self.con.execute(f"create or replace table lying_{bool(order)} ({columns_to_make(columns)})")
        self.con.execute(f"insert into lying_{bool(order)} from items {order}")
        self.con.execute("checkpoint")

    def slice(self, order: str) -> None:
        """Read one of nine slices of the orders."""
        self.read(order, f"order_id >= '{self.bounds[0]}' and order_id < '{self.bounds[1]}'")

    def one(self, order: str) -> None:
        """Read one order."""
        self.read(order, f"order_id = '{self.bounds[0]}'")

    @cached_property
    def bounds(self) -> list[str]:
        """The orders between which one of nine slices lies."""
        return self.con.execute("select quantile_disc(order_id, [4/9, 5/9]) from items").fetchall()[0][0]

    def read(self, order: str, condition: str) -> None:
        """What a join would need of some items."""
        self.con.execute(f"""
            select max(seller_id), max(sku), max(purchased_at), max(quantity)
            from lying_{bool(order)} where {condition}""").fetchall()

    def not_exists(self) -> None:
        """As a condition on each row, of items that are joined to parcels."""
        self.con.execute("""
            select count(*), max(item.seller_id) from parcels left join (
                from items as item where not exists (
                    from beaten where beaten.file_id = item.file_id and beaten.row_number = item.row_number
                )
            ) as item using (order_id, order_item_id)""").fetchall()

    def anti_join(self) -> None:
        """As a join."""
        self.con.execute("""
            select count(*), max(item.seller_id) from parcels left join (
                from items anti join beaten using (file_id, row_number)
            ) as item using (order_id, order_item_id)""").fetchall()

    def times(self, reading: str = USUAL_FIRST) -> None:
        """Read the times of purchase."""
        self.con.execute(f"select max({reading}) from items").fetchall()

    def load(self, *, in_turn: bool = False) -> None:
        """Load the files of the world into a home of their own."""
        marketplaces = read_marketplaces(CHECKOUT / "data" / "marketplaces.csv")
        waiting = patch.object(hashing.Hashes, "begin", lambda *_: None) if in_turn else nullcontext()
        now = datetime.now(UTC).replace(tzinfo=None)
        with (
            tempfile.TemporaryDirectory(dir=self.folder) as home,
            open_warehouse(Path(home), now=now, holder="parts") as warehouse,
            waiting,
        ):
            sources = read_sources(CHECKOUT / "data" / "sources")
            loading.load(warehouse, [self.world], sources=sources, marketplaces=marketplaces, now=now)

    def stage(self, *, by_contract: bool = False, ids_unseen: bool = False, chunk: int = ROWS_PER_CHUNK) -> None:
        """Stage the items: with every row in doubt or only those that SQL does not let pass, damaged ids among them."""
        marketplaces = read_marketplaces(CHECKOUT / "data" / "marketplaces.csv")
        (path,) = self.world.glob("order_items*.csv")
        source = Source(CANONICAL, DATASETS["order_items"], ("order_items*",))
        attempt = staging.Staging(self.con, path, source, {}, marketplaces)
        held = patch.object(staging, "passes", lambda _: "false") if by_contract else nullcontext()
        seen = patch.object(staging, "seems_whole", lambda *_, **__: "true") if ids_unseen else nullcontext()
        with held, seen, patch.object(staging, "ROWS_PER_CHUNK", chunk):
            attempt.run(lambda _: None)
        attempt.forget()

    def doubted(self) -> None:
        """Stage the items, with every row in doubt."""
        self.stage(by_contract=True)

    def on_one_thread(self) -> None:
        """Stage the items with one of the cores."""
        (threads,) = self.con.execute("select current_setting('threads')").fetchall()[0]
        self.con.execute("set threads = 1")
        self.stage()
        self.con.execute(f"set threads = {threads}")

    def by_window(self) -> None:
        """The last version of each item, found among all rows."""
        self.con.execute("""
            select max(seller_id) from (
                from items
                qualify row_number() over (partition by order_id, order_item_id order by updated_at desc) = 1
            )""").fetchall()

    def in_force(self) -> None:
        """All items but those noted as beaten."""
        self.con.execute("select max(seller_id) from items anti join beaten using (file_id, row_number)").fetchall()

    def checked_apart(self) -> None:
        """Rows counted, and for each rule those that break it."""
        for counted in ("count(*)", *BROKEN):
            self.con.execute(f"select {counted} from lines where {IN_SCOPE}").fetchall()

    def checked_at_once(self) -> None:
        """The same in one query."""
        self.con.execute(f"select count(*), {', '.join(BROKEN)} from lines where {IN_SCOPE}").fetchall()

    @cached_property
    def page(self) -> Path:
        """An answer of an interface: a page of records, one for each of many items."""
        path = self.folder / "page.json"
        rows = self.con.execute(f"select json(items) from items limit {RECORDS}").fetchall()
        path.write_text('{"next": null, "records": [' + ",\n".join(row for (row,) in rows) + "]}", encoding="utf-8")
        return path

    def parse_page(self) -> None:
        """The whole page at once."""
        json.loads(self.page.read_bytes())

    def read_page(self) -> None:
        """Into a table of records."""
        read_records(self.con, self.page, "records", shape=Shape(("records[]",)))

    def by_arrows(self) -> None:
        """The values of a dataset from the table of records, each parsed out of its record anew."""
        values = ", ".join(f"max(as_came ->> '$.{name}')" for name in DATASETS["order_items"].columns)
        self.con.execute(f"select {values} from records").fetchall()

    def by_one(self) -> None:
        """Parsed once."""
        names = DATASETS["order_items"].columns
        shape = json.dumps(dict.fromkeys(names, "VARCHAR"))
        values = ", ".join(f"max(record.{name})" for name in names)
        self.con.execute(
            f"select {values} from (select from_json(as_came, '{shape}') as record from records)"
        ).fetchall()

    def by_texts(self) -> None:
        """Distinct orders of a period, marketplace and seller."""
        self.con.execute("""
            select month.period, item.marketplace_id, item.seller_id, count(distinct item.order_id)
            from items as item
            join month
                on month.marketplace_id = item.marketplace_id
                and month.starts_at <= item.placed_at and item.placed_at < month.ends_at
            group by all""").fetchall()

    def by_number(self) -> None:
        """Distinct orders of a number, which stands for period and marketplace, and a seller."""
        self.con.execute("""
            with numbered as (select *, row_number() over (order by period, marketplace_id) as number from month)
            select month.number, item.seller_id, count(distinct item.order_id)
            from items as item
            join numbered as month
                on month.marketplace_id = item.marketplace_id
                and month.starts_at <= item.placed_at and item.placed_at < month.ends_at
            group by all""").fetchall()

    def chosen(self, conditions: str) -> None:
        """Distinct orders, among the versions in force, that some conditions leave."""
        self.con.execute(f"""
            with numbered as (select *, row_number() over (order by period, marketplace_id) as number from month)
            select month.number, item.seller_id, count(distinct item.order_id)
            from (from items anti join beaten using (file_id, row_number)) as item
            join numbered as month on month.marketplace_id = item.marketplace_id
            where item.placed_at >= timestamp '2026-01-01' and item.placed_at < timestamp '2026-04-01' and {conditions}
            group by all""").fetchall()

    def twice_by_texts(self) -> None:
        """Keys of lines that come twice; none do."""
        self.con.execute(
            f"select {KEY}, count(*) from lines where {IN_SCOPE} group by {KEY} having count(*) > 1"
        ).fetchall()

    def twice_by_hash(self) -> None:
        """Keys among the rows whose hash comes twice."""
        self.con.execute(f"""
            select {KEY}, count(*) from lines where {IN_SCOPE} and hash({KEY}) in ({SUSPECTS})
            group by {KEY} having count(*) > 1""").fetchall()

    def twice_if_a_hash_is(self) -> None:
        """The same, asked only where a hash comes twice."""
        if self.con.execute(f"from ({SUSPECTS}) limit 1").fetchall():
            self.twice_by_hash()

    def of_begun(self, chosen: str = "period, marketplace_id") -> None:
        """The lines of a month of which there are none yet."""
        self.con.execute(
            f"select count(*), max(outcome) from lines where (period, marketplace_id) in (select {chosen} from begun)"
        ).fetchall()

    def keep(self, target: Path) -> None:
        """Write a database of the items as a warehouse keeps them."""
        columns = {**DATASETS["order_items"].columns, "file_id": "bigint", "row_number": "bigint", HASH: "ubigint"}
        there = {row[0] for row in self.con.execute("describe items").fetchall()}
        found = {name: name if name in there else "null" for name in columns} | {HASH: "hash(order_id)"}
        values = ", ".join(f"cast({found[name]} as {columns[name]})" for name in columns)
        self.con.execute(f"attach '{target}' as target")
        self.con.execute(f"create table target.items ({columns_to_make(columns)})")
        self.con.execute(f"insert into target.items select {values} from items {BY_ORDER}")
        self.con.execute("detach target")

    def of_few(self, rows: str = "where rowid in (select rowid from target.items semi join few using (order_id))"):
        """A table of the items of few orders, which no query has looked at before."""
        self.con.execute(f"attach '{self.kept}' as target (read_only)")
        self.con.execute(f"create or replace temp table found as from target.items {rows}")
        self.con.execute("detach target")

    def by_two_columns(self, rows: str = "items") -> None:
        """Rows of which the file and the number are known."""
        self.con.execute(f"select count(*) from {rows} semi join places using (file_id, row_number)").fetchall()

    def by_one_first(self) -> None:
        """The same among those of which the number is."""
        self.by_two_columns(
            "(select file_id, row_number from items where row_number in (select row_number from places))"
        )

    def sums(self, rows: str) -> None:
        """What each of nine outcomes comes to."""
        filtered = ", ".join(f"sum(quantity) filter (outcome = {n})" for n in range(9))
        self.con.execute(f"select period, marketplace_id, {filtered} from {rows} group by all").fetchall()

    def disagree(self, having: str) -> None:
        """Orders whose items have different times, sellers or marketplaces."""
        self.con.execute(f"select hash(order_id) from items group by hash(order_id) having {having}").fetchall()

    def one_after_another(self, blocks: str = "60%") -> None:
        """Queries that hold all ids in memory, each after the other, by an engine that keeps so much of its blocks."""
        with duckdb.connect() as con:
            con.execute(f"set block_allocator_memory = '{blocks}'; attach '{self.kept}' as kept (read_only)")
            for _ in range(QUERIES):
                con.execute(f"select count(*) from ({WHOLE_ITEMS})").fetchall()

    @cached_property
    def billed(self) -> Path:
        """A home with the next month billed, into which rows of the month then came that withdraw others."""
        home, late = self.folder / "billed", self.folder / "late"
        late.mkdir()
        self.con.execute(f"""
            copy (
                select * replace (true as is_void, '2026-04-20T00:00:00Z' as updated_at)
                from (select distinct on ({KEY}) * from parcels)
                where hash(shipment_id) % 2000 = 0 and shipped_at < '{MONTH}-31'
            ) to '{late}/shipments_late.csv'""")
        for command in (["load", self.world], ["run", NEXT_MONTH, "--tables-only"], ["load", late]):
            subprocess.run(
                [sys.executable, "-m", "pipelines", *map(str, command)],
                env=os.environ | {"CSBA_HOME": str(home)},
                stdout=subprocess.DEVNULL,
                check=True,
            )
        return home

    def report(self, *, anew: bool = False) -> None:
        """Bring what is reported of the next month up to date: it is made anew, or found to be as it would be made."""
        home, now = self.billed, datetime.now(UTC).replace(tzinfo=None)
        with open_warehouse(home, now=now, holder="parts") as warehouse:
            set_scope(warehouse, NEXT_MONTH)
            warehouse.makes_anew = anew
            make(warehouse, step_of("audit.exceptions"))


QUERIES = 4
WHOLE_ITEMS = "select order_id, order_item_id, max(seller_id) from kept.items group by all"
CAME, BY_ORDER = "", "order by order_id"
FIVE = """item.fulfillment = 'MFN' and item.is_prime = 'false'
    and month.starts_at <= item.placed_at and item.placed_at < month.ends_at"""
ONE = """if(item.fulfillment = 'MFN' and item.is_prime = 'false',
    month.starts_at <= item.placed_at and item.placed_at < month.ends_at, false)"""
KEY = "shipment_id, order_item_id"
IN_SCOPE = "(period, marketplace_id) in (select period, marketplace_id from month)"
RULES = ("outcome < 9", "quantity > 0", "shipment_id is not null", "order_item_id is not null")
BROKEN = [f"count(*) filter (not coalesce({rule}, false))" for rule in RULES]
SUSPECTS = f"select hash({KEY}) as key_hash from lines where {IN_SCOPE} group by key_hash having count(*) > 1"
ROWS = "(period, marketplace_id)"
JOINED = "semi join few using (order_id)"
HASHED = f"where rowid in (select rowid from target.items where {HASH} in (select hash(order_id) from few))"
GROUPED = "(select period, marketplace_id, outcome, sum(quantity) as quantity from lines group by all)"
TWO = """min(placed_at) <> max(placed_at)
    or min(hash(seller_id, marketplace_id)) <> max(hash(seller_id, marketplace_id))"""
ALL = "min(hash(seller_id, marketplace_id, placed_at)) <> max(hash(seller_id, marketplace_id, placed_at))"


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--units", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--world", type=Path, help="files of one month; else they are written")
    arguments.add_argument("--only", default="", help="the parts whose name has this text")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        world = given.world or Path(place) / "world"
        if given.world is None:
            size = ["--units", str(given.units), "--sellers", str(given.units // 500), "--months", MONTH]
            command = [sys.executable, "-m", "pipelines", "generate", "--out", str(world), *size]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for what, other, chosen in Parts(Path(place), world).every():
            if given.only not in what:
                continue
            _, *found = [(seconds(other), seconds(chosen)) for _ in range(1 + given.rounds)]  # the first sets up
            first, second = (statistics.median(column) for column in zip(*found, strict=True))
            ratios = [left / right for left, right in found]
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            print(f"{what}: {first:.2f} / {second:.2f} s, ratio {statistics.median(ratios):.2f} ({spread})", flush=True)
        for how in ("plain", "as_they_are"):
            stored = Path(place) / f"{how}.duckdb"
            if stored.exists():
                print(f"ids {how}: {stored.stat().st_size / 10**6:.0f} MB")


if __name__ == "__main__":
    main()
