"""A file before it is read: what its name says of its format, and whether it is larger than it may be.

Does not belong here: what a file holds.
"""

import hashlib
import re
from pathlib import Path

import pyarrow as pa

from assets.raw.by_line import open_text
from assets.settings import Limits

LIMITS = Limits()
SUFFIXES = re.compile(r"\.(?P<format>csv|tsv|txt|parquet|jsonl|json)(?P<compression>\.gz|\.zst)?$", re.IGNORECASE)
COMPRESSIONS = {None: None, ".gz": "gzip", ".zst": "zstd"}
JSON = {"json": False, "jsonl": True}
"""Whether each line is a document."""
OF_LINES = ("refused", "as_came")
"""Columns of rows that may be lines at fault: why, and the line."""

SMALL = 10_000_000
"""Bytes. What is no larger once decompressed does no harm, at whatever ratio."""
NOT_TEXT = "it is not text, or UTF-16 without a byte order mark; save it as UTF-8"
LINE_OF = "a line of more than {:,} bytes"
BYTES_BETWEEN_LOOKS, BYTES_LOOKED_AT = 8_000_000, 64_000
"""The engine's buffers hold sixteen lines of the greatest length, at least 32 MB."""


class FileRefusedError(Exception):
    """A file that cannot be loaded; the message says why and what to do, without the file's name."""


class UnreadableError(FileRefusedError):
    """A file that breaks the rules of its format somewhere."""


def sha256(path: Path) -> str:
    """The hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_json(path: Path) -> bool:
    """Whether a file is JSON, by its name."""
    return kind_of(path)[0] in JSON


def is_document(path: Path) -> bool:
    """Whether a file is JSON that does not consist of lines, by its name."""
    return kind_of(path)[0] == "json"


def kind_of(path: Path) -> tuple[str, str | None]:
    """The format of a file and its compression, by its name."""
    suffix = SUFFIXES.search(path.name)
    if suffix is None:
        raise FileRefusedError(
            "not a kind of file that can be read; known are .csv, .tsv, .txt, .json, .jsonl and .parquet, plain, .gz"
            " or .zst"
        )
    return suffix["format"].lower(), COMPRESSIONS[suffix["compression"] and suffix["compression"].lower()]


def look_at_size(path: Path, limits: Limits) -> None:
    """Refuse a file that becomes too large when it is decompressed, or that consists of lines and has too long ones."""
    kind, compression = kind_of(path)
    if compression:
        _decompress(path, compression, limits, has_lines=kind != "json")
    elif kind not in ("json", "parquet"):
        _look_for_long_lines(path, limits)


def _decompress(path: Path, compression: str, limits: Limits, *, has_lines: bool) -> None:
    """Read a compressed file to its end, because the engine takes one that is cut off for a shorter one.

    It also passes over lines that are longer than its buffers, and says nothing.
    """
    size, line, most = 0, 0, max(SMALL, path.stat().st_size * limits.largest_ratio)
    try:
        with open_text(path, compression) as file:
            while piece := file.read(1 << 20):
                size += len(piece)
                hold_size(size, most, limits)
                end = _last_line_end(piece)
                line = line + len(piece) if end < 0 else len(piece) - end
                if has_lines and line > limits.longest_line:
                    raise beyond(limits, "longest_line", LINE_OF)
    except (OSError, pa.ArrowException) as error:
        raise FileRefusedError(f"it is not a whole {compression} file; was it cut off?") from error


def hold_size(size: int, most: int, limits: Limits) -> None:
    """Refuse what becomes of so many bytes once it is decompressed; `most` is what its own size allows."""
    if size > limits.largest_file:
        raise beyond(limits, "largest_file", "more than {:,} bytes once it is decompressed")
    if size > most:
        raise beyond(limits, "largest_ratio", "more than {:,} times its size once it is decompressed")


def _look_for_long_lines(path: Path, limits: Limits) -> None:
    """Refuse a plain file with a line that is longer than the engine's buffers, which it would pass over in silence.

    Here and there is enough: such a line is many times as long as a line may be.
    """
    with path.open("rb") as file:
        for start in range(0, path.stat().st_size, BYTES_BETWEEN_LOOKS):
            file.seek(start)
            line = 0
            while (piece := file.read(BYTES_LOOKED_AT)) and _last_line_end(piece) < 0:
                line += len(piece)
                if line > limits.longest_line:
                    raise beyond(limits, "longest_line", LINE_OF)


def _last_line_end(piece: bytes) -> int:
    return max(piece.rfind(b"\n"), piece.rfind(b"\r"))


def exactly(path: Path) -> str:
    """A path as the engine reads it: that file and no other, although it takes * ? [ for patterns."""
    text = str(path.absolute())
    pattern = re.sub(r"([*?\[])", r"[\1]", text)
    if pattern != text and "\\" in text:
        raise FileRefusedError("its name or folder has a backslash beside * ? or [, which cannot be read; rename it")
    return quoted(pattern)


def beyond(limits: Limits, name: str, what: str) -> FileRefusedError:
    """The refusal of a file that has `what`, with the limit named that it is beyond."""
    return FileRefusedError(f"it has {what.format(getattr(limits, name))} ({Limits.named(name)})")


def quoted(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"
