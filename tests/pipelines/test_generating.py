"""The synthetic world: repeatable, of the size asked for, good to the contract, and with every case billing knows."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from house import DATA, bill, load_paths, opened

from assets.core.marketplaces import read_marketplaces
from assets.raw.loading import LoadReport
from assets.warehouse import Warehouse
from pipelines.generating import Market, generate

LISTED = {market.country: market for market in read_marketplaces(DATA / "marketplaces.csv").values()}
MARKETS = [
    Market(
        *(listed.marketplace_id, listed.country, listed.language, listed.time_zone),
        *(listed.currency, listed.minor_units),
    )
    for listed in (LISTED["US"], LISTED["JP"], LISTED["DE"])
]
MONTHS = ["2026-03", "2026-04", "2026-05", "2026-06"]
SAMPLE = {"markets": MARKETS, "sellers": 60, "units": 4000, "months": MONTHS, "seed": 1}
"""What data/sample holds."""
SERVICE = ("seller_requests", "refunds", "defects")
SMALL = {"markets": MARKETS[:1], "sellers": 5, "units": 200, "months": ["2026-10", "2026-11"], "seed": 7}


def contents(files: list[Path]) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return generate(tmp_path_factory.mktemp("sample") / "new", **SAMPLE, has_service=True)


@pytest.fixture(scope="module")
def loaded(sample: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, LoadReport]]:
    """The sample in a home, month by month as it came, with all tables made."""
    with opened(tmp_path_factory.mktemp("home")) as warehouse:
        report = load_paths(warehouse, [sample[0].parent])
        bill(warehouse, MONTHS)
        yield warehouse, report


def distinct(warehouse: Warehouse, query: str) -> set:
    rows = warehouse.con.execute(f"select distinct * from ({query})").fetchall()
    return {row[0] if len(row) == 1 else row for row in rows}


def number(warehouse: Warehouse, query: str) -> int:
    return warehouse.con.execute(query).fetchall()[0][0]


# -- the files ---------------------------------------------------------------------------------------------------


def test_same_arguments_same_bytes(tmp_path: Path):
    assert contents(generate(tmp_path / "one", **SMALL)) == contents(generate(tmp_path / "two", **SMALL))


def test_number_of_threads_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    connect = duckdb.connect
    worlds = []
    for threads in (1, 4):
        monkeypatch.setattr(duckdb, "connect", lambda path, n=threads: connect(path, config={"threads": n}))
        # more rows than DuckDB gives to one thread at a time
        files = generate(tmp_path / str(threads), **{**SMALL, "units": 180_000, "months": ["2026-10"]})
        worlds.append(contents(files))
    assert worlds[0] == worlds[1]


def test_requests_refunds_and_defects_are_written_if_asked_for_and_change_nothing_else(tmp_path: Path):
    without = contents(generate(tmp_path / "without", **SMALL))
    files = generate(tmp_path / "with", **SMALL, has_service=True)
    service = {file.name for file in files} - without.keys()
    assert service == {f"{dataset}_{month}.csv" for dataset in SERVICE for month in SMALL["months"]}
    assert {name: content for name, content in contents(files).items() if name not in service} == without


def test_another_seed_gives_another_world(tmp_path: Path):
    one, two = (
        contents(generate(tmp_path / "one", **SMALL)),
        contents(generate(tmp_path / "two", **{**SMALL, "seed": 8})),
    )
    assert one.keys() == two.keys()
    assert all(one[name] != two[name] for name in one)


def test_files_are_listed_in_order_and_nothing_else_is_left(tmp_path: Path):
    steps = []
    files = generate(tmp_path / "new", **SMALL, progress=lambda *step: steps.append(step))
    monthly = ["order_items", "shipments", "contacts", "returns"]
    names = ["sellers", "enrolment_events", *(f"{dataset}_{month}" for month in SMALL["months"] for dataset in monthly)]
    assert [file.name for file in files] == [f"{name}.csv" for name in names]
    assert sorted((tmp_path / "new").iterdir()) == sorted(files)
    assert steps == [(file.name, i, len(files)) for i, file in enumerate(files, start=1)]


@pytest.mark.parametrize(("units", "months"), [(3000, ["2026-02"]), (20_000, MONTHS), (30_000, ["2025-11", "2025-12"])])
def test_units_are_those_asked_for(tmp_path: Path, units: int, months: list[str]):
    generate(tmp_path / "new", **{**SAMPLE, "units": units, "months": months})
    shipped = duckdb.sql(f"""
        select sum(quantity) from (
            select distinct shipment_id, order_item_id, quantity from read_csv('{tmp_path}/new/shipments_*.csv')
        )""").fetchall()[0][0]
    assert shipped == pytest.approx(units, rel=0.1)


def test_smallest_world(tmp_path: Path):
    files = generate(tmp_path / "new", **{**SMALL, "sellers": 1, "units": 1, "months": ["2026-10"]})
    with opened(tmp_path / "home") as warehouse:
        report = load_paths(warehouse, files)
    assert not report.refusals
    assert sum(file.rows_quarantined for file in report.loads) == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"months": []}, "at least one marketplace and one month"),
        ({"markets": []}, "at least one marketplace and one month"),
        ({"sellers": 0}, "at least 1 seller"),
        ({"units": 0}, "1 unit"),
        ({"months": ["2026-13"]}, "not '2026-13'"),
        ({"months": ["2026-03", "2026-05"]}, "follow each other"),
        ({"months": ["2026-03", "2026-03"]}, "follow each other"),
        ({"months": ["2019-12"]}, "from 2020-02"),
    ],
)
def test_refuses_what_gives_no_world(tmp_path: Path, change: dict, reason: str):
    with pytest.raises(ValueError, match=reason):
        generate(tmp_path / "new", **{**SMALL, **change})
    assert not (tmp_path / "new").exists()


def test_refuses_a_folder_that_is_not_empty(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="not an empty folder"):
        generate(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_offsets_follow_the_clock_change(tmp_path: Path):
    generate(tmp_path / "new", **{**SMALL, "months": ["2026-11"], "units": 2000})
    found = duckdb.sql(f"""
        select distinct purchased_at[12:] > '02' or purchased_at[1:10] <> '2026-11-01' as is_after, purchased_at[20:]
        from read_csv('{tmp_path}/new/order_items_2026-11.csv', all_varchar = true)
        where purchased_at not like '%Z' and (purchased_at[12:] > '02' or purchased_at[1:13] = '2026-11-01T00')
        """).fetchall()
    assert set(found) == {(False, "-07:00"), (True, "-08:00")}


# -- the rows ----------------------------------------------------------------------------------------------------


def test_every_row_keeps_its_contract(sample: list[Path], loaded: tuple[Warehouse, LoadReport]):
    _, report = loaded
    assert not report.refusals
    assert {file.path.name for file in report.loads} == {file.name for file in sample}
    assert not [file.path.name for file in report.loads if file.rows_quarantined or file.rows_skipped]
    assert all(not file.ignored_columns for file in report.loads)
    assert {file.dataset for file in report.loads if file.rows_duplicate} >= {"order_items", "shipments", "contacts"}


def test_the_sample_is_small(sample: list[Path]):
    assert sum(file.stat().st_size for file in sample) < 3_000_000


def test_the_sample_is_what_is_kept(sample: list[Path]):
    """Whoever changes the generator writes data/sample again, with the arguments above."""
    assert {file.name for file in (DATA / "sample").iterdir()} == {file.name for file in sample}
    assert contents(sample) == contents([DATA / "sample" / file.name for file in sample])


CASES = {
    "mixed order": """
        select order_id from in_force.order_items group by order_id
        having count(*) filter (fulfillment = 'AFN') > 0 and count(*) filter (is_prime) > 0
            and count(*) filter (fulfillment = 'MFN' and not is_prime) > 0""",
    "order of two sellers": """
        select order_id from in_force.order_items group by order_id having count(distinct seller_id) > 1""",
    "seller in two markets": """
        select seller_id from in_force.order_items group by seller_id having count(distinct marketplace_id) > 1""",
    "several units": "select * from in_force.order_items where quantity > 5",
    "corrected quantity": """
        select order_id from raw.order_items group by order_id, order_item_id having count(distinct quantity) > 1""",
    "split": "select order_id from in_force.shipments group by order_id, order_item_id having count(*) > 1",
    "parcel with two items": "select shipment_id from in_force.shipments group by shipment_id having count(*) > 1",
    "void shipment is a later version": """
        select old.shipment_id from raw.shipments as old join raw.shipments as new using (shipment_id, order_item_id)
        where not old.is_void and new.is_void and new.updated_at > old.updated_at""",
    "void contact is a later version": """
        select contact_id from raw.contacts as old join raw.contacts as new using (contact_id)
        where not old.is_void and new.is_void and new.updated_at > old.updated_at""",
    "corrected reason": "select contact_id from raw.contacts group by contact_id having count(distinct reason) > 1",
    "tracking known later": """
        select shipment_id from raw.shipments group by shipment_id, order_item_id
        having count(*) > 1 and count(is_tracking_valid) = 1""",
    "untracked": "select * from in_force.shipments where carrier is null and tracking_id is null",
    "invalid tracking": "select * from in_force.shipments where not is_tracking_valid",
    "shipment of an earlier month": """
        select shipment_id from raw.shipments join audit.files using (file_id)
        where strftime(shipped_at + interval 1 day, '%Y-%m') < path[-11:-5]""",
    "item later than its shipment": """
        select order_id from raw.order_items as item join audit.files as items on items.file_id = item.file_id
        join raw.shipments as shipment using (order_id, order_item_id)
        join audit.files as shipments on shipments.file_id = shipment.file_id
        where items.path[-11:-5] > shipments.path[-11:-5]""",
    "item that never came": """
        select * from in_force.shipments anti join in_force.order_items using (order_id, order_item_id)""",
    "never shipped": """
        select * from in_force.order_items anti join in_force.shipments using (order_id, order_item_id)""",
    "contact with an order only": """
        select * from in_force.contacts where order_id is not null and order_item_id is null""",
    "contact without an order": "select * from in_force.contacts where order_id is null",
    "contact about an unknown order": """
        select * from in_force.contacts as contact anti join in_force.order_items using (order_id)
        where contact.order_id is not null""",
    "contact about an item of another order": """
        select * from in_force.contacts as contact semi join in_force.order_items using (order_id)
        where order_item_id not in (select order_item_id from in_force.order_items)""",
    "second contact": """
        select order_item_id from in_force.contacts group by order_id, order_item_id having count(*) > 1""",
    "contact in another month than its shipping": """
        select * from in_force.contacts join in_force.shipments using (order_id, order_item_id)
        where month(contacted_at) > month(shipped_at)""",
    "contact not resolved": "select * from in_force.contacts where resolved_at is null",
    "contact before the order": """
        select * from in_force.contacts join in_force.order_items using (order_id, order_item_id)
        where contacted_at < purchased_at""",
    "return without a prepaid label": "select * from in_force.returns where label = 'other'",
    "request to a seller of no item of the order": "select * from audit.exceptions where kind = 'request_disagrees'",
    "defect rate before enrolment": "select * from billing.service where defect_rate is not null and orders_before > 0",
    "individual": "select * from in_force.sellers where plan = 'individual'",
    "suspended": "select * from in_force.sellers where standing = 'suspended'",
    "at risk": "select * from in_force.sellers where standing = 'at_risk'",
    "seller with versions": "select seller_id from in_force.sellers group by seller_id having count(*) > 1",
    "never enrolled": "select * from in_force.sellers anti join in_force.enrolment_events using (seller_id)",
    "terms refused": "select * from in_force.enrolment_events where not terms_accepted",
    "slow activation": """
        select * from in_force.enrolment_events
        where event = 'activate' and effective_at > requested_at + interval 1 hour""",
    "repeated activation": """
        select seller_id from in_force.enrolment_events group by seller_id, marketplace_id
        having count(*) > 1 and max(event) = 'activate'""",
    "deactivation first": """
        select seller_id from in_force.enrolment_events group by seller_id, marketplace_id
        having min_by(event, effective_at) = 'deactivate'""",
    "out and in again": "select * from core.enrolments where interval_number = 2",
    "opted out": "select * from core.enrolments where ended_at is not null",
    "name in other letters": "select * from in_force.sellers where name similar to '.*[一-龥].*'",
    "name with accents": "select * from in_force.sellers where name similar to '.*[äöüßéè].*'",
    "rewarded": "select * from billing.fee_lines where discount > 0",
    "reward missed": """
        select * from billing.fee_lines where terms_id = 'US-2021-11' and kind = 'charge' and discount = 0""",
    "charge": "select * from billing.fee_lines where kind = 'charge' and amount > 0",
    "trial line": "select * from billing.fee_lines where kind = 'trial'",
    "month with two versions of terms": """
        select seller_id from billing.fee_lines where period = '2026-05' and kind = 'charge'
        group by marketplace_id, seller_id having count(distinct terms_id) = 2""",
}


@pytest.mark.parametrize("case", CASES)
def test_the_sample_holds(loaded: tuple[Warehouse, LoadReport], case: str):
    assert number(loaded[0], f"select count(*) from ({CASES[case]})") > 0


SETS = {
    "select outcome from core.units": {
        *("void", "platform_fulfilled", "prime", "never_enrolled", "before_enrolment", "opted_out", "trial"),
        *("chargeable", "unmatched"),
    },
    "select outcome from core.contacts": {
        *("void", "unmatched", "platform_fulfilled", "prime", "never_enrolled", "before_enrolment", "opted_out"),
        *("excluded_reason", "before_order", "counted"),
    },
    "select waiver from billing.fee_lines": {None, "cpu_below", "orders_in_quarter_below"},
    "select tier from billing.fee_lines where kind = 'charge' and marketplace_id = 'A1VC38T7YXB528'": {1, 2, 3, 4},
    "select tier from billing.fee_lines where terms_id = 'US-2021-11' and kind = 'charge'": {1, 2, 3},
    "select tier from billing.fee_lines where terms_id = 'US-2026-05' and kind = 'charge'": {1, 2, 3},
    "select outcome from core.requests": {"answered", "late", "unanswered", "not_due"},
    "select outcome from core.refunds": {
        *("counted", "platform_fulfilled", "prime", "never_enrolled", "before_enrolment"),
    },
    "select issued_by, safe_t_status from core.refunds": {
        *(("seller", "none"), ("service", "none"), ("service", "filed"), ("service", "granted"), ("service", "denied")),
    },
    "select currency from core.refunds": {"USD", "JPY", "EUR"},
    "select outcome from core.defects": {"counted", "prime", "unmatched"},
    "select type from core.defects": {"a_to_z_claim", "negative_feedback", "chargeback"},
    "select channel from in_force.contacts": {"phone", "chat", "email"},
    "select source from in_force.enrolment_events": {"seller", "automatic"},
    "select event from in_force.enrolment_events": {"activate", "deactivate"},
    "select marketplace_id from in_force.order_items": {market.marketplace_id for market in MARKETS},
}


@pytest.mark.parametrize("query", SETS)
def test_the_sample_holds_every(loaded: tuple[Warehouse, LoadReport], query: str):
    assert distinct(loaded[0], query) == SETS[query]


def test_every_reason_of_contact(loaded: tuple[Warehouse, LoadReport]):
    reasons = distinct(loaded[0], "select reason from in_force.contacts")
    assert len(reasons) == 11
    assert reasons >= {"invoice", "customisation", "pre_order", "other"}


def test_exceptions_are_there_to_report(loaded: tuple[Warehouse, LoadReport]):
    assert len(distinct(loaded[0], "select kind from audit.exceptions")) > 5


def test_few_sellers_hold_most_units(loaded: tuple[Warehouse, LoadReport]):
    top, everything = (
        loaded[0]
        .con.execute("""
        select sum(units) filter (place <= 10), sum(units) from (
            select sum(quantity) as units, row_number() over (order by units desc) as place
            from in_force.order_items group by seller_id
        )""")
        .fetchall()[0]
    )
    assert top > everything / 2


def test_nothing_before_the_first_terms_and_nothing_outside_the_months(loaded: tuple[Warehouse, LoadReport]):
    warehouse, _ = loaded
    first, last = warehouse.con.execute("select min(shipped_at), max(shipped_at) from raw.shipments").fetchall()[0]
    assert datetime(2026, 2, 28, 15) <= first
    assert last < datetime(2026, 7, 1, 7)
    (activated,) = warehouse.con.execute("select min(effective_at) from raw.enrolment_events").fetchall()[0]
    assert activated.replace(tzinfo=UTC) > datetime(2020, 1, 1, 12, tzinfo=UTC)


def test_ids_are_of_one_order_each(loaded: tuple[Warehouse, LoadReport]):
    query = "select order_id from in_force.order_items group by order_id having count(distinct purchased_at) > 1"
    assert number(loaded[0], f"select count(*) from ({query})") == 0
