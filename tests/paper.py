"""A page and a PDF as a reader sees them: their text, their tables, and the numbers in them."""

import re
from decimal import Decimal
from html.parser import HTMLParser

import pypdfium2

VOID = {"meta", "link", "br", "img", "input", "hr"}
SPACES = re.compile(r"[\s\N{NO-BREAK SPACE}\N{ZERO WIDTH NO-BREAK SPACE}]")
BULLETS = re.compile("[•·]")


class Page(HTMLParser):
    """A page, parsed; its tags must nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        """Tag and class of each open element."""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.printed: list[str] = []
        """What of it is seen on paper."""
        self.tables: list[list[list[str]]] = []
        """Rows of cells."""
        self.classes: list[str] = []
        """Of each table."""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        kind = dict(attrs).get("class") or ""
        if tag == "table":
            self.tables.append([])
            self.classes.append(kind)
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"td", "th"}:
            self.tables[-1][-1].append("")
        if tag not in VOID:
            self.open.append((tag, kind))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tags = {tag for tag, _ in self.open}
        if "style" in tags:
            return
        self.words.append(data)
        if tags & {"td", "th"}:
            self.tables[-1][-1][-1] += data
        if not tags & {"title", "desc"} and not any("on-screen" in kind for _, kind in self.open):
            self.printed.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words).replace("\N{NO-BREAK SPACE}", " ")

    @property
    def on_paper(self) -> str:
        """Its text without spaces and bullets, as far as it is printed."""
        return bare("".join(self.printed))

    def links(self) -> list[str]:
        return [attributes["href"] or "" for tag, attributes in self.tags if tag == "a"]


def bare(text: str) -> str:
    return BULLETS.sub("", SPACES.sub("", text))


def text_of(content: bytes, foot: str | None = None) -> str:
    """The text of a PDF without spaces and bullets; without the foot of its pages, which must be there, if given."""
    document, whole = pypdfium2.PdfDocument(content), ""
    for number in range(len(document)):
        text = document[number].get_textpage().get_text_range()
        text = bare(text.replace("\ufffe", "-"))  # how a hyphen at the end of a line is told
        ending = "" if foot is None else bare(foot) + f"{number + 1}/{len(document)}"
        assert text.endswith(ending), text[-100:]
        whole += text.removesuffix(ending)
    return whole


def number_in(text: str, language: str) -> Decimal:
    """A figure of a page as a number, by the signs of its language."""
    comma_is_decimal = language in {"de", "it"}
    plain = SPACES.sub("", text).replace("−", "-").replace("." if comma_is_decimal else ",", "")
    return Decimal(plain.replace(",", "."))
