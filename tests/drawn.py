"""Strategies of Hypothesis that draw files: rows of a dataset or of a report, how they are written, and mutants.

Does not belong here: what becomes of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from house import DATA, SHARED_DATA
from hypothesis import strategies as st
from written import DELIMITED, KANA, Record, Row, Style, in_an_encoding_that_is_found, packed, written

from assets.raw.datasets import DATASETS
from assets.raw.files import COMPRESSIONS, SUFFIXES
from assets.raw.reading import DIALECTS
from assets.raw.sources import Source, read_sources

US, BRAZIL = "ATVPDKIKX0DER", "A2Q3Y263D00KWC"
FORMATS = re.findall(r"\w+", SUFFIXES.pattern.split(">")[1].split(")")[0])
BY_COLUMNS = [source for source in read_sources(DATA / "sources").mapped if source.columns]
REAL = sorted(file for file in (SHARED_DATA / "formats").rglob("*.[tcj]s*") if file.stat().st_size < 50_000)
HOSTILE = sorted(file for file in (SHARED_DATA / "hostile").rglob("*") if file.is_file() and file.stat().st_size < 5000)


# -- values and rows ----------------------------------------------------------------------------------------------

ODD = (
    *("", " ", "\t", "\u3000", "0", "-1", "1", "2.5", "1e3", "1,000", "1.000,5", "5.80293E+13", "nan", "NULL", "null"),
    *("2026-02-30T00:00:00Z", "2026-01-31", "2026-01-31T10:00:00", "2026-01-31T24:00:00Z", "2026-01-31T10:00:60Z"),
    *("2026-01-31T10:00:00.1234567Z", "2026-01-31t10:00:00z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"),
    *("2026-01-31T10:00:00+24:00", "2026-01-31T10:00:00+5:30", "12026-01-31T10:00:00Z", "infinity", "epoch", "now"),
    *(
        "2026-01-31T10:00:00Z ",
        " 2026-01-31 10:00Z",
        "+2",
        "2 ",
        "٣",
        "²",
        "on",
        "TRUE",
        "a\0b",
        "\0",
        "'",
        "\\",
        "\\N",
    ),
    *("=1+1", "\ufeff", "\ufffd", "\u2028", "\x0b", "\x1c", "\x85", "\x1a", "x" * 100_001, "9" * 18, "9" * 19, "00"),
)
OFFSETS = ("Z", "+00:00", "-08:00", "+0530", "+09", "-03:00", "+14:00", "-12", "+19:59", "+23:59", "-0330")
IDS = ("1", "2", "007", "O-1", "O-2", "114-1234567-1234567", "59686379847882", "A B", "é", KANA)
SIGNS = "\",;|\t\n\r'\\ \x0b\x0c\x1c\x85\u2028a0"

texts = st.one_of(
    st.sampled_from(IDS),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8),
    st.text(SIGNS, min_size=1, max_size=6),
)


@st.composite
def instants(draw: st.DrawFn) -> str:
    """Times with an offset, in the forms that are read."""
    at = draw(st.one_of(st.sampled_from([datetime(2026, 1, 31, 10), datetime(2026, 3, 8, 10)]), st.datetimes()))
    fraction = draw(st.sampled_from(["", "", "", f".{at.microsecond:06}", f".{at.microsecond:06}000", ".5"]))
    clock = draw(st.sampled_from(["%H:%M:%S", "%H:%M:%S", "%H:%M"]))
    clock = f"{at:{clock}}{fraction if clock.endswith('S') else ''}"
    year = at.year if draw(st.integers(0, 9)) == 0 else 2000 + at.year % 100
    between, offset = draw(st.sampled_from("T ")), draw(st.sampled_from(OFFSETS))
    return f"{year:04}-{at.month:02}-{min(at.day, 28):02}{between}{clock}{offset}"


OF_TYPES = {
    "TIMESTAMP": instants(),
    "BIGINT": st.integers(1, 9).map(str) | st.sampled_from(["1.0", "2.", "+3", "1000000000", "1000000001", "4 "]),
    "DECIMAL(18,4)": st.sampled_from(
        ["0", "-0.40", "+12.5 ", "1.00000", "12345678901234.5678", "1.23456", "1.", "1,5"]
    ),
    "BOOLEAN": st.sampled_from(["true", "false", "True", "t", "NO", "y", "0", "1", "F "]),
    "VARCHAR": texts,
}


def good_values(dataset: str, column: str) -> st.SearchStrategy[str]:
    """Values that a column may have, mostly."""
    checks = DATASETS[dataset].schema.columns[column].checks
    said = {name: value for check in checks for name, value in check.statistics.items()}
    if "allowed_values" in said:
        return st.sampled_from(said["allowed_values"])
    if "pattern" in said:
        return st.from_regex(said["pattern"], fullmatch=True)
    if column == "marketplace_id":
        return st.sampled_from([US, US, BRAZIL])
    return OF_TYPES[DATASETS[dataset].columns[column]]


GOOD = {
    name: st.fixed_dictionaries(
        {
            column: good_values(name, column) if column in dataset.required else st.none() | good_values(name, column)
            for column in dataset.columns
        }
    )
    for name, dataset in DATASETS.items()
}


@st.composite
def rows_of(draw: st.DrawFn, rows: st.SearchStrategy[dict[str, str | None]]) -> list[dict[str, str | None]]:
    """Rows, some with odd values, some twice, some with another's key."""
    made = draw(st.lists(rows, max_size=6))
    for row in [row for row in made if draw(st.integers(0, 2)) == 0]:
        column = draw(st.sampled_from(sorted(row)))
        row[column] = draw(st.sampled_from(ODD) | st.sampled_from([each[column] for each in made]))
    return made + ([dict(row) for row in draw(st.lists(st.sampled_from(made), max_size=2))] if made else [])


# -- files --------------------------------------------------------------------------------------------------------

ENDS = (("\n",), ("\n",), ("\r\n",), ("\r",), ("\n", "\r\n"), ("\r\n", "\n", "\r"))


@st.composite
def styles(draw: st.DrawFn, kinds: Sequence[str]) -> Style:
    """Ways to write a file."""
    kind = draw(st.sampled_from(kinds))
    return Style(
        kind=kind,
        compression="" if kind == "parquet" else draw(st.sampled_from(["", "", "", ".gz", ".zst"])),
        encoding=draw(
            st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "cp1252", "cp932"])
            if kind in DELIMITED
            else st.just("utf-8")
        ),
        ends=draw(st.sampled_from(ENDS)),
        is_quoted=draw(st.booleans()),
        has_last_end=draw(st.booleans()),
        blank_lines=tuple(draw(st.lists(st.integers(0, 6), max_size=3))),
        trailing=draw(st.sampled_from([0, 0, 0, 1, 3])),
        is_shouted=draw(st.booleans()),
        is_typed=draw(st.booleans()),
    )


@dataclass(frozen=True)
class Case:
    """Rows of a dataset, or for a source, and how they are written."""

    dataset: str
    columns: tuple[str, ...]
    records: tuple[Record, ...]
    style: Style
    cut: int
    """After how many records the file is split."""
    source: Source | None = field(default=None, repr=False)

    def content(self, records: Sequence[Record]) -> bytes:
        return written(self.style, self.columns, records)


def fitting(style: Style, row: Row, without: str) -> dict[str, str | None]:
    """A row without the signs that its file cannot have."""
    if style.kind in DELIMITED and not style.dialect[1]:
        without += "\t\n\r"
    return {
        name: text and re.sub(f"[{re.escape(without)}]", " ", text) if without else text for name, text in row.items()
    }


def damaged(kind: str, style: Style, columns: int) -> str | bytes:
    """A line that cannot be read."""
    delimiter, quote = style.dialect
    if kind == "few":
        return "x"
    if kind == "many":
        return delimiter.join("x" * (columns + style.trailing + 1))
    if kind == "open" and quote:
        return f"{quote}x{delimiter}x"
    return {"utf-16-le": b"\x00\xd8x\x00", "utf-16-be": b"\xd8\x00\x00x"}.get(style.encoding, b"x\xff\xfe\x80")


@st.composite
def canonical_cases(draw: st.DrawFn) -> Case:
    """Files in a dataset's own columns, some with lines at fault."""
    dataset = draw(st.sampled_from(sorted(DATASETS)))
    style = draw(styles([kind for kind in FORMATS if kind in (*DELIMITED, "json", "jsonl", "parquet")]))
    rows = draw(rows_of(GOOD[dataset]))
    columns = draw(st.permutations([*DATASETS[dataset].columns, *draw(st.sampled_from([[], [], ["further"]]))]))
    absent = draw(st.sets(st.sampled_from([c for c in columns if c not in DATASETS[dataset].required] or ["none"])))
    columns = [c for c in columns if c not in absent or any(row.get(c) for row in rows)]
    faults = (
        draw(st.lists(st.sampled_from(["few", "many", "open", "bytes"]), max_size=2)) if style.kind in DELIMITED else []
    )
    if faults and style.encoding != "utf-16-le":
        style = replace(style, encoding="utf-8-sig")
    # Where a quote is open, no other closes it.
    without = f"{''.join(style.dialect)}\n\r" if "open" in faults else ""
    records: list[Record] = [fitting(style, row, without) for row in rows]
    if without:
        style = replace(style, is_quoted=False)
    for fault in faults:
        records.insert(draw(st.integers(0, len(records))), damaged(fault, style, len(columns)))
    style = in_an_encoding_that_is_found(style, columns, records)
    return Case(dataset, tuple(columns), tuple(records), style, draw(st.integers(0, len(records))))


# -- sources ------------------------------------------------------------------------------------------------------

DAYS = (
    *("2026-03-01", "01-Mar-2026", "10-Jul-2025", "2026-03-01T14:18:23-07:00", "2026-03-01 08:00:00 UTC"),
    *(
        "Jun 8, 2025 10:23:05 PM PDT",
        "01/03/2026",
        "01.03.2026 10:00:00 UTC",
        "2026-03-29T02:30:00",
        "2026-03-01T10:00:00Z",
    ),
)
NUMBERS = ("1", "2", "1.0", "0", "-1", "12.50", "12,50", "1e3")
CHANNELS = ("Amazon.com", "Amazon.com.br", "amazon.com", "Non-Amazon US", "Amazon.nowhere")


def values_of(source: Source, column: str) -> st.SearchStrategy[str | None]:
    """Values for a column of a report, guessed from its name and from what the source compares with."""
    said = [text for text in re.findall(r"'([^'\n]*)'", source.select or "") if text]
    if re.search("date|time|_at$", column):
        own = st.one_of(instants(), st.sampled_from(DAYS))
    elif re.search("quantity|amount|price|rating|count|number_of", column):
        own = st.sampled_from(NUMBERS)
    elif "channel" in column:
        own = st.sampled_from([*CHANNELS, *said])
    else:
        own = texts
    return st.one_of(own, own, own, st.sampled_from(said) if said else own, st.none())


@st.composite
def cases_of_sources(draw: st.DrawFn) -> tuple[Case, Case]:
    """The same rows for a source, written plainly and in another way."""
    source = draw(st.sampled_from(BY_COLUMNS))
    optional = draw(st.sets(st.sampled_from(source.optional))) if source.optional else set()
    columns = [
        *sorted(source.columns | optional),
        *draw(st.sampled_from([[], ["further"], ["item_price", "is_further"]])),
    ]
    dialect = source.dialect or DIALECTS[next(iter(DIALECTS))]
    told = {"delimiter": dialect.delimiter, "quote": dialect.quote, "above": dialect.header - 1}
    kind = next(kind for kind in DIALECTS if kind in DELIMITED)
    plain = replace(Style(kind), **told)
    rows = draw(rows_of(st.fixed_dictionaries({column: values_of(source, column) for column in columns})))
    records = tuple(fitting(plain, row, "") for row in rows)
    other = replace(draw(styles([kind])), **told)
    if dialect.is_ragged:  # where a last line without its end counts as cut off
        other = replace(other, has_last_end=True)
    permuted = tuple(draw(st.permutations(columns)))
    other = in_an_encoding_that_is_found(other, permuted, records)
    cut = draw(st.integers(0, len(records)))
    dataset = source.dataset.name
    return Case(dataset, tuple(columns), records, plain, cut, source), Case(
        dataset, permuted, records, other, cut, source
    )


# -- bytes --------------------------------------------------------------------------------------------------------

TOKENS = (
    *(
        b'"',
        b'""',
        b"'",
        b"\t",
        b",",
        b";",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\x1f\x8b",
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b"\\",
        b'{"a":',
        b"null",
        b"NaN",
        b"1e999",
        b"-",
        b"9" * 40,
        b"\xed\xa0\x80",
        b"\x80",
    ),
    *(
        b"\xe3\x82",
        b"\x83\x4a\x83\x69",
        "カナ".encode(),
        b"\xe9",
        b"\x1a",
        b"x" * 3000,
        b"\xc2\x85",
        b"=1+1",
        b"2026-02-30",
    ),
)


@dataclass(frozen=True)
class Change:
    """A mutation of bytes, at a place from 0 to 1."""

    kind: str
    at: float
    length: int
    token: bytes

    def of(self, content: bytes) -> bytes:
        place = int(self.at * len(content))
        before, piece, after = content[:place], content[place : place + self.length], content[place + self.length :]
        return {
            "flip": before + bytes(byte ^ (1 << self.length % 8) for byte in piece[:1]) + piece[1:] + after,
            "put": before + self.token + piece + after,
            "replace": before + self.token + after,
            "delete": before + after,
            "double": before + piece * 2 + after,
            "repeat": before + piece * 100 + after,
            "move": piece + before + after,
            "cut": before,
        }[self.kind]


changes = st.builds(
    Change,
    st.sampled_from(["flip", "flip", "put", "put", "put", "replace", "delete", "double", "repeat", "move", "cut"]),
    st.floats(0, 1),
    st.integers(0, 80),
    st.sampled_from(TOKENS),
)


@dataclass(frozen=True)
class Mutant:
    """A file that came from another."""

    name: str
    content: bytes


@st.composite
def mutants(draw: st.DrawFn) -> Mutant:
    """A file of any origin, mutated, perhaps compressed, and mutated again."""
    origin = draw(
        st.sampled_from(["canonical", "source", *(["real"] if REAL else []), *(["hostile"] if HOSTILE else [])])
    )
    suffix, folder = draw(st.sampled_from([f".{kind}" for kind in FORMATS])), f"seller=A1B2/marketplace={US}"
    if origin in ("canonical", "source"):
        case = draw(canonical_cases()) if origin == "canonical" else draw(cases_of_sources())[1]
        content, name = case.content(case.records), case.dataset if origin == "canonical" else "report"
        suffix = draw(st.sampled_from([case.style.suffix, case.style.suffix, suffix]))
    else:
        file = draw(st.sampled_from(REAL if origin == "real" else HOSTILE))
        content, name = file.read_bytes(), draw(st.sampled_from(["report", file.name.split(".")[0], *DATASETS]))
        suffix = draw(st.sampled_from([file.suffix if SUFFIXES.search(file.name) else ".txt", suffix]))
    for change in draw(st.lists(changes, min_size=1, max_size=4)):
        content = change.of(content)
    compression = draw(st.sampled_from(["", "", "", *(each for each in COMPRESSIONS if each)]))
    if compression and not suffix.endswith(compression) and not suffix.startswith(".parquet"):
        content, suffix = packed(content, compression), suffix + compression
        for change in draw(st.lists(changes, max_size=1)):
            content = change.of(content)
    return Mutant(f"{folder}/{name}{suffix}", content)
