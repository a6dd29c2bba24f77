"""Terms files: what is read from a good one, and the reason for which each bad one is refused."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from house import DATA, opened

from assets.core.marketplaces import read_marketplaces
from assets.core.terms import TermsError, make_terms, read_all_terms, read_terms

LISTED = read_marketplaces(DATA / "marketplaces.csv")

GOOD = """
marketplace_id = "ATVPDKIKX0DER"

[[version]]
id = "B"
from = 2022-03-14
trial_days = 90
dispute_days = 30
tier = [{ up_to = 0.05, fee = 0.2, exclusive = true }, { up_to = 0.1, fee = 0.1234 }, { fee = 1 }]
[version.rewards]
vtr_at_least = 0.95
aprl_at_least = 0.9
discounts = [1, 0.5, 0.1234]
[version.waive]
cpu_below = 0.03
orders_in_quarter_below = 30

[[version]]
id = "A"
from = 2021-11-16
trial_days = 30
tier = [{ fee = 0.40 }]
"""


def written(folder: Path, text: str, name: str = "us.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_is_read_exactly_and_in_order_of_date(tmp_path: Path) -> None:
    terms = read_terms(written(tmp_path, GOOD), LISTED)
    first, second = terms.versions
    assert (first.terms_id, second.terms_id) == ("A", "B")
    assert (first.dispute_days, second.dispute_days) == (90, 30)
    assert [tier.fee for tier in second.tiers] == [Decimal("0.2"), Decimal("0.1234"), Decimal(1)]
    assert [tier.up_to for tier in second.tiers] == [Decimal("0.05"), Decimal("0.1"), None]
    assert [tier.is_exclusive for tier in second.tiers] == [True, False, False]
    assert [tier.discount for tier in second.tiers] == [Decimal(1), Decimal("0.5"), Decimal("0.1234")]
    assert (second.cpu_below, second.orders_in_quarter_below) == (Decimal("0.03"), 30)
    assert (first.vtr_at_least, first.cpu_below, first.tiers[0].discount) == (None, None, 0)


def test_a_version_is_in_force_from_the_first_instant_of_its_local_date(tmp_path: Path) -> None:
    terms = read_terms(written(tmp_path, GOOD), LISTED)
    with opened(tmp_path / "home") as warehouse:
        assert make_terms(warehouse, [terms], LISTED) == {"core.terms": 2, "core.tiers": 4}
        found = warehouse.con.execute(
            "select terms_id, starts_at, ends_at from core.terms order by starts_at"
        ).fetchall()
        # the day after the clocks went forward in the United States: 7 hours behind UTC, no longer 8
        change = datetime(2022, 3, 14, 7)
        assert found == [("A", datetime(2021, 11, 16, 8), change), ("B", change, None)]
        exact = warehouse.con.execute("select fee, discount, up_to from core.tiers where terms_id = 'B' and tier = 2")
        assert exact.fetchall() == [(Decimal("0.1234"), Decimal("0.5"), Decimal("0.1"))]


REFUSED = {
    "bounds that do not rise": (
        "up_to = 0.1,",
        "up_to = 0.05,",
        "version B: the bound of tier 2, 0.05, does not lie above",
    ),
    "a bound inside the last tier": ("{ fee = 1 }", "{ up_to = 0.5, fee = 1 }", "its last tier has a bound"),
    "an open tier before the last": ("{ up_to = 0.1, fee", "{ fee", "tier 2 has no bound"),
    "a bound above 1": ("up_to = 0.1,", "up_to = 1.1,", "`up_to` 1.1 lies outside 0 to 1"),
    "a negative bound": ("up_to = 0.05,", "up_to = -0.05,", "lies outside 0 to 1"),
    "a discount above 1": ("[1, 0.5", "[1.01, 0.5", "`a discount` 1.01 lies outside 0 to 1"),
    "a share above 1": ("vtr_at_least = 0.95", "vtr_at_least = 95", "`vtr_at_least` 95 lies outside 0 to 1"),
    "too many decimals of a fee": ("0.1234 }", "0.12345 }", "`fee` 0.12345 has more than 4 decimals"),
    "too many decimals of a bound": ("up_to = 0.05,", "up_to = 0.05001,", "has more than 4 decimals"),
    "too many decimals of a discount": ("0.1234]", "0.12345]", "has more than 4 decimals"),
    "a fee below zero": ("fee = 1 }", "fee = -1 }", "`fee` -1 lies outside"),
    "a fee that is no number": ("fee = 1 }", "fee = nan }", "`fee` is a number"),
    "a fee that is true": ("fee = 1 }", "fee = true }", "`fee` is a number"),
    "a fee in words": ("fee = 1 }", 'fee = "1" }', "`fee` is a number"),
    "no fee": ("{ fee = 1 }", "{}", "tier 3 has no fee"),
    "fewer discounts than tiers": ("[1, 0.5, 0.1234]", "[1, 0.5]", "as many discounts as it has tiers, 3"),
    "rewards without a condition": ("vtr_at_least = 0.95\naprl_at_least = 0.9\n", "", "have no condition"),
    "two versions on a date": (
        "from = 2021-11-16",
        "from = 2022-03-14",
        "version A: version B starts on the same date",
    ),
    "two versions of an id": ('id = "A"', 'id = "B"', "another version has the same id"),
    "an unknown key": ("trial_days = 90", "trial_days = 90\ntrail_days = 3", "`trail_days` is not known here"),
    "an unknown key of a tier": ("{ fee = 1 }", "{ fee = 1, free = true }", "`free` is not known here"),
    "an unknown key of the file": ("[[version]]", 'currency = "USD"\n[[version]]', "`currency` is not known here"),
    "an unknown waiver": ("cpu_below", "cpu_bellow", "`cpu_bellow` is not known here"),
    "an unknown marketplace": ("ATVPDKIKX0DER", "NOWHERE", "marketplace_id 'NOWHERE' is not listed"),
    "no date": ("from = 2021-11-16", "", "`from` is a date"),
    "a time": ("from = 2021-11-16", "from = 2021-11-16T00:00:00Z", "`from` is a date without a time"),
    "a date in words": ("from = 2021-11-16", 'from = "2021-11-16"', "`from` is a date"),
    "a date far away": ("from = 2021-11-16", "from = 1921-11-16", "outside the years"),
    "no id": ('id = "A"', "", "version number 2: its id is missing"),
    "half a day": ("trial_days = 90", "trial_days = 0.5", "`trial_days` is a whole number"),
    "no trial days": ("trial_days = 90", "", "`trial_days` is a whole number"),
    "no tiers": ("tier = [{ fee = 0.40 }]", "tier = []", "it has no tiers"),
    "an exclusive open tier": ("{ fee = 1 }", "{ fee = 1, exclusive = true }", "no bound that could be exclusive"),
    "exclusive in words": ("exclusive = true", 'exclusive = "yes"', "`exclusive` is true or false"),
    "a syntax error": ("[[version]]", "[[version", "it cannot be read"),
    "no version": (GOOD[GOOD.index("[[version]]") :], "", "it has no [[version]]"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_bad_file_is_refused_with_file_version_and_reason(mistake: str, tmp_path: Path) -> None:
    before, after, reason = REFUSED[mistake]
    assert before in GOOD
    with pytest.raises(TermsError) as refusal:
        read_terms(written(tmp_path, GOOD.replace(before, after, 1)), LISTED)
    assert str(refusal.value).startswith("us.toml")
    assert reason in str(refusal.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "us.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TermsError, match="it cannot be read"):
        read_terms(path, LISTED)


def test_a_bad_file_refuses_its_marketplace_alone(tmp_path: Path) -> None:
    written(tmp_path, GOOD.replace("fee = 1 }", "fee = -1 }"))
    written(tmp_path, GOOD.replace("ATVPDKIKX0DER", "A1PA6795UKMFR9"), "de.toml")
    good, refused = read_all_terms(tmp_path, LISTED)
    assert [terms.marketplace_id for terms in good] == ["A1PA6795UKMFR9"]
    assert [error.marketplace_id for error in refused] == ["ATVPDKIKX0DER"]


def test_two_files_of_one_marketplace_refuse_each_other(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    written(tmp_path, GOOD, "us-new.toml")
    good, refused = read_all_terms(tmp_path, LISTED)
    assert not good
    assert "us-new.toml has terms of the same marketplace" in str(refused[0]) or "us.toml has terms" in str(refused[0])


def test_the_terms_that_are_shipped_are_good() -> None:
    good, refused = read_all_terms(DATA / "terms", LISTED)
    assert not refused
    assert {LISTED[terms.marketplace_id].country for terms in good} == {"US", "JP", "DE", "GB", "FR", "IT", "ES", "BR"}
