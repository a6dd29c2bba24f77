"""A new file: read as text, mapped onto its dataset, typed, held against its contract, and kept or quarantined.

It owns `raw.<dataset>`, `raw.superseded`, `audit.files` and `audit.quarantine`. A file is loaded once per content (and
content of the files joined to it, and rules it is read by), in one transaction: all of it or nothing. For each file and
dataset

    rows read = loaded + duplicate + quarantined + skipped

or the file is refused. Raw tables only grow; which version of a key is in force is noted beside them (domain.md, "Input
datasets": the greatest `updated_at`, then the later load, then the later row).
"""

import hashlib
import json
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from assets.core.marketplaces import Marketplace
from assets.raw.facts import beside, told_beside
from assets.raw.files import LIMITS, SUFFIXES, FileRefusedError
from assets.raw.hashing import FILES_AHEAD, Hashes
from assets.raw.sources import CANONICAL, Source, Sources, files_of
from assets.raw.staging import Staging
from assets.raw.unknown import fault_of
from assets.settings import Limits
from assets.warehouse import HASH, Warehouse, parts_that_fit

LONGEST_VALUE = 80
"""Characters of a refused value that are kept beside its row, and shown."""
ROWS_WORTH_ORDERING = 1_000_000
"""A smaller file has so few blocks of rows that hardly any could be passed over."""
DAYS_BY_ORDER_ALONE = 45
"""A file of more days is laid down month by month; to order rows by two things takes longer than by one."""

Progress = Callable[[Path, str, int, int], None]
"""Called with a file, its dataset, the rows of it that are accounted for, and all its rows (0: not read yet)."""


@dataclass(frozen=True)
class FileLoad:
    """What became of the rows of one file as one dataset."""

    path: Path
    source: str
    dataset: str
    rows_read: int
    rows_loaded: int
    rows_duplicate: int
    rows_quarantined: int
    rows_skipped: int
    skipped_because: dict[str, int]
    ignored_columns: tuple[str, ...] = ()
    encoding: str | None = None
    """In words, of a file that had to be read line by line."""
    times_repeated: int = 0
    """Good rows with a local time that occurs twice, which was read as the second."""
    times_skipped: int = 0
    """Good rows with a local time that does not exist, which was read with the offset before the clock change."""


@dataclass(frozen=True)
class Refusal:
    """A file of which nothing was loaded, and why."""

    path: Path
    reason: str


@dataclass
class LoadReport:
    """What a load did."""

    load_id: int
    loads: list[FileLoad] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    """Files whose content was loaded before."""
    lacking: str = ""
    """Why the lake lacks what was loaded; the next load, or a run that needs it, writes it."""

    @property
    def faults(self) -> list[str]:
        """What went wrong, each in a sentence."""
        refused = [f"{refusal.path}: {refusal.reason}" for refusal in self.refusals]
        return [*refused, *([f"{self.lacking}; what was loaded is kept"] if self.lacking else [])]


def load(
    warehouse: Warehouse,
    paths: Sequence[Path],
    *,
    sources: Sources,
    marketplaces: Mapping[str, Marketplace],
    now: datetime,
    limits: Limits = LIMITS,
    lake: str = "",
    progress: Progress = lambda *_: None,
) -> LoadReport:
    """Load the new files among those named and those in the folders named.

    A file that is unknown, cannot be read or does not add up is refused by name, and the others go on. Rows that break
    their contract are quarantined. What the `lake` lacks of this load, and of others, is written there last. Returns
    what became of each file.
    """
    report = LoadReport(warehouse.latest_load() + 1)
    hashes = Hashes(warehouse, now)
    this = _Load(warehouse, report.load_id, sources, marketplaces, now, limits, progress, hashes)
    files = files_of(paths)
    following = (path for path in [*files][1:] if any(each.matches(path) for each in sources.canonical))
    with closing(hashes):
        hashes.begin(islice(following, FILES_AHEAD - 1))
        for path, folder in files.items():
            hashes.begin(islice(following, 1))
            try:
                if sources.joins(path) and not sources.of(path, limits):
                    continue
                if folder and any(_leads_out(each, folder) for each in (path, beside(path))):
                    raise FileRefusedError("it is a link that leads out of the folder; name the file itself")
                _load_file(this, path, folder, report)
            except FileRefusedError as error:
                report.refusals.append(Refusal(path, str(error)))
            except OSError as error:
                report.refusals.append(Refusal(path, f"it cannot be read: {error.strerror or error}"))
    hashes.keep()
    warehouse.show_as_of(warehouse.latest_load())
    if lake and warehouse.latest_load():
        from assets.lake import LakeError, open_lake

        try:
            open_lake(lake, warehouse.con).keep_loads(warehouse.con)
        except LakeError as error:
            report.lacking = str(error)
    return report


@dataclass(frozen=True)
class _Load:
    """What all files of one load share."""

    warehouse: Warehouse
    load_id: int
    sources: Sources
    marketplaces: Mapping[str, Marketplace]
    now: datetime
    limits: Limits
    progress: Progress
    hashes: Hashes


def _leads_out(path: Path, folder: Path) -> bool:
    # Not Path.resolve, which raises for links that lead round in a circle.
    real, within = (os.path.realpath(each) for each in (path, folder))
    return not Path(real).is_relative_to(within)


def _load_file(this: _Load, path: Path, folder: Path | None, report: LoadReport) -> None:
    if not path.exists():
        raise FileRefusedError("there is no such file")
    if not path.is_file():
        raise FileRefusedError("it is a folder that cannot be listed" if path.is_dir() else "it is not a file")
    if any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") for each in str(path)):
        raise FileRefusedError("its name has characters that cannot be shown; rename it")
    readers = this.sources.of(path, this.limits)
    if not readers:
        fault = fault_of(path, this.limits) if SUFFIXES.search(path.name) else None
        known = f"its name is not known; known are {this.sources.known_names}"
        raise FileRefusedError(f"{fault}; and {known}" if fault else known)
    unasked = [fact for fact in told_beside(path) if not any(each.asks(fact) for each in readers if each.select)]
    if unasked:
        raise FileRefusedError(
            f"{beside(path).name} says {unasked[0]!r}, for which no source of the file asks; see docs/formats.md"
        )
    for source in readers:
        attempt = _Attempt(this, path, folder, source)
        if attempt.is_known():
            report.unchanged.extend([path] if path not in report.unchanged else [])
        else:
            report.loads.append(attempt.run())


class _Attempt:
    """One file on its way into one dataset."""

    def __init__(self, this: _Load, path: Path, folder: Path | None, source: Source):
        self.this, self.path, self.source, self.dataset = this, path, source, source.dataset
        self.con = this.warehouse.con
        joined = {table: path.parent / name for table, name in source.joins}
        self.files = (path, *joined.values())
        for file in joined.values():
            if not file.is_file():
                raise FileRefusedError(f"it is read together with {file.name}, which does not lie beside it")
            if folder and _leads_out(file, folder):
                raise FileRefusedError(f"it is read together with {file.name}, a link that leads out of the folder")
        self.as_found = self.stamps()
        self.sha256 = this.hashes.of(path)
        self.sha256_of_joined = json.dumps({file.name: this.hashes.of(file) for file in joined.values()})
        self.staging = Staging(self.con, path, source, joined, this.marketplaces, this.limits)

    def stamps(self) -> list[tuple[int, int]]:
        """Size and time of change of the files, which must stay the same from hashing to the last row."""
        return [(stat.st_size, stat.st_mtime_ns) for stat in (file.stat() for file in self.files)]

    @property
    def rules_sha256(self) -> str:
        """What the rows that are kept depend on beside the files: how the source reads them, and the marketplaces."""
        listed = sorted(self.this.marketplaces) if "marketplace_id" in self.dataset.columns else []
        dialect = self.source.dialect and vars(self.source.dialect)
        forms = [form.written for form in self.source.times], self.source.has_decimal_comma
        shape = vars(self.source.shape)
        source = self.source.select, self.source.zone, dialect, self.source.optional, shape, *forms
        limits = self.this.limits.longest_value, self.this.limits.deepest_nesting
        rules = *source, listed, *limits, self.staging.facts
        return hashlib.sha256(json.dumps(rules).encode()).hexdigest()

    def is_known(self) -> bool:
        """Whether this content was loaded before, and would come out the same.

        With other rules it is read again, unless it is canonical and all its rows were good: good rows stay good.
        """
        found = self.con.execute(
            "select 1 from audit.files where sha256 = ? and source = ? and dataset = ? and joined = ?"
            " and (rules_sha256 = ? or source = ? and rows_quarantined = 0)",
            [
                *(self.sha256, self.source.name, self.dataset.name, self.sha256_of_joined),
                *(self.rules_sha256, CANONICAL),
            ],
        )
        return bool(found.fetchall())

    def run(self) -> FileLoad:
        staging = self.staging
        self.this.progress(self.path, self.dataset.name, 0, 0)
        try:
            staging.run(lambda rows: self.this.progress(self.path, self.dataset.name, 0, rows))
            (file_id,) = self.con.execute("select coalesce(max(file_id), 0) + 1 from audit.files").fetchall()[0]
            self.find_repeats(file_id)
            if self.stamps() != self.as_found:
                raise FileRefusedError("it was changed while it was read; load it when it is complete")
            with self.this.warehouse.transaction():
                result = self.keep(file_id)
            self.this.progress(self.path, self.dataset.name, staging.rows_read, staging.rows_read)
            return result
        finally:
            staging.forget()

    # -- rows that are known, and versions ----------------------------------------------------------------------

    def find_repeats(self, file_id: int) -> None:
        """`duplicates`: rows whose key and content are known; `beaten`: versions, of this file or before, that lose.

        Few keys come twice. They are found by a hash of the key, of the rows known before by a kept one if it is of a
        part of the key. Of the rows that share a hash, `again` and `known_versions`, those that may say the same are
        then read as a whole.
        """
        dataset, columns, raw = self.dataset, ", ".join(self.dataset.columns), f"raw.{self.dataset.name}"
        key = ", ".join(dataset.key)
        same = " and ".join(f"known.{name} is not distinct from again.{name}" for name in dataset.columns)
        latest_first = ", ".join(f"{c} desc" for c in (*dataset.order_of_versions, "load_id", "file_id", "row_number"))
        is_kept = dataset.found_by in dataset.key
        kept, sought = (HASH, f"hash({dataset.found_by})") if is_kept else (f"hash({key})", "key_hash")
        version = ", ".join(dict.fromkeys((*dataset.key, *dataset.order_of_versions, "load_id", "file_id")))
        self.con.execute("""
            create temp table left_out as
            select row_number from refusals union select row_number from doubtful where skipped is not null""")
        self.con.execute(f"""
            create temp view incoming as
            select {columns}, {self.this.load_id} as load_id, {file_id} as file_id, rowid + 1 as row_number, key_hash
            from staged anti join left_out on left_out.row_number = staged.rowid + 1""")
        self.con.execute("""
            create temp table hashes_twice as
            select key_hash from incoming group by all having count(*) > 1""")
        self.con.execute(f"""
            create temp table known_rows as
            select rowid as raw_rowid, hash({key}) as key_hash from {raw}
            where {kept} in (select {sought} from incoming)""")
        is_known = bool(self.number("select count(*) from known_rows"))
        alike = ", ".join((*dataset.key, *dataset.order_of_versions))
        at = f", {dataset.happened_at}" if dataset.happened_at else ""
        self.con.execute(f"""
            create temp table known_versions as
            select {version}, row_number{at}, rowid as raw_rowid
            from {raw} where {"rowid in (select raw_rowid from known_rows)" if is_known else "false"}""")
        self.con.execute("""
            create temp table again as
            from incoming where key_hash in (from hashes_twice union all select key_hash from known_rows)""")
        self.con.execute(f"""
            create temp table duplicates as
            select row_number from again
            qualify row_number() over (partition by {columns} order by row_number) > 1
            union
            select row_number from again
            semi join (
                from {raw}
                where rowid in (select raw_rowid from known_versions semi join again using ({alike}))
            ) as known on {same}""")
        self.con.execute(f"""
            create temp table beaten as
            with fresh as (
                select {version}, row_number from again anti join duplicates using (row_number)
            ),
            in_force as (
                select {version}, row_number
                from known_versions semi join fresh using ({key})
                anti join (from raw.superseded where dataset = '{dataset.name}') using (file_id, row_number)
            )
            select file_id, row_number from (from fresh union all from in_force)
            qualify row_number() over (partition by {key} order by {latest_first}) > 1""")

    # -- the books of a load ------------------------------------------------------------------------------------

    def keep(self, file_id: int) -> FileLoad:
        """Append what is new, note which versions are beaten from this load on, and enter the file if it adds up."""
        columns, rows_read = ", ".join(self.dataset.columns), self.staging.rows_read
        hashed = f", hash({self.dataset.found_by}) as {HASH}" if self.dataset.found_by else ""
        loaded = self.number(f"""
            insert into raw.{self.dataset.name} by name
            select {columns}, load_id, file_id, row_number{hashed} from incoming
            anti join duplicates using (row_number)
            {self.as_they_lie()}""")
        self.con.execute(f"""
            insert into raw.superseded (dataset, file_id, row_number, load_id)
            select '{self.dataset.name}', file_id, row_number, {self.this.load_id} from beaten""")
        self.note_times(file_id)
        skipped = self.con.execute(
            "select skipped, count(*) from doubtful where skipped is not null group by skipped order by skipped"
        )
        skipped_because = dict(skipped.fetchall())
        result = FileLoad(
            path=self.path,
            source=self.source.name,
            dataset=self.dataset.name,
            rows_read=rows_read,
            rows_loaded=loaded,
            rows_duplicate=self.number("select count(*) from duplicates"),
            rows_quarantined=self.number("select count(*) from refusals"),
            rows_skipped=sum(skipped_because.values()),
            skipped_because=skipped_because,
            ignored_columns=self.staging.ignored_columns,
            encoding=self.staging.encoding,
            times_repeated=self.staging.times_repeated,
            times_skipped=self.staging.times_skipped,
        )
        accounted = result.rows_loaded + result.rows_duplicate + result.rows_quarantined + result.rows_skipped
        if accounted != rows_read:
            raise FileRefusedError(
                f"{rows_read:,} rows were read but {accounted:,} are accounted for: a fault of this program"
            )
        self.enter(file_id, result)
        return result

    def note_times(self, file_id: int) -> None:
        """Note in `audit.file_times` when what the file brought or beat happened: other months are as they were."""
        at = self.dataset.happened_at
        if at is not None:
            self.con.execute(f"""
                insert into audit.file_times
                select {file_id}, min({at}), max({at})
                from (
                    select {at} from raw.{self.dataset.name} where file_id = {file_id}
                    union all
                    select {at} from known_versions semi join beaten using (file_id, row_number)
                )
                having count(*) > 0""")

    def as_they_lie(self) -> str:
        """How the new rows are ordered, so that an order, a slice of orders or a month is found without the others."""
        at, rows = self.dataset.happened_at, self.staging.rows_read
        if at is None or rows < ROWS_WORTH_ORDERING:
            return ""
        is_long = f"select count(*) from staged having max({at}) - min({at}) > interval {DAYS_BY_ORDER_ALONE} days"
        if self.con.execute(is_long).fetchall():
            return f"order by date_trunc('month', {at}), order_id"
        return "order by order_id" if parts_that_fit(self.con, rows) > 1 else ""

    def enter(self, file_id: int, result: FileLoad) -> None:
        """Enter the file in `audit.files` and its refused rows, as they came, in `audit.quarantine`."""
        self.con.execute(
            "insert into audit.files values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                file_id,
                self.this.load_id,
                str(self.path),
                self.sha256,
                result.source,
                result.dataset,
                result.rows_read,
                result.rows_loaded,
                result.rows_duplicate,
                result.rows_quarantined,
                result.rows_skipped,
                json.dumps(result.skipped_because),
                self.sha256_of_joined,
                self.rules_sha256,
                self.this.now,
            ],
        )
        if result.rows_quarantined:
            place = " ".join(f"when '{name}' then {n}" for n, name in enumerate(self.dataset.columns, start=1))
            self.con.execute(f"""
                insert into audit.quarantine (file_id, row_number, dataset, column_name, check_name, value, "row")
                select {file_id}, row_number, '{self.dataset.name}', column_name, check_name,
                    left(texts[case column_name {place} end], {LONGEST_VALUE}), as_came
                from refusals join doubtful using (row_number)
                order by row_number""")

    def number(self, query: str) -> int:
        return self.con.execute(query).fetchall()[0][0]
