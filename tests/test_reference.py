"""The pipeline against the reference, on generated worlds: every unit, contact and line, to the unit and the cent."""

from datetime import timedelta
from pathlib import Path

import pytest
from house import bill, load_paths, opened
from reference import CONTACT_OUTCOMES, DEFECT_OUTCOMES, REFUND_OUTCOMES, REQUEST_OUTCOMES, UNIT_OUTCOMES, Books
from reference import bill as bill_by_hand
from worlds import World, is_order_free, shuffled, world

from assets import reach
from assets.warehouse import Warehouse

A_FEW = range(8)
MANY = range(8, 240)

COLUMNS = {
    "core.enrolments": "seller_id marketplace_id interval_number started_at ended_at trial_ends_at",
    "core.units": "period marketplace_id seller_id shipment_id order_id order_item_id sku purchased_at shipped_at"
    " quantity outcome terms_id",
    "core.contacts": "period marketplace_id seller_id contact_id order_id order_item_id channel reason contacted_at"
    " resolved_at outcome",
    "billing.performance": "period marketplace_id seller_id units contacts units_valid_tracking returns returns_prepaid"
    " orders_in_quarter",
    "billing.fee_lines": "period marketplace_id seller_id terms_id kind units tier fee discount waiver amount currency",
    "billing.statements": "period marketplace_id seller_id total",
    "core.requests": "period marketplace_id seller_id request_id order_id order_item_id requested_at replied_at due_at"
    " outcome",
    "core.refunds": "period marketplace_id seller_id refund_id order_id order_item_id refunded_at issued_by amount"
    " safe_t_status safe_t_amount currency outcome",
    "core.defects": "period marketplace_id seller_id defect_id order_id order_item_id type occurred_at outcome",
    "billing.defects": "period marketplace_id seller_id orders orders_with_defect a_to_z_claims negative_feedback"
    " chargebacks",
    "billing.refunds": "period marketplace_id seller_id issued_by currency refunds amount safe_t_filed"
    " safe_t_filed_amount safe_t_granted safe_t_granted_amount safe_t_denied safe_t_denied_amount",
    "billing.service": "period marketplace_id seller_id contacts contacts_resolved requests requests_due"
    " requests_answered requests_late requests_unanswered orders orders_with_defect a_to_z_claims negative_feedback"
    " chargebacks period_before_enrolment orders_before orders_with_defect_before a_to_z_claims_before"
    " negative_feedback_before chargebacks_before",
}

CALLED = {"billing.defects": "defect_rates", "billing.refunds": "refund_sums"}
"""What the reference calls a table whose name another has."""

BALANCES = {
    "audit.unit_balance": UNIT_OUTCOMES,
    "audit.contact_balance": CONTACT_OUTCOMES,
    "audit.request_balance": REQUEST_OUTCOMES,
    "audit.refund_balance": REFUND_OUTCOMES,
    "audit.defect_balance": DEFECT_OUTCOMES,
}


@pytest.mark.parametrize("seed", A_FEW)
def test_a_world_is_billed_as_the_reference_says(seed: int, tmp_path: Path) -> None:
    assert_billed_as_the_reference_says(world(seed), tmp_path)


@pytest.mark.prove
@pytest.mark.parametrize("seed", MANY)
def test_many_worlds_are_billed_as_the_reference_says(seed: int, tmp_path: Path) -> None:
    assert_billed_as_the_reference_says(world(seed), tmp_path)


@pytest.mark.parametrize("seed", A_FEW[:2])
def test_it_does_not_matter_which_items_are_near(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_few_items_near(monkeypatch)
    assert_billed_as_the_reference_says(world(seed), tmp_path)


@pytest.mark.prove
@pytest.mark.parametrize("seed", [*A_FEW[2:], *MANY[:60]])
def test_it_does_not_matter_in_many_worlds_which_items_are_near(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_few_items_near(monkeypatch)
    assert_billed_as_the_reference_says(world(seed), tmp_path)


def with_few_items_near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only items of the month itself are near, and the others are looked up in any case."""
    monkeypatch.setattr(reach, "NEAR", timedelta())
    monkeypatch.setattr(reach, "WORTH_IT", 0)


@pytest.mark.parametrize("seed", [seed for seed in A_FEW if is_order_free(seed)][:2])
def test_split_order_and_repetition_of_files_do_not_matter(seed: int, tmp_path: Path) -> None:
    assert_billed_as_the_reference_says(shuffled(world(seed), seed), tmp_path, bill_by_hand_of(world(seed)))


@pytest.mark.prove
@pytest.mark.parametrize("seed", [seed for seed in MANY if is_order_free(seed)][:60])
def test_split_order_and_repetition_of_files_do_not_matter_in_many_worlds(seed: int, tmp_path: Path) -> None:
    assert_billed_as_the_reference_says(shuffled(world(seed), seed), tmp_path, bill_by_hand_of(world(seed)))


@pytest.mark.parametrize("seed", A_FEW[:2])
def test_billing_twice_changes_nothing(seed: int, tmp_path: Path) -> None:
    told = world(seed)
    with billed(told, tmp_path) as warehouse:
        before = {table: rows_of(warehouse, table) for table in COLUMNS}
        bill(warehouse, told.periods, marketplaces=tmp_path / "marketplaces.csv", terms=tmp_path / "terms")
        assert {table: rows_of(warehouse, table) for table in COLUMNS} == before


def bill_by_hand_of(told: World) -> Books:
    return bill_by_hand(told.rows(), told.marketplaces, told.versions(), told.periods)


class billed:  # noqa: N801 - reads as what it gives: `with billed(world, folder) as warehouse`
    def __init__(self, told: World, folder: Path) -> None:
        self.told, self.folder = told, folder
        self.opening = opened(folder / "home")

    def __enter__(self) -> Warehouse:
        warehouse = self.opening.__enter__()
        marketplaces = self.told.write_marketplaces(self.folder / "marketplaces.csv")
        self.told.write_terms(self.folder / "terms")
        for paths in self.told.write(self.folder / "files"):
            report = load_paths(warehouse, paths, marketplaces)
            assert not report.refusals
            assert not sum(file.rows_quarantined + file.rows_skipped for file in report.loads)
        bill(warehouse, self.told.periods, marketplaces=marketplaces, terms=self.folder / "terms")
        return warehouse

    def __exit__(self, *error: object) -> None:
        self.opening.__exit__(*error)


def assert_billed_as_the_reference_says(told: World, folder: Path, books: Books | None = None) -> None:
    books = books or bill_by_hand_of(told)
    with billed(told, folder) as warehouse:
        for table, columns in COLUMNS.items():
            expected = by_hand_in(books, table)
            names = columns.split()
            assert rows_of(warehouse, table) == in_order(tuple(line[name] for name in names) for line in expected), (
                table
            )
        assert reported(warehouse, "shipped_though_cancelled") == in_order(
            (line["period"], line["marketplace_id"], line["seller_id"], line["shipment_id"], line["order_id"])
            for line in books.shipped_though_cancelled
        )
        for table, outcomes in BALANCES.items():
            assert balances(warehouse, table, outcomes) == counted(by_hand_in(books, table)), table


def by_hand_in(books: Books, table: str):
    return getattr(books, CALLED.get(table, table.split(".")[1]))


def rows_of(warehouse: Warehouse, table: str) -> list[tuple]:
    names = ", ".join(COLUMNS[table].split())
    return in_order(warehouse.con.execute(f"select {names} from {table}").fetchall())


def reported(warehouse: Warehouse, kind: str) -> list[tuple]:
    query = "select period, marketplace_id, seller_id, subject, order_id from audit.exceptions where kind = ?"
    return in_order(warehouse.con.execute(query, [kind]).fetchall())


def in_order(rows) -> list[tuple]:
    return sorted(rows, key=lambda row: tuple((value is not None, str(value)) for value in row))


def balances(warehouse: Warehouse, table: str, outcomes: tuple[str, ...]) -> dict:
    names = ", ".join(outcomes)
    assert warehouse.rows(f"from {table} where difference <> 0") == []
    found = warehouse.con.execute(f"select marketplace_id, period, {names} from {table}").fetchall()
    return counted({(where, period): dict(zip(outcomes, counts, strict=True)) for where, period, *counts in found})


def counted(balance) -> dict:
    """Without zeros."""
    found = {key: {outcome: count for outcome, count in counts.items() if count} for key, counts in balance.items()}
    return {key: counts for key, counts in found.items() if counts}
