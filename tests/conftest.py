"""What all tests share: their order, and the tables that `make prove` writes."""

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from house import FONTS

os.environ.setdefault("CSBA_FONTS", str(FONTS))  # commands that tests start make their fonts once, not each its own


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--proofs", type=Path, help="write the table of proofs to this file")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First the tests that one process runs together, so that none of the others waits for it in the end."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


TABLES = {"hostile": "Hostile files", "fuzzed": "Files that are drawn and mutated"}
"""What is written beside the table of proofs, each as a file of its own."""


@pytest.fixture
def in_table(record_property: Callable[[str, object], None]) -> Callable[[str, Mapping[str, object]], None]:
    """Put a row into one of `TABLES`, as the proof measured it."""
    return lambda table, row: record_property(table, dict(row))


def pytest_terminal_summary(terminalreporter, exitstatus: int, config: pytest.Config) -> None:
    path = config.getoption("--proofs")
    if path is None:
        return
    cases: dict[str, Counter] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            name = re.split(r"\[|@", report.nodeid)[0]  # without the case, and the group that stays together
            cases.setdefault(name, Counter())[outcome] += 1
    lines = [
        "# Full proofs",
        "",
        "Written by `make prove`.",
        "",
        "| proof | cases | passed | failed | skipped |",
        "|---|---|---|---|---|",
    ]
    for name, count in sorted(cases.items()):
        file, _, test = name.partition("::")
        words = test.removeprefix("test_").replace("_", " ")
        failed = count["failed"] + count["error"]
        lines.append(f"| {words} (`{file}`) | {count.total()} | {count['passed']} | {failed} | {count['skipped']} |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, ())]
    for table, title in TABLES.items():
        rows = [row for report in reports for name, row in report.user_properties if name == table]
        if rows:
            path.with_name(f"{table}.md").write_text(_as_table(title, rows), encoding="utf-8")


def _as_table(title: str, rows: list[dict[str, object]]) -> str:
    """Rows of measured figures as text, in order of their first column."""
    names = list(rows[0])
    ordered = sorted(rows, key=lambda row: str(row[names[0]]))
    cells = [[f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()] for row in ordered]
    lines = [names, ["---"] * len(names), *cells]
    return "\n".join(
        [f"# {title}", "", "Written by `make prove`.", "", *(f"| {' | '.join(line)} |" for line in lines), ""]
    )
