"""The quarantine as a place of work: what was refused, by file and reason, and the rows themselves, to be mended.

Rows may hold personal data: what is listed are columns and reasons alone, what is exported is for its owner's eyes.

Does not belong here: what makes a row a bad one.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from assets.raw.datasets import DATASETS
from assets.raw.facts import beside, facts_of
from assets.raw.files import JSON, SUFFIXES
from assets.raw.reading import DIALECTS, LINE_END, Dialect
from assets.raw.sources import Sources
from assets.warehouse import Warehouse
from pipelines.summary import LINE

ROW, BECAUSE = "quarantined_row", "quarantined_because"
"""Columns of an export: the row's number in its file, and what is wrong with it."""
ABOVE = "quarantined rows"
"""What stands in each line above the header, where a report has such lines."""
ROWS_AT_A_TIME = 10_000

_CHOSEN = """
    from audit.quarantine as refused
    join audit.files as file using (file_id)
    where (
        len($names) = 0
        or list_contains([contains(lower(parse_filename(file.path)), lower(name)) for name in $names], true)
    )"""


def refused_rows(warehouse: Warehouse, names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """By file, the latest first, and reason: how many rows were refused, and the first of them.

    Of all files, or of those whose names hold one of `names`.
    """
    return warehouse.rows(
        f"""
        select
            file.file_id, parse_filename(file.path) as name, file.load_id, file.dataset, refused.column_name,
            refused.check_name, count(*) as rows, min(refused.row_number) as first_row
        {_CHOSEN}
        group by all
        order by file.file_id desc, rows desc, first_row""",
        {"names": list(names)},
    )


def export(warehouse: Warehouse, folder: Path, sources: Sources, names: Sequence[str] = ()) -> list[Path]:
    """Write the refused rows of each file into a file of its own, as they came, with their numbers and reasons.

    It lies in a folder with the number of the file, under its name, written as its source reads it, and with what was
    told of it beside it: so it can be loaded when it is mended. Only its owner may read it. Raises `FileExistsError`
    before anything is written, where one of the files is there already.
    """
    files = warehouse.rows(
        f"select distinct file.file_id, file.path, file.source, file.dataset {_CHOSEN} order by all",
        {"names": list(names)},
    )
    places = [_place(folder, file["file_id"], Path(file["path"])) for file in files]
    for to in places:
        if to.exists():
            raise FileExistsError(f"{to} is there already, and perhaps mended: move it away, or name another folder")
    for file, to in zip(files, places, strict=True):
        came = Path(file["path"])
        suffix = SUFFIXES.search(came.name)
        kind = suffix["format"].lower() if suffix else ""
        to.parent.mkdir(parents=True, exist_ok=True)
        to.touch(mode=0o600, exist_ok=False)
        source = next((each for each in sources.mapped if each.name == file["source"]), None)
        with to.open("w", encoding="utf-8", newline="") as out:
            if kind in JSON:
                out.writelines(_json_lines(warehouse, file["file_id"]))
            else:
                own = source.dialect if source else None
                dialect = own or DIALECTS.get(kind, DIALECTS["csv"])
                # A line at fault does not tell them.
                needed = sorted(source.columns) if source else DATASETS[file["dataset"]].required
                _write_table(warehouse, file["file_id"], out, dialect, needed)
        # Of all that a path says only what its source asks for: a file that says more is refused.
        facts = {name: value for name, value in facts_of(came).items() if source.asks(name)} if source else {}
        if facts:
            told = "".join(f"{json.dumps(name)} = {json.dumps(value)}\n" for name, value in facts.items())
            beside(to).write_text(told, encoding="utf-8")
    return places


def purge(warehouse: Warehouse, days: int, now: datetime, names: Sequence[str] = ()) -> int:
    """Delete the refused rows of files that were loaded more than so many days before `now`; of 0 days, all.

    Of all files, or of those whose names hold one of `names`. How many rows each had stays in `audit.files`. Returns
    how many were deleted.
    """
    with warehouse.transaction():
        ((deleted,),) = warehouse.con.execute(
            f"""
            delete from audit.quarantine
            where file_id in (
                select file.file_id {_CHOSEN} and ($days = 0 or file.loaded_at < $now - to_days($days))
            )""",
            {"names": list(names), "days": days, "now": now},
        ).fetchall()
    return deleted


def _place(folder: Path, file_id: int, came: Path) -> Path:
    """Where the refused rows of a file are written: under its name, decompressed, in a folder with its number."""
    suffix = SUFFIXES.search(came.name)
    if suffix and suffix["format"].lower() == "parquet":
        return folder / str(file_id) / f"{came.stem}.csv"
    return folder / str(file_id) / came.name.removesuffix((suffix and suffix["compression"]) or "")


def _write_table(warehouse: Warehouse, file_id: int, out: TextIO, dialect: Dialect, needed: Iterable[str]) -> None:
    """Delimited text, with the columns of the file and those that are needed after number and reason."""
    columns = dict.fromkeys(name for _, _, came in _rows(warehouse, file_id) for name in _values(came))
    others = [name for name in (columns | dict.fromkeys(needed)) if name not in (ROW, BECAUSE)]
    quoting = csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE
    # Lines end in CRLF: a value that has either of the two is quoted then, which of LF alone holds for LF alone.
    end = "\r\n"
    writer = csv.writer(
        out, delimiter=dialect.delimiter, quotechar=dialect.quote or None, quoting=quoting, lineterminator=end
    )
    # Blank lines would be none of those that stand above a header.
    out.write(f"{ABOVE}{end}" * (dialect.header - 1))
    writer.writerow([ROW, BECAUSE, *others])
    for number, because, came in _rows(warehouse, file_id):
        values = _values(came)
        row = [number, because, *(values.get(name) for name in others)]
        # What was not quoted has no delimiter within a value, but a line at fault has all of them.
        writer.writerow(row if dialect.quote else [_escaped(value, dialect.delimiter) for value in row])


def _escaped(value: Any, delimiter: str) -> Any:
    """A value for text without quotes: its delimiters and ends of lines are spelt, so that they still show."""
    if not isinstance(value, str):
        return value
    spelt = "\\t" if delimiter == "\t" else f"\\x{ord(delimiter):02x}"
    return LINE_END.sub(r"\\n", value).replace(delimiter, spelt)


def _values(came: str) -> Mapping[str, Any]:
    """A row of a table: an object of texts, or a line at fault."""
    values = json.loads(came)
    return values if isinstance(values, dict) else {LINE: values}


def _json_lines(warehouse: Warehouse, file_id: int) -> Iterator[str]:
    """Objects with number and reason after what they had; what is no object within one."""
    for number, because, came in _rows(warehouse, file_id):
        told = f'"{ROW}": {number}, "{BECAUSE}": {json.dumps(because, ensure_ascii=False)}'
        text = came.strip()
        if not text.startswith("{"):
            yield f'{{{told}, "{LINE}": {text}}}\n'
        elif text[1:-1].strip():
            yield f"{text[:-1]}, {told}}}\n"
        else:
            yield f"{{{told}}}\n"


def _rows(warehouse: Warehouse, file_id: int) -> Iterator[tuple[int, str, str]]:
    """Number, reason, and the row as it came, as JSON."""
    found = warehouse.con.execute(
        """
        select row_number, column_name || ': ' || check_name, "row"
        from audit.quarantine where file_id = ? order by row_number""",
        [file_id],
    )
    while rows := found.fetchmany(ROWS_AT_A_TIME):
        yield from rows
