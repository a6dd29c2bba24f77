"""Where statements go: safe names, whole sets, and pages that hold whatever a seller is called."""

import hashlib
import re
from base64 import b64encode
from html.parser import HTMLParser

import duckdb
import pytest

from reports.statement import write_statements
from reports.statement.names import file_name, folder_name
from reports.statement.rows import StatementError

PERIOD, US, JP = "2026-10", "ATVPDKIKX0DER", "A1VC38T7YXB528"
VOID = {"meta", "link", "br", "img", "input", "hr"}

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


class Page(HTMLParser):
    """A page, parsed; its tags must nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words).replace("\N{NO-BREAK SPACE}", " ")

    def links(self) -> list[str]:
        return [attributes["href"] or "" for tag, attributes in self.tags if tag == "a"]


def pages(folder):
    return {path.name: Page(path.read_text(encoding="utf-8")) for path in (folder / PERIOD / US).glob("*.html")}


def test_a_set_of_statements(books, tmp_path):
    books.usual_terms()
    books.usual_seller("S1")
    books.usual_seller("S2", "Bo & Söhne")
    books.statement("S3", adjustments="-3")
    seen = []
    assert write_statements(books.con, [(PERIOD, US)], tmp_path, lambda done, total: seen.append((done, total))) == 3
    assert seen[-1] == (3, 3)
    assert {path.name for path in (tmp_path / PERIOD).iterdir()} == {US}
    found = pages(tmp_path)
    index = found.pop("index.html")
    assert index.links() == [file_name(each) for each in ("S1", "S2", "S3")]
    assert set(index.links()) == set(found)
    assert "3 statements, 246.60 USD in all, all drafts." in index.text
    page = found[file_name("S2")]
    for each in ("Bo & Söhne", "DRAFT", "124.80 USD", "20 / 345", "October 2026", "amazon.com", "illustrative"):
        assert each in page.text
    assert "contact-order" not in page.text
    assert "example.org" not in page.text


def test_a_page_needs_nothing_from_elsewhere(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    write_statements(books.con, [(PERIOD, US)], tmp_path)
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
    write_statements(books.con, [(PERIOD, US)], tmp_path)
    found = pages(tmp_path)
    page = found[file_name("S1")]
    assert "FINAL" in page.text
    assert "raft" not in page.text.replace("DRAFT", "raft")


def test_hostile_ids_and_names(books, tmp_path):
    books.usual_terms()
    for each in HOSTILE:
        books.usual_seller(each, name=f"{each}\x00<b>\u2029")
    assert write_statements(books.con, [(PERIOD, US)], tmp_path) == len(HOSTILE)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.parent for path in files} == {tmp_path / PERIOD / US}
    names = {path.name.lower() for path in files}
    assert len(names) == len(HOSTILE) + 1
    assert all(re.fullmatch(r"index\.html|[a-z0-9-]{1,40}-[0-9a-f]{12}\.html", name) for name in names)
    found = pages(tmp_path)
    index = found["index.html"]
    assert set(index.links()) == set(found) - {"index.html"}
    for each in HOSTILE:
        page = found[file_name(each)]
        assert not {tag for tag, _ in page.tags} & {"script", "b"}
        assert not any("onmouseover" in attributes for _, attributes in page.tags)
        legible = each.replace("\t", "\ufffd").replace("\n", "\ufffd")
        assert f"{legible}\ufffd<b>\ufffd" in page.words
        assert f"{legible}\ufffd<b>\ufffd" in index.words
        raw = (tmp_path / PERIOD / US / file_name(each)).read_text(encoding="utf-8")
        assert "\x00" not in raw
        assert "\u2029" not in raw
    # whatever could turn the direction of the text stands in a <bdi>
    turned = (tmp_path / PERIOD / US / file_name("\u202egnissap\u202c")).read_text(encoding="utf-8")
    assert "\u202e" in turned
    assert "\u202e" not in re.sub(r"<bdi[^>]*>[^<]*</bdi>", "", turned)


def test_names_of_files_and_folders():
    assert file_name("A1-Shop") == f"a1-shop-{hashlib.sha256(b'A1-Shop').hexdigest()[:12]}.html"
    assert file_name("Ab") != file_name("aB")
    assert file_name("🙂").startswith("seller-")
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
    assert write_statements(books.con, [(PERIOD, "../up")], tmp_path / "out") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    (folder,) = (tmp_path / "out" / PERIOD).iterdir()
    assert re.fullmatch(r"up-[0-9a-f]{12}", folder.name)


@pytest.mark.parametrize("period", ["2026-13", "../2026", "2026-1", "2026-10\n", ""])
def test_a_period_that_is_none_is_refused(books, tmp_path, period):
    with pytest.raises(ValueError, match="is no billing period"):
        write_statements(books.con, [(period, US)], tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_statements_there_is_no_folder(books, tmp_path):
    books.usual_terms()
    books.usual_seller("S1")
    write_statements(books.con, [(PERIOD, US)], tmp_path)
    books.con.execute("delete from billing.statements")
    assert write_statements(books.con, [(PERIOD, US)], tmp_path) == 0
    assert list((tmp_path / PERIOD).iterdir()) == []


def test_a_set_is_replaced_whole(books, tmp_path):
    books.usual_terms()
    books.usual_seller("S1")
    books.usual_seller("S2")
    write_statements(books.con, [(PERIOD, US)], tmp_path)
    books.con.execute("delete from billing.statements where seller_id = 'S1'")
    assert write_statements(books.con, [(PERIOD, US)], tmp_path) == 1
    assert set(pages(tmp_path)) == {"index.html", file_name("S2")}


def test_the_same_rows_make_the_same_bytes(books, tmp_path):
    books.usual_terms()
    for each in HOSTILE:
        books.usual_seller(each)
    for folder in ("a", "b"):
        write_statements(books.con, [(PERIOD, US)], tmp_path / folder)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.html")]
    assert all((tmp_path / "a" / each).read_bytes() == (tmp_path / "b" / each).read_bytes() for each in files)


def test_a_failure_midway_leaves_the_old_set(books, tmp_path):
    books.usual_terms()
    for number in range(20):
        books.usual_seller(f"S{number:02}")
    write_statements(books.con, [(PERIOD, US)], tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    books.con.execute("update core.sellers set name = 'changed'")
    books.con.execute("update billing.fee_lines set amount = amount + 1 where seller_id = 'S15' and kind = 'charge'")
    with pytest.raises(StatementError, match=r"its lines come to 125\.8"):
        write_statements(books.con, [(PERIOD, US)], tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("killed", ["while writing", "between the two renames"])
def test_what_a_killed_process_left_behind_is_cleared(books, tmp_path, killed):
    books.usual_terms()
    books.usual_seller()
    write_statements(books.con, [(PERIOD, US)], tmp_path)
    target = tmp_path / PERIOD / US
    fresh, old = target.with_name(f".{US}.new"), target.with_name(f".{US}.old")
    fresh.mkdir()
    (fresh / "half.html").write_text("half")
    if killed == "between the two renames":
        target.rename(old)
        # the next run fails too: the old set is back all the same
        books.con.execute("update billing.statements set total = total + 1")
        with pytest.raises(StatementError):
            write_statements(books.con, [(PERIOD, US)], tmp_path)
        assert set(pages(tmp_path)) == {"index.html", file_name("S1")}
        books.con.execute("update billing.statements set total = total - 1")
    write_statements(books.con, [(PERIOD, US)], tmp_path)
    assert {path.name for path in target.parent.iterdir()} == {US}
    assert set(pages(tmp_path)) == {"index.html", file_name("S1")}


def test_several_marketplaces(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    books.terms("JP-1", (None, "38"), marketplace=JP)
    books.statement("S1", marketplace=JP, currency="JPY", adjustments="1520")
    assert write_statements(books.con, [(PERIOD, US), (PERIOD, JP), (PERIOD, US)], tmp_path) == 2
    page = Page((tmp_path / PERIOD / JP / file_name("S1")).read_text(encoding="utf-8"))
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
    assert write_statements(books.con, [(PERIOD, US)], tmp_path) == number // 2
    for each in (0, 2, 998, 2498):
        page = Page((tmp_path / PERIOD / US / file_name(f"S{each}")).read_text(encoding="utf-8"))
        assert f"{2 * (each + 1):,}" in page.words
    assert len(list((tmp_path / PERIOD / US).iterdir())) == number // 2 + 1


def test_rows_not_yet_committed_are_not_seen(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    books.con.execute("begin")
    books.con.execute("delete from billing.statements")
    assert write_statements(books.con, [(PERIOD, US)], tmp_path) == 1
    books.con.execute("rollback")


def test_a_read_only_warehouse_will_do(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    path = tmp_path / "warehouse.duckdb"
    books.con.execute(f"attach '{path}' as kept")
    books.con.execute("copy from database memory to kept")
    books.con.execute("detach kept")
    with duckdb.connect(str(path), read_only=True) as con:
        assert write_statements(con, [(PERIOD, US)], tmp_path / "out") == 1


def test_what_a_killed_close_left_beside_final_pages_goes(books, tmp_path):
    books.usual_terms()
    books.usual_seller()
    page = "<p>final</p>"
    sha256 = hashlib.sha256(page.encode()).hexdigest()
    books.insert("billing.kept_pages", PERIOD, US, "s.html", "N", "{}", "t", page, sha256)
    write_statements(books.con, [(PERIOD, US)], tmp_path)
    left = tmp_path / PERIOD / f".{US}.old"
    left.mkdir()
    (left / "s.html").write_text("a draft")
    write_statements(books.con, [(PERIOD, US)], tmp_path)
    assert {path.name for path in (tmp_path / PERIOD).iterdir()} == {US}
    assert (tmp_path / PERIOD / US / "s.html").read_text() == page
