"""Closed periods rated again with what is known now (domain.md, "Closing, and what comes late").

It owns `billing.rerated_lines`, `billing.rerating`, `billing.late_causes`, `billing.kept_evidence` and
`billing.carried_balances`, and brings the rows of closed periods in `core.*`, `billing.performance` and `audit.*` up to
the present. What a close wrote it never touches: the difference between `billing.posted_lines` and
`billing.rerated_lines` becomes adjustments (`adjustments.sql`).

The cost follows the late rows. First the orders that late rows can touch: all their units, contacts, returns and so on
in closed periods are made anew, aside, by the very SQL that makes them for an open period, from the rows of those
orders alone. Then the sellers of those orders are rated anew in the periods concerned: what they were counted for, less
those orders as they were, more those orders as they are. Last, everything replaces what was there in one transaction,
and the balances of the touched periods are carried forward in the same way; the next close counts all of it again, the
balances from all raw rows, before anything is booked (`recounting.py`).

Does not belong here: finding what is late, and whom it concerns (`late.py`); counts (`carried.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assets.aside import in_the_warehouse, look_through, made_aside
from assets.billing.books import EVIDENCE_COLUMNS, LINE_COLUMNS, keep_terms, kept_terms, rerating_of
from assets.billing.carried import LINES, PERFORMANCE, CarriedCounts, balance_of, carried
from assets.billing.late import BALANCED, BY_ORDER, CLOCKS, IN_SCOPE, SELLER, differing, were
from assets.billing.recounting import carried_of
from assets.core.marketplaces import Marketplace
from assets.core.terms import Terms, parse_terms, terms_repriced
from assets.making import (
    choose,
    create,
    is_of_nothing,
    make,
    reads_narrowly,
    replace_and_check,
)
from assets.tables import Table, step_of
from assets.warehouse import Warehouse, known_after

SHOWN_ASIDE = (
    *("core.marketplaces", "core.calendar", "core.terms", "core.tiers"),
    *("core.enrolment_events", "core.enrolments", "core.marketplaces_with_returns"),
)
"""Tables that are looked at as they are in the warehouse, where they are up to date."""

ANEW = "counted_anew"
"""The cause of what is otherwise when all is rated anew, and no row explains it."""

DEFECTS = "billing.defects"
"""Made again as a whole for the touched periods: one defect decides whether any is known of a marketplace."""


def rerate(
    warehouse: Warehouse, terms: Mapping[str, Terms], marketplaces: Mapping[str, Marketplace], chosen: Sequence[str]
) -> int:
    """Bring the closed periods of the marketplaces chosen up to the present; returns the sellers rated anew.

    `terms` are those that a run may use, by marketplace. One without, or one that is not chosen, is left as it is: only
    what its lines rest on is kept. The tables that do not depend on a period (core.enrolments and before) must be up to
    date. Does nothing where nothing came since; but where the warehouse `makes_anew`, a marketplace with balances that
    are carried forward is rated anew as a whole. Raises `ChecksFailedError`, and then nothing is changed.
    """
    con, latest = warehouse.con, warehouse.latest_load()
    due: dict[tuple[int, str | None], list[str]] = {}
    waiting: dict[int, list[str]] = {}
    rated_with: dict[str, Terms] = {}
    for name, standing in rerating_of(con).items():
        if name not in marketplaces:
            continue
        kept = kept_terms(con, standing["terms_sha256"], name)
        rated_with[name] = parse_terms(kept, Path("billing.kept_terms"), marketplaces)
        is_priced_otherwise = name not in terms or bool(terms_repriced(con, terms[name], rated_with[name]))
        if name not in chosen or name not in terms:
            if is_priced_otherwise or standing["load_id"] < latest:
                waiting.setdefault(standing["load_id"], []).append(name)
            continue
        whole = "terms_repriced" if is_priced_otherwise else _doubt(warehouse, terms[name], standing)
        if whole or standing["load_id"] < latest:
            due.setdefault((standing["load_id"], whole), []).append(name)
    rated = 0
    if due or waiting:  # a home may be older than some of the tables, whose own step need not have come yet
        for name in ("core.order_items", "core.coverage", *BY_ORDER, "audit.evidence", DEFECTS):
            for table in step_of(name):
                create(con, table)
    for (since, whole), names in due.items():
        with made_aside(con):
            this = _Rerating(warehouse, marketplaces, rated_with, names, since, latest, whole)
            rated += this.run({name: terms[name] for name in names})
    for since, names in waiting.items():
        with made_aside(con):
            _Rerating(warehouse, marketplaces, rated_with, names, since, latest, whole=None).keep()
    return rated


def _doubt(warehouse: Warehouse, terms: Terms, standing: Mapping[str, Any]) -> str | None:
    """The cause for which all lines of a marketplace are in doubt, whatever came; none if there is none."""
    ((has_returns,),) = warehouse.con.execute(
        "select ? in (from core.marketplaces_with_returns)", [terms.marketplace_id]
    ).fetchall()
    if has_returns != standing["has_returns"] and terms.ask_for_returns:
        return "first_returns"
    is_carried = standing["load_id"] < warehouse.latest_load() or carried_of(warehouse, [terms.marketplace_id])
    return ANEW if warehouse.makes_anew and is_carried else None


@dataclass(frozen=True)
class _Rerating(CarriedCounts):
    """One re-rating; made for one `run`, or one `keep`."""

    def run(self, terms: Mapping[str, Terms]) -> int:
        look_through(self.con, SHOWN_ASIDE)
        closed = self.closed()
        choose(self.con, closed)
        self.find_changed_enrolments()
        self.find_late_rows()
        self.find_rows_of_late_orders()
        self.narrow_to_late_orders()
        for name in ("core.order_items", "core.coverage", *BY_ORDER):
            make(self.warehouse, step_of(name), aside=True)
        self.find_affected_sellers()
        self.find_rows_as_they_were()
        self.find_touched_periods()
        if not self.whole:
            self.carry_balances()
        self.set_late_orders_aside()
        if not self.whole:
            self.carry_counts()
        self.show_as_before()
        self.note_evidence("before")
        self.show_as_now()
        self.rate()
        self.note_evidence("now")
        self.find_causes()
        self.narrow_to_late_orders_again()
        make(self.warehouse, step_of("audit.exceptions"), aside=True)
        touched = closed if self.whole else self.con.execute("select period, marketplace_id from touched").fetchall()
        (rated,) = self.con.execute("select count(*) from affected").fetchall()[0]
        with in_the_warehouse(self.con):
            choose(self.con, touched)
            balances = list(self.balances_to_make()) if touched else []
            is_narrow = reads_narrowly(self.warehouse, balances)
            with self.warehouse.transaction():
                self.put_in_place(closed)
                self.keep_evidence()
                choose(self.con, touched)
                for step in [*([balance] for balance in balances), step_of(DEFECTS)] if touched else []:
                    replace_and_check(self.warehouse, step, is_narrow=is_narrow)
                if self.whole:  # and so all of it counted
                    self.con.execute(f"delete from billing.carried_balances where {IN_SCOPE}")
                self.enter(terms)
        return rated

    def keep(self) -> None:
        """Keep what lines rest on, of marketplaces that are not rated now.

        In every run enrolments are made for all marketplaces, by the terms it has, and order items are the last load's.
        """
        look_through(self.con, SHOWN_ASIDE)
        choose(self.con, self.closed())
        self.find_changed_enrolments()
        self.find_late_rows()
        self.find_rows_of_late_orders()
        self.find_affected_sellers()
        self.find_rows_as_they_were()
        self.show_as_before()
        make(self.warehouse, step_of("core.order_items"), aside=True)
        self.note_evidence("before")
        self.show_enrolments_and_items_now()
        self.note_evidence("now")
        with in_the_warehouse(self.con), self.warehouse.transaction():
            self.keep_evidence()

    # -- what is made aside -------------------------------------------------------------------------------------

    def narrow_to_late_orders(self) -> None:
        """`in_force.*` aside: the rows of late orders alone, in closed periods."""
        for dataset in CLOCKS:
            name = "late_order_items" if dataset == "order_items" else dataset
            self.con.execute(f"create table in_force.{name} as {known_after(self.latest, dataset, 'of_late')}")
        self.show("in_force.order_items", "from in_force.late_order_items")
        if not self.whole:  # contacts that name no order now
            self.con.execute(f"""
                insert into in_force.contacts by name
                from warehouse.in_force.contacts semi join late_contacts using (contact_id)
                anti join (select contact_id from in_force.contacts) using (contact_id)
                where {self.within_closed(CLOCKS["contacts"])}""")

    def balances_to_make(self) -> Iterator[Table]:
        """The balances, carried forward; or counted anew, as where everything is or a period has none yet."""
        for name in BALANCED:
            balance = balance_of(name)
            if is_of_nothing(self.con, balance):
                continue
            uncounted = f"from aside.main.touched anti join {balance.full_name} using (period, marketplace_id)"
            if not self.whole and self.is_empty(uncounted):
                balance = replace(balance, first=(("raw_counts", f"from aside.main.{carried(name)}"),))
            yield balance

    def note_evidence(self, when: str) -> None:
        """`evidence_before`, `evidence_now`: what speaks for the lines of affected sellers, as far as it is shown."""
        (evidence,) = step_of("audit.evidence")
        self.con.execute(f"""
            create table evidence_{when} as
            select {EVIDENCE_COLUMNS} from ({evidence.query}) semi join affected using ({SELLER})""")

    def rate(self) -> None:
        """Rate the affected sellers anew, from what was carried; or from all rows, where all is in doubt."""
        self.con.execute(f"drop view {PERFORMANCE}")
        for name in (PERFORMANCE, LINES):
            (table,) = step_of(name)
            carried = tuple((first, f"from carried_{first}") for first, _ in table.first)
            make(self.warehouse, [table if self.whole else replace(table, first=carried)], aside=True)

    def narrow_to_late_orders_again(self) -> None:
        """What is reported aside: all that concerns late orders or no order, with the causes just found."""
        look_through(self.con, ("core.enrolment_events", "core.enrolments"))
        self.show("in_force.order_items", "from in_force.late_order_items")
        self.show(
            "billing.late_causes",
            f"from warehouse.billing.late_causes union all by name select *, {self.latest} as load_id from causes",
        )

    def find_causes(self) -> None:
        """`causes`: what can have changed each line that is otherwise now."""
        old = f"""
            select {LINE_COLUMNS} from warehouse.billing.rerated_lines semi join scope using (period, marketplace_id)
            {self.only("affected", SELLER)}"""
        new = f"select {LINE_COLUMNS} from {LINES}"
        self.con.execute(f"""
            create table causes as
            with changed as (
                select distinct period, marketplace_id, seller_id from ({differing(old, new)})
            ),
            found as (
                -- an item can matter wherever its order does, any other row where it counts
                select distinct places.period, places.marketplace_id, places.seller_id, late.cause
                from late
                join places on places.order_id = late.order_id
                join scope on scope.period = places.period and scope.marketplace_id = places.marketplace_id
                where late.cause is not null and (
                    late.cause like '%_order_item'
                    or (scope.starts_at <= late.happened_at and late.happened_at < scope.ends_at))
                union
                select
                    period, marketplace_id, seller_id,
                    if(
                        (marketplace_id, seller_id) in (select marketplace_id, seller_id from changed_sellers),
                        'enrolment_changed', 'contact_reassigned'
                    )
                from places semi join orders_of_changed using (order_id)
            )
            select changed.*, found.cause from changed join found using (period, marketplace_id, seller_id)
            union
            select changed.*, '{self.whole}' from changed where {bool(self.whole)} and (
                '{self.whole}' <> '{ANEW}'
                or (period, marketplace_id, seller_id) not in (select period, marketplace_id, seller_id from found)
            )""")

    # -- one transaction ----------------------------------------------------------------------------------------

    def put_in_place(self, closed: Sequence[tuple[str, str]]) -> None:
        """Put what was made aside in the place of what was there, and note whose balances are carried forward by it."""
        choose(self.con, closed)
        for name in BY_ORDER:
            fresh = f"aside.{name.replace('.', '.fresh_')}"
            late = f"rowid in (select row_id from aside.main.{were(name)} where {IN_SCOPE})"
            self.con.execute(f"delete from {name} where {IN_SCOPE if self.whole else late}")
            self.con.execute(f"insert into {name} by name from {fresh}")
        for name, made in (
            (PERFORMANCE, f"aside.{PERFORMANCE}"),
            ("billing.rerated_lines", f"aside.{LINES}"),
        ):
            affected = f"and ({SELLER}) in (from aside.main.affected)"
            self.con.execute(f"delete from {name} where {IN_SCOPE} {'' if self.whole else affected}")
            self.con.execute(f"insert into {name} by name from {made}")
        # That no return was ever loaded is told of a whole period, and stays so as long as none is.
        about = "(order_id is null and kind <> 'no_returns_loaded' or order_id in (from aside.main.late_orders))"
        same = " and ".join(
            f"fresh.{name} is not distinct from shown.{name}"
            for name in ("period", "marketplace_id", "seller_id", "kind", "subject", "order_id", "detail")
        )
        self.con.execute(f"""
            delete from audit.exceptions where rowid in (
                select shown.rowid
                from (
                    select *, rowid from audit.exceptions where {IN_SCOPE} {"" if self.whole else f"and {about}"}
                ) as shown
                anti join aside.audit.exceptions as fresh on {same}
            )""")
        self.con.execute("""
            insert into audit.exceptions by name
            select * from aside.audit.exceptions as fresh
            anti join audit.exceptions using (period, marketplace_id, kind, subject, detail)""")
        self.con.execute(f"""
            delete from audit.exceptions
            where {IN_SCOPE} and kind = 'no_returns_loaded' and (period, marketplace_id, subject) not in (
                select period, marketplace_id, terms_id from billing.rerated_lines where kind = 'charge'
            )""")
        # A row may have left a marketplace in which nothing else was touched: all of the month is counted again.
        if not self.whole:
            self.con.execute("""
                insert into billing.carried_balances by name
                select period, marketplace_id
                from scope
                semi join aside.main.touched using (period)
                anti join billing.carried_balances using (period, marketplace_id)""")
        self.con.execute(
            f"insert into billing.late_causes"
            f" select marketplace_id, period, seller_id, cause, {self.latest}, rerating.open_period"
            " from aside.main.causes join billing.rerating as rerating using (marketplace_id)"
        )

    def keep_evidence(self) -> None:
        """Keep how rows that lines in the books rest on were, where they are otherwise now, and which were not there.

        What was known between the last close and now no line rests on: then what was kept before is what counts.
        """
        key = f"{SELLER}, dataset, file_id, row_number"
        self.con.execute(f"""
            insert into billing.kept_evidence by name
            with last as (
                select marketplace_id, max(period) as last_closed from billing.closes group by marketplace_id
            ),
            changed as (
                -- sums of hashes stand for all rows of a seller
                select {SELLER}
                from (
                    select {SELLER}, 1 as number, cast(hash(t) as hugeint) as row_hash
                    from aside.main.evidence_before as t
                    union all
                    select {SELLER}, -1, -cast(hash(t) as hugeint) from aside.main.evidence_now as t
                )
                group by all
                having sum(number) <> 0 or sum(row_hash) <> 0
            ),
            were as (from aside.main.evidence_before semi join changed using ({SELLER})),
            are as (from aside.main.evidence_now semi join changed using ({SELLER})),
            differing as (
                select *, true as was_there from (from were except from are)
                union all by name
                select {key}, false as was_there from are anti join were using ({key})
            )
            select differing.*, last.last_closed
            from differing
            join last using (marketplace_id)
            anti join billing.kept_evidence using ({key}, last_closed)""")

    def enter(self, terms: Mapping[str, Terms]) -> None:
        """Note how far the marketplaces are."""
        for name, card in terms.items():
            keep_terms(self.con, card.sha256, name, card.text)
            self.con.execute(
                """
                update billing.rerating
                set load_id = $load, terms_sha256 = $terms,
                    has_returns = $name in (select marketplace_id from core.marketplaces_with_returns)
                where marketplace_id = $name""",
                {"load": self.latest, "terms": card.sha256, "name": name},
            )
