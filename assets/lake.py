"""The lake: raw rows of orders, and what another engine made of them, as Parquet in a folder that every machine sees.

Below the lake there is a folder named after a home's first load. In it:

    raw/<load>/<dataset>/month=2026-03/…                    the rows of a load, by the UTC month in which they happened
    raw/<load>/superseded/…                                 the rows that it beat (raw.superseded)
    made/<table>/<time>/of_period=…/of_marketplace=…/…      the rows of periods and marketplaces that an engine made
    handed/<time>/…                                         what DuckDB hands over for as long as a table needs it

Files are written first and then named in one small file, so that a load, and what was made, is there as a whole or not
at all. The warehouse stays the one place that knows: a load whose files are not all there is written again from it, and
no rows come back from `raw/`. A load's folder is named after all that was loaded up to it: a home that went back to its
backup writes others, and reads none of another's.

A copy of a home shares its folder, and may run at the same time: what is made and handed over lies in a folder of that
time alone. What no longer stands, and what was left by a run that was killed, is removed a day later.

Sellers, with their names and addresses, stay in the warehouse.

Does not belong here: what rows mean, or who makes them.
"""

import hashlib
import json
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
from pyarrow import fs

from assets.raw.datasets import DATASETS, Dataset

SUPERSEDED = "superseded"
CONTENTS = "contents.json"
"""The file that names the others of a folder; it is written last."""
ROWS_A_BATCH = 100_000
ROWS_A_GROUP = 1_000_000
MOST_FILES_OPEN = 512
LONGEST_STEP = timedelta(days=1)
"""What is older, and does not stand, no run needs."""
TIME = "%Y%m%dT%H%M%S%f"
WHOLE_AT_ONCE = frozenset(("s3", "gcs", "abfs"))
"""Stores in which a file is there when all of it is."""

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
            missing = [(load, name) for load, name in _loads(con).items() if not self._is_whole(name)]
            for load_id, name in missing:
                self._keep_load(con, load_id, name)
            return len(missing)

    def _is_whole(self, name: str) -> bool:
        """Whether the files of a load are there, each as long as it was written."""
        try:
            named = [file for files in self._contents(name).values() for file in files]
            found = self.files.get_file_info([file["path"] for file in named])
            return [file["bytes"] for file in named] == [each.size for each in found]
        except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):  # or it names none
            self.contents.pop(name, None)
            return False

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
        for files in contents.values():
            for file, found in zip(files, self.files.get_file_info([each["path"] for each in files]), strict=True):
                file["bytes"] = found.size
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
        """A folder for what DuckDB hands over."""
        folder = f"handed/{_this_time()}"
        with self._saying_where():
            self._remove_what_is_left("handed")
            self.files.create_dir(folder)
        try:
            yield folder
        finally:
            with self._saying_where():
                self._remove(folder)

    def hand_over(self, con: duckdb.DuckDBPyConnection, query: str, path: str) -> None:
        """Write the rows of a query as one file."""
        with self._saying_where():
            self._write(con, query, path)

    def begin_making(self, table: str) -> str:
        """A folder for the rows of a table that an engine makes this time."""
        with self._saying_where():
            self.files.create_dir(f"made/{table}")
            named = {path.split("/")[2] for files in self._standing(table).values() for path in files}
            self._remove_what_is_left(f"made/{table}", named)
        return f"made/{table}/{_this_time()}"

    def made_files(self, folder: str, pair: Pair) -> list[str]:
        """The files of a period and marketplace that an engine has just made."""
        period, marketplace = pair
        found = fs.FileSelector(f"{folder}/of_period={period}/of_marketplace={marketplace}", allow_not_found=True)
        with self._saying_where():
            return sorted(each.path for each in self.files.get_file_info(found) if each.path.endswith(".parquet"))

    def keep_made(self, table: str, made: Mapping[Pair, Sequence[str]]) -> None:
        """Let what was made stand for periods and marketplaces, in one step.

        What stood before is removed a day later: a copy of the home may be reading it.
        """
        with self._saying_where():
            made_now = {"/".join(pair): list(files) for pair, files in made.items()}
            self._put(f"made/{table}/{CONTENTS}", self._standing(table) | made_now)

    def _standing(self, table: str) -> dict[str, list[str]]:
        """Period/marketplace → the files that stand for it."""
        try:
            with self.files.open_input_stream(f"made/{table}/{CONTENTS}") as file:
                return dict(json.loads(file.read()))
        except (FileNotFoundError, ValueError):  # nothing stands, or it is not known what
            return {}

    @contextmanager
    def showing(self, con: duckdb.DuckDBPyConnection, name: str, files: Sequence[str]) -> Generator[None]:
        """Within, the rows of files, at least one, are a view of DuckDB's; those of a folder it reads by all cores."""
        if isinstance(self.files.base_fs, fs.LocalFileSystem):
            paths = [f"{self.files.base_path}{file}" for file in files]
            rows = con.read_parquet(paths, hive_partitioning=False).sql_query()
            con.execute(f"create temp view {name} as {rows}")
            yield
            con.execute(f"drop view {name}")
        else:
            con.register(name, pyarrow.dataset.dataset(list(files), format="parquet", filesystem=self.files))
            yield
            con.unregister(name)

    def url(self, path: str) -> str:
        """The address of a path as Spark is told it."""
        if "://" not in self.address:
            return f"file://{self.address}/{self.folder}/{path}"  # as it is spelt: nothing there undoes an escape
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
        if self.files.base_fs.type_name in WHOLE_AT_ONCE:
            with self.files.open_output_stream(path) as file:
                file.write(json.dumps(what).encode())
            return
        new = f"{path}.{_this_time()}"
        with self.files.open_output_stream(new) as file:
            file.write(json.dumps(what).encode())
        self.files.move(new, path)

    def _remove_what_is_left(self, folder: str, named: Collection[str] = ()) -> None:
        """Remove what earlier times left in a folder, but for those named."""
        last = f"{datetime.now(UTC) - LONGEST_STEP:{TIME}}"
        for each in self.files.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
            if each.type == fs.FileType.Directory and each.base_name < last and each.base_name not in named:
                self.files.delete_dir(each.path)

    def _remove(self, folder: str) -> None:
        if self.files.get_file_info(folder).type == fs.FileType.Directory:
            self.files.delete_dir(folder)

    @contextmanager
    def _saying_where(self) -> Generator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise _unusable(self.address, error) from error


def try_lake(address: str) -> None:
    """Raises `LakeError` if no file can be written at a folder or URL, and removed again."""
    try:
        root = _root(address)
        name = f".tried-{_this_time()}"
        with root.open_output_stream(name) as file:
            file.write(b"csba")
        root.delete_file(name)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unusable(address, error) from error


def open_lake(address: str, con: duckdb.DuckDBPyConnection) -> Lake:
    """The lake at a folder or URL, for a home, of which this is the warehouse; something must have been loaded into it.

    Raises `LakeError`.
    """
    folder = f"home-{next(iter(_loads(con).values())).partition('-')[2]}"
    try:
        root = _root(address)
        root.create_dir(folder)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unusable(address, error) from error
    return Lake(address, folder, fs.SubTreeFileSystem(f"{root.base_path}{folder}", root.base_fs))


def _root(address: str) -> fs.SubTreeFileSystem:
    """The folder at an address, which is made if it is not there."""
    store, path = fs.FileSystem.from_uri(address) if "://" in address else (fs.LocalFileSystem(), address)
    store.create_dir(path)
    return fs.SubTreeFileSystem(path, store)


def _unusable(address: str, error: Exception) -> LakeError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return LakeError(f"the lake {address} cannot be used: {reason}")


def _this_time() -> str:
    """A name for now that nobody else has; later ones come after."""
    return f"{datetime.now(UTC):{TIME}}-{uuid4().hex[:12]}"


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
