"""Writes the statements of a period and marketplace: four files for each seller, an index, and a manifest of all.

The folder of a period and marketplace is replaced whole: made beside the old one, then renamed over it. Files whose
statement has not changed are taken over from the old folder, by their hashes. The files of a closed period are those of
its close, proved by the manifest that the close kept.

Does not belong here: how a file is made (`making`), what it shows (`view`), how it is called (`names`).
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.language import language_of
from reports.printable import printable
from reports.statement import pages
from reports.statement.figures import share
from reports.statement.folders import beside, has_hash, remove, remove_beside, replacement, take_over
from reports.statement.lines import make_lines
from reports.statement.making import Job, Press
from reports.statement.names import INDEX_PAGE, MANIFEST, file_names, folder_name
from reports.statement.rows import BATCH, SellerRows, Setting, StatementError, read_sellers, read_setting
from reports.statement.view import as_json, language_of_statement, view
from reports.statement.words import OUTCOMES_OF_UNITS
from reports.statement.workers import Staff

if TYPE_CHECKING:  # processes that make statements start without it
    import duckdb

FORM = "csba-manifest/1"

Progress = Callable[[int, int], None]
"""Called with how many statements are done, and how many there are."""

SUMMARY = """
select count(*), coalesce(sum(total), 0), count(*) filter (where status <> 'final')
from billing.statements
where period = $period and marketplace_id = $marketplace_id"""

INDEX_ROWS = """
select statement.seller_id, seller.name, performance.units, performance.contacts, statement.total
from billing.statements as statement
left join core.sellers as seller on seller.seller_id = statement.seller_id
left join billing.performance as performance
  on performance.period = statement.period and performance.marketplace_id = statement.marketplace_id
  and performance.seller_id = statement.seller_id
where statement.period = $period and statement.marketplace_id = $marketplace_id
order by statement.total desc, statement.seller_id"""

KEPT_MANIFEST = """
select manifest from billing.closes where period = $period and marketplace_id = $marketplace_id"""

KEPT_PAGES = """
select file_name, html, json_name, view
from billing.kept_pages
where period = $period and marketplace_id = $marketplace_id
order by file_name"""


@dataclass
class Written:
    """What came of writing statements."""

    statements: int = 0
    made: int = 0
    """Those that were made anew; the others had not changed."""
    broken: list[str] = field(default_factory=list)
    """Statements that could not be made, with the reason; they have no files."""
    lost: list[str] = field(default_factory=list)
    """Files of closed periods that are gone, and cannot be put back from what the close kept."""
    without_glyphs: int = 0
    """Statements whose PDF shows a mark for characters that its fonts do not have."""

    def add(self, other: "Written") -> None:
        """Count another set in."""
        self.statements += other.statements
        self.made += other.made
        self.broken += other.broken
        self.lost += other.lost
        self.without_glyphs += other.without_glyphs


def write_statements(
    con: "duckdb.DuckDBPyConnection",
    scope: Sequence[tuple[str, str]],
    folder: Path,
    press: Press,
    progress: Progress = lambda _done, _total: None,
) -> Written:
    """Write the statements of every period and marketplace in scope below a folder.

    Each goes to `<period>/<marketplace_id>/` as `names` says, with `index.html` and `manifest.json` beside it; what was
    there before is gone, or untouched if anything fails. A statement that cannot be made is named and left out; the
    others are written. Of a closed period the files of its close are put back where they do not lie there already.
    Without statements there is no folder. Only committed rows are seen. Raises `StatementError` where a period has no
    calendar, `ValueError` where it is no period, `PdfError` where the engine is not there.
    """
    scope = list(dict.fromkeys(scope))
    for period, _ in scope:
        if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", period):
            raise ValueError(f"{period!r} is no billing period, such as 2026-10")
    numbers = {key: _summary(con, *key)[0] for key in scope}
    total, written = sum(numbers.values()), Written()
    with Staff(press) as staff:
        for period, marketplace_id in scope:
            target = folder / period / folder_name(marketplace_id)
            before = written.statements
            kept = _kept_manifest(con, period, marketplace_id)
            if kept is not None:
                written.lost += _put_back(con, period, marketplace_id, target, kept)
                written.statements += numbers[period, marketplace_id]
            elif numbers[period, marketplace_id]:
                with replacement(target) as fresh:
                    written.add(
                        _make_set(
                            con,
                            period,
                            marketplace_id,
                            fresh,
                            target,
                            staff,
                            progress=lambda done, before=before: progress(before + done, total),
                        )
                    )
            else:
                remove(target)
            progress(written.statements, total)
    return written


def make_final(
    con: "duckdb.DuckDBPyConnection",
    period: str,
    marketplace_id: str,
    folder: Path,
    press: Press,
    progress: Progress = lambda _done, _total: None,
) -> tuple[Written, Path]:
    """Make a set of final statements, whatever their status says, beside where `write_statements` puts them.

    For a close, whose manifest must be known before its transaction; `write_statements` then renames what it finds.
    Also returns where they lie.
    """
    total = _summary(con, period, marketplace_id)[0]
    fresh = beside(folder / period / folder_name(marketplace_id), "new")
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(parents=True)
    with Staff(press) as staff:
        written = _make_set(
            con, period, marketplace_id, fresh, None, staff, is_final=True, progress=lambda done: progress(done, total)
        )
    return written, fresh


# -- a set of statements --------------------------------------------------------------------------------------------


def _make_set(
    con: "duckdb.DuckDBPyConnection",
    period: str,
    marketplace_id: str,
    fresh: Path,
    old: Path | None,
    staff: Staff,
    *,
    is_final: bool = False,
    progress: Callable[[int], None],
) -> Written:
    """All files of a set into a folder; those unchanged are taken from the old one."""
    setting, label, written = read_setting(con, period, marketplace_id), staff.press.label, Written()
    before = _entries(old) if old else {}
    entries: dict[str, dict[str, Any]] = {}

    def jobs() -> Iterator[Job]:
        for rows in read_sellers(con, setting):
            written.statements += 1
            progress(written.statements)
            try:
                job = _job(rows.with_status("final") if is_final else rows, setting)
            except StatementError as error:
                written.broken.append(str(error))
                continue
            statement_id = job.view.statement_id
            made_from = hashlib.sha256(f"{label}\n{job.json}".encode()).hexdigest()
            entry = before.get(statement_id)
            if old and entry and entry["made_from"] == made_from and take_over(entry["files"], old, fresh):
                entries[statement_id] = entry
                continue
            entries[statement_id] = {"made_from": made_from}
            yield job

    for statement_id, files, missing, wrong in staff.make(jobs(), fresh):
        if wrong:
            written.broken.append(f"statement {statement_id}: {wrong}")
            del entries[statement_id]
            continue
        written.made += 1
        entries[statement_id] |= {"files": files, "without_glyphs": missing}
    written.without_glyphs = sum(1 for entry in entries.values() if entry["without_glyphs"])
    files = {}
    if written.statements:
        index = pages.index_page(_index(con, setting, entries, is_final=is_final, has_pdf=staff.press.pdf != "none"))
        (fresh / INDEX_PAGE).write_bytes(index.encode())
        files[INDEX_PAGE] = hashlib.sha256(index.encode()).hexdigest()
    manifest = {
        "form": FORM,
        "period": period,
        "marketplace_id": marketplace_id,
        "made_with": label,
        "files": files,
        "statements": dict(sorted(entries.items())),
    }
    (fresh / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return written


def _job(rows: SellerRows, setting: Setting) -> Job:
    names = file_names(rows.statement.seller_id)
    translate = language_of(language_of_statement(rows, setting)).texts.gettext
    lines, file = make_lines(
        names.csv, rows.unit_lines, lambda outcome: translate(OUTCOMES_OF_UNITS.get(outcome, ("", outcome))[1])
    )
    shown = view(rows, setting, file)
    return Job(shown, as_json(shown), lines, names)


def _index(
    con: "duckdb.DuckDBPyConnection",
    setting: Setting,
    entries: Mapping[str, Any],
    *,
    is_final: bool,
    has_pdf: bool,
) -> pages.Index:
    key = {"period": setting.period, "marketplace_id": setting.marketplace.marketplace_id}
    english, place = language_of("en"), setting.marketplace
    number, total, drafts = _summary(con, **key)
    if is_final:
        drafts = 0
    made = {name for entry in entries.values() for name in entry["files"]}
    with con.cursor() as cursor:
        rows = cursor.execute(INDEX_ROWS, key).fetchall()
    return pages.Index(
        period=english.month(setting.period),
        domain=printable(place.domain),
        number=english.whole(number),
        total=english.amount(total, place.currency, place.minor_units),
        drafts="all drafts" if drafts == number else f"{english.whole(drafts)} of them drafts" if drafts else "",
        has_pdf=has_pdf,
        rows=[
            pages.IndexRow(
                names=file_names(seller_id),
                seller_id=printable(seller_id),
                seller_name=printable(name or ""),
                units=units or 0,
                cpu=share(contacts, units, english).per_cent if units else "",
                total=english.amount(amount, place.currency, place.minor_units),
                is_made=file_names(seller_id).html in made,
            )
            for seller_id, name, units, contacts, amount in rows
        ],
    )


def _summary(con: "duckdb.DuckDBPyConnection", period: str, marketplace_id: str) -> tuple[int, Any, int]:
    with con.cursor() as cursor:
        return cursor.execute(SUMMARY, {"period": period, "marketplace_id": marketplace_id}).fetchall()[0]


# -- what was there before ------------------------------------------------------------------------------------------


def _entries(folder: Path) -> dict[str, Any]:
    """The statements of a folder's manifest; none where there is no readable one."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if manifest["form"] == FORM:
            return manifest["statements"]
    return {}


# -- closed periods -------------------------------------------------------------------------------------------------


def files_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Every file that a manifest lists, with its hash."""
    found = dict(manifest["files"])
    for entry in manifest["statements"].values():
        found |= entry["files"]
    return found


def _kept_manifest(con: "duckdb.DuckDBPyConnection", period: str, marketplace_id: str) -> str | None:
    with con.cursor() as cursor:
        rows = cursor.execute(KEPT_MANIFEST, {"period": period, "marketplace_id": marketplace_id}).fetchall()
    return rows[0][0] if rows else None


def _put_back(
    con: "duckdb.DuckDBPyConnection", period: str, marketplace_id: str, target: Path, manifest: str
) -> list[str]:
    """See that the files of a close lie in their folder; returns those that are lost.

    They may lie there, or beside it if the close was killed before it could rename them; pages and data were also kept
    in the warehouse.
    """
    wanted = files_of(json.loads(manifest))
    if not wanted:
        remove(target)
        return []
    if _holds(target, wanted, manifest):
        remove_beside(target)
        return []
    made = beside(target, "new")
    if _holds(made, wanted, manifest):
        with replacement(target, made_already=True):
            return []
    waiting = beside(target, "made")
    if made.exists():
        made.rename(waiting)
    try:
        with replacement(target) as fresh:
            for folder in (target, beside(target, "old"), waiting):
                found = {name: sha256 for name, sha256 in wanted.items() if has_hash(folder / name, sha256)}
                take_over(found, folder, fresh)
            with con.cursor() as cursor:
                result = cursor.execute(KEPT_PAGES, {"period": period, "marketplace_id": marketplace_id})
                while batch := result.fetchmany(BATCH):
                    for html_name, html, json_name, shown in batch:
                        for name, text in ((html_name, html), (json_name, shown)):
                            if name is not None and not (fresh / name).exists():
                                (fresh / name).write_bytes(text.encode())
            (fresh / MANIFEST).write_text(manifest, encoding="utf-8")
            lost = [name for name, sha256 in wanted.items() if not has_hash(fresh / name, sha256)]
    except BaseException:
        if waiting.exists() and not made.exists():
            waiting.rename(made)  # it may hold the only copies
        raise
    if waiting.exists():
        shutil.rmtree(waiting)
    return [f"{target / name}" for name in lost]


def _holds(folder: Path, wanted: Mapping[str, str], manifest: str) -> bool:
    """Whether a folder holds exactly these files and their manifest."""
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != {*wanted, MANIFEST}:
        return False
    if (folder / MANIFEST).read_text(encoding="utf-8", errors="replace") != manifest:
        return False
    return all(has_hash(folder / name, sha256) for name, sha256 in wanted.items())
