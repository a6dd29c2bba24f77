"""What things are called in a close report, by the codes of the tables. In English, for those who run the programme.

Outcomes are called what sellers are told; the rest of what they are told stands in `statement/words.py`.
"""

from collections.abc import Mapping

from reports.statement import words

_WITHOUT_AN_ORDER, _ = words.OUTCOMES_OF_CONTACTS["unmatched"]

OUTCOMES_OF_UNITS: Mapping[str, str] = {
    **{code: name for code, (name, _) in words.OUTCOMES_OF_UNITS.items()},
    "unmatched": _WITHOUT_AN_ORDER,
}
"""Columns of audit.unit_balance, in the order in which they are shown."""

OUTCOMES_OF_CONTACTS: Mapping[str, str] = {
    "counted": "Counted",
    **{code: name for code, (name, _) in words.OUTCOMES_OF_CONTACTS.items()},
}
"""Columns of audit.contact_balance, likewise."""

GRANTS: Mapping[str, str] = {
    "cpu_below": "Waived: few contacts",
    "orders_in_quarter_below": "Waived: few orders",
    "reward": "Reward",
}

CAUSES: Mapping[str, str] = {
    "late_order_item": "orders came late",
    "corrected_order_item": "orders were corrected",
    "late_shipment": "shipments came late",
    "corrected_shipment": "shipments were corrected",
    "late_contact": "contacts came late",
    "corrected_contact": "contacts were corrected",
    "late_return": "returns came late",
    "corrected_return": "returns were corrected",
    "enrolment_changed": "enrolment changed",
    "contact_reassigned": "contacts turned to another item of their order",
    "first_returns": "first returns of the marketplace",
    "terms_repriced": "terms repriced",
    "counted_anew": "the whole period was counted again",
}
"""Names of billing.late_causes."""

EXCEPTIONS: Mapping[str, str] = {
    "activation_repeated": "Activated while enrolled",
    "activation_refused": "Activation refused",
    "activation_late": "Activated later than an hour",
    "deactivation_outside": "Deactivated while not enrolled",
    "deactivation_late": "Deactivated later than an hour",
    "eligibility_lost": "Eligibility lost, still enrolled",
    "shipped_before_ordered": "Shipped before ordered",
    "shipped_beyond_ordered": "Shipped more than ordered",
    "shipped_though_cancelled": "Shipped though cancelled",
    "order_items_disagree": "Items of an order disagree",
    "contact_disagrees": "Contact disagrees with its item",
    "no_returns_loaded": "Rewards need returns, none loaded",
    "enrolment_backdated": "Enrolment changed after the close",
    "request_disagrees": "Request disagrees with its order",
    "reply_before_request": "Reply before the request",
    "request_unmatched": "Request without an order",
    "refund_unmatched": "Refund without an item",
    "defect_unmatched": "Defect without an order",
}
"""Kinds of audit.exceptions."""
