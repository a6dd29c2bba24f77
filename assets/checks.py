"""Checks as Dagster shows them: the rules in a table's header, and the accounts of a load. All block what follows.

A table's checks run inside the transaction that replaces it (`making.py`); here their results are only told. What a
failed one shows are columns of its table, which readers have anyway (`pipelines/publishing.py`), and what it adds up.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg

from assets.figures import shown
from assets.making import Failure
from assets.tables import Check, Table


def check_specs(tables: Iterable[Table]) -> list[dg.AssetCheckSpec]:
    """The checks of tables, each on its asset."""
    return [
        dg.AssetCheckSpec(
            _name(check), asset=dg.AssetKey(check.table.split(".")), blocking=True, description=check.name
        )
        for table in tables
        for check in table.checks
    ]


def check_results(tables: Iterable[Table], failures: Sequence[Failure] = ()) -> list[dg.AssetCheckResult]:
    """The result of every check of tables, given those that failed."""
    results = []
    for table in tables:
        for check in table.checks:
            broken = [failure for failure in failures if failure.check == check]
            results.append(
                dg.AssetCheckResult(
                    check_name=_name(check),
                    asset_key=dg.AssetKey(table.full_name.split(".")),
                    passed=not broken,
                    description="\n".join(map(str, broken)) or None,
                    metadata=_told(check, broken) if broken else {},
                )
            )
    return results


def _told(check: Check, broken: Sequence[Failure]) -> dict[str, dg.MetadataValue]:
    """How many rows break a check, some of them, and the query that finds them."""
    examples = [{"marketplace": failure.marketplace_id, **row} for failure in broken for row in failure.examples]
    names = [name for name in examples[0] if any(row[name] is not None for row in examples)]
    return {
        "failing rows": dg.MetadataValue.int(sum(failure.rows for failure in broken)),
        "by marketplace": table_of(
            ("marketplace", "failing rows"), [(failure.marketplace_id, failure.rows) for failure in broken]
        ),
        "some of them": table_of(names, [[row[name] for name in names] for row in examples]),
        "query": dg.MetadataValue.md(f"```sql\n{check.query}\n```"),
    }


def table_of(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dg.MetadataValue:
    """Rows as a table that the page of a check shows at once; Markdown it shows only to who asks for it."""
    records = [dg.TableRecord({name: shown(value) for name, value in zip(names, row, strict=True)}) for row in rows]
    return dg.MetadataValue.table(records, schema=dg.TableSchema([dg.TableColumn(name) for name in names]))


def _name(check: Check) -> str:
    """A name that Dagster allows: letters, digits and underscores."""
    return "_".join("".join(c if c.isalnum() else " " for c in check.name.replace("=", "equal")).split())
