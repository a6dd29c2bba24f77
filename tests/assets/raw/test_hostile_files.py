"""Files that nobody here wrote, made to break readers: refused in words, or every row accounted for."""

import json

import pytest

from assets.raw.sources import read_sources
from assets.settings import CHECKOUT

HOSTILE = CHECKOUT.parent / "shared" / "data" / "hostile"
pytestmark = pytest.mark.skipif(not HOSTILE.is_dir(), reason="the hostile files are not here")


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.prove)])
def test_hostile_files_are_refused_or_accounted_for(home, every):
    """Under names that are known and under their own, mapped by a source that takes whatever comes."""
    (home.folder / "sources").mkdir()
    (home.folder / "sources" / "any.sql").write_text(
        "-- dataset: returns\n-- file: *.csv, *.tsv, *.gz, *.jsonl, *.parquet\n"
        "select row_number, to_json(input) as return_id, 'O' as order_id, '1' as order_item_id, 'prepaid' as label,\n"
        "    '2026-01-31T10:00:00Z' as requested_at,\n"
        "    case when row_number % 3 = 0 then 'id: third' end as refused from input"
    )
    files = sorted(file for file in HOSTILE.rglob("*") if file.is_file())[::every]
    sources = read_sources(home.folder / "sources")
    own = home.load(*files, sources=sources)
    assert len({done.path for done in own.loads} | {r.path for r in own.refusals} | {*own.unchanged}) == len(files)
    assert sum(done.rows_loaded for done in own.loads) > 100
    assert sum(done.rows_quarantined for done in own.loads) > 50
    copies = []
    for n, file in enumerate(files):
        ending = ("csv", "csv", "csv", "tsv", "jsonl", "parquet", "csv.gz", "jsonl.zst")[n % 8]
        copies.append(home.file(f"landing/order_items_{n}.{ending}", file.read_bytes()))
    report = home.load(home.folder / "landing")
    assert sum(done.rows_loaded for done in report.loads) == 0
    assert len({done.path for done in report.loads} | {r.path for r in report.refusals} | {*report.unchanged}) == len(
        copies
    )


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_naughty_strings_survive_as_sellers_names(home, raw, kind):
    names = json.loads((HOSTILE / "blns" / "blns.json").read_text())
    rows = [raw.seller(seller_id=str(n), name=name) for n, name in enumerate(names)]
    content = raw.as_csv(rows) if kind == "csv" else "\n".join(json.dumps(row) for row in rows).encode()
    home.load_file(f"sellers.{kind}", content)
    good = {(str(n), name) for n, name in enumerate(names) if name.strip(" \t\r\n") and "\0" not in name}
    assert set(home.rows("select seller_id, name from raw.sellers")) == good
    assert len(good) > 490
    assert len(home.quarantine()) == len(names) - len(good)
