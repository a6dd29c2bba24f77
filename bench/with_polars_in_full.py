"""A peer that keeps account: what `with_pandas_in_full.py` does, with Polars, lazily, as its guide advises.

    python bench/with_polars_in_full.py FOLDER OUT 2026-03

To the same contracts, and with the same said of every row: what is refused, where it came from, what repeats and what
is in force. Every parcel and contact of the month has its one outcome, nothing comes twice, units are counted a second
time, what is odd is reported, and all of it is written to OUT, as Parquet. Prints `units lines amount` of the fee
lines, which must come out as csba's do, and then the units by outcome.
"""

import json
import sys
from datetime import date
from pathlib import Path

import polars as pl
from cards import EXCLUDED_REASONS, ITEM, SELLER
from contracts import CONTRACTS, EARLIEST, FLAG, HARMED, ID, INSTANT, LATEST, MOST_UNITS, TEXT, UNITS
from with_polars import (
    TIME,
    enrolled,
    fee_lines,
    in_month,
    instant,
    performance,
    read_markets,
    read_terms,
    with_items,
)

PLACE = ["file", "row"]


# -- loading --------------------------------------------------------------------------------------------------------


def typed(column: str, rule: object) -> tuple[pl.Expr, pl.Expr]:
    """The values of a column of text, and whether each is good, where there is one."""
    text = pl.col(column)
    if rule == INSTANT:
        in_utc = text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        values = in_utc.dt.replace_time_zone(None)
        is_good = values.is_between(EARLIEST, LATEST)
    elif rule == UNITS:
        values = text.cast(pl.Float64, strict=False)
        is_good = values.is_between(1, MOST_UNITS) & (values % 1 == 0)
        values = values.cast(pl.Int64)
    elif rule == FLAG:
        values = pl.when(text == "true").then(True).when(text == "false").then(False)
        is_good = values.is_not_null()
    else:
        values = text
        if rule == HARMED:
            is_good = ~text.str.contains(f"^(?:{ID})$")
        elif isinstance(rule, list):
            is_good = text.is_in(rule)
        else:
            is_good = text.is_not_null() if rule == TEXT else text.str.contains(f"^(?:{rule})$")
    return values.alias(column), is_good


def load(folder: Path, out: Path) -> None:
    """Every dataset: typed and checked rows, with where each came from and whether it is in force; and the refused."""
    markets = read_markets("2026-01").collect()["marketplace_id"].to_list()
    for dataset, (key, has_versions, rules) in CONTRACTS.items():
        values, faults = [], []
        for column, (rule, may_be_blank) in rules.items():
            value, is_good = typed(column, markets if column == "marketplace_id" else rule)
            is_blank = pl.col(column).is_null()
            is_bad = is_blank.not_() & is_good.not_().fill_null(value=True)
            faults.append(pl.when(is_bad if may_be_blank else is_bad | is_blank).then(pl.lit(column)))
            values.append(value)
        kept, refused, read = [], [], 0
        for number, path in enumerate(sorted(folder.glob(f"{dataset}*.csv")), start=1):
            rows = pl.scan_csv(path, infer_schema=False, row_index_name="row", row_index_offset=1)
            checked = rows.with_columns(pl.coalesce(faults).alias("column"), pl.lit(number).alias("file"))
            as_it_came = pl.struct(*rules).struct.json_encode().alias("as_it_came")
            good, bad, count = pl.collect_all(
                [
                    checked.filter(pl.col("column").is_null()).select(*values, *PLACE),
                    checked.filter(pl.col("column").is_not_null()).select(*PLACE, "column", as_it_came),
                    rows.select(pl.len()),
                ],
                engine="streaming",
            )
            kept.append(good)
            refused.append(bad)
            read += count.item()
        rows = pl.concat(kept)
        several = rows.lazy().group_by(key).len().filter(pl.col("len") > 1)
        repeated = rows.lazy().join(several, on=key, how="semi").collect(engine="streaming").sort(PLACE)
        once = repeated.unique(list(rules), keep="first", maintain_order=True)
        duplicates = repeated.join(once, on=PLACE, how="anti")
        beaten = once.clear()
        if has_versions:
            in_order = once.sort("updated_at", maintain_order=True)
            beaten = in_order.join(in_order.unique(key, keep="last", maintain_order=True), on=PLACE, how="anti")
        if len(rows) + sum(map(len, refused)) != read:
            raise SystemExit(f"{dataset}: not every row that was read is accounted for")
        marked = beaten.select(*PLACE, pl.lit(value=False).alias("is_in_force"))
        rows.lazy().join(duplicates.lazy(), on=PLACE, how="anti").join(
            marked.lazy(), on=PLACE, how="left"
        ).with_columns(pl.col("is_in_force").fill_null(value=True)).sink_parquet(out / f"{dataset}.parquet")
        pl.concat(refused).write_parquet(out / f"{dataset}_refused.parquet")


# -- the month ------------------------------------------------------------------------------------------------------


def in_force(out: Path, dataset: str) -> pl.LazyFrame:
    """The rows of a dataset that are in force."""
    return pl.scan_parquet(out / f"{dataset}.parquet").filter("is_in_force").drop("is_in_force")


def first_of(conditions: dict[str, pl.Expr], otherwise: pl.Expr) -> pl.Expr:
    """The first name whose condition holds."""
    held = [pl.when(condition).then(pl.lit(name)) for name, condition in conditions.items()]
    return pl.coalesce(*held, otherwise)


def items_by_coverage(out: Path, intervals: pl.LazyFrame) -> pl.LazyFrame:
    """Every order item in force, and whether the programme covers it or why not."""
    first = intervals.group_by(SELLER).agg(pl.col("started_at").min().alias("first"), pl.col("trial_ends_at").first())
    spans = intervals.select(*SELLER, "started_at", "ended_at")
    bought, started = pl.col("purchased_at"), pl.col("started_at")
    is_enrolled = started.is_not_null() & (pl.col("ended_at").is_null() | (bought < pl.col("ended_at")))
    why_not = {
        "platform_fulfilled": pl.col("fulfillment") == "AFN",
        "prime": pl.col("is_prime"),
        "never_enrolled": pl.col("first").is_null(),
        "before_enrolment": bought < pl.col("first"),
        "opted_out": ~is_enrolled,
    }
    items = (
        in_force(out, "order_items")
        .sort("purchased_at")
        .join_asof(spans, left_on="purchased_at", right_on="started_at", by=SELLER, check_sortedness=False)
        .join(first, on=SELLER, how="left")
        .with_columns(
            first_of(why_not, pl.lit("covered")).alias("coverage"),
            ((pl.col("fulfillment") == "MFN") & ~pl.col("is_prime")).alias("is_own"),
        )
        .with_columns((pl.col("coverage") == "covered").alias("is_covered"))
    )
    kept = ["sku", "purchased_at", "quantity", "trial_ends_at", "coverage", "is_own", "is_covered"]
    return items.select(*ITEM, *SELLER, *kept).collect(engine="streaming").lazy()


def units_by_outcome(out: Path, items: pl.LazyFrame, terms: pl.LazyFrame, markets: pl.LazyFrame) -> pl.LazyFrame:
    """Every parcel line in force of the month, with its one outcome."""
    coverage = pl.col("coverage")
    outcomes = {
        "unmatched": coverage.is_null(),
        "void": pl.col("is_void"),
        "trial": (coverage == "covered") & (pl.col("shipped_at") < pl.col("trial_ends_at")),
        "chargeable": coverage == "covered",
    }
    lines = in_force(out, "shipments").drop("carrier", "tracking_id", "updated_at")
    lines = lines.join(items.rename({"quantity": "quantity_ordered"}), on=ITEM, how="left")
    lines = in_month(lines.with_columns(pl.col("marketplace_id").fill_null("unknown")), "shipped_at", markets)
    versions = terms.select("marketplace_id", "terms_id", "in_force_at")
    return (
        lines.with_columns(first_of(outcomes, coverage).alias("outcome"))
        .sort("shipped_at")
        .join_asof(versions, left_on="shipped_at", right_on="in_force_at", by="marketplace_id", check_sortedness=False)
        .drop("coverage", "is_own", "is_covered", "trial_ends_at", "in_force_at")
        .collect(engine="streaming")
        .lazy()
    )


def contacts_by_outcome(out: Path, items: pl.LazyFrame, markets: pl.LazyFrame) -> pl.LazyFrame:
    """Every contact in force of the month, with its one outcome."""
    coverage = pl.col("coverage")
    outcomes = {
        "void": pl.col("is_void"),
        "unmatched": coverage.is_null(),
        "excluded_reason": (coverage == "covered") & pl.col("reason").is_in(EXCLUDED_REASONS),
        "before_order": (coverage == "covered") & (pl.col("contacted_at") < pl.col("purchased_at")),
        "counted": coverage == "covered",
    }
    contacts = with_items(in_force(out, "contacts").drop("updated_at"), items)
    contacts = contacts.rename({"seller_id": "said_seller", "marketplace_id": "said_marketplace"})
    contacts = contacts.join(items.drop("sku", "quantity"), on=ITEM, how="left")
    contacts = contacts.with_columns(
        pl.col("marketplace_id").fill_null("unknown"), first_of(outcomes, coverage).alias("outcome")
    )
    contacts = in_month(contacts, "contacted_at", markets)
    contacts = contacts.drop("coverage", "is_own", "is_covered", "trial_ends_at")
    return contacts.collect(engine="streaming").lazy()


def reported(units: pl.LazyFrame, contacts: pl.LazyFrame, items: pl.LazyFrame) -> pl.LazyFrame:
    """What is odd and changes nothing."""
    matched = units.filter(~pl.col("outcome").is_in(["void", "unmatched"]))
    shipped = matched.group_by(ITEM).agg(pl.col("quantity").sum(), pl.col("quantity_ordered").first())
    shared = items.group_by("order_id").len().filter(pl.col("len") > 1)
    told = items.join(shared, on="order_id", how="semi").select("order_id", *SELLER, "purchased_at").unique()
    orders = told.group_by("order_id").len().filter(pl.col("len") > 1)
    is_other = (pl.col("said_seller") != pl.col("seller_id")) | (pl.col("said_marketplace") != pl.col("marketplace_id"))
    kinds = {
        "shipped_before_ordered": matched.filter(pl.col("shipped_at") < pl.col("purchased_at")).select("shipment_id"),
        "shipped_beyond_ordered": shipped.filter(pl.col("quantity") > pl.col("quantity_ordered")).select(
            "order_item_id"
        ),
        "order_items_disagree": orders.select("order_id"),
        "contact_disagrees": contacts.filter(pl.col("seller_id").is_not_null() & is_other).select("contact_id"),
    }
    return pl.concat(
        [rows.select(pl.lit(kind).alias("kind"), pl.first().alias("subject")) for kind, rows in kinds.items()]
    )


def check(units: pl.LazyFrame, contacts: pl.LazyFrame, items: pl.LazyFrame, out: Path, markets: pl.LazyFrame) -> None:
    """Nothing comes twice, and the units are those of the rows in force, counted a second time; else it ends here."""
    for rows, key in ((units, ["shipment_id", "order_item_id"]), (contacts, ["contact_id"])):
        if len(rows.group_by(key).len().filter(pl.col("len") > 1).collect(engine="streaming")):
            raise SystemExit("something comes twice")
    lines = in_force(out, "shipments").select(*ITEM, "shipped_at", "quantity")
    lines = lines.join(items.select(*ITEM, "marketplace_id"), on=ITEM, how="left")
    lines = in_month(lines.with_columns(pl.col("marketplace_id").fill_null("unknown")), "shipped_at", markets)
    counts = [rows.group_by("marketplace_id").agg(pl.col("quantity").sum()) for rows in (lines, units)]
    again, once = (rows.sort("marketplace_id") for rows in pl.collect_all(counts, engine="streaming"))
    if not again.equals(once):
        raise SystemExit("the units by outcome are not all that were shipped")


def run(out: Path, period: str) -> None:
    """Every table of a month, checked and written; prints what the lines come to, and the units by outcome."""
    markets = read_markets(period)
    terms, tiers = read_terms(markets)
    year, month = map(int, period.split("-"))
    begins, ends = (instant(day, "UTC") for day in (date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)))
    nowhere = pl.LazyFrame(
        {"marketplace_id": ["unknown"], "starts_at": [begins], "ends_at": [ends]},
        schema={"marketplace_id": pl.String, "starts_at": TIME, "ends_at": TIME},
    )
    everywhere = pl.concat([markets.select("marketplace_id", "starts_at", "ends_at"), nowhere])
    items = items_by_coverage(out, enrolled(out, terms))
    units = units_by_outcome(out, items, terms, everywhere).with_columns(pl.lit(period).alias("period"))
    contacts = contacts_by_outcome(out, items, everywhere).with_columns(pl.lit(period).alias("period"))
    check(units, contacts, items, out, everywhere)
    covered = units.filter(pl.col("outcome").is_in(["trial", "chargeable"]))
    covered = covered.with_columns((pl.col("outcome") == "trial").alias("is_trial"))
    counted = contacts.filter(pl.col("outcome") == "counted")
    seen = performance(out, items, covered, counted, markets).collect(engine="streaming")
    terms = terms.join(markets.select("marketplace_id", "minor_units"), on="marketplace_id")
    lines = fee_lines(covered, seen.lazy(), terms, tiers).collect(engine="streaming")
    units.sink_parquet(out / "units.parquet")
    contacts.sink_parquet(out / "contacts_by_outcome.parquet")
    reported(units, contacts, items).sink_parquet(out / "reported.parquet")
    seen.write_parquet(out / "performance.parquet")
    lines.write_parquet(out / "fee_lines.parquet")
    print(lines["units"].sum(), len(lines), f"{lines['amount'].sum():.4f}")
    outcomes = units.group_by("outcome").agg(pl.col("quantity").sum()).collect(engine="streaming")
    print(json.dumps(dict(outcomes.iter_rows())))


def main(folder: Path, out: Path, period: str) -> None:
    """Load, and bill."""
    out.mkdir(exist_ok=True, parents=True)
    load(folder, out)
    run(out, period)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
