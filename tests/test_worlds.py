"""The reference on cases worked out by hand, and the worlds: that they hit the edges and stay what they say they are.

That the pipeline agrees with the reference is tested elsewhere.
"""

from collections import Counter
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import duckdb
import pytest
from reference import (
    CONTACT_OUTCOMES,
    DATASETS,
    DEFECT_OUTCOMES,
    REFUND_OUTCOMES,
    REQUEST_OUTCOMES,
    UNIT_OUTCOMES,
    BeforeFirstVersion,
    Books,
    Marketplace,
    bill,
    in_force,
    key_of,
    read_marketplaces,
    read_terms,
    round_half_up,
    typed_rows,
)
from worlds import World, clock_changes, is_order_free, month_start, shuffled, world

SEEDS = range(61)
BALANCED = {"requests": REQUEST_OUTCOMES, "refunds": REFUND_OUTCOMES, "defects": DEFECT_OUTCOMES}
US = Marketplace("US", "USD", 2, "America/Los_Angeles")
JP = Marketplace("JP", "JPY", 0, "Asia/Tokyo")
PLAIN = """
[[version]]
id = "first"
from = 2025-01-01
trial_days = 30
tier = [{ up_to = 0.05, fee = 0.005 }, { up_to = 0.1, fee = 0.40, exclusive = true }, { fee = 12.5 }]
"""


@cache
def told(seed: int) -> World:
    return world(seed)


@cache
def books_of(seed: int) -> Books:
    return books(told(seed))


def books(a_world: World) -> Books:
    return bill(a_world.rows(), a_world.marketplaces, a_world.versions(), a_world.periods)


def in_any_order(made: Books) -> dict:
    return {name: value if isinstance(value, dict) else sorted(map(repr, value)) for name, value in vars(made).items()}


# -- worlds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(0, 61, 7))
def test_a_world_follows_from_its_seed(seed):
    assert world(seed) == told(seed)
    assert shuffled(told(seed), 1) == shuffled(told(seed), 1)
    assert shuffled(told(seed), 1) != shuffled(told(seed), 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_rows_decides_nothing_where_a_world_says_so(seed):
    versions = Counter()
    for dataset in DATASETS:
        contents = {tuple(row.items()) for row in typed_rows(told(seed).rows(), dataset)}
        versions.update((dataset, *key_of(dataset, dict(row)), dict(row).get("updated_at")) for row in contents)
    assert is_order_free(seed) == (max(versions.values()) == 1)
    if is_order_free(seed):
        for other in (1, 2):
            retold = shuffled(told(seed), other)
            assert in_any_order(books(retold)) == in_any_order(books_of(seed))


def test_order_matters_in_some_worlds():
    tied = [seed for seed in SEEDS if not is_order_free(seed)]
    assert any(in_any_order(books(shuffled(told(seed), 1))) != in_any_order(books_of(seed)) for seed in tied)


@pytest.mark.parametrize("seed", range(12))
def test_files_hold_the_rows_in_their_order(seed, tmp_path):
    loads = told(seed).write(tmp_path)
    paths = [path for load in loads for path in sorted(load)]
    assert paths == [path for load in loads for path in load]
    rows = [(file.dataset, row) for file, path in zip(told(seed).files, paths, strict=True) for row in read(path)]
    for dataset in DATASETS:
        assert typed_rows(rows, dataset) == typed_rows(told(seed).rows(), dataset)


def test_terms_and_marketplaces_are_written_as_they_are(tmp_path):
    for seed in range(12):
        texts = [path.read_text(encoding="utf-8") for path in told(seed).write_terms(tmp_path / str(seed))]
        assert texts == list(told(seed).terms.values())
        path = told(seed).write_marketplaces(tmp_path / f"{seed}.csv")
        assert read_marketplaces(path) == told(seed).marketplaces


def read(path: Path) -> list[dict[str, str | None]]:
    """A file's rows as text, as an engine reads them."""
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        if path.suffix == ".parquet":
            con.execute(f"create table input as from '{path}'")
        elif ".jsonl" in path.name:
            con.execute(f"create table input as from read_json('{path}', format = 'newline_delimited')")
        else:
            con.execute(
                f"create table input as from read_csv('{path}', all_varchar = true, header = true, quote = '\"')"
            )
        names = [row[0] for row in con.execute("describe input").fetchall()]
        columns = ", ".join(
            f'cast("{name}" as timestamptz)::varchar' if name.endswith("_at") else f'"{name}"::varchar'
            for name in names
        )
        return [dict(zip(names, row, strict=True)) for row in con.execute(f"select {columns} from input").fetchall()]


# -- the worlds hit the edges -------------------------------------------------------------------------------------


def test_every_outcome_occurs_often():
    units = Counter(unit["outcome"] for seed in SEEDS for unit in books_of(seed).units)
    contacts = Counter(contact["outcome"] for seed in SEEDS for contact in books_of(seed).contacts)
    assert min(units[outcome] for outcome in UNIT_OUTCOMES) >= 50
    assert min(contacts[outcome] for outcome in CONTACT_OUTCOMES) >= 25


def test_requests_refunds_and_defects_meet_every_outcome_and_every_edge():
    of = {name: [row for seed in SEEDS for row in getattr(books_of(seed), name)] for name in BALANCED}
    for name, outcomes in BALANCED.items():
        met = Counter(row["outcome"] for row in of[name])
        assert min(met[outcome] for outcome in outcomes) >= 10, (name, met)
    delays = Counter(row["replied_at"] and row["replied_at"] - row["due_at"] for row in of["requests"])
    microsecond = datetime.resolution
    assert min(delays[delay] for delay in (None, -microsecond, 0 * microsecond, microsecond)) >= 10
    service = [row for seed in SEEDS for row in books_of(seed).service]
    assert sum(row["orders_before"] is not None for row in service) >= 10
    assert any(row["requests"] is None for row in service)
    absent = [
        dataset for dataset in DATASETS for seed in SEEDS if dataset not in {name for name, _ in told(seed).rows()}
    ]
    assert {"seller_requests", "refunds", "defects"} <= set(absent)


def test_items_that_were_cancelled_are_shipped_and_others_are_not():
    of_items = Counter(
        len(made.units) > len(made.shipped_though_cancelled) > 0 for made in (books_of(seed) for seed in SEEDS)
    )
    assert of_items[True] > 50


def test_nothing_goes_missing_in_the_balances():
    for seed in SEEDS:
        made = books_of(seed)
        assert sum(sum(c.values()) for c in made.unit_balance.values()) == sum(u["quantity"] for u in made.units)
        assert sum(sum(c.values()) for c in made.contact_balance.values()) == len(made.contacts)


def test_every_way_to_price_occurs():
    lines = [line for seed in SEEDS for line in books_of(seed).fee_lines]
    assert {line["kind"] for line in lines} == {"trial", "charge"}
    assert {line["waiver"] for line in lines} == {None, "cpu_below", "orders_in_quarter_below"}
    assert {line["tier"] for line in lines} == {None, 1, 2, 3, 4}
    assert len({line["discount"] for line in lines}) > 4
    charges = [line for line in lines if line["kind"] == "charge"]
    several = Counter((line["seller_id"], line["marketplace_id"], line["period"], line["kind"]) for line in charges)
    assert max(several.values()) > 1, "a month priced by several versions"


def test_figures_lie_exactly_on_their_bounds():
    met = Counter()
    for seed in SEEDS:
        a_world, made = told(seed), books_of(seed)
        versions = {version.id: version for some in a_world.versions().values() for version in some}
        figures = {(p["seller_id"], p["marketplace_id"], p["period"]): p for p in made.performance}
        for line in made.fee_lines:
            if line["kind"] == "trial":
                continue
            version, of = versions[line["terms_id"]], figures[line["seller_id"], line["marketplace_id"], line["period"]]
            for tier in version.tiers:
                if tier.up_to is not None and tier.up_to * of["units"] == of["contacts"] > 0:
                    met["exclusive" if tier.is_exclusive else "inclusive"] += 1
                if tier.up_to is not None and tier.up_to * of["units"] == of["contacts"] - 1:
                    met["one contact above"] += 1
            met["cpu_below"] += (version.cpu_below or -1) * of["units"] == of["contacts"]
            met["orders"] += version.orders_in_quarter_below == of["orders_in_quarter"]
            met["one order less"] += (version.orders_in_quarter_below or 0) - 1 == of["orders_in_quarter"]
            met["vtr"] += (version.vtr_at_least or -1) * of["units"] == of["units_valid_tracking"]
            met["aprl"] += of["returns"] > 0 and (version.aprl_at_least or -1) * of["returns"] == of["returns_prepaid"]
            minor = Decimal(10) ** a_world.marketplaces[line["marketplace_id"]].minor_units
            exact = line["units"] * line["fee"] * (1 - line["discount"]) * minor
            met[f"half of {line['currency']}"] += line["waiver"] is None and exact % 1 == Decimal("0.5")
    for what in ("exclusive", "inclusive", "one contact above", "cpu_below", "orders", "one order less", "vtr", "aprl"):
        assert met[what] >= 5, what
    for currency in ("USD", "JPY", "KWD"):
        assert met[f"half of {currency}"] >= 1, currency


def test_instants_lie_on_the_edges():
    shipped, placed = Counter(), Counter()
    microsecond = datetime.resolution
    for seed in SEEDS:
        a_world, made = told(seed), books_of(seed)
        stays = {(i["seller_id"], i["marketplace_id"], i["interval_number"]): i for i in made.enrolments}
        for unit in made.units:
            if unit["outcome"] == "unmatched":
                continue
            marketplace = a_world.marketplaces[unit["marketplace_id"]]
            start, at = month_start(marketplace, unit["period"]), unit["shipped_at"]
            end = month_start(marketplace, f"{start.year + (start.month == 12)}-{start.month % 12 + 1:02}")
            shipped["first"] += at == start
            shipped["last"] += at + microsecond in (end, start)
            shipped["clock change"] += at in clock_changes(marketplace.time_zone)
            stay = stays.get((unit["seller_id"], unit["marketplace_id"], 1))
            if stay:
                shipped["end of the trial"] += at == stay["trial_ends_at"]
                shipped["just in the trial"] += at == stay["trial_ends_at"] - microsecond
                placed["enrolled"] += unit["purchased_at"] == stay["started_at"]
                placed["just before"] += unit["purchased_at"] == stay["started_at"] - microsecond
                if stay["ended_at"]:
                    placed["out"] += unit["purchased_at"] == stay["ended_at"]
                    placed["just in"] += unit["purchased_at"] == stay["ended_at"] - microsecond
    assert len(shipped) == 5
    assert len(placed) == 4
    assert min((shipped | placed).values()) >= 5, shipped | placed


# -- the reference, by hand ---------------------------------------------------------------------------------------


def seller(seller_id="S", updated_at="2025-01-01T00:00Z", **changes):
    row = {"seller_id": seller_id, "plan": "professional", "standing": "good", "updated_at": updated_at}
    return "sellers", row | changes


def event(what, at, seller_id="S", marketplace_id="US", terms_accepted="true"):
    row = {"seller_id": seller_id, "marketplace_id": marketplace_id, "event": what, "effective_at": at}
    return "enrolment_events", row | {"terms_accepted": terms_accepted}


def item(order_id, item_id, at, fulfillment="MFN", **changes):
    row = {"order_id": order_id, "order_item_id": item_id, "seller_id": "S", "marketplace_id": "US", "sku": "K"}
    row |= {"purchased_at": at, "fulfillment": fulfillment, "is_prime": "false", "updated_at": at}
    return "order_items", row | changes


def parcel(order_id, item_id, at, quantity="1", updated_at="2026-01-01T00:00Z", **changes):
    row = {"shipment_id": f"P-{order_id}", "order_id": order_id, "order_item_id": item_id, "shipped_at": at}
    return "shipments", row | {"quantity": quantity, "updated_at": updated_at} | changes


def contact(contact_id, order_id, item_id, at, reason="delivery", **changes):
    row = {"contact_id": contact_id, "order_id": order_id, "order_item_id": item_id, "contacted_at": at}
    return "contacts", row | {"reason": reason, "updated_at": at} | changes


def returned(return_id, order_id, at, label):
    return "returns", {
        "return_id": return_id,
        "order_id": order_id,
        "order_item_id": "1",
        "requested_at": at,
        "label": label,
    }


def books_from(*rows, terms=PLAIN, periods=("2026-01", "2026-02", "2026-03")) -> Books:
    versions = read_terms(terms)
    return bill(rows, {"US": US, "JP": JP}, {"US": versions, "JP": versions}, periods)


def outcomes(rows: list[dict], key: str) -> dict[str, str]:
    return {row[key]: row["outcome"] for row in rows}


ENROLLED = (seller(), event("activate", "2025-06-01T00:00Z"))


def month(units: int, contacts: int, *more, terms=PLAIN, valid="true") -> dict:
    """The one fee line of a month with one parcel of so many units, and so many contacts."""
    made = books_from(
        *ENROLLED,
        item("O", "1", "2026-01-05T00:00Z"),
        parcel("O", "1", "2026-01-06T00:00Z", str(units), is_tracking_valid=valid),
        *(contact(f"C{number}", "O", "1", "2026-01-07T00:00Z") for number in range(contacts)),
        *more,
        terms=terms,
        periods=["2026-01"],
    )
    (line,) = made.fee_lines
    return line


def test_a_unit_at_the_end_of_the_trial_is_chargeable_and_a_microsecond_before_it_is_not():
    made = books_from(
        seller(),
        event("activate", "2026-03-01T00:00:00-08:00"),
        item("O1", "1", "2026-03-02T00:00Z"),
        item("O2", "1", "2026-03-02T00:00Z"),
        # thirty times 24 hours, of which one went to summer time
        parcel("O1", "1", "2026-03-31T00:59:59.999999-07:00"),
        parcel("O2", "1", "2026-03-31T01:00:00-07:00"),
    )
    assert outcomes(made.units, "order_id") == {"O1": "trial", "O2": "chargeable"}
    assert [(line["kind"], line["tier"], line["amount"]) for line in made.fee_lines] == [
        ("charge", 1, Decimal("0.01")),
        ("trial", None, 0),
    ]


def test_the_trial_runs_through_an_opt_out():
    made = books_from(
        seller(),
        event("activate", "2026-01-01T12:00Z"),
        event("deactivate", "2026-01-06T12:00Z"),
        event("activate", "2026-01-26T12:00Z"),
        item("while in", "1", "2026-01-04T00:00Z"),
        item("while out", "1", "2026-01-10T00:00Z"),
        item("in again", "1", "2026-01-29T00:00Z"),
        item("later", "1", "2026-01-29T00:00Z"),
        item("too early", "1", "2026-01-01T11:59:59.999999Z"),
        parcel("while in", "1", "2026-01-20T00:00Z"),
        parcel("while out", "1", "2026-01-20T00:00Z"),
        parcel("in again", "1", "2026-01-30T00:00Z"),
        parcel("later", "1", "2026-01-31T12:00Z"),
        parcel("too early", "1", "2026-01-31T12:00Z"),
    )
    assert outcomes(made.units, "order_id") == {
        "while in": "trial",
        "while out": "opted_out",
        "in again": "trial",
        "later": "chargeable",
        "too early": "before_enrolment",
    }
    assert {interval["trial_ends_at"] for interval in made.enrolments} == {datetime(2026, 1, 31, 12)}


def test_at_one_instant_a_deactivate_comes_first():
    at = "2026-01-10T00:00Z"
    made = books_from(
        seller(),
        event("activate", "2026-01-01T00:00Z"),
        event("activate", at),
        event("deactivate", "2026-01-10T01:00+01:00"),
    )
    first, second = made.enrolments
    assert first["ended_at"] == second["started_at"]
    assert (second["interval_number"], second["ended_at"]) == (2, None)


def test_who_is_eligible_is_decided_at_the_activation():
    at = "2026-01-10T00:00:00Z"
    accepted = {"marketplace_id": "US", "at": at}
    rows = [event("activate", seller_id=name, **accepted) for name in ("never", "just", "too late", "unknown", "later")]
    made = books_from(
        *rows,
        event("activate", seller_id="declined", terms_accepted="false", **accepted),
        seller("declined"),
        seller("never", standing="at_risk"),
        seller("just", plan="individual"),
        seller("just", "2026-01-10T09:00:00+09"),
        seller("too late", plan="individual"),
        seller("too late", "2026-01-10T00:00:00.000001Z"),
        seller("later", "2027-01-01T00:00Z"),
        seller("later", "2028-01-01T00:00Z", plan="individual"),
    )
    assert {interval["seller_id"] for interval in made.enrolments} == {"just", "later"}


def test_a_contact_about_an_order_is_about_its_first_covered_item():
    day = "2026-01-05T00:00Z"
    made = books_from(
        *ENROLLED,
        item("mixed", "10", day, "AFN"),
        item("mixed", "3", day, is_prime="true"),
        item("mixed", "5", "2026-01-04T00:00Z"),
        item("mixed", "4", day),
        item("theirs", "2", day, "AFN"),
        item("theirs", "10", day, is_prime="true"),
        contact("C1", "mixed", None, day),
        contact("C2", "mixed", "3", day),
        contact("C3", "mixed", "77", day),
        contact("C4", None, "4", day),
        contact("C5", "theirs", None, day),
        contact("C6", "mixed", "4", "2026-01-04T23:59:59.999999Z"),
        contact("C7", "mixed", "4", day, "invoice"),
        contact("C8", "mixed", "4", day, is_void="true"),
        contact("C9", "nowhere", None, day, is_void="true"),
    )
    found = {row["contact_id"]: (row["order_item_id"], row["outcome"]) for row in made.contacts}
    assert found == {
        "C1": ("4", "counted"),
        "C2": ("3", "prime"),
        "C3": ("77", "unmatched"),
        "C4": ("4", "unmatched"),
        "C5": ("10", "prime"),
        "C6": ("4", "before_order"),
        "C7": ("4", "excluded_reason"),
        "C8": ("4", "void"),
        "C9": (None, "void"),
    }
    assert made.contact_balance["unknown", "2026-01"]["void"] == 1


def test_a_month_is_that_of_the_marketplace_and_without_one_that_of_utc():
    at = "2026-01-31T23:59:59.999999-08:00"
    made = books_from(
        *ENROLLED, item("O", "1", "2026-01-05T00:00Z"), parcel("O", "1", at), parcel("lost", "1", at, is_void="true")
    )
    assert {(unit["marketplace_id"], unit["period"], unit["outcome"]) for unit in made.units} == {
        ("US", "2026-01", "chargeable"),
        ("unknown", "2026-02", "unmatched"),
    }


def test_a_month_begins_at_the_first_of_two_midnights():
    havana = Marketplace("CU", "CUP", 2, "America/Havana")
    start = month_start(havana, "2026-11")
    assert start == datetime(2026, 11, 1, 4)
    assert havana.period(start) == "2026-11"
    assert havana.period(start - datetime.resolution) == "2026-10"


@pytest.mark.parametrize(
    ("units", "contacts", "tier", "amount"),
    [(20, 1, 1, "0.10"), (19, 1, 2, "7.60"), (20, 2, 3, "250.00"), (21, 2, 2, "8.40"), (3, 0, 1, "0.02")],
)
def test_a_bound_is_inclusive_unless_it_says_otherwise(units, contacts, tier, amount):
    line = month(units, contacts)
    assert (line["tier"], line["amount"]) == (tier, Decimal(amount))


def test_a_half_is_rounded_up_to_whole_yen():
    made = books_from(
        seller(),
        event("activate", "2025-06-01T00:00Z", marketplace_id="JP"),
        item("O", "1", "2026-01-05T00:00Z", marketplace_id="JP"),
        parcel("O", "1", "2026-01-06T00:00Z"),
        contact("C", "O", "1", "2026-01-07T00:00Z"),
        periods=["2026-01"],
    )
    assert [(line["amount"], line["currency"]) for line in made.fee_lines] == [(Decimal(13), "JPY")]
    assert [row["total"] for row in made.statements] == [13]
    assert round_half_up(Decimal("0.0125"), 3) == Decimal("0.013")


WAIVED = PLAIN + "[version.waive]\ncpu_below = 0.05\norders_in_quarter_below = 2\n"


def test_the_first_waiver_that_holds_is_named_and_leaves_tier_and_fee():
    assert month(21, 1, terms=WAIVED)["waiver"] == "cpu_below"
    line = month(20, 1, terms=WAIVED)
    assert (line["waiver"], line["tier"], line["fee"], line["amount"]) == (
        "orders_in_quarter_below",
        1,
        Decimal("0.005"),
        0,
    )
    # the first instant of November in the marketplace, three months that end with January
    second = month(20, 1, item("O2", "1", "2025-11-01T00:00-07:00"), terms=WAIVED)
    assert (second["waiver"], second["amount"]) == (None, Decimal("0.10"))
    for uncounted in (
        item("O2", "1", "2025-10-31T23:59:59.999999-07:00"),
        item("O2", "1", "2026-02-01T00:00-08:00"),
        item("O2", "1", "2026-01-01T00:00Z", "AFN"),
        item("O", "2", "2026-01-01T00:00Z"),
    ):
        assert month(20, 1, uncounted, terms=WAIVED)["waiver"] == "orders_in_quarter_below"


REWARDED = PLAIN + "[version.rewards]\nvtr_at_least = 0.95\naprl_at_least = 0.5\ndiscounts = [1.0, 0.5, 0.15]\n"


def test_rewards_are_earned_when_every_condition_holds():
    prepaid, other = (returned(label, "O", "2026-01-08T00:00Z", label) for label in ("prepaid", "other"))
    elsewhen = returned("R3", "O", "2026-02-08T00:00Z", "other")
    assert month(20, 2, prepaid, other, terms=REWARDED)["discount"] == Decimal("0.15")
    assert month(20, 2, prepaid, other, terms=REWARDED)["amount"] == Decimal("212.50")
    assert month(20, 2, other, terms=REWARDED)["discount"] == 0
    assert month(20, 2, prepaid, other, terms=REWARDED, valid=None)["discount"] == 0
    assert month(20, 2, elsewhen, terms=REWARDED)["discount"] == Decimal("0.15"), "no returns in the period"
    assert month(20, 2, terms=REWARDED)["discount"] == 0, "no returns were ever loaded"
    assert month(20, 0, elsewhen, terms=REWARDED)["amount"] == 0, "free"


def test_a_version_prices_what_shipped_from_its_local_date_on():
    terms = PLAIN + PLAIN.replace("first", "second").replace("2025-01-01", "2026-01-16").replace("0.005", "1")
    made = books_from(
        *ENROLLED,
        *(item(order, "1", "2026-01-05T00:00Z") for order in ("O1", "O2")),
        parcel("O1", "1", "2026-01-15T23:59:59.999999-08:00", "4"),
        parcel("O2", "1", "2026-01-16T00:00-08:00", "2"),
        terms=terms,
    )
    assert [(line["terms_id"], line["units"], line["amount"]) for line in made.fee_lines] == [
        ("first", 4, Decimal("0.02")),
        ("second", 2, Decimal("2.00")),
    ]


def test_a_statement_is_due_for_a_stay_that_overlaps_the_period():
    made = books_from(
        seller(), event("activate", "2026-01-31T23:59:59-08:00"), event("deactivate", "2026-02-01T00:00-08:00")
    )
    assert [(row["period"], row["total"]) for row in made.statements] == [("2026-01", 0)]


@pytest.mark.parametrize(
    "rows",
    [
        [item("O", "1", "2025-01-01T00:00Z"), parcel("O", "1", "2024-12-31T23:59:59.999999-08:00", is_void="true")],
        [event("activate", "2024-12-31T23:59:59.999999-08:00", terms_accepted="false")],
    ],
)
def test_nothing_lies_before_the_first_version(rows):
    with pytest.raises(BeforeFirstVersion, match="US"):
        books_from(*rows)


def test_what_has_no_order_needs_no_terms():
    assert books_from(parcel("lost", "1", "2024-01-01T00:00Z"), periods=["2024-01"]).units[0]["terms_id"] is None


def test_the_greatest_update_holds_then_the_later_row_and_a_repeat_changes_nothing():
    early, late = "2026-01-02T00:00Z", "2026-01-03T00:00Z"
    new = parcel("O", "1", early, "2", late)
    old = parcel("O", "1", early, "1", early)
    tied = parcel("O", "1", early, "3", "2026-01-03T09:00+09:00")
    again = parcel("O", "1", "2026-01-01T16:00:00.000-08:00", "2", late)
    for rows, quantity in (([new, old], 2), ([old, new, tied], 3), ([tied, old, new], 2), ([new, tied, again], 3)):
        assert [row["quantity"] for row in in_force(rows, "shipments")] == [quantity]
    first, second = (event("activate", early, terms_accepted=answer) for answer in ("true", "false"))
    assert [row["terms_accepted"] for row in in_force([first, second, first], "enrolment_events")] == [False]
