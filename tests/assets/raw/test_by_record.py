"""JSON is read record by record: wherever they lie, however the text comes in, and nothing of a number is lost."""

import gzip
import json
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.raw import by_record
from assets.raw.by_record import ANYWHERE, BeyondError, NotJsonError, Record, Shape
from assets.settings import Limits

LIMITS = Limits()


def read(folder: Path, text: str | bytes, shape: Shape = ANYWHERE, limits: Limits = LIMITS, *, is_lines=False):
    path = folder / "file.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    return list(by_record.records(path, None, shape, limits, is_lines=is_lines))


def faults(found: list[Record]) -> list[str | None]:
    return [record.refused for record in found]


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
objects = st.dictionaries(st.text(), values, max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(objects, max_size=6),
    size=st.integers(1, 40),
    indent=st.sampled_from([None, 0, 2]),
    is_ascii=st.booleans(),
    layout=st.sampled_from(["array", "stream", "lines", "arrays", "wrapped", "deeper"]),
)
def test_whatever_python_writes_is_read_back_as_it_was(tmp_path_factory, rows, size, indent, is_ascii, layout):
    def written(value) -> str:
        return json.dumps(value, indent=indent, ensure_ascii=is_ascii)

    kept = [row for row in rows if not {"rows", "a"} & row.keys()]
    text = {
        "array": lambda: written(kept),
        "stream": lambda: "".join(map(written, kept)),
        "lines": lambda: "\r\n".join(map(written, kept)),
        "arrays": lambda: written(kept[:2]) + written(kept[2:]),
        "wrapped": lambda: written({"before": 1, "rows": kept, "after": [{}]}),
        "deeper": lambda: "".join(written([{"a": {"rows": [row]}, "x": None}]) for row in kept),
    }[layout]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_record, "CHARACTERS_AT_A_TIME", size)
        found = read(tmp_path_factory.mktemp("json"), text, Shape(("rows[]", "a.rows[]")))
    assert faults(found) == [None] * len(kept)
    assert [json.loads(record.text) for record in found] == kept
    with duckdb.connect() as con:
        for record in found:
            texts = [record.text, record.exact or record.text]
            assert con.execute("select json_valid($1) and json_valid($2)", texts).fetchall() == [(True,)]


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(st.sampled_from(list('{}[]",:\\u0d8ab1.-eE \n')), max_size=40) | st.text(max_size=20),
    is_lines=st.booleans(),
    size=st.integers(1, 9),
)
def test_whatever_comes_is_read_or_told_and_the_same_in_pieces(tmp_path_factory, text, is_lines, size):
    """What is taken is JSON, also to Python and the engine."""
    folder = tmp_path_factory.mktemp("json")

    def outcome():
        try:
            return read(folder, text, is_lines=is_lines)
        except NotJsonError as error:
            return str(error)

    whole = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_record, "CHARACTERS_AT_A_TIME", size)
        assert outcome() == whole
    for record in whole if isinstance(whole, list) else []:
        if record.refused is None:
            assert isinstance(json.loads(record.text), dict)
            with duckdb.connect() as con:
                assert con.execute("select json_valid($1)", [record.text]).fetchall() == [(True,)]


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("1.10", "1.10"),
        ("-1.5e3", "-1.5e3"),
        ("1E5", "1E5"),
        ("12345678901234567.0", "12345678901234567.0"),
        ("0.1234567890123456789", "0.1234567890123456789"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ('"1.10"', "1.10"),
        ('"a \\"1.5\\" b"', 'a "1.5" b'),
        ("[1.50, 2]", '["1.50",2]'),
    ],
)
def test_a_number_is_what_stands_there(tmp_path, written, taken):
    (record,) = read(tmp_path, f'{{"a": {written}, "b": 0.5}}')
    assert record.text == f'{{"a": {written}, "b": 0.5}}'
    with duckdb.connect() as con:
        assert con.execute("select $1 ->> '$.a'", [record.exact]).fetchall() == [(taken,)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a": 1, "a": 2}', "each key once"),
        ('{"a": {"b": 1, "c": [{"d": 1, "d": 1}]}}', "each key once"),
        ('{"a": NaN}', "JSON without NaN and Infinity"),
        ('{"a": -Infinity}', "JSON without NaN and Infinity"),
        ('{"a": "\\ud800"}', "text in UTF-8"),
        ('{"a": "\\ud83d\\ude00"}', None),
        ('{"a": "\udce9"}', "text in UTF-8"),
        ("7", "a JSON object"),
        ('{"a": ' + "[" * 64 + "]" * 64 + "}", "nested no deeper than 64 (CSBA_DEEPEST_NESTING)"),
        ('{"a": ' + "[" * 63 + "]" * 63 + "}", None),
        ('{"a": "' + "[" * 100 + '", "b": ' + "[[]," * 50 + "0" + "]" * 50 + "}", None),
        ('{"a": ' + "[" * 9000 + "]" * 9000 + "}", "nested no deeper than 64 (CSBA_DEEPEST_NESTING)"),
        ('{"a": nul}', "JSON"),
        ("{'a': 1}", "JSON"),
        ('{"a": 1,}', "JSON"),
    ],
)
@pytest.mark.parametrize("is_lines", [True, False])
def test_a_record_at_fault_spoils_no_other(tmp_path, text, fault, is_lines):
    found = read(tmp_path, f'{{"n": 1}}\n{text}\n{{"n": 3}}', is_lines=is_lines)
    what = "line" if is_lines else "record"
    assert faults(found) == [None, fault and f"{what}: {fault}", None]
    assert [found[0].text, found[2].text] == ['{"n": 1}', '{"n": 3}']


def test_a_line_is_one_row_and_an_array_in_a_document_several(tmp_path):
    assert faults(read(tmp_path, "[{}, {}]\n{}", is_lines=True)) == ["line: a JSON object", None]
    assert faults(read(tmp_path, "[{}, [{}]]\n{}")) == [None, "record: a JSON object", None]


def test_what_is_no_json_is_kept_as_a_string_with_its_bytes(tmp_path):
    found = read(tmp_path, b'{"n": 1}\n{"a": "\xe9"}\n{"cut\n', is_lines=True)
    (batch,) = by_record.in_batches(iter(found), ("came", "why", "exact"))
    assert [json.loads(text) for text in batch.column("came").to_pylist()] == [
        {"n": 1},
        '{"a": "\\xe9"}',
        '{"cut',
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"n": 1}{"a": nul}{"n": 2}',
        '{"n": 1}{"a": "x{"n": 2}{"n": 3}',
        '[{"n": 1}, {"n": 2}',
        '[{"n": 1} {"n": 2}]',
        '{"n": 1} and {"n": 2}',
        '{"n": 1}, {"n": 2}',
        '{"n": 1}\x00',
        '{"rows": [{"n": 1}, {"n": 2}',
        '{"rows": [{"n": 1}], "x": nul}',
        '{"rows": [{"n": 1}], "rows": [{"n": 2}]}',
        '{\n "n": 1,\n "x": "',
        "words",
    ],
)
def test_where_nobody_could_tell_what_follows_the_file_is_at_fault(tmp_path, text):
    with pytest.raises(NotJsonError, match=r"^record \d: .* at character \d+$"):
        read(tmp_path, text, Shape(("rows[]",)))


def test_lines_of_a_document_are_lost_alone(tmp_path):
    text = '{"n": 1}\n{"n": \n\n{"n": 3,\n "m": [\n  {"x": 1}\n ]\n}\n{"n": "4\n{"n": 5}\n{"n": 6'
    assert [json.loads(record.text) if record.is_json else record.text for record in read(tmp_path, text)] == [
        {"n": 1},
        '{"n":',
        {"n": 3, "m": [{"x": 1}]},
        '{"n": "4',
        {"n": 5},
        '{"n": 6',
    ]


# -- where records lie ---------------------------------------------------------------------------------------------


def test_records_lie_where_they_are_said_to(tmp_path):
    shape = Shape(("payload.Orders[]", "payload", "order"))
    document = [
        {"payload": {"Orders": [{"n": 1}, {"n": 2}], "NextToken": "x"}},
        {"payload": {"n": 3}},
        {"order": {"n": 4}, "pagination": {}},
        {"n": 5},
        {"payload": {"Orders": []}},
        {"payload": {"Orders": None}},
        {"payload": "nothing"},
        {"order": [{"n": 6}]},
        {"errors": []},
    ]
    for text in (json.dumps(document, indent=1), "".join(map(json.dumps, document))):
        found = read(tmp_path, text, shape)
        assert [json.loads(record.text) for record in found if record.refused is None] == [
            *({"n": number} for number in range(1, 6)),
            {"errors": []},
        ]
        assert [record.refused for record in found if record.refused] == [
            "record: an array",
            "record: a JSON object",
            "record: a JSON object",
        ]


def test_a_row_is_the_record_with_one_element_alone(tmp_path):
    record = {"id": 1, "p": [{"q": [1, 2], "r": 1.50}, {"q": []}, {}, 7], "z": None}
    found = read(tmp_path, json.dumps(record), Shape((), ("p", "q")))
    assert [json.loads(row.text) for row in found] == [
        record | {"p": [{"q": [1], "r": 1.5}]},
        record | {"p": [{"q": [2], "r": 1.5}]},
        record | {"p": [{"q": []}]},
        record | {"p": [{}]},
        record | {"p": [7]},
    ]
    for empty in ({"id": 1}, {"p": []}, {"p": None}, {"p": {"q": [1]}}):
        assert [json.loads(row.text) for row in read(tmp_path, json.dumps(empty), Shape((), ("p", "q")))] == [empty]


def test_utf_16_with_its_mark_and_utf_8_with_one(tmp_path):
    for encoding in ("utf-16", "utf-8-sig"):
        assert [row.text for row in read(tmp_path, '{"a": "é😀"}\n{}'.encode(encoding))] == ['{"a": "é😀"}', "{}"]
    with pytest.raises(NotJsonError, match="cut off"):
        read(tmp_path, '{"a": "é"}\n{}'.encode("utf-16")[:-1])


# -- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", '{"rows": [{"n": 1}, {"x": '])
@pytest.mark.parametrize("bomb", ["[", '{"":'])
def test_brackets_without_end_are_named(tmp_path, before, bomb):
    with pytest.raises(BeyondError, match="deepest_nesting"):
        read(tmp_path, before + bomb * 3_000_000, Shape(("rows[]",)))


def test_no_more_is_held_than_a_record_and_what_is_beside(tmp_path, monkeypatch):
    monkeypatch.setattr(by_record, "CHARACTERS_AT_A_TIME", 100)
    limits, shape = Limits(largest_document=1_000), Shape(("rows[]",))
    rows = [{"n": number, "text": "x" * 500} for number in range(100)]
    assert len(read(tmp_path, json.dumps({"rows": rows}), shape, limits)) == 100
    for large in ({"rows": [{"text": "x" * 1_100}]}, {"users": ["x"] * 1_000, "rows": []}, {"text": "x" * 1_100}):
        with pytest.raises(BeyondError, match="largest_document"):
            read(tmp_path, json.dumps(large), shape, limits)


def test_packed_documents_may_be_one_long_line(home, raw):
    rows = [raw.item(order_id=f"O-{number}", sku=f"{number:0900}") for number in range(4_000)]
    content = json.dumps(rows).encode()
    assert len(content) > Limits().longest_line
    (done,) = home.load_file("order_items.json.gz", gzip.compress(content)).loads
    assert done.rows_loaded == 4_000
