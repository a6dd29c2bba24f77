"""Closed periods rated again with what is known now (domain.md, "Closing, and what comes late").

It owns `billing.rerated_lines`, `billing.rerating`, `billing.late_causes`, `billing.kept_evidence` and
`billing.carried_balances`, and brings the rows of closed periods in `core.*`, `billing.performance` and `audit.*` up to
the present. What a close wrote it never touches: the difference between `billing.posted_lines` and
`billing.rerated_lines` becomes adjustments (`adjustments.sql`).

The cost follows the late rows. First the orders that late rows can touch: all their units, contacts, returns and so on
in closed periods are made anew, aside, by the very SQL that makes them for an open period, from the rows of those
orders alone. Then the sellers of those orders are rated anew in the periods concerned. Last, everything replaces what
was there in one transaction, and the balances of the touched periods are carried forward by those orders; the next
close counts them again from all raw rows, before anything is booked (`recount`).

Does not belong here: finding what is late, and whom it concerns (`late.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assets.aside import in_the_warehouse, look_through, made_aside
from assets.billing.books import EVIDENCE_COLUMNS, LINE_COLUMNS, keep_terms, kept_terms, rerating_of
from assets.billing.late import BALANCED, BY_ORDER, CLOCKS, RATED_FROM, LateRows, before, differing, replaced, were
from assets.core.marketplaces import Marketplace
from assets.core.terms import Terms, parse_terms, terms_repriced
from assets.making import (
    ChecksFailedError,
    Failure,
    choose,
    create,
    is_of_nothing,
    make,
    reads_narrowly,
    replace_and_check,
)
from assets.tables import UNKNOWN, Table, step_of
from assets.warehouse import Warehouse, known_after

SHOWN_ASIDE = (
    *("core.marketplaces", "core.calendar", "core.terms", "core.tiers"),
    *("core.enrolment_events", "core.enrolments", "core.marketplaces_with_returns"),
)
"""Tables that are looked at as they are in the warehouse, where they are up to date."""

ANEW = "counted_anew"
"""The cause of what is otherwise when all is rated anew, and no row explains it."""

IN_SCOPE = "(period, marketplace_id) in (select period, marketplace_id from scope)"

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
    return ANEW if warehouse.makes_anew and _carried_of(warehouse, [terms.marketplace_id]) else None


def _carried_of(warehouse: Warehouse, names: Sequence[str]) -> list[tuple[str, str]]:
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
    pairs = _carried_of(warehouse, chosen)
    balances, failures = [_balance_of(name) for name in BALANCED], list[Failure]()
    for period in sorted({period for period, _ in pairs}):
        choose(warehouse.con, [pair for pair in pairs if pair[0] == period])
        is_narrow = reads_narrowly(warehouse, balances)
        try:
            with warehouse.transaction():
                replace_and_check(warehouse, balances, is_narrow=is_narrow)
                warehouse.con.execute(f"delete from billing.carried_balances where {IN_SCOPE}")
        except ChecksFailedError as error:
            failures += error.failures
    if failures:
        raise ChecksFailedError(failures)


def _balance_of(name: str) -> Table:
    _, balance = step_of(name)
    return balance


def _carried(name: str) -> str:
    return f"carried_{name.partition('.')[2]}"


@dataclass(frozen=True)
class _Rerating(LateRows):
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
        self.find_touched_periods()
        self.find_rows_of_affected_sellers()
        if not self.whole:
            self.find_rows_to_replace()
            self.carry_balances()
        self.set_late_orders_aside()
        self.show_affected_sellers_as_before()
        self.note_evidence("before")
        self.show_enrolments_and_items_now()
        self.narrow_to_affected_sellers()
        for name in ("billing.performance", "billing.fee_lines"):
            make(self.warehouse, step_of(name), aside=True)
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
        self.find_rows_of_affected_sellers()
        self.show_affected_sellers_as_before()
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

    def carry_balances(self) -> None:
        """`carried_units` and so on: what the raw rows of touched periods come to.

        That is what was counted, less the rows of late orders as they were, more their raw rows as they are now, which
        were just counted aside.
        """
        for name, (column, _) in BALANCED.items():
            balance = _balance_of(name).full_name
            self.con.execute(f"""
                create table {_carried(name)} as
                select marketplace_id, period, cast(sum(number) as bigint) as number
                from (
                    select marketplace_id, period, {column} as number from warehouse.{balance}
                    union all
                    select marketplace_id, period, -number from {replaced(name)}
                    union all
                    select marketplace_id, period, {column} from {balance}
                )
                semi join touched using (period, marketplace_id)
                group by all""")

    def balances_to_make(self) -> Iterator[Table]:
        """The balances, carried forward; or counted anew, as where everything is or a period has none yet."""
        for name in BALANCED:
            balance = _balance_of(name)
            if is_of_nothing(self.con, balance):
                continue
            uncounted = f"from aside.main.touched anti join {balance.full_name} using (period, marketplace_id)"
            if not self.whole and self.is_empty(uncounted):
                balance = replace(balance, first=(("raw_counts", f"from aside.main.{_carried(name)}"),))
            yield balance

    def show_items_after(self, load_id: int) -> None:
        """Of the affected sellers, as they were known after a load."""
        self.show("in_force.order_items", known_after(load_id, "order_items"))

    def set_late_orders_aside(self) -> None:
        """`core.fresh_units` and so on: what was made of late orders."""
        for name in BY_ORDER:
            self.con.execute(f"alter table {name} rename to {name.replace('core.', 'fresh_')}")

    def show_affected_sellers_as_before(self) -> None:
        """What their lines rested on when they were last rated: the warehouse's rows, and versions beaten since."""
        for name in RATED_FROM:
            self.show(name, f"from {were(name)}")
        sellers = "semi join affected using (marketplace_id, seller_id)"
        events = ("core.enrolment_events", "core.enrolments")
        for name in events:
            self.show(name, f"from {before(name)} {sellers}")
        self.show_items_after(self.since)

    def show_enrolments_and_items_now(self) -> None:
        """As they are known by all marketplaces alike."""
        look_through(self.con, ("core.enrolment_events", "core.enrolments"))
        self.show_items_after(self.latest)

    def note_evidence(self, when: str) -> None:
        """`evidence_before`, `evidence_now`: what speaks for the lines of affected sellers, as they are shown."""
        (evidence,) = step_of("audit.evidence")
        self.con.execute(f"""
            create table evidence_{when} as
            select {EVIDENCE_COLUMNS} from ({evidence.query})
            semi join affected using (period, marketplace_id, seller_id)""")

    def narrow_to_affected_sellers(self) -> None:
        """What rating reads aside: all rows of the affected sellers, those of late orders as just made."""
        self.con.execute("drop view billing.performance")
        for name in BY_ORDER:
            made = name.replace(".", ".fresh_")
            also = "anti join late_contacts using (contact_id)" if name == "core.contacts" else ""
            kept = f"""
                select * from {were(name)} anti join late_orders using (order_id) {also}
                union all by name"""
            fresh = f"select * from {made} {self.only('affected', 'period, marketplace_id, seller_id')}"
            self.show(name, fresh if self.whole else f"{kept} {fresh}")

    def narrow_to_late_orders_again(self) -> None:
        """What is reported aside: all that concerns late orders, with the causes just found."""
        for name in BY_ORDER:
            self.show(name, f"from {name.replace('.', '.fresh_')}")
        self.show("in_force.order_items", "from in_force.late_order_items")
        self.show(
            "billing.late_causes",
            f"from warehouse.billing.late_causes union all by name select *, {self.latest} as load_id from causes",
        )

    def find_causes(self) -> None:
        """`causes`: what can have changed each line that is otherwise now."""
        old = f"""
            select {LINE_COLUMNS} from warehouse.billing.rerated_lines semi join scope using (period, marketplace_id)
            {self.only("affected", "period, marketplace_id, seller_id")}"""
        new = f"select {LINE_COLUMNS} from billing.fee_lines"
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
            late = f"rowid in (select row_id from aside.main.{replaced(name)} where {IN_SCOPE})"
            self.con.execute(f"delete from {name} where {IN_SCOPE if self.whole else late}")
            self.con.execute(f"insert into {name} by name from {fresh}")
        for name, made in (
            ("billing.performance", "aside.billing.performance"),
            ("billing.rerated_lines", "aside.billing.fee_lines"),
        ):
            affected = "and (period, marketplace_id, seller_id) in (from aside.main.affected)"
            self.con.execute(f"delete from {name} where {IN_SCOPE} {'' if self.whole else affected}")
            self.con.execute(f"insert into {name} by name from {made}")
        # That no return was ever loaded is told of a whole period, and stays so as long as none is.
        about = "(order_id is null and kind <> 'no_returns_loaded' or order_id in (from aside.main.late_orders))"
        self.con.execute(f"delete from audit.exceptions where {IN_SCOPE} {'' if self.whole else f'and {about}'}")
        self.con.execute("""
            insert into audit.exceptions by name
            select * from aside.audit.exceptions as fresh
            anti join audit.exceptions using (period, marketplace_id, kind, subject, detail)""")
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
        """Keep what lines in the books rest on, of sellers and periods of which that is otherwise now.

        What was known between the last close and now no line rests on: then what was kept before is what counts.
        """
        key = "period, marketplace_id, seller_id"
        self.con.execute(f"""
            insert into billing.kept_evidence by name
            with last as (
                select marketplace_id, max(period) as last_closed from billing.closes group by marketplace_id
            ),
            changed as (
                -- sums of hashes stand for all rows of a seller
                select {key}
                from (
                    select {key}, 1 as number, cast(hash(t) as hugeint) as row_hash from aside.main.evidence_before as t
                    union all
                    select {key}, -1, -cast(hash(t) as hugeint) from aside.main.evidence_now as t
                )
                group by all
                having sum(number) <> 0 or sum(row_hash) <> 0
            )
            select before.*, last.last_closed
            from aside.main.evidence_before as before
            join last using (marketplace_id)
            semi join changed using ({key})
            anti join (
                from billing.kept_evidence semi join last using (marketplace_id, last_closed)
            ) using ({key})""")

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
