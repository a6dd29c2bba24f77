"""The fonts of PDF pages: static instances of the packaged variable fonts, and which characters they have.

Pages in a browser use the fonts of the reader's system; a PDF carries its own, so that it looks the same everywhere and
its bytes depend on no machine. Instances are made once into a cache folder, by HarfBuzz, and named in a configuration
that knows no other font.
"""

import fcntl
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

hb: Any = import_module("uharfbuzz")
"""HarfBuzz; compiled, without types."""

PACKAGE = "justmytype_intl_cjk"
SOURCES: Mapping[str, str] = {
    "Noto Sans JP": "fonts/ofl/notosansjp/NotoSansJP[wght].ttf",
    "Noto Sans SC": "fonts/ofl/notosanssc/NotoSansSC[wght].ttf",
    "Noto Sans KR": "fonts/ofl/notosanskr/NotoSansKR[wght].ttf",
}
"""Family → its variable font in the package: Latin, Greek and Cyrillic letters and the signs of East Asia."""

LETTERS = "Noto Sans JP Letters"
"""The family of what of the first lies below the signs of East Asia: a small font is read faster."""

FIRST_SIGN = 0x2E80

WEIGHTS = {400: "Regular", 700: "Bold"}

DROPPED = ("GSUB", "STAT", "vhea", "vmtx")
"""Substitutions would put glyphs without a character into the PDF, so that its figures could be neither searched nor
copied; the others are for upright text and for choosing an instance."""

MISSING = "\N{GETA MARK}"
"""Stands for a character that no font has, as Japanese printers do for a missing sort."""

CONFIGURATION = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig><dir>{folder}</dir><cachedir>{folder}/cache</cachedir></fontconfig>
"""


def families(language: str) -> Sequence[str]:
    """The families for a language, the first first: Chinese and Japanese write many characters differently."""
    first = {"zh-Hans": ["Noto Sans SC"], "ja": ["Noto Sans JP"]}.get(language, [LETTERS])
    return [*first, *(family for family in SOURCES if family not in first)]


def release() -> str:
    """What the bytes of a PDF's fonts depend on."""
    return ", ".join(f"{name} {version(name)}" for name in (PACKAGE.replace("_", "-"), "uharfbuzz", "fonttools"))


def configure(folder: Path) -> Path:
    """Make the instances where they are missing, and return the folder with their `fonts.conf`.

    Of two processes that would do so at once the second waits; each file is written beside and renamed.
    """
    place = folder / hashlib.sha256(release().encode()).hexdigest()[:12]
    (place / "cache").mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for family, source in {**SOURCES, LETTERS: SOURCES["Noto Sans JP"]}.items():
            for weight in WEIGHTS:
                path = place / f"{family.replace(' ', '')}-{weight}.ttf"
                if not path.exists():
                    _write(path, instance(family, source, weight))
    configuration, text = place / "fonts.conf", CONFIGURATION.format(folder=escape(str(place))).encode()
    if not configuration.exists() or configuration.read_bytes() != text:  # a home may have been moved
        _write(configuration, text)
    return place


def instance(family: str, source: str, weight: int) -> bytes:
    """A static font of a variable one in the package, under the name of a family."""
    with as_file(files(PACKAGE) / source) as path:
        face = hb.Face(hb.Blob.from_file_path(str(path)))
    wanted = hb.SubsetInput()
    if family == LETTERS:
        wanted.unicode_set.update(point for point in face.unicodes if point < FIRST_SIGN)
    else:
        wanted.keep_everything()
    wanted.drop_table_tag_set.update(int.from_bytes(tag.encode(), "big") for tag in DROPPED)
    wanted.pin_axis_location(face, "wght", weight)
    return _named(hb.subset(face, wanted).blob.data, family, weight)


def _named(content: bytes, family: str, weight: int) -> bytes:
    """The same font under the name by which pages choose it."""
    from fontTools.ttLib import TTFont  # a process that finds the fonts made starts without it

    style, out = WEIGHTS[weight], io.BytesIO()
    with TTFont(io.BytesIO(content), lazy=True, recalcTimestamp=False) as font:
        names = font["name"]
        names.names = []
        plain = family.replace(" ", "")
        called = (family, style, plain + style, f"{family} {style}", f"{plain}-{style}")
        for number, text in zip((1, 2, 3, 4, 6), called, strict=True):
            names.setName(text, number, 3, 1, 0x409)
        font.save(out, reorderTables=None)
    return out.getvalue()


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(path)


@cache
def covered() -> frozenset[str]:
    """Every character that one of the fonts has."""
    found: set[int] = set()
    for source in SOURCES.values():
        with as_file(files(PACKAGE) / source) as path:
            found.update(hb.Face(hb.Blob.from_file_path(str(path))).unicodes)
    return frozenset(map(chr, found)) | {"\n", "\t", "\N{NO-BREAK SPACE}"}


@cache
def _covered_ascii() -> bytes:
    """Most of a page: what is left without it is looked at letter by letter."""
    return bytes(point for point in range(128) if chr(point) in covered())


def in_these_fonts(text: str) -> tuple[str, int]:
    """The text with every character replaced that no font has, and how many there were.

    Without this a PDF would show nothing, or an empty box, and nobody would be told.
    """
    rest = text.encode("utf-8", "surrogatepass").translate(None, _covered_ascii())
    missing = set(rest.decode("utf-8", "surrogatepass")) - covered()
    if not missing:
        return text, 0
    number = sum(text.count(each) for each in missing)
    return text.translate({ord(each): MISSING for each in missing}), number
