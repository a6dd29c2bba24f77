"""What all tests share: the table that `make prove` writes."""

import os
from collections import Counter
from pathlib import Path

import pytest
from house import FONTS

os.environ.setdefault("CSBA_FONTS", str(FONTS))  # commands that tests start make their fonts once, not each its own


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--proofs", type=Path, help="write the table of proofs to this file")


def pytest_terminal_summary(terminalreporter, exitstatus: int, config: pytest.Config) -> None:
    path = config.getoption("--proofs")
    if path is None:
        return
    cases: dict[str, Counter] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            name = report.nodeid.split("[")[0]
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
