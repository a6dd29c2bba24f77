"""What is delivered at least once and out of order comes to the same, from files of other programs to outcomes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import permutations
from pathlib import Path

import pytest
from house import bill, load_paths, opened, row, write_csv

from assets.warehouse import Warehouse

US = "ATVPDKIKX0DER"


def order(updated: str, **changes) -> str:
    """An answer of the Orders API: an order of two items, in a parcel of each."""
    told = {
        "orderId": "O-1",
        "createdTime": "2026-03-02T10:00:00Z",
        "lastUpdatedTime": f"2026-03-{updated}:00:00Z",
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": US},
        "fulfillment": {"fulfillmentStatus": "SHIPPED", "fulfilledBy": "MERCHANT"},
        "orderItems": [
            {"orderItemId": str(number), "quantityOrdered": 2, "product": {"asin": "B1", "sellerSku": f"SKU-{number}"}}
            for number in (1, 2)
        ],
    }
    return json.dumps({"orders": [told | changes]}, indent=1)


def parcel(number: int, **changes) -> dict:
    return {
        "packageReferenceId": f"P-{number}",
        "createdTime": "2026-03-03T08:00:00Z",
        "shipTime": "2026-03-03T10:00:00Z",
        "packageStatus": {"status": "SHIPPED"},
        "packageItems": [{"orderItemId": str(number), "quantity": 2}],
    } | changes


def contact(updated: str, number: int = 1, **attributes: str) -> str:
    """A contact record of a call centre."""
    told = {"order_id": "O-1", "seller_id": "S", "marketplace_id": US, "reason": "refund"} | attributes
    return json.dumps({
        "ContactId": f"C-{number}",
        "Channel": "VOICE",
        "InitiationMethod": "INBOUND",
        "InitiationTimestamp": "2026-03-08T14:59:38Z",
        "LastUpdateTimestamp": f"2026-03-{updated}:00:00Z",
        "PreviousContactId": None,
        "Attributes": told,
    })  # fmt: skip


FILES = {
    "placed.json": order("02T10", fulfillment={"fulfillmentStatus": "UNSHIPPED", "fulfilledBy": "MERCHANT"}),
    "shipped.json": order("03T10", packages=[parcel(1), parcel(2)]),
    # the second parcel was withdrawn, and says no more when it would have left
    "withdrawn.json": order(
        "04T10", packages=[parcel(1), parcel(2, shipTime=None, packageStatus={"status": "CANCELLED"})]
    ),
    "stream_1.json": contact("08T15") + contact("08T15") + contact("08T16", 2),
    # the first reason was a mistake, the second contact was contested, and the stream delivers again
    "stream_2.jsonl": "\n".join(
        [contact("08T18", reason="invoice"), contact("09T10", 2, is_void="true"), contact("08T15")]
    ),
}
ORDERS = list(permutations(FILES))


@contextmanager
def delivered(folder: Path, arrival: tuple[str, ...]) -> Iterator[Warehouse]:
    """A home into which the files came one by one."""
    told = write_csv(
        folder / "told",
        {
            "sellers": [row("sellers", seller_id="S")],
            "enrolment_events": [row("enrolment_events", seller_id="S", effective_at="2026-03-01T12:00:00Z")],
        },
    )
    (folder / "seller=S").mkdir()
    with opened(folder / "home") as home:
        load_paths(home, told)
        for name in arrival:
            path = folder / "seller=S" / name
            path.write_text(FILES[name])
            report = load_paths(home, [path])
            assert report.refusals == []
            assert sum(load.rows_quarantined for load in report.loads) == 0
        yield home


def in_force(home: Warehouse) -> list[list[tuple]]:
    queries = (
        f"select * exclude (load_id, file_id, row_number) from in_force.{name} order by all"
        for name in ("order_items", "shipments", "contacts")
    )
    return [home.con.execute(query).fetchall() for query in queries]


@pytest.mark.parametrize("arrival", [ORDERS[0], ORDERS[64], ORDERS[-1]])
def test_outcomes_are_those_of_the_latest_versions(tmp_path, arrival):
    with delivered(tmp_path, arrival) as home:
        bill(home, ["2026-03"])
        rows = home.con.execute("select order_item_id, sku, updated_at from core.order_items order by all").fetchall()
        at = datetime(2026, 3, 4, 10)
        assert rows == [("1", "SKU-1", at), ("2", "SKU-2", at)]
        units = home.con.execute("select shipment_id, quantity, outcome from core.units order by all").fetchall()
        assert units == [("O-1:P-1", 2, "trial"), ("O-1:P-2", 2, "void")]
        contacts = home.con.execute("select contact_id, reason, outcome from core.contacts order by all").fetchall()
        assert contacts == [("C-1", "invoice", "excluded_reason"), ("C-2", "refund", "void")]


@pytest.mark.parametrize("arrivals", [ORDERS[1::40], pytest.param(ORDERS, marks=pytest.mark.prove)])
def test_every_order_of_arrival_comes_to_the_same(tmp_path, arrivals):
    found = []
    for number, arrival in enumerate([ORDERS[0], *arrivals]):
        (tmp_path / str(number)).mkdir()
        with delivered(tmp_path / str(number), arrival) as home:
            found.append(in_force(home))
    assert all(each == found[0] for each in found)
    assert [len(rows) for rows in found[0]] == [2, 2, 2]
