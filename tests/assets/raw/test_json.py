"""JSON: documents and lines, where records lie in them, and the answers and records that other programs deliver."""

import gzip
import json
from datetime import datetime
from itertools import permutations

import pytest

from assets.core.marketplaces import read_marketplaces
from assets.raw.sources import SourceError, read_sources
from assets.settings import CHECKOUT, Limits

FORMATS = CHECKOUT.parent / "shared" / "data" / "formats"
MARKETPLACES = read_marketplaces(CHECKOUT / "data" / "marketplaces.csv")
US, JP, UK, BRAZIL = "ATVPDKIKX0DER", "A1VC38T7YXB528", "A1F83G8C2ARO7P", "A2Q3Y263D00KWC"
needs_samples = pytest.mark.skipif(not FORMATS.is_dir(), reason="the samples of formats are not there")


def sample(name: str):
    return json.loads((FORMATS / name).read_text(encoding="utf-8"))


# -- documents -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        lambda rows: json.dumps(rows, indent=1),
        lambda rows: "".join(map(json.dumps, rows)),
        lambda rows: "\n\n".join(json.dumps(row, indent=2) for row in rows),
        lambda rows: "\ufeff" + "\n".join(map(json.dumps, rows)),
        lambda rows: "\ufeff" + json.dumps(rows),
    ],
)
@pytest.mark.parametrize("name", ["order_items.json", "ORDER_ITEMS_1.JSON.gz"])
def test_a_document_is_an_array_or_values_one_after_the_other(home, raw, written, name):
    rows = [raw.item(order_id=f"O-{number}", quantity=number) for number in range(5)]
    content = written(rows).encode()
    home.load_file(name, gzip.compress(content) if name.endswith("gz") else content)
    assert home.rows("select order_id, row_number from raw.order_items order by 2") == [
        (f"O-{number}", number + 1) for number in range(1, 5)
    ]
    assert home.quarantine() == [(1, "quantity", "at least 1", "0")]
    (came,) = home.rows('select "row" from audit.quarantine')[0]
    assert json.loads(came) == rows[0]


@pytest.mark.parametrize("content", [b"", b"[]", b" \n", b"[\n]"])
def test_a_document_without_a_record_is_loaded(home, content):
    (done,) = home.load_file("contacts.json", content).loads
    assert (done.rows_read, done.rows_loaded) == (0, 0)


@pytest.mark.parametrize("record", ["7", "null", "[1]", '"text"', '{"order_id": "1", "order_id": "2"}'])
def test_a_record_at_fault_is_quarantined_and_the_others_are_loaded(home, raw, record):
    good = [json.dumps(raw.item(order_id=f"O-{number}")) for number in range(2)]
    home.load_file("order_items.json", f"[{good[0]}, {record}, {good[1]}]".encode())
    assert home.rows("select row_number from raw.order_items order by 1") == [(1,), (3,)]
    assert [number for number, *_ in home.quarantine()] == [2]


def test_whole_numbers_of_any_length_are_kept(home, raw):
    number = "123456789012345678901234567890"
    home.load_file("order_items.json", json.dumps([raw.item(sku="N")]).replace('"N"', number).encode())
    assert home.rows("select sku from raw.order_items") == [(number,)]


@pytest.mark.parametrize(
    "line", [b'{"order_id": "x"', b"words", b'{"a": 1}{"b": 2}', b'{"a": "\xff"}', b'{"a": "\\ud800"}', b"{'a': 1}"]
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_that_is_no_json_is_quarantined_and_the_others_are_loaded(home, raw, line, end):
    good = [json.dumps(raw.item(order_id=f"O-{number}")).encode() for number in range(2)]
    (done,) = home.load_file("order_items.jsonl", end.join([good[0], b"", line, good[1]])).loads
    assert done.encoding == "UTF-8"
    assert home.rows("select row_number, order_id from raw.order_items order by 1") == [(1, "O-0"), (3, "O-1")]
    ((number, column, check, value),) = home.quarantine()
    assert (number, column, value) == (2, "line", None)
    assert check in ("JSON", "text in UTF-8")
    (came,) = home.rows('select "row" from audit.quarantine')[0]
    assert json.loads(came) == line.decode("utf-8", "backslashreplace")


# -- sources -------------------------------------------------------------------------------------------------------


def parcels(home, *header: str):
    select = """
        select row_number, as_came ->> '$.id' as shipment_id,
            coalesce(as_came ->> '$.lines[0].item', '-') as order_item_id,
            as_came ->> '$.order' as order_id, '2026-01-31T10:00:00Z' as shipped_at, '1' as quantity,
            '2026-01-31T10:00:00Z' as updated_at
        from input"""
    home.file("sources/parcels.sql", "\n".join(["-- dataset: shipments", *header, select]).encode())
    return read_sources(home.folder / "sources")


@pytest.mark.parametrize("name", ["a.json", "b.jsonl", "c.json.gz"])
def test_json_is_known_by_its_keys_wherever_its_records_lie(home, name):
    sources = parcels(home, "-- keys: id, order", "-- records: found.parcels[], parcel", "-- each: lines")
    answers = [
        {"found": {"parcels": [{"id": "1", "order": "O", "lines": [{"item": "A"}, {"item": "B"}]}]}, "next": 2},
        {"found": {"parcels": []}},
        {"parcel": {"id": "2", "order": "O", "lines": []}},
        {"id": "3", "order": "O"},
        {"error": "try again"},
    ]
    content = "\n".join(map(json.dumps, answers)).encode()
    home.load_file(name, gzip.compress(content) if name.endswith("gz") else content, sources=sources)
    assert home.rows("select row_number, shipment_id, order_item_id from raw.shipments order by 1") == [
        (1, "1", "A"),
        (2, "1", "B"),
        (3, "2", "-"),
        (4, "3", "-"),
    ]
    assert [row[:2] for row in home.quarantine()] == [(5, "shipment_id")]
    assert "its name is not known" in home.refusal("other.json", b'{"id": 1}', sources=sources)
    assert home.refusal("cut.json", b'{"found": {"parcels": [{"id": 1', sources=sources).startswith("it is not JSON")
    assert "its name is not known" in home.refusal("other.csv", b"id,order\n1,2\n", sources=sources)


@pytest.mark.parametrize("name", ["a.json", "b.jsonl"])
def test_an_answer_without_any_record_is_loaded(home, name):
    """As on a day on which nothing was sold."""
    sources = parcels(home, "-- keys: id, order", "-- records: found.parcels[], parcel")
    (done,) = home.load_file(name, b'{"found": {"parcels": []}, "next": null}', sources=sources).loads
    assert (done.source, done.rows_read) == ("parcels", 0)
    for other in (b'{"found": {"others": []}}', b'{"parcel": null}', b'{"found": []}'):
        assert "its name is not known" in home.refusal(f"other_{name}", other, sources=sources)


def test_what_is_quarantined_can_be_mended_and_loaded_by_its_source(home):
    """A row is its record with one element alone, so that it says whose it is."""
    sources = parcels(home, "-- keys: id, order", "-- each: lines")
    record = {"id": None, "order": "O", "lines": [{"item": "A"}, {"item": "B"}], "note": None}
    home.load_file("a.json", json.dumps(record).encode(), sources=sources)
    came = [json.loads(text) for (text,) in home.rows('select "row" from audit.quarantine order by row_number')]
    assert came == [record | {"lines": [line]} for line in record["lines"]]


@pytest.mark.parametrize(
    "line",
    [
        "-- keys: id\n-- records: a[].b[]",
        "-- keys: id\n-- each: a.b",
        "-- records: a[]",
        "-- keys: id\n-- facts: order_field",
    ],
)
def test_a_header_that_cannot_be_used_is_named(home, line):
    with pytest.raises(SourceError, match=r"parcels\.sql"):
        parcels(home, line)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_json_is_known_although_lines_of_it_are_at_fault(home, name):
    sources = parcels(home, "-- keys: id, order")
    good = [json.dumps({"id": str(number), "order": "O"}) for number in range(3)]
    lines = [good[0], '{"id": "x', good[1], '{"id": "1", "id": "2"}', "\0", good[2][:-3]]
    (done,) = home.load_file(name, "\n".join(lines).encode(), sources=sources).loads
    assert (done.rows_read, done.rows_loaded) == (6, 2)
    what = "record" if name == "a.json" else "line"
    faults = [(2, "JSON"), (4, "each key once"), (5, "JSON"), (6, "JSON")]
    assert home.quarantine() == [(number, what, fault, None) for number, fault in faults]


def test_of_json_that_nobody_knows_is_said_what_is_wrong_with_it(home):
    for content, reason in {
        b'{"ContactId": "': "it is not JSON: record 1: unterminated string starting at character 15; is the file cut",
        b'{"ContactId": 1, "ContactId": 2}': "its first record should be each key once; and its name is not known",
        b"\x89PNG": "it is not JSON: record 1: expecting value at character 1; is the file cut off?; and its name",
        b"": "it has no record; and its name is not known",
        b'{"a": 1}': "its name is not known",
    }.items():
        assert home.refusal("some.json", content).startswith(reason)


def test_what_is_taken_from_a_record_is_a_single_value_and_exact(home):
    sources = parcels(home, "-- keys: id, order")
    written = ["701.10", "12345678901234567.0", "1e3", '{"a": 1}', "[]", '"[1]"', '"[x]"', "NaN"]
    content = "\n".join(f'{{"id": {value}, "order": "O"}}' for value in written).encode()
    home.load_file("a.jsonl", content, sources=sources)
    assert [row[0] for row in home.rows("select shipment_id from raw.shipments order by row_number")] == [
        *("701.10", "1e3", "[x]"),
    ]
    assert home.quarantine() == [
        (2, "shipment_id", "an id, not a number with decimals", "12345678901234567.0"),
        *(
            (number, "shipment_id", "a single value", value)
            for number, value in [(4, '{"a":1}'), (5, "[]"), (6, "[1]")]
        ),
        (8, "line", "JSON without NaN and Infinity", None),
    ]


def test_a_page_is_known_however_large_it_is(home):
    """Only a record of it is held at once."""
    sources = parcels(home, "-- keys: id, order", "-- records: parcels[]")
    page = {"parcels": [{"id": str(number), "order": "O" * 400} for number in range(30)]}
    small = Limits(largest_document=1_000)
    assert home.load_file("a.json", json.dumps(page).encode(), sources=sources, limits=small).loads[0].rows_loaded == 30
    large = json.dumps({"parcels": [{"id": "1", "order": "O" * 2_000}]}).encode()
    assert "(CSBA_LARGEST_DOCUMENT)" in home.refusal("b.json", large, sources=sources, limits=small)
    assert home.load_file("b.json", large, sources=sources).loads[0].rows_quarantined == 0


# -- Amazon's Orders API -------------------------------------------------------------------------------------------


@needs_samples
def test_answers_of_the_orders_api_of_2026(home):
    every = sample("orders_api_2026-01-01_official_examples.json").values()
    answers = [
        answer
        for each in every
        for answer in ([each["application/json"]] if "static" not in each else [s["response"] for s in each["static"]])
    ]
    done = home.load_file(
        "answers_seller=S1.json",
        "\n".join(json.dumps(a, indent=1) for a in answers).encode(),
        marketplaces=MARKETPLACES,
    )
    items, shipments = done.loads
    orders = [order for answer in answers for order in answer.get("orders", [answer.get("order")])]
    assert items.rows_read == sum(len(order["orderItems"]) for order in orders) == 10
    assert (items.rows_loaded, items.rows_quarantined) == (9, 1)
    assert home.quarantine()[0][1:] == ("marketplace_id", "a marketplace listed in marketplaces.csv", "A33AVAJ2PDY3EV")
    assert (shipments.rows_loaded, shipments.skipped_because) == (4, {"an order without parcels": 5})
    known = {row[0]: row for row in home.in_force("order_items")}
    at = datetime(2024, 12, 25, 10, 30)
    assert known["123-4567890-1234567"][2:10] == ("S1", US, at, "MFN", True, "B07XJ8C8F5", "FIRE-TV-4K-2021", 1)
    assert known["250-1234567-8901234"][3:7] == (JP, datetime(2024, 12, 25, 2, 30), "AFN", True)
    assert known["171-2345678-9012345"][3:7] == (BRAZIL, datetime(2024, 12, 22, 15, 30), "MFN", False)
    (parcel,) = [row for row in home.in_force("shipments") if row[2] == "202-7654321-1098765"]
    assert parcel[:8] == (
        *("202-7654321-1098765:UK-PKG-CONSUMER-2024-002", "20276543210987", "202-7654321-1098765"),
        *(datetime(2024, 12, 25, 14), 1, "DPD", "15501234567890123456", None),
    )


@needs_samples
def test_answers_of_the_first_orders_api_come_in_two_files(home):
    every = sample("orders_api_v0_official_examples.json")
    orders = [each["response"] for name in ("getOrders", "getOrder") for each in every[name]["static"]]
    items = [each["response"] for each in every["getOrderItems"]["static"]]
    text = "\n".join(map(json.dumps, orders)).replace("1970-01-19T03:58", "2019-09-26T18:16")  # a time that can be
    home.file("seller=S1/orders.json", text.encode())
    unknown = {"payload": {"AmazonOrderId": "1-1-1", "OrderItems": [{"OrderItemId": "1"}, {"OrderItemId": "2"}]}}
    empty = {"payload": {"AmazonOrderId": "902-1845936-5435065", "OrderItems": []}}
    path = home.file("seller=S1/items.json", "".join(map(json.dumps, [*items, unknown, empty])).encode())
    (done,) = home.load(path, home.folder / "seller=S1" / "orders.json").loads
    (item,) = items[0]["payload"]["OrderItems"]
    assert home.in_force("order_items") == [
        (
            *("902-1845936-5435065", item["OrderItemId"], "S1", US, datetime(2019, 9, 26, 18, 16, 30), "MFN", False),
            *(item["ASIN"], item["SellerSKU"], 1, None, datetime(2019, 9, 26, 18, 16, 32)),
        )
    ]
    assert done.skipped_because == {"an order without items": 1}
    reason = ("order_id", "an order that orders.json has", "1-1-1")
    assert home.quarantine() == [(2, *reason), (3, *reason)]


def test_an_order_that_was_cancelled_or_sold_elsewhere(home):
    def order(number: int, status: str, channel: str) -> dict:
        return {
            "orderId": f"{number}",
            "createdTime": "2026-03-01T00:00:00Z",
            "lastUpdatedTime": f"2026-03-0{number}T00:00:00Z",
            "salesChannel": {"channelName": channel, "marketplaceId": US},
            "fulfillment": {"fulfillmentStatus": status, "fulfilledBy": "MERCHANT"},
            "orderItems": [{"orderItemId": "1", "quantityOrdered": 2, "product": {"asin": "B1"}}],
        }

    orders = [order(1, "CANCELLED", "AMAZON"), order(2, "SHIPPED", "NON_AMAZON"), order(3, "SHIPPED", "AMAZON")]
    done = home.load_file("seller=S/1.json", json.dumps({"orders": orders}).encode())
    assert done.loads[0].skipped_because == {"sold elsewhere": 1}
    assert home.rows("select order_id, sku, quantity, is_cancelled from raw.order_items order by 1") == [
        ("1", "B1", 2, True),
        ("3", "B1", 2, None),
    ]


# -- contacts ------------------------------------------------------------------------------------------------------


def record(updated: str = "15:03:02", **changes) -> dict:
    """A contact record, as a call centre delivers it."""
    return {
        "ContactId": "C-1",
        "Channel": "VOICE",
        "InitiationMethod": "INBOUND",
        "InitiationTimestamp": "2026-03-08T14:59:38Z",
        "DisconnectTimestamp": "2026-03-08T15:01:22Z",
        "LastUpdateTimestamp": f"2026-03-08T{updated}Z",
        "PreviousContactId": None,
        "CustomerEndpoint": {"Address": "+10000000000", "Type": "TELEPHONE_NUMBER"},
        "Attributes": {"order_id": "O-1", "seller_id": "S-1", "marketplace_id": US, "reason": "refund"},
    } | changes


@needs_samples
@pytest.mark.parametrize("name", ["records.json", "records.jsonl"])
def test_a_contact_record_of_a_call_centre(home, name):
    came = sample("amazon_connect_ctr_2017-03-10_redacted.json")
    content = json.dumps(came, indent=None if name.endswith("l") else 1)
    home.load_file(f"seller=S-1/marketplace={US}/{name}", f"{content}\n{content}".encode())
    at, updated = datetime(2022, 4, 8, 14, 59, 38), datetime(2022, 4, 8, 15, 3, 2)
    assert home.in_force("contacts") == [
        (came["ContactId"], None, None, "S-1", US, "phone", "other", at, None, None, updated)
    ]
    assert home.rows("select rows_read, rows_duplicate from audit.files") == [(2, 1)]


def test_records_that_are_no_contacts_of_customers_are_skipped(home):
    records = [
        record(),
        record(ContactId="C-2", InitiationMethod="TRANSFER", PreviousContactId="C-1"),
        record(ContactId="C-3", InitiationMethod="OUTBOUND"),
        record(ContactId="C-4", Channel="TASK", InitiationMethod="API"),
        record(ContactId="C-5", Channel="FAX"),
    ]
    (done,) = home.load_file("stream.json", "".join(map(json.dumps, records)).encode()).loads
    assert (done.rows_loaded, sum(done.skipped_because.values())) == (1, 3)
    assert home.quarantine() == [(5, "channel", "one of phone, email, chat", "FAX")]


@pytest.mark.parametrize(
    ("method", "channel", "reason"),
    [
        ("INBOUND", "VOICE", None),
        ("API", "CHAT", None),
        ("WEBRTC_API", "VOICE", None),
        ("CALLBACK", "VOICE", None),
        ("API", "VOICE", "made by the service"),
        ("FLOW", "EMAIL", "made by the service"),
        ("AGENT_REPLY", "EMAIL", "made by the service"),
        ("CAMPAIGN_PREVIEW", "VOICE", "made by the service"),
        ("QUEUE_TRANSFER", "VOICE", "a leg of another contact"),
        ("DISCONNECT", "VOICE", "a leg of another contact"),
    ],
)
def test_how_a_contact_began_says_whose_it_was(home, method, channel, reason):
    (done,) = home.load_file("a.json", json.dumps(record(InitiationMethod=method, Channel=channel)).encode()).loads
    assert done.skipped_because == ({reason: 1} if reason else {})
    assert done.rows_loaded == (0 if reason else 1)


@pytest.mark.parametrize("method", ["SOMETHING_NEW", None])
def test_a_contact_that_began_nobody_knows_how_is_not_counted(home, method):
    home.load_file("a.json", json.dumps(record(InitiationMethod=method)).encode())
    assert home.quarantine() == [(1, "record", "a contact with an InitiationMethod that is known", None)]


def test_what_a_company_calls_otherwise_is_told(home):
    attributes = {"Bestellung": "O-7", "Grund": "Paket verspätet", "seller_id": "S"}
    home.file(
        "a.json.toml",
        f'orderfield = "Bestellung"\nreasonfield = "Grund"\nmarketplace = "{US}"\n'
        '"reason Paket verspätet" = "delivery"'.encode(),
    )
    records = [record(Attributes=attributes), record(ContactId="C-2", Attributes=attributes | {"Grund": "x"})]
    home.load_file("a.json", json.dumps(records).encode())
    assert home.rows("select order_id, reason, marketplace_id from raw.contacts") == [("O-7", "delivery", US)]
    assert [row[1:2] + row[3:] for row in home.quarantine()] == [("reason", "x")]


@pytest.mark.parametrize("attributes", [None, [1], {}, {"order_id": None}])
def test_a_contact_need_not_say_what_it_is_about(home, attributes):
    home.load_file(f"seller=S/marketplace={US}/a.json", json.dumps(record(Attributes=attributes)).encode())
    assert home.rows("select order_id, seller_id, reason from raw.contacts") == [(None, "S", "other")]


VERSIONS = [
    record("15:00:00"),
    record("15:03:02", Attributes=record()["Attributes"] | {"reason": "return"}),
    record("15:03:01", Channel="CHAT"),
]


@pytest.mark.parametrize("in_one", [True, False])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_latest_update_of_a_contact_is_in_force_in_whatever_order_it_is_delivered(home, order, in_one):
    """At least once, too: each is delivered twice."""
    for number, files in enumerate([order] if in_one else [[each] for each in order]):
        content = "\n".join(json.dumps(VERSIONS[each]) for each in [*files, *files])
        home.load_file(f"stream_{number}.jsonl", content.encode())
    assert home.rows("select channel, reason, updated_at from in_force.contacts") == [
        ("phone", "return", datetime(2026, 3, 8, 15, 3, 2))
    ]
    assert home.rows("select sum(rows_duplicate)::int from audit.files") == [(3,)]


def test_a_contact_that_was_contested_is_void(home):
    granted = record("18:00:00", Attributes=record()["Attributes"] | {"is_void": "true"})
    home.load_file("stream.jsonl", "\n".join(map(json.dumps, [granted, record()])).encode())
    assert home.rows("select is_void from in_force.contacts") == [(True,)]


@needs_samples
def test_tickets_of_a_help_desk(home):
    page = sample("zendesk_ticket_api_sample.json")
    (ticket,) = page["tickets"]
    solved = ticket | {"id": 2, "status": "solved", "via": {"channel": "voice"}}
    deleted = ticket | {"id": 3, "status": "deleted", "custom_fields": []}
    page["tickets"] += [solved, deleted]
    told = f'seller = "S-1"\nmarketplace = "{US}"\norderfield = "27642"\n'
    path = home.file("page.json", json.dumps(page).encode())
    assert "it does not say its orderfield" in home.load(path).refusals[0].reason
    home.file("page.json.toml", told.encode())
    home.load(path)
    at, updated = datetime(2009, 7, 20, 22, 55, 29), datetime(2011, 5, 5, 10, 38, 52)
    assert home.in_force("contacts") == [
        ("zendesk-2", "745", None, "S-1", US, "phone", "other", at, updated, None, updated),
        ("zendesk-3", None, None, "S-1", US, "email", "other", at, None, True, updated),
        ("zendesk-35436", "745", None, "S-1", US, "email", "other", at, None, None, updated),
    ]
    assert not any("fire" in str(row) for row in home.rows("from raw.contacts")), "what was said is not kept"


def ticket(**changes) -> dict:
    return {
        "id": 1,
        "created_at": "2026-03-08T10:00:00Z",
        "updated_at": "2026-03-09T10:00:00Z",
        "status": "open",
        "via": {"channel": "email"},
        "custom_fields": [{"id": 7, "value": "O-1"}, {"id": 8, "value": None}],
    } | changes


PLACE = f"orderfield=7/reasonfield=8/seller=S/marketplace={US}"


def test_the_channel_of_a_ticket_is_known_or_it_is_not_taken(home):
    channels = ["web", "api", "voice", "native_messaging", "whatsapp", "rule", "phone_call_outbound", "fax", None]
    tickets = [ticket(id=number, via={"channel": channel}) for number, channel in enumerate(channels)]
    (done,) = home.load_file(f"{PLACE}/tickets.json", json.dumps({"tickets": tickets, "count": 9}).encode()).loads
    found = home.rows("select contact_id, channel from raw.contacts order by row_number")
    assert [channel for _, channel in found] == ["email", "email", "phone", "chat", "chat"]
    assert done.skipped_because == {"begun by no customer": 2}
    assert [(number, column, value) for number, column, _, value in home.quarantine()] == [
        (8, "channel", "fax"),
        (9, "channel", None),
    ]


def test_odd_fields_of_a_ticket_spoil_no_other(home):
    odd = [
        [{"id": 7, "value": "O-2"}, {"id": 7, "value": "O-3"}],
        [None, 7, {"value": "x"}, {"id": None, "value": "y"}, {"id": 7, "value": "  "}],
        {"7": "O-4"},
        [{"id": 7, "value": ["O-5", "O-6"]}],
        [{"id": 7, "value": 701123456789012345678}],
    ]
    tickets = [ticket(id=number, custom_fields=fields) for number, fields in enumerate(odd)]
    home.load_file(f"{PLACE}/tickets.jsonl", "\n".join(map(json.dumps, tickets)).encode())
    assert [row[0] for row in home.rows("select order_id from raw.contacts order by row_number")] == [
        *("O-2", None, None, "701123456789012345678"),
    ]
    assert home.quarantine() == [(4, "order_id", "a single value", '["O-5","O-6"]')]


def test_a_ticket_tells_when_it_was_solved_if_it_can(home):
    tickets = [
        ticket(id=1, status="closed", metric_set={"solved_at": "2026-03-08T12:00:00Z"}),
        ticket(id=2, status="solved"),
        ticket(id=3),
    ]
    home.load_file(f"{PLACE}/tickets.json", json.dumps(tickets).encode())
    assert [row[0] for row in home.rows("select resolved_at from raw.contacts order by row_number")] == [
        datetime(2026, 3, 8, 12),
        datetime(2026, 3, 9, 10),
        None,
    ]
