"""What a table's header says, what its SQL reads, and that a broken check leaves everything as it was."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from house import bill, load_paths, opened, row, write_csv

from assets import making, reach
from assets.making import ChecksFailedError, make, set_scope
from assets.raw.datasets import DATASETS
from assets.reads import reads_of
from assets.tables import Table, read_table, steps, tables
from assets.warehouse import Warehouse

US, JP = "ATVPDKIKX0DER", "A1VC38T7YXB528"
MARCH = "2026-03"


@pytest.fixture
def warehouse(tmp_path: Path) -> Generator[Warehouse]:
    """Two units and two contacts of a seller enrolled long before, one of each lacking its item; billed for March."""
    rows = {
        "sellers": [row("sellers", seller_id="S")],
        "enrolment_events": [row("enrolment_events", seller_id="S", effective_at="2025-01-01T00:00:00Z")],
        "order_items": [row("order_items", order_id="O", purchased_at="2026-03-01T12:00:00Z")],
        "shipments": [
            row("shipments", shipment_id="P1", order_id="O", shipped_at="2026-03-02T12:00:00Z"),
            row("shipments", shipment_id="P2", order_id="gone", shipped_at="2026-03-02T12:00:00Z", quantity="3"),
        ],
        "contacts": [
            row("contacts", contact_id="C1", order_id="O", contacted_at="2026-03-05T12:00:00Z"),
            row("contacts", contact_id="C2", order_id="gone", contacted_at="2026-03-05T12:00:00Z"),
        ],
    }
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, write_csv(tmp_path / "files", rows))
        bill(warehouse, [MARCH])
        yield warehouse


def step_of(table: str) -> tuple[Table, ...]:
    return next(step for step in steps() if step[0].full_name == table)


def test_everything_adds_up_before_it_is_broken(warehouse: Warehouse) -> None:
    units = warehouse.rows("from audit.unit_balance where shipped > 0 order by marketplace_id")
    assert [(line["shipped"], line["chargeable"], line["unmatched"]) for line in units] == [(1, 1, 0), (3, 0, 3)]
    assert all(count == 0 for count in warehouse.checks.values())
    assert {"core.units: one row per period, marketplace_id, shipment_id, order_item_id"} <= warehouse.checks.keys()


BROKEN = {
    "a unit is lost": ("core.units", "from lines", "from (from lines where shipment_id <> 'P1') as lines", US),
    "an unmatched unit is lost": ("core.units", "left join items as item", "join items as item", "unknown"),
    "a unit is doubled": ("core.units", "from lines", "from (from lines union all from lines) as lines", US),
    "a quantity is changed": (
        "core.units",
        "lines.quantity, lines.quantity_ordered",
        "2 as quantity, lines.quantity_ordered",
        US,
    ),
    "an outcome is made up": ("core.units", "'chargeable'", "'lost'", US),
    "a contact is lost": ("core.contacts", "from lines", "from (from lines where contact_id <> 'C1') as lines", US),
    "a contact is doubled": ("core.contacts", "from lines", "from (from lines union all from lines) as lines", US),
    "an unmatched contact is lost": ("core.contacts", "left join items", "join items", "unknown"),
    "a contact's outcome is made up": ("core.contacts", "'counted'", "'lost'", US),
    "an amount is not rounded": ("billing.fee_lines", "round(exact, 2)", "exact / 3", US),
    "an amount is negative": ("billing.fee_lines", "round(exact, 2)", "round(-exact, 2)", US),
    "a line is doubled": (
        "billing.fee_lines",
        "from multiplied",
        "from (from multiplied union all from multiplied)",
        US,
    ),
    "a line is lost": ("billing.fee_lines", "from multiplied", "from multiplied where false", US),
    "a line has no tier": ("billing.fee_lines", "units, tier,\n    cast(fee", "units, null as tier,\n    cast(fee", US),
    "a total is not its parts": ("billing.statements", "totals.charges + totals.adjustments", "totals.charges + 1", US),
    "charges are not the lines": ("billing.statements", "coalesce(charged.charges, 0)", "0", US),
    "a statement is missing": ("billing.statements", "from totals", "from (from totals where false) as totals", US),
}


@pytest.mark.parametrize("breakage", BROKEN)
def test_a_broken_table_is_not_kept(breakage: str, warehouse: Warehouse) -> None:
    name, before, after, marketplace = BROKEN[breakage]
    table, *gates = step_of(name)
    assert before in table.query
    kept = {t.full_name: warehouse.rows(f"from {t.full_name} order by all") for t in (table, *gates)}
    set_scope(warehouse, MARCH)
    with pytest.raises(ChecksFailedError) as failed:
        make(warehouse, [replace(table, query=table.query.replace(before, after)), *gates])
    assert marketplace in failed.value.marketplaces
    assert marketplace in str(failed.value)
    assert kept == {t.full_name: warehouse.rows(f"from {t.full_name} order by all") for t in (table, *gates)}


def test_the_scope_is_the_marketplaces_named_and_those_rows_that_have_none(warehouse: Warehouse) -> None:
    assert set_scope(warehouse, MARCH, [US]) == [US, "unknown"]
    assert len(set_scope(warehouse, MARCH)) == 9
    with pytest.raises(ValueError, match="not listed"):
        set_scope(warehouse, MARCH, ["NOWHERE"])
    with pytest.raises(ValueError, match="no billing period"):
        set_scope(warehouse, "2026-13")


def test_a_period_is_replaced_and_the_others_are_not_touched(warehouse: Warehouse) -> None:
    before = warehouse.rows("from core.units order by all")
    bill(warehouse, ["2026-04"])
    assert warehouse.rows("from core.units order by all") == before
    bill(warehouse, [MARCH], only=[US])
    assert warehouse.rows("from core.units order by all") == before


def test_a_new_table_of_many_rows_is_read_back_whole_before_it_is_kept(warehouse: Warehouse) -> None:
    """DuckDB 2.0 finds no groups in rows of a table that the same transaction made from an empty query."""
    many = 20  # for each of more than ten thousand months: more than one of its row groups
    table = Table(
        schema="core",
        name="many",
        description="One row per number.",
        query=f"select period, marketplace_id, n from core.calendar, range({many}) as numbers (n)",
        key=("period", "marketplace_id", "n"),
        columns={},
        is_view=False,
        rules=(),
        gate_of=None,
    )
    gate = replace(
        table,
        name="groups",
        query="select period, marketplace_id, count(*) as n from core.many group by all",
        rules=(("all are counted", f"n = {many}"),),
    )
    set_scope(warehouse, MARCH, [US])
    assert make(warehouse, (table, gate)) == {"core.many": 2 * many, "core.groups": 2}


def test_many_rows_of_a_temporary_table_are_found(warehouse: Warehouse) -> None:
    """The same of a table that is made, filled and read in one transaction."""
    table = Table(
        schema="core",
        name="found",
        description="One row per period.",
        query="select period, marketplace_id, count(*) as n from numbers where n > 0 group by all",
        key=("period", "marketplace_id"),
        columns={},
        is_view=False,
        rules=(("all are found", "n = 200000"),),
        gate_of=None,
        first=(("numbers", "select period, marketplace_id, n from scope, range(1, 200001) as numbers (n)"),),
    )
    set_scope(warehouse, MARCH, [US])
    assert make(warehouse, (table,)) == {"core.found": 2}


def test_upstreams_are_read_from_the_sql() -> None:
    every = tables()
    assert "raw.shipments" in every["core.units"].reads
    assert "core.coverage" in every["core.units"].reads
    assert "core.calendar" in every["core.units"].reads, "the scope is the calendar's"
    assert not any("." not in name for table in every.values() for name in table.reads)
    made = set()
    for table in every.values():
        assert not [name for name in table.reads if name in every and name not in made]
        made.add(table.full_name)


def test_every_table_says_what_its_rows_and_columns_are(warehouse: Warehouse) -> None:
    for table in tables().values():
        columns = [line[0] for line in warehouse.con.execute(f"describe {table.full_name}").fetchall()]
        assert set(table.columns) <= set(columns), table.full_name
        assert set(table.key) <= set(columns), table.full_name
        assert table.description.startswith("One row per ")
    comments = warehouse.rows("select comment from duckdb_tables() where schema_name = 'core' and table_name = 'units'")
    assert comments[0]["comment"].startswith("One row per shipment line")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-- Units.\n-- key: a\nselect 1 as a", "the first line says"),
        ("-- One row per unit.\nselect 1 as a", "one line `-- key"),
        ("-- One row per unit.\n-- key: a\n-- column: a\nselect 1 as a", "lacks its two parts"),
    ],
)
def test_a_header_that_is_not_as_it_should_be(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "units.sql"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason):
        read_table(path)


# -- what would come out as it is ----------------------------------------------------------------------------------


@pytest.fixture
def made(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Callable[..., set[str]]:
    """Bills March again, and gives the tables that were replaced for it."""
    replaced: list[str] = []
    replace_and_check = making.replace_and_check

    def listen(warehouse: Warehouse, step: Sequence[Table], **options: bool) -> dict[str, int]:
        replaced.append(step[0].full_name)
        return replace_and_check(warehouse, step, **options)

    monkeypatch.setattr(making, "replace_and_check", listen)

    def again(*periods: str) -> set[str]:
        replaced.clear()
        bill(warehouse, periods or [MARCH])
        return set(replaced)

    return again


def test_a_second_run_leaves_every_table_as_it_is(warehouse: Warehouse, made: Callable[..., set[str]]) -> None:
    assert made() == set()
    warehouse.makes_anew = True
    assert "core.units" in made()


def test_what_late_rows_can_change_is_made_again_and_nothing_else(
    warehouse: Warehouse, made: Callable[..., set[str]], tmp_path: Path
) -> None:
    late = [row("contacts", contact_id="C3", order_id="O", contacted_at="2026-03-06T12:00:00Z")]
    load_paths(warehouse, write_csv(tmp_path / "late", {"contacts": late}))
    again = made()
    assert {"core.contacts", "billing.performance", "billing.fee_lines", "billing.statements"} <= again
    assert not {"core.units", "core.enrolments", "core.returns"} & again
    assert warehouse.rows("select contacts from billing.performance where period = '2026-03'") == [{"contacts": 2}]
    seller = [row("sellers", seller_id="S", updated_at="2024-12-01T00:00:00Z", plan="individual")]
    load_paths(warehouse, write_csv(tmp_path / "later", {"sellers": seller}))
    assert {"core.enrolment_events", "core.enrolments", "core.units", "core.contacts"} <= made()
    assert warehouse.rows("select outcome from core.units where shipment_id = 'P1'") == [{"outcome": "never_enrolled"}]


@pytest.mark.parametrize(
    ("late", "is_made_again"),
    [
        ({"shipment_id": "P9", "shipped_at": "2026-02-20T12:00:00Z"}, False),
        ({"shipment_id": "P9", "shipped_at": "2026-03-20T12:00:00Z"}, True),
        ({"shipment_id": "P1", "shipped_at": "2026-04-20T12:00:00Z", "updated_at": "2026-04-21T00:00:00Z"}, True),
    ],
)
def test_rows_of_other_months_leave_a_month_as_it_is_unless_they_beat_one_of_its_rows(
    late: dict[str, str], is_made_again: bool, warehouse: Warehouse, made: Callable[..., set[str]], tmp_path: Path
) -> None:
    load_paths(warehouse, write_csv(tmp_path / "late", {"shipments": [row("shipments", order_id="O", **late)]}))
    assert ("core.units" in made()) is is_made_again
    was_beaten = late["shipment_id"] == "P1"
    assert (warehouse.rows("from core.units where shipment_id = 'P1' and period = '2026-03'") == []) is was_beaten


def test_a_month_without_rows_of_a_dataset_is_made_again_when_the_first_of_all_are_loaded(
    warehouse: Warehouse, made: Callable[..., set[str]], tmp_path: Path
) -> None:
    counted = "select period from audit.refund_balance where period = '2026-03'"
    assert warehouse.rows(counted) == []
    refund = row("refunds", refund_id="R", order_id="O", refunded_at="2026-05-05T12:00:00Z")
    load_paths(warehouse, write_csv(tmp_path / "first", {"refunds": [refund]}))
    assert "core.refunds" in made()
    assert warehouse.rows(counted) != []


OLD, MARCH_5 = "2025-12-20T12:00:00Z", "2026-03-05T12:00:00Z"
IN_FEBRUARY, IN_APRIL = "2026-03-01T02:00:00Z", "2026-04-01T03:00:00Z"
"""February ends later in America than March begins elsewhere, and March later than April begins."""
OLD_LINE = {"shipment_id": "P0", "order_id": "O"}
OLD_ITEM = {"order_id": "old"}
NAMED = {
    "shipments": [
        OLD_LINE,
        {"shipment_id": "P7", "order_id": "february", "shipped_at": IN_FEBRUARY},
        {"shipment_id": "P6", "order_id": "lacking", "shipped_at": IN_FEBRUARY},
        {"shipment_id": "P5", "order_id": "half", "order_item_id": "2", "shipped_at": IN_FEBRUARY},
        {"shipment_id": "P4", "order_id": "moving", "shipped_at": IN_APRIL},
    ],
    "order_items": [
        OLD_ITEM,
        {"order_id": "february"},
        {"order_id": "half"},
        {"order_id": "moving"},
        {"order_id": "pair", "order_item_id": "2", "fulfillment": "AFN"},
    ],
    "contacts": [{"contact_id": "C0", "order_id": "pair", "order_item_id": None, "contacted_at": MARCH_5}],
}
"""What March names beside the orders O and gone, or seems to: all of it happened long before, if not said otherwise."""
LATER = [
    ("a line of an order not named", "shipments", {"shipment_id": "P8", "order_id": "new"}, ""),
    ("a line of one named", "shipments", {"shipment_id": "P9", "order_id": "O"}, "audit.exceptions"),
    ("its line, other than it was", "shipments", OLD_LINE | {"quantity": "2"}, "audit.exceptions"),
    ("its line, for another order", "shipments", OLD_LINE | {"order_id": "new"}, "audit.exceptions"),
    ("that line, as it was for it", "shipments", OLD_LINE | {"quantity": "3"}, "audit.exceptions"),
    ("a line of one of February", "shipments", {"shipment_id": "P10", "order_id": "february"}, ""),
    ("a line of one without items", "shipments", {"shipment_id": "P11", "order_id": "gone"}, "audit.exceptions"),
    ("an item of an order not named", "order_items", {"order_id": "new"}, ""),
    ("its item, other than it was", "order_items", OLD_ITEM | {"quantity": "2"}, ""),
    ("an item of one named", "order_items", {"order_id": "O", "order_item_id": "2"}, "core.units"),
    ("an item that was lacking", "order_items", {"order_id": "gone"}, "core.contacts"),
    ("an item, ordered in March", "order_items", OLD_ITEM | {"purchased_at": MARCH_5}, "core.units"),
    ("an item without which it was March", "order_items", {"order_id": "lacking"}, "core.units"),
    ("one of an order with another", "order_items", {"order_id": "half", "order_item_id": "2"}, "core.units"),
    ("one that a contact is about instead", "order_items", {"order_id": "pair"}, "core.contacts"),
    ("one in another marketplace", "order_items", {"order_id": "moving", "marketplace_id": JP}, "core.units"),
    ("an item, no longer of March", "order_items", OLD_ITEM | {"quantity": "3"}, "core.units"),
]
"""What comes then, one by one, and a table that it changes, or could."""


def test_rows_of_orders_that_a_month_does_not_name_leave_it_as_it_is(
    warehouse: Warehouse, made: Callable[..., set[str]], tmp_path: Path
) -> None:
    """And what is left is what would come out. A row that is beaten counts with the order that it named."""

    def load(name: str, rows: dict[str, list[dict[str, str | None]]], updated_at: str) -> None:
        given = {
            dataset: [
                row(dataset, **({str(DATASETS[dataset].happened_at): OLD, "updated_at": updated_at} | values))
                for values in some
            ]
            for dataset, some in rows.items()
        }
        load_paths(warehouse, write_csv(tmp_path / name, given))

    def of_orders() -> dict[str, list[dict[str, Any]]]:
        return {name: warehouse.rows(f"from {name} order by all") for name in reading}

    reading = {step[0].full_name: step for step in steps() if not step[0].is_view and reads_of(step).reached}
    load("named", NAMED, "2026-04-01T00:00:00Z")
    made()
    assert made() == set()
    for number, (what, dataset, values, table) in enumerate(LATER, start=2):
        load(what, {dataset: [values]}, f"2026-04-{number:02}T00:00:00Z")
        again = made()
        assert table in again if table else not again & reading.keys(), what
        left = of_orders()
        warehouse.makes_anew = True
        set_scope(warehouse, MARCH)
        for step in reading.values():
            make(warehouse, step)
        warehouse.makes_anew = False
        assert of_orders() == left, what


def test_among_very_many_rows_orders_are_not_looked_for(
    warehouse: Warehouse, made: Callable[..., set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may cost more to look through than the month to make."""
    monkeypatch.setattr(reach, "NEWS_LOOKED_AT", 1)
    for shipment in ("P8", "P9"):
        line = row("shipments", shipment_id=shipment, order_id="new", shipped_at=OLD)
        load_paths(warehouse, write_csv(tmp_path / shipment, {"shipments": [line]}))
        assert ("audit.exceptions" in made()) is (shipment == "P9")


def test_causes_of_late_lines_count_for_the_months_that_they_are_about(
    warehouse: Warehouse, made: Callable[..., set[str]]
) -> None:
    def note(period: str) -> None:
        cause = [US, period, "S", "enrolment_changed", 1, "2026-04"]
        warehouse.con.execute("insert into billing.late_causes values (?, ?, ?, ?, ?, ?)", cause)

    note("2026-02")
    assert "audit.exceptions" not in made()
    note(MARCH)
    assert "audit.exceptions" in made()
    assert warehouse.rows("select period from audit.exceptions where kind = 'enrolment_backdated'") == [
        {"period": MARCH}
    ]


def test_what_is_read_of_a_month_alone_is_told_from_the_sql() -> None:
    read = {step[0].full_name: reads_of(step) for step in steps() if not step[0].is_view}
    assert {name: set(found.within) for name, found in read.items() if found.within} == {
        "audit.exceptions": {"contacts"},
        "core.contacts": {"contacts"},
        "core.defects": {"defects"},
        "core.refunds": {"refunds"},
        "core.requests": {"seller_requests"},
        "core.returns": {"returns"},
        "core.units": {"shipments"},
    }
    assert {name: set(found.reached) for name, found in read.items() if found.reached} == {
        "audit.exceptions": {"order_items", "shipments"},
        "core.contacts": {"order_items"},
        "core.defects": {"order_items"},
        "core.refunds": {"order_items"},
        "core.requests": {"order_items"},
        "core.returns": {"order_items"},
        "core.units": {"order_items"},
    }
    assert {name: set(found.of_scope) for name, found in read.items() if found.of_scope} == {
        "audit.exceptions": {"billing.late_causes"},
    }


def test_another_month_is_made_and_the_first_stays_as_it_is(
    warehouse: Warehouse, made: Callable[..., set[str]]
) -> None:
    assert "core.units" in made("2026-04")
    assert made() == set()


def test_a_table_whose_checks_failed_is_made_again(
    warehouse: Warehouse, made: Callable[..., set[str]], tmp_path: Path
) -> None:
    late = [row("contacts", contact_id="C3", order_id="O", contacted_at="2026-03-06T12:00:00Z")]
    load_paths(warehouse, write_csv(tmp_path / "late", {"contacts": late}))
    (contacts, *gates) = step_of("core.contacts")
    broken = replace(contacts, query=contacts.query.replace("'counted'", "'lost'"))
    set_scope(warehouse, MARCH)
    with pytest.raises(ChecksFailedError):
        make(warehouse, [broken, *gates])
    assert "core.contacts" in made()
