"""What a file may be: beyond a limit it is refused at once, by the limit's name, and the others go on."""

import gzip
import json
import os
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.raw.sources import read_sources
from assets.settings import Limits, SettingsError, settings

GIGABYTE = 10**9
SECONDS = 10
RATIO = "it has more than 100 times its size once it is decompressed (CSBA_LARGEST_RATIO)"
LARGE = "it has more than 200,000,000,000 bytes once it is decompressed (CSBA_LARGEST_FILE)"
COLUMNS = "it has more than 1,000 columns (CSBA_MOST_COLUMNS)"
LINE = "it has a line of more than 2,000,000 bytes (CSBA_LONGEST_LINE)"


MANY = 3_000_000


def bomb(path: Path, what: bytes, size: int) -> Path:
    """A compressed file that becomes as large as that, made without holding it."""
    piece = what * (10**6 // len(what))
    with pa.output_stream(str(path), compression={".gz": "gzip", ".zst": "zstd"}[path.suffix]) as file:
        for _ in range(size // len(piece)):
            file.write(piece)
    return path


@pytest.mark.parametrize("size", [GIGABYTE // 10, pytest.param(10 * GIGABYTE, marks=pytest.mark.prove)])
@pytest.mark.parametrize("name", ["shipments.csv.gz", "shipments.csv.zst", "shipments.jsonl.gz", "shipments.txt.zst"])
@pytest.mark.parametrize(("what", "reason"), [(b"\0", LINE), (b"1,2,3\n", RATIO)])
def test_a_small_file_that_becomes_large_is_refused(home, name, what, reason, size):
    path = bomb(home.folder / name, what, size)
    assert path.stat().st_size < size // 100
    started = time.monotonic()
    report = home.load(path)
    assert [refusal.reason for refusal in report.refusals] == [reason]
    assert time.monotonic() - started < SECONDS


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_file_packed_in_many_pieces_is_read_to_its_end_and_limited_as_a_whole(home, raw, suffix):
    def packed(content: bytes) -> bytes:
        return gzip.compress(content) if suffix == ".gz" else pa.compress(content, "zstd", asbytes=True)

    lines = raw.as_csv([raw.item(), raw.item(order_id="O-2"), raw.item(order_id="O-3")]).splitlines(keepends=True)
    pieces = b"".join(packed(line) for line in lines)
    assert home.load_file(f"order_items.csv{suffix}", pieces).loads[0].rows_loaded == 3
    assert home.refusal(f"order_items_2.csv{suffix}", packed(lines[0]) + packed(lines[1] * 5000) * 100) == RATIO


def parquet(path: Path, columns: dict[str, pa.Array]) -> Path:
    pq.write_table(pa.table(columns), path, write_statistics=False, store_schema=False, compression="zstd")
    return path


def test_a_parquet_that_becomes_large_is_refused(home, raw):
    """A long text a million times, millions of rows of hardly anything, and pages of one byte."""

    def long(value: str | bytes) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array([0] * 10**6, pa.int32()), pa.array([value]))

    made = {
        "long": (dict.fromkeys(raw.ITEM, long("x" * 10**6)), RATIO),
        "bytes": ({"order_id": long(b"x" * 10**6)}, LARGE),
        "some": ({"order_id": long("x" * 10**4)}, RATIO),
        "rows": (dict.fromkeys(raw.ITEM, pa.nulls(3_000_000, pa.int8())), RATIO),
        "pages": (dict.fromkeys(raw.ITEM, pa.array(["x" * 3_000_000])), RATIO),
    }
    for name, (columns, reason) in made.items():
        path = parquet(home.folder / f"order_items_{name}.parquet", columns)
        assert path.stat().st_size < 100_000
        started = time.monotonic()
        assert [refusal.reason for refusal in home.load(path).refusals] == [reason], name
        assert time.monotonic() - started < SECONDS
    few = parquet(
        home.folder / "order_items.parquet", {name: pa.array([value] * 50) for name, value in raw.ITEM.items()}
    )
    assert [refusal.reason for refusal in home.load(few, limits=Limits(largest_file=4000)).refusals] == [
        "it has more than 4,000 bytes once it is decompressed (CSBA_LARGEST_FILE)"
    ]
    assert home.load(few).loads[0].rows_duplicate == 49


@pytest.mark.parametrize("columns", [1_001, pytest.param(200_000, marks=pytest.mark.prove)])
def test_a_parquet_of_many_columns_is_refused(home, columns):
    path = parquet(home.folder / "order_items.parquet", {f"c{number}": pa.nulls(1) for number in range(columns)})
    started = time.monotonic()
    assert [refusal.reason for refusal in home.load(path).refusals] == [COLUMNS]
    assert time.monotonic() - started < SECONDS


def test_several_values_in_one_of_a_parquet_are_none(home, raw):
    table = pa.Table.from_pylist([raw.item()])
    lists = pa.array([["a", "b"]])
    pq.write_table(table.append_column("notes", lists), home.folder / "order_items.parquet")
    report = home.load(home.folder / "order_items.parquet")
    assert (report.loads[0].rows_loaded, report.loads[0].ignored_columns) == (1, ("notes",))
    pq.write_table(table.drop(["sku"]).append_column("sku", lists), home.folder / "order_items_2.parquet")
    report = home.load(home.folder / "order_items_2.parquet")
    assert [refusal.reason for refusal in report.refusals] == ["its column 'sku' has several values in one"]


def test_a_folder_of_many_files_and_of_great_depth(home, raw):
    place = home.folder / "landing"
    for number in range(2000):
        (place / f"{number % 50}").mkdir(parents=True, exist_ok=True)
        (place / f"{number % 50}" / f"{number}.bin").touch()
    deep = place / "deep"
    deep.mkdir()
    at = os.open(deep, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("a folder with a long name", dir_fd=at)
        within = os.open("a folder with a long name", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = within
    os.close(at)
    home.file("landing/zz/order_items.csv", [raw.item()])
    started = time.monotonic()
    report = home.load(place)
    assert time.monotonic() - started < SECONDS
    assert [load.rows_loaded for load in report.loads] == [1]
    assert len(report.refusals) == 2001
    assert {refusal.reason for refusal in report.refusals if "deep" in str(refusal.path)} == {
        "it cannot be read: File name too long"
    }
    shutil.rmtree(deep)


@pytest.mark.parametrize("size", [GIGABYTE // 20, pytest.param(GIGABYTE, marks=pytest.mark.prove)])
def test_a_line_without_end_is_refused(home, raw, size):
    path = home.file("order_items.csv", b"")
    with path.open("wb") as file:
        file.write(raw.as_csv([raw.item()]))
        for _ in range(size // 10**6):
            file.write(b"x" * 10**6)
    assert [refusal.reason for refusal in home.load(path).refusals] == [LINE]
    with path.open("ab") as file:  # the engine passes over such a line, wherever it is
        file.write(b"\n" + raw.as_csv([raw.item(order_id="O-2")]).splitlines()[1])
    assert [refusal.reason for refusal in home.load(path).refusals] == [LINE]
    packed = home.file("order_items.csv.gz", gzip.compress(path.read_bytes()[:GIGABYTE], 1))
    assert [refusal.reason for refusal in home.load(packed, limits=Limits(largest_ratio=10**4)).refusals] == [LINE]
    lines = b'{"order_id": "' + b"x" * 3 * 10**6 + b'"}\n'
    assert home.refusal("order_items.jsonl", lines) == LINE


def test_a_million_columns_are_refused(home):
    names = ",".join(f"c{number}" for number in range(1_000_000))
    assert home.refusal("order_items.csv", f"{names}\n".encode()).startswith("it has ")
    names = ",".join(f"c{number}" for number in range(1_001))
    assert home.refusal("order_items.csv", f"{names}\n".encode()) == COLUMNS


@pytest.mark.parametrize("deep", [b"[" * 900_000 + b"]" * 900_000, b'{"a":' * 300_000 + b"1" + b"}" * 300_000])
def test_what_is_nested_too_deep_is_refused(home, raw, deep):
    good = json.dumps(raw.item()).encode()
    item = json.dumps(raw.item(order_id="O-2"))
    nested = item.replace('"SKU-1"', "DEEP").encode().replace(b"DEEP", deep)
    report = home.load_file("order_items.jsonl", b"\n".join([good, nested, b""]))
    assert (report.loads[0].rows_loaded, report.loads[0].rows_quarantined) == (1, 1)
    assert home.quarantine()[0][1:3] == ("line", "nested no deeper than 64 (CSBA_DEEPEST_NESTING)")
    good = json.dumps(raw.item(order_id="O-3")).encode()
    reason = "it has objects or arrays nested deeper than 64 (CSBA_DEEPEST_NESTING)"
    assert home.refusal("order_items.json", b"[" + good + b"," + nested + b"]") == reason, "its end is too far"
    near = b"[" * 90_000 + b"]" * 90_000
    report = home.load_file("order_items_2.json", b"[" + good + b"," + nested.replace(deep, near) + b"]")
    assert (report.loads[0].rows_loaded, report.loads[0].rows_quarantined) == (1, 1)
    assert home.quarantine()[-1][1:3] == ("record", "nested no deeper than 64 (CSBA_DEEPEST_NESTING)")


@pytest.mark.parametrize("size", [1_000_000, pytest.param(100_000_000, marks=pytest.mark.prove)])
def test_brackets_without_end_are_refused(home, size):
    named = "(CSBA_DEEPEST_NESTING)"
    for name in ("contacts.json", "unknown.json"):
        started = time.monotonic()
        assert named in home.refusal(name, b"[" * size)
        assert time.monotonic() - started < SECONDS
    lines = home.refusal("contacts.jsonl", b"[" * size + b"\n")
    assert lines.startswith("it is not JSON: no record of it can be read") or lines == LINE


def test_a_document_is_no_larger_than_it_may_be(home, raw):
    content = json.dumps([raw.item(order_id=f"O-{number}") for number in range(100)]).encode()
    limits = Limits(largest_document=1_000)
    assert home.load_file("order_items.json", content, limits=limits).loads[0].rows_loaded == 100, "each is small"
    one = json.dumps([raw.item(sku="x" * 2_000)]).encode()
    assert home.refusal("order_items_2.json", one, limits=limits) == (
        "it has a record of more than 1,000 characters (CSBA_LARGEST_DOCUMENT)"
    )


def test_a_record_is_not_taken_apart_into_far_more_than_it_was(home):
    """Each element is a row with all that stands around it: many elements in a large record would fill any disk."""
    order = {"orderId": "1", "createdTime": "x", "salesChannel": {}, "note": "x" * 1_000_000}
    bomb = {"orders": [order | {"orderItems": [{}] * 1_000}]}
    reason = "it has a record of more than 100 times its size once it is taken apart (CSBA_LARGEST_RATIO)"
    assert home.refusal("bomb_seller=S.json", json.dumps(bomb).encode()) == reason


def test_the_limit_of_nesting_is_exact(home, raw):
    def nested(depth: int) -> str:
        return "[" * depth + "]" * depth

    rows = [json.dumps(raw.item(order_id=f"{depth}", more="DEEP")) for depth in (63, 64)]
    wide = json.dumps(raw.item(order_id="wide", more=[[]] * 100, text="[" * 100))
    lines = [row.replace('"DEEP"', nested(depth)) for row, depth in zip(rows, (63, 64), strict=True)]
    home.load_file("order_items.jsonl", "\n".join([*lines, wide]).encode())
    assert home.rows("select order_id from raw.order_items order by 1") == [("63",), ("wide",)]


def test_a_value_that_is_too_long_is_a_bad_row(home, raw):
    limits = Limits(longest_value=50)
    rows = [raw.item(sku="x" * 50), raw.item(order_id="O-2", sku="x" * 51)]
    home.load_file("order_items.csv", rows, limits=limits)
    ((number, column, check, value),) = home.quarantine()
    assert (number, column, value) == (2, "sku", "x" * 51)
    assert "CSBA_LONGEST_VALUE" in check
    assert home.load(home.folder / "order_items.csv").loads[0].rows_loaded == 1, "under another limit it is read again"


def test_a_large_file_is_refused_once_it_is_decompressed(home, raw):
    content = raw.as_csv([raw.item(order_id=f"O-{number}") for number in range(100)])
    report = home.load_file("order_items.csv.gz", gzip.compress(content), limits=Limits(largest_file=1000))
    assert [refusal.reason for refusal in report.refusals] == [
        "it has more than 1,000 bytes once it is decompressed (CSBA_LARGEST_FILE)"
    ]


def test_links_out_of_a_folder_are_refused_and_others_are_not(home, raw):
    outside = home.file("outside/order_items_secret.csv", [raw.item(order_id="O-2")])
    home.file("landing/order_items_1.csv", [raw.item()])
    (home.folder / "landing" / "order_items_link.csv").symlink_to(outside)
    (home.folder / "landing" / "order_items_same.csv").symlink_to("order_items_1.csv")
    (home.folder / "landing" / "below").symlink_to(outside.parent)
    (home.folder / "landing" / "order_items_loop.csv").symlink_to("order_items_loop.csv")
    report = home.load(home.folder / "landing")
    assert {refusal.path.name: refusal.reason for refusal in report.refusals} == {
        "order_items_link.csv": "it is a link that leads out of the folder; name the file itself",
        "order_items_loop.csv": "there is no such file",
        "below": "it is a link that leads out of the folder; name the file itself",
    }
    assert (len(report.loads), len(report.unchanged)) == (1, 1)
    (home.folder / "order_items_named.csv").symlink_to(outside)
    assert home.load(home.folder / "order_items_named.csv").loads[0].rows_loaded == 1


def test_what_is_joined_may_not_be_a_link_out_either(home):
    outside = home.file("outside/other.csv", b"a,c\n1,2\n")
    home.file("landing/some.csv", b"a,b\n1,2\n")
    (home.folder / "landing" / "other.csv").symlink_to(outside)
    home.file(
        "sources/joined.sql",
        b"-- dataset: returns\n-- file: some.csv\n-- join: other = other.csv\n"
        b"select row_number, c as return_id, a as order_id, '1' as order_item_id, 'prepaid' as label,\n"
        b"    '2026-01-31T10:00:00Z' as requested_at from input left join other using (a)",
    )
    report = home.load(home.folder / "landing", sources=read_sources(home.folder / "sources"))
    assert {refusal.reason for refusal in report.refusals} >= {
        "it is read together with other.csv, a link that leads out of the folder"
    }
    assert report.loads == []


def test_pipes_are_not_waited_for(home):
    (home.folder / "landing").mkdir()
    for name in ("order_items.csv", "olist_orders_dataset.csv", "unknown.txt"):
        os.mkfifo(home.folder / "landing" / name)
    reasons = {refusal.path.name: refusal.reason for refusal in home.load(home.folder / "landing").refusals}
    assert reasons["order_items.csv"] == "it is not a file"


def test_a_name_that_is_too_long_stops_no_other(home, raw):
    good = home.file("order_items.csv", [raw.item()])
    report = home.load(good, home.folder / ("x" * 300 + ".toml"))
    assert (len(report.loads), len(report.refusals)) == (1, 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make devices")
def test_devices_are_refused(home):
    device = home.file("landing/order_items_1.csv", b"").with_name("order_items_zero.csv")
    os.mknod(device, 0o20666, os.makedev(1, 5))
    assert [refusal.reason for refusal in home.load(device.parent).refusals] == [
        "it is empty: not even a header",
        "it is not a file",
    ]


def test_limits_are_settings():
    found = settings({"CSBA_LONGEST_LINE": "5000", "CSBA_MOST_COLUMNS": ""}).limits
    assert found == Limits(longest_line=5000)
    for text in ("0", "-1", "many", "1e9"):
        with pytest.raises(SettingsError, match=r"CSBA_LARGEST_RATIO is .* whole number, such as 100"):
            settings({"CSBA_LARGEST_RATIO": text})
    assert settings({"CSBA_DEEPEST_NESTING": "500"}).limits.deepest_nesting == 500
    with pytest.raises(SettingsError, match="CSBA_DEEPEST_NESTING is '501'; it is at most 500"):
        settings({"CSBA_DEEPEST_NESTING": "501"})
