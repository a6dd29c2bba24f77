"""The sources for Olist, on the real data: every row told apart, and its quirks known."""

from pathlib import Path

import pytest

from assets.settings import CHECKOUT

OLIST = CHECKOUT.parent / "shared" / "data" / "olist"
pytestmark = pytest.mark.skipif(not OLIST.is_dir(), reason="Olist's data is not here")


def test_every_row_of_olist_is_accounted_for(home):
    def figures(*paths: Path):
        report = home.load(*paths)
        assert report.refusals == []
        return {
            (done.path.name, done.dataset): (
                done.rows_read,
                done.rows_loaded,
                done.rows_duplicate,
                done.rows_quarantined,
                done.skipped_because,
            )
            for done in report.loads
        }, report.unchanged

    full = OLIST / "full_order_items.parquet"
    found, _ = figures(full)
    # The full list of items has 72,986 whose orders are not among those of the sample.
    assert found == {
        (full.name, "order_items"): (112_650, 39_664, 0, 72_986, {}),
        (full.name, "shipments"): (112_650, 38_471, 0, 72_986, {"never shipped": 1_193}),
    }
    assert home.rows("select distinct column_name, check_name from audit.quarantine") == [
        ("order_id", "an order in olist_orders_dataset.csv")
    ]
    found, unchanged = figures(OLIST)
    assert unchanged == [full]
    assert found == {
        ("olist_order_items_dataset.csv", "order_items"): (39_664, 0, 39_664, 0, {}),
        ("olist_order_items_dataset.csv", "shipments"): (39_664, 0, 38_471, 0, {"never shipped": 1_193}),
        ("olist_order_reviews_dataset.csv", "contacts"): (
            27_333, 5_475, 0, 0, {"a review with more than 2 stars": 21_858},
        ),
        ("olist_sellers_dataset.csv", "enrolment_events"): (3_095, 3_095, 0, 0, {}),
        ("olist_sellers_dataset.csv", "sellers"): (3_095, 3_095, 0, 0, {}),
    }  # fmt: skip
    found, unchanged = figures(OLIST)
    assert (found, len(unchanged)) == ({}, 4)
    home.warehouse.show_as_of(1)
    assert home.rows("select count(*) from in_force.contacts") == [(0,)]


def test_reviews_are_shared_between_orders_and_local_times_are_read_as_such(home):
    home.load(OLIST / "olist_order_reviews_dataset.csv", OLIST / "olist_order_items_dataset.csv")
    reviews = str(OLIST / "olist_order_reviews_dataset.csv")
    spanning = f"""
        select review_id from read_csv('{reviews}', all_varchar = true)
        group by review_id having count(distinct order_id) > 1"""
    assert len(home.rows(spanning)) == 86
    assert home.rows("select count(*), count(distinct contact_id) from in_force.contacts") == [(5_475, 5_475)]
    # São Paulo is two or three hours behind UTC, so that a review's date, a local midnight, is 02:00 or 03:00.
    assert home.rows("select distinct hour(contacted_at) from in_force.contacts order by 1") == [(2,), (3,)]
