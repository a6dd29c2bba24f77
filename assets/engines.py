"""Which engine makes the rows of a table: DuckDB, or for the heavy ones another that spreads over machines.

Heavy is what has a row for each thing that happened to an order, and what counts those rows. Everything else is small,
or is about money, and DuckDB alone makes it: it also checks what another engine has made, counts it against its own raw
rows, and keeps it.

Does not belong here: how an engine makes rows (`spark.py`).
"""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Collection, Mapping
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from assets.settings import DUCKDB, Settings

if TYPE_CHECKING:
    from assets.tables import Table
    from assets.warehouse import Warehouse

HEAVY = (
    *("core.units", "core.contacts", "core.returns", "core.requests", "core.refunds", "core.defects"),
    "billing.performance",
)
"""The tables that another engine may make; each is replaced period by period."""

LEAST_JAVA = 17
THIS_MACHINE = "local[*]"
STANDALONE = "spark://"
YARN = "yarn"
MASTERS = re.compile(rf"local(\[(\*|[1-9]\d*)\])?|{YARN}|{STANDALONE}\S+:\d+|k8s://\S+")
LEGACY = "spark.sql.legacy."
"""How Spark reckoned once."""
PATIENCE = 5.0
"""Seconds for a master to take a connection; Spark itself tries for more than a minute."""


class EngineError(Exception):
    """An engine that cannot be used, or that gave up; the message says why and what to do."""


class Engine(Protocol):
    """What makes the rows of heavy tables in DuckDB's stead."""

    def insert(
        self, warehouse: "Warehouse", table: "Table", instants: Mapping[str, datetime], *, is_narrow: bool
    ) -> None:
        """Within a transaction: put the rows of a table for what is in `scope` into it.

        `instants` are the values that its query asks for; `is_narrow` says whether what is `reached` is not all.
        Raises `EngineError`.
        """
        ...

    def keep(self, names: Collection[str]) -> None:
        """Note that what was put into these tables was checked and committed."""
        ...


def engine_of(settings: Settings) -> Engine | None:
    """The engine that a command uses beside DuckDB; none if it uses DuckDB alone.

    Raises `EngineError` if it cannot be used here. Nothing of another engine is imported before it is asked for.
    """
    if settings.engine == DUCKDB:
        return None
    _must_be_there(settings)
    properties = read_properties(settings.spark_properties)
    master = settings.master or properties.get("spark.master") or THIS_MACHINE
    _must_answer(master)
    from assets.spark import Spark

    return Spark(settings.lake, settings.home, master, properties)


def _must_be_there(settings: Settings) -> None:
    """Raises `EngineError` if Spark cannot be used here: no lake is set, or the extra or Java is missing."""
    if not settings.lake:
        raise EngineError(
            "the engine spark reads raw rows from a lake: set CSBA_LAKE to a folder that every machine of the cluster"
            " sees under the same name"
        )
    if find_spec("pyspark") is None or find_spec("sqlglot") is None:
        raise EngineError("the engine spark needs the extra `spark`, which make spark installs")
    version = _java_version()
    if version is None or version < LEAST_JAVA:
        found = "there is none" if version is None else f"this is Java {version}"
        raise EngineError(
            f"the engine spark needs Java {LEAST_JAVA} or later, and {found}: install it (Debian:"
            f" openjdk-{LEAST_JAVA}-jre-headless), or set JAVA_HOME"
        )


def _must_answer(master: str) -> None:
    """Raises `EngineError` if what is named is no cluster, or a standalone one whose masters take no connection."""
    if not MASTERS.fullmatch(master):
        raise EngineError(
            f"{master!r} is no cluster of Spark's; one is written spark://host:7077, yarn, k8s://https://host:port,"
            f" or {THIS_MACHINE} for this machine"
        )
    if master == YARN and not {"HADOOP_CONF_DIR", "YARN_CONF_DIR"} & os.environ.keys():
        raise EngineError("where YARN is says HADOOP_CONF_DIR, the folder of the cluster's settings: set it")
    if not master.startswith(STANDALONE):
        return
    reasons = []
    for place in master.removeprefix(STANDALONE).split(","):
        host, _, port = place.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port or 0)), PATIENCE).close()
        except (OSError, ValueError, OverflowError) as error:
            reasons.append(f"{place}: {error}")
        else:
            return
    raise EngineError(f"the cluster {master} does not answer ({'; '.join(reasons)})")


def _java_version() -> int | None:
    """The version of the Java that Spark would be run by; none if there is none."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        return None
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else None


def read_properties(path: Path | None) -> dict[str, str]:
    """What a file of properties says, as Spark's own do: a name and its value on a line. Raises `EngineError`."""
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"CSBA_SPARK_PROPERTIES: {path} cannot be read: {error}") from error
    found = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        parts = re.fullmatch(r"\s*(spark\.[^\s=:]+)(?:\s*[=:]\s*|\s+)(.*?)\s*", line)
        if parts is None:
            raise EngineError(f"{path}, line {number}: it is written spark.name value")
        if parts[1].startswith(LEGACY):
            raise EngineError(f"{path}, line {number}: {parts[1]} gives other values")
        found[parts[1]] = parts[2]
    return found
