"""`lines.csv`: every unit line, nothing that a spreadsheet would run."""

import csv
import hashlib
import io
import json
from datetime import datetime

import pytest
from house import SHARED_DATA

from reports.statement.lines import COLUMNS, LIVE, make_lines
from reports.statement.rows import UnitLine

PAYLOADS = SHARED_DATA / "hostile" / "payloads"


def line(text: str) -> UnitLine:
    return UnitLine(
        text, text, text, text, datetime(2026, 9, 1), datetime(2026, 10, 3, 12, 0, 5), 2, "chargeable", text, True
    )


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_a_row_for_each_line_in_order() -> None:
    lines = [
        UnitLine("P1", "O", "1", None, datetime(2026, 9, 1), datetime(2026, 10, 3), 3, "void", None, None),
        line("b"),
    ]
    content, file = make_lines("lines.csv", lines, str.upper)
    assert read(content) == [
        list(COLUMNS),
        ["P1", "O", "1", "", "2026-09-01T00:00:00Z", "2026-10-03T00:00:00Z", "3", "void", "VOID", "", ""],
        [
            "b",
            "b",
            "b",
            "b",
            "2026-09-01T00:00:00Z",
            "2026-10-03T12:00:05Z",
            "2",
            "chargeable",
            "CHARGEABLE",
            "b",
            "true",
        ],
    ]
    assert file == ("lines.csv", 2, hashlib.sha256(content).hexdigest())
    assert content.startswith(b"\xef\xbb\xbf"), "spreadsheets know its alphabet"


def test_no_lines() -> None:
    content, file = make_lines("lines.csv", [], str)
    assert (read(content), file.rows) == ([list(COLUMNS)], 0)


def assert_harmless(texts: list[str]) -> None:
    content, _ = make_lines("lines.csv", map(line, texts), lambda outcome: outcome)
    rows = read(content)
    assert len(rows) == len(texts) + 1
    for row in rows:
        assert len(row) == len(COLUMNS)
        parts = [part.strip(" \u200b") for cell in row for part in cell.split(";")]
        assert not [part for part in parts if part[:1] in LIVE], row


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "＝1",
        '"=1',
        "a,b",
        'a"b',
        "a\nb",
        "a;=1",
        "a; =1;-2",
        " =1",
        "\u200b=1",
        "'=1",
    ],
)
def test_no_cell_is_live(text: str) -> None:
    assert_harmless([text])


@pytest.mark.skipif(not PAYLOADS.is_dir(), reason="hostile files are not at hand")
def test_no_payload_is_live() -> None:
    texts = json.loads((SHARED_DATA / "hostile" / "blns" / "blns.json").read_text(encoding="utf-8"))
    for path in sorted(PAYLOADS.rglob("*")):
        if path.is_file():
            texts += path.read_text(encoding="utf-8", errors="replace").splitlines()
    assert_harmless(texts)
