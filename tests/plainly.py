"""What a file in canonical columns says, read once more: slowly, by Python alone, from the rules of docs/sources.md.

It is there to check the reading of files, and shares nothing with it but the list of columns: of each dataset their
names, types, and the values that they may have.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from assets.raw.contracts import EARLIEST, LATEST
from assets.raw.datasets import DATASETS, Dataset

INSTANT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[T ]([01]\d|2[0-3]):(\d{2})(?::(\d{2})(?:\.(\d{1,6})0*)?)?(Z|([+-])(\d{2})(?::?(\d{2}))?)",
    re.ASCII,
)
WHOLE = re.compile(r"[+-]?\d{1,18}(?:\.0*)?", re.ASCII)
MONEY = re.compile(r"[+-]?\d{1,14}(?:\.\d{1,4}0*)?", re.ASCII)
DAMAGED = re.compile(r"(?:.*:)?\d(?:[.,]\d+)?[Ee]\+\d{2,3}|#+|#[A-Z0-9/]+[!?]?|=.*", re.ASCII | re.DOTALL)
"""Ids as a spreadsheet leaves them."""
TRUE, FALSE = {"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0"}
LONGEST = 100_000
MOST = 1_000_000_000


def is_blank(text: str | None) -> bool:
    """Whether nothing is said."""
    return text is None or not text.strip(" \t\r\n")


def instant(text: str) -> datetime | None:
    """An instant in UTC; none of text that is not exactly one."""
    found = INSTANT.fullmatch(text.strip(" "))
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, offset, sign, hours, minutes = found.groups()
    ahead = timedelta()
    if offset != "Z":
        if int(hours) > 23 or int(minutes or 0) > 59:
            return None
        ahead = timedelta(hours=int(hours), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    try:
        local = datetime(
            *map(int, (year, month, day, hour, minute, second or 0)), microsecond=int((fraction or "0").ljust(6, "0"))
        )
        return local - ahead
    except (ValueError, OverflowError):
        return None


def value_of(kind: str, text: str) -> Any:
    """What text that is not blank means as a column's type; none if that cannot be told exactly."""
    if kind == "TIMESTAMP":
        return instant(text)
    if kind == "BIGINT":
        plain = text.strip(" ")
        return int(plain.partition(".")[0]) if WHOLE.fullmatch(plain) else None
    if kind == "DECIMAL(18,4)":
        plain = text.strip(" ")
        return Decimal(plain) if MONEY.fullmatch(plain) else None
    if kind == "BOOLEAN":
        plain = text.strip(" ").lower()
        return True if plain in TRUE else False if plain in FALSE else None
    return None if "\0" in text or len(text.encode()) > LONGEST else text


def row_of(dataset: Dataset, row: Mapping[str, str | None], marketplaces: Iterable[str]) -> tuple[Any, ...] | None:
    """The values of a row, in the order of the dataset's columns; none of a row that is bad."""
    values = []
    for name, kind in dataset.columns.items():
        text = row.get(name)
        if is_blank(text):
            value = None
            if name in dataset.required:
                return None
        else:
            value = value_of(kind, text)
            if value is None or not _is_allowed(dataset, name, value, marketplaces):
                return None
        values.append(value)
    return tuple(values)


def _is_allowed(dataset: Dataset, name: str, value: Any, marketplaces: Iterable[str]) -> bool:
    if isinstance(value, datetime):
        return EARLIEST <= value <= LATEST
    if name == "quantity" or (isinstance(value, Decimal) and dataset.name == "refunds"):
        return (dataset.name not in {"settlement_lines", "refunds"}) <= value <= MOST
    if name == "marketplace_id" or name in dataset.ids:
        return value in marketplaces if name == "marketplace_id" else not DAMAGED.fullmatch(value)
    for check in dataset.schema.columns[name].checks:
        said = check.statistics or {}
        if "allowed_values" in said and value not in said["allowed_values"]:
            return False
        if "pattern" in said and not re.match(said["pattern"].replace("$", r"\Z"), value):
            return False
    return True


def becomes(
    dataset: str, rows: Sequence[Mapping[str, str | None] | None], marketplaces: Iterable[str], *, is_delimited: bool
) -> tuple[dict[int, tuple[Any, ...]], list[int], list[int]]:
    """What becomes of the rows of a first file: loaded, by number; and the numbers of duplicates and of bad ones.

    None stands for a line at fault. Of delimited text a row without any value is skipped.
    """
    loaded: dict[int, tuple[Any, ...]] = {}
    duplicates, bad = [], []
    for number, row in enumerate(rows, start=1):
        if is_delimited and row is not None and not any(row.values()):
            continue
        values = row_of(DATASETS[dataset], row, marketplaces) if row is not None else None
        if values is None:
            bad.append(number)
        elif values in loaded.values():
            duplicates.append(number)
        else:
            loaded[number] = values
    return loaded, duplicates, bad


def records_of(content: bytes, delimiter: str, quote: str) -> list[dict[str, str | None]] | None:
    """The rows of delimited text in UTF-8; none of text in which the place of a quote leaves room for doubt."""
    text = content.decode("utf-8-sig")
    if not quote:
        lines = [line.split(delimiter) for line in re.split("\r\n|\n|\r", text) if line]
    else:
        try:
            read = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote, strict=True)
            lines = [values for values in read if values]
        except csv.Error:
            return None
        if any(quote in value for line in lines for value in line):
            return None
    if not lines or any(len(line) != len(lines[0]) for line in lines):
        return None
    return [dict(zip(lines[0], (value or None for value in line), strict=True)) for line in lines[1:]]
