"""`csba simulate`: months that were billed, rated again under other terms, beside the books.

The warehouse is attached for reading alone, and all is made in memory by the very SQL that bills: first under the terms
in force, which must come to what the books and drafts say, or else the month is left out and named; then under the
other terms. So what differs in the end follows from the terms and nothing else. Contacts, returns and performance do
not depend on terms and are made once; of the units, the largest table, only sums are kept.

What comes out lies in tables of the schema `simulation`, for as long as it is looked at. Does not belong here: how it
is shown (`simulation_summary`, `reports/simulation`).
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from assets.aside import HERE, beside, look_through
from assets.billing.books import LINE_COLUMNS, known_lines, rerating_of
from assets.core.marketplaces import COLUMNS, Marketplace
from assets.core.terms import Terms, make_terms, read_all_terms
from assets.making import ChecksFailedError, choose, make
from assets.raw.datasets import DATASETS
from assets.tables import Table, step_of, summed
from assets.warehouse import Warehouse
from pipelines.periods import parse_periods

Pair = tuple[str, str]
"""A period and a marketplace."""

LOOKED_AT = ("core.marketplaces", "core.calendar", "audit.files", "billing.closes", "billing.rerating")
NEEDED = ("core.marketplaces", "core.calendar", "core.terms", "core.tiers", "billing.fee_lines")
"""Tables that a warehouse has once any month was run."""

OF_UNITS = ("period", "marketplace_id", "seller_id", "outcome", "terms_id", "is_tracking_valid")
"""What performance and fee lines ask of units, beside their number."""
OF_CONTACTS = ("period", "marketplace_id", "seller_id", "contact_id", "outcome")

ONCE = (
    *("core.sellers", "core.order_items", "core.coverage", "core.marketplaces_with_returns"),
    *("core.contacts", "core.returns", "billing.performance"),
)
"""What does not depend on terms."""
BY_TERMS = ("core.enrolment_events", "core.enrolments", "core.units", "billing.fee_lines")
IN_ORDER = (*BY_TERMS[:2], *ONCE[:4], "core.units", *ONCE[4:], "billing.fee_lines")

TOLD = ("period", "seller_id", "event", "effective_at")
"""What is told of a row that breaks a check."""
CHANGED = "rows that were loaded, or terms, change what it comes to"

Progress = Callable[[str, int, int], None]
"""Called with the table that is being made, how many are done, and how many there are."""


class SimulateError(Exception):
    """Nothing can be simulated; the message says why, and what to do."""


@dataclass(frozen=True)
class LeftOut:
    """Months of a marketplace that are not in the simulation."""

    marketplace_id: str
    country: str
    periods: list[str]
    reason: str
    """In words, with what to do."""

    def __str__(self) -> str:
        return f"{_range(self.periods)} of {self.country} ({self.marketplace_id}) is left out: {self.reason}"


@dataclass
class Simulation:
    """What was simulated. Its rows are tables of the schema `simulation` of `warehouse.con`:

    `seller_months` (a row for each seller, month and marketplace), `totals`, `sellers` and `moves`, which add them up,
    and `terms` and `tiers`, the versions that priced them; see `TABLES`.
    """

    warehouse: Warehouse
    folder: Path
    periods: list[str]
    marketplaces: dict[str, Marketplace]
    """Those that the warehouse lists, by id."""
    terms: dict[str, Terms] = field(default_factory=dict)
    """The other terms, by marketplace."""
    kept: list[str] = field(default_factory=list)
    """Marketplaces for which the folder has no file: they keep their terms."""
    refused: list[str] = field(default_factory=list)
    """Files of terms that are refused, and why."""
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether all that was asked for is in it."""
        return not self.refused and not self.left_out


@contextmanager
def simulated(
    home: Path,
    folder: Path,
    periods: Sequence[str],
    chosen: Sequence[str] = (),
    memory: int | None = None,
    progress: Progress = lambda *_: None,
) -> Generator[Simulation]:
    """Rate periods again under the terms of a folder, for the marketplaces chosen or for all; nothing is written.

    `memory` is how many bytes the engine may hold. Raises `SimulateError`, `WarehouseMissingError`,
    `WarehouseBusyError`.
    """
    with beside(home, memory) as con:
        yield _Making(Warehouse(home, con), folder, periods, chosen, progress).run()


class _Making:
    """A simulation in the making."""

    def __init__(
        self, warehouse: Warehouse, folder: Path, periods: Sequence[str], chosen: Sequence[str], progress: Progress
    ) -> None:
        self.warehouse, self.con, self.progress = warehouse, warehouse.con, progress
        self.folder, self.periods, self.chosen = folder, list(periods), list(chosen)
        self.pairs: list[Pair] = []
        """What is still in it."""
        self.done, self.steps = 0, len(IN_ORDER) + len(BY_TERMS)

    def run(self) -> Simulation:
        """Make everything, twice where terms matter, and lay the two beside each other."""
        self.lay_out()
        refused = self.read_terms()
        self.pairs = [
            (p, name) for name in self.chosen or self.with_orders() if name not in refused for p in self.periods
        ]
        self.make_all(IN_ORDER)
        self.leave_out_what_is_not_as_booked()
        kept = [pair for pair in self.pairs if pair[1] not in self.found.terms]
        self.pairs = [pair for pair in self.pairs if pair[1] in self.found.terms]
        self.take_the_other_terms()
        self.make_all(BY_TERMS, self.found.terms)
        if not self.pairs:
            raise SimulateError("\n".join((*self.found.refused, *map(str, self.found.left_out))))
        self.found.kept = sorted({name for _, name in kept})
        self.pairs += kept
        self.lay_beside()
        return self.found

    @property
    def names(self) -> list[str]:
        """The marketplaces that are still in it."""
        return sorted({name for _, name in self.pairs})

    # -- making -------------------------------------------------------------------------------------------------

    def lay_out(self) -> None:
        """The rows known now, and what is looked at as it is in the warehouse."""
        con = self.con
        con.execute("create schema simulation")
        there = {
            f"{schema}.{name}"
            for schema, name in con.execute(
                "select table_schema, table_name from information_schema.tables where table_catalog = ?", [HERE]
            ).fetchall()
        }
        if not there.issuperset(NEEDED):
            raise SimulateError(f"nothing was billed in {self.warehouse.home} yet; run a month first: csba run PERIOD")
        look_through(con, [*LOOKED_AT, *(f"raw.{name}" for name in (*DATASETS, "superseded"))])
        self.warehouse.show_as_of(self.warehouse.latest_load())
        for name in ("core.terms", "core.tiers"):
            con.execute(f"create table {name} as from {HERE}.{name}")
        listed = self.warehouse.rows(f"select {', '.join(COLUMNS)} from core.marketplaces")
        marketplaces = {row["marketplace_id"]: Marketplace(**row) for row in listed}
        self.found = Simulation(self.warehouse, self.folder, self.periods, marketplaces)

    def read_terms(self) -> list[str | None]:
        """The other terms; returns the marketplaces whose file is refused, which are not simulated."""
        cards, mistakes = read_all_terms(self.folder, self.found.marketplaces)
        refused = [each for each in mistakes if not self.chosen or each.marketplace_id in (None, *self.chosen)]
        self.found.refused = list(map(str, refused))
        self.found.terms = {
            card.marketplace_id: card for card in cards if not self.chosen or card.marketplace_id in self.chosen
        }
        if self.found.terms:
            return [each.marketplace_id for each in refused]
        if refused:
            raise SimulateError("\n".join(self.found.refused))
        whose = f" of {', '.join(self.chosen)}" if cards else ""
        raise SimulateError(f"{self.folder} has no terms{whose}: a file for each marketplace, such as de.toml")

    def with_orders(self) -> list[str]:
        """Marketplaces of which any order was loaded."""
        found = self.con.execute("select distinct marketplace_id from raw.order_items order by all").fetchall()
        return [name for (name,) in found]

    def make_all(self, names: Sequence[str], terms: Mapping[str, Terms] | None = None) -> None:
        """Make tables for what is still in it, without the marketplaces whose rows break a check.

        `terms` are those that they are made under, by marketplace, if they are not those in force.
        """
        for name in names:
            self.progress(name, self.done, self.steps)
            self.done += 1
            table = _narrowed(step_of(name)[0])
            while self.pairs:
                choose(self.con, self.pairs)
                try:
                    make(self.warehouse, (table,), aside=True, narrow=True)
                except ChecksFailedError as error:
                    self.leave_out_failing(error, terms)
                else:
                    break

    def take_the_other_terms(self) -> None:
        """`core.terms` and `core.tiers` are the other ones from here on, but for marketplaces that keep theirs."""
        make_terms(self.warehouse, list(self.found.terms.values()), self.found.marketplaces)
        for name in ("core.terms", "core.tiers"):
            self.con.execute(
                f"""
                insert into {name} by name
                from {HERE}.{name} where not list_contains(?, marketplace_id)""",
                [list(self.found.terms)],
            )

    # -- what is left out ---------------------------------------------------------------------------------------

    def leave_out(self, name: str, periods: list[str], reason: str) -> None:
        """Go on without some months of a marketplace, and say so."""
        self.found.left_out.append(LeftOut(name, self.found.marketplaces[name].country, periods, reason))
        self.pairs = [pair for pair in self.pairs if pair[1] != name or pair[0] not in periods]

    def leave_out_failing(self, error: ChecksFailedError, terms: Mapping[str, Terms] | None) -> None:
        """Go on without the marketplaces that broke a check: most likely, terms that begin too late."""
        by_name = {each.marketplace_id: each for each in error.failures if each.marketplace_id in self.names}
        if not by_name:
            raise error
        for name, failure in by_name.items():
            row = failure.examples[0]
            example = ", ".join(f"{key} {row[key]}" for key in TOLD if row.get(key) is not None)
            reason = f"in {failure.check.table} “{failure.check.name}” does not hold, such as {example}"
            if terms is None:
                reason += "; the terms in force are those of the last run: see to them, and csba run"
            else:
                first = terms[name].versions[0]
                reason += (
                    f"; the first version in {terms[name].path.name}, {first.terms_id}, begins on {first.starts_on}"
                )
            self.leave_out(name, [period for period, of in self.pairs if of == name], reason)

    def leave_out_what_is_not_as_booked(self) -> None:
        """`simulation.known`: the lines of books and drafts; without the months that would not come to them now."""
        con = self.con
        con.execute(
            f"""
            create table simulation.known as
            select {LINE_COLUMNS} from ({known_lines(HERE)})
            where list_contains(?, period) and list_contains(?, marketplace_id)""",
            [self.periods, self.names],
        )
        again = f"select {LINE_COLUMNS} from billing.fee_lines"
        differing = con.execute(f"""
            select distinct period, marketplace_id from (
                (from simulation.known except all {again}) union all ({again} except all from simulation.known)
            )""").fetchall()
        billed = con.execute("""
            select distinct marketplace_id from (
                select marketplace_id from simulation.known union all select marketplace_id from billing.fee_lines
            )""").fetchall()
        closed = set(con.execute("select period, marketplace_id from billing.closes").fetchall())
        drafts = f"select period, marketplace_id from {HERE}.audit.made where table_name = 'billing.fee_lines'"
        made, standing = set(con.execute(drafts).fetchall()) | closed, rerating_of(con)
        for name in self.names:
            if (name,) not in billed and not self.chosen:  # nothing is, and nothing would be
                self.pairs = [pair for pair in self.pairs if pair[1] != name]
                continue
            of = [pair for pair in self.pairs if pair[1] == name]
            for periods in _ranges([pair[0] for pair in of if pair not in made]):
                command = f"csba run {_range(periods)}"
                self.leave_out(name, periods, f"it was never run; first: {command}")
            stale = [pair[0] for pair in of if pair in differing and pair in made]
            for periods in _ranges([period for period in stale if (period, name) not in closed]):
                command = f"csba run {_range(periods)}"
                self.leave_out(name, periods, f"{CHANGED} since it was run; first: {command}")
            for periods in _ranges([period for period in stale if (period, name) in closed]):
                command = f"csba run {standing[name]['open_period']}"
                self.leave_out(name, periods, f"{CHANGED} since it was rated last; first: {command}")
        if not self.pairs and not self.found.left_out:
            months = _range(self.periods)
            raise SimulateError(f"nothing is billed in {months}; if it was not run yet, first: csba run {months}")

    # -- one beside the other -----------------------------------------------------------------------------------

    def lay_beside(self) -> None:
        """The tables of `simulation`."""
        choose(self.con, self.pairs)
        for name, query in TABLES.items():
            self.con.execute(f"create table simulation.{name} as {query}")


_STANDING = """
    case
        when charge.waiver is not null then 'waived'
        when charge.tier is not null then 'tier ' || charge.tier
        else 'trial'
    end"""

TABLES: Mapping[str, str] = {
    # A row for each line of either side, with when its version began.
    "lines": f"""
        select 'known' as side, {LINE_COLUMNS}, version.starts_at
        from simulation.known as line
        semi join scope using (period, marketplace_id)
        left join {HERE}.core.terms as version using (marketplace_id, terms_id)
        union all
        select 'simulated', {LINE_COLUMNS}, version.starts_at
        from billing.fee_lines as line
        semi join scope using (period, marketplace_id)
        left join core.terms as version using (marketplace_id, terms_id)""",
    # A row for each seller, month and marketplace with covered units: what it comes to, on either side; the units that
    # are charged, before any waiver; and where the seller stands: `tier 2`, `waived`, or `trial` if nothing is charged.
    # A month that several versions price goes by the last one.
    "seller_months": f"""
        with charge as (
            select * from simulation.lines
            where kind = 'charge'
            qualify row_number() over (
                partition by side, period, marketplace_id, seller_id order by starts_at desc, terms_id desc
            ) = 1
        ),
        sums as (
            select
                side, period, marketplace_id, seller_id, any_value(currency) as currency,
                cast(sum(amount) as decimal(18, 4)) as amount,
                cast(coalesce(sum(units) filter (kind = 'charge'), 0) as bigint) as units
            from simulation.lines
            group by all
        ),
        months as (
            select sums.*, {_STANDING} as standing
            from sums
            left join charge using (side, period, marketplace_id, seller_id)
        )
        select
            period, marketplace_id, seller_id, known.amount as known, simulated.amount as simulated,
            cast(simulated.amount - known.amount as decimal(18, 4)) as difference, known.currency,
            known.units as units_known, simulated.units as units_simulated,
            known.standing as standing_known, simulated.standing as standing_simulated
        from (from months where side = 'known') as known
        join (from months where side = 'simulated') as simulated using (period, marketplace_id, seller_id)
        order by marketplace_id, period, seller_id""",
    # A row for each month and marketplace: the sums, how many sellers pay more and less, move, and are newly or no
    # longer waived.
    "totals": """
        select
            scope.period, marketplace_id, country, place.currency, minor_units,
            cast(coalesce(sum(known), 0) as decimal(18, 4)) as known,
            cast(coalesce(sum(simulated), 0) as decimal(18, 4)) as simulated,
            cast(coalesce(sum(difference), 0) as decimal(18, 4)) as difference,
            count(seller_id) as sellers,
            count(*) filter (difference > 0) as sellers_more,
            count(*) filter (difference < 0) as sellers_less,
            count(*) filter (standing_known <> standing_simulated) as sellers_moved,
            count(*) filter (standing_known <> 'waived' and standing_simulated = 'waived') as newly_waived,
            count(*) filter (standing_known = 'waived' and standing_simulated <> 'waived') as no_longer_waived
        from scope
        join core.marketplaces as place using (marketplace_id)
        left join (from simulation.seller_months) as month using (period, marketplace_id)
        group by all
        order by country, marketplace_id, period""",
    # A row for each seller and marketplace, over all months; those whose totals change most come first.
    "sellers": """
        select
            marketplace_id, country, seller_id,
            cast(sum(known) as decimal(18, 4)) as known, cast(sum(simulated) as decimal(18, 4)) as simulated,
            cast(sum(difference) as decimal(18, 4)) as difference, any_value(month.currency) as currency,
            count(*) as months,
            count(*) filter (standing_known <> standing_simulated) as months_moved,
            count(*) filter (standing_known <> 'waived' and standing_simulated = 'waived') as months_newly_waived,
            count(*) filter (standing_known = 'waived' and standing_simulated <> 'waived') as months_no_longer_waived
        from simulation.seller_months as month
        join core.marketplaces using (marketplace_id)
        group by marketplace_id, country, seller_id
        order by country, marketplace_id, abs(sum(difference)) desc, seller_id""",
    # A row for each month, marketplace, and where sellers stand and would stand: how many, and what it changes.
    "moves": """
        select
            period, marketplace_id, country, standing_known, standing_simulated, count(*) as sellers,
            cast(sum(difference) as decimal(18, 4)) as difference, any_value(month.currency) as currency
        from simulation.seller_months as month
        join core.marketplaces using (marketplace_id)
        group by all
        order by country, marketplace_id, period, standing_known, standing_simulated""",
    # A row for each version that priced a line, on either side; and for each of its tiers.
    "terms": f"""
        with priced as (select distinct side, marketplace_id, terms_id from simulation.lines)
        select 'known' as side, * from {HERE}.core.terms semi join (from priced where side = 'known')
            using (marketplace_id, terms_id)
        union all by name
        select 'simulated' as side, * from core.terms semi join (from priced where side = 'simulated')
            using (marketplace_id, terms_id)""",
    "tiers": f"""
        select 'known' as side, * from {HERE}.core.tiers semi join (from simulation.terms where side = 'known')
            using (marketplace_id, terms_id)
        union all by name
        select 'simulated' as side, * from core.tiers semi join (from simulation.terms where side = 'simulated')
            using (marketplace_id, terms_id)""",
}
"""What a simulation shows, in the order in which it is made; amounts in the marketplace's currency, net of tax."""


def _narrowed(table: Table) -> Table:
    """The table as it is made for a simulation: the large ones without what nobody asks for."""
    if table.full_name == "core.units":
        return summed(table, "quantity", OF_UNITS)
    if table.full_name == "core.contacts":
        return replace(table, query=f"select {', '.join(OF_CONTACTS)} from ({table.query})")
    return table


def _ranges(periods: Sequence[str]) -> list[list[str]]:
    """Months that follow each other, together."""
    found: list[list[str]] = []
    for period in sorted(periods):
        if found and parse_periods(f"{found[-1][-1]}..{period}")[1:] == [period]:
            found[-1].append(period)
        else:
            found.append([period])
    return found


def _range(periods: Sequence[str]) -> str:
    """Months that follow each other, as a command takes them."""
    return periods[0] if len(periods) == 1 else f"{periods[0]}..{periods[-1]}"
