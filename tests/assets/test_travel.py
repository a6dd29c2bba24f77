"""The queries of heavy tables travel to Spark; what is known not to is refused, each by its name."""

from collections.abc import Generator
from datetime import datetime

import pytest
from house import bill, opened

from assets.engines import HEAVY
from assets.raw.datasets import DATASETS
from assets.tables import tables
from assets.travel import carried_over, columns_of, faults, tables_read
from assets.warehouse import Warehouse, known_after

VIEWS = ("core.order_items", "core.coverage")
"""Made by Spark as well, because heavy tables read them."""

COLUMNS = {
    "core.t": {
        "id": "VARCHAR",
        "amount": "DECIMAL(18,4)",
        "quantity": "BIGINT",
        "ratio": "DOUBLE",
        "paid_at": "TIMESTAMP",
        "zoned_at": "TIMESTAMP WITH TIME ZONE",
    },
    "core.u": {"id": "VARCHAR", "paid_at": "TIMESTAMP"},
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Generator[Warehouse]:
    """Every table, empty."""
    with opened(tmp_path_factory.mktemp("home")) as warehouse:
        bill(warehouse, ["2026-03"])
        yield warehouse


def found(warehouse: Warehouse, query: str) -> list[str]:
    return faults(query, {name: columns_of(warehouse.con, name) for name in tables_read(query)})


@pytest.mark.parametrize("name", [*HEAVY, *VIEWS])
def test_what_spark_makes_travels(warehouse: Warehouse, name: str) -> None:
    table = tables()[name]
    assert found(warehouse, table.one_query) == []


@pytest.mark.parametrize("dataset", [name for name, dataset in DATASETS.items() if dataset.happened_at])
def test_the_rows_in_force_travel(warehouse: Warehouse, dataset: str) -> None:
    assert found(warehouse, known_after(3, dataset)) == []


@pytest.mark.parametrize("name", HEAVY)
def test_every_table_that_is_read_is_known_to_be_small_or_made_by_spark(name: str) -> None:
    small = {"scope", "core.terms", "core.enrolments"}
    known = {*HEAVY, *VIEWS, "reached.coverage", *small}
    assert {each for each in tables_read(tables()[name].one_query) if not each.startswith("in_force.")} <= known


@pytest.mark.parametrize("name", HEAVY)
def test_raw_rows_are_read_within_the_month(name: str) -> None:
    """Spark is shown the months that a query can touch: it must ask for no others."""
    table = tables()[name]
    for dataset in DATASETS.values():
        if f"in_force.{dataset.name}" in tables_read(table.one_query):
            at = dataset.happened_at
            assert f"{at} >= $first_instant and {at} < $last_instant" in table.one_query
    if "core.order_items" in tables_read(table.one_query):
        assert "purchased_at >= $quarter_instant and item.purchased_at < $last_instant" in table.one_query


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("select id from core.t asof join core.u on t.id = u.id and t.paid_at >= u.paid_at", "ASOF JOIN"),
        ("select hash(id) as h from core.t", "hash()"),
        ("select my_macro(id) as x from core.t", "my_macro() is a macro"),
        ("pivot core.t on id using sum(quantity)", "PIVOT"),
        ("select * from core.t pivot (sum(quantity) for id in ('a', 'b'))", "PIVOT"),
        ("select min(columns(*)) from core.t", "COLUMNS()"),
        ("insert into core.t select * from core.t on conflict do nothing", "ON CONFLICT"),
        ("select amount / 3 as x from core.t", "division"),
        ("select quantity / ratio as x from core.t", "division"),
        ("with a as (select sum(amount) as s from core.t) select s / 2 as x from a", "division"),
        ("select cast(amount as bigint) as x from core.t", "DuckDB rounds"),
        ("select amount::integer as x from core.t", "DuckDB rounds"),
        ("select cast(ratio as integer) as x from core.t", "DuckDB rounds"),
        ("select cast(amount as varchar) as x from core.t", "known to give the same of numbers"),
        ("select cast(paid_at as date) as x from core.t", "known to give the same of numbers"),
        ("select sum(ratio) as x from core.t", "a sum of fractions"),
        ("select quantity // 2 as x from core.t", "whole division"),
        ("select date_diff('month', paid_at, paid_at) as x from core.t", "date_diff"),
        ("select dayofweek(paid_at) as x from core.t", "dayofweek"),
        ("select date_trunc('month', zoned_at) as x from core.t", "date_trunc"),
        ("select date_trunc('month', paid_at) as x from core.t", "date_trunc"),
        ("select paid_at at time zone 'Asia/Tokyo' as x from core.t", "AT TIME ZONE"),
        ("select zoned_at from core.t", "a zoned time"),
        ("select id from core.t limit 3", "LIMIT"),
        ("select id from core.t using sample 3 rows", "a sample"),
        ("select list_transform([1], x -> x) as x from core.t", "a lambda"),
        ("select round(amount, 2) as x from core.t", "round()"),
        ("select unnest([1, 2]) as x from core.t", "unnest"),
        ("select id from core.t where (id, quantity) in (select (id, quantity) from core.t)", "IN of a row"),
        ("select id from core.t where paid_at >= ?", "a parameter is written $name"),
        (r"select id from core.t where id like 'a\_b'", "like is not known"),
        ("select quantity | 2 & 4 as x from core.t", "bitwiseor is not known"),
        ("select quantity >> 33 as x from core.t", "bitwiserightshift is not known"),
        ("select id || 9 + 1 as x from core.t", "dpipe is not known"),
        ("select id[1:2] as x from core.t", "bracket is not known"),
        ("select id from core.t where (quantity, id) > (1, 'a')", "a row with nulls"),
        ("select count(t.*) as x from core.t", "rows of nulls"),
        ("select lead(quantity, 1, 0.5) over (order by id) as x from core.t", "the default"),
        ("select sum(quantity) over (order by id rows 1 preceding exclude current row) as x from core.t", "EXCLUDE"),
        ("select cast(2.5 as integer) as x", "DuckDB rounds"),
        ("select cast(1e20 as varchar) as x", "known to give the same of numbers"),
        ("select quantity::bit as x from core.t", "known to give the same of numbers"),
        ("select time '12:00' as x", "known to give the same of numbers"),
        ("select paid_at - paid_at as x from core.t", "an instant and an interval"),
        ("select id * 2 as x from core.t", "an instant and an interval"),
        ("select paid_at from core.t union select '2026-01-01'", "differing types"),
        ("select missing from core.t", "missing"),
        ("select id frm core.t where where", "cannot be parsed"),
    ],
)
def test_what_does_not_travel_is_refused_by_name(query: str, why: str) -> None:
    said = faults(query, COLUMNS)
    assert any(why in each for each in said), said


def test_what_is_alike_is_not_refused() -> None:
    whole = "sum(quantity) / nullif(count(*), 0) as x, cast(sum(quantity) as bigint) as y"
    money = "cast(sum(amount) as decimal(18, 4)) as z, max(paid_at) + interval 24 hours as w, -sum(amount) * 2 as v"
    assert faults(f"select id, {whole}, {money} from core.t where in_slice(id) group by all", COLUMNS) == []


def test_qualify_keeps_the_columns_of_a_star() -> None:
    """sqlglot's own way gives those beside the star twice."""
    query = "select t.*, 1 as one from core.t where paid_at < $last_instant qualify lag(id) over (order by id) = id"
    assert carried_over(query, {"last_instant": datetime(2026, 4, 1)}, {"core.t": "core_t"}) == (
        "SELECT * EXCEPT (is_kept) FROM (SELECT t.*, 1 AS one, LAG(id) OVER (ORDER BY id NULLS LAST) = id AS is_kept"
        " FROM core_t AS t WHERE paid_at < CAST('2026-04-01 00:00:00' AS TIMESTAMP_NTZ)) AS judged WHERE is_kept"
    )
