"""A peer that keeps account: what csba does of files and a month, with pandas, as a careful analyst would write it.

    python bench/with_pandas_in_full.py FOLDER OUT 2026-03

`with_pandas.py` reads a few columns and keeps nothing. This script has what a finance department would ask of it: every
column of every row is typed and checked; what is refused is set aside with its reason and as it came; every kept row
says its file and its number in it; rows that repeat and versions that are beaten are told apart; and rows read are rows
accounted for. Of the month every parcel and contact has its one outcome, nothing comes twice, units are counted a
second time from the rows in force, and what is odd is reported. All of it is written to OUT, as Parquet.

Checks are by column, with Arrow's texts, and only rows at fault are looked at one by one. Prints `units lines amount`
of the fee lines, which must come out as csba's do, and then the units by outcome.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from cards import EXCLUDED_REASONS, ITEM, SELLER
from contracts import CONTRACTS, EARLIEST, FLAG, HARMED, ID, INSTANT, LATEST, MOST_UNITS, TEXT, UNITS
from pyarrow import csv
from with_pandas import TIME, enrolled, fee_lines, in_month, performance, read_markets, read_terms, with_items

# -- loading --------------------------------------------------------------------------------------------------------


def typed(text: pd.Series, rule: object) -> tuple[pd.Series, pd.Series]:
    """The values of a column of text, and which of them are no good though they are there."""
    if rule == INSTANT:
        values = pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601").dt.tz_localize(None).astype(TIME)
        is_good = (values >= EARLIEST) & (values <= LATEST)
    elif rule == UNITS:
        number = pd.to_numeric(text, errors="coerce")
        is_good = (number >= 1) & (number <= MOST_UNITS) & (number % 1 == 0)
        values = number.where(is_good).astype("Int64")
    elif rule == FLAG:
        is_good = text.isin(["true", "false"])
        values = (text == "true").astype("boolean").where(is_good)
    else:
        values = text
        if rule == HARMED:
            is_good = ~text.str.fullmatch(ID).fillna(False).astype(bool)
        elif isinstance(rule, list):
            is_good = text.isin(rule)
        else:
            is_good = text.notna() if rule == TEXT else text.str.fullmatch(str(rule)).fillna(False).astype(bool)
    return values, text.notna() & ~is_good


def as_text(path: Path) -> pd.DataFrame:
    """A file's rows as they came, by Arrow's reader, which uses all cores; blanks are missing."""
    with path.open(encoding="utf-8") as head:
        names = head.readline().strip().split(",")
    as_it_is = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.large_string()), null_values=[""], strings_can_be_null=True
    )
    return csv.read_csv(path, convert_options=as_it_is).to_pandas(split_blocks=True, self_destruct=True)


def load(folder: Path, out: Path) -> None:
    """Every dataset: typed and checked rows, with where each came from and whether it is in force; and the refused."""
    markets = set(read_markets("2026-01").marketplace_id)
    for dataset, (key, has_versions, rules) in CONTRACTS.items():
        kept, refused, accounts = [], [], []
        for number, path in enumerate(sorted(folder.glob(f"{dataset}*.csv")), start=1):
            rows = as_text(path)
            fault = pd.Series("", index=rows.index, dtype="str")
            values = {}
            for column, (rule, may_be_blank) in rules.items():
                values[column], is_bad = typed(rows[column], sorted(markets) if column == "marketplace_id" else rule)
                if not may_be_blank:
                    is_bad |= rows[column].isna()
                if is_bad.any():
                    fault = fault.mask(is_bad & (fault == ""), column)
            is_refused = fault != ""
            as_they_came = [
                json.dumps(row) for row in rows[is_refused].astype(object).where(pd.notna, None).to_dict("records")
            ]
            at_fault = {"file": number, "row": np.flatnonzero(is_refused) + 1, "column": fault[is_refused]}
            refused.append(pd.DataFrame({**at_fault, "as_it_came": as_they_came}))
            good = pd.DataFrame(values)
            good["file"], good["row"] = number, np.arange(1, len(rows) + 1)
            whole = {column: "int64" for column, (rule, _) in rules.items() if rule == UNITS}
            kept.append(good[~is_refused].astype(whole))
            accounts.append(len(rows))
        rows = pd.concat(kept, ignore_index=True)
        repeated = rows[rows.duplicated(key, keep=False)]
        duplicates = repeated[repeated.duplicated(list(rules))].index
        rows["is_in_force"] = True
        if has_versions:
            in_order = repeated.drop(duplicates).sort_values("updated_at", kind="stable")
            rows.loc[in_order[in_order.duplicated(key, keep="last")].index, "is_in_force"] = False
        rows = rows.drop(duplicates)
        if len(rows) + len(duplicates) + sum(map(len, refused)) != sum(accounts):
            raise SystemExit(f"{dataset}: not every row that was read is accounted for")
        rows.to_parquet(out / f"{dataset}.parquet", index=False)
        pd.concat(refused).to_parquet(out / f"{dataset}_refused.parquet", index=False)


# -- the month ------------------------------------------------------------------------------------------------------


def items_by_coverage(out: Path, intervals: pd.DataFrame) -> pd.DataFrame:
    """Every order item in force, and whether the programme covers it or why not."""
    columns = [*ITEM, *SELLER, "sku", "purchased_at", "quantity", "fulfillment", "is_prime", "is_in_force"]
    items = pd.read_parquet(out / "order_items.parquet", columns=columns)
    items = items[items.is_in_force].drop(columns="is_in_force").sort_values("purchased_at")
    first = intervals.drop_duplicates(SELLER)[[*SELLER, "first_started_at", "trial_ends_at"]]
    spans = intervals[[*SELLER, "started_at", "ended_at"]]
    items = pd.merge_asof(items, spans, left_on="purchased_at", right_on="started_at", by=SELLER)
    items = items.merge(first, on=SELLER, how="left")
    is_enrolled = items.started_at.notna() & (items.ended_at.isna() | (items.purchased_at < items.ended_at))
    items["coverage"] = np.select(
        [
            items.fulfillment == "AFN",
            items.is_prime.astype(bool),
            items.first_started_at.isna(),
            items.purchased_at < items.first_started_at,
            ~is_enrolled,
        ],
        ["platform_fulfilled", "prime", "never_enrolled", "before_enrolment", "opted_out"],
        "covered",
    )
    items["is_own"] = (items.fulfillment == "MFN") & ~items.is_prime.astype(bool)
    items["is_covered"] = items.coverage == "covered"
    kept = ["sku", "purchased_at", "quantity", "trial_ends_at", "coverage", "is_own", "is_covered"]
    return items[[*ITEM, *SELLER, *kept]]


def units_by_outcome(out: Path, items: pd.DataFrame, terms: pd.DataFrame, markets: pd.DataFrame) -> pd.DataFrame:
    """Every parcel line in force of the month, with its one outcome."""
    columns = ["shipment_id", *ITEM, "shipped_at", "quantity", "is_tracking_valid", "is_void", "file", "row"]
    lines = pd.read_parquet(out / "shipments.parquet", columns=[*columns, "is_in_force"])
    lines = lines[lines.is_in_force].drop(columns="is_in_force")
    known = items.rename(columns={"quantity": "quantity_ordered"})
    lines = lines.merge(known, on=ITEM, how="left")
    lines["marketplace_id"] = lines.marketplace_id.fillna("unknown")
    lines = in_month(lines, "shipped_at", markets).sort_values("shipped_at")
    lines["outcome"] = np.select(
        [
            lines.coverage.isna(),
            lines.is_void.fillna(False).astype(bool),
            lines.coverage != "covered",
            lines.shipped_at < lines.trial_ends_at,
        ],
        ["unmatched", "void", lines.coverage.fillna(""), "trial"],
        "chargeable",
    )
    versions = terms[["marketplace_id", "terms_id", "in_force_at"]]
    lines = pd.merge_asof(lines, versions, left_on="shipped_at", right_on="in_force_at", by="marketplace_id")
    return lines.drop(columns=["coverage", "is_own", "is_covered", "trial_ends_at", "in_force_at"])


def contacts_by_outcome(out: Path, items: pd.DataFrame, markets: pd.DataFrame) -> pd.DataFrame:
    """Every contact in force of the month, with its one outcome."""
    contacts = pd.read_parquet(out / "contacts.parquet")
    contacts = contacts[contacts.is_in_force].drop(columns=["is_in_force", "updated_at"])
    contacts = with_items(contacts, items)
    contacts = contacts.rename(columns={"seller_id": "said_seller", "marketplace_id": "said_marketplace"})
    named = items[items.order_id.isin(contacts.order_id)].drop(columns=["sku", "quantity"])
    contacts = contacts.merge(named, on=ITEM, how="left")
    contacts["marketplace_id"] = contacts.marketplace_id.fillna("unknown")
    contacts = in_month(contacts, "contacted_at", markets)
    contacts["outcome"] = np.select(
        [
            contacts.is_void.fillna(False).astype(bool),
            contacts.coverage.isna(),
            contacts.coverage != "covered",
            contacts.reason.isin(EXCLUDED_REASONS),
            contacts.contacted_at < contacts.purchased_at,
        ],
        ["void", "unmatched", contacts.coverage.fillna(""), "excluded_reason", "before_order"],
        "counted",
    )
    return contacts.drop(columns=["coverage", "is_own", "is_covered", "trial_ends_at"])


def reported(units: pd.DataFrame, contacts: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """What is odd and changes nothing."""
    matched = units[~units.outcome.isin(["void", "unmatched"])]
    early = matched[matched.shipped_at < matched.purchased_at]
    beyond = matched.groupby(ITEM, as_index=False).agg(
        quantity=("quantity", "sum"), quantity_ordered=("quantity_ordered", "first")
    )
    beyond = beyond[beyond.quantity > beyond.quantity_ordered]
    shared = items[items.duplicated("order_id", keep=False)]
    told = shared[["order_id", *SELLER, "purchased_at"]].drop_duplicates()
    disagree = told[told.duplicated("order_id")].drop_duplicates("order_id")
    about = contacts[contacts.seller_id.notna()]
    other = about[(about.said_seller != about.seller_id) | (about.said_marketplace != about.marketplace_id)]
    kinds = {
        "shipped_before_ordered": early.shipment_id,
        "shipped_beyond_ordered": beyond.order_item_id,
        "order_items_disagree": disagree.order_id,
        "contact_disagrees": other.contact_id,
    }
    return pd.concat([pd.DataFrame({"kind": kind, "subject": subject}) for kind, subject in kinds.items()])


def check(units: pd.DataFrame, contacts: pd.DataFrame, items: pd.DataFrame, out: Path, markets: pd.DataFrame) -> None:
    """Nothing comes twice, and the units are those of the rows in force, counted a second time; else it ends here."""
    if units.duplicated(["shipment_id", "order_item_id"]).any() or contacts.duplicated("contact_id").any():
        raise SystemExit("something comes twice")
    columns = [*ITEM, "shipped_at", "quantity", "is_in_force"]
    lines = pd.read_parquet(out / "shipments.parquet", columns=columns)
    lines = lines[lines.is_in_force].merge(items[[*ITEM, "marketplace_id"]], on=ITEM, how="left")
    lines["marketplace_id"] = lines.marketplace_id.fillna("unknown")
    counted = in_month(lines, "shipped_at", markets).groupby("marketplace_id").quantity.sum()
    if not counted.sort_index().equals(units.groupby("marketplace_id").quantity.sum().sort_index()):
        raise SystemExit("the units by outcome are not all that were shipped")


def run(out: Path, period: str) -> None:
    """Every table of a month, checked and written; prints what the lines come to, and the units by outcome."""
    markets = read_markets(period)
    terms, tiers = read_terms(markets)
    in_utc = pd.Period(period)
    nowhere = {"marketplace_id": "unknown", "starts_at": in_utc.start_time, "ends_at": (in_utc + 1).start_time}
    everywhere = pd.concat([markets, pd.DataFrame([nowhere]).astype({"starts_at": TIME, "ends_at": TIME})])
    items = items_by_coverage(out, enrolled(out, terms))
    units = units_by_outcome(out, items, terms, everywhere).assign(period=period)
    contacts = contacts_by_outcome(out, items, everywhere).assign(period=period)
    check(units, contacts, items, out, everywhere)
    covered = units[units.outcome.isin(["trial", "chargeable"])].assign(is_trial=lambda rows: rows.outcome == "trial")
    covered["is_tracking_valid"] = covered.is_tracking_valid.map({True: "true", False: "false"})
    counted = contacts[contacts.outcome == "counted"]
    seen = performance(out, items, covered, counted, markets)
    lines = fee_lines(
        covered, seen, terms.merge(markets[["marketplace_id", "minor_units"]], on="marketplace_id"), tiers
    )
    units.to_parquet(out / "units.parquet", index=False)
    contacts.to_parquet(out / "contacts_by_outcome.parquet", index=False)
    reported(units, contacts, items).to_parquet(out / "reported.parquet", index=False)
    seen.reset_index().to_parquet(out / "performance.parquet", index=False)
    lines.to_parquet(out / "fee_lines.parquet", index=False)
    print(lines.units.sum(), len(lines), f"{lines.amount.sum():.4f}")
    print(json.dumps({name: int(number) for name, number in units.groupby("outcome").quantity.sum().items()}))


def main(folder: Path, out: Path, period: str) -> None:
    """Load, and bill."""
    out.mkdir(exist_ok=True, parents=True)
    load(folder, out)
    run(out, period)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
