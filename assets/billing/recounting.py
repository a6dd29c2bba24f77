"""Closed periods counted again from all raw rows, rated again from core's, and held against what was carried forward.

Done before a close, which books what was carried. Does not belong here: carrying anything.
"""

from collections.abc import Sequence

from assets.aside import look_through, made_aside
from assets.billing.books import LINE_COLUMNS
from assets.billing.carried import LINES, PERFORMANCE, balance_of
from assets.billing.late import BALANCED, IN_SCOPE, differing
from assets.making import ChecksFailedError, Failure, choose, failures_of, make, reads_narrowly, replace_and_check
from assets.tables import UNKNOWN, Check, step_of
from assets.warehouse import Warehouse


def carried_of(warehouse: Warehouse, names: Sequence[str]) -> list[tuple[str, str]]:
    """Closed periods of marketplaces, and the same months of rows without one, whose balances are carried forward."""
    return warehouse.con.execute(
        f"""
        with closed as (select period, marketplace_id from billing.closes where list_contains(?, marketplace_id))
        select period, marketplace_id from billing.carried_balances
        semi join (from closed union select period, '{UNKNOWN}' from closed) using (period, marketplace_id)""",
        [names],
    ).fetchall()


def recount(warehouse: Warehouse, chosen: Sequence[str]) -> None:
    """Count the balances that were carried forward for closed periods of the marketplaces chosen from all raw rows.

    The marketplaces must be re-rated with all that is known. Period by period: one that adds up is no longer noted as
    carried. Raises `ChecksFailedError` for all that do not, which stay as they are.
    """
    pairs = carried_of(warehouse, chosen)
    balances, failures = [balance_of(name) for name in BALANCED], list[Failure]()
    for period in sorted({period for period, _ in pairs}):
        choose(warehouse.con, [pair for pair in pairs if pair[0] == period])
        is_narrow = reads_narrowly(warehouse, balances)
        try:
            _rate_again(warehouse)
            with warehouse.transaction():
                replace_and_check(warehouse, balances, is_narrow=is_narrow)
                warehouse.con.execute(f"delete from billing.carried_balances where {IN_SCOPE}")
        except ChecksFailedError as error:
            failures += error.failures
    if failures:
        raise ChecksFailedError(failures)


def _rate_again(warehouse: Warehouse) -> None:
    """Rate what is in scope from all rows, aside. Raises `ChecksFailedError` where that is not what was carried."""
    looked_at = {name for made in (PERFORMANCE, LINES) for name in step_of(made)[0].reads} - {PERFORMANCE}
    with made_aside(warehouse.con):
        look_through(warehouse.con, sorted(looked_at))
        failures = list[Failure]()
        for made, columns, carried in (
            (PERFORMANCE, "*", f"warehouse.{PERFORMANCE}"),
            (LINES, LINE_COLUMNS, "warehouse.billing.rerated_lines"),
        ):
            make(warehouse, step_of(made), aside=True)
            rows = differing(f"select {columns} from {made}", f"select {columns} from {carried} where {IN_SCOPE}")
            rule = "what late rows came to = what all rows come to"
            failures += failures_of(warehouse, Check(carried.removeprefix("warehouse."), rule, rows))
    if failures:
        raise ChecksFailedError(failures)
