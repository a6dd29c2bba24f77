"""Text that breaks its own rules: only the lines at fault are lost, each is told by its number, and kept as it came."""

import gzip
import json
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.raw import by_line
from assets.raw.by_line import LONGEST_QUOTED
from assets.raw.reading import names_of
from assets.raw.sources import read_sources

HEADER = "shipment_id,order_item_id,order_id,shipped_at,quantity,carrier,updated_at"


def line(number: int | str, carrier: str = "DHL") -> str:
    return f"P-{number},1,O-{number},2026-01-31T10:00:00Z,1,{carrier},2026-01-31T10:00:00Z"


def as_file(*lines: str, end: str = "\n") -> str:
    return end.join((HEADER, *lines, ""))


def loaded(home) -> list[tuple]:
    return home.rows("select row_number, carrier from raw.shipments order by row_number")


# -- encodings -----------------------------------------------------------------------------------------------------

PLAIN, ACCENTS, KANA = "DHL", "Zustellung Köln à côté", "ヤマト運輸のクロネコ"


@pytest.mark.parametrize(
    ("codec", "carrier", "told"),
    [
        ("utf-8", ACCENTS, None),
        ("utf-8-sig", KANA, None),
        ("utf-16", KANA, "UTF-16"),
        ("utf-16", PLAIN, "UTF-16"),
        ("cp1252", ACCENTS, "Windows-1252"),
        ("cp1252", "École – 5 €", "Windows-1252"),
        ("cp932", KANA, "Shift_JIS"),
        ("cp1252", "‚Österreich’ ƒA", "Windows-1252"),
        ("cp932", "神奈川", "Shift_JIS"),  # no kana, but bytes that Windows-1252 does not have
    ],
)
@pytest.mark.parametrize("compression", ["", ".gz"])
def test_the_encoding_is_found_and_told(home, codec, carrier, told, compression):
    content = as_file(line(1, PLAIN), line(2, carrier)).encode(codec)
    report = home.load_file(f"shipments.csv{compression}", gzip.compress(content) if compression else content)
    assert loaded(home) == [(1, PLAIN), (2, carrier)]
    assert [file.encoding for file in report.loads] == [told]


def test_a_damaged_line_does_not_make_another_encoding_of_a_file(home):
    lines = [line(1, ACCENTS).encode(), line(2, "K\N{LATIN SMALL LETTER O WITH DIAERESIS}ln").encode("cp1252")]
    report = home.load_file("shipments.csv", b"\n".join([HEADER.encode(), *lines, line(3).encode()]))
    assert loaded(home) == [(1, ACCENTS), (3, PLAIN)]
    assert home.quarantine() == [(2, "line", "text in UTF-8", None)]
    assert home.rows('select "row" from audit.quarantine') == [(json.dumps(line(2, "K\\xf6ln")),)]
    assert report.loads[0].encoding == "UTF-8"


def test_a_damaged_pair_of_utf_16_is_one_line(home):
    content = as_file(line(1), line(2, "DHX"), line(3)).encode("utf-16-le")
    damaged = b"\xff\xfe" + content.replace("X".encode("utf-16-le"), b"\x00\xd8")
    home.load_file("shipments.csv", damaged)
    assert loaded(home) == [(1, PLAIN), (3, PLAIN)]
    assert home.quarantine() == [(2, "line", "text in UTF-16", None)]


def test_a_character_that_stands_for_damage_elsewhere_is_none_in_utf_16(home):
    home.load_file("shipments.csv", as_file(line(1, "D\ufffdL"), line(2)).encode("utf-16"))
    assert loaded(home) == [(1, "D\ufffdL"), (2, PLAIN)]
    assert home.quarantine() == []


def test_japanese_without_kana_may_be_taken_for_another_encoding_and_is_told(home):
    carrier = "日本通運"
    report = home.load_file("shipments.csv", as_file(line(1, carrier)).encode("cp932"))
    assert loaded(home) == [(1, carrier.encode("cp932").decode("cp1252"))]
    assert report.loads[0].encoding == "Windows-1252"


# -- lines ---------------------------------------------------------------------------------------------------------

NUMBER = "7 values, as many as the header has"
CLOSED = "quotes that are closed at the end of a value"


@pytest.mark.parametrize(
    ("bad", "check"),
    [
        ("P-2,1", NUMBER),
        (line(2) + ",more", NUMBER),
        (line(2, '"DHL'), CLOSED),
        (line(2, '"DHL"x'), CLOSED),
        (line(2, '"' + "x" * LONGEST_QUOTED), CLOSED),
        ("2", NUMBER),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_at_fault_is_quarantined_alone(home, bad, check, end):
    report = home.load_file("shipments.csv", as_file(line(1), bad, line(3), line(4, '"a, ""b"""'), end=end).encode())
    assert loaded(home) == [(1, "DHL"), (3, "DHL"), (4, 'a, "b"')]
    assert home.quarantine() == [(2, "line", check, None)]
    assert home.rows('select "row" from audit.quarantine') == [(json.dumps(bad),)]
    assert (report.loads[0].rows_read, report.loads[0].encoding) == (4, "UTF-8")


def test_a_quoted_value_may_begin_with_a_blank_and_a_quote(home):
    values = [' "DHL"', '\r"', '\x0c\t"', '"DHL', ' "a, b" ']
    quoted = ['"' + value.replace('"', '""') + '"' for value in values]
    lines = [line(n, value) for n, value in enumerate(quoted, start=1)]
    home.load_file("shipments.csv", as_file(*lines, "too few", line(7, ' "DHL"')).encode())
    assert loaded(home) == list(enumerate(values, start=1))
    assert home.quarantine() == [(6, "line", NUMBER, None), (7, "line", CLOSED, None)]


def test_a_quoted_value_goes_on_over_lines_beside_lines_at_fault(home):
    two_lines = line(3, '"by\nhand"')
    home.load_file("shipments.csv", as_file(line(1, '"open'), "", line(2), two_lines, line(4) + ",x").encode())
    assert loaded(home) == [(2, "DHL"), (3, "by\nhand")]
    assert home.quarantine() == [(1, "line", CLOSED, None), (4, "line", NUMBER, None)]


def test_many_open_quotes_take_no_longer_than_many_lines(home):
    """Where each looked for its end among all that follow, this would take minutes."""
    lines = [line(n, '"open' if n % 2 else 'clo"sed') for n in range(20_000)]
    report = home.load_file("shipments.csv", as_file(*lines, line("good")).encode())
    assert report.loads[0].rows_read == 20_001
    assert report.loads[0].rows_quarantined >= 10_000


def test_a_quote_that_stays_open_is_not_looked_for_without_end(home):
    rows = "".join('p",q""r,"s\n' for _ in range(20_000))
    report = home.load_file("shipments.csv", (as_file(line(1)) + rows).encode())
    assert (report.loads[0].rows_read, report.loads[0].rows_loaded) == (20_001, 1)


def test_blanks_before_a_quote_are_not_read_in_two_ways(home):
    spaced = line(2).replace(",O-2,", ', "O-2",')
    home.load_file("shipments_1.csv", as_file(spaced).encode())
    home.load_file("shipments_2.csv", as_file(spaced, line(1), "bad").encode())
    assert home.rows("select distinct order_id from raw.shipments order by all") == [("O-1",), ("O-2",)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [7, 1 << 20])
def test_lines_of_utf_16_end_as_others_do(home, monkeypatch, end, size):
    monkeypatch.setattr(by_line, "BYTES_AT_A_TIME", size)
    home.load_file("shipments.csv", as_file(line(1), line(2, KANA), line(3), end=end).encode("utf-16"))
    assert loaded(home) == [(1, "DHL"), (2, KANA), (3, "DHL")]


def test_what_is_held_at_once_is_bounded(home, monkeypatch):
    monkeypatch.setattr(by_line, "TEXT_AT_A_TIME", 500)
    monkeypatch.setattr(by_line, "VALUES_AT_A_TIME", 30)
    lines = [line(number) if number % 5 else "x," * 400 for number in range(1, 41)]
    report = home.load_file("shipments.csv", as_file(*lines).encode())
    assert (report.loads[0].rows_loaded, report.loads[0].rows_quarantined) == (32, 8)


def test_line_ends_may_differ(home):
    home.load_file("shipments.csv", f"{HEADER}\r\n{line(1)}\n{line(2)}\r{line(3)}".encode())
    assert [number for number, _ in loaded(home)] == [1, 2, 3]


def test_delimiters_too_many_at_the_end_are_no_values(home):
    home.load_file("shipments.csv", f"{HEADER},,\n{line(1)},,\n{line(2)}\n{line(3)},,,\n{line(4)},,,x\n".encode())
    assert [number for number, _ in loaded(home)] == [1, 2, 3]
    assert home.quarantine() == [(4, "line", "9 values, as many as the header has", None)]


def test_numbers_are_those_of_the_file_beyond_a_batch(home, monkeypatch):
    monkeypatch.setattr(by_line, "ROWS_AT_A_TIME", 7)
    monkeypatch.setattr(by_line, "BYTES_AT_A_TIME", 31)
    lines = [line(number) if number % 5 else "x" for number in range(1, 41)]
    home.load_file("shipments.csv", as_file(*lines, end="\r\n").encode())
    assert [number for number, _ in loaded(home)] == [number for number in range(1, 41) if number % 5]
    assert [row[0] for row in home.quarantine()] == list(range(5, 41, 5))


def test_a_file_without_a_good_line_is_refused_as_it_was(home):
    assert home.refusal("shipments.csv", as_file("1", "2").encode()).startswith("line 2 has 1 columns instead of 7")


def test_a_mended_file_adds_only_what_was_missing(home):
    home.load_file("shipments_1.csv", as_file(line(1), "P-2,1", line(3)).encode())
    (mended,) = home.load_file("shipments_2.csv", as_file(line(1), line(2), line(3)).encode()).loads
    assert (mended.rows_loaded, mended.rows_duplicate) == (1, 2)


def test_a_line_at_fault_stays_one_whatever_a_source_makes_of_it(home):
    (home.folder / "sources").mkdir()
    for name, more in (
        ("silent", ""),
        ("busy", ", case when a is null then 'nothing' end as skipped, null as refused"),
    ):
        (home.folder / "sources" / f"{name}.sql").write_text(
            f"-- dataset: returns\n-- file: {name}*\n"
            "select row_number, coalesce(a, 'none') as return_id, 'O' as order_id, '1' as order_item_id,\n"
            f"    'prepaid' as label, '2026-01-31T10:00:00Z' as requested_at{more} from input"
        )
    for name in ("silent", "busy"):
        home.load_file(
            f"{name}.csv", f"a,b\n{name}1,2\n3\n{name}4,5\n".encode(), sources=read_sources(home.folder / "sources")
        )
    assert home.rows("select row_number, return_id from raw.returns order by all") == [
        *((1, f"{name}1") for name in ("busy", "silent")),
        *((3, f"{name}4") for name in ("busy", "silent")),
    ]
    assert (
        home.rows('select row_number, check_name, "row" from audit.quarantine')
        == [(2, "2 values, as many as the header has", '"3"')] * 2
    )


def test_a_joined_file_must_be_whole(home):
    (home.folder / "sources").mkdir()
    (home.folder / "sources" / "joined.sql").write_text(
        "-- dataset: returns\n-- file: some.csv\n-- join: other = other.csv\n"
        "select row_number, a as return_id, a as order_id, '1' as order_item_id, 'prepaid' as label,\n"
        "    '2026-01-31T10:00:00Z' as requested_at from input left join other using (a)"
    )
    home.file("other.csv", b"a,c\n1,2\n3\n")
    reason = home.refusal("some.csv", b"a,b\n1,2\n", sources=read_sources(home.folder / "sources"))
    assert reason.startswith("other.csv, which is read with it: line 3 has 1 columns instead of 2")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_whatever_is_done_to_some_lines_the_others_are_loaded(home, seed):
    """Bytes of some lines are changed: every line is there once, and those left alone are loaded."""
    chance = Random(seed)
    lines = [line(f"{seed}-{number}", chance.choice((ACCENTS, KANA, '"a,b"', PLAIN))).encode() for number in range(30)]
    damaged = {number for number in range(30) if chance.random() < 0.2}
    for number in damaged:
        content = bytearray(lines[number])
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(content))
            content[at : at + chance.randint(0, 3)] = chance.choice((b",", b"\xff", b"", b"\x00", b"\t", b"\xe3"))
        lines[number] = bytes(content)
    report = home.load_file(f"shipments_{seed}.csv", b"\n".join([HEADER.encode(), *lines]))
    if report.unchanged:
        return
    (done,) = report.loads
    assert done.rows_read == 30
    found = home.rows(f"select row_number from raw.shipments where shipment_id like 'P-{seed}-%'")
    assert {number for (number,) in found} | {number + 1 for number in damaged} == set(range(1, 31))


# -- headers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (["Amazon-Order-Id ", " order id", "SKU"], ["amazon_order_id", "order_id", "sku"]),
        (["a", "", "Unnamed: 22", ""], ["a", "column_2", "unnamed_22", "column_4"]),
        (["price", "Price", "PRICE", "price_2"], ["price", "price_3", "price_4", "price_2"]),
        (["注文番号", "Größe (cm)"], ["注文番号", "größe_cm"]),
        (["a"] * 900, ["a", *(f"a_{n}" for n in range(2, 901))]),
    ],
)
def test_names_of_columns_are_the_same_however_a_header_is_written(header, names):
    assert names_of(header) == names


def test_a_header_may_be_written_in_capitals(home):
    home.load_file("shipments.csv", as_file(line(1)).replace(HEADER, HEADER.upper().replace("_", "-")).encode())
    assert loaded(home) == [(1, "DHL")]
