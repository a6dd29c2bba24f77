"""Statements in a real browser: nothing runs, nothing is fetched, nothing overflows, and everybody can read them."""

import io
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pikepdf
import pytest
from browsing import DESKTOP, PHONE, TABLET, Visit, assert_readable_with_help, overflow
from house import PRESS, SHARED_DATA
from playwright.sync_api import Browser

from reports.language import LANGUAGES
from reports.statement import write_statements

PERIOD, US = "2026-10", "ATVPDKIKX0DER"

NASTY = [
    "<script>document.title='run'</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</style><script>alert(1)</script>",
    "<svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    '=HYPERLINK("http://127.0.0.1:9/")',
    "W" * 300,
    "مرحبا \u202egnissap\u202c",
    "Z̸̡͎̖̳͉a̧lg̨o͢ ͜t͟e̢x̸t҉",
    "🙂👩‍👩‍👧‍👦" * 20,
    "../../../etc/passwd",
]


@pytest.fixture
def folder(books, tmp_path: Path) -> Path:
    """A statement with every section in each language, and their index."""
    books.usual_terms()
    for number, tag in enumerate(LANGUAGES):
        seller = f"S{number}"
        books.usual_seller(seller, name=f"Süderbrück & Söhne {number}")
        books.con.execute("update core.sellers set language = ? where seller_id = ?", [tag, seller])
        for period, units, contacts in (("2026-07", 900, 81), ("2026-08", 410, 20), ("2026-09", 333, 51)):
            books.insert("billing.performance", period, US, seller, units, contacts, None, None, None, 0, 0, 0, 0)
        adjusted = ("2026-08", US, seller, "US-1", "charge")
        for entry, units, amount in (("reversal", 410, "-82"), ("correction", 412, "82.40")):
            books.insert(
                "billing.adjustments", PERIOD, *adjusted, entry, units, 1, "0.20", "0", None, amount, "USD",
                "late_shipment, corrected_contact", None, None,
            )  # fmt: skip
        books.insert(
            "billing.adjustments", PERIOD, "2026-08", US, seller, None, "credit", "correction", 0, None, None, None,
            None, "-5", "USD", None, "C1", "goodwill",
        )  # fmt: skip
        books.con.execute(
            "update billing.statements set adjustments = -4.6, total = charges - 4.6 where seller_id = ?", [seller]
        )
    assert not write_statements(books.con, [(PERIOD, US)], tmp_path, PRESS).broken
    return tmp_path / PERIOD / US


def test_every_page_at_every_width_in_light_dark_and_print(folder: Path, visit: Visit) -> None:
    paths = sorted(folder.glob("*.html"))
    assert len(paths) == len(LANGUAGES) + 1
    for path in paths:
        page = visit(path)
        for width in (PHONE, TABLET, DESKTOP):
            page.set_viewport_size({"width": width, "height": 800})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert overflow(page) == 0, (path.name, width)
        page.emulate_media(media="print")
        assert overflow(page) == 0, path.name


def test_whoever_reads_with_help_can_read_every_page(folder: Path, visit: Visit) -> None:
    for path in sorted(folder.glob("*.html")):
        assert_readable_with_help(visit(path))


def test_it_is_written_in_the_language_it_says(folder: Path, visit: Visit) -> None:
    languages = [visit(path).evaluate("document.documentElement.lang") for path in sorted(folder.glob("s*.html"))]
    assert languages == list(LANGUAGES)


def nasty() -> Iterator[str]:
    """Strings that have broken programs; those that are at hand as well."""
    yield from NASTY
    hostile = SHARED_DATA / "hostile"
    if hostile.is_dir():
        yield from filter(None, json.loads((hostile / "blns" / "blns.json").read_text(encoding="utf-8")))
        for path in sorted((hostile / "payloads").rglob("*")):
            if path.is_file() and "LICENSE" not in path.name:
                yield from filter(str.strip, path.read_text(encoding="utf-8", errors="replace").splitlines())


def hostile_set(books, folder: Path, texts: list[str]) -> Path:
    """Sellers, items and a credit called like this, as statements."""
    books.usual_terms()
    for number, text in enumerate(texts):
        text = text.encode("utf-8", "replace").decode()  # noqa: PLW2901 - lone surrogates are no text
        seller = f"{number:05} {text}"
        books.seller(seller, text)
        books.enrolled(seller, datetime(2026, 9, 5))
        books.units(seller, "chargeable", 100)
        books.con.execute("update core.units set sku = $1, shipment_id = $1 where seller_id = $2", [text, seller])
        books.contacts(seller, 2, sku=text)
        books.performance(seller, 100, 2)
        books.line(seller, "US-1", 100, 1, "0.20", "20")
        books.statement(seller, adjustments="-1")
        books.con.execute("update billing.adjustments set reason = $1 where seller_id = $2", [text, seller])
    written = write_statements(books.con, [(PERIOD, US)], folder, PRESS)
    assert (written.broken, written.statements) == ([], len(texts))
    return folder / PERIOD / US


def assert_unharmed(place: Path, visit: Visit, folder: Path, number: int) -> None:
    assert {path.parent for path in folder.rglob("*") if path.is_file()} == {place}
    for path in [*sorted(place.glob("0*.html"))[:number], place / "index.html"]:
        page = visit(path, PHONE)
        assert page.title().startswith("Statement"), path.name
        assert page.evaluate("document.scripts.length + document.images.length") == 0
        assert overflow(page) == 0, path.name
        page.context.close()
    for path in sorted(place.glob("0*.pdf"))[:number]:
        with pikepdf.open(io.BytesIO(path.read_bytes())) as found:
            assert not {"/JavaScript", "/OpenAction", "/AA"} & set(found.Root.keys())
            assert not [page for page in found.pages if "/Annots" in page]


def test_hostile_names_items_and_reasons(books, tmp_path: Path, visit: Visit) -> None:
    texts = NASTY + list(nasty())[len(NASTY) :: 160]
    assert_unharmed(hostile_set(books, tmp_path, texts), visit, tmp_path, len(texts))


@pytest.mark.prove
def test_every_hostile_string_at_hand(books, tmp_path: Path, visit: Visit) -> None:
    texts = list(dict.fromkeys(nasty()))
    assert_unharmed(hostile_set(books, tmp_path, texts), visit, tmp_path, len(texts))


def test_the_policy_of_a_page_would_stop_what_got_through(folder: Path, browser: Browser, tmp_path: Path) -> None:
    text = next(folder.glob("s0-*.html")).read_text(encoding="utf-8")
    probe = tmp_path / "probe.html"
    planted = "<script>document.title='run'</script><img src='http://127.0.0.1:9/x.png'><p style='color:red'>x</p>"
    probe.write_text(text.replace("</footer>", f"{planted}</footer>"), encoding="utf-8")
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(probe.as_uri())
    assert page.title() != "run"
    assert len([each for each in said if "Content Security Policy" in each]) == 3
    page.close()
