"""What came late for closed periods, and whom it concerns: noted in tables aside, from which re-rating goes on.

Late is a version of a row that came, or was beaten, since a period was last rated. It can touch the orders that it
names, in any version; these the sellers whose items they hold; and these the closed periods in which any of it counts.
All of it is decided from raw rows, so that it does not matter what the derived tables happen to hold. Whole rows are
fetched by row id: first it is found which, and of the others the engine reads only what tells them.

Does not belong here: what is made of them (`rerating.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from assets.aside import look_through
from assets.core.marketplaces import Marketplace
from assets.core.terms import Terms, put_terms
from assets.making import make
from assets.raw.datasets import DATASETS
from assets.reach import UNREAD
from assets.tables import UNKNOWN, step_of
from assets.warehouse import HASH, Warehouse

CLOCKS = {name: dataset.happened_at for name, dataset in DATASETS.items() if dataset.happened_at}
"""The time of each dataset of orders that decides where a row counts."""

RATED = ("order_items", "shipments", "contacts", "returns")
"""Those of them that can change a fee line; late rows of the others change what is known now, and are no cause."""

IN_SCOPE = "(period, marketplace_id) in (select period, marketplace_id from scope)"
SELLER = "period, marketplace_id, seller_id"

BY_ORDER = ("core.units", "core.contacts", "core.returns", "core.requests", "core.refunds", "core.defects")
"""Tables of which the rows of an order can be made alone."""

BALANCED = {
    "core.units": ("shipped", "quantity"),
    "core.contacts": ("received", "1"),
    "core.requests": ("made", "1"),
    "core.refunds": ("given", "1"),
    "core.defects": ("occurred", "1"),
}
"""Tables, some of whose rows have no marketplace, with a balance as their gate: its column of what was counted from raw
rows, and what a row of the table counts for in it."""


def were(name: str) -> str:
    """Aside: the rows of a table as they were, of late orders; of performance, of affected sellers."""
    return f"were_{name.partition('.')[2]}"


def before(name: str) -> str:
    """Aside: a table as it was known to be when the periods were last rated."""
    return f"{name}_before"


def without_unread(dataset: str) -> str:
    """What is selected of raw rows: the columns that are not read are null."""
    empty = ", ".join(f"cast(null as varchar) as {column}" for column in UNREAD.get(dataset, ()))
    return f"select * replace ({empty})" if empty else "select *"


def differing(some: str, others: str) -> str:
    """The rows that only one of two queries gives."""
    return f"({some} except {others}) union all ({others} except {some})"


@dataclass(frozen=True)
class LateRows:
    """What is late for marketplaces that are behind by the same loads; `whole` is why all their lines are in doubt.

    Used within a database aside (`aside.py`), with the closed periods in `scope`.
    """

    warehouse: Warehouse
    marketplaces: Mapping[str, Marketplace]
    rated_with: Mapping[str, Terms]
    """Of every marketplace with closed periods."""
    names: Sequence[str]
    since: int
    latest: int
    whole: str | None

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        """The connection of the warehouse."""
        return self.warehouse.con

    def closed(self) -> list[tuple[str, str]]:
        """The closed periods of the marketplaces, and the same months of rows that have none."""
        rows = self.con.execute(
            "select period, marketplace_id from warehouse.billing.closes where list_contains(?, marketplace_id)",
            [self.names],
        ).fetchall()
        return [*rows, *{(period, UNKNOWN) for period, _ in rows}]

    def only(self, table: str, columns: str) -> str:
        """The clause that keeps the rows named in a table; none if everything is made anew."""
        return "" if self.whole else f"semi join {table} using ({columns})"

    def rows_of(self, table: str, which: str) -> str:
        """The query of some rows of a table: found first, if they are few, so that no others are read whole."""
        return (
            f"from {table} {which}"
            if self.whole
            else f"from {table} where rowid in (select rowid from {table} {which})"
        )

    def within_closed(self, clock: str) -> str:
        """The condition that an instant lies in a closed period, written out: so the engine reads no other rows."""
        ((first,),) = self.con.execute("select min(starts_at) from scope").fetchall()
        return f"{clock} >= timestamp '{first}' and {self.before_open(clock)}"

    def before_open(self, clock: str) -> str:
        """The condition that an instant lies in a closed period or before all of them."""
        ((end,),) = self.con.execute("select max(ends_at) from scope").fetchall()
        return f"{clock} < timestamp '{end}'"

    @property
    def kind(self) -> str:
        """What rows that are looked at several times are made: a table, or a view where they are all there are."""
        return "view" if self.whole else "table"

    def is_empty(self, rows: str) -> bool:
        """Whether a query gives no rows."""
        return not self.con.execute(f"select 1 from ({rows}) limit 1").fetchall()

    def show(self, name: str, query: str) -> None:
        """Make a view aside, in the place of another of the name."""
        self.con.execute(f"create or replace view {name} as {query}")

    # -- what came late -----------------------------------------------------------------------------------------

    def find_changed_enrolments(self) -> None:
        """`changed_sellers`: sellers, of any marketplace, whose enrolment is otherwise than it was known to be.

        `told_sellers`: others of whom an event is otherwise, though it came to nothing: it stands behind their lines.
        """
        self.warehouse.show_as_of(self.since, raw="warehouse.raw")
        events, terms = ("core.enrolment_events", "core.enrolments"), ("core.terms", "core.tiers")
        for name in terms:
            self.con.execute(f"drop view {name}")
        put_terms(self.con, [self.rated_with[name] for name in self.names], self.marketplaces)
        self.con.execute("insert into core.terms from warehouse.core.terms anti join core.terms using (marketplace_id)")
        if self.may_change_enrolments():
            for name in events:
                self.con.execute(f"drop view {name}")
                make(self.warehouse, step_of(name), aside=True)
            for name in events:
                self.con.execute(f"alter table {name} rename to {before(name).removeprefix('core.')}")
            changed, told = (differing(f"from {before(name)}", f"from warehouse.{name}") for name in reversed(events))
        else:  # and so neither is otherwise, of anybody
            for name in events:
                self.show(before(name), f"from warehouse.{name}")
            changed = told = "from warehouse.core.enrolments where false"
        self.con.execute(f"""
            create table changed_sellers as select distinct marketplace_id, seller_id from ({changed})""")
        self.con.execute(f"""
            create table told_sellers as
            select distinct marketplace_id, seller_id
            from ({told}) anti join changed_sellers using (marketplace_id, seller_id)""")
        for name in terms:
            self.con.execute(f"drop table {name}")
        look_through(self.con, [*events, *terms, "in_force.sellers"])
        for dataset in CLOCKS:
            self.con.execute(f"drop view in_force.{dataset}")

    def may_change_enrolments(self) -> bool:
        """Whether an event or a version of a seller came since, or terms give another trial: `core.terms` aside do."""
        came = f"""
            from warehouse.audit.files
            where dataset in ('sellers', 'enrolment_events') and rows_loaded > 0 and load_id > {self.since}"""
        return not (self.is_empty(came) and self.is_empty(differing("from core.terms", "from warehouse.core.terms")))

    def find_late_rows(self) -> None:
        """`late`: versions of rows that came, or were beaten, since; `late_orders`: the orders they can touch."""
        self.con.execute(
            "create table late (order_id varchar, contact_id varchar, happened_at timestamp, cause varchar)"
        )
        for dataset, clock in CLOCKS.items():
            key, what = ", ".join(DATASETS[dataset].key), dataset.removesuffix("s")
            contact = "contact_id" if dataset == "contacts" else "null"
            cause = f"if(({key}) in (select {key} from corrected), 'corrected_', 'late_') || '{what}'"
            since = f"from warehouse.raw.superseded where dataset = '{dataset}' and load_id > {self.since}"
            beaten = self.rows_of(f"warehouse.raw.{dataset}", f"semi join ({since}) using (file_id, row_number)")
            self.con.execute(f"""
                insert into late
                with beaten as (
                    select {key}, order_id, {clock}, load_id from ({beaten})
                ),
                corrected as (select distinct {key} from beaten where load_id <= {self.since}),
                versions as (
                    select {key}, order_id, {clock} as happened_at
                    from warehouse.raw.{dataset} where load_id > {self.since}
                    union
                    select {key}, order_id, {clock} from beaten
                )
                select order_id, {contact}, happened_at, {cause if dataset in RATED else "null"}
                from versions""")
        self.con.execute(
            "create table late_contacts as select distinct contact_id from late where contact_id is not null"
        )
        # A row of an open period touches no closed one, but for an item that rows of closed ones were waiting for.
        self.con.execute("""
            create table late_orders as
            select distinct order_id from late
            where order_id is not null
                and (happened_at < (select max(ends_at) from scope) or cause = 'corrected_order_item')""")
        awaited = """
            select order_id from late
            where cause = 'late_order_item' and happened_at >= (select max(ends_at) from scope)"""
        # What is about nobody is not asked for: the rows of all orders would be read to find none.
        if not self.is_empty(awaited):
            times = self.times("warehouse.raw")
            self.con.execute(f"insert into late_orders from ({awaited}) semi join ({times}) using (order_id)")
        # Of a contact that came as it was before, what counts is the order that it names now.
        self.con.execute(f"""
            insert into late_orders
            select distinct order_id from warehouse.in_force.contacts semi join late_contacts using (contact_id)
            where order_id is not null and {self.within_closed(CLOCKS["contacts"])}""")
        # A contact is about its order's first covered item: in an order of several marketplaces one seller's enrolment
        # can turn a contact away from another's.
        self.con.execute("create table orders_of_changed (order_id varchar)")
        if not self.is_empty("from changed_sellers"):
            self.con.execute("""
                insert into orders_of_changed
                select distinct order_id
                from warehouse.raw.order_items semi join changed_sellers using (marketplace_id, seller_id)""")
            self.con.execute("""
                insert into late_orders
                select distinct order_id
                from warehouse.raw.order_items semi join orders_of_changed using (order_id)
                where marketplace_id in (select marketplace_id from scope)""")
        if not self.is_empty("from told_sellers"):
            self.con.execute("""
                insert into late_orders
                select distinct order_id
                from warehouse.raw.order_items semi join told_sellers using (marketplace_id, seller_id)""")

    def times(self, raw: str) -> str:
        """The query of when anything of an order happened that may count in a closed period, in any version of it."""
        return " union ".join(
            f"select order_id, {clock} as happened_at from {raw}.{dataset} where {self.within_closed(clock)}"
            for dataset, clock in CLOCKS.items()
            if dataset != "order_items"
        )

    def find_rows_of_late_orders(self) -> None:
        """`of_late.*`: every version of the rows of late orders, as far as they may count in closed periods.

        Read once, by joins alone, never `or`: they tell the engine which rows it need not read.
        """
        self.con.execute("create schema of_late")
        self.show("of_late.superseded", "from warehouse.raw.superseded")
        self.con.execute(f"create table late_hashes as select hash(order_id) as {HASH} from late_orders")
        for dataset, clock in CLOCKS.items():
            closed = "" if dataset == "order_items" else f"where {self.within_closed(clock)}"
            if dataset == "shipments":  # what was shipped before counts for what is reported
                closed = f"where {self.before_open(clock)}"
            raw, late = f"warehouse.raw.{dataset}", self.only("late_orders", "order_id")
            if DATASETS[dataset].found_by == "order_id":  # looked for by the hash, which is read sooner than the id
                which = self.only("late_hashes", HASH)
                rows = f"from ({self.rows_of(raw, f'{which} {closed}')}) {late}"
            else:
                rows = self.rows_of(raw, f"{late} {closed}")
            self.con.execute(f"create {self.kind} of_late.{dataset} as {without_unread(dataset)} {rows}")

    # -- whom it concerns ---------------------------------------------------------------------------------------

    def find_affected_sellers(self) -> None:
        """`places`: orders, and the sellers and periods in which they may count; `affected`: the sellers to rate anew.

        Decided from all versions of all rows, so that it does not matter what the derived tables happen to hold.
        """
        self.con.execute("""
            create table owners as
            select distinct order_id, marketplace_id, seller_id, purchased_at from of_late.order_items""")
        self.con.execute(f"""
            create table places as
            with times as ({self.times("of_late")})
            select distinct scope.period, owners.marketplace_id, owners.seller_id, owners.order_id
            from owners
            join times on times.order_id = owners.order_id
            join scope
                on scope.marketplace_id = owners.marketplace_id
                and scope.starts_at <= times.happened_at and times.happened_at < scope.ends_at
            union
            select scope.period, owners.marketplace_id, owners.seller_id, owners.order_id
            from owners
            join scope
                on scope.marketplace_id = owners.marketplace_id
                and scope.quarter_starts_at <= owners.purchased_at and owners.purchased_at < scope.ends_at""")
        self.con.execute("create table affected as select distinct period, marketplace_id, seller_id from places")

    def find_touched_periods(self) -> None:
        """`touched`: the periods whose rows change, those of rows without a marketplace included."""
        waiting = " union ".join(
            f"select period, marketplace_id from {rows} where marketplace_id = '{UNKNOWN}'"
            for table in BALANCED
            for rows in (table, were(table))
        )
        self.con.execute(f"""
            create table touched as
            select distinct period, marketplace_id from (
                select period, marketplace_id from affected union {waiting}
            ) semi join scope using (period, marketplace_id)""")

    def find_rows_as_they_were(self) -> None:
        """`were_units` and so on: rows of late orders as they were, and `row_id`, where they lie.

        `were_performance`: that of affected sellers.
        """
        for name in BY_ORDER:
            late = f"select rowid from warehouse.{name} semi join late_orders using (order_id)"
            if name == "core.contacts":  # a late one may have named another order
                late = f"{late} union select rowid from warehouse.{name} semi join late_contacts using (contact_id)"
            few = f"select *, rowid as row_id from warehouse.{name} where rowid in ({late})"
            if name == "core.units":
                few = self.units_as_they_were()
            self.con.execute(f"create {self.kind} {were(name)} as {f'from warehouse.{name}' if self.whole else few}")
        self.con.execute(f"""
            create table {were("billing.performance")} as
            from warehouse.billing.performance semi join affected using (period, marketplace_id, seller_id)""")

    def units_as_they_were(self) -> str:
        """The query of the units of late orders: small columns are read, ids come from the raw rows fetched before."""
        # by its number first: one column is looked up sooner than two
        numbers = "row_number in (select row_number from of_late.shipments)"
        found = f"""
            select rowid from (select rowid, file_id, row_number from warehouse.core.units where {numbers})
            semi join of_late.shipments using (file_id, row_number)"""
        return f"""
            with few as materialized (
                select
                    period, marketplace_id, seller_id, shipped_at, quantity, outcome, terms_id, is_tracking_valid,
                    file_id, row_number, rowid as row_id
                from warehouse.core.units where rowid in ({found})
            )
            select few.*, line.shipment_id, line.order_id, line.order_item_id
            from few join of_late.shipments as line using (file_id, row_number)"""
