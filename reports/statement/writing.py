"""Writes the statements of a period and marketplace: one self-contained page for each seller, and an index of them.

The folder of a period and marketplace is replaced whole: made beside the old one, then renamed over it. The pages of a
closed period are those that its close kept. Pages are made in `pages`, their names in `names`.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import duckdb

from reports.statement.names import folder_name
from reports.statement.pages import Templates, count_statements, make_pages
from reports.statement.rows import BATCH

REPORT_EVERY = 50
"""Pages between two reports of progress."""

KEPT = """
select file_name, html
from billing.kept_pages
where period = $period and marketplace_id = $marketplace_id
order by file_name"""

KEPT_HASHES = """
select file_name, html_sha256
from billing.kept_pages
where period = $period and marketplace_id = $marketplace_id"""


def write_statements(
    con: duckdb.DuckDBPyConnection,
    scope: Sequence[tuple[str, str]],
    folder: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Write the statements of every period and marketplace in scope below a folder, and say how many there are.

    Each goes to `<period>/<marketplace_id>/` as `names` says, with an `index.html` beside it; what was there before
    is gone, or untouched if anything fails. Of a closed period the kept pages are written, where they do not lie there
    already. Without statements there is no folder. Only committed rows are seen. Raises `StatementError` where the
    tables contradict each other, `ValueError` where a period is no period.
    """
    scope = list(dict.fromkeys(scope))
    for period, _ in scope:
        if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", period):
            raise ValueError(f"{period!r} is no billing period, such as 2026-10")
    numbers = {key: count_statements(con, *key) for key in scope}
    total, done = sum(numbers.values()), 0
    templates = Templates()
    for period, marketplace_id in scope:
        target = folder / period / folder_name(marketplace_id)
        kept = _kept_hashes(con, period, marketplace_id)
        if kept:
            if _hashes_of(target) != kept:
                _write_set(target, _kept_pages(con, period, marketplace_id))
            else:
                _remove_beside(target)
        elif numbers[period, marketplace_id]:
            pages = ((page.file_name, page.html) for page in make_pages(con, period, marketplace_id, templates))
            _write_set(target, _reporting(pages, done, total, progress))
        else:
            _remove(target)
        done += numbers[period, marketplace_id]
        progress(done, total)
    return done


def _reporting(
    pages: Iterable[tuple[str, str]], before: int, total: int, progress: Callable[[int, int], None]
) -> Iterator[tuple[str, str]]:
    for number, page in enumerate(pages):
        if number and number % REPORT_EVERY == 0:
            progress(before + number, total)
        yield page


def _kept_hashes(con: duckdb.DuckDBPyConnection, period: str, marketplace_id: str) -> dict[str, str]:
    with con.cursor() as cursor:
        return dict(cursor.execute(KEPT_HASHES, {"period": period, "marketplace_id": marketplace_id}).fetchall())


def _kept_pages(con: duckdb.DuckDBPyConnection, period: str, marketplace_id: str) -> Iterator[tuple[str, str]]:
    with con.cursor() as cursor:
        result = cursor.execute(KEPT, {"period": period, "marketplace_id": marketplace_id})
        while batch := result.fetchmany(BATCH):
            yield from batch


def _hashes_of(folder: Path) -> dict[str, str]:
    paths = folder.iterdir() if folder.is_dir() else ()
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")


def _remove(target: Path) -> None:
    _remove_beside(target)
    if target.exists():
        shutil.rmtree(target)


def _remove_beside(target: Path) -> None:
    """What a killed process left."""
    for folder in (_beside(target, "new"), _beside(target, "old")):
        if folder.exists():
            shutil.rmtree(folder)


def _write_set(target: Path, pages: Iterable[tuple[str, str]]) -> None:
    with _Replacement(target) as fresh:
        for name, html in pages:
            (fresh / name).write_bytes(html.encode())


class _Replacement:
    """A fresh folder beside the target, which takes the target's place if all goes well and vanishes if not.

    There is one writer at a time. Names begin with a dot, so that what a killed process left behind is no set; the next
    one puts an old set back that was moved aside, and removes the rest.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._fresh = _beside(target, "new")
        self._old = _beside(target, "old")

    def __enter__(self) -> Path:
        if self._old.exists() and not self._target.exists():
            self._old.rename(self._target)
        for left_over in (self._old, self._fresh):
            if left_over.exists():
                shutil.rmtree(left_over)
        self._fresh.mkdir(parents=True)
        return self._fresh

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is not None:
            shutil.rmtree(self._fresh, ignore_errors=True)
            return
        if self._target.exists():
            self._target.rename(self._old)
        try:
            self._fresh.rename(self._target)
        except OSError:
            if self._old.exists():
                self._old.rename(self._target)
            raise
        if self._old.exists():
            shutil.rmtree(self._old)
