"""A peer: the files loaded and a month billed with pandas, as a careful analyst would write it.

    python bench/with_pandas.py FOLDER 2026-03

Only the columns that are needed are read, versions are looked for among the repeated keys alone, and nothing is done
row by row that can be done by column. Prints `units lines amount` of the fee lines, which must come out as csba's do.
Like the hand-written SQL it keeps no account of anything.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from cards import DATA, EXCLUDED_REASONS, ITEM, PARTS, SELLER, read_cards

TIME = "datetime64[us]"


def read(folder: Path, name: str, columns: list[str], times: list[str], **types: str) -> pd.DataFrame:
    """The columns of all files of a dataset, with their types; or of what `with_pandas_in_full.py` kept of them."""
    if (folder / f"{name}.parquet").exists():
        return pd.read_parquet(folder / f"{name}.parquet", columns=columns)
    kinds = {column: types.get(column, "str") for column in columns}
    frames = [pd.read_csv(path, usecols=columns, dtype=kinds) for path in sorted(folder.glob(f"{name}*.csv"))]
    rows = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    for column in times:
        rows[column] = pd.to_datetime(rows[column], utc=True, format="ISO8601").dt.tz_localize(None).astype(TIME)
    return rows


def latest(rows: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The last version of each key."""
    repeated = rows.duplicated(key, keep=False)
    last = rows[repeated].sort_values("updated_at", kind="stable").drop_duplicates(key, keep="last")
    return pd.concat([rows[~repeated], last], ignore_index=True)


def read_markets(period: str) -> pd.DataFrame:
    """Each marketplace with the first and last instant of the month, and the first of its quarter."""
    markets = pd.read_csv(DATA / "marketplaces.csv", dtype=str)
    month = pd.Period(period)
    for name, start in (("starts_at", month), ("ends_at", month + 1), ("quarter_starts_at", month - 2)):
        instants = [start.start_time.tz_localize(z).tz_convert("UTC").tz_localize(None) for z in markets.time_zone]
        markets[name] = pd.Series(instants).astype(TIME)
    markets["minor_units"] = markets.minor_units.astype(int)
    return markets


def read_terms(markets: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Versions of terms with the instant from which they are in force, and their tiers."""
    zones = markets.set_index("marketplace_id").time_zone
    terms, tiers = map(pd.DataFrame, read_cards())
    begins = [
        pd.Timestamp(day).tz_localize(zones[marketplace_id]).tz_convert("UTC").tz_localize(None)
        for day, marketplace_id in zip(terms.pop("begins"), terms.marketplace_id, strict=True)
    ]
    return terms.assign(in_force_at=pd.Series(begins).astype(TIME)).sort_values("in_force_at"), tiers


def enrolled(folder: Path, terms: pd.DataFrame) -> pd.DataFrame:
    """Intervals of enrolment: when each began and ended, when the first began, and when its trial ends."""
    sellers = read(folder, "sellers", ["seller_id", "plan", "standing", "updated_at"], ["updated_at"])
    sellers = sellers.drop_duplicates().sort_values("updated_at")
    columns = ["seller_id", "marketplace_id", "event", "effective_at", "terms_accepted"]
    events = read(folder, "enrolment_events", columns, ["effective_at"], terms_accepted="bool")
    events = events.drop_duplicates().sort_values("effective_at")
    events = pd.merge_asof(
        events, sellers, left_on="effective_at", right_on="updated_at", by="seller_id", direction="backward"
    )
    first = sellers.drop_duplicates("seller_id").set_index("seller_id")  # it also stands for the time before it
    for column in ("plan", "standing"):
        events[column] = events[column].fillna(events.seller_id.map(first[column]))
    is_good = events.terms_accepted & (events["plan"] == "professional") & (events.standing == "good")
    events = events[(events.event == "deactivate") | is_good]
    events = events.sort_values([*SELLER, "effective_at", "event"], ascending=[True, True, True, False])
    is_on = events.event == "activate"
    was_on = is_on.groupby([events.marketplace_id, events.seller_id]).shift(fill_value=False)
    turns = events[is_on != was_on].copy()
    turns["ended_at"] = turns.groupby(SELLER).effective_at.shift(-1)
    found = turns[turns.event == "activate"].rename(columns={"effective_at": "started_at"})
    found = found[[*SELLER, "started_at", "ended_at"]].sort_values("started_at")
    versions = terms[["marketplace_id", "in_force_at", "trial_days"]]
    found = pd.merge_asof(found, versions, left_on="started_at", right_on="in_force_at", by="marketplace_id")
    opening = found.drop_duplicates(SELLER)[[*SELLER, "started_at", "trial_days"]]
    opening = opening.rename(columns={"started_at": "first_started_at", "trial_days": "first_trial_days"})
    found = found.merge(opening, on=SELLER)
    found["trial_ends_at"] = found.first_started_at + pd.to_timedelta(found.first_trial_days * 24, unit="h")
    return found.sort_values("started_at")


def covered(folder: Path, intervals: pd.DataFrame) -> pd.DataFrame:
    """Every order item, with whether the programme covers it."""
    columns = [*ITEM, *SELLER, "purchased_at", "fulfillment", "is_prime", "updated_at"]
    types = {"is_prime": "bool", "marketplace_id": "category", "fulfillment": "category"}
    items = latest(read(folder, "order_items", columns, ["purchased_at", "updated_at"], **types), ITEM)
    items["marketplace_id"] = items.marketplace_id.astype("str")
    items = pd.merge_asof(
        items.drop(columns="updated_at").sort_values("purchased_at"),
        intervals[[*SELLER, "started_at", "ended_at", "trial_ends_at"]],
        left_on="purchased_at",
        right_on="started_at",
        by=SELLER,
    )
    is_enrolled = items.started_at.notna() & (items.ended_at.isna() | (items.purchased_at < items.ended_at))
    items["is_own"] = (items.fulfillment == "MFN") & ~items.is_prime
    items["is_covered"] = items.is_own & is_enrolled
    return items.drop(columns=["started_at", "ended_at", "fulfillment", "is_prime"])


def in_month(rows: pd.DataFrame, time: str, markets: pd.DataFrame, start: str = "starts_at") -> pd.DataFrame:
    """The rows whose time lies in the month, on the clocks of their marketplace."""
    bounds = markets.set_index("marketplace_id")
    starts, ends = rows.marketplace_id.map(bounds[start]), rows.marketplace_id.map(bounds.ends_at)
    return rows[(rows[time] >= starts) & (rows[time] < ends)]


def counted(folder: Path, items: pd.DataFrame, markets: pd.DataFrame) -> pd.DataFrame:
    """The contacts of the month that count."""
    columns = ["contact_id", *ITEM, "reason", "contacted_at", "is_void", "updated_at"]
    contacts = latest(read(folder, "contacts", columns, ["contacted_at", "updated_at"], is_void="bool"), ["contact_id"])
    contacts = with_items(contacts[contacts.order_id.notna()], items)
    contacts = in_month(contacts.merge(items, on=ITEM), "contacted_at", markets)
    is_counted = ~contacts.is_void & contacts.is_covered & (contacts.contacted_at >= contacts.purchased_at)
    return contacts[is_counted & ~contacts.reason.isin(EXCLUDED_REASONS)]


def with_items(contacts: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Contacts that name only an order are about its first covered item, else its first."""
    of_orders = items[items.order_id.isin(contacts.order_id[contacts.order_item_id.isna()])]
    by_rank = of_orders.sort_values(["is_covered", "order_item_id"], ascending=[False, True])
    first = by_rank.drop_duplicates("order_id").set_index("order_id").order_item_id
    return contacts.assign(order_item_id=contacts.order_item_id.fillna(contacts.order_id.map(first)))


def performance(
    folder: Path, items: pd.DataFrame, units: pd.DataFrame, contacts: pd.DataFrame, markets: pd.DataFrame
) -> pd.DataFrame:
    """Units, contacts that count, returns and orders of each seller and marketplace."""
    columns = ["return_id", *ITEM, "requested_at", "label"]
    returns = read(folder, "returns", columns, ["requested_at"]).drop_duplicates()
    returns = in_month(returns.merge(items, on=ITEM), "requested_at", markets)
    returns = returns[returns.is_covered].assign(is_prepaid=lambda rows: rows.label == "prepaid")
    placed = in_month(items[items.is_own], "purchased_at", markets, "quarter_starts_at")
    charged = units.assign(valid=units.quantity.where(units.is_tracking_valid.eq("true"), 0)).groupby(SELLER)
    return pd.concat(
        [
            charged.agg(month_units=("quantity", "sum"), valid=("valid", "sum")),
            contacts.groupby(SELLER).agg(contacts=("contact_id", "size")),
            returns.groupby(SELLER).agg(returns=("return_id", "size"), prepaid=("is_prepaid", "sum")),
            placed.groupby(SELLER).agg(orders=("order_id", "nunique")),
        ],
        axis=1,
    ).fillna(0)


def fee_lines(units: pd.DataFrame, seen: pd.DataFrame, terms: pd.DataFrame, tiers: pd.DataFrame) -> pd.DataFrame:
    """A line for each seller, marketplace, version of the terms, and whether it is a trial."""
    lines = units.groupby([*SELLER, "terms_id", "is_trial"], as_index=False).agg(units=("quantity", "sum"))
    lines = lines.merge(seen, left_on=SELLER, right_index=True).merge(
        terms.drop(columns="marketplace_id"), on="terms_id"
    )
    lines["number"] = np.arange(len(lines))
    lines = lines.merge(tiers, on="terms_id")
    bound, contacts = lines.up_to * lines.month_units, lines.contacts * PARTS
    fits = lines.up_to.isna() | (contacts < bound) | ((contacts == bound) & ~lines.is_exclusive)
    lines = lines[fits].sort_values("tier").drop_duplicates("number")
    is_waived = (lines.contacts * PARTS < lines.cpu_below * lines.month_units) | (lines.orders < lines.orders_below)
    is_rewarded = ~(lines.valid * PARTS < lines.vtr_at_least * lines.month_units)
    is_rewarded &= ~(lines.prepaid * PARTS < lines.aprl_at_least * lines.returns)
    kept = PARTS - lines.discount.where(is_rewarded, 0)
    exact = (lines.units * lines.fee * kept).astype("int64").where(~is_waived & ~lines.is_trial, 0)
    minor = PARTS * PARTS // 10**lines.minor_units
    lines["amount"] = (2 * exact + minor) // (2 * minor) / 10**lines.minor_units
    return lines


def main(folder: Path, period: str) -> None:
    """Load, bill, and print what the lines come to."""
    markets = read_markets(period)
    terms, tiers = read_terms(markets)
    items = covered(folder, enrolled(folder, terms))
    columns = ["shipment_id", *ITEM, "shipped_at", "quantity", "is_tracking_valid", "is_void", "updated_at"]
    parcels = read(folder, "shipments", columns, ["shipped_at", "updated_at"], quantity="int64", is_void="bool")
    parcels = latest(parcels, ["shipment_id", "order_item_id"])
    units = in_month(parcels.merge(items, on=ITEM), "shipped_at", markets)
    units = units[~units.is_void & units.is_covered].sort_values("shipped_at")
    units = pd.merge_asof(
        units,
        terms[["marketplace_id", "terms_id", "in_force_at"]],
        left_on="shipped_at",
        right_on="in_force_at",
        by="marketplace_id",
    )
    units["is_trial"] = units.shipped_at < units.trial_ends_at
    terms = terms.merge(markets[["marketplace_id", "minor_units"]], on="marketplace_id")
    seen = performance(folder, items, units, counted(folder, items, markets), markets)
    lines = fee_lines(units, seen, terms, tiers)
    print(lines.units.sum(), len(lines), f"{lines.amount.sum():.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
