"""What the peers that keep account hold every column of every file to: csba's contracts, somewhat simpler.

Optional columns that the worlds of the benchmark do not have are not known (whether an order was cancelled), texts are
not looked through for damage, and of harmed ids one form is told.
"""

from datetime import datetime

from cards import ITEM

PLANS, STANDINGS = ["professional", "individual"], ["good", "at_risk", "suspended"]
REASONS = ["where_is_my_order", "delivery", "return", "refund", "damaged", "cancel", "product_question", "invoice"]
REASONS += ["customisation", "pre_order", "other"]
ID = r"\d(?:\.\d+)?E\+\d+"
"""What a spreadsheet makes of a long id."""
EARLIEST, LATEST = datetime.fromisoformat("2000-01-02"), datetime.fromisoformat("2099-12-30")
"""In UTC."""
MOST_UNITS = 1_000_000_000

TEXT, HARMED, FLAG, UNITS, INSTANT = "text", "id", "flag", "units", "instant"
Rules = dict[str, tuple[object, bool]]
"""Column → what it is (a kind, the values there are, or the form of a text) and whether it may be blank."""
CONTRACTS: dict[str, tuple[list[str], bool, Rules]] = {
    "sellers": (
        ["seller_id", "updated_at"],
        False,
        {
            **dict.fromkeys(("seller_id", "name"), (TEXT, False)),
            "country": ("[A-Z]{2}", False),
            "language": ("[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*", False),
            "email": (r"[^@\s]+@[^@\s]+", False),
            "plan": (PLANS, False),
            "standing": (STANDINGS, False),
            "registered_at": (INSTANT, False),
            "updated_at": (INSTANT, False),
        },
    ),
    "enrolment_events": (
        ["seller_id", "marketplace_id", "event", "effective_at"],
        False,
        {
            "seller_id": (TEXT, False),
            "marketplace_id": (TEXT, False),
            "event": (["activate", "deactivate"], False),
            "effective_at": (INSTANT, False),
            "source": (["seller", "automatic"], False),
            "requested_at": (INSTANT, False),
            "terms_accepted": (FLAG, False),
        },
    ),
    "order_items": (
        ITEM,
        True,
        {
            "order_id": (HARMED, False),
            "order_item_id": (HARMED, False),
            "seller_id": (TEXT, False),
            "marketplace_id": (TEXT, False),
            "purchased_at": (INSTANT, False),
            "fulfillment": (["MFN", "AFN"], False),
            "is_prime": (FLAG, False),
            "asin": (TEXT, False),
            "sku": (TEXT, False),
            "quantity": (UNITS, False),
            "updated_at": (INSTANT, False),
        },
    ),
    "shipments": (
        ["shipment_id", "order_item_id"],
        True,
        {
            "shipment_id": (HARMED, False),
            "order_item_id": (HARMED, False),
            "order_id": (HARMED, False),
            "shipped_at": (INSTANT, False),
            "quantity": (UNITS, False),
            "carrier": (TEXT, True),
            "tracking_id": (TEXT, True),
            "is_tracking_valid": (FLAG, True),
            "is_void": (FLAG, True),
            "updated_at": (INSTANT, False),
        },
    ),
    "contacts": (
        ["contact_id"],
        True,
        {
            "contact_id": (HARMED, False),
            "order_id": (HARMED, True),
            "order_item_id": (HARMED, True),
            "seller_id": (TEXT, False),
            "marketplace_id": (TEXT, False),
            "channel": (["phone", "email", "chat"], False),
            "reason": (REASONS, False),
            "contacted_at": (INSTANT, False),
            "resolved_at": (INSTANT, True),
            "is_void": (FLAG, True),
            "updated_at": (INSTANT, False),
        },
    ),
    "returns": (
        ["return_id"],
        False,
        {
            "return_id": (HARMED, False),
            "order_id": (HARMED, False),
            "order_item_id": (HARMED, False),
            "requested_at": (INSTANT, False),
            "label": (["prepaid", "other"], False),
        },
    ),
}
"""Dataset → its key, whether its versions are ordered by `updated_at`, and what each column is."""
