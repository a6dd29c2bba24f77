"""Files that nobody thought of: drawn (`drawn.py`), damaged and mutated, and held to what must hold of any file.

- In canonical columns: each row, duplicate and bad row is told by an independent reader (`plainly.py`), by its number.
- Through each source: the same rows written in another way come to the same, whatever they come to.
- Bytes of such files, of real reports and of hostile files, mutated: refused in words or accounted for; and what simple
  text says is what is loaded.

Of all: a file that is loaded twice changes nothing, and one that is split comes to the same rows. The full proof goes
on for `CSBA_FUZZ_MINUTES`, an hour if nothing is set, a third of it for each of the three.
"""

import faulthandler
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from drawn import BRAZIL, US, Case, Mutant, canonical_cases, cases_of_sources, mutants
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from plainly import becomes, records_of
from written import DELIMITED, Record, in_an_encoding_that_is_found, written

from assets.raw.datasets import DATASETS
from assets.raw.loading import LoadReport
from assets.raw.reading import DIALECTS
from assets.raw.sources import Source
from pipelines.quarantine import export

MINUTES = float(os.environ.get("CSBA_FUZZ_MINUTES") or 60)
LONGEST = 120
"""Seconds after which a case is taken to hang."""


def is_refused(records: Sequence[Record]) -> bool:
    """Whether a file has lines, and none without a fault."""
    return bool(records) and not any(isinstance(record, dict) for record in records)


Loaded = tuple[dict[int, tuple[Any, ...]], list[tuple[int, str, str]]]


def what_is_there(home, dataset: str) -> Loaded:
    """The rows of a home that has loaded one file, by number; and which were refused, and why."""
    rows = home.rows(f"select row_number, {', '.join(DATASETS[dataset].columns)} from raw.{dataset}")
    refused = home.rows("select row_number, column_name, check_name from audit.quarantine order by all")
    return {number: tuple(values) for number, *values in rows}, refused


def in_all(home, dataset: str) -> tuple[set[tuple[Any, ...]], list[tuple[str, str]]]:
    """Whatever a home has loaded and refused, wherever it stood."""
    return set(home.rows(f"select {', '.join(DATASETS[dataset].columns)} from raw.{dataset}")), home.rows(
        "select column_name, check_name from audit.quarantine order by all"
    )


def load_again(home, path: Path, report) -> None:
    """Loaded twice a file changes nothing."""
    before = home.counts()
    again = home.load(path)
    assert [refusal.reason for refusal in again.refusals] == [refusal.reason for refusal in report.refusals]
    assert again.unchanged == ([path] if report.loads else [])
    assert home.counts() == before


class Laboratory:
    """Homes to load into, each made empty again for the next case."""

    CASES = 300
    """After so many it is made anew."""

    def __init__(self, open_home: Callable):
        self.open_home, self.used, self.stack = open_home, 0, ExitStack()
        self.came_to = Counter[str]()

    def note(self, report: LoadReport) -> LoadReport:
        """Count what became of a file."""
        self.came_to["files"] += 1
        self.came_to["refused"] += bool(report.refusals)
        for load in report.loads:
            for what in ("read", "loaded", "duplicate", "quarantined", "skipped"):
                self.came_to[f"rows {what}"] += vars(load)[f"rows_{what}"]
        return report

    def home(self):
        if self.used % self.CASES == 0:
            self.stack.close()
            folder = Path(self.stack.enter_context(TemporaryDirectory()))
            self.now = self.stack.enter_context(self.open_home(folder))
        self.used += 1
        for table in [
            *(f"raw.{name}" for name in DATASETS),
            *("raw.superseded", "audit.files", "audit.file_times", "audit.quarantine", "audit.hashes"),
        ]:
            self.now.warehouse.con.execute(f"delete from {table}")
        for place in self.now.folder.iterdir():
            if place.name != "home":
                shutil.rmtree(place) if place.is_dir() else place.unlink()
        return self.now


@pytest.fixture(scope="module")
def laboratory(raw) -> Iterator[Laboratory]:
    laboratory = Laboratory(raw.open_home)
    with laboratory.stack:
        yield laboratory


# -- what holds ---------------------------------------------------------------------------------------------------


def canonical_files_say_what_was_written(laboratory: Laboratory, case: Case) -> None:
    home, name = laboratory.home(), f"{case.dataset}{case.style.suffix}"
    report = laboratory.note(home.load_file(name, case.content(case.records)))
    if is_refused(case.records):
        assert report.refusals
        return load_again(home, home.folder / name, report)
    assert not report.refusals, report.refusals
    rows = [record if isinstance(record, dict) else None for record in case.records]
    is_delimited = case.style.kind in DELIMITED
    loaded, duplicates, bad = becomes(case.dataset, rows, (US, BRAZIL), is_delimited=is_delimited)
    found, refused = what_is_there(home, case.dataset)
    assert found == loaded
    assert [number for number, *_ in refused] == bad
    assert report.loads[0].rows_duplicate == len(duplicates)
    load_again(home, home.folder / name, report)
    whole = in_all(home, case.dataset)
    come_back_as_they_were(home, refused)
    come_to_the_same_in_parts(laboratory, case, whole, name)
    return None


def come_back_as_they_were(home, refused: list[tuple[int, str, str]]) -> None:
    """Refused rows that are exported and loaded as they are, not mended, are refused for the same reasons."""
    paths = export(home.warehouse, home.folder / "exported", home.sources)
    report = home.load(*paths)
    assert (len(paths), report.refusals) == (bool(refused), [])
    again = home.rows("select row_number, column_name, check_name from audit.quarantine where file_id > 1 order by all")
    assert [number for number, *_ in again] == list(range(1, len(refused) + 1))
    same = zip(refused, again, strict=True)
    assert all(before[1:] == after[1:] for before, after in same if before[1] != "line")


def come_to_the_same_in_parts(laboratory: Laboratory, case: Case, whole, name: str) -> None:
    """A file that is split comes to the same rows."""
    home, parts = laboratory.home(), (case.records[: case.cut], case.records[case.cut :])
    same = [in_an_encoding_that_is_found(case.style, case.columns, part) for part in parts]
    contents = [written(style, case.columns, part) for style, part in zip(same, parts, strict=True)]
    if any(is_refused(part) for part in parts) or contents[0] == contents[1]:  # what was loaded before is passed over
        return
    for number, content in enumerate(contents):
        report = laboratory.note(home.load_file(f"{number}/{name}", content))
        assert not report.refusals, report.refusals
    assert in_all(home, case.dataset) == whole


def is_row_by_row(source: Source) -> bool:
    """Whether what a row comes to hangs on that row alone."""
    select = (source.select or "").lower()
    looks_around = re.search(r"\bover\b|\bgroup by\b|\b(max|min|sum|any_value)\(", select)
    return len(re.findall(r"\binput\b(?!\.)", select)) == 1 and not looks_around


def sources_come_to_the_same_however_it_is_written(laboratory: Laboratory, cases: tuple[Case, Case]) -> None:
    plain, other = cases
    found = []
    for case in cases:
        home, name = laboratory.home(), f"seller=A1B2/marketplace={US}/report{case.style.suffix}"
        report = laboratory.note(home.load_file(name, case.content(case.records)))
        assert not report.refusals, report.refusals
        assert plain.source.name in {each.source for each in report.loads}
        found.append({dataset: what_is_there(home, dataset) for dataset in DATASETS})
        load_again(home, home.folder / name, report)
    assert found[0] == found[1]
    if all(is_row_by_row(source) for source in home.sources.of(home.folder / name)):
        come_to_the_same_in_parts(laboratory, other, in_all(home, other.dataset), name)


def mutants_are_refused_or_accounted_for(laboratory: Laboratory, mutant: Mutant) -> None:
    home, path = laboratory.home(), Path(mutant.name)
    report = laboratory.note(home.load_file(mutant.name, mutant.content))
    load_again(home, home.folder / path, report)
    dataset = next((name for name in DATASETS if path.name.startswith(name)), None)
    dialect = DIALECTS.get(path.suffix[1:])
    if dataset and dialect and [load.source for load in report.loads] == ["canonical"] and not report.loads[0].encoding:
        rows = records_of(mutant.content, dialect.delimiter, dialect.quote)
        if rows and all(set(DATASETS[dataset].required) <= set(row) for row in rows):
            loaded, _, bad = becomes(dataset, rows, (US, BRAZIL), is_delimited=True)
            found, refused = what_is_there(home, dataset)
            assert (found, [number for number, *_ in refused]) == (loaded, bad)


# -- for seconds, and for an hour ---------------------------------------------------------------------------------

PROPERTIES: dict[Callable[..., None], st.SearchStrategy] = {
    canonical_files_say_what_was_written: canonical_cases(),
    sources_come_to_the_same_however_it_is_written: cases_of_sources(),
    mutants_are_refused_or_accounted_for: mutants(),
}
PATIENT = settings(deadline=None, database=None, report_multiple_bugs=False, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda holds: holds.__name__)
def test_drawn_files(laboratory, holds):
    @settings(PATIENT, max_examples=12, derandomize=True)
    @given(PROPERTIES[holds])
    def of(case):
        holds(laboratory, case)

    of()


@pytest.mark.prove
@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda holds: holds.__name__)
def test_drawn_files_for_long(laboratory, in_table, holds):
    """The first find ends it, and is made as small as can be."""
    laboratory.came_to = Counter()
    started, cases, has_found = time.monotonic(), 0, True
    until = started + 60 * MINUTES / len(PROPERTIES)
    try:
        while time.monotonic() < until:

            @seed(time.time_ns())
            @settings(PATIENT, max_examples=100, phases=[Phase.generate, Phase.shrink], print_blob=True)
            @given(PROPERTIES[holds])
            def of(case):
                nonlocal cases
                cases += 1
                faulthandler.dump_traceback_later(LONGEST, exit=True)
                holds(laboratory, case)

            of()
        has_found = False
    finally:
        faulthandler.cancel_dump_traceback_later()
        came_to, minutes = laboratory.came_to, (time.monotonic() - started) / 60
        figures = {"minutes": f"{minutes:.1f}", "cases": cases, "finds": int(has_found)} | {
            name: came_to[name]
            for name in ("files", "refused", "rows read", "rows loaded", "rows quarantined", "rows skipped")
        }
        in_table("fuzzed", {"what holds": holds.__name__.replace("_", " ")} | figures)
    assert came_to["rows loaded"] > 0
    assert came_to["rows quarantined"] > 0
