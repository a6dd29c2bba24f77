"""Good files, damaged as a spreadsheet damages what it opens and saves: the damage is named, and no money is wrong."""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path

import pytest
from house import bill, load_paths, opened, row, write_csv

from assets.raw.datasets import DATASETS

US = "ATVPDKIKX0DER"
LONG = [f"58029{number}6{number}31276{number}" for number in range(3, 9)]
"""Ids of 14 digits, as items of orders have."""
LONGER = [f"9202090339598{number}7741{number}3" for number in range(3, 9)]
"""Ids of 20 digits."""


def shortened(text: str) -> str:
    """A number of more than eleven digits, as a cell shows it."""
    return f"{float(text):.5E}"


def rounded(text: str) -> str:
    """A number of more than fifteen digits, as a cell keeps it."""
    kept = Context(prec=15, rounding=ROUND_HALF_EVEN).create_decimal(text)
    return f"{kept:f}"


def parcels(ids: list[str], **changes: Callable[[str], str] | str) -> list[dict[str, str | None]]:
    """A parcel of 2 units for each id, the last of them whole and the others damaged."""
    rows = []
    for number, of_item in enumerate(ids):
        good = row(
            "shipments",
            shipment_id=f"P{number}",
            order_id=f"058-3563777-551806{number}",
            order_item_id=of_item,
            shipped_at="2026-03-05T12:00:00Z",
            quantity="2",
        )
        for name, change in changes.items() if number < len(ids) - 1 else ():
            good[name] = change if isinstance(change, str) else change(good[name] or "")
        rows.append(good)
    return rows


def in_csv(rows: list[dict[str, str | None]], delimiter: str = ",", after: str = "") -> str:
    columns = list(DATASETS["shipments"].columns)
    lines = [columns, *([each.get(name) or "" for name in columns] for each in rows)]
    # A value that has a comma of its own is quoted, as a spreadsheet does.
    return "".join(
        delimiter.join(f'"{value}"' if delimiter in value else value for value in line) + f"{after}\r\n"
        for line in lines
    )


DAMAGES = {
    "shortened": ({"order_item_id": shortened}, "an id that no spreadsheet has shortened"),
    "shortened, with a comma": (
        {"order_item_id": lambda text: shortened(text).replace(".", ",")},
        "an id that no spreadsheet has shortened",
    ),
    "a formula": ({"order_item_id": "=A1&A2"}, "an id, not the formula of a spreadsheet"),
    "a long formula": (
        {"order_item_id": '=CONCATENATE(A1;"-";A2)'},
        "an id, not the formula of a spreadsheet",
    ),
    "decimals": ({"order_id": "5802935637.0"}, "an id, not a number with decimals"),
    "a comma": ({"order_item_id": lambda text: f"{text},00"}, "an id, not a number with decimals"),
    "an apostrophe": ({"order_item_id": lambda text: f"'{text}"}, "an id without the apostrophe of a spreadsheet"),
    "an error": ({"order_id": "#NAME?"}, "an id, not the error of a spreadsheet"),
    "no room": ({"order_item_id": "########"}, "an id, not the error of a spreadsheet"),
    "a time as in the United States": ({"shipped_at": "3/5/2026 12:00"}, "; a spreadsheet seems to have rewritten it"),
    "a time as in Germany": ({"shipped_at": "05.03.2026 12:00"}, "; a spreadsheet seems to have rewritten it"),
    "a time as in Japan": ({"shipped_at": "2026/3/5 12:00"}, "; a spreadsheet seems to have rewritten it"),
    "a day by its name": ({"shipped_at": "5-Mar-26"}, "; a spreadsheet seems to have rewritten it"),
    "a count of days": ({"shipped_at": "46086.5"}, "; a spreadsheet has made it a count of days"),
    "a count of days, with a comma": ({"shipped_at": "46086,5"}, "; a spreadsheet has made it a count of days"),
    "minutes": ({"shipped_at": "12:00.0"}, "; a spreadsheet has left the time of day"),
    "a time without room": ({"shipped_at": "########"}, "; a spreadsheet shows an error here, or had no room"),
    "a decimal comma": ({"quantity": "2,0"}, "a whole number; it has a decimal comma"),
    "an exponent": ({"quantity": "2.00E+00"}, "a whole number; a spreadsheet has shortened it"),
    "a sum": ({"quantity": "=1+1"}, "a whole number; it is the formula of a spreadsheet"),
    "an error for a number": ({"quantity": "#VALUE!"}, "a whole number; a spreadsheet shows an error here"),
    "another language": (
        {"is_tracking_valid": "WAHR"},
        "true or false; a spreadsheet has put it into its own",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_is_named(home, damage):
    changes, words = DAMAGES[damage]
    done = home.load_file("shipments.csv", in_csv(parcels(LONG, **changes)).encode()).loads[0]
    assert (done.rows_loaded, done.rows_quarantined) == (1, 5)
    assert {(column, words in good) for _, column, good, _ in home.quarantine()} == {(next(iter(changes)), True)}


def test_an_id_that_a_source_has_put_together_is_looked_at_as_well(home):
    header = "order-id\torder-item-id\tquantity\tship-date\tcarrier-code\tcarrier-name\ttracking-number\tship-method\n"
    rows = [f"1\t7\t1\t2026-03-01\tUPS\t\t{tracking}\t\n" for tracking in ("1Z9", "2.77343E+11")]
    content = (header + "".join(rows)).encode()
    done = home.load_file(f"feed_marketplace={US}.txt", content).loads[0]
    assert (done.rows_loaded, done.rows_quarantined) == (1, 1)
    assert home.quarantine() == [(2, "shipment_id", "an id that no spreadsheet has shortened", "1:2.77343E+11")]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_another_encoding_loses_nothing(home, encoding):
    text = in_csv(parcels(LONG, carrier="Österreichische Post"), "\t")
    done = home.load_file("shipments.tsv", text.encode(encoding)).loads[0]
    assert (done.rows_loaded, done.rows_quarantined) == (6, 0)
    assert home.rows("select count(*) from raw.shipments where carrier = 'Österreichische Post'") == [(5,)]


def test_blank_columns_and_rows_are_no_rows_that_are_lost(home):
    rows = in_csv(parcels(LONG), after=",,")
    blank = "," * (len(DATASETS["shipments"].columns) + 1) + "\r\n"
    done = home.load_file("shipments.csv", (rows + blank * 3).encode()).loads[0]
    assert (done.rows_loaded, done.rows_quarantined) == (6, 0)
    assert done.skipped_because == {"a row without any value": 3}


def test_ids_cut_to_fifteen_digits_are_known_by_their_column(home):
    good = in_csv(parcels(LONGER))
    assert home.load_file("shipments_good.csv", good.encode()).loads[0].rows_loaded == 6
    cut = parcels(LONGER)
    for each in cut:
        each["order_item_id"] = rounded(each["order_item_id"] or "")
    assert len({each["order_item_id"] for each in cut}) == 6
    done = home.load_file("shipments_cut.csv", in_csv(cut).encode()).loads[0]
    assert (done.rows_loaded, done.rows_quarantined) == (0, 6)
    assert {(column, good) for _, column, good, _ in home.quarantine()} == {
        ("order_item_id", "an id of which no spreadsheet has kept fifteen digits only")
    }


@pytest.mark.parametrize(
    "ids",
    [
        [f"92020903395983{number}0000" for number in range(9)] + ["920209033959831234"],  # one that is whole
        ["9202090339598300"],  # a zero or two by accident
        ["920209033959830", "920209033959000"],  # of fifteen digits
        [f"ORDER-92020903395983{number}00000" for number in range(9)],
        ["A+B", "RED+BLUE", "X-1E+5", "5.8E13", "1+1", "#", "12E+"][:4],
    ],
)
def test_a_good_id_is_not_taken_for_a_damaged_one(home, ids):
    done = home.load_file("shipments.csv", in_csv(parcels(ids)).encode()).loads[0]
    assert (done.rows_loaded, done.rows_quarantined) == (len(ids), 0)


# -- and the money -------------------------------------------------------------------------------------------------

FEE = Decimal("0.20")
"""Per unit: United States in March 2026, without a contact."""


def billed(tmp_path: Path, items: list[dict], shipped: str) -> tuple[Decimal, int, int]:
    """What the seller owes for March, the units that wait for their order, and what the balance lacks."""
    with opened(tmp_path / "home") as warehouse:
        files = write_csv(
            tmp_path / "files",
            {
                "sellers": [row("sellers", seller_id="S")],
                "enrolment_events": [row("enrolment_events", seller_id="S", effective_at="2025-01-01T00:00:00Z")],
                "order_items": items,
            },
        )
        (tmp_path / "files" / "shipments.csv").write_text(shipped, encoding="utf-8", newline="")
        load_paths(warehouse, [*files, tmp_path / "files" / "shipments.csv"])
        bill(warehouse, ["2026-03"])
        amounts = warehouse.con.execute("select coalesce(sum(total), 0) from billing.statements").fetchall()
        waiting, lacking = warehouse.con.execute(
            "select cast(sum(unmatched) as bigint), cast(sum(difference) as bigint) from audit.unit_balance"
        ).fetchall()[0]
        return amounts[0][0], waiting, lacking


def items_of(shipped: list[dict[str, str | None]]) -> list[dict[str, str | None]]:
    keys = ("order_id", "order_item_id", "quantity")
    return [
        row("order_items", purchased_at="2026-03-01T12:00:00Z", **{key: each[key] for key in keys}) for each in shipped
    ]


def test_rows_that_are_damaged_in_every_way_bill_nothing_and_the_others_what_they_cost(tmp_path):
    ids = [f"{int(LONG[0]) + number}" for number in range(len(DAMAGES) + 1)]
    good = parcels(ids)
    rows = [
        parcels([each["order_item_id"] or "", ids[-1]], **changes)[0] | {"tracking_id": f"{number}"}
        for number, (each, (changes, _)) in enumerate(zip(good, DAMAGES.values(), strict=False))
    ]
    assert billed(tmp_path, items_of(good), in_csv([*rows, good[-1]])) == (2 * FEE, 0, 0)


def test_zeros_lost_at_the_beginning_leave_units_that_wait_for_their_order(tmp_path):
    ids = ["05835637773450", "05835637773451", "15835637773452"]
    good = parcels(ids)
    lost = [each | {"order_item_id": (each["order_item_id"] or "").lstrip("0")} for each in good]
    assert billed(tmp_path / "one", items_of(good), in_csv(lost)) == (2 * FEE, 4, 0)
    assert billed(tmp_path / "both", items_of(lost), in_csv(lost)) == (6 * FEE, 0, 0)


def test_ids_that_become_one_do_not_replace_each_other(tmp_path):
    """Cut to fifteen digits, two parcels would be two versions of one."""
    ids = ["92020903395983001234", "92020903395983005678", "92020903395983009999"]
    good = parcels(ids)
    cut = [each | {"order_item_id": rounded(each["order_item_id"] or ""), "shipment_id": "P"} for each in good]
    assert len({each["order_item_id"] for each in cut}) == 1
    assert billed(tmp_path, items_of(good), in_csv(cut))[0] == 0
