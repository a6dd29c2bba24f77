"""Pages: what a statement shows made into HTML, by templates that are kept beside the books when a period is closed.

A page is made from its view as JSON and from nothing else, so that a kept view and kept templates make it again.

Does not belong here: what a page shows (`view`), where it goes (`writing`).
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import duckdb
import jinja2
from markupsafe import Markup

from reports.statement.figures import month, printable, share, whole
from reports.statement.names import INDEX_PAGE, file_name
from reports.statement.rows import Setting, read_sellers, read_setting
from reports.statement.view import view

HERE = Path(__file__).parent
STATEMENT, INDEX, STYLE = "statement.html.j2", "index.html.j2", "statement.css"

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


class Page(NamedTuple):
    """A page of a period and marketplace."""

    file_name: str
    statement_id: str | None
    """None for the index."""
    view: str
    """What it shows, as JSON."""
    html: str


class Templates:
    """Templates with the style that is inlined, compiled once."""

    def __init__(self, texts: Mapping[str, str] | None = None) -> None:
        """The project's own, or those kept with a closed period."""
        own = {name: (HERE / name).read_text(encoding="utf-8") for name in (STATEMENT, INDEX, STYLE)}
        self.texts = dict(texts or own)
        digest = b64encode(hashlib.sha256(self.texts[STYLE].encode()).digest()).decode()
        self._environment = jinja2.Environment(
            loader=jinja2.DictLoader(self.texts),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._style = {"css": Markup(self.texts[STYLE]), "css_hash": Markup(f"sha256-{digest}")}

    @property
    def sha256(self) -> str:
        """The hash of all files."""
        return hashlib.sha256(json.dumps(self.texts, sort_keys=True).encode()).hexdigest()

    def html(self, template: str, shown: str) -> str:
        """The page of a view."""
        page = json.loads(shown, object_hook=lambda values: SimpleNamespace(**values))
        return self._environment.get_template(template, globals=self._style).render(it=page)


def make_pages(
    con: duckdb.DuckDBPyConnection,
    period: str,
    marketplace_id: str,
    templates: Templates,
    *,
    is_final: bool | None = None,
) -> Iterator[Page]:
    """The statement of each seller in the order of their ids, and last the index; none without statements.

    `is_final` says whether they show themselves as final; by itself each as its status says. Only committed rows are
    seen. Raises `StatementError` where the tables contradict each other.
    """
    setting = read_setting(con, period, marketplace_id)
    is_empty = True
    for rows in read_sellers(con, setting):
        is_empty = False
        if is_final is not None:
            rows = rows.with_status("final" if is_final else "draft")  # noqa: PLW2901
        shown = _as_json(view(rows, setting))
        statement = rows.statement
        yield Page(file_name(statement.seller_id), statement.statement_id, shown, templates.html(STATEMENT, shown))
    if not is_empty:
        shown = json.dumps(_index(con, setting, is_final=is_final), ensure_ascii=False)
        yield Page(INDEX_PAGE, None, shown, templates.html(INDEX, shown))


def count_statements(con: duckdb.DuckDBPyConnection, period: str, marketplace_id: str) -> int:
    """How many statements there are."""
    with con.cursor() as cursor:
        return cursor.execute(SUMMARY, {"period": period, "marketplace_id": marketplace_id}).fetchall()[0][0]


def _as_json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _index(con: duckdb.DuckDBPyConnection, setting: Setting, *, is_final: bool | None) -> dict[str, Any]:
    key = {"period": setting.period, "marketplace_id": setting.marketplace.marketplace_id}
    with con.cursor() as cursor:
        ((number, total, drafts),) = cursor.execute(SUMMARY, key).fetchall()
        if is_final is not None:
            drafts = 0 if is_final else number
        return {
            "period": month(setting.period),
            "domain": printable(setting.marketplace.domain),
            "number": whole(number),
            "total": setting.currency.amount(total),
            "drafts": "all drafts" if drafts == number else f"{whole(drafts)} of them drafts" if drafts else "",
            "rows": [
                [
                    file_name(seller_id),
                    printable(seller_id),
                    printable(name or ""),
                    whole(units or 0),
                    share(contacts, units).per_cent if units else "",
                    setting.currency.amount(amount),
                ]
                for seller_id, name, units, contacts, amount in cursor.execute(INDEX_ROWS, key).fetchall()
            ],
        }
