"""Pages: a statement's facts made into HTML in its language, and the index of a set. One template for screen and paper.

Does not belong here: what a page shows (`view`), its sentences (`words`), files (`making`, `writing`).
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from reports import charts, templates
from reports.language import Language, language_of
from reports.statement.names import Names
from reports.statement.view import View
from reports.statement.words import Words

LABELS = {"en": 150, "zh-Hans": 120, "it": 170, "de": 170, "ja": 150}
"""Room for the labels of bars, in units of a chart's width."""


class IndexRow(NamedTuple):
    """A statement in the index."""

    names: Names
    seller_id: str
    seller_name: str
    units: int
    cpu: str
    total: str
    is_made: bool


class Index(NamedTuple):
    """What the index of a set shows; in English, for those who look through a period."""

    period: str
    domain: str
    number: str
    total: str
    drafts: str
    has_pdf: bool
    rows: Sequence[IndexRow]


@cache
def environment() -> jinja2.Environment:
    """The templates, compiled once a process for all languages."""
    return templates.environment(Path(__file__).parent, {"style": templates.style(templates.FOLDER / "page.css")})


@cache
def vocabulary(tag: str) -> Mapping[str, Any]:
    """What templates call to speak a language."""
    language = language_of(tag)
    translated = language.texts.gettext

    def say(message: str, **values: object) -> str:
        return translated(message) % values if values else translated(message)

    return {"_": say, "whole": language.whole, "bound": language.bound, "month": language.month}


def statement_page(it: View, names: Names, data_sha256: str, *, has_pdf: bool) -> str:
    """The page of a statement; `data_sha256` is the hash of its JSON file."""
    language = language_of(it.language)
    say = Words(it, language)
    return (
        environment()
        .get_template("statement.html.j2")
        .render(
            **vocabulary(it.language),
            it=it,
            say=say,
            period=language.month(it.period.id),
            gap="" if language.is_unspaced else " ",
            files=names._replace(pdf=names.pdf if has_pdf else ""),
            data_sha256=data_sha256,
            units_chart=charts.bar_chart(
                [(name, number, language.whole(number), marked) for name, number, _, marked in say.units],
                LABELS[it.language],
            ),
            reasons_chart=charts.bar_chart(
                [
                    (reason, total, language.whole(total), False)
                    for reason, _, total in (say.contacts.rows if say.contacts else ())
                ],
                LABELS[it.language],
            ),
            months_chart=_months_chart(it, say, language),
            months_described=say.months_described,
        )
    )


def _months_chart(it: View, say: Words, language: Language) -> charts.LineChart | None:
    """Contacts per unit of twelve months against the bounds of tiers and waivers; none unless two months are known."""
    known = [month for month in it.months if month.units]
    if len(known) < 2:
        return None
    values = [
        (
            short,
            month.contacts / month.units if month.units and month.contacts is not None else None,
            figure.per_hundred_in_short if figure else "",
        )
        for month, (short, _, figure) in zip(it.months, say.months, strict=True)
    ]
    return charts.line_chart(values, [(float(bound), language.bound(bound)) for bound in say.bounds])


def index_page(index: Index) -> str:
    """The page that lists a set."""
    return environment().get_template("index.html.j2").render(**vocabulary("en"), it=index)
