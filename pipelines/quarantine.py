"""The quarantine as a place of work: what was refused, by file and reason, and the rows themselves, to be mended.

Rows may hold personal data: what is listed are columns and reasons alone, what is exported is for its owner's eyes.

Does not belong here: what makes a row a bad one.
"""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from assets.warehouse import Warehouse

ROW, BECAUSE, LINE = "quarantined_row", "quarantined_because", "line"
"""Columns of an export: the row's number in its file, what is wrong with it, and a line that has no values."""
ROWS_AT_A_TIME = 10_000

_CHOSEN = """
    from audit.quarantine as refused
    join audit.files as file using (file_id)
    where len($names) = 0
        or list_contains([contains(lower(parse_filename(file.path)), lower(name)) for name in $names], true)"""


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


def export(warehouse: Warehouse, folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """Write the refused rows of each file into a CSV file of its own, as they came, with their numbers and reasons.

    Its name begins as that of the file, so that it can be loaded when it is mended; only its owner may read it. Raises
    `FileExistsError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = warehouse.rows(
        f"select distinct file.file_id, parse_filename(file.path) as name {_CHOSEN} order by all",
        {"names": list(names)},
    )
    written = []
    for file in files:
        path = folder / f"{re.sub(r'[.].*', '', file['name'])}.{file['file_id']}.csv"
        path.touch(mode=0o600, exist_ok=False)
        with path.open("w", encoding="utf-8", newline="") as out:
            columns = list(dict.fromkeys(name for row in _rows(warehouse, file["file_id"]) for name in row))
            writer = csv.DictWriter(out, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(_rows(warehouse, file["file_id"]))
        written.append(path)
    return written


def _rows(warehouse: Warehouse, file_id: int) -> Iterator[dict[str, Any]]:
    found = warehouse.con.execute(
        'select row_number, column_name, check_name, "row" from audit.quarantine where file_id = ? order by row_number',
        [file_id],
    )
    while rows := found.fetchmany(ROWS_AT_A_TIME):
        for number, column, check, text in rows:
            came = json.loads(text)
            values = came if isinstance(came, dict) else {LINE: came}
            yield {ROW: number, BECAUSE: f"{column}: {check}", **values}
