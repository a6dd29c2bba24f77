"""What a month costs, by hand: tiers, waivers, rewards, rounding, versions that change inside a month."""

from decimal import Decimal
from pathlib import Path

import pytest
from house import bill, load_paths, opened, row, write_csv

TERMS = """
marketplace_id = "{marketplace}"
[[version]]
id = "V1"
from = 2020-01-01
trial_days = 30
tier = [{{ up_to = 0.05, fee = 0.125 }}, {{ up_to = 0.10, exclusive = true, fee = 0.5 }}, {{ fee = 1 }}]
{more}
"""
US, JP = "ATVPDKIKX0DER", "A1VC38T7YXB528"


def lines(
    folder: Path,
    *,
    units: int = 1,
    contacts: int = 0,
    valid: int | None = None,
    returns: tuple[str, ...] = (),
    other_returns: int = 0,
    orders: int = 1,
    marketplace: str = US,
    more: str = "",
    shipped_at: tuple[str, ...] = ("2026-03-02T12:00:00Z",),
    enrolled_at: str = "2025-01-01T00:00:00Z",
) -> list[tuple]:
    """Terms, kind, units, tier, discount, waiver and amount of each line of a seller that shipped `units` each time."""
    (folder / "terms").mkdir(parents=True)
    (folder / "terms" / "terms.toml").write_text(TERMS.format(marketplace=marketplace, more=more))
    at, of = "2026-03-01T12:00:00Z", {"marketplace_id": marketplace}
    items = [row("order_items", order_id=f"O{n}", purchased_at=at, quantity=str(units), **of) for n in range(orders)]
    items.append(row("order_items", order_id="old", purchased_at="2025-11-01T12:00:00Z", **of))
    shipments = [
        row(
            "shipments",
            shipment_id=f"P{n}",
            order_id="O0",
            shipped_at=instant,
            quantity=str(units if valid is None else valid),
        )
        for n, instant in enumerate(shipped_at)
    ]
    if valid is not None:
        late = row("shipments", shipment_id="Q", order_id="O0", shipped_at=shipped_at[0], quantity=str(units - valid))
        shipments.append(late | {"is_tracking_valid": ""})
    rows = {
        "sellers": [row("sellers", seller_id="S")],
        "enrolment_events": [row("enrolment_events", seller_id="S", effective_at=enrolled_at, **of)],
        "order_items": items,
        "shipments": shipments,
        "contacts": [
            row("contacts", contact_id=f"C{n}", order_id="O0", contacted_at="2026-03-09T12:00:00Z", **of)
            for n in range(contacts)
        ],
        "returns": [
            row("returns", return_id=f"R{n}", order_id="O0", requested_at="2026-03-09T12:00:00Z", label=label)
            for n, label in enumerate(returns)
        ]
        + [
            row("returns", return_id=f"old{n}", order_id="old", requested_at="2026-01-09T12:00:00Z")
            for n in range(other_returns)
        ],
    }
    with opened(folder / "home") as warehouse:
        report = load_paths(warehouse, write_csv(folder / "files", rows))
        assert not sum(file.rows_quarantined for file in report.loads)
        bill(warehouse, ["2026-03"], terms=folder / "terms")
        return warehouse.con.execute(
            "select terms_id, kind, units, tier, discount, waiver, amount from billing.fee_lines order by 1, 2"
        ).fetchall()


def the_line(folder: Path, **values) -> tuple:
    (line,) = lines(folder, **values)
    return line


@pytest.mark.parametrize(
    ("units", "contacts", "tier"),
    [(20, 1, 1), (19, 1, 2), (100, 5, 1), (100, 6, 2), (100, 9, 2), (100, 10, 3), (1, 0, 1), (1, 2, 3)],
)
def test_a_bound_is_compared_exactly_and_says_whether_it_is_inclusive(
    units: int, contacts: int, tier: int, tmp_path: Path
) -> None:
    assert the_line(tmp_path, units=units, contacts=contacts)[3] == tier


@pytest.mark.parametrize(("units", "amount"), [(1, "0.13"), (3, "0.38"), (4, "0.50"), (5, "0.63")])
def test_an_amount_is_rounded_once_half_up(units: int, amount: str, tmp_path: Path) -> None:
    assert the_line(tmp_path, units=units)[-1] == Decimal(amount)


@pytest.mark.parametrize(("units", "amount"), [(3, 0), (4, 1), (12, 2), (11, 1)])
def test_yen_have_no_minor_unit(units: int, amount: int, tmp_path: Path) -> None:
    assert the_line(tmp_path, units=units, marketplace=JP)[-1] == amount


def test_trial_lines_are_kept_at_zero(tmp_path: Path) -> None:
    shipped = "2026-03-02T12:00:00Z", "2026-03-22T12:00:00Z"
    found = lines(tmp_path, units=8, shipped_at=shipped, enrolled_at="2026-02-20T12:00:00Z")
    assert found == [("V1", "charge", 8, 1, 0, None, Decimal(1)), ("V1", "trial", 8, None, 0, None, 0)]


WAIVERS = "[version.waive]\ncpu_below = 0.03\norders_in_quarter_below = 3\n"
REWARDS = "[version.rewards]\nvtr_at_least = 0.95\naprl_at_least = 0.9\ndiscounts = [1, 0.3333, 0.15]\n"


@pytest.mark.parametrize(
    ("contacts", "orders", "waiver"),
    [
        (2, 1, "cpu_below"),
        (3, 1, "orders_in_quarter_below"),
        (3, 2, "orders_in_quarter_below"),
        (3, 3, None),
        (2, 3, "cpu_below"),
    ],
)
def test_the_first_waiver_that_holds_is_named(contacts: int, orders: int, waiver: str | None, tmp_path: Path) -> None:
    _, _, _, tier, discount, named, amount = the_line(
        tmp_path, units=100, contacts=contacts, orders=orders, more=WAIVERS + REWARDS, other_returns=1
    )
    assert (named, tier) == (waiver, 1)
    assert (discount, amount) == ((0, 0) if waiver else (1, 0))


@pytest.mark.parametrize(
    ("valid", "returns", "other_returns", "discount"),
    [
        (95, (), 1, "0.3333"),  # no returns in the month, but returns are known
        (95, (), 0, "0"),  # nobody has ever loaded a return
        (94, (), 1, "0"),
        (95, ("prepaid",) * 9 + ("other",), 0, "0.3333"),
        (95, ("prepaid",) * 8 + ("other",), 0, "0"),
    ],
)
def test_a_reward_needs_every_condition(
    valid: int, returns: tuple[str, ...], other_returns: int, discount: str, tmp_path: Path
) -> None:
    line = the_line(
        tmp_path, units=100, contacts=6, valid=valid, returns=returns, other_returns=other_returns, more=REWARDS
    )
    assert line[4] == Decimal(discount)
    exact = 100 * Decimal("0.5") * (1 - Decimal(discount))
    assert line[-1] == exact.quantize(Decimal("0.01"), "ROUND_HALF_UP")


def test_each_version_judges_the_same_month_with_its_own_tiers(tmp_path: Path) -> None:
    second = (
        '[[version]]\nid = "V2"\nfrom = 2026-03-16\ntrial_days = 30\ntier = [{ up_to = 0.04, fee = 2 }, { fee = 3 }]\n'
    )
    shipped = "2026-03-16T06:59:59.999999Z", "2026-03-16T07:00:00Z"
    found = lines(tmp_path, units=50, contacts=5, shipped_at=shipped, more=second)
    # 5 contacts for 100 units in the month: on the inclusive bound of the one, above that of the other
    assert found == [("V1", "charge", 50, 1, 0, None, Decimal("6.25")), ("V2", "charge", 50, 2, 0, None, 150)]
