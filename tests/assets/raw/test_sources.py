"""Which file is which dataset: by its name or by a source, and a source that cannot be used is named."""

import re
from pathlib import Path

import pytest

from assets.raw.sources import _KEYS, SourceError, files_of, read_sources
from assets.settings import CHECKOUT

ITEMS = """-- Items of a shop.
-- dataset: order_items
-- file: shop_*.csv
-- zone: Europe/Berlin
select row_number, id as order_id, '1' as order_item_id, 'S-1' as seller_id, 'ATVPDKIKX0DER' as marketplace_id,
    placed as purchased_at, 'MFN' as fulfillment, 'false' as is_prime, 'B' as asin, 'B' as sku, n as quantity,
    placed as updated_at
"""


def shop(home, select_rest: str, header: str = ""):
    """The sources of a folder with one source for `shop_*.csv`."""
    folder = home.folder / "sources"
    folder.mkdir(exist_ok=True)
    (folder / "shop.sql").write_text(ITEMS.replace("-- zone", f"{header}-- zone") + select_rest)
    return read_sources(folder)


SHOP = b"id,placed,n\nA,2026-01-31 10:00:00,1\nB,2026-01-31 11:00:00,2\nC,2026-01-31 12:00:00,3\n"


def test_those_that_ship_can_be_read_and_say_what_they_are():
    sources = read_sources(CHECKOUT / "data" / "sources")
    assert len(sources.mapped) >= 5
    assert all(source.description.endswith(".") and source.select for source in sources.mapped)
    assert "order_items*.csv" in sources.known_names


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("order_items.csv", "order_items"),
        ("ORDER_ITEMS_2026.CSV.GZ", "order_items"),
        ("shipments-1.jsonl.zst", "shipments"),
        ("contacts.parquet", "contacts"),
        ("items.csv", None),
        ("order_items.csv.zip", None),
        ("order_items.xlsx", None),
        ("order_items.csv.bak", None),
        ("my_order_items.csv", None),
    ],
)
def test_a_canonical_file_is_known_by_its_name(name, dataset):
    found = [source.dataset.name for source in read_sources(CHECKOUT / "data" / "sources").of(Path(name))]
    assert found == ([dataset] if dataset else [])


BROKEN = {
    "": "does not say `-- dataset",
    "-- dataset: items\n-- file: a.csv\nselect 1": "there is no dataset 'items'",
    "-- dataset: returns\nselect 1": "neither `-- file",
    "-- dataset: returns\n-- file: a.csv\n": "it has no SELECT",
    "-- dataset: returns\n-- dataset: returns\n-- file: a.csv\nselect 1": "`dataset` is given twice",
    "-- dataset: returns\n-- file: a.csv\n-- zone: Mars/Base\nselect 1": "'Mars/Base' is not a time zone",
    "-- dataset: returns\n-- file: a.csv\n-- zone: ../../etc\nselect 1": "is not a time zone",
    "-- dataset: returns\n-- file: a.csv\n-- read: tabs\nselect 1": "`read` takes delimiter=…, quote=…",
    "-- dataset: returns\n-- file: a.csv\n-- read: delimiter=||\nselect 1": "one character as delimiter",
    "-- dataset: returns\n-- file: a.csv\n-- read: delimiter=\nselect 1": "one character as delimiter",
    "-- dataset: returns\n-- file: a.csv\n-- read: delimiter=; ragged=1\nselect 1": "header=… and ragged=yes",
    "-- dataset: returns\n-- file: a.csv\n-- times: %d.%m.\nselect 1": "`times` '%d.%m.' has not one of %Y, %y",
    "-- dataset: returns\n-- file: a.csv\n-- decimal: ,\nselect 1": "`decimal` is point or comma, not ','",
    "-- dataset: returns\n-- file: a.csv\nselect from from": "its SELECT cannot be parsed",
    "-- dataset: returns\n-- file: a.csv\nselect 1); drop table raw.returns; select (1": "more than one statement",
    "-- dataset: returns\n-- file: a.csv\n-- join: b.csv\nselect 1": "a join is written `table = file name`",
    "-- dataset: returns\n-- file: a.csv\n-- join: b = ../b.csv\nselect 1": "a join is written `table = file name`",
    "-- dataset: returns\n-- file: a.csv\n-- join: input = b.csv\nselect 1": "cannot be called 'input'",
    "-- dataset: returns\n-- file: a.csv\n-- join: b = b.csv\n-- join: B = c.csv\nselect 1": "cannot be called 'B'",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_source_that_cannot_be_used_is_named(tmp_path: Path, text):
    (tmp_path / "shop.sql").write_text(text)
    with pytest.raises(SourceError) as error:
        read_sources(tmp_path)
    assert str(error.value).startswith("shop.sql: ")
    assert BROKEN[text] in str(error.value)


def test_a_source_that_is_not_text_is_named(tmp_path: Path):
    (tmp_path / "shop.sql").write_bytes(b"\xff\xfe")
    with pytest.raises(SourceError, match=r"shop\.sql"):
        read_sources(tmp_path)


def test_a_source_maps_skips_and_refuses(home):
    sources = shop(
        home,
        """, case id when 'A' then 'too old' end as skipped, case id when 'B' then 'id: not B' end as refused
        from input -- zone: a comment within the SELECT is one""",
    )
    report = home.load_file("shop_1.csv", SHOP, sources=sources)
    (done,) = report.loads
    assert (done.rows_loaded, done.rows_quarantined, done.skipped_because) == (1, 1, {"too old": 1})
    assert home.quarantine() == [(2, "id", "not B", None)]
    assert home.rows("select row_number, hour(purchased_at) from raw.order_items") == [(3, 11)]


def test_values_are_written_as_the_source_says(home):
    sources = shop(home, "from input", "-- times: %d.%m.%y %H:%M\n-- decimal: comma\n-- read: delimiter=;\n")
    content = b"id;placed;n\nA;31.01.26 10:00;2,0\nB;31.01.26 10:00;2.0\nC;01/31/26 10:00;2\n"
    home.load_file("shop_1.csv", content, sources=sources)
    assert home.rows("select order_id, hour(purchased_at), quantity from raw.order_items") == [("A", 9, 2)]
    assert [(row, column) for row, column, *_ in home.quarantine()] == [(2, "quantity"), (3, "purchased_at")]


def test_the_guide_tells_of_every_key_and_its_example_can_be_used(home):
    guide = (CHECKOUT / "docs" / "sources.md").read_text(encoding="utf-8")
    assert not [key for key in _KEYS if f"\n| `{key}` |" not in guide]
    assert "`ragged=yes`" in guide
    (example,) = re.findall(r"```sql\n(.*?)```", guide, re.DOTALL)
    home.file("sources/parcels.sql", example.encode())
    content = b"""parcel;order_no;line;left_at;pieces;state;changed_at
P1;O1;1;31.01.2026 09:30;2,0;sent
P2;O1;1;2026-01-31T09:30:00Z;1;sent;01.02.2026 10:00
P3;O1;1;31.01.2026 09:30;1;draft
P4;O1;1;31.01.2026 09:30;2.0;sent
P5;O1;1;31.01.2026 09:30;1
"""
    home.load_file("parcels_1.csv", content, sources=read_sources(home.folder / "sources"))
    found = home.rows("select shipment_id, hour(shipped_at), quantity, hour(updated_at) from raw.shipments order by 1")
    assert found == [("P1", 8, 2, 8), ("P2", 9, 1, 9)]
    assert [row[:2] for row in home.quarantine()] == [(4, "quantity"), (5, "state")]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_rows_may_end_early_where_the_source_says_so(home, encoding):
    sources = shop(home, ", nullif(about, 'x') as skipped from input", "-- read: delimiter=; ragged=yes\n")
    content = "id;placed;n;about;more\nÄ;2026-01-31 10:00;1;old;\nB;2026-01-31 10:00;2\nC\nD;2026-01-31 10:00;1;x;y;z\n"
    (done,) = home.load_file("shop_1.csv", content.encode(encoding), sources=sources).loads
    assert (done.rows_read, done.rows_loaded, done.skipped_because) == (4, 1, {"old": 1})
    assert [(row, column) for row, column, *_ in home.quarantine()] == [(3, "purchased_at"), (4, "line")]


def test_what_is_skipped_need_not_be_readable(home):
    sources = shop(home, ", case when n = 'x' then 'odd' end as skipped from input")
    (done,) = home.load_file("shop_1.csv", SHOP + b"D,never,x\nE,never,5\n", sources=sources).loads
    assert (done.rows_loaded, done.rows_skipped, done.rows_quarantined) == (3, 1, 1)


def test_what_is_refused_and_skipped_is_refused(home):
    sources = shop(home, ", 'odd' as skipped, 'id: bad' as refused from input")
    (done,) = home.load_file("shop_1.csv", SHOP, sources=sources).loads
    assert (done.rows_quarantined, done.rows_skipped) == (3, 0)


def test_other_delimiters_and_quotes(home):
    sources = shop(home, "from input", "-- read: delimiter=; quote='\n")
    content = SHOP.replace(b",", b";").replace(b"A;", b"'A;\"1';")
    (done,) = home.load_file("shop_1.csv", content, sources=sources).loads
    assert done.rows_loaded == 3
    assert home.rows("select order_id from raw.order_items order by all") == [('A;"1',), ("B",), ("C",)]
    sources = shop(home, "from input", "-- read: delimiter=tab quote=\n")
    content = SHOP.replace(b",", b"\t").replace(b"A\t", b'"A\t').replace(b"B\t", b'B"b"\t')
    home.load_file("shop_2.tsv".replace("tsv", "csv"), content, sources=sources)
    assert home.rows("select order_id from raw.order_items where file_id = 2 order by all") == [('"A',), ('B"b"',)]


BREAKING = {
    "from input where row_number > 1": "makes 2 rows of 2 of its 3",
    "from input limit 0": "makes 0 rows of 0 of its 3",
    "from input union all select * from ("
    + ITEMS.partition("Berlin\n")[2]
    + " from input)": "makes 6 rows of 3 of its 3",
    "from (select 1 as row_number, id, placed, n from input) as input": "makes 3 rows of 1 of its 3",
    "from (select row_number + 1 as row_number, id, placed, n from input) as input": "makes 3 rows of 2 of its 3",
    "from (select null as row_number, id, placed, n from input) as input": "makes 3 rows of 0 of its 3",
    "from (select 'x' as row_number, id, placed, n from input) as input": "fails on a value of it; use try_cast",
    "from nowhere": "does not fit it: Catalog Error",
    ", error('no') as carrier from input": "fails on a value of it; use try_cast",
}


@pytest.mark.parametrize("rest", BREAKING)
def test_a_source_that_drops_or_doubles_a_row_is_refused_and_nothing_is_kept(home, rest):
    sources = shop(home, rest)
    assert BREAKING[rest] in home.refusal("shop_1.csv", SHOP, sources=sources)
    home.load_file("order_items.csv", b"")
    assert home.load_file("shop_2.csv", SHOP, sources=shop(home, "from input")).loads[0].rows_loaded == 3


def test_a_source_that_lacks_a_column_is_refused(home):
    sources = shop(home, "from input")
    select = sources.mapped[0].select.replace("n as quantity", "n as units")
    (home.folder / "sources" / "shop.sql").write_text("-- dataset: order_items\n-- file: shop_*.csv\n" + select)
    reason = home.refusal("shop_1.csv", SHOP, sources=read_sources(home.folder / "sources"))
    assert reason == "as order_items it lacks the column quantity"


def test_a_joined_file_must_be_there_and_readable_and_its_content_counts(home):
    sources = shop(home, "from input left join more using (id)", "-- join: more = more.csv\n")
    reason = home.refusal("shop_1.csv", SHOP, sources=sources)
    assert reason == "it is read together with more.csv, which does not lie beside it"
    home.file("more.csv", b"id,rest\nA\n")
    reason = home.refusal("shop_1.csv", SHOP, sources=sources)
    assert reason.startswith("more.csv, which is read with it: line 2 has 1 columns")
    for n, more in enumerate([b"id,x\nA,1\n", b"id,x\nA,2\n"]):
        home.file("more.csv", more)
        report = home.load(home.folder / "shop_1.csv", home.folder / "more.csv", sources=sources)
        assert [(done.rows_loaded, done.rows_duplicate) for done in report.loads] == [(0, 3) if n else (3, 0)]
        assert report.refusals == []
    home.file("more.csv", b"id,x\nA,1\nA,2\n")
    assert "makes 4 rows of 3" in home.load(home.folder / "shop_1.csv", sources=sources).refusals[0].reason


def test_json_lines_of_a_source_come_as_they_are(home):
    folder = home.folder / "sources"
    folder.mkdir()
    (folder / "calls.sql").write_text(
        "-- dataset: returns\n-- file: calls*.jsonl\n"
        "select row_number, as_came ->> '$.a.id' as return_id, 'O' as order_id, '1' as order_item_id, refused,\n"
        "    '2026-01-31T10:00:00Z' as requested_at, 'prepaid' as label from input"
    )
    content = b'{"a": {"id": "x"}}\n[1]\n{"a": {}}\n'
    (done,) = home.load_file("calls.jsonl", content, sources=read_sources(folder)).loads
    assert (done.rows_loaded, done.rows_quarantined) == (1, 2)


def test_canonical_files_and_sources_may_follow_each_other(home, raw):
    sources = shop(home, "from input")
    for n in range(3):
        home.load_file(f"order_items_{n}.csv", [raw.item(order_id=f"c{n}")], sources=sources)
        home.load_file(f"shop_{n}.csv", SHOP.replace(b"A", b"A%d" % n), sources=sources)
    assert len(home.in_force("order_items")) == 8


def test_files_of_folders_in_order_and_hidden_ones_passed_over(tmp_path: Path):
    for name in ("b/order_items.csv", "a.csv", ".hidden.csv", "b/.git/x.csv", ".b/c.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "gone.csv").symlink_to("nowhere")
    named = [tmp_path, tmp_path / "a.csv", tmp_path / "missing.csv"]
    assert [str(file.relative_to(tmp_path)) for file in files_of(named)] == [
        "a.csv",
        "b/order_items.csv",
        "gone.csv",
        "missing.csv",
    ]


@pytest.mark.parametrize("columns", ["Sales-Channel", "x from (select 1)", "a;drop table x"])
@pytest.mark.parametrize("key", ["columns", "optional"])
def test_columns_are_names_as_they_are_called_here(tmp_path: Path, key: str, columns: str):
    (tmp_path / "x.sql").write_text(f"-- dataset: returns\n-- file: x.csv\n-- {key}: a, {columns}\nselect 1")
    with pytest.raises(SourceError, match="the column"):
        read_sources(tmp_path)


def test_a_time_zone_that_there_is_not_refuses_the_file(home):
    home.file(
        "sources/zoned.sql",
        b"-- dataset: returns\n-- file: zoned.csv\n"
        b"select row_number, 'R' || row_number as return_id, 'O' as order_id, '1' as order_item_id,\n"
        b"    'prepaid' as label, '2026-01-31T10:00:00' as requested_at, zone as time_zone from input",
    )
    sources = read_sources(home.folder / "sources")
    reason = home.refusal("zoned.csv", b"zone,b\nEurope/Berlin,1\nNowhere/City,2\n", sources=sources)
    assert reason == "the source zoned gives a time zone that there is not"
    home.load_file("zoned.csv", b"zone,b\nEurope/Berlin,1\nAsia/Tokyo,2\n,3\n", sources=sources)
    assert [str(at) for (at,) in home.rows("select requested_at from raw.returns order by return_id")] == [
        "2026-01-31 09:00:00",
        "2026-01-31 01:00:00",
    ]
    assert home.quarantine()[0][:2] == (3, "requested_at")
