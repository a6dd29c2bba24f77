"""What a step of tables is made from, as far as the text of its queries tells: so that what it does not read is no
reason to make it anew.

Does not belong here: which loads that comes to (`making.py`).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assets.billing import books
from assets.lineage import REACHED, names_in
from assets.raw.datasets import DATASETS, Dataset
from assets.tables import CALENDAR, Table, tables

_NOTHING_ELSE = r"(?!\s+or\b)"
"""After a condition: no other may do in its stead."""


@dataclass(frozen=True)
class Reads:
    """What a step is made from: tables, those below a view instead of the view; of a dataset, its raw table."""

    tables: frozenset[str]
    within: frozenset[str]
    """Datasets of which it reads only what happened within the scope."""
    reached: frozenset[str]
    """Datasets of which it reads only that and what is `reached`."""
    of_scope: frozenset[str]
    """Books of which it reads only the rows of the scope's periods and marketplaces."""


def reads_of(step: Sequence[Table]) -> Reads:
    """What its queries, as they are written, and those of the views that they name read; not what the step makes."""
    queries = [query for table in step for query in table.queries]
    names = frozenset[str]().union(*map(names_in, queries))
    wholly, views = _below(name for name in names if name not in REACHED)
    reached, views_reached = _below(REACHED[name] for name in names if name in REACHED)
    written = "\n".join([*queries, *views, *views_reached])
    within = frozenset(name for name, dataset in DATASETS.items() if _is_read_within(dataset, written))
    closes = {"billing.closes"} if step[0].is_books else set()
    return Reads(
        tables=(wholly | reached | closes | {CALENDAR}) - {table.full_name for table in step},
        within=within,
        reached=frozenset(
            dataset.name
            for dataset in DATASETS.values()
            if dataset.found_by
            and f"raw.{dataset.name}" in reached
            and (f"raw.{dataset.name}" not in wholly or dataset.name in within)
        ),
        of_scope=frozenset(name for name in wholly & books.TABLES.keys() if _is_read_of_scope(name, written)),
    )


def _below(names: Iterable[str]) -> tuple[frozenset[str], list[str]]:
    """Tables, those below a view instead of the view; and the queries of the views."""
    found, queries, waiting = set(), [], list(names)
    while waiting:
        name = waiting.pop().replace("in_force.", "raw.")
        table = tables().get(name)
        if table is not None and table.is_view:
            waiting.extend(table.reads)
            queries.append(table.query)
        else:
            found.add(name)
    return frozenset(found), queries


def _is_read_within(dataset: Dataset, text: str) -> bool:
    """Whether rows of a dataset are asked for by the times of the scope wherever it is named."""
    at = dataset.happened_at
    times = rf"{at} >= \$first_instant and {at} < \$last_instant\b{_NOTHING_ELSE}"
    asked = re.findall(rf"in_force\.{dataset.name}\s+where {times}", text)
    return at is not None and len(asked) == len(re.findall(rf"\b(?:in_force|raw)\.{dataset.name}\b", text)) > 0


def _is_read_of_scope(name: str, text: str) -> bool:
    """Whether a table is joined to the scope wherever it is named."""
    pair = rf"on scope\.period = \1\.period\s+and scope\.marketplace_id = \1\.marketplace_id\b{_NOTHING_ELSE}"
    joined = re.findall(rf"{name} as (\w+)\s+join scope\s+{pair}", text)
    return len(joined) == len(re.findall(rf"{name}\b", text)) > 0
