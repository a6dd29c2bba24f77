"""Checks as Dagster shows them: the rules in a table's header, and the accounts of a load. All block what follows.

A table's checks run inside the transaction that replaces it (`tables.py`); here their results are only told.
"""

from collections.abc import Iterable, Sequence

import dagster as dg

from assets.tables import Check, Failure, Table


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
                    metadata={failure.marketplace_id: str(failure) for failure in broken},
                )
            )
    return results


def _name(check: Check) -> str:
    """A name that Dagster allows: letters, digits and underscores."""
    return "_".join("".join(c if c.isalnum() else " " for c in check.name.replace("=", "equal")).split())
