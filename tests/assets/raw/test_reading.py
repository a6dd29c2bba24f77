"""Every format gives the same rows, and a file that cannot be read to its end is refused in words."""

import csv
import gzip
import json
import os
import random
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.raw.files import FileRefusedError
from assets.raw.reading import names_of, read_as_text
from assets.raw.sources import read_sources


def zst(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def as_jsonl(rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


COMPRESSIONS = {"": lambda content: content, ".gz": gzip.compress, ".zst": zst}

ODD = [
    'a "quoted" word',
    "a\nline\r\nbreak\r",
    "comma, semicolon; tab\t",
    "äöü 中文 😀",
    "'; drop table x; --",
    "\\",
    "NULL",
]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "CSV"])
def test_all_formats_give_the_same_rows(home, raw, kind, compression):
    rows = [raw.seller(seller_id=str(n), name=name) for n, name in enumerate(ODD)]
    rows.insert(3, raw.seller(seller_id="bad", plan="none"))
    content = as_jsonl(rows) if kind == "jsonl" else raw.as_csv(rows, delimiter="\t" if kind == "tsv" else ",")
    home.load_file(
        f"sellers.{kind}{compression.upper() if kind == 'CSV' else compression}", COMPRESSIONS[compression](content)
    )
    found = home.rows("select row_number, seller_id, name from raw.sellers order by row_number")
    assert found == [(n, row["seller_id"], row["name"]) for n, row in enumerate(rows, 1) if row["plan"] != "none"]
    (as_came,) = home.rows('select "row" from audit.quarantine')[0]
    assert json.loads(as_came) == rows[3]


def test_parquet_gives_the_same_rows(home, raw):
    rows = [raw.seller(seller_id=str(n), name=name) for n, name in enumerate(ODD)]
    home.load_file("sellers.parquet", parquet(pa.Table.from_pylist(rows)))
    assert home.rows("select seller_id, name from raw.sellers order by row_number") == [
        (row["seller_id"], row["name"]) for row in rows
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_line_ends_byte_order_mark_and_quoting(home, raw, end, mark, last, quoting):
    content = mark + raw.as_csv([raw.item(), raw.item(order_id="O-2")], lineterminator=end, quoting=quoting)
    report = home.load_file("order_items.csv", content if last else content.removesuffix(end.encode()))
    assert [load.rows_loaded for load in report.loads] == [2]


def test_blank_lines_are_no_rows(home, raw):
    content = raw.as_csv([raw.item(), raw.item(order_id="O-2")]).replace(b"O-2", b"\n\nO-2") + b"\n"
    assert home.load_file("order_items.csv", content).loads[0].rows_read == 2
    assert home.load_file("order_items_2.csv", b"\n\r\n" + content).loads[0].rows_duplicate == 2


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("damage", [b"", b"x,y", b'"x'])
def test_blank_lines_are_no_rows_of_a_file_with_one_column_either(home, end, damage):
    home.file(
        "sources/one.sql",
        b"-- dataset: returns\n-- file: one.csv\n"
        b"select row_number, a as return_id, coalesce(a, 'none') as order_id, '1' as order_item_id, 'other' as label,\n"
        b"    '2026-01-31T10:00:00Z' as requested_at from input",
    )
    lines = [b"A", b"", b"1", b"", b'""', b"", b"", b"2", damage, b""]
    (done,) = home.load_file("one.csv", end.join(lines), sources=read_sources(home.folder / "sources")).loads
    assert home.rows("select row_number, return_id from raw.returns order by 1") == [(1, "1"), (3, "2")]
    assert done.rows_skipped == 1, "a blank value in quotes is a row, of nothing"
    assert len(home.quarantine()) == bool(damage)


def test_typed_parquet_is_exact_or_quarantined(home, raw):
    at = datetime(2026, 1, 31, 10, 0, 0, 123456)
    columns = {
        "purchased_at": [
            pa.array([at], pa.timestamp("us", "UTC")),
            pa.array([at.replace(tzinfo=UTC)], pa.timestamp("us", "Europe/Berlin")),
            pa.array([at], pa.timestamp("ns", "UTC")),
            pa.array([1769853600123456789], pa.timestamp("ns", "UTC")),
            pa.array([at], pa.timestamp("us")),
            pa.array([date(2026, 1, 31)]),
            pa.array([1769853600]),
        ],
        "quantity": [
            pa.array([2]),
            pa.array([2], pa.uint8()),
            pa.array([2.0]),
            pa.array([Decimal("2.00")]),
            pa.array([2.5]),
            pa.array([Decimal("2.01")]),
            pa.array([1e20]),
            pa.array([float("nan")]),
            pa.array([True]),
            pa.array([2**64 - 1], pa.uint64()),
        ],
        "is_prime": [pa.array([True]), pa.array([1]), pa.array([0.5])],
        "sku": [
            pa.array(["ä"]),
            pa.array(["ä".encode()]),
            pa.array(["ä"]).dictionary_encode(),
            pa.array([10**18]),
            pa.array([None], pa.string()),
        ],
    }
    expected = {
        "purchased_at": [at, at, at, None, None, None, None],
        "quantity": [2, 2, 2, 2, None, None, None, None, None, None],
        "is_prime": [True, True, None],
        "sku": ["ä", "ä", "ä", str(10**18), None],
    }
    for column, arrays in columns.items():
        for n, (array, value) in enumerate(zip(arrays, expected[column], strict=True)):
            table = pa.Table.from_pylist([raw.item(order_id=f"{column}-{n}")])
            table = table.set_column(table.column_names.index(column), column, array)
            home.load_file(f"order_items_{column}_{n}.parquet", parquet(table))
            found = home.rows(f"select {column} from raw.order_items where order_id = '{column}-{n}'")
            assert found == ([] if value is None else [(value,)]), (column, n)


def jsonl_line(raw, **changes: str) -> bytes:
    """A line of JSON with values written as they stand."""
    values = {name: json.dumps(value) for name, value in raw.ITEM.items()} | changes
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in values.items()) + "}").encode()


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"\\u00e9\\ud83d\\ude00"', "é😀"),
        ("9007199254740993", "9007199254740993"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("-18446744073709551617", "-18446744073709551617"),
        ("true", "true"),
        ("1.10", None),
        ("0.1234567890123456789", None),
        ("9007199254740993.0", None),
        ("1e400", None),
        ("NaN", None),
        ("null", None),
        ('"a\\u0000b"', None),
        ('{"a": 1}', None),
        ("[1, 2]", None),
        ("[]", None),
    ],
)
def test_values_of_json_are_exact_or_quarantined(home, raw, written, value):
    report = home.load_file("order_items.jsonl", jsonl_line(raw, sku=written))
    if value is None:
        assert report.loads[0].rows_quarantined == 1
        assert [name for _, name, *_ in home.quarantine()] == ["sku"]
        assert json.loads(home.rows('select "row" from audit.quarantine')[0][0])["order_id"] == "O-1"
    else:
        assert home.rows("select sku from raw.order_items") == [(value,)]


def test_whole_json_numbers_are_whole_numbers(home, raw):
    lines = [jsonl_line(raw, order_id=f'"{n}"', quantity=q) for n, q in enumerate(["2", "2.0", "2e0", "2.5", "2e-1"])]
    home.load_file("order_items.jsonl", b"\n".join(lines))
    assert home.rows("select order_id, quantity from raw.order_items order by 1") == [("0", 2), ("1", 2), ("2", 2)]


@pytest.mark.parametrize("line", [b"[1, 2]", b"5", b'"text"', b"null", b"[]", b"true", b"{}"])
def test_a_line_of_json_that_is_no_item_is_quarantined(home, raw, line):
    home.load_file("order_items.jsonl", b"\n".join([jsonl_line(raw), b"", line, jsonl_line(raw, order_id='"2"')]))
    assert home.rows("select row_number from raw.order_items order by 1") == [(1,), (3,)]
    assert [row for row, *_ in home.quarantine()] == [2]


def test_a_line_of_json_with_a_key_twice_is_quarantined(home, raw):
    home.load_file("order_items.jsonl", jsonl_line(raw)[:-1] + b', "quantity": 7}')
    assert home.quarantine() == [(1, "line", "each key once", None)]


BROKEN = {
    "empty.csv": (b"", "it is empty: not even a header"),
    "empty.tsv": (b"", "it is empty: not even a header"),
    "empty.csv.gz": (gzip.compress(b""), "it is empty: not even a header"),
    "empty.csv.zst": (b"", "it is empty: not even a header"),
    "empty.parquet": (b"", "it cannot be read"),
    "binary.csv": (bytes(range(256)) * 40, "it is not UTF-8 text; save it as UTF-8"),
    "png.csv": (b"\x89PNG\r\n\x1a\n\0\0\0", "it is not UTF-8 text; save it as UTF-8"),
    "utf16.csv": ("a,b\n1,2\n".encode("utf-16"), "it is not UTF-8 text; save it as UTF-8"),
    "utf16.le.csv": ("a,b\n1,2\n".encode("utf-16-le"), "it is not text"),
    "binary.jsonl": (b"\x80\x81\xff\n", "line 1 is not JSON"),
    "binary.parquet": (bytes(range(256)) * 40, "it cannot be read"),
    "not_gzip.csv.gz": (b"a,b\n1,2\n", "it is not a whole gzip file; was it cut off?"),
    "not_zstd.csv.zst": (b"a,b\n1,2\n", "it is not a whole zstd file; was it cut off?"),
    "gzip_inside.csv": (gzip.compress(b"a,b\n1,2\n"), "it is not UTF-8 text; save it as UTF-8"),
    "ragged.csv": (b"a,b\n1,2\n3\n4,5\n", "line 3 has 1 columns instead of 2; is the file cut off?"),
    "wide.csv": (b"a,b\n1,2\n3,4,5\n6,7\n", "line 3 has 3 columns instead of 2; is the file cut off?"),
    "open_quote.csv": (b'a,b\n1,"2\n3,4\n', "a quote that is opened in line 2 is not closed properly"),
    "stray_quote.csv": (b'a,b\n"1"x,2\n3,4\n', "a quote that is opened in line 2 is not closed properly"),
    "latin1.csv": ("a,b\n1,é\n".encode("latin-1"), "it is not UTF-8 text; save it as UTF-8"),
    "latin1_late.csv": (b"a,b\n" + b"1,2\n" * 600_000 + b"3,\xe9\n", "it is not UTF-8 text (line 600002)"),
    "mixed.csv": (b"a,b\r\n1,2\n3,4\r\n", "its lines end in different ways"),
    "twice.csv": (b"a,b,A\n1,2,3\n", "its header names 'A', 'a' twice"),
    "nameless.csv": (b",,\n1,2,3\n", "it is empty: not even a header"),
    "own.csv": (b"a,rowid\n1,2\n", "its header names a column 'rowid', which has a meaning here; rename it"),
    "damaged.parquet": (
        parquet(pa.table({"a": ["1"]})).replace(b"ARROW:schema", b'ARROW:sche"ma'),
        "it cannot be read: Couldn't deserialize thrift: TProtocolException: Invalid data",
    ),
    "twice.parquet": (parquet(pa.table([[1], [2]], names=["a", "A"])), "its header names 'A', 'a' twice"),
    "long.csv": (b"a,b\n1," + b"x" * 2_000_000 + b"\n", "line 2 is longer than a line may be (CSBA_LONGEST_LINE)"),
    "cut.jsonl": (b'{"a": 1}\n{"a": 2, "b": "x', "line 2 is not JSON: unexpected end of data; is the file cut off?"),
    "two.jsonl": (b'{"a": 1}\n{"a": 2}{"a": 3}\n', "line 2 is not JSON: unexpected content after document"),
    "bom.jsonl": (b'\xef\xbb\xbf{"a": 1}\n', "line 1 is not JSON: byte order mark (BOM) is not supported"),
    "pretty.jsonl": (b'{\n"a": 1\n}\n', "line 1 is not JSON"),
    "text.xlsx": (b"PK", "not a kind of file that can be read; known are .csv, .tsv, .txt, .json, .jsonl and .parquet"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name):
    content, reason = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(content)
    with duckdb.connect() as con, pytest.raises(FileRefusedError) as refused:
        read_as_text(con, path, "input", columns=("a", "b"))
    assert str(refused.value).startswith(reason)
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("kind", ["csv.gz", "csv.zst", "jsonl.gz", "jsonl.zst", "parquet"])
def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path, kind):
    rows = [{"a": str(n), "b": str(n * 7919)} for n in range(3000)]
    text = "a,b\n" + "".join(f"{row['a']},{row['b']}\n" for row in rows)
    plain = as_jsonl(rows) if kind.startswith("jsonl") else text.encode()
    content = parquet(pa.Table.from_pylist(rows)) if kind == "parquet" else COMPRESSIONS[kind[kind.index(".") :]](plain)
    path = tmp_path / f"file.{kind}"
    with duckdb.connect() as con:
        for length in [*range(1, len(content), len(content) // 40), *range(len(content) - 12, len(content))]:
            path.write_bytes(content[:length])
            with pytest.raises(FileRefusedError):
                read_as_text(con, path, "input", columns=("a", "b"))
        path.write_bytes(content)
        assert read_as_text(con, path, "input", columns=("a", "b")) == 3000


NAMES = [
    "f_[1]",
    "f_*",
    "f_?",
    "f_1",
    "it's",
    'a "b"',
    "back\\slash",
    "back\\[1]*",
    "[!x]",
    "{a,b}",
    "a b",
    "ä😀",
    "%20",
    "#;--",
]


@pytest.mark.parametrize("folder", ["", "y=1", "[x]", "*", "it's"])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_exactly_the_file_named_is_read(tmp_path: Path, kind, folder):
    place = tmp_path / folder
    place.mkdir(exist_ok=True)
    for name in NAMES:
        content = {
            "csv": f'y,name\n7,"{name.replace(chr(34), chr(34) * 2)}"\n'.encode(),
            "jsonl": as_jsonl([{"y": 7, "name": name}]),
            "parquet": parquet(pa.table({"y": [7], "name": [name]})),
        }[kind]
        (place / f"{name}.{kind}").write_bytes(content)
    with duckdb.connect() as con:
        for name in NAMES:
            path = place / f"{name}.{kind}"
            if "\\" in name and set("*?[") & {*str(path)}:
                with pytest.raises(FileRefusedError, match="a backslash beside"):
                    read_as_text(con, path, "input", columns=("y", "name"))
                continue
            assert read_as_text(con, path, "input", columns=("y", "name")) == 1
            assert con.execute("select y, name from input").fetchall() == [("7", name)]


@pytest.mark.parametrize(
    "name", ["it's", 'a "b"', "a; drop table x", "select", "a.b", "row_number", "input_text", "A B"]
)
def test_headers_are_names_and_nothing_else(home, raw, name):
    rows = [raw.item() | {name: "x"}, raw.item(quantity="0") | {name: "y"}]
    (called,) = names_of([name])
    report = home.load_file("order_items.csv", raw.as_csv(rows))
    assert (report.loads[0].rows_loaded, report.loads[0].ignored_columns) == (1, (called,))
    assert json.loads(home.rows('select "row" from audit.quarantine')[0][0]) == raw.item(quantity="0") | {called: "y"}
    report = home.load_file("order_items_2.parquet", parquet(pa.Table.from_pylist(rows)))
    assert report.loads[0].ignored_columns == (called,)
    report = home.load_file("order_items_3.jsonl", as_jsonl(rows))
    assert (report.loads[0].rows_duplicate, report.loads[0].rows_quarantined) == (1, 1)


def test_a_relative_path_and_a_symbolic_link(home, raw, monkeypatch):
    home.file("order_items.csv", [raw.item()])
    (home.folder / "order_items_link.csv").symlink_to("order_items.csv")
    monkeypatch.chdir(home.folder)
    report = home.load(Path("order_items.csv"), Path("order_items_link.csv"))
    assert ([load.rows_loaded for load in report.loads], report.unchanged) == ([1], [Path("order_items_link.csv")])


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12), min_size=3, max_size=3),
        max_size=20,
    ),
    delimiter=st.sampled_from(",\t"),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_whatever_python_writes_is_read_back(tmp_path_factory, rows, delimiter, end):
    path = tmp_path_factory.mktemp("csv") / f"file.{'csv' if delimiter == ',' else 'tsv'}"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerows([["a", "b", "c"], *rows])
    with duckdb.connect() as con:
        assert read_as_text(con, path, "input") == len(rows)
        found = con.execute("select * from input order by rowid").fetchall()
    assert [[value or "" for value in row] for row in found] == rows


def test_rows_within_quotes_are_not_taken_for_rows_where_the_engine_splits_the_file(tmp_path: Path):
    chance, path, rows = random.Random(7), tmp_path / "file.csv", 0
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c"])
        while file.tell() < 70_000_000:
            times = chance.choice([1, 3, 50, 2000, 20_000])
            writer.writerow([rows, chance.choice(["1,2,3\n", 'x","y"\n4,"5,6\n', "plain"]) * times, "end"])
            rows += 1
    with duckdb.connect() as con:
        assert read_as_text(con, path, "input") == rows
        assert con.execute("select count(*) from input where a = rowid and c = 'end'").fetchall() == [(rows,)]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission_is_refused(home, raw):
    path = home.file("order_items.csv", [raw.item()])
    path.chmod(0)
    assert "it cannot be read" in home.load(path).refusals[0].reason
