"""Which file is which dataset, and the SELECT that maps it onto the contract.

A file in canonical columns is known by its name (`order_items*.csv`). Any other is known by a source, one
`data/sources/<name>.sql`: a header, then one SELECT in DuckDB. A new shape of file needs one such file and no more:

    -- What the file is, in one sentence.
    -- dataset: contacts
    -- file: olist_order_reviews_dataset.csv         patterns of the driving file's name, with commas between; or
    -- columns: order_id, review_score               the columns by which delimited text is known, whatever its name; or
    -- keys: ContactId, InitiationTimestamp          the keys by which records of JSON are known
    -- records: payload.Orders[], order              (optional) where the records of JSON lie (`by_record.Shape`)
    -- each: packages, packageItems                  (optional) the array of a record whose elements are rows, and so on
    -- optional: review_comment_title                (optional) columns that a file may lack; they are null then
    -- facts: seller                                 (optional) what must be told of the file (`facts.py`)
    -- read: delimiter=; quote=' header=3            (optional) how delimited text is written; the line of its header;
                                                     ragged=yes where a row may end early
    -- zone: America/Sao_Paulo                       (optional) zone of times without an offset
    -- times: %m/%d/%y                               (optional, several) a form of times that is not ISO 8601
    -- decimal: comma                                (optional) the sign before decimals, if it is no point
    -- join: orders = olist_orders_dataset.csv       (optional, several) a file beside it, as a table of text
    select row_number, … from input left join orders using (order_id)

`input` holds the driving file as text, with `row_number`; of JSON it has `as_came`, the record, and so has a joined
file. The SELECT gives `row_number` and the dataset's columns (those that may be blank can be left out) as text, and
exactly one row for each row of `input`. Further columns are understood: `skipped`, why a row is no
row of this dataset, and `refused`, `column: reason` why it is a bad one, null means neither; and `time_zone`, that of
the row's times without an offset. `fact('seller')` is what was told of the file, null if nothing was; `marketplaces`
holds `marketplace_id`, `domain` and `time_zone` of those that are listed.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb

from assets.raw.by_record import ANYWHERE, Shape
from assets.raw.datasets import DATASETS, Dataset
from assets.raw.files import LIMITS, SUFFIXES, is_json
from assets.raw.json_records import keys_of
from assets.raw.reading import Dialect, columns_of, names_of
from assets.raw.times_sql import TimeForm
from assets.settings import Limits

CANONICAL = "canonical"
_HEADER = re.compile(r"^--\s*(?P<key>[a-z]+):\s*(?P<value>.*?)\s*$")
_FACTS = re.compile(r"""\bfact\('([^']+)'\s*(\|\|)?""")
"""A fact that a SELECT asks for, whole or by its beginning."""
_KEYS = {
    "dataset",
    "file",
    "columns",
    "keys",
    "records",
    "each",
    "optional",
    "facts",
    "read",
    "zone",
    "times",
    "decimal",
    "join",
}

TEMPORARY_VIEWS = ("incoming", "input")
TEMPORARY_TABLES = (
    *("marketplaces", "input_text", "mapped", "with_faults", "staged", "doubtful", "failures", "refusals", "left_out"),
    *("hashes_twice", "known_rows", "known_versions", "again", "duplicates", "beaten"),
)
"""What loading makes of a file, in order; a joined file must have another name."""


class SourceError(Exception):
    """A source file that cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class Source:
    """One way to read files of one shape as one dataset."""

    name: str
    dataset: Dataset
    patterns: tuple[str, ...]
    """What the names of its files look like, in lower case."""
    select: str | None = None
    """Maps `input` onto the dataset; none for canonical columns."""
    description: str = ""
    dialect: Dialect | None = None
    zone: str | None = None
    times: tuple[TimeForm, ...] = ()
    """Forms of times beside ISO 8601."""
    has_decimal_comma: bool = False
    joins: tuple[tuple[str, str], ...] = ()
    """Table name and file name of each file that is joined."""
    columns: frozenset[str] = frozenset()
    """By which its files are known; none: by their names alone."""
    keys: frozenset[str] = frozenset()
    """By which files of JSON are known: the first records that are objects have them all."""
    shape: Shape = ANYWHERE
    """Where records lie in JSON."""
    optional: tuple[str, ...] = ()
    """Columns that a file may lack."""
    facts: tuple[str, ...] = ()
    """What must be told of a file."""

    @property
    def is_known_by_content(self) -> bool:
        """Whether its files are known by what they hold, whatever they are called."""
        return bool(self.columns or self.keys)

    def asks(self, fact: str) -> bool:
        """Whether it makes anything of a fact that is told of its files."""
        asked = [*((name, "") for name in self.facts), *_FACTS.findall(self.select or "")]
        return any(fact == name or (more and fact.startswith(name)) for name, more in asked)

    def matches(self, path: Path) -> bool:
        """Whether a file is of this source, by its name."""
        name = path.name.lower()
        return any(fnmatch(name, pattern) for pattern in self.patterns) and SUFFIXES.search(name) is not None


@dataclass(frozen=True)
class Sources:
    """All sources: those of a folder, and the canonical one of each dataset."""

    mapped: tuple[Source, ...]

    @cached_property
    def canonical(self) -> tuple[Source, ...]:
        """One source for each dataset, for files in its own columns."""
        return tuple(Source(CANONICAL, dataset, (f"{dataset.name}*",)) for dataset in DATASETS.values())

    def of(self, path: Path, limits: Limits = LIMITS) -> list[Source]:
        """The sources that read a file, none if it is unknown.

        Those that know it by its name, else those that know it by its columns or keys, else the canonical one.
        """
        fitting = [source for source in self.mapped if source.matches(path)]
        by_name = [source for source in fitting if not source.is_known_by_content]
        by_content = [] if by_name else self._by_content(path, fitting, limits)
        return by_name or by_content or [each for each in self.canonical if each.matches(path)]

    @staticmethod
    def _by_content(path: Path, fitting: Sequence[Source], limits: Limits) -> list[Source]:
        """Those of the sources that know a file by its columns, or by the keys of its first records."""
        # Many sources read what is written in one way: it is looked at once for all of them.
        if fitting and is_json(path):
            shapes = {each.shape.records for each in fitting if each.keys}
            keys = {records: keys_of(path, records, limits) for records in shapes}
            # An answer without any record is an object that has nothing where the records of a source lie.
            has_object = any(keys_of(path, (), limits))
            empty = {records for records, found in keys.items() if records and has_object and not found}
            return [
                each
                for each in fitting
                if each.keys
                and (each.shape.records in empty or any(each.keys <= found for found in keys[each.shape.records]))
            ]
        columns = {dialect: columns_of(path, dialect) for dialect in {each.dialect for each in fitting if each.columns}}
        return [each for each in fitting if each.columns and each.columns <= columns[each.dialect]]

    def joins(self, path: Path) -> bool:
        """Whether a file is there to be joined to others, or to tell of one."""
        tells = path.suffix == ".toml" and path.with_suffix("").is_file()
        return tells or any(path.name == name for source in self.mapped for _, name in source.joins)

    @property
    def known_names(self) -> str:
        """What files are called, for whoever has one that is not known."""
        canonical = ", ".join(f"{source.dataset.name}*.csv" for source in self.canonical)
        return f"{canonical}, and what sources know (docs/sources.md); csba inspect says which come near"


def read_sources(folder: Path) -> Sources:
    """The sources of a folder, in order of name. Raises `SourceError` naming the first that cannot be used."""
    if not folder.is_dir():
        raise SourceError(f"{folder}: there is no such folder")
    return Sources(tuple(_read_source(path) for path in sorted(folder.glob("*.sql"))))


def _read_source(path: Path) -> Source:
    header, description, joins, times = {}, [], [], []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path.name}: it cannot be read as UTF-8 text") from error
    comments = list(takewhile(lambda line: line.startswith("--"), lines))
    for comment in comments:
        entry = _HEADER.match(comment)
        if entry is None or entry["key"] not in _KEYS:
            description.append(comment.removeprefix("--").strip())
        elif entry["key"] == "join":
            table, _, file = (part.strip() for part in entry["value"].partition("="))
            if not table.isidentifier() or not file or "/" in file:
                raise SourceError(f"{path.name}: a join is written `table = file name`, not {entry['value']!r}")
            if table.lower() in {*TEMPORARY_VIEWS, *TEMPORARY_TABLES, *(other for other, _ in joins)}:
                raise SourceError(f"{path.name}: a joined file cannot be called {table!r}; that table is another")
            joins.append((table.lower(), file))
        elif entry["key"] == "times":
            times.append(_time_form(path, entry["value"]))
        elif entry["key"] in header:
            raise SourceError(f"{path.name}: `{entry['key']}` is given twice")
        else:
            header[entry["key"]] = entry["value"]
    if not header.get("dataset"):
        raise SourceError(f"{path.name}: its header does not say `-- dataset: …`")
    if not header.get("file") and not header.get("columns") and not header.get("keys"):
        raise SourceError(f"{path.name}: its header says neither `-- file: …` nor `-- columns: …` nor `-- keys: …`")
    if header["dataset"] not in DATASETS:
        raise SourceError(f"{path.name}: there is no dataset {header['dataset']!r}; there are {', '.join(DATASETS)}")
    return Source(
        name=path.stem,
        dataset=DATASETS[header["dataset"]],
        patterns=_listed(header.get("file", "*").lower()),
        select=_select(path, "\n".join(lines[len(comments) :])),
        description=" ".join(description),
        dialect=_dialect(path, header),
        zone=_zone(path, header),
        times=tuple(times),
        has_decimal_comma=_has_decimal_comma(path, header),
        joins=tuple(joins),
        columns=frozenset(_columns(path, header, "columns")),
        keys=frozenset(_listed(header.get("keys", ""))),
        shape=Shape(_steps(path, header, "records"), _steps(path, header, "each")),
        optional=_columns(path, header, "optional"),
        facts=_facts(path, header),
    )


def _columns(path: Path, header: Mapping[str, str], key: str) -> tuple[str, ...]:
    columns = _listed(header.get(key, ""))
    for name in columns:
        if [name] != names_of([name]):
            raise SourceError(f"{path.name}: the column {name!r} is written {names_of([name])[0]!r} here")
    return columns


def _facts(path: Path, header: Mapping[str, str]) -> tuple[str, ...]:
    facts = _listed(header.get("facts", ""))
    for name in facts:
        if not re.fullmatch("[a-z]+", name):
            raise SourceError(f"{path.name}: a fact has small letters only, so that a folder can tell it, not {name!r}")
    return facts


def _steps(path: Path, header: Mapping[str, str], key: str) -> tuple[str, ...]:
    steps = _listed(header.get(key, ""))
    for step in steps:
        if not re.fullmatch(r"\w+" if key == "each" else r"\w+(\.\w+)*(\[\])?", step):
            raise SourceError(f"{path.name}: `{key}` takes {'a key' if key == 'each' else 'keys'}, not {step!r}")
    return steps


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _select(path: Path, text: str) -> str:
    select = text.strip().rstrip(";")
    if not select:
        raise SourceError(f"{path.name}: it has no SELECT")
    try:
        statements = duckdb.extract_statements(f"select * from (\n{select}\n)")
    except duckdb.Error as error:
        raise SourceError(f"{path.name}: its SELECT cannot be parsed: {str(error).splitlines()[0]}") from error
    if len(statements) != 1:
        raise SourceError(f"{path.name}: it has more than one statement")
    return select


def _dialect(path: Path, header: Mapping[str, str]) -> Dialect | None:
    if "read" not in header:
        return None
    options = dict(re.findall(r"(\w+)=(\S*)", header["read"]))
    unknown = options.keys() - {"delimiter", "quote", "header", "ragged"}
    is_ragged = options.get("ragged", "no")
    if (
        unknown
        or "delimiter" not in options
        or not options.get("header", "1").isdecimal()
        or is_ragged not in ("yes", "no")
    ):
        raise SourceError(
            f"{path.name}: `read` takes delimiter=…, quote=…, header=… and ragged=yes, not {header['read']!r}"
        )
    delimiter, quote = options["delimiter"].replace("\\t", "\t").replace("tab", "\t"), options.get("quote", '"')
    if len(delimiter) != 1 or len(quote) > 1:
        raise SourceError(f"{path.name}: `read` takes one character as delimiter and at most one as quote")
    return Dialect(delimiter, quote, max(1, int(options.get("header", "1"))), is_ragged == "yes")


def _time_form(path: Path, written: str) -> TimeForm:
    try:
        return TimeForm(written)
    except ValueError as error:
        raise SourceError(f"{path.name}: `times` {error}") from error


def _has_decimal_comma(path: Path, header: Mapping[str, str]) -> bool:
    sign = header.get("decimal", "point")
    if sign not in ("point", "comma"):
        raise SourceError(f"{path.name}: `decimal` is point or comma, not {sign!r}")
    return sign == "comma"


def _zone(path: Path, header: Mapping[str, str]) -> str | None:
    zone = header.get("zone")
    if zone is not None:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise SourceError(f"{path.name}: {zone!r} is not a time zone") from error
    return zone


def files_of(paths: Sequence[Path]) -> dict[Path, Path | None]:
    """The files named, and those below the folders named, with that folder, in order of path.

    Hidden ones are passed over. A folder that cannot be listed, or is a link, is itself returned, so that it is refused
    by name.
    """
    files: dict[Path, Path | None] = {}
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises when a name is too long
            files[path] = None
            continue
        for folder, below, names in os.walk(path, onerror=lambda error: files.setdefault(Path(error.filename))):
            links = [name for name in below if os.path.islink(os.path.join(folder, name))]  # noqa: PTH114, PTH118
            below[:] = [name for name in below if not name.startswith(".")]
            for name in (*names, *links):
                if not name.startswith("."):
                    files.setdefault(Path(folder, name), path)
    return dict(sorted(files.items()))
