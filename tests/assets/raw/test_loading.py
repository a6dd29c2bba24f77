"""Every row read is loaded, known, quarantined or skipped; the right version is in force; all of a file or nothing."""

import json
import os
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.raw import hashing, loading, staging
from assets.raw.staging import Staging


@pytest.fixture
def later():
    """When files that are made now were not changed just now."""
    return datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=10)


# -- files that are no good ----------------------------------------------------------------------------------------


def test_a_header_alone_has_no_rows(home, raw):
    header = raw.as_csv([raw.item()]).splitlines()[0]
    (done,) = home.load_file("order_items.csv", header).loads
    assert (done.rows_read, done.rows_loaded) == (0, 0)


def test_a_missing_column_is_named(home, raw):
    row = {name: value for name, value in raw.ITEM.items() if name not in {"sku", "quantity"}}
    assert home.refusal("order_items.csv", [row]) == "as order_items it lacks the columns sku, quantity"
    assert "lacks the column sku" in home.refusal("order_items.jsonl.csv", [row | {"SKU no": "x", "Quantity": 1}])


def test_an_optional_column_may_be_left_out_and_an_unknown_one_is_named(home, raw):
    row = {
        "shipment_id": "P-1",
        "order_item_id": "1",
        "order_id": "O-1",
        "shipped_at": "2026-01-31T10:00:00Z",
        "quantity": "1",
        "updated_at": "2026-01-31T10:00:00Z",
    }
    report = home.load_file("shipments.csv", [row | {"colour": "red", "refused": "x: y", "skipped": "z"}])
    assert report.loads[0].ignored_columns == ("colour", "refused", "skipped")
    assert home.rows("select carrier, is_void from in_force.shipments") == [(None, None)]


def test_columns_may_come_in_any_order_and_number(home, raw):
    home.load_file("order_items_1.csv", [raw.item()])
    home.load_file("order_items_2.csv", [dict(reversed(raw.item(order_id="O-2").items()))])
    home.load_file("order_items_3.csv", [{"more": "x"} | raw.item(order_id="O-3")])
    assert [row[:4] for row in home.in_force("order_items")] == [(f"O-{n}", "1", "S-1", raw.US) for n in (1, 2, 3)]


def test_names_that_are_not_known_or_not_there(home, raw):
    assert home.refusal("items.csv", [raw.item()]).startswith("its name is not known; known are ")
    assert home.refusal("order_items.zip", b"PK\5\6" + bytes(18)).startswith("its name is not known")
    assert home.load(home.folder / "order_items.csv").refusals[0].reason == "there is no such file"
    (home.folder / "order_items_pipe.csv").unlink(missing_ok=True)
    os.mkfifo(home.folder / "order_items_pipe.csv")
    assert home.load(home.folder / "order_items_pipe.csv").refusals[0].reason == "it is not a file"
    name = os.fsdecode(b"order_items_\xff.csv")
    assert "cannot be shown" in home.refusal(name, [raw.item()])
    assert "cannot be shown" in home.refusal("order_items_\n.csv", [raw.item()])
    assert home.load(home.folder / ("order_items" * 40 + ".csv")).refusals != []


def test_a_folder_that_cannot_be_listed_is_refused(home, raw, monkeypatch):
    home.file("landing/locked/order_items.csv", [raw.item()])
    home.file("landing/order_items.csv", [raw.item()])
    listed = os.scandir

    def scandir(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    report = home.load(home.folder / "landing")
    assert [refusal.reason for refusal in report.refusals] == ["it is a folder that cannot be listed"]
    assert [done.rows_loaded for done in report.loads] == [1]


def test_one_bad_file_does_not_stop_the_others(home, raw):
    home.file("landing/order_items_1.csv", [raw.item()])
    home.file("landing/order_items_2.csv", b"a,b\n1\n")
    home.file("landing/order_items_3.csv", [raw.item(order_id="O-3")])
    home.file("landing/readme.txt", b"")
    report = home.load(home.folder / "landing")
    assert [done.path.name for done in report.loads] == ["order_items_1.csv", "order_items_3.csv"]
    assert [refusal.path.name for refusal in report.refusals] == ["order_items_2.csv", "readme.txt"]


def test_the_same_content_under_two_names_is_loaded_once(home, raw):
    paths = [home.file(name, [raw.item()]) for name in ("order_items_1.csv", "order_items_2.csv")]
    report = home.load(*paths)
    assert (len(report.loads), report.unchanged) == (1, paths[1:])
    report = home.load(*paths)
    assert (report.loads, report.unchanged) == ([], paths)


def test_a_file_that_still_has_its_size_and_times_is_not_read_again(home, raw, monkeypatch):
    read = []
    hash_of = hashing.sha256
    monkeypatch.setattr(hashing, "sha256", lambda path: read.append(path.name) or hash_of(path))
    soon, later = (datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=n) for n in (0, 10))
    path = home.file("order_items.csv", [raw.item()])
    assert [home.load(path, now=soon).unchanged for _ in range(2)] == [[], [path]]
    assert read == [path.name] * 2, "what was changed just now is not trusted"
    assert [home.load(path, now=later).unchanged for _ in range(2)] == [[path], [path]]
    assert read == [path.name] * 3
    stat = path.stat()
    path.write_bytes(raw.as_csv([raw.item(order_id="O-2")]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert home.load(path, now=later).loads[0].rows_loaded == 1, "its time of change cannot be set back"


@pytest.mark.parametrize("change", ["none", "other content", "gone", "unreadable then"])
def test_the_next_file_is_hashed_aside_and_again_if_it_is_another_then(home, raw, later, monkeypatch, change):
    paths = [home.file(f"order_items_{n}.csv", [raw.item(order_id=f"O-{n}")]) for n in (1, 2)]
    hash_of, read_file, read, is_read = hashing.sha256, Staging.run, [], threading.Event()

    def noted(path):
        aside = threading.current_thread() is not threading.main_thread()
        read.append((path, aside))
        try:
            if aside and change == "unreadable then":
                raise PermissionError
            return hash_of(path)
        finally:
            if aside:
                is_read.set()

    def read_and_change(staging, *arguments):
        if staging.path == paths[0]:
            assert is_read.wait(60)
            if change == "other content":
                paths[1].write_bytes(raw.as_csv([raw.item(order_id="O-3")]))
            if change == "gone":
                paths[1].unlink()
        read_file(staging, *arguments)

    monkeypatch.setattr(hashing, "sha256", noted)
    monkeypatch.setattr(Staging, "run", read_and_change)
    report = home.load(*paths, now=later)
    again = [] if change in ("none", "gone") else [(paths[1], False)]
    assert sorted(read) == sorted([(paths[0], False), (paths[1], True), *again])
    assert [refusal.reason for refusal in report.refusals] == (["there is no such file"] if change == "gone" else [])
    hashes = dict(home.rows("select path, sha256 from audit.files"))
    assert hashes == {str(path): hash_of(path) for path in paths if path.exists()}


def test_a_hash_that_is_not_begun_is_not_waited_for(home, raw, later, monkeypatch):
    paths = [home.file(f"order_items_{n}.csv", [raw.item(order_id=f"O-{n}")]) for n in (1, 2, 3)]
    hash_of, read_file, is_stuck, is_over = hashing.sha256, Staging.run, threading.Event(), threading.Event()
    was_over_in_time = []

    def stuck(path):
        if path == paths[1]:  # as when it has become a pipe that nobody writes to
            is_stuck.set()
            was_over_in_time.append(is_over.wait(30))
        return hash_of(path)

    def read_and_take_away(staging, *arguments):
        assert is_stuck.wait(60)
        paths[1].unlink(missing_ok=True)
        read_file(staging, *arguments)

    monkeypatch.setattr(hashing, "sha256", stuck)
    monkeypatch.setattr(Staging, "run", read_and_take_away)
    report = home.load(*paths, now=later)
    (thread,) = (each for each in threading.enumerate() if isinstance(each, hashing.Hashing))
    assert thread.daemon, "nor does the process wait for it"
    is_over.set()
    thread.join()
    assert was_over_in_time == [True]
    assert ([load.path for load in report.loads], [refusal.path for refusal in report.refusals]) == (
        [paths[0], paths[2]],
        [paths[1]],
    )


def test_few_files_are_hashed_ahead_and_none_after_a_load_that_was_broken_off(home, raw, later, monkeypatch):
    paths = [home.file(f"order_items_{n}.csv", [raw.item(order_id=f"O-{n}")]) for n in range(8)]
    read_file, put, begun, ahead = Staging.run, hashing.Hashing.put, [], []

    def read_and_break_off(staging, *arguments):
        place = paths.index(staging.path)
        ahead.append(len(begun) - place)
        if place == 6:
            raise KeyboardInterrupt
        read_file(staging, *arguments)

    monkeypatch.setattr(hashing.Hashing, "put", lambda thread, path: begun.append(path) or put(thread, path))
    monkeypatch.setattr(Staging, "run", read_and_break_off)
    with pytest.raises(KeyboardInterrupt):
        home.load(*paths, now=later)
    assert begun == paths[1:]
    assert ahead == [3, 3, 3, 3, 3, 2, 1]
    for thread in threading.enumerate():
        if isinstance(thread, hashing.Hashing):
            thread.join()


def test_only_settled_files_of_known_names_are_hashed_aside(home, raw, later, monkeypatch):
    read, put = [], hashing.Hashing.put
    monkeypatch.setattr(hashing.Hashing, "put", lambda thread, path: read.append(path.name) or put(thread, path))
    folder = home.folder / "files"
    home.file("files/contacts.bin", b"x")
    home.file("files/order_items_1.csv", [raw.item()])
    home.file("files/order_items_2.csv", [raw.item(order_id="O-2")])
    (folder / "order_items_3.csv").symlink_to(folder / "order_items_2.csv")
    (folder / "order_items_4.csv").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "order_items_5.csv")
    home.file("files/unknown.csv", [raw.item(order_id="O-3")])
    report = home.load(folder, now=later)
    assert read == ["order_items_1.csv", "order_items_2.csv"]
    assert [load.path.name for load in report.loads] == read
    home.file("files/order_items_6.csv", [raw.item(order_id="O-6")])
    assert len(home.load(folder, now=later - timedelta(seconds=10)).loads) == 1
    assert read == ["order_items_1.csv", "order_items_2.csv"], "it was changed just now"


def test_a_file_is_read_again_when_the_rules_have_changed_that_refused_its_rows(home, raw):
    rows = [raw.item(), raw.item(order_id="O-2", marketplace_id="A2Q3Y263D00KWC")]
    path = home.file("order_items.csv", rows)
    good = home.file("order_items_good.csv", [raw.item(order_id="O-3")])
    first = home.load(path, good, marketplaces=dict.fromkeys([raw.US]))
    assert [(done.rows_loaded, done.rows_quarantined) for done in first.loads] == [(1, 1), (1, 0)]
    assert home.load(path, good, marketplaces=dict.fromkeys([raw.US])).unchanged == [path, good]
    (mended,) = home.load(path, good).loads
    assert (mended.rows_loaded, mended.rows_duplicate, mended.rows_quarantined) == (1, 1, 0)
    assert home.load(path, good).unchanged == [path, good]
    assert len(home.in_force("order_items")) == 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_file_that_changes_while_it_is_read_is_refused(home, raw, monkeypatch, when):
    path = home.file("order_items.csv", [raw.item()])
    read = Staging.run

    def read_and_write(*arguments):
        if when == "before":
            path.write_bytes(raw.as_csv([raw.item(sku="another"), raw.item(order_id="O-2")]))
        read(*arguments)
        if when == "after":
            path.write_bytes(raw.as_csv([raw.item(), raw.item(order_id="O-2")]))

    with monkeypatch.context() as patched:
        patched.setattr(Staging, "run", read_and_write)
        report = home.load(path)
    assert [refusal.reason for refusal in report.refusals] == [
        "it was changed while it was read; load it when it is complete"
    ]
    assert home.in_force("order_items") == []
    assert home.load(path).loads[0].rows_loaded == 2


# -- quarantine ----------------------------------------------------------------------------------------------------


def test_quarantine_keeps_the_row_as_it_came_and_the_start_of_the_value(home, raw):
    row = raw.item(quantity="9" * 500, sku='a "b"\n\\ äöü 😀', asin="")
    home.load_file("order_items.csv", [raw.item(), row | {"extra": "x"}, raw.item(order_id="O-2")][1:])
    assert home.quarantine() == [(1, "asin", "required", None)]
    assert json.loads(home.rows('select "row" from audit.quarantine')[0][0]) == row | {"asin": None, "extra": "x"}
    home.load_file("order_items_2.csv", [raw.item(), raw.item(quantity="ä" * 500)])
    assert home.quarantine()[1] == (2, "quantity", "a whole number", "ä" * 80)


def test_row_numbers_are_those_of_the_file_beyond_a_chunk(home, raw, monkeypatch):
    monkeypatch.setattr(staging, "ROWS_PER_CHUNK", 3)
    seen = []
    rows = [
        raw.item(order_id=str(n), quantity="0" if n % 5 == 0 else "1", asin="" if n % 15 == 0 else "B")
        for n in range(1, 41)
    ]
    home.load_file("order_items.csv", rows, progress=lambda path, name, done, of: seen.append((name, done, of)))
    assert seen == [("order_items", 0, 0), ("order_items", 0, 40), ("order_items", 40, 40)]
    assert home.rows("select row_number from raw.order_items where order_id <> row_number::varchar") == []
    assert home.quarantine() == [
        (n, "asin", "required", None) if n % 15 == 0 else (n, "quantity", "at least 1", "0") for n in range(5, 41, 5)
    ]


# -- versions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "days", "as_they_lie"),
    [
        (2, (1, 2, 3, 4), "ABCD"),  # a month that does not fit into memory: by order, so that a slice is found
        (1, (1, 70, 71, 2), "CDAB"),  # a file of many days: by month first
    ],
)
def test_rows_of_a_large_file_lie_as_they_are_looked_for_and_know_their_row(
    home, raw, monkeypatch, parts, days, as_they_lie
):
    monkeypatch.setattr(loading, "ROWS_WORTH_ORDERING", 4)
    monkeypatch.setattr(loading, "parts_that_fit", lambda *_: parts)
    first = datetime(2026, 1, 1, tzinfo=UTC)
    at = [(first + timedelta(days=day)).isoformat() for day in days]
    home.load_file(
        "order_items.csv",
        [raw.item(order_id=order, purchased_at=day) for order, day in zip("DBAC", at, strict=True)],
    )
    assert [name for (name,) in home.rows("select order_id from raw.order_items order by rowid")] == [*as_they_lie]
    assert home.rows("select order_id from raw.order_items order by row_number") == [(order,) for order in "DBAC"]


def test_what_was_in_force_can_be_asked_for_as_of_any_load(home, raw):
    """A version that is beaten only later was in force until then, and one that came late never was."""
    steps = [
        ("2026-01-02", "b", 1),
        ("2026-01-01", "a", 0),
        ("2026-01-03", "c", 1),
        ("2026-01-03", "d", 1),
        ("2026-01-02", "b", 0),
    ]
    in_force, at = [], "b"
    for n, (day, sku, wins) in enumerate(steps):
        at = sku if wins else at
        in_force.append(at)
        home.load_file(
            f"order_items_{n}.csv", [raw.item(updated_at=f"{day}T00:00:00Z", sku=sku), raw.item(order_id=f"{n}")]
        )
        assert home.rows("select sku from in_force.order_items where order_id = 'O-1'") == [(at,)]
    for load, sku in enumerate(in_force, 1):
        home.warehouse.show_as_of(load)
        assert home.rows("select sku from in_force.order_items where order_id = 'O-1'") == [(sku,)]
        assert home.rows("select count(*) from in_force.order_items") == [(load + 1,)]
    home.warehouse.show_as_of(0)
    assert home.in_force("order_items") == []
    home.load_file("order_items_9.csv", [raw.item(updated_at="2026-02-01T00:00:00Z", sku="z")])
    assert home.rows("select load_id, sku from in_force.order_items where order_id = 'O-1'") == [(6, "z")]


def test_keys_that_hold_instants_compare_as_instants(home, raw):
    home.load_file(
        "sellers.csv", [raw.seller(), raw.seller(updated_at="2026-01-01 01:00:00+01:00"), raw.seller(name="B")]
    )
    assert home.rows("select rows_loaded, rows_duplicate from audit.files") == [(2, 1)]
    assert home.rows("select name from in_force.sellers") == [("B",)]


def test_a_blank_is_the_same_content_as_a_blank(home):
    row = {
        "contact_id": "C-1",
        "seller_id": "S-1",
        "marketplace_id": "A2Q3Y263D00KWC",
        "channel": "email",
        "reason": "other",
        "contacted_at": "2026-01-31T10:00:00Z",
        "updated_at": "2026-01-31T10:00:00Z",
    }
    home.load_file("contacts_1.csv", [row, row])
    home.load_file("contacts_2.csv", [row | {"order_id": " ", "is_void": ""}, row | {"is_void": "false"}])
    assert home.rows("select rows_loaded, rows_duplicate from audit.files order by file_id") == [(1, 1), (1, 1)]


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["O-1", "O-2", "O-3", ""]),  # a blank is bad
        st.sampled_from(["1", "2"]),
        st.sampled_from(["1", "2", "0", "x"]),
        st.integers(1, 3),
        st.sampled_from(["T", " "]),
    ),
    max_size=12,
)


def _item(raw, row):
    order, line, quantity, day, separator = row
    return raw.item(
        order_id=order, order_item_id=line, quantity=quantity, updated_at=f"2026-01-0{day}{separator}00:00:00Z"
    )


def _expected(files):
    """What becomes of files of rows, said in plain Python: per file the counts, and what is then in force."""
    known, in_force, books = set(), {}, []
    for rows in files:
        counts = Counter()
        for order, line, quantity, day, _ in rows:
            content = (order, line, quantity, day)
            if not order or quantity in {"0", "x"}:
                counts["quarantined"] += 1
            elif content in known:
                counts["duplicate"] += 1
            else:
                counts["loaded"] += 1
                known.add(content)
                if (order, line) not in in_force or day >= in_force[order, line][1]:
                    in_force[order, line] = (int(quantity), day)
        books.append((len(rows), counts["loaded"], counts["duplicate"], counts["quarantined"]))
    return books, sorted((*key, quantity, day) for key, (quantity, day) in in_force.items())


def _in_force(home):
    return home.rows("select order_id, order_item_id, quantity, day(updated_at) from in_force.order_items order by all")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(loads=st.lists(st.lists(ROWS, min_size=1, max_size=3), min_size=1, max_size=4))
def test_accounts_and_versions_agree_with_a_plain_recomputation(raw, loads):
    columns = list(raw.ITEM)
    with raw.fresh_home() as home:
        files, names = [], 0
        for n, load in enumerate(loads):
            paths = []
            for rows in load:
                names += 1
                # An unknown column makes each file another one, so that none is passed over as known.
                content = raw.as_csv([_item(raw, row) for row in rows], [*columns, f"file_{names}"])
                paths.append(home.file(f"order_items_{names:02}.csv", content))
            home.load(*paths)
            files += load
            books, in_force = _expected(files)
            found = home.rows(
                "select rows_read, rows_loaded, rows_duplicate, rows_quarantined from audit.files order by file_id"
            )
            assert found == books
            assert _in_force(home) == in_force
            assert home.warehouse.latest_load() == n + 1
        for n in range(len(loads) + 1):
            home.warehouse.show_as_of(n)
            assert _in_force(home) == _expected([rows for load in loads[:n] for rows in load])[1]


@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_the_order_and_the_split_of_files_do_not_matter(raw, data):
    """As long as no two contents share key and `updated_at`."""
    rows = data.draw(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9)), min_size=1, max_size=12))
    items = [raw.item(order_id=str(o), quantity=str(o + d), updated_at=f"2026-01-0{d}T00:00:00Z") for o, d in rows]
    found = []
    for _ in range(2):
        order = data.draw(st.permutations(items)) + data.draw(st.lists(st.sampled_from(items), max_size=3))
        cuts = sorted(data.draw(st.sets(st.integers(1, len(order) - 1), max_size=3))) if len(order) > 1 else []
        with raw.fresh_home() as home:
            for n, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(order)], strict=True)):
                home.load_file(f"order_items_{n}.csv", order[start:end])
            found.append(home.in_force("order_items"))
    assert found[0] == found[1]


def test_a_fault_in_the_accounts_is_refused_and_nothing_is_kept(home, raw, monkeypatch):
    """If the program itself lost a row, it would be seen."""
    find = loading._Attempt.find_repeats

    def lose_one(attempt, file_id):
        find(attempt, file_id)
        attempt.con.execute("delete from staged where rowid = 1")

    with monkeypatch.context() as patched:
        patched.setattr(loading._Attempt, "find_repeats", lose_one)
        reason = home.refusal("order_items.csv", [raw.item(), raw.item(order_id="O-2")])
    assert reason == "2 rows were read but 1 are accounted for: a fault of this program"
    assert home.load(home.folder / "order_items.csv").loads[0].rows_loaded == 2


def test_an_unexpected_error_is_raised_and_leaves_nothing_behind(home, raw, monkeypatch):
    def fail(attempt, *_):
        attempt.con.execute("insert into audit.files values (1)")

    path = home.file("order_items.csv", [raw.item(), raw.item(quantity="0")])
    before = home.counts()
    with monkeypatch.context() as patched:
        patched.setattr(loading._Attempt, "enter", fail)
        with pytest.raises(duckdb.Error):
            home.load(path)
    home.check_accounts()
    assert home.counts() == before
    assert home.load(path).loads[0].rows_loaded == 1
