"""The lake: raw rows of orders, and what another engine made of them, as Parquet in a folder that every machine sees.

Below the lake each home has a folder of its own, named after its first load. In it:

    raw/<load>/<dataset>/month=2026-03/…                the rows of a load, by the UTC month in which they happened
    raw/<load>/superseded/…                             the rows that it beat (raw.superseded)
    made/<table>/of_period=…/of_marketplace=…/made=…/   the rows of a period and marketplace that an engine made
    handed/…                                            what DuckDB hands over for as long as a run needs it

Files are written first and then named in one small file, so that a load, and a period of a marketplace, is there as a
whole or not at all; what a crash left behind is not named, and is removed by whoever writes there next. The warehouse
stays the one place that knows: a load that the lake lacks is written again from it, and no rows come back from `raw/`.
A load's folder is named after all that was loaded up to it: a home that went back to its backup writes others.

Sellers, with their names and addresses, stay in the warehouse.

Does not belong here: what rows mean, or who makes them.
"""

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
from pyarrow import fs

from assets.raw.contracts import DATASETS, Dataset

SUPERSEDED = "superseded"
CONTENTS = "contents.json"
"""The file that names the others of a folder; it is written last."""
ROWS_A_BATCH = 100_000
ROWS_A_GROUP = 1_000_000
MOST_FILES_OPEN = 512

Pair = tuple[str, str]
"""A period and a marketplace."""


class LakeError(Exception):
    """The lake cannot be written or read; the message says where and why."""


@dataclass(frozen=True)
class Lake:
    """The folder of a home in the lake."""

    address: str
    """As the setting names it, a folder or a URL."""
    folder: str
    """Below the address."""
    files: fs.FileSystem
    """Of which `folder` is the root."""
    contents: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Load → what its folder holds, of those looked at; it never changes."""

    # -- raw rows ---------------------------------------------------------------------------------------------

    def keep_loads(self, con: duckdb.DuckDBPyConnection) -> int:
        """Write the loads that are not there yet; returns how many. Raises `LakeError`."""
        with self._saying_where():
            loads = _loads(con)
            kept = self.files.get_file_info([f"raw/{name}/{CONTENTS}" for name in loads.values()])
            missing = [load for load, found in zip(loads, kept, strict=True) if found.type != fs.FileType.File]
            for load_id in missing:
                self._keep_load(con, load_id, loads[load_id])
            return len(missing)

    def _keep_load(self, con: duckdb.DuckDBPyConnection, load_id: int, name: str) -> None:
        self._remove(f"raw/{name}")
        loaded = con.execute(
            "select dataset, cast(sum(rows_loaded) as bigint) from audit.files where load_id = ? group by all having"
            " sum(rows_loaded) > 0",
            [load_id],
        )
        contents: dict[str, list[dict[str, Any]]] = {}
        for dataset, rows in sorted(loaded.fetchall()):
            if DATASETS[dataset].happened_at is None:
                continue
            contents[dataset] = self._write_by_month(con, DATASETS[dataset], load_id, f"raw/{name}/{dataset}")
            written = sum(file["rows"] for file in contents[dataset])
            if written != rows:
                what = f"{written:,} of {rows:,} {dataset} of load {load_id}"
                raise LakeError(f"{what} were written to {self.address}: a fault of this program")
        beaten = f"select dataset, file_id, row_number, load_id from raw.superseded where load_id = {load_id}"
        path = f"raw/{name}/{SUPERSEDED}/part-0.parquet"
        contents[SUPERSEDED] = [{"path": path, "month": "", "rows": self._write(con, beaten, path)}]
        self._put(f"raw/{name}/{CONTENTS}", {"load_id": load_id, "files": contents})

    def _write_by_month(
        self, con: duckdb.DuckDBPyConnection, dataset: Dataset, load_id: int, folder: str
    ) -> list[dict[str, Any]]:
        rows = con.sql(f"""
            select {", ".join(dataset.columns)}, load_id, file_id, row_number,
                strftime({dataset.happened_at}, '%Y-%m') as month
            from raw.{dataset.name} where load_id = {load_id}""").to_arrow_reader(ROWS_A_BATCH)
        found: list[dict[str, Any]] = []

        def note(file: Any) -> None:
            month = file.path.rsplit("/", 2)[1].removeprefix("month=")
            found.append({"path": file.path, "month": month, "rows": file.metadata.num_rows})

        pyarrow.dataset.write_dataset(
            rows,
            folder,
            filesystem=self.files,
            format="parquet",
            partitioning=pyarrow.dataset.partitioning(pa.schema([("month", pa.string())]), flavor="hive"),
            min_rows_per_group=ROWS_A_BATCH,
            max_rows_per_group=ROWS_A_GROUP,
            max_open_files=MOST_FILES_OPEN,
            file_visitor=note,
        )
        return sorted(found, key=lambda file: file["path"])

    def raw_files(
        self, con: duckdb.DuckDBPyConnection, dataset: str, first: datetime | None = None, end: datetime | None = None
    ) -> list[str]:
        """The files with the rows of a dataset, or of those superseded, that happened from an instant up to another."""
        first_month = "" if first is None else f"{first:%Y-%m}"
        last_month = "9" if end is None else f"{end - timedelta(microseconds=1):%Y-%m}"
        with self._saying_where():
            return [
                file["path"]
                for name in _loads(con).values()
                for file in self._contents(name).get(dataset, ())
                if not file["month"] or first_month <= file["month"] <= last_month
            ]

    def _contents(self, name: str) -> dict[str, Any]:
        if name not in self.contents:
            with self.files.open_input_stream(f"raw/{name}/{CONTENTS}") as file:
                self.contents[name] = json.loads(file.read())["files"]
        return self.contents[name]

    # -- what an engine needs, and what it makes --------------------------------------------------------------

    @contextmanager
    def handing_over(self) -> Generator[str]:
        """A folder for what DuckDB hands over; whatever lies there is of a run that was killed."""
        with self._saying_where():
            self._remove("handed")
            self.files.create_dir("handed")
        try:
            yield "handed"
        finally:
            with self._saying_where():
                self._remove("handed")

    def hand_over(self, con: duckdb.DuckDBPyConnection, query: str, path: str) -> None:
        """Write the rows of a query as one file."""
        with self._saying_where():
            self._write(con, query, path)

    def begin_making(self, table: str) -> tuple[str, str]:
        """The folder of a table that an engine makes, and a name for this time; remains of others are removed."""
        with self._saying_where():
            self.files.create_dir(f"made/{table}")
            self._remove(f"made/{table}/_temporary")
        return f"made/{table}", uuid4().hex

    def made_files(self, table: str, pair: Pair, time: str) -> list[str]:
        """The files of a period and marketplace that an engine has just made."""
        found = fs.FileSelector(f"{_of_pair(table, pair)}/made={time}", allow_not_found=True)
        with self._saying_where():
            return sorted(each.path for each in self.files.get_file_info(found) if each.path.endswith(".parquet"))

    def keep_made(self, table: str, pair: Pair, time: str, files: Sequence[str]) -> None:
        """Let what was made this time stand for a period and marketplace, in one step, and remove what stood before."""
        folder = _of_pair(table, pair)
        with self._saying_where():
            self.files.create_dir(folder)
            self._put(f"{folder}/{CONTENTS}", {"files": list(files)})
            for each in self.files.get_file_info(fs.FileSelector(folder)):
                if each.type == fs.FileType.Directory and each.base_name != f"made={time}":
                    self._remove(each.path)

    def show(self, con: duckdb.DuckDBPyConnection, name: str, files: Sequence[str]) -> None:
        """Show the rows of files, at least one, to DuckDB under a name."""
        con.register(name, pyarrow.dataset.dataset(list(files), format="parquet", filesystem=self.files))

    def url(self, path: str) -> str:
        """The address of a path as Spark is told it."""
        if "://" not in self.address:
            return f"{Path(self.address).as_uri()}/{self.folder}/{path}"
        scheme, _, rest = self.address.partition("://")
        scheme = {"s3": "s3a"}.get(scheme, scheme)
        return f"{scheme}://{rest.partition('?')[0].rstrip('/')}/{self.folder}/{path}"

    # -- files ------------------------------------------------------------------------------------------------

    def _write(self, con: duckdb.DuckDBPyConnection, query: str, path: str) -> int:
        self.files.create_dir(path.rpartition("/")[0])
        rows, reader = 0, con.sql(query).to_arrow_reader(ROWS_A_BATCH)
        with pyarrow.parquet.ParquetWriter(path, reader.schema, filesystem=self.files) as writer:
            for batch in reader:
                rows += batch.num_rows
                writer.write_batch(batch)
        return rows

    def _put(self, path: str, what: Mapping[str, Any]) -> None:
        """Write a small file in one step: an object store does so by itself, elsewhere it is put in its place."""
        if "://" in self.address:
            with self.files.open_output_stream(path) as file:
                file.write(json.dumps(what).encode())
            return
        with self.files.open_output_stream(f"{path}.new") as file:
            file.write(json.dumps(what).encode())
        self.files.move(f"{path}.new", path)

    def _remove(self, folder: str) -> None:
        if self.files.get_file_info(folder).type == fs.FileType.Directory:
            self.files.delete_dir(folder)

    @contextmanager
    def _saying_where(self) -> Generator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise LakeError(f"the lake {self.address} cannot be used: {reason}") from error


def open_lake(address: str, con: duckdb.DuckDBPyConnection) -> Lake:
    """The lake at a folder or URL, for the home whose warehouse this is; something must have been loaded into it.

    Raises `LakeError`.
    """
    folder = f"home-{next(iter(_loads(con).values())).partition('-')[2]}"
    try:
        if "://" in address:
            store, root = fs.FileSystem.from_uri(address)
        else:
            store, root = fs.LocalFileSystem(), address
        store.create_dir(f"{root.rstrip('/')}/{folder}")
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise LakeError(f"the lake {address} cannot be used: {reason}") from error
    return Lake(address, folder, fs.SubTreeFileSystem(f"{root.rstrip('/')}/{folder}", store))


def _loads(con: duckdb.DuckDBPyConnection) -> dict[int, str]:
    """Each load with the name of its folder, in order: its number, and a hash of all that was loaded up to it."""
    files = con.execute(
        "select load_id, file_id, dataset, sha256, rules_sha256, rows_loaded, cast(loaded_at as varchar)"
        " from audit.files order by load_id, file_id"
    ).fetchall()
    found, before = {}, ""
    for load_id, rows in groupby(files, key=lambda row: row[0]):
        before = hashlib.sha256(json.dumps([before, *rows]).encode()).hexdigest()
        found[load_id] = f"{load_id:06}-{before[:12]}"
    return found


def _of_pair(table: str, pair: Pair) -> str:
    period, marketplace = pair
    return f"made/{table}/of_period={period}/of_marketplace={marketplace}"
