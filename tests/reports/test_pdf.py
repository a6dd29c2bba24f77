"""PDFs: text that can be searched, files inside, nothing fetched, the same bytes anywhere; by either engine."""

import io
import re
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from importlib.metadata import requires
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
from house import FONTS

from reports import fonts, pdf
from reports.attaching import Attachment, UnexpectedPdfError, with_attachments

pytestmark = pytest.mark.filterwarnings("ignore:.*sRGB2014.icc:pytest.PytestUnraisableExceptionWarning")
"""WeasyPrint leaves the file of its colour profile open."""

DOCUMENT = pdf.Document(
    html="<!doctype html><html lang='de'><title>x</title><p>Summe: 1.234,50 EUR − fünf <b>678</b></p>",
    language="de",
    title="Abrechnung „Oktober“",
    foot='ENTWURF "1" \\ 2',
    dated=datetime(2026, 11, 1, 7),
    attachments=(
        Attachment("data.json", "application/json", b'{"total": "1.50"}'),
        Attachment("lines.csv", "text/csv", b"a,b\r\n" * 5000),
    ),
)


@pytest.fixture(scope="module", params=["plutoprint", "weasyprint-a", "weasyprint-ua"])
def engine(request: pytest.FixtureRequest) -> pdf.Engine:
    try:
        found = pdf.engine(request.param, FONTS)
    except pdf.PdfError as error:
        if request.param == "plutoprint":
            raise
        pytest.skip(str(error))
    assert found is not None
    return found


def text_of(content: bytes) -> str:
    document = pypdfium2.PdfDocument(content)
    pages = [document[number].get_textpage().get_text_range() for number in range(len(document))]
    return " ".join(" ".join(pages).split())


def test_its_text_is_what_the_page_says(engine: pdf.Engine) -> None:
    content, missing = engine.pdf(DOCUMENT)
    text = text_of(content)
    assert "Summe: 1.234,50 EUR − fünf 678" in text
    assert 'ENTWURF "1" \\ 2' in text
    assert "1 / 1" in text
    assert missing == 0


def test_it_carries_title_language_date_and_files(engine: pdf.Engine) -> None:
    with pikepdf.open(io.BytesIO(engine.pdf(DOCUMENT)[0])) as found:
        assert found.check_pdf_syntax() == []
        assert str(found.Root.Lang) == "de"
        found_files = {name: found.attachments[name].get_file().read_bytes() for name in found.attachments}
        assert found_files == {each.name: each.content for each in DOCUMENT.attachments}
        if isinstance(engine, pdf.PlutoPrint):
            assert str(found.docinfo["/Title"]) == DOCUMENT.title
            assert str(found.docinfo["/CreationDate"]).startswith("D:20261101070000")
            assert str(found.docinfo["/ModDate"]).startswith("D:20261101070000")


@pytest.mark.parametrize(("name", "standard"), [("weasyprint-a", "pdfaid"), ("weasyprint-ua", "pdfuaid")])
def test_what_an_archive_gets_is_tagged_and_says_its_standard(name: str, standard: str) -> None:
    try:
        engine = pdf.engine(name, FONTS)
    except pdf.PdfError as error:
        pytest.skip(str(error))
    assert engine is not None
    with pikepdf.open(io.BytesIO(engine.pdf(DOCUMENT)[0])) as found:
        assert found.Root.MarkInfo.Marked
        assert "/StructTreeRoot" in found.Root
        assert f"{standard}:part" in found.Root.Metadata.read_bytes().decode()


@pytest.mark.parametrize(
    "asking",
    [
        "<img src='http://127.0.0.1:9/x.png'>",
        "<img src='file:///etc/hostname'>",
        "<img src='relative.png'>",
        "<link rel=stylesheet href='http://127.0.0.1:9/x.css'>",
        "<style>@import url(file:///etc/passwd);</style>",
        "<p style='background: url(http://127.0.0.1:9/x.png)'>x</p>",
        "<svg><image href='file:///etc/hostname' width='9' height='9'/></svg>",
    ],
)
def test_a_page_that_asks_for_anything_is_refused(engine: pdf.Engine, asking: str) -> None:
    with pytest.raises(pdf.PdfError, match=r"asks for|refused"):
        engine.pdf(replace(DOCUMENT, html=f"<!doctype html><html>{asking}<p>text</p>"))
    engine.pdf(DOCUMENT)  # and the next one is made


def test_characters_that_no_font_has_are_marked_and_counted(engine: pdf.Engine) -> None:
    name = "日本 한국 中国 Ελλάδα Привет 🙂🙂 ไทย"
    content, missing = engine.pdf(replace(DOCUMENT, html=f"<!doctype html><p>{name}</p>"))
    text = text_of(content)
    assert "日本 한국 中国" in text
    assert "Привет" in text
    assert missing == len("ά🙂🙂ไทย")
    assert text.count(fonts.MISSING) == missing


def test_the_same_bytes_in_another_process_and_font_cache(engine: pdf.Engine, tmp_path: Path) -> None:
    name = engine.label.split(":")[0]
    code = (
        "import sys; from pathlib import Path; from reports import pdf; sys.path.insert(0, sys.argv[1]);"
        "from test_pdf import DOCUMENT;"
        f"print(__import__('hashlib').sha256(pdf.engine('{name}', Path(sys.argv[2])).pdf(DOCUMENT)[0]).hexdigest())"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path / "fonts")]
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "TZ": "Asia/Tokyo", "LANG": "C"}
    found = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert found.stdout.strip() == __import__("hashlib").sha256(engine.pdf(DOCUMENT)[0]).hexdigest()


def test_an_engine_that_is_none() -> None:
    assert pdf.engine("none", FONTS) is None
    for function in (lambda: pdf.engine("latex", FONTS), lambda: pdf.label("latex")):
        with pytest.raises(pdf.PdfError, match="latex"):
            function()


def test_a_pdf_of_another_build_gets_no_files() -> None:
    whole = io.BytesIO()
    with pikepdf.new() as other:
        other.add_blank_page()
        other.save(whole)
    for content in (whole.getvalue(), b"%PDF-1.7 cut short", b""):
        with pytest.raises(UnexpectedPdfError):
            with_attachments(content, (), title="", producer="", language="de", dated=DOCUMENT.dated)


def test_a_moved_cache_of_fonts_is_found(tmp_path: Path) -> None:
    first, second = tmp_path / "a & b", tmp_path / "moved"
    fonts.configure(first)
    first.rename(second)
    code = (
        "import sys; from pathlib import Path; from reports import pdf; sys.path.insert(0, sys.argv[1]);"
        "from test_pdf import DOCUMENT;"
        "sys.stdout.buffer.write(pdf.engine('plutoprint', Path(sys.argv[2])).pdf(DOCUMENT)[0])"
    )
    for place in (second, tmp_path / "c & d"):
        command = [sys.executable, "-c", code, str(Path(__file__).parent), str(place)]
        environment = {"PYTHONPATH": str(Path(__file__).parents[1])}
        found = subprocess.run(command, capture_output=True, env=environment, check=True).stdout
        assert found == pdf.engine("plutoprint", FONTS).pdf(DOCUMENT)[0]


def test_what_an_engine_needs_is_installed_with_the_program() -> None:
    needs = {re.split(r"[<>=;\\[ ]", each)[0] for each in requires("csba-billing") or () if "extra ==" not in each}
    named = {part.split()[0] for part in pdf.label("plutoprint").partition(": ")[2].split(", ")}
    assert named <= needs
