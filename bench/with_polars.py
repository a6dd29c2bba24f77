"""A peer: the files loaded and a month billed with plain Polars, lazily, as its guide advises.

    python bench/with_polars.py FOLDER 2026-03

The same work as `with_pandas.py` does, in the other dialect, on all cores. Prints `units lines amount` of the fee
lines, which must come out as csba's do. It keeps no account of anything, and nothing of it is kept.
"""

import sys
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
from cards import DATA, EXCLUDED_REASONS, ITEM, PARTS, SELLER, read_cards

TIME = pl.Datetime("us")


def read(folder: Path, name: str, columns: list[str], times: list[str]) -> pl.LazyFrame:
    """The columns of all files of a dataset, times in UTC; or of what `with_polars_in_full.py` kept of them."""
    if (folder / f"{name}.parquet").exists():
        return pl.scan_parquet(folder / f"{name}.parquet").select(columns)
    rows = pl.scan_csv(
        folder / f"{name}*.csv",
        infer_schema_length=None if name == "sellers" else 1000,
        schema_overrides={"order_item_id": pl.String},
    ).select(columns)
    as_instant = pl.col(times).str.to_datetime("%+", time_unit="us", time_zone="UTC").dt.replace_time_zone(None)
    return rows.with_columns(as_instant) if times else rows


def latest(rows: pl.LazyFrame, key: list[str]) -> pl.LazyFrame:
    """The last version of each key."""
    several = rows.group_by(key).len().filter(pl.col("len") > 1).select(key)
    last = rows.join(several, on=key, how="semi").sort("updated_at").unique(key, keep="last")
    return pl.concat([rows.join(several, on=key, how="anti"), last])


def instant(day: date, zone: str) -> datetime:
    """Its first instant on the clocks of a zone, in UTC."""
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return local.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)


def read_markets(period: str) -> pl.LazyFrame:
    """Each marketplace with the first and last instant of the month, and the first of its quarter."""
    year, month = map(int, period.split("-"))
    first = year * 12 + month - 1
    rows = pl.read_csv(DATA / "marketplaces.csv", schema_overrides={"minor_units": pl.Int64})
    days = {"starts_at": first, "ends_at": first + 1, "quarter_starts_at": first - 2}
    return rows.with_columns(
        pl.Series(name, [instant(date(n // 12, n % 12 + 1, 1), zone) for zone in rows["time_zone"]], dtype=TIME)
        for name, n in days.items()
    ).lazy()


def read_terms(markets: pl.LazyFrame) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Versions of terms with the instant from which they are in force, and their tiers."""
    zones = dict(markets.select("marketplace_id", "time_zone").collect().iter_rows())
    terms, tiers = read_cards()
    begins = [instant(date.fromisoformat(str(each["begins"])), zones[each["marketplace_id"]]) for each in terms]
    found = pl.DataFrame(terms, infer_schema_length=None).with_columns(pl.Series("in_force_at", begins, dtype=TIME))
    found = found.drop("begins").sort("in_force_at").lazy()
    return found, pl.DataFrame(tiers, infer_schema_length=None).lazy()


def enrolled(folder: Path, terms: pl.LazyFrame) -> pl.LazyFrame:
    """Intervals of enrolment: when each began and ended, and when the seller's trial ends."""
    sellers = read(folder, "sellers", ["seller_id", "plan", "standing", "updated_at"], ["updated_at"])
    sellers = sellers.unique().sort("updated_at")
    first = sellers.unique("seller_id", keep="first", maintain_order=True).drop("updated_at")
    columns = ["seller_id", "marketplace_id", "event", "effective_at", "terms_accepted"]
    is_good = pl.col("terms_accepted") & (pl.col("plan") == "professional") & (pl.col("standing") == "good")
    is_on, seller = pl.col("event") == "activate", ["marketplace_id", "seller_id"]
    turns = (
        read(folder, "enrolment_events", columns, ["effective_at"])
        .unique()
        .sort("effective_at")
        .join_asof(sellers, left_on="effective_at", right_on="updated_at", by="seller_id", check_sortedness=False)
        .join(first, on="seller_id", how="left", suffix="_first")
        .with_columns(pl.coalesce(name, f"{name}_first").alias(name) for name in ("plan", "standing"))
        .filter((pl.col("event") == "deactivate") | is_good)
        .sort([*seller, "effective_at", "event"], descending=[False, False, False, True])
        .filter(is_on != is_on.shift(1).over(seller).fill_null(value=False))
        .with_columns(pl.col("effective_at").shift(-1).over(seller).alias("ended_at"))
        .filter(is_on)
        .rename({"effective_at": "started_at"})
        .sort("started_at")
        .join_asof(terms, left_on="started_at", right_on="in_force_at", by="marketplace_id", check_sortedness=False)
    )
    hours = pl.duration(hours=pl.col("trial_days") * 24)
    trial_ends_at = (pl.col("started_at") + hours).sort_by("started_at").first().over(seller)
    return turns.select(*seller, "started_at", "ended_at", trial_ends_at.alias("trial_ends_at")).sort("started_at")


def covered(folder: Path, intervals: pl.LazyFrame) -> pl.LazyFrame:
    """Every order item, with whether the programme covers it."""
    columns = [*ITEM, *SELLER, "purchased_at", "fulfillment", "is_prime", "updated_at"]
    items = latest(read(folder, "order_items", columns, ["purchased_at", "updated_at"]), ITEM)
    is_own = (pl.col("fulfillment") == "MFN") & ~pl.col("is_prime")
    is_enrolled = pl.col("started_at").is_not_null() & (
        pl.col("ended_at").is_null() | (pl.col("purchased_at") < pl.col("ended_at"))
    )
    return (
        items.sort("purchased_at")
        .join_asof(intervals, left_on="purchased_at", right_on="started_at", by=SELLER, check_sortedness=False)
        .with_columns(is_own.alias("is_own"), (is_own & is_enrolled).alias("is_covered"))
        .select(*ITEM, *SELLER, "purchased_at", "is_own", "is_covered", "trial_ends_at")
    )


def in_month(rows: pl.LazyFrame, time: str, markets: pl.LazyFrame, start: str = "starts_at") -> pl.LazyFrame:
    """The rows whose time lies in the month, on the clocks of their marketplace."""
    bounds = markets.select("marketplace_id", pl.col(start).alias("from"), pl.col("ends_at").alias("until"))
    is_in = (pl.col(time) >= pl.col("from")) & (pl.col(time) < pl.col("until"))
    return rows.join(bounds, on="marketplace_id").filter(is_in).drop("from", "until")


def counted(folder: Path, items: pl.LazyFrame, markets: pl.LazyFrame) -> pl.LazyFrame:
    """The contacts of the month that count."""
    columns = ["contact_id", *ITEM, "reason", "contacted_at", "is_void", "updated_at"]
    contacts = latest(read(folder, "contacts", columns, ["contacted_at", "updated_at"]), ["contact_id"])
    contacts = with_items(contacts.filter(pl.col("order_id").is_not_null()), items)
    is_counted = ~pl.col("is_void") & pl.col("is_covered") & (pl.col("contacted_at") >= pl.col("purchased_at"))
    is_counted &= ~pl.col("reason").is_in(EXCLUDED_REASONS)
    return in_month(contacts.join(items, on=ITEM), "contacted_at", markets).filter(is_counted)


def with_items(contacts: pl.LazyFrame, items: pl.LazyFrame) -> pl.LazyFrame:
    """Contacts that name only an order are about its first covered item, else its first."""
    unnamed = contacts.filter(pl.col("order_item_id").is_null())
    first = (
        items.join(unnamed, on="order_id", how="semi")
        .group_by("order_id")
        .agg(
            pl.coalesce(pl.col("order_item_id").filter("is_covered").min(), pl.col("order_item_id").min()).alias(
                "first"
            )
        )
    )
    contacts = contacts.join(first, on="order_id", how="left")
    return contacts.with_columns(pl.coalesce("order_item_id", "first")).drop("first")


def performance(
    folder: Path, items: pl.LazyFrame, units: pl.LazyFrame, contacts: pl.LazyFrame, markets: pl.LazyFrame
) -> pl.LazyFrame:
    """Units, contacts that count, returns and orders of each seller and marketplace."""
    returns = read(folder, "returns", ["return_id", *ITEM, "requested_at", "label"], ["requested_at"]).unique()
    sent_back = in_month(returns.join(items, on=ITEM), "requested_at", markets).filter("is_covered")
    placed = in_month(items.filter("is_own"), "purchased_at", markets, "quarter_starts_at")
    valid = pl.col("quantity").filter(pl.col("is_tracking_valid").cast(pl.String) == "true").sum()
    seen = units.group_by(SELLER).agg(pl.col("quantity").sum().alias("month_units"), valid.alias("valid"))
    for counts in (
        contacts.group_by(SELLER).agg(pl.len().alias("contacts")),
        sent_back.group_by(SELLER).agg(
            pl.len().alias("returns"), (pl.col("label") == "prepaid").sum().alias("prepaid")
        ),
        placed.group_by(SELLER).agg(pl.col("order_id").n_unique().alias("orders")),
    ):
        seen = seen.join(counts, on=SELLER, how="left")
    whole = pl.col("contacts", "returns", "prepaid", "orders", "valid")
    return seen.with_columns(whole.cast(pl.Int64).fill_null(0))


def fee_lines(units: pl.LazyFrame, seen: pl.LazyFrame, terms: pl.LazyFrame, tiers: pl.LazyFrame) -> pl.LazyFrame:
    """A line for each seller, marketplace, version of the terms, and whether it is a trial."""
    line = [*SELLER, "terms_id", "is_trial"]
    contacts, bound = pl.col("contacts") * PARTS, pl.col("up_to") * pl.col("month_units")
    fits = pl.col("up_to").is_null() | (contacts < bound) | ((contacts == bound) & ~pl.col("is_exclusive"))
    is_waived = (contacts < pl.col("cpu_below") * pl.col("month_units")).fill_null(value=False) | (
        pl.col("orders") < pl.col("orders_below")
    ).fill_null(value=False)
    is_rewarded = (pl.col("valid") * PARTS >= pl.col("vtr_at_least") * pl.col("month_units")).fill_null(value=True) & (
        pl.col("prepaid") * PARTS >= pl.col("aprl_at_least") * pl.col("returns")
    ).fill_null(value=True)
    kept = PARTS - pl.when(is_rewarded).then("discount").otherwise(0)
    exact = pl.when(is_waived | pl.col("is_trial")).then(0).otherwise(pl.col("units") * pl.col("fee") * kept)
    minor = PARTS * PARTS // 10 ** pl.col("minor_units")
    return (
        units.group_by(line)
        .agg(pl.col("quantity").sum().alias("units"))
        .join(seen, on=SELLER)
        .join(terms.drop("marketplace_id"), on="terms_id")
        .join(tiers, on="terms_id")
        .filter(fits)
        .sort("tier")
        .unique(line, keep="first", maintain_order=True)
        .with_columns(((2 * exact + minor) // (2 * minor) / 10 ** pl.col("minor_units")).alias("amount"))
    )


def main(folder: Path, period: str) -> None:
    """Load, bill, and print what the lines come to."""
    markets = read_markets(period)
    terms, tiers = read_terms(markets)
    items = covered(folder, enrolled(folder, terms)).collect(engine="streaming").lazy()
    columns = ["shipment_id", *ITEM, "shipped_at", "quantity", "is_tracking_valid", "is_void", "updated_at"]
    parcels = latest(read(folder, "shipments", columns, ["shipped_at", "updated_at"]), ["shipment_id", "order_item_id"])
    units = (
        in_month(parcels.join(items, on=ITEM), "shipped_at", markets)
        .filter(~pl.col("is_void") & pl.col("is_covered"))
        .sort("shipped_at")
        .join_asof(terms, left_on="shipped_at", right_on="in_force_at", by="marketplace_id", check_sortedness=False)
        .with_columns((pl.col("shipped_at") < pl.col("trial_ends_at")).alias("is_trial"))
        .select(*SELLER, "terms_id", "is_trial", "quantity", "is_tracking_valid")
        .collect(engine="streaming")
        .lazy()
    )
    terms = terms.join(markets.select("marketplace_id", "minor_units"), on="marketplace_id")
    seen = performance(folder, items, units, counted(folder, items, markets), markets)
    lines = fee_lines(units, seen, terms, tiers).collect(engine="streaming")
    print(lines["units"].sum(), len(lines), f"{lines['amount'].sum():.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
