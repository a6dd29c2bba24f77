"""`python bench/pdf.py`: what the parts of a PDF cost, each against its other way, in turns on the same page.

    python bench/pdf.py [--pages 100] [--rounds 5]

Prints the median of each in milliseconds, and the ratio: the engine for archives against the usual one; files put in by
`reports/attaching.py` against the library pikepdf; a font made by HarfBuzz against fontTools. Needs the development
group and the extra `archive`, as `make` sets them up.
"""

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path

import pikepdf
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

from reports import fonts, pdf
from reports.attaching import Attachment, with_attachments

ROWS = "".join(f"<tr><th>Line {number}</th><td>{number * 37}</td><td>0.40</td></tr>" for number in range(60))
STYLE = (Path(pdf.__file__).parent / "page.css").read_text(encoding="utf-8")
DOCUMENT = pdf.Document(
    html=f"<!doctype html><html lang='en'><style>{STYLE}</style><main><h1>Page</h1><table>{ROWS}</table></main>",
    language="en",
    title="Page",
    foot="a foot",
    dated=datetime(2026, 11, 1, tzinfo=UTC),
    attachments=(
        Attachment("data.json", "application/json", b'{"total": "1.50"}' * 200),
        Attachment("lines.csv", "text/csv", b"shipment,order,1,chargeable\r\n" * 100),
    ),
)


def seconds(work: Callable[[], object], times: int) -> float:
    """What one piece of work takes, over several."""
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


def with_pikepdf(content: bytes) -> bytes:
    """The same files put in by the library."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(content)) as found:
        for each in DOCUMENT.attachments:
            found.attachments[each.name] = pikepdf.AttachedFileSpec(
                found, each.content, filename=each.name, mime_type=each.media_type
            )
        found.save(out, deterministic_id=True)
    return out.getvalue()


def with_fonttools(source: str, weight: int) -> None:
    """The same font made by the library in Python."""
    with as_file(files(fonts.PACKAGE) / source) as path, TTFont(path) as font:
        instancer.instantiateVariableFont(font, {"wght": weight}).save(io.BytesIO())


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--pages", type=int, default=100)
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        usual, archive = (pdf.engine(name, Path(place)) for name in ("plutoprint", "weasyprint-a"))
        assert usual is not None  # neither is `none`
        assert archive is not None
        bare = usual.pdf(replace(DOCUMENT, attachments=()))[0]
        # a file that was already updated is no file of the engine: what it wrote ends at the first end of file
        bare = bare[: bare.index(b"%%EOF") + len(b"%%EOF\n")]
        about = {"title": "Page", "producer": "x", "language": "en", "dated": DOCUMENT.dated}
        family, source = next(iter(fonts.SOURCES.items()))
        pairs: dict[str, tuple[Callable[[], object], Callable[[], object], int, int]] = {
            "a page, WeasyPrint / PlutoPrint": (
                *(lambda: archive.pdf(DOCUMENT), lambda: usual.pdf(DOCUMENT)),
                *(max(given.pages // 20, 1), given.pages),
            ),
            "files put in, pikepdf / update": (
                *(lambda: with_pikepdf(bare), lambda: with_attachments(bare, DOCUMENT.attachments, **about)),
                *(given.pages, given.pages),
            ),
            "a font, fontTools / HarfBuzz": (
                *(lambda: with_fonttools(source, 400), lambda: fonts.instance(family, source, 400)),
                *(1, 3),
            ),
        }
        for what, (one, other, ones, others) in pairs.items():
            rounds = given.rounds if ones > 1 else 1
            found = [(seconds(one, ones), seconds(other, others)) for _ in range(rounds)]
            first, second = (1000 * statistics.median(column) for column in zip(*found, strict=True))
            ratios = [left / right for left, right in found]
            spread = f" ({min(ratios):.1f} to {max(ratios):.1f})" if rounds > 1 else ""
            print(f"{what}: {first:,.2f} / {second:,.2f} ms, ratio {statistics.median(ratios):.1f}{spread}")


if __name__ == "__main__":
    main()
