"""A page made into a PDF, by one of two engines behind one door.

`plutoprint` is the default: fast, small files. `weasyprint-a` and `weasyprint-ua` (with the extra `archive`) make
tagged files that meet PDF/A-3a or PDF/UA-1, for archives. None fetches anything: a page that asks for it is refused.
The same page, fonts and versions give the same bytes.
"""

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn

from reports import fonts
from reports.attaching import Attachment, UnexpectedPdfError, with_attachments

ENGINES = ("plutoprint", "weasyprint-a", "weasyprint-ua", "none")

MARGINS = (16, 16, 18, 16)
"""Millimetres: top, right, bottom, left; of every page."""


class PdfError(Exception):
    """A page that cannot be made into a PDF, or an engine that is not there."""


@dataclass(frozen=True)
class Document:
    """What becomes a PDF."""

    html: str
    language: str
    """BCP 47; it chooses the fonts."""
    title: str
    foot: str
    """At the foot of every page, on the left; the number of the page is on the right."""
    dated: datetime
    """The date in the file: of the data, never of the making. UTC."""
    attachments: Sequence[Attachment] = ()

    @cached_property
    def in_fonts(self) -> tuple[str, int]:
        """The page in characters that the fonts have, and how many others it held."""
        return fonts.in_these_fonts(self.html)


class Engine(ABC):
    """Makes PDFs, in two steps."""

    label: str
    """What the bytes depend on: engine, version, fonts."""

    @abstractmethod
    def lay_out(self, document: Document) -> bytes:
        """The pages. Raises `PdfError`."""

    @abstractmethod
    def complete(self, laid_out: bytes, document: Document) -> bytes:
        """The file, from its pages: with attachments, title and date. Raises `PdfError`."""

    def pdf(self, document: Document) -> tuple[bytes, int]:
        """The file, and how many characters of the document no font has. Raises `PdfError`."""
        return self.complete(self.lay_out(document), document), document.in_fonts[1]


def engine(name: str, font_cache: Path) -> Engine | None:
    """An engine of `ENGINES`, ready in this process; `none` makes no PDFs. Raises `PdfError` where it is not there."""
    if name == "none":
        return None
    if name not in ENGINES:
        raise PdfError(f"there is no PDF engine {name!r}; there are {', '.join(ENGINES)}")
    try:
        folder = fonts.configure(font_cache)
        return PlutoPrint(folder) if name == "plutoprint" else WeasyPrint(folder, _VARIANTS[name])
    except (ImportError, PackageNotFoundError, OSError) as error:
        raise PdfError(f"the PDF engine {name} cannot be used: {error}{_HELP if name in _VARIANTS else ''}") from error


def label(name: str) -> str:
    """What the bytes of an engine's files depend on, without starting it; `none` where it makes none."""
    if name == "none":
        return name
    if name not in ENGINES:
        raise PdfError(f"there is no PDF engine {name!r}; there are {', '.join(ENGINES)}")
    packages = ("plutoprint",) if name == "plutoprint" else ("weasyprint", "pydyf")
    try:
        made_by = ", ".join(f"{package} {version(package)}" for package in packages)
    except PackageNotFoundError as error:
        raise PdfError(f"the PDF engine {name} is not installed{_HELP if name in _VARIANTS else ''}") from error
    return f"{name}: {made_by}, {fonts.release()}"


_VARIANTS: Mapping[str, str] = {"weasyprint-a": "pdf/a-3a", "weasyprint-ua": "pdf/ua-1"}
_HELP = "; it is the extra “archive” (pip install -e '.[archive]'), and needs Pango of the system's packages"


def style(document: Document) -> str:
    """What is of paper alone: fonts, margins, the foot. An engine puts it above the style of the page."""
    names = ", ".join(f'"{family}"' for family in fonts.families(document.language))
    foot = document.foot.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    margins = " ".join(f"{each}mm" for each in MARGINS)
    box = f"font-family: {names}; font-size: 8pt; color: #454b52"
    return f"""
        @page {{
            size: A4; margin: {margins}; font-family: {names};
            @bottom-left {{ content: "{foot}"; {box} }}
            @bottom-right {{ content: counter(page) " / " counter(pages); {box} }}
        }}
        html, body, svg, code {{ font-family: {names} !important; font-variant-ligatures: none !important;
            font-variant-numeric: normal !important }}"""


class PlutoPrint(Engine):
    """Renders with PlutoBook; files are put in by `attaching`."""

    def __init__(self, font_folder: Path) -> None:
        import plutoprint

        class Refusing(plutoprint.ResourceFetcher):
            """Fetches nothing, and keeps what was asked for: the engine swallows the refusal."""

            def __init__(self) -> None:
                super().__init__()
                self.asked: list[str] = []

            def fetch_url(self, url: str) -> plutoprint.ResourceData:
                self.asked.append(url)
                raise PdfError(f"refused: {url[:80]}")

        plutoprint.plutobook_set_fontconfig_path(font_folder)
        self._engine, self._fetcher = plutoprint, Refusing
        self._producer = f"PlutoPrint {plutoprint.__version__}"
        self.label = label("plutoprint")

    def lay_out(self, document: Document) -> bytes:
        """The pages. Raises `PdfError`."""
        html, _ = document.in_fonts
        engine, fetcher = self._engine, self._fetcher()
        top, right, bottom, left = (each * engine.UNITS_MM for each in MARGINS)
        book = engine.Book(engine.PAGE_SIZE_A4, engine.PageMargins(top, right, bottom, left))
        book.custom_resource_fetcher = fetcher
        stream = io.BytesIO()
        try:
            book.load_html(html, user_style=style(document), base_url="file:///")
            dated = f"{document.dated:%Y-%m-%dT%H:%M:%SZ}"  # set after loading, which would put in the clock
            book.set_metadata(engine.PDF_METADATA_CREATION_DATE, dated)
            book.set_metadata(engine.PDF_METADATA_MODIFICATION_DATE, dated)
            book.write_to_pdf_stream(stream)
        except engine.Error as error:
            raise PdfError(f"it cannot be laid out: {error}") from error
        if fetcher.asked:
            raise PdfError(f"it asks for {fetcher.asked[0][:80]!r}, and nothing may be fetched")
        return stream.getvalue()

    def complete(self, laid_out: bytes, document: Document) -> bytes:
        """The file, from its pages: with attachments, title and date. Raises `PdfError`."""
        try:
            return with_attachments(
                laid_out,
                document.attachments,
                title=document.title,
                producer=self._producer,
                language=document.language,
                dated=document.dated,
            )
        except UnexpectedPdfError as error:
            raise PdfError(f"the engine made a PDF of another build: {error}") from error


class WeasyPrint(Engine):
    """Renders tagged files of a standard for archives; some fifty times as slow (`bench/pdf.py`)."""

    def __init__(self, font_folder: Path, variant: str) -> None:
        os.environ["FONTCONFIG_FILE"] = str(font_folder / "fonts.conf")
        import weasyprint
        from weasyprint.urls import FatalURLFetchingError, URLFetcher

        class Refusing(URLFetcher):
            """Fetches nothing, and keeps what was asked for: within SVG the engine swallows the refusal."""

            asked: str | None = None

            def fetch(self, url: str, headers: object = None) -> NoReturn:  # noqa: ARG002 - the engine's signature
                self.asked = self.asked or url
                raise FatalURLFetchingError(url)

        self._engine, self._fetcher, self._refused = weasyprint, Refusing, FatalURLFetchingError
        self._variant = variant
        self.label = label(next(name for name in _VARIANTS if _VARIANTS[name] == variant))

    def lay_out(self, document: Document) -> bytes:
        """The whole file, as the standards ask for it. Raises `PdfError`."""
        html, _ = document.in_fonts
        engine, fetcher = self._engine, self._fetcher()
        content = b""
        try:
            content = engine.HTML(string=html, url_fetcher=fetcher, base_url="file:///").write_pdf(
                stylesheets=[engine.CSS(string=style(document), url_fetcher=fetcher)],
                attachments=[
                    engine.Attachment(
                        string=each.content,
                        name=each.name,
                        created=document.dated,
                        modified=document.dated,
                        relationship="Data",
                        url_fetcher=fetcher,
                    )
                    for each in document.attachments
                ],
                pdf_variant=self._variant,
                pdf_tags=True,
            )
        except self._refused as error:
            fetcher.asked = fetcher.asked or str(error)
        if fetcher.asked:
            raise PdfError(f"it asks for {fetcher.asked[:80]!r}, and nothing may be fetched")
        return content

    def complete(self, laid_out: bytes, document: Document) -> bytes:  # noqa: ARG002 - an engine's signature
        """The same: nothing is missing."""
        return laid_out
