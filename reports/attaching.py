"""Files put into a finished PDF, with its language, title and dates, by an incremental update (ISO 32000-2, 7.5.6).

What the engine wrote stays as it is; new objects and a cross-reference stream follow it. That takes less than a tenth
of the time of reading the file with a PDF library and writing it anew (`bench/pdf.py`). It knows the files of one
engine, which writes a catalog without entries of its own, and refuses any other.
"""

import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


class UnexpectedPdfError(Exception):
    """A PDF that is not built as the engine builds them."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside the PDF."""

    name: str
    media_type: str
    content: bytes


_CATALOG = re.compile(rb"<< /Type /Catalog\s+/Pages (\d+) 0 R\s*>>\s*$")
_LAST = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*$")


def with_attachments(
    pdf: bytes, attachments: Sequence[Attachment], *, title: str, producer: str, language: str, dated: datetime
) -> bytes:
    """The PDF with files inside, dated in UTC; of the same, the same bytes. Raises `UnexpectedPdfError`."""
    old_xref, size, root, info, pages = _anatomy(pdf)
    date = f"(D:{dated:%Y%m%d%H%M%S}Z)".encode()
    objects: dict[int, bytes] = {}

    def add(content: bytes) -> bytes:
        number = size + len(objects)
        objects[number] = content
        return b"%d 0 R" % number

    names, associated = [], []
    for each in sorted(attachments, key=lambda each: each.name):
        data, subtype = _deflated(each.content), each.media_type.replace("/", "#2F").encode()
        stream = add(
            b"<< /Type /EmbeddedFile /Subtype /%b /Filter /FlateDecode /Length %d" % (subtype, len(data))
            + b" /Params << /Size %d /CreationDate %b /ModDate %b >> >>" % (len(each.content), date, date)
            + b"\nstream\n%b\nendstream" % data
        )
        name = _text(each.name)
        file = add(
            b"<< /Type /Filespec /F %b /UF %b /AFRelationship /Data /EF << /F %b /UF %b >> >>"
            % (name, name, stream, stream)
        )
        names.append(b"%b %b" % (name, file))
        associated.append(file)
    objects[root] = b"<< /Type /Catalog /Pages %d 0 R /Lang %b /ViewerPreferences << /DisplayDocTitle true >>" % (
        pages,
        _text(language),
    ) + b" /AF [%b] /Names << /EmbeddedFiles << /Names [%b] >> >> >>" % (b" ".join(associated), b" ".join(names))
    objects[info] = b"<< /Title %b /Producer %b /CreationDate %b /ModDate %b >>" % (
        *(_text(title), _text(producer)),
        *(date, date),
    )
    return _updated(pdf, objects, b"/Root %d 0 R /Info %d 0 R /Prev %d" % (root, info, old_xref))


def _deflated(content: bytes) -> bytes:
    """Compressed with a window of 8 kB: readying a larger one takes longer than compressing a small file."""
    deflate = zlib.compressobj(level=3, wbits=13, memLevel=6)
    return deflate.compress(content) + deflate.flush()


def _anatomy(pdf: bytes) -> tuple[int, int, int, int, int]:
    """Where its cross-references lie, how many objects it has; the numbers of its catalog, information and pages."""
    last = _LAST.search(pdf, len(pdf) - 100)
    if last is None:
        raise UnexpectedPdfError("it has no end")
    xref = int(last[1])
    trailer = pdf[xref : pdf.find(b"stream", xref)]
    entries = [re.search(rb"/%b (\d+)" % name, trailer) for name in (b"Size", b"Root", b"Info")]
    start = pdf.rfind(b"/Type /ObjStm")
    if b"/Type /XRef" not in trailer or start < 0:
        raise UnexpectedPdfError("its objects are not in streams")
    catalog = _CATALOG.search(zlib.decompressobj().decompress(pdf[pdf.index(b"stream\n", start) + 7 :]))
    if catalog is None or not all(entries):
        raise UnexpectedPdfError("its catalog is not a plain one")
    size, root, info = (int(entry[1]) for entry in entries if entry)
    return xref, size, root, info, int(catalog[1])


def _updated(pdf: bytes, objects: dict[int, bytes], trailer: bytes) -> bytes:
    """The PDF followed by objects and their cross-references."""
    out, rows, index = [pdf, b"\n"], [], []
    position = len(pdf) + 1
    number_of_xref = max(objects) + 1
    for number, content in sorted(objects.items()):
        written = b"%d 0 obj\n%b\nendobj\n" % (number, content)
        out.append(written)
        rows.append((number, position))
        position += len(written)
    rows.append((number_of_xref, position))
    for number, _ in rows:
        index.append(b"%d 1" % number)
    table = b"".join(b"\x01" + at.to_bytes(4, "big") + b"\x00" for _, at in rows)
    digest = hashlib.sha256(b"".join(out)).hexdigest()[:32].encode()
    out.append(
        b"%d 0 obj\n<< /Type /XRef /Size %d /W [1 4 1] /Index [%b] /ID [<%b> <%b>] %b /Length %d >>\nstream\n%b\n"
        % (number_of_xref, number_of_xref + 1, b" ".join(index), digest, digest, trailer, len(table), table)
        + b"endstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % position
    )
    return b"".join(out)


def _text(text: str) -> bytes:
    """A string of a PDF."""
    return b"<%b>" % f"\ufeff{text}".encode("utf-16-be").hex().encode()
