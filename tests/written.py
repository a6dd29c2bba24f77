"""Rows written as files: in every format, encoding, kind of line end and of quoting, and with lines that are damaged.

Does not belong here: which rows, and what becomes of them.
"""

import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq

Row = Mapping[str, str | None]
Record = Row | str | bytes
"""A row, or a damaged line: as text, or as bytes that are no text."""

MARKS = {"utf-8": "", "utf-8-sig": "\ufeff", "utf-16-le": "\ufeff", "utf-16-be": "\ufeff", "cp1252": "", "cp932": ""}
"""Encoding → what the file begins with; utf-8-sig is written as UTF-8 with a mark."""
DELIMITED = {"csv": (",", '"'), "tsv": ("\t", '"'), "txt": ("\t", "")}
KANA = "カナ"


@dataclass(frozen=True)
class Style:
    """How rows are written."""

    kind: str = "csv"
    compression: str = ""
    encoding: str = "utf-8"
    ends: tuple[str, ...] = ("\n",)
    """Ends of lines, in turn."""
    is_quoted: bool = False
    """All values, or those that must be."""
    has_last_end: bool = True
    blank_lines: tuple[int, ...] = ()
    """Before which records one stands; 0 is the header."""
    trailing: int = 0
    """Delimiters too many, of the header and each record."""
    is_shouted: bool = False
    """Names of columns in capitals and with blanks."""
    is_typed: bool = False
    """Whole numbers and truth values as JSON or Parquet has them."""
    delimiter: str = ""
    quote: str | None = None
    above: int = 0
    """Lines above the header."""

    @property
    def suffix(self) -> str:
        return f".{self.kind}{self.compression}"

    @property
    def dialect(self) -> tuple[str, str]:
        """The delimiter, and the quote if there is one."""
        delimiter, quote = DELIMITED.get(self.kind, DELIMITED["csv"])
        return self.delimiter or delimiter, quote if self.quote is None else self.quote


PLAIN = Style()


def written(style: Style, columns: Sequence[str], rows: Sequence[Record]) -> bytes:
    """A file of rows, and of lines that are damaged, which only delimited text can have."""
    if style.kind == "parquet":
        return _parquet(style, columns, rows)
    if style.kind == "jsonl":
        content = b"".join(_json_line(style, columns, row) + b"\n" for row in rows)
    elif style.kind == "json":
        between = b"," if style.is_quoted else b"\n"
        content = between.join(_json_line(style, columns, row) for row in rows)
        content = b"[" + content + b"]" if style.is_quoted else content
    else:
        content = _delimited(style, columns, rows)
    return packed(content, style.compression)


def packed(content: bytes, compression: str) -> bytes:
    """Compressed content."""
    if compression == ".gz":
        return gzip.compress(content, 1, mtime=0)
    return pa.compress(content, codec="zstd", asbytes=True) if compression == ".zst" else content


def in_an_encoding_that_is_found(style: Style, columns: Sequence[str], rows: Sequence[Record]) -> Style:
    """The style, if its encoding has every character and can be told from all others; else in UTF-8 with a mark."""
    encoding = style.encoding
    if encoding.startswith("utf") or style.kind not in DELIMITED:
        return style
    try:
        content = _delimited(style, columns, rows)
    except UnicodeEncodeError:
        return replace(style, encoding="utf-8-sig")
    lines = content.splitlines()
    others = [line for line in lines if not line.isascii()]
    is_other = bool(others) and not any(_is(line, "utf-8") for line in others)
    is_found = KANA in content.decode(encoding) if encoding == "cp932" else not _is(content, "cp932")
    return style if is_other and is_found else replace(style, encoding="utf-8-sig")


def _is(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _delimited(style: Style, columns: Sequence[str], rows: Sequence[Record]) -> bytes:
    encoding = "utf-8" if style.encoding == "utf-8-sig" else style.encoding
    names = {name: f" {name.replace('_', ' ').upper()} " if style.is_shouted else name for name in columns}
    records = [names, *rows]
    pieces = [MARKS[style.encoding].encode(encoding)]
    pieces += ["above\n".encode(encoding)] * style.above
    for number, record in enumerate(records):
        end = style.ends[number % len(style.ends)]
        blank = [end] * style.blank_lines.count(number)
        is_last = number == len(records) - 1 and not style.has_last_end
        if isinstance(record, Mapping):
            record = _line(style, [record.get(name) for name in columns])  # noqa: PLW2901
        line = record.encode(encoding) if isinstance(record, str) else record
        pieces.append("".join(blank).encode(encoding) + line + ("" if is_last else end).encode(encoding))
    return b"".join(pieces)


def _line(style: Style, values: Sequence[str | None]) -> str:
    delimiter, quote = style.dialect

    def cell(value: str | None) -> str:
        text = value or ""
        special = (delimiter, quote, "\n", "\r") if quote else ()
        must = any(each in text for each in special)
        return f"{quote}{text.replace(quote, quote * 2)}{quote}" if quote and (style.is_quoted or must) else text

    return delimiter.join(map(cell, values)) + delimiter * style.trailing


def _typed(column: str, text: str | None) -> str | int | bool | None:
    if text is not None and text.isascii() and text.isdecimal() and column == "quantity" and len(text) < 15:
        return int(text)
    return {"true": True, "false": False}.get(text, text) if column.startswith(("is_", "terms_")) else text


def _json_line(style: Style, columns: Sequence[str], row: Row) -> bytes:
    given = {name: row.get(name) for name in columns if style.is_quoted or row.get(name) is not None}
    values = {name: _typed(name, text) if style.is_typed else text for name, text in given.items()}
    return json.dumps(values, ensure_ascii=style.is_shouted).encode()


def _parquet(style: Style, columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    arrays = {}
    for name in columns:
        values = [_typed(name, row.get(name)) if style.is_typed else row.get(name) for row in rows]
        kinds = {type(value) for value in values} - {type(None)}
        kind = {int: pa.int64(), bool: pa.bool_()}.get(kinds.pop()) if len(kinds) == 1 else None
        texts = [
            None if value is None else str(value).lower() if isinstance(value, bool) else str(value) for value in values
        ]
        arrays[name] = pa.array(values, kind) if kind else pa.array(texts, pa.string())
    sink = io.BytesIO()
    pq.write_table(pa.table(arrays), sink, compression="zstd" if style.is_quoted else "snappy")
    return sink.getvalue()
