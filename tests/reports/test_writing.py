"""Where statements go: safe names, whole sets, and pages that hold whatever a seller is called."""

import hashlib
import json
import os
import re
import signal
import time
from base64 import b64encode
from dataclasses import replace
from multiprocessing import active_children

import duckdb
import pytest
from house import PRESS, PRESS_WITHOUT_PDF
from paper import Page

from reports.statement import making, started_early, workers, write_statements, writing
from reports.statement.names import file_names, folder_name
from reports.statement.writing import files_of, make_final

PERIOD, US, JP = "2026-10", "ATVPDKIKX0DER", "A1VC38T7YXB528"

HOSTILE = [
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "x" * 300,
    "\u202egnissap\u202c",
    "a\tb\nc",
    "index",
    "INDEX",
    "con",
    "🙂",
    "'; drop table core.sellers; --",
    '" onmouseover="x',
    "{{ 7 * 7 }}",
    " ",
]


def HTML(seller_id):  # noqa: N802
    return file_names(seller_id).html


def written(con, scope, folder, progress=lambda _done, _total: None, press=PRESS_WITHOUT_PDF):
    """Write, with nothing going wrong; returns how many statements there are."""
    found = write_statements(con, scope, folder, press, progress)
    assert not found.broken
    assert not found.lost
    return found.statements


def pages(folder):
    return {path.name: Page(path.read_text(encoding="utf-8")) for path in (folder / PERIOD / US).glob("*.html")}


def test_a_set_of_statements(books, tmp_path):
    books.usual_terms()
    books.usual_seller("S1")
    books.usual_seller("S2", "Bo & Söhne")
    books.statement("S3", adjustments="-3")
    seen = []
    assert written(books.con, [(PERIOD, US)], tmp_path, lambda done, total: seen.append((done, total))) == 3
    assert seen[-1] == (3, 3)
    assert {path.name for path in (tmp_path / PERIOD).iterdir()} == {US}
    found = pages(tmp_path)
    index = found.pop("index.html")
    assert [link for link in index.links() if link.endswith(".html")] == [HTML(each) for each in ("S1", "S2", "S3")]
    assert {HTML(each) for each in ("S1", "S2", "S3")} == set(found)
    assert "3 statements, 246.60 USD in all, all drafts." in index.text
    page = found[HTML("S2")]
    for each in ("Bo & Söhne", "DRAFT", "124.80 USD", "20 / 345", "October 2026", "amazon.com", "illustrative"):
        assert each in page.text
    assert "contact-order" not in page.text
    assert "example.org" not in page.text


def test_a_page_needs_nothing_from_elsewhere(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    written(books.con, [(PERIOD, US)], tmp_path)
    for path in (tmp_path / PERIOD / US).glob("*.html"):
        text = path.read_text(encoding="utf-8")
        style = text[text.index("<style>") + len("<style>") : text.index("</style>")]
        digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
        tags = Page(text).tags
        (policy,) = [each["content"] for tag, each in tags if each.get("http-equiv") == "Content-Security-Policy"]
        assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
        assert ("html", {"lang": "en"}) in tags
        assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe"}
        assert not any("style" in each or "src" in each for _, each in tags)
        assert "http://" not in text
        assert "https://" not in text
        assert "@import" not in style
        assert "url(" not in style
        tables = re.findall(r"<table.*?</table>", text, re.DOTALL)
        assert tables
        assert all("<caption>" in table and 'scope="row"' in table for table in tables)


def test_a_final_statement_says_so(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    books.con.execute("update billing.statements set status = 'final'")
    written(books.con, [(PERIOD, US)], tmp_path)
    found = pages(tmp_path)
    page = found[HTML("S1")]
    assert "FINAL" in page.text
    assert "raft" not in page.text.replace("DRAFT", "raft")


def test_hostile_ids_and_names(books, tmp_path):
    books.usual_terms()
    for each in HOSTILE:
        books.usual_seller(each, name=f"{each}\x00<b>\u2029")
    assert written(books.con, [(PERIOD, US)], tmp_path, press=PRESS) == len(HOSTILE)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.parent for path in files} == {tmp_path / PERIOD / US}
    names = {path.name.lower() for path in files}
    assert len(names) == 4 * len(HOSTILE) + 2
    assert all(
        re.fullmatch(r"index\.html|manifest\.json|[a-z0-9-]{1,40}-[0-9a-f]{12}\.(html|json|pdf|lines\.csv)", name)
        for name in names
    )
    found = pages(tmp_path)
    index = found["index.html"]
    assert {link for link in index.links() if link.endswith(".html")} == set(found) - {"index.html"}
    assert {*index.links(), "index.html", "manifest.json"} == {path.name for path in files}
    for each in HOSTILE:
        page = found[HTML(each)]
        assert not {tag for tag, _ in page.tags} & {"script", "b"}
        assert not any("onmouseover" in attributes for _, attributes in page.tags)
        legible = each.replace("\t", "\ufffd").replace("\n", "\ufffd")
        assert f"{legible}\ufffd<b>\ufffd" in page.words
        assert f"{legible}\ufffd<b>\ufffd" in index.words
        raw = (tmp_path / PERIOD / US / HTML(each)).read_text(encoding="utf-8")
        assert "\x00" not in raw
        assert "\u2029" not in raw
    # whatever could turn the direction of the text stands in a <bdi>
    turned = (tmp_path / PERIOD / US / HTML("\u202egnissap\u202c")).read_text(encoding="utf-8")
    assert "\u202e" in turned
    assert "\u202e" not in re.sub(r"<bdi[^>]*>[^<]*</bdi>", "", turned)


def test_names_of_files_and_folders():
    digest = hashlib.sha256(b"A1-Shop").hexdigest()[:12]
    assert file_names("A1-Shop") == tuple(f"a1-shop-{digest}{end}" for end in (".html", ".json", ".lines.csv", ".pdf"))
    assert HTML("Ab") != HTML("aB")
    assert HTML("🙂").startswith("seller-")
    assert folder_name(US) == US
    assert re.fullmatch(r"up-[0-9a-f]{12}", folder_name("../Up"))
    assert re.fullmatch(r"marketplace-[0-9a-f]{12}", folder_name(".."))
    assert folder_name("ÀB") != "ÀB"


def test_a_hostile_marketplace_stays_below_the_folder(books, tmp_path):
    books.usual_terms()
    books.usual_seller("S1")
    tables = (
        "select distinct schema_name || '.' || table_name from duckdb_columns() where column_name = 'marketplace_id'"
    )
    for (table,) in books.con.execute(tables).fetchall():
        books.con.execute(f"update {table} set marketplace_id = '../up' where marketplace_id = $1", [US])
    assert written(books.con, [(PERIOD, "../up")], tmp_path / "out") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    (folder,) = (tmp_path / "out" / PERIOD).iterdir()
    assert re.fullmatch(r"up-[0-9a-f]{12}", folder.name)


@pytest.mark.parametrize("period", ["2026-13", "../2026", "2026-1", "2026-10\n", ""])
def test_a_period_that_is_none_is_refused(books, tmp_path, period):
    with pytest.raises(ValueError, match="is no billing period"):
        written(books.con, [(period, US)], tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_statements_there_is_no_folder(books, tmp_path):
    books.usual_terms()
    books.usual_seller("S1")
    written(books.con, [(PERIOD, US)], tmp_path)
    books.con.execute("delete from billing.statements")
    assert written(books.con, [(PERIOD, US)], tmp_path) == 0
    assert list((tmp_path / PERIOD).iterdir()) == []


def test_a_set_is_replaced_whole(books, tmp_path):
    books.usual_terms()
    books.usual_seller("S1")
    books.usual_seller("S2")
    written(books.con, [(PERIOD, US)], tmp_path)
    books.con.execute("delete from billing.statements where seller_id = 'S1'")
    assert written(books.con, [(PERIOD, US)], tmp_path) == 1
    assert set(pages(tmp_path)) == {"index.html", HTML("S2")}


def test_the_same_rows_make_the_same_bytes(books, tmp_path):
    books.usual_terms()
    for each in HOSTILE:
        books.usual_seller(each)
    for folder in ("a", "b"):
        written(books.con, [(PERIOD, US)], tmp_path / folder)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.html")]
    assert all((tmp_path / "a" / each).read_bytes() == (tmp_path / "b" / each).read_bytes() for each in files)


def fail(*_):
    raise OSError("no space left")


def test_a_failure_midway_leaves_the_old_set(books, tmp_path, monkeypatch):
    books.usual_terms()
    for number in range(20):
        books.usual_seller(f"S{number:02}")
    written(books.con, [(PERIOD, US)], tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    books.con.execute("update core.sellers set name = 'changed'")
    monkeypatch.setattr(writing.pages, "index_page", fail)
    with pytest.raises(OSError, match="no space left"):
        written(books.con, [(PERIOD, US)], tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("killed", ["while writing", "between the two renames"])
def test_what_a_killed_process_left_behind_is_cleared(books, tmp_path, killed, monkeypatch):
    books.usual_terms()
    books.usual_seller()
    written(books.con, [(PERIOD, US)], tmp_path)
    target = tmp_path / PERIOD / US
    fresh, old = target.with_name(f".{US}.new"), target.with_name(f".{US}.old")
    fresh.mkdir()
    (fresh / "half.html").write_text("half")
    if killed == "between the two renames":
        target.rename(old)
        # the next run fails too: the old set is back all the same
        monkeypatch.setattr(writing.pages, "index_page", fail)
        with pytest.raises(OSError, match="no space left"):
            written(books.con, [(PERIOD, US)], tmp_path)
        assert set(pages(tmp_path)) == {"index.html", HTML("S1")}
        monkeypatch.undo()
    written(books.con, [(PERIOD, US)], tmp_path)
    assert {path.name for path in target.parent.iterdir()} == {US}
    assert set(pages(tmp_path)) == {"index.html", HTML("S1")}


def test_several_marketplaces(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    books.terms("JP-1", (None, "38"), marketplace=JP)
    books.statement("S1", marketplace=JP, currency="JPY", adjustments="1520")
    assert written(books.con, [(PERIOD, US), (PERIOD, JP), (PERIOD, US)], tmp_path) == 2
    page = Page((tmp_path / PERIOD / JP / HTML("S1")).read_text(encoding="utf-8"))
    assert "1,520 JPY" in page.text
    assert "124.80" not in page.text


def test_rows_of_more_sellers_than_a_batch(books, tmp_path):
    books.usual_terms()
    number = 2500
    books.con.execute(f"""
        insert into core.units
        select '{PERIOD}', '{US}', 'S' || (i % {number}), i, i, '1', 'sku', '2026-10-02', '2026-10-02',
               i % {number} + 1, case when i < {number} then 'prime' else 'void' end, null, 1, i, null
        from range({2 * number}) as t(i)""")
    # every other seller has no statement: its rows are passed over
    books.con.execute(f"""
        insert into billing.statements
        select 'n' || i, '{PERIOD}', '{US}', 'S' || i, 'USD', 0, 0, 0, 'draft'
        from range(0, {number}, 2) as t(i)""")
    assert written(books.con, [(PERIOD, US)], tmp_path) == number // 2
    for each in (0, 2, 998, 2498):
        page = Page((tmp_path / PERIOD / US / HTML(f"S{each}")).read_text(encoding="utf-8"))
        assert f"{2 * (each + 1):,}" in page.words
    assert len(list((tmp_path / PERIOD / US).glob("*.html"))) == number // 2 + 1


def test_rows_not_yet_committed_are_not_seen(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    books.con.execute("begin")
    books.con.execute("delete from billing.statements")
    assert written(books.con, [(PERIOD, US)], tmp_path) == 1
    books.con.execute("rollback")


def test_a_read_only_warehouse_will_do(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    path = tmp_path / "warehouse.duckdb"
    books.con.execute(f"attach '{path}' as kept")
    books.con.execute("copy from database memory to kept")
    books.con.execute("detach kept")
    with duckdb.connect(str(path), read_only=True) as con:
        assert written(con, [(PERIOD, US)], tmp_path / "out") == 1


def closed(books, folder):
    """A close of the period, as `pipelines/closing.py` does it, short of its last step: the files are not in place."""
    _, place = make_final(books.con, PERIOD, US, folder, PRESS_WITHOUT_PDF)
    text = (place / "manifest.json").read_text(encoding="utf-8")
    manifest = json.loads(text)
    books.insert("billing.closes", PERIOD, US, text)
    for name in files_of(manifest):
        if name.endswith(".html"):
            data = next((each for each in files_of(manifest) if each == name.replace(".html", ".json")), None)
            content = data and (place / data).read_text(encoding="utf-8")
            page = (place / name).read_text(encoding="utf-8")
            books.insert("billing.kept_pages", PERIOD, US, name, data and "N", page, data, content)
    books.con.execute("update billing.statements set status = 'final'")
    return {path.name: path.read_bytes() for path in place.iterdir()}


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_a_killed_close_had_made_is_put_in_place(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    written(books.con, [(PERIOD, US)], tmp_path)
    kept, folder = closed(books, tmp_path), tmp_path / PERIOD / US
    for damage in (None, lambda: (folder / HTML("S1")).write_text("x"), lambda: (folder / "more.html").write_text("x")):
        if damage:
            damage()
        written(books.con, [(PERIOD, US)], tmp_path)
        assert content(folder) == kept
        assert [path.name for path in (tmp_path / PERIOD).iterdir()] == [US]


def test_half_of_what_a_close_had_made_is_completed_from_what_it_kept(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    written(books.con, [(PERIOD, US)], tmp_path)
    kept, folder = closed(books, tmp_path), tmp_path / PERIOD / US
    (tmp_path / PERIOD / f".{US}.new" / HTML("S1")).unlink()
    written(books.con, [(PERIOD, US)], tmp_path)
    assert content(folder) == kept
    assert [path.name for path in (tmp_path / PERIOD).iterdir()] == [US]


def test_only_what_has_changed_is_made_again(books, tmp_path):
    books.usual_terms()
    for each in ("S1", "S2", "S3"):
        books.usual_seller(each)
    scope, folder = [(PERIOD, US)], tmp_path / PERIOD / US

    def made(press=PRESS_WITHOUT_PDF):
        found = write_statements(books.con, scope, tmp_path, press)
        assert found.statements == 3
        return found.made

    assert made() == 3
    first = content(folder)
    assert made() == 0
    assert content(folder) == first
    (folder / file_names("S1").csv).write_text("by hand")
    assert made() == 1
    assert content(folder) == first
    (folder / file_names("S2").html).unlink()
    assert made() == 1
    books.con.execute("update core.sellers set name = 'Renamed' where seller_id = 'S3'")
    assert made() == 1
    assert b"Renamed" in (folder / HTML("S3")).read_bytes()
    books.con.execute("update core.sellers set language = 'de' where seller_id = 'S3'")
    assert made() == 1
    assert made(replace(PRESS_WITHOUT_PDF, code_version="another")) == 3
    (folder / "manifest.json").write_text("{")
    assert made() == 3


def test_a_broken_statement_is_named_and_stops_no_other(books, tmp_path, monkeypatch):
    books.usual_terms()
    for each in ("S1", "S2", "S3"):
        books.usual_seller(each)
    books.con.execute("update billing.statements set charges = charges + 1 where seller_id = 'S2'")
    page = making.statement_page

    def fail(view, *rest, **more):
        if view.seller.id == "S3":
            raise RecursionError("too deep")
        return page(view, *rest, **more)

    monkeypatch.setattr(making, "statement_page", fail)
    found = write_statements(books.con, [(PERIOD, US)], tmp_path, PRESS_WITHOUT_PDF)
    assert (found.statements, found.made) == (3, 1)
    assert [re.sub(r"2026-10-\d+", "N", each) for each in found.broken] == [
        "statement N: its lines come to 124.8000, its charges to 125.8000",
        "statement N: RecursionError: too deep",
    ]
    assert set(pages(tmp_path)) == {"index.html", HTML("S1")}
    assert pages(tmp_path)["index.html"].text.count("could not be made") == 2
    monkeypatch.undo()
    books.con.execute("update billing.statements set charges = charges - 1 where seller_id = 'S2'")
    assert written(books.con, [(PERIOD, US)], tmp_path) == 3
    assert set(pages(tmp_path)) == {"index.html", *map(HTML, ("S1", "S2", "S3"))}


def test_the_manifest_lists_every_file_with_its_hash(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    written(books.con, [(PERIOD, US)], tmp_path, press=PRESS)
    found = content(tmp_path / PERIOD / US)
    manifest = json.loads(found.pop("manifest.json"))
    assert files_of(manifest) == {name: hashlib.sha256(each).hexdigest() for name, each in found.items()}
    assert manifest["made_with"].startswith("test, plutoprint: plutoprint ")
    data = json.loads(found[file_names("S1").json])
    assert data["unit_lines"]["sha256"] == hashlib.sha256(found[file_names("S1").csv]).hexdigest()
    assert hashlib.sha256(found[file_names("S1").json]).hexdigest() in found[HTML("S1")].decode()


def test_many_are_made_by_several_processes_to_the_same_bytes(books, tmp_path):
    books.usual_terms()
    for number in range(70):
        books.usual_seller(f"S{number}", name=f"みなと風商店 {number}")
    books.con.execute("update billing.statements set charges = charges + 1 where seller_id = 'S7'")
    several = replace(PRESS, workers=2)
    one, two = (
        write_statements(books.con, [(PERIOD, US)], tmp_path / name, press)
        for name, press in (("one", PRESS), ("two", several))
    )
    assert (one.made, one.broken) == (two.made, two.broken)
    assert (one.made, len(one.broken)) == (69, 1)
    assert content(tmp_path / "one" / PERIOD / US) == content(tmp_path / "two" / PERIOD / US)
    with started_early(several):
        for name in ("early", "again"):  # the same processes serve both
            assert write_statements(books.con, [(PERIOD, US)], tmp_path / name, several).made == 69
            assert content(tmp_path / "one" / PERIOD / US) == content(tmp_path / name / PERIOD / US)
        assert len(active_children()) == 2
    gone_by = time.monotonic() + 60
    while active_children():  # they were told to go; who else waits for them may know it a moment before
        assert time.monotonic() < gone_by
        time.sleep(0.01)


def test_a_seller_with_very_many_unit_lines(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    number = 20_000
    books.con.execute(f"""
        insert into core.units
        select '{PERIOD}', '{US}', 'S1', format('FBM{{:012d}}', i * 7919),
            format('111-{{:07d}}-{{:07d}}', i, i * 31 % 10000000), '1', 'SKU-' || i % 400,
            timestamp '2026-10-02' + to_seconds(i * 97), timestamp '2026-10-03' + to_seconds(i * 101), 1 + i % 3,
            'prime', 'US-1', 1, i, true
        from range({number}) as t(i)""")
    assert written(books.con, [(PERIOD, US)], tmp_path, press=PRESS) == 1
    found, names = content(tmp_path / PERIOD / US), file_names("S1")
    assert found[names.csv].count(b"\r\n") == number + 4 + 1
    assert len(found[names.html]) < 40_000
    assert len(found[names.pdf]) < 2_000_000


class Poison(bytes):
    """Data that kill whoever unpickles them in another process."""

    def __reduce__(self):
        return _die, (os.getpid(), bytes(self))


def _die(home, text):
    if os.getpid() != home:
        os.kill(os.getpid(), signal.SIGKILL)
    return text


@pytest.mark.parametrize("is_seen_late", [True, False])
def test_a_statement_that_kills_its_process_is_named_and_stops_no_other(books, tmp_path, monkeypatch, is_seen_late):
    """The death of a process is seen when its result is asked for, or already when more is handed out."""
    books.usual_terms()
    for number in range(10, 80):
        books.usual_seller(f"S{number}")
    make = writing._job

    def poisoned(rows, *rest):
        job, seller_id = make(rows, *rest), rows.statement.seller_id
        if seller_id == "S55" and not is_seen_late:
            while active_children():
                time.sleep(0.01)
        return job._replace(json=Poison(job.json)) if seller_id == "S15" else job

    monkeypatch.setattr(writing, "_job", poisoned)
    monkeypatch.setattr(workers, "AT_A_TIME", 8)
    found = write_statements(books.con, [(PERIOD, US)], tmp_path, replace(PRESS_WITHOUT_PDF, workers=2))
    assert (found.statements, found.made) == (70, 69)
    (said,) = found.broken
    assert said.endswith("the process that made it died")
    assert set(pages(tmp_path)) == {"index.html", *(HTML(f"S{number}") for number in range(10, 80) if number != 15)}


def test_what_is_done_is_told_as_it_is_done(books, tmp_path):
    books.usual_terms()
    for number in range(5):
        books.usual_seller(f"S{number}")
    assert write_statements(books.con, [(PERIOD, US)], tmp_path, PRESS_WITHOUT_PDF).made == 5
    for changed in ("('S1', 'S3')", "('nobody')"):
        books.con.execute(f"update core.sellers set name = name || '!' where seller_id in {changed}")
        told = []
        written(books.con, [(PERIOD, US)], tmp_path, progress=lambda done, total, told=told: told.append((done, total)))
        assert told == sorted(told)
        assert told[-1] == (5, 5)
    assert set(told) == {(done, 5) for done in range(6)}, "what has not changed is told as it is read"
