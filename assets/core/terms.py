"""core.terms and core.tiers: the terms of every marketplace, from `data/terms/*.toml` (domain.md, "Terms, and rating").

One file a marketplace, in TOML, so that finance can read and review it; docs/terms.md is its format.
Numbers are exact decimals. A file with a mistake is refused whole, and only its marketplace with it.
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from assets.billing.books import kept_terms, rerating_of
from assets.core.calendar import FIRST_YEAR, LAST_YEAR, first_instant, month_of
from assets.core.marketplaces import Marketplace
from assets.warehouse import Warehouse, replace_table

DESCRIPTION = "One row per version of a marketplace's terms; in force from starts_at until the next version starts."
COLUMNS = {
    "marketplace_id": ("varchar", "the marketplace"),
    "terms_id": ("varchar", "the version's id"),
    "starts_at": ("timestamp", "first instant of the local date from which it is in force, UTC"),
    "ends_at": ("timestamp", "first instant of the next version, UTC; null: none"),
    "trial_days": ("integer", "days of 24 hours that are free after the first activation"),
    "dispute_days": ("integer", "days in which a seller may dispute a statement"),
    "vtr_at_least": ("decimal(5,4)", "condition of the reward: valid tracking rate; null: no such condition"),
    "aprl_at_least": ("decimal(5,4)", "condition of the reward: prepaid return label rate; null: no such condition"),
    "cpu_below": ("decimal(5,4)", "waiver: contacts per unit below this make the month free; null: no such waiver"),
    "orders_in_quarter_below": ("bigint", "waiver: fewer orders in the quarter make the month free; null: none"),
}
TIERS_DESCRIPTION = "One row per tier of a version of terms, in order of contacts per unit."
TIERS_COLUMNS = {
    "marketplace_id": ("varchar", "the marketplace"),
    "terms_id": ("varchar", "the version"),
    "tier": ("integer", "from 1"),
    "up_to": ("decimal(5,4)", "greatest contacts per unit; null: no bound"),
    "is_exclusive": ("boolean", "whether contacts per unit equal to the bound belong to the next tier"),
    "fee": ("decimal(18,4)", "per unit, in the marketplace's currency; illustrative"),
    "discount": ("decimal(5,4)", "share of the fee that a reward takes off; 0 without rewards"),
}
DECIMALS = 4
HIGHEST_FEE = Decimal("99999.9999")
LONGEST_TRIAL = 3650
DISPUTE_DAYS = 90


class TermsError(Exception):
    """A terms file that is refused; the message says the file, the version and the reason."""

    def __init__(self, path: Path, version: str | None, reason: str, marketplace_id: str | None = None) -> None:
        where = f"{path.name}, version {version}" if version else path.name
        super().__init__(f"{where}: {reason}")
        self.marketplace_id = marketplace_id
        """Whose terms they would have been, where the file says so."""


@dataclass(frozen=True)
class Tier:
    """A tier; the last has no bound."""

    up_to: Decimal | None
    is_exclusive: bool
    fee: Decimal
    discount: Decimal


@dataclass(frozen=True)
class Version:
    """A version of terms, in force from a local date until the next version starts."""

    terms_id: str
    starts_on: date
    trial_days: int
    dispute_days: int
    tiers: tuple[Tier, ...]
    vtr_at_least: Decimal | None
    aprl_at_least: Decimal | None
    cpu_below: Decimal | None
    orders_in_quarter_below: int | None


@dataclass(frozen=True)
class Terms:
    """The terms of a marketplace: its versions in order of date."""

    marketplace_id: str
    versions: tuple[Version, ...]
    path: Path
    text: str
    """The file as it came."""

    @property
    def sha256(self) -> str:
        """The hash of the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def ask_for_returns(self) -> bool:
        """Whether any reward asks for prepaid return labels."""
        return any(version.aprl_at_least is not None for version in self.versions)

    def meaning_until(self, end: date) -> dict[str, Any]:
        """What prices units and gives trials before a local date: by version, without what only statements show."""
        return {v.terms_id: replace(v, dispute_days=0) for v in self.versions if v.starts_on < end}

    def that_price_otherwise(self, kept: "Terms", start: date, end: date) -> list[str]:
        """The versions, of either terms, because of which these price a month [start, end) otherwise than the kept."""
        now, then = self.meaning_until(end), kept.meaning_until(end)

        def differs(terms_id: str) -> bool:
            old, new = then.get(terms_id), now.get(terms_id)
            if old is None or new is None or (old.starts_on, old.trial_days) != (new.starts_on, new.trial_days):
                return True
            # Beyond its trial, which may reach into any later month, a version matters while it is in force.
            return old != new and max(_ends_on(terms_id, kept), _ends_on(terms_id, self)) > start

        return [terms_id for terms_id in dict.fromkeys([*then, *now]) if differs(terms_id)]


def read_all_terms(folder: Path, marketplaces: Mapping[str, Marketplace]) -> tuple[list[Terms], list[TermsError]]:
    """The terms of a folder, and the files of it that are refused. Two files of one marketplace refuse each other."""
    good: dict[str, Terms] = {}
    refused = []
    if not folder.is_dir():
        refused.append(TermsError(folder, None, f"there is no such folder as {folder}"))
    for path in sorted(folder.glob("*.toml")):
        try:
            terms = read_terms(path, marketplaces)
        except TermsError as error:
            refused.append(error)
            continue
        if terms.marketplace_id in good:
            other = good[terms.marketplace_id].path.name
            refused.append(TermsError(path, None, f"{other} has terms of the same marketplace", terms.marketplace_id))
        else:
            good[terms.marketplace_id] = terms
    doubled = {error.marketplace_id for error in refused}
    return [terms for name, terms in good.items() if name not in doubled], refused


def terms_for_a_run(
    con: duckdb.DuckDBPyConnection, folder: Path, marketplaces: Mapping[str, Marketplace], *, reprice: bool = False
) -> tuple[list[Terms], list[TermsError]]:
    """The terms of a folder that a run may use, and the files of it that are refused.

    A file that would price a closed period otherwise than the books say is refused, unless the run is to reprice them,
    or was so told before and the difference is drafted (domain.md, "Closing, and what comes late").
    """
    good, refused = read_all_terms(folder, marketplaces)
    allowed = []
    for terms in good:
        posted, drafted = (parse_terms(kept, terms.path, marketplaces) for kept in _kept(con, terms))
        otherwise = terms_repriced(con, terms, posted)
        if not otherwise or reprice or not terms_repriced(con, terms, drafted):
            allowed.append(terms)
            continue
        version, periods = next(iter(otherwise.items()))
        reason = (
            f"it would now price {', '.join(periods)} otherwise, which is closed; put it back, or tell the run to"
            " --reprice, which books the difference as adjustments"
        )
        refused.append(TermsError(terms.path, version, reason, terms.marketplace_id))
    return allowed, refused


def terms_repriced(con: duckdb.DuckDBPyConnection, now: Terms, then: Terms) -> dict[str, list[str]]:
    """Version → the closed periods that `now` prices otherwise than `then` because of it."""
    query = "select period from billing.closes where marketplace_id = ? order by period"
    found: dict[str, list[str]] = {}
    for (period,) in con.execute(query, [now.marketplace_id]).fetchall():
        start, end = month_of(period)
        for version in now.that_price_otherwise(then, start, end):
            found.setdefault(version, []).append(period)
    return found


def _kept(con: duckdb.DuckDBPyConnection, terms: Terms) -> tuple[str, str]:
    """The text of the terms of the last close, and of those that the closed periods are re-rated with.

    Before the first close they are the terms themselves.
    """
    name = terms.marketplace_id
    standing = rerating_of(con).get(name)
    if standing is None:
        return terms.text, terms.text
    closed = "select max_by(terms_sha256, period) from billing.closes where marketplace_id = ?"
    posted = con.execute(closed, [name]).fetchall()[0][0]
    return kept_terms(con, posted, name), kept_terms(con, standing["terms_sha256"], name)


def read_terms(path: Path, marketplaces: Mapping[str, Marketplace]) -> Terms:
    """The terms of a file. Raises `TermsError`."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TermsError(path, None, f"it cannot be read: {error}") from error
    return parse_terms(text, path, marketplaces)


def parse_terms(text: str, path: Path, marketplaces: Mapping[str, Marketplace]) -> Terms:
    """The terms that a text says; `path` is named in mistakes. Raises `TermsError`."""
    try:
        content = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise TermsError(path, None, f"it cannot be read: {error}") from error
    marketplace_id = content.get("marketplace_id")
    if not isinstance(marketplace_id, str) or marketplace_id not in marketplaces:
        raise TermsError(path, None, f"marketplace_id {marketplace_id!r} is not listed in marketplaces.csv")
    given = content.get("version")
    name = None
    try:
        _only(content, "marketplace_id", "version")
        if not isinstance(given, list) or not given or not all(isinstance(version, dict) for version in given):
            raise _MistakeError("it has no [[version]]")
        versions = []
        for number, version in enumerate(given, start=1):
            name = version["id"] if isinstance(version.get("id"), str) and version["id"] else f"number {number}"
            versions.append(_version(version))
            for earlier in versions[:-1]:
                if earlier.terms_id == versions[-1].terms_id:
                    raise _MistakeError("another version has the same id")
                if earlier.starts_on == versions[-1].starts_on:
                    raise _MistakeError(f"version {earlier.terms_id} starts on the same date, {earlier.starts_on}")
    except _MistakeError as mistake:
        raise TermsError(path, name, str(mistake), marketplace_id) from None
    return Terms(marketplace_id, tuple(sorted(versions, key=lambda version: version.starts_on)), path, text)


def _ends_on(terms_id: str, terms: Terms) -> date:
    """The local date on which the next version starts."""
    later = [v.starts_on for v in terms.versions]
    start = next(v.starts_on for v in terms.versions if v.terms_id == terms_id)
    return min((day for day in later if day > start), default=date.max)


def make_terms(warehouse: Warehouse, every: Sequence[Terms], marketplaces: Mapping[str, Marketplace]) -> dict[str, int]:
    """Replace core.terms and core.tiers together, for a run; returns the rows of each."""
    with warehouse.transaction():
        rows = put_terms(warehouse.con, every, marketplaces)
    warehouse.terms_used = {card.marketplace_id: card.sha256 for card in every}
    return rows


def put_terms(
    con: duckdb.DuckDBPyConnection, every: Sequence[Terms], marketplaces: Mapping[str, Marketplace]
) -> dict[str, int]:
    """Replace core.terms and core.tiers of the current database; returns the rows of each."""
    terms, tiers = [], []
    for card in every:
        zone = marketplaces[card.marketplace_id].zone
        starts = [first_instant(version.starts_on, zone) for version in card.versions]
        for version, starts_at, ends_at in zip(card.versions, starts, [*starts[1:], None], strict=True):
            conditions = version.vtr_at_least, version.aprl_at_least, version.cpu_below, version.orders_in_quarter_below
            days = version.trial_days, version.dispute_days
            terms.append((card.marketplace_id, version.terms_id, starts_at, ends_at, *days, *conditions))
            for number, tier in enumerate(version.tiers, start=1):
                what = tier.up_to, tier.is_exclusive, tier.fee, tier.discount
                tiers.append((card.marketplace_id, version.terms_id, number, *what))
    replace_table(con, "core.terms", DESCRIPTION, COLUMNS, terms)
    replace_table(con, "core.tiers", TIERS_DESCRIPTION, TIERS_COLUMNS, tiers)
    return {"core.terms": len(terms), "core.tiers": len(tiers)}


# -- what a version may say ---------------------------------------------------------------------------------------


class _MistakeError(Exception):
    """Why a version is refused."""


def _version(given: dict[str, Any]) -> Version:
    _only(given, "id", "from", "trial_days", "dispute_days", "tier", "rewards", "waive")
    terms_id = given.get("id")
    if not isinstance(terms_id, str) or not terms_id.strip():
        raise _MistakeError("its id is missing, or is no text")
    starts_on = given.get("from")
    if not isinstance(starts_on, date) or isinstance(starts_on, datetime):
        raise _MistakeError(f"`from` is a date without a time, such as 2021-11-16, not {_shown(starts_on)}")
    if not FIRST_YEAR <= starts_on.year <= LAST_YEAR:
        raise _MistakeError(f"`from` lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
    tiers = given.get("tier")
    if not isinstance(tiers, list) or not tiers or not all(isinstance(tier, dict) for tier in tiers):
        raise _MistakeError("it has no tiers")
    rewards = _table(given, "rewards")
    _only(rewards, "vtr_at_least", "aprl_at_least", "discounts")
    waive = _table(given, "waive")
    _only(waive, "cpu_below", "orders_in_quarter_below")
    has_orders_waiver = "orders_in_quarter_below" in waive
    return Version(
        terms_id=terms_id,
        starts_on=starts_on,
        trial_days=_whole(given, "trial_days", LONGEST_TRIAL),
        dispute_days=_whole(given, "dispute_days", LONGEST_TRIAL) if "dispute_days" in given else DISPUTE_DAYS,
        tiers=_tiers(tiers, _discounts(rewards, len(tiers))),
        vtr_at_least=_share(rewards, "vtr_at_least"),
        aprl_at_least=_share(rewards, "aprl_at_least"),
        cpu_below=_share(waive, "cpu_below"),
        orders_in_quarter_below=_whole(waive, "orders_in_quarter_below", 10**9) if has_orders_waiver else None,
    )


def _tiers(given: list[dict[str, Any]], discounts: Sequence[Decimal]) -> tuple[Tier, ...]:
    tiers: list[Tier] = []
    for number, (tier, discount) in enumerate(zip(given, discounts, strict=True), start=1):
        _only(tier, "up_to", "exclusive", "fee")
        up_to, is_exclusive = _share(tier, "up_to"), tier.get("exclusive", False)
        if not isinstance(is_exclusive, bool):
            raise _MistakeError(f"`exclusive` is true or false, not {_shown(is_exclusive)}")
        if up_to is None and number < len(given):
            raise _MistakeError(f"tier {number} has no bound, but only the last is open")
        if up_to is not None and number == len(given):
            raise _MistakeError("its last tier has a bound; the last is open")
        if up_to is None and "exclusive" in tier:
            raise _MistakeError(f"tier {number} has no bound that could be exclusive")
        if up_to is not None and tiers and up_to <= (tiers[-1].up_to or 0):
            raise _MistakeError(f"the bound of tier {number}, {up_to}, does not lie above that of the tier before")
        if "fee" not in tier:
            raise _MistakeError(f"tier {number} has no fee")
        tiers.append(Tier(up_to, is_exclusive, _decimal(tier, "fee", HIGHEST_FEE), discount))
    return tuple(tiers)


def _discounts(rewards: dict[str, Any], tiers: int) -> list[Decimal]:
    if not rewards:
        return [Decimal(0)] * tiers
    discounts = rewards.get("discounts")
    if not isinstance(discounts, list) or len(discounts) != tiers:
        raise _MistakeError(f"its rewards need as many discounts as it has tiers, {tiers}")
    if "vtr_at_least" not in rewards and "aprl_at_least" not in rewards:
        raise _MistakeError("its rewards have no condition: `vtr_at_least`, `aprl_at_least` or both")
    return [_decimal({"a discount": discount}, "a discount", Decimal(1)) for discount in discounts]


def _table(given: dict[str, Any], key: str) -> dict[str, Any]:
    table = given.get(key, {})
    if not isinstance(table, dict):
        raise _MistakeError(f"`{key}` is a table, not {_shown(table)}")
    return table


def _share(given: dict[str, Any], key: str) -> Decimal | None:
    return _decimal(given, key, Decimal(1)) if key in given else None


def _decimal(given: dict[str, Any], key: str, highest: Decimal) -> Decimal:
    value = given[key]
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise _MistakeError(f"`{key}` is a number, not {_shown(value)}")
    value = Decimal(value)
    if not 0 <= value <= highest:
        raise _MistakeError(f"`{key}` {value} lies outside 0 to {highest}")
    if value != value.quantize(Decimal(1).scaleb(-DECIMALS)):
        raise _MistakeError(f"`{key}` {value} has more than {DECIMALS} decimals")
    return value


def _whole(given: dict[str, Any], key: str, highest: int) -> int:
    value = given.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
        raise _MistakeError(f"`{key}` is a whole number from 0 to {highest:,}, not {_shown(value)}")
    return value


def _only(given: dict[str, Any], *known: str) -> None:
    unknown = sorted(given.keys() - set(known))
    if unknown:
        raise _MistakeError(f"`{unknown[0]}` is not known here; known are {', '.join(known)}")


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value) if isinstance(value, str) else str(value)
