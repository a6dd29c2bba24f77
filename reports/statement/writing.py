"""Writes the statements of a period and marketplace: one self-contained page for each seller, and an index of them.

The folder of a period and marketplace is replaced whole: made beside the old one, then renamed over it. What a page
shows is in `view`; names of files are made here, from ids that may hold anything.
"""

import hashlib
import re
import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import duckdb
import jinja2
from markupsafe import Markup

from reports.statement.figures import month, printable, share, whole
from reports.statement.rows import BATCH, Setting, read_sellers, read_setting
from reports.statement.view import view

HERE = Path(__file__).parent
INDEX = "index.html"
SLUG_LENGTH = 40
HASH_LENGTH = 12
REPORT_EVERY = 50
"""Statements between two reports of progress."""

STATEMENTS = """
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


class IndexRow(NamedTuple):
    """A seller in the index."""

    link: str
    seller_id: str
    name: str
    units: str
    cpu: str
    total: str


def write_statements(
    con: duckdb.DuckDBPyConnection,
    scope: Sequence[tuple[str, str]],
    folder: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Write the statements of every period and marketplace in scope below a folder, and say how many there are.

    Each goes to `<period>/<marketplace_id>/` as `file_name` says, with an `index.html` beside it; what was there before
    is gone, or untouched if anything fails. Without statements there is no folder. Only committed rows are seen. Raises
    `StatementError` where the tables contradict each other, `ValueError` where a period is no period.
    """
    scope = list(dict.fromkeys(scope))
    for period, _ in scope:
        if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", period):
            raise ValueError(f"{period!r} is no billing period, such as 2026-10")
    numbers = {key: _summary(con, *key)[0] for key in scope}
    total, done = sum(numbers.values()), 0
    pages = _Pages()
    for period, marketplace_id in scope:
        setting = read_setting(con, period, marketplace_id)
        target = folder / period / folder_name(marketplace_id)
        before = done

        def report(written: int, before: int = before) -> None:
            progress(before + written, total)

        if numbers[period, marketplace_id]:
            with _Replacement(target) as fresh:
                done += _write_set(con, setting, fresh, pages, report)
        else:
            _remove(target)
        progress(done, total)
    return done


def file_name(seller_id: str) -> str:
    """The name of a seller's page: what is harmless of its id, and enough of a hash to tell any two ids apart."""
    return f"{_slug(seller_id, 'seller')}-{_hash(seller_id)}.html"


def folder_name(marketplace_id: str) -> str:
    """The name of a marketplace's folder: its id if that is a plain one, else made as `file_name` is."""
    if re.fullmatch(r"[A-Z0-9]{1,64}", marketplace_id):
        return marketplace_id
    return f"{_slug(marketplace_id, 'marketplace')}-{_hash(marketplace_id)}"


def _slug(text: str, otherwise: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:SLUG_LENGTH].strip("-") or otherwise


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


class _Pages:
    """The templates, compiled once, with the style that is inlined and the hash that the browser holds it against."""

    def __init__(self) -> None:
        css = (HERE / "statement.css").read_text(encoding="utf-8")
        digest = b64encode(hashlib.sha256(css.encode()).digest()).decode()
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        style = {"css": Markup(css), "css_hash": Markup(f"sha256-{digest}")}
        self.statement = environment.get_template("statement.html.j2", globals=style)
        self.index = environment.get_template("index.html.j2", globals=style)


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")


def _remove(target: Path) -> None:
    for folder in (target, _beside(target, "new"), _beside(target, "old")):
        if folder.exists():
            shutil.rmtree(folder)


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


def _write_set(
    con: duckdb.DuckDBPyConnection, setting: Setting, folder: Path, pages: _Pages, report: Callable[[int], None]
) -> int:
    written = 0
    for rows in read_sellers(con, setting):
        page = pages.statement.render(it=view(rows, setting))
        (folder / file_name(rows.statement.seller_id)).write_text(page, encoding="utf-8", newline="\n")
        written += 1
        if written % REPORT_EVERY == 0:
            report(written)
    number, total, drafts = _summary(con, setting.period, setting.marketplace.marketplace_id)
    stream = pages.index.stream(
        period=month(setting.period),
        domain=printable(setting.marketplace.domain),
        number=whole(number),
        total=setting.currency.amount(total),
        drafts="all drafts" if drafts == number else f"{whole(drafts)} of them drafts" if drafts else "",
        rows=_index_rows(con, setting),
    )
    stream.enable_buffering(BATCH)
    with (folder / INDEX).open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(stream)
    return written


def _summary(con: duckdb.DuckDBPyConnection, period: str, marketplace_id: str) -> tuple[int, Decimal, int]:
    with con.cursor() as cursor:
        ((number, total, drafts),) = cursor.execute(
            STATEMENTS, {"period": period, "marketplace_id": marketplace_id}
        ).fetchall()
    return number, total, drafts


def _index_rows(con: duckdb.DuckDBPyConnection, setting: Setting) -> Iterator[IndexRow]:
    key = {"period": setting.period, "marketplace_id": setting.marketplace.marketplace_id}
    with con.cursor() as cursor:
        result = cursor.execute(INDEX_ROWS, key)
        while batch := result.fetchmany(BATCH):
            for seller_id, name, units, contacts, total in batch:
                yield IndexRow(
                    link=file_name(seller_id),
                    seller_id=printable(seller_id),
                    name=printable(name or ""),
                    units=whole(units or 0),
                    cpu=share(contacts, units).per_cent if units else "",
                    total=setting.currency.amount(total),
                )
