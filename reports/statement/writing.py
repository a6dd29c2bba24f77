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
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
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
from reports.statement.workers import Result, Staff

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

    def sets(places: ExitStack) -> Iterator[_Set]:
        for period, marketplace_id in scope:
            number, target = numbers[period, marketplace_id], statements_of(folder, period, marketplace_id)
            kept = _kept_manifest(con, period, marketplace_id)
            if kept is not None:
                written.lost += _put_back(con, period, marketplace_id, target, kept)
                written.statements += number
            elif number:
                place = ExitStack()
                places.push(place)
                fresh = place.enter_context(replacement(target))
                yield _Set(con, read_setting(con, period, marketplace_id), fresh, press, old=target, place=place)
            else:
                remove(target)

    return _make(sets, press, written, total, progress)


def statements_of(folder: Path, period: str, marketplace_id: str) -> Path:
    """Where the statements of a period and marketplace lie."""
    return folder / period / folder_name(marketplace_id)


def found_in(place: Path) -> Written:
    """What a set that is left as it is holds."""
    entries = _entries(place)
    return Written(len(entries), without_glyphs=sum(1 for entry in entries.values() if entry["without_glyphs"]))


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
    fresh = beside(statements_of(folder, period, marketplace_id), "new")
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(parents=True)
    setting = read_setting(con, period, marketplace_id)
    final = _Set(con, setting, fresh, press, is_final=True)
    return _make(lambda _: iter([final]), press, Written(), total, progress), fresh


# -- a set of statements --------------------------------------------------------------------------------------------


class _Set:
    """The files of a period and marketplace, while they are made into a fresh folder; those unchanged are taken from
    the old one."""

    def __init__(
        self,
        con: "duckdb.DuckDBPyConnection",
        setting: Setting,
        fresh: Path,
        press: Press,
        *,
        old: Path | None = None,
        place: ExitStack | None = None,
        is_final: bool = False,
    ) -> None:
        self._con, self._setting, self._fresh = con, setting, fresh
        self._made_with, self._has_pdf = press.label, press.pdf != "none"
        self._label = self._made_with.encode()
        self._old, self._place, self._is_final = old, place, is_final
        self._before = _entries(old) if old else {}
        self._entries: dict[str, dict[str, Any]] = {}
        self._waiting = 0
        self._is_read = False
        self.written = Written()

    @property
    def done(self) -> int:
        """Statements that are made, or known to be broken or unchanged."""
        return self.written.statements - self._waiting

    @property
    def is_made(self) -> bool:
        """Whether nothing is missing but what `finish` adds."""
        return self._is_read and not self._waiting

    def jobs(self, tell: Callable[[], None]) -> Iterator[Job]:
        """The statements to be made; `tell` is called as reading goes on, for those that are done without."""
        for rows in read_sellers(self._con, self._setting):
            tell()
            self.written.statements += 1
            try:
                job = _job(rows.with_status("final") if self._is_final else rows, self._setting, self._fresh)
            except StatementError as error:
                self.written.broken.append(str(error))
                continue
            statement_id = job.view.statement_id
            made_from = hashlib.sha256(self._label + job.json).hexdigest()
            entry = self._before.get(statement_id)
            is_old = entry is not None and entry["made_from"] == made_from
            if entry and self._old and is_old and take_over(entry["files"], self._old, self._fresh):
                self._entries[statement_id] = entry
                continue
            self._entries[statement_id] = {"made_from": made_from}
            self._waiting += 1
            yield job
        self._is_read = True

    def take(self, result: Result) -> None:
        """Note what came of a job."""
        self._waiting -= 1
        if result.wrong:
            self.written.broken.append(f"statement {result.statement_id}: {result.wrong}")
            del self._entries[result.statement_id]
            return
        self.written.made += 1
        self._entries[result.statement_id] |= {"files": result.files, "without_glyphs": result.without_glyphs}

    def finish(self) -> Written:
        """Write index and manifest, and put the folder in its place."""
        setting, entries = self._setting, self._entries
        self.written.broken.sort()
        self.written.without_glyphs = sum(1 for entry in entries.values() if entry["without_glyphs"])
        files = {}
        if self.written.statements:
            index = _index(self._con, setting, entries, is_final=self._is_final, has_pdf=self._has_pdf)
            content = pages.index_page(index).encode()
            (self._fresh / INDEX_PAGE).write_bytes(content)
            files[INDEX_PAGE] = hashlib.sha256(content).hexdigest()
        manifest = {
            "form": FORM,
            "period": setting.period,
            "marketplace_id": setting.marketplace.marketplace_id,
            "made_with": self._made_with,
            "files": files,
            "statements": dict(sorted(entries.items())),
        }
        (self._fresh / MANIFEST).write_text(_on_lines(manifest), encoding="utf-8")
        if self._place:
            self._place.close()
        return self.written


def _on_lines(manifest: Mapping[str, Any]) -> str:
    """As JSON, with a statement on each line."""
    entries = ",\n".join(f"{json.dumps(key)}: {json.dumps(each)}" for key, each in manifest["statements"].items())
    head = json.dumps({**manifest, "statements": {}}, ensure_ascii=False, indent=1).removesuffix("{}\n}")
    return f"{head}{{\n{entries}\n}}\n}}\n"


def _make(
    sets: Callable[[ExitStack], Iterator[_Set]], press: Press, written: Written, total: int, progress: Progress
) -> Written:
    """Make the files of sets, one after the other; the next one is read while those before it are still being made.

    Folders that a set enters are left as they were if anything fails before the set is finished.
    """
    begun: deque[_Set] = deque()
    with ExitStack() as places, Staff(press) as staff:

        def tell() -> None:
            progress(written.statements + sum(each.done for each in begun), total)

        def left() -> int:
            return total - written.statements - sum(each.written.statements for each in begun)

        def finish() -> None:
            while begun and begun[0].is_made:
                written.add(begun.popleft().finish())

        def jobs() -> Iterator[Job]:
            for each in sets(places):
                begun.append(each)
                yield from each.jobs(tell)
                finish()

        for result in staff.make(jobs(), left):
            begun[0].take(result)
            finish()
            tell()
    progress(written.statements, total)
    return written


def _job(rows: SellerRows, setting: Setting, folder: Path) -> Job:
    names = file_names(rows.statement.seller_id)
    translate = language_of(language_of_statement(rows, setting)).texts.gettext
    lines, file = make_lines(
        names.csv, rows.unit_lines, lambda outcome: translate(OUTCOMES_OF_UNITS.get(outcome, ("", outcome))[1])
    )
    shown = view(rows, setting, file)
    return Job(shown, as_json(shown), lines, names, str(folder))


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
                names=(names := file_names(seller_id)),
                seller_id=printable(seller_id),
                seller_name=printable(name or ""),
                units=units or 0,
                cpu=share(contacts, units, english).per_cent if units else "",
                total=english.amount(amount, place.currency, place.minor_units),
                is_made=names.html in made,
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
