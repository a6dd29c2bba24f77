"""A file's rows in one pass: what SQL lets pass the contract passes, and the order of the file is kept."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.raw.contracts import EARLIEST, LATEST, MOST_UNITS, failing_rows, passes
from assets.raw.datasets import DATASETS
from assets.raw.sources import CANONICAL, Source
from assets.raw.staging import Staging

MARKETPLACES = dict.fromkeys(f"A{number}" for number in range(40))
TELL_ALL = [name for name, dataset in DATASETS.items() if passes(dataset.schema_for(MARKETPLACES)) != "false"]

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "VARCHAR": st.one_of(
        st.none(),
        st.sampled_from(
            ["A1", "A39", "A40", "a1", "MFN", "AFN", "activate", "seller", "email", "refund", "prepaid", "ä"]
        ),
        st.text(max_size=3),
    ),
    "BIGINT": st.one_of(st.none(), st.sampled_from([0, 1, -1, MOST_UNITS, MOST_UNITS + 1])),
    "BOOLEAN": st.sampled_from([None, True, False]),
    "DECIMAL(18,4)": st.one_of(st.none(), st.decimals(-1000, 1000, places=4)),
    "TIMESTAMP": st.sampled_from(
        [None, EARLIEST, LATEST, EARLIEST - timedelta(microseconds=1), LATEST + timedelta(microseconds=1)]
    ),
}
GOOD: dict[str, Any] = {
    "marketplace_id": "A1",
    "fulfillment": "MFN",
    "event": "activate",
    "source": "seller",
    "channel": "email",
    "reason": "refund",
    "label": "prepaid",
    "type": "chargeback",
    "quantity": 1,
}


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        yield con


def test_sql_can_tell_of_all_large_datasets():
    large = {"order_items", "shipments", "contacts", "returns", "enrolment_events", "seller_requests", "defects"}
    assert large == set(TELL_ALL)


@pytest.mark.parametrize("name", TELL_ALL)
@settings(deadline=None)
@given(data=st.data())
def test_sql_lets_pass_what_the_contract_lets_pass(con, name, data):
    """A good row with any of its values changed, as the contract sees it and as SQL does."""
    dataset = DATASETS[name]
    usual = {"VARCHAR": "x", "BOOLEAN": True, "TIMESTAMP": datetime(2026, 3, 1)}
    row = {column: GOOD.get(column, usual.get(kind)) for column, kind in dataset.columns.items()}
    for column in data.draw(st.lists(st.sampled_from(list(row)), max_size=2)):
        row[column] = data.draw(VALUES[dataset.columns[column]])
    schema = dataset.schema_for(MARKETPLACES)
    types = {column: part.dtype.type for column, part in schema.columns.items()}
    rows = pl.DataFrame([{"row_number": 1, **row}], schema={"row_number": pl.Int64, **types})
    is_good = failing_rows(schema, rows) is None
    ((by_sql,),) = con.execute(f"select coalesce({passes(schema)}, false) from rows").fetchall()
    assert by_sql == is_good


@pytest.mark.parametrize("name", DATASETS)
def test_staging_is_one_pass_without_a_join_which_could_lose_the_order(con, tmp_path: Path, name):
    path = tmp_path / f"{name}.csv"
    path.write_text(",".join(DATASETS[name].columns) + "\n", encoding="utf-8")
    source = Source(CANONICAL, DATASETS[name], (f"{name}*",))
    plans = []

    class Listening:
        """The connection, which keeps the plan of what is staged."""

        def execute(self, query: str):
            if "create temp table staged" in query:
                plans.append(con.execute(f"explain {query}").fetchall()[0][1])
            return con.execute(query)

        def __getattr__(self, attribute: str):
            return getattr(con, attribute)

    staging = Staging(Listening(), path, source, {}, MARKETPLACES)  # ty: ignore
    staging.run(lambda _: None)
    staging.forget()
    assert "read_csv" in plans[0].lower()
    assert "join" not in plans[0].lower()


def test_the_order_of_a_long_file_is_kept(con, tmp_path: Path):
    """Long enough for several threads; a row in ten is in doubt, a row in a hundred refused."""
    path = tmp_path / "returns.csv"
    lines = [
        f"R{n},O,1,{'2026-03-01 10:00:00Z' if n % 10 else '2026-03-01T10:00Z'},{'other' if n % 100 else 'none'}"
        for n in range(1, 400_001)
    ]
    path.write_text("return_id,order_id,order_item_id,requested_at,label\n" + "\n".join(lines), encoding="utf-8")
    staging = Staging(con, path, Source(CANONICAL, DATASETS["returns"], ("returns*",)), {}, MARKETPLACES)
    staging.run(lambda _: None)
    assert con.execute("select count(*) from staged where return_id <> 'R' || (rowid + 1)").fetchall() == [(0,)]
    refused = con.execute("select count(*), sum(row_number % 100) from refusals").fetchall()
    staging.forget()
    assert refused == [(4000, 0)]


def test_usual_instants_are_read_as_any_other(con):
    """With one or two letters changed in every way that could matter, and what is as long or ends alike."""
    from assets.raw.times_sql import TimeForm
    from assets.raw.typing_sql import Writing, _any_instant, typed

    letters = "0123456789 -/:.+TZt,²"
    pick = random.Random(1)
    texts = {
        "2026-03-09T1:2:3+01:15:00",
        "2026-3-9T2:38:45+01:15:00",
        " 2026-3-09T10:02:03+09:00",
        "\u00a0 2026-03-09T22:38+01:00",
        "\u2003\u20032026-03-09T22:38:00",
        "5-OCT-2025 10:23:05+09:00",
        "05-OCT-2025 10:23:05+09:00",
    }
    for usual in ("2026-03-09T22:38:45Z", "2026-03-09T22:38:45+01:30", "2026-12-31T00:00:00-08:00"):
        for place in range(len(usual)):
            for letter in letters:
                once = usual[:place] + letter + usual[place + 1 :]
                other = pick.randrange(len(usual))
                texts |= {once, once[:other] + pick.choice(letters) + once[other + 1 :]}
    frame = pl.DataFrame({"t": sorted(texts)})
    assert frame.height > 1500
    form = "%d-%b-%Y %H:%M:%S%z"
    for writing in (Writing(), Writing("'Asia/Tokyo'", ("Asia/Tokyo",)), Writing(forms=(TimeForm(form),))):
        by_any = f"case {_any_instant('trim(t)', writing.zone)} end"
        if writing.forms:
            by_any = f"coalesce({by_any}, make_timestamp(epoch_us(try_strptime(t, '{form}'))))"
        differing = con.execute(f"""
            select t, {typed("t", "TIMESTAMP", writing)} as read, {by_any} as by_any from frame
            where read is distinct from by_any""").fetchall()
        assert differing == []
    ((own,),) = con.execute(
        f"select {typed('t', 'TIMESTAMP', writing)} from frame where t = '5-OCT-2025 10:23:05+09:00'"
    ).fetchall()
    assert own == datetime(2025, 10, 5, 1, 23, 5)
