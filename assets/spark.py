"""Heavy tables made by Spark: the very queries that DuckDB runs, carried over, on raw rows in the lake.

It owns the session, which a process has once, and what Spark is told of each table that a query reads: raw rows come
from the lake, of the months that the query can touch; tables of orders that this engine has just made come from the
lake as well; everything else is handed over by DuckDB. What Spark makes is written to the lake and read from there by
DuckDB, in the transaction in which it is checked.

Does not belong here: what may be said in a query (`travel.py`), or where files lie (`lake.py`).
"""

import atexit
import logging
import signal
import threading
import warnings
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import duckdb

from assets.engines import HEAVY, EngineError
from assets.lake import SUPERSEDED, Lake, LakeError, Pair, open_lake
from assets.raw.datasets import DATASETS
from assets.reach import Reached
from assets.tables import Table, tables
from assets.travel import carried_over, columns_of, faults, tables_read
from assets.warehouse import Warehouse, known_after

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOG = "spark.log"
"""The file below the home for what Spark says."""

SECONDS = "spark_seconds"
"""Among a run's counts (audit.runs): how long its tables took until DuckDB could read them."""

ALWAYS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.variable.substitute": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
}
"""Without which Spark would give other values, or fewer rows."""
UNLESS_SAID = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
ON_THIS_MACHINE = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
"""Where no other machine takes part, none can connect."""

SPARK_TYPES = {"VARCHAR": "string", "TIMESTAMP": "timestamp_ntz"}
"""Those that Spark calls otherwise."""
UNREADABLE = ("FAILED_READ_FILE", "PATH_NOT_FOUND", "is not a Parquet file")
"""What it calls files that are damaged or gone."""
WHERE_FROM = {"load_id": "BIGINT", "file_id": "BIGINT", "row_number": "BIGINT"}
BEATEN = {"dataset": "VARCHAR", "file_id": "BIGINT", "row_number": "BIGINT", "load_id": "BIGINT"}


@dataclass
class Spark:
    """The engine. One for each home and run; the session is the process's."""

    address: str
    """The lake."""
    home: Path
    master: str
    """The cluster, as Spark names it."""
    properties: Mapping[str, str]
    """Settings of Spark's own."""
    lake: Lake | None = None
    caught_up: int = 0
    """The last load that is known to lie in the lake."""
    made: dict[str, dict[Pair, list[str]]] = field(default_factory=dict)
    """Table → period and marketplace → the files that this run has made, checked and committed."""
    waiting: dict[str, dict[Pair, list[str]]] = field(default_factory=dict)
    """The same of tables that are not committed yet."""
    gave_up: str = ""
    """Why: then it is not tried again in this run, for a cluster that is not there keeps everybody waiting."""

    def insert(self, warehouse: Warehouse, table: Table, instants: Mapping[str, datetime], *, is_narrow: bool) -> None:
        """Within a transaction: put the rows of a table for what is in `scope` into it. Raises `EngineError`."""
        con = warehouse.con
        pairs = con.execute("select period, marketplace_id from scope order by all").fetchall()
        if not pairs:
            return
        started = monotonic()
        with self._saying_why(), self._lake(warehouse).handing_over() as folder:
            lake = self._lake(warehouse)
            place = lake.begin_making(table.full_name)
            reached = warehouse.reached[1] if is_narrow and warehouse.reached else None
            showing = _Showing(session_of(self), lake, warehouse, self.made, pairs, folder, instants, reached)
            rows = showing.rows_of(table)
            rows = rows.selectExpr("*", "period as of_period", "marketplace_id as of_marketplace")
            rows.write.partitionBy("of_period", "of_marketplace").parquet(lake.url(place))
            files = {pair: lake.made_files(place, pair) for pair in pairs}
            warehouse.counts[SECONDS] = round(warehouse.counts.get(SECONDS, 0) + monotonic() - started, 3)
            every = [file for found in files.values() for file in found]
            if every:
                with lake.showing(con, "made_elsewhere", every):
                    con.execute(f"insert into {table.full_name} by name from made_elsewhere")
        self.waiting[table.full_name] = files

    def keep(self, names: Collection[str]) -> None:
        """Let what was made stand in the lake for what stood there before. Raises `EngineError`."""
        for name in names:
            if name not in self.waiting or self.lake is None:
                continue
            files = self.waiting.pop(name)
            with self._saying_why():
                self.lake.keep_made(name, files)
            self.made.setdefault(name, {}).update(files)

    def _lake(self, warehouse: Warehouse) -> Lake:
        """The lake, with all loads in it."""
        latest = warehouse.latest_load()
        if self.lake is None:
            self.lake = open_lake(self.address, warehouse.con)
        if self.caught_up < latest:
            self.lake.keep_loads(warehouse.con)
            self.caught_up = latest
        return self.lake

    @contextmanager
    def _saying_why(self) -> Generator[None]:
        """What goes wrong, in a sentence."""
        from py4j.protocol import Py4JError, Py4JJavaError
        from pyspark.errors import PySparkException

        if self.gave_up:
            raise EngineError(self.gave_up)
        try:
            yield
        except LakeError as error:
            self.gave_up = str(error)
            raise EngineError(self.gave_up) from error
        except (PySparkException, Py4JError, ConnectionError) as error:
            said = error.java_exception.toString() if isinstance(error, Py4JJavaError) else str(error)
            reason = said.strip().splitlines()[0]
            self.gave_up = f"Spark gave up: {reason}; what it said is in {self.home / LOG}"
            if self.lake is not None and any(each in reason for each in UNREADABLE):
                place = f"{self.lake.folder} below {self.lake.address}"
                self.gave_up += f". What lies in {place} may be removed: the next run writes it again"
            raise EngineError(self.gave_up) from error


_TRAVELS: set[str] = set()
"""Queries that were looked at and travel."""

_sessions: "list[SparkSession]" = []
"""Of this process, at most one."""


def session_of(engine: Spark) -> "SparkSession":
    """The session of this process; the first engine that asks for it decides where it runs."""
    if not _sessions or _sessions[0].sparkContext._jsc is None:
        _sessions[:] = [_begin(engine)]
    return _sessions[0]


def end_session() -> None:
    """End the session of this process, if it has one, and tell the cluster."""
    from pyspark import SparkContext

    while _sessions:
        gateway: Any = _sessions[0].sparkContext._gateway
        try:
            with warnings.catch_warnings(action="ignore"):  # that Java is gone already
                _sessions.pop().stop()
            gateway.shutdown()
        except Exception:  # whoever was interrupted in the middle of a sentence cannot say another
            gateway.proc.kill()
        gateway.proc.stdin.close()
        gateway.proc.wait()
        SparkContext._gateway = SparkContext._jvm = None


def _begin(engine: Spark) -> "SparkSession":
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)  # else it prints what is raised anyway
    own = ON_THIS_MACHINE if engine.master.startswith("local") else {}
    named = {"spark.app.name": "csba-billing", **engine.properties, **ALWAYS, "spark.master": engine.master}
    every = {**UNLESS_SAID, **own, **named}
    conf = SparkConf().setAll(list(every.items()))
    with (engine.home / LOG).open("ab") as log:
        gateway = launch_gateway(conf, {"stdout": log, "stderr": log})
    atexit.register(end_session)
    interrupted = signal.getsignal(signal.SIGINT)
    session = SparkSession(SparkContext(conf=conf, gateway=gateway))
    if threading.current_thread() is threading.main_thread():  # where Spark's own handler would stay for good
        signal.signal(signal.SIGINT, interrupted)
    return session


@dataclass
class _Showing:
    """The tables that the query of one table reads, shown to Spark as views."""

    session: "SparkSession"
    lake: Lake
    warehouse: Warehouse
    made: Mapping[str, Mapping[Pair, list[str]]]
    pairs: Sequence[Pair]
    folder: str
    instants: Mapping[str, datetime]
    reached: Reached | None
    """The items that `reached` stands for, if they are fewer than core's."""
    items_from: datetime | None = None
    """When the first item was ordered that the query can touch; none: all may be touched."""
    shown: set[str] = field(default_factory=set)

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        return self.warehouse.con

    def rows_of(self, table: Table) -> Any:
        """The rows of a table, as Spark will make them."""
        if "core.order_items" in tables_read(table.one_query):  # within bounds that it names itself
            self.items_from = self.instants["quarter_instant"]
        elif self.reached is not None and self.reached.near is not None:
            self.items_from, _ = self.reached.near
        return self.session.sql(self.carried_over(table.one_query))

    def carried_over(self, query: str) -> str:
        """A query in Spark's words, and the tables it reads as views. Raises `EngineError` if it does not travel."""
        read = tables_read(query)
        if query not in _TRAVELS:
            found = faults(query, {name: columns_of(self.con, name) for name in read})
            if found:
                raise EngineError(f"a query does not travel to Spark: {'; '.join(found)}")
            _TRAVELS.add(query)
        return carried_over(query, self.instants, {name: self.show(name) for name in read})

    def show(self, name: str) -> str:
        """Show a table; returns what it is called."""
        schema, _, own = name.rpartition(".")
        if schema == "reached" and self.reached is None:
            return self.show(f"core.{own}")
        called = name.replace(".", "_")
        if called in self.shown:
            return called
        self.shown.add(called)
        if schema == "raw":
            rows = self.raw(own)
        elif schema == "in_force":
            rows = self.session.sql(self.carried_over(known_after(self.warehouse.latest_load(), own)))
        elif name == "reached.order_items" and self.reached is not None:
            rows = self.session.sql(self.carried_over(self.reached.rows))
        elif name == "reached.coverage":
            query = tables()["core.coverage"].query.replace("core.order_items", "reached.order_items")
            rows = self.session.sql(self.carried_over(query))
        elif name in tables() and tables()[name].is_view:
            rows = self.session.sql(self.carried_over(tables()[name].query))
        else:
            rows = self.handed_over(name)
        rows.createOrReplaceTempView(called)
        return called

    def raw(self, name: str) -> Any:
        """Raw rows, of the months that can matter; of what was beaten all."""
        if name == SUPERSEDED:
            return self.parquet(self.lake.raw_files(self.con, SUPERSEDED), BEATEN)
        first = self.items_from if name == "order_items" else self.instants["first_instant"]
        end = None if first is None else self.instants["last_instant"]
        files = self.lake.raw_files(self.con, name, first, end)
        return self.parquet(files, DATASETS[name].columns | WHERE_FROM)

    def handed_over(self, name: str) -> Any:
        """A table of DuckDB's; of a heavy one what is in scope, from the lake if this engine made it in this run."""
        table = tables().get(name)
        columns = columns_of(self.con, name)
        made = self.made.get(name, {})
        if name in HEAVY and all(pair in made for pair in self.pairs):
            return self.parquet([file for pair in self.pairs for file in made[pair]], columns)
        query = f"from {table.in_scope}" if table is not None and table.is_by_period else f"from {name}"
        path = f"{self.folder}/{name}.parquet"
        self.lake.hand_over(self.con, query, path)
        return self.parquet([path], columns)

    def parquet(self, files: Sequence[str], columns: Mapping[str, str]) -> Any:
        """The rows of files; their columns are named, for an older file may lack one."""
        types = {name: SPARK_TYPES.get(kind, kind) for name, kind in columns.items()}
        if not files:
            nothing = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in types.items())
            return self.session.sql(f"select {nothing} where false")
        schema = ", ".join(f"{name} {kind}" for name, kind in types.items())
        return self.session.read.schema(schema).parquet(*map(self.lake.url, files))
