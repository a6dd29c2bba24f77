"""What is carried forward: a count as it was, less what late orders counted for, plus what they count for now.

So the balances of touched periods, and the counts that the lines of affected sellers are rated from, cost what the late
orders cost; all other orders count for what they did. `recounting.py` holds it against all rows before a close.

Does not belong here: which orders are late (`late.py`), and what becomes of the counts (`rerating.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from assets.billing.late import BALANCED, BY_ORDER, SELLER, LateRows, before, differing, were, without_unread
from assets.making import keep_first
from assets.tables import Table, step_of
from assets.warehouse import known_after

PERFORMANCE, LINES = "billing.performance", "billing.fee_lines"

COUNTED = {
    "totals": (PERFORMANCE, SELLER, ("units", "contacts", "units_valid_tracking", "returns", "returns_prepaid")),
    "quarters": (PERFORMANCE, SELLER, ("orders",)),
    "covered": (LINES, f"{SELLER}, terms_id, kind", ("units",)),
}
"""What lines are rated from, counted order by order: the table whose query counts it, its key, and the counts."""


def balance_of(name: str) -> Table:
    """The balance that is the gate of a table."""
    _, balance = step_of(name)
    return balance


def carried(name: str) -> str:
    """Aside: what the raw rows of a table come to."""
    return f"carried_{name.partition('.')[2]}"


@dataclass(frozen=True)
class CarriedCounts(LateRows):
    """Counts that are carried forward by late rows, aside."""

    def set_late_orders_aside(self) -> None:
        """`core.fresh_units` and so on: what was made of late orders."""
        for name in BY_ORDER:
            self.con.execute(f"alter table {name} rename to {name.replace('core.', 'fresh_')}")

    def show_as_before(self) -> None:
        """Late orders and their sellers as they were when last rated; where all is in doubt, everything."""
        for name in BY_ORDER:
            self.show(name, f"from {were(name)}")
        self.show(PERFORMANCE, f"from {were(PERFORMANCE)}")
        self.show_enrolments_and_items(self.since, before)

    def show_as_now(self) -> None:
        """Late orders as they were just made."""
        for name in BY_ORDER:
            self.show(name, f"from {name.replace('.', '.fresh_')}")
        self.show_enrolments_and_items_now()

    def show_enrolments_and_items_now(self) -> None:
        """As they are known by all marketplaces alike."""
        self.show_enrolments_and_items(self.latest, "warehouse.{}".format)

    def show_enrolments_and_items(self, load_id: int, where: Callable[[str], str]) -> None:
        """Items as they were known after a load, and the enrolments of affected sellers from where they stand."""
        for name in ("core.enrolment_events", "core.enrolments"):
            self.show(name, f"from {where(name)} semi join affected using (marketplace_id, seller_id)")
        self.show("in_force.order_items", known_after(load_id, "order_items", "of_late"))

    def carry_balances(self) -> None:
        """`carried_units` and so on: what the raw rows of touched periods come to.

        That is what was counted, less the rows of late orders as they were, more their raw rows as they are now, which
        were just counted aside.
        """
        for name, (column, weight) in BALANCED.items():
            balance = balance_of(name).full_name
            self.con.execute(f"""
                create table {carried(name)} as
                select marketplace_id, period, cast(sum(number) as bigint) as number
                from (
                    select marketplace_id, period, {column} as number from warehouse.{balance}
                    union all
                    select marketplace_id, period, -({weight}) from {were(name)}
                    union all
                    select marketplace_id, period, {column} from {balance}
                )
                semi join touched using (period, marketplace_id)
                group by all""")

    def count(self, when: str, *names: str) -> None:
        """`totals_before` and so on: what late orders count for, as they are shown."""
        for name in names:
            (table,) = step_of(COUNTED[name][0])
            keep_first(self.con, table, name, f"{name}_{when}")

    def carry_counts(self) -> None:
        """`carried_totals` and so on: what the affected sellers count for now.

        That is what they counted for, less late orders as they were, more late orders as they are. The orders
        of the quarter of a seller that enters or leaves billing.performance are counted from all its items, which are
        added to `of_late.order_items`.
        """
        for when, show in (("before", self.show_as_before), ("now", self.show_as_now)):
            show()
            self.count(when, "totals", "covered")
        self.carry("totals", f"from {were(PERFORMANCE)}")
        self.carry("covered", f"from warehouse.billing.rerated_lines semi join affected using ({SELLER})")
        judged = f"select {SELLER} from"
        self.con.execute(f"""
            create table turned as
            select distinct marketplace_id, seller_id
            from ({differing(f"{judged} {were(PERFORMANCE)}", f"{judged} carried_totals")})""")
        if not self.is_empty("from turned"):
            theirs = self.rows_of("warehouse.raw.order_items", "where seller_id in (select seller_id from turned)")
            self.con.execute(f"""
                insert into of_late.order_items
                {without_unread("order_items")} from ({theirs})
                semi join turned using (marketplace_id, seller_id)
                anti join late_orders using (order_id)""")
        self.show("totals", "from carried_totals")  # which the query of the next ones reads
        for when, show in (("before", self.show_as_before), ("now", self.show_as_now)):
            show()
            self.count(when, "quarters")
        self.con.execute("drop view totals")
        judged_before = f"select {SELLER} from {were(PERFORMANCE)}"
        self.con.execute(f"delete from quarters_before where ({SELLER}) not in ({judged_before})")
        self.carry("quarters", f"select *, orders_in_quarter as orders from {were(PERFORMANCE)}")

    def carry(self, name: str, counted: str) -> None:
        """What was counted, less what late orders counted for, more what they count for now; none where nothing is."""
        _, key, counts = COUNTED[name]
        sums = ", ".join(f"cast(sum({count}) as bigint) as {count}" for count in counts)
        self.con.execute(f"""
            create table carried_{name} as
            select {key}, {sums}
            from (
                select {key}, {", ".join(counts)} from ({counted})
                union all
                select {key}, {", ".join(f"-{count}" for count in counts)} from {name}_before
                union all
                select {key}, {", ".join(counts)} from {name}_now
            )
            group by all
            having {" or ".join(f"sum({count}) <> 0" for count in counts)}""")
