"""JSON, read record by record: each object as it stands, with what is wrong with it.

A document is an object, an array of objects, or objects one after the other, as a stream delivers them; its records
may lie within objects around them (`Shape`). In JSON lines each line is one value. No more is held at once
than the largest record takes. A record at fault says in `refused` what is wrong, and has its number like any other;
where nobody could tell where the next one begins, the file is at fault.

Numbers are never computed with: those that are not whole stand in `exact` as text, digit for digit as they came.

Does not belong here: what the keys mean, and what becomes of a refused record.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from assets.raw.by_line import open_text
from assets.settings import Limits

CHARACTERS_AT_A_TIME = 1 << 20
TEXT_AT_A_TIME, RECORDS_AT_A_TIME = 4_000_000, 50_000
"""Characters and records that are handed on at once, and a record more."""
LEAST_TAKEN_APART = 10_000_000
"""Characters. What a record's parts take together does no harm below that."""
LONGEST_TOKEN = 64
"""Characters of what may be cut in two where more is to be read, but for a string."""

FURTHEST_END = 1_000_000
"""Characters within which a record that is nested too deep must end, so that the next one is found."""

EACH = "[]"
"""In a path, each element of an array."""
_SPACE = re.compile(r"[ \t\r\n]*")
_BRACKETS = re.compile(r'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+([{\[]++|[}\]]++)', re.DOTALL)
"""What is before the next brackets, strings included, and those that follow each other and open, or close."""
_STRING_OR_NUMBER = re.compile(
    r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|-?\d++(?P<more>(?:\.\d++)?+(?:[eE][+-]?\d++)?+)', re.DOTALL
)
_BYTE = re.compile("[\udc80-\udcff]")
"""A byte that did not decode."""
_HALF_A_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")

Steps = tuple[str, ...]


@dataclass(frozen=True)
class Shape:
    """Where records lie in JSON."""

    records: tuple[str, ...] = ()
    """Paths such as `payload.Orders[]` to arrays of records, or such as `order` to one; an object in which none of them
    begins is a record itself."""
    each: tuple[str, ...] = ()
    """The array of a record whose elements are the rows, and the array within each element, and so on. Each row is
    the record with one element alone in each; a record without elements is one row."""


ANYWHERE = Shape()
"""Each value is a record, or each element of an array."""


@dataclass(frozen=True)
class Record:
    """A row: an object, or the object around it with this one element in the array; or what was found instead."""

    text: str
    refused: str | None = None
    is_json: bool = True
    exact: str | None = None
    """The text with numbers that are not whole as text, if it has any."""


class NotJsonError(Exception):
    """Text that is not JSON; the message says why, and holds nothing of it."""


class BeyondError(Exception):
    """A limit that a document breaks, by its name."""

    def __init__(self, limit: str):
        super().__init__(limit)
        self.limit = limit


class _TooDeepError(NotJsonError):
    pass


def records(path: Path, compression: str | None, shape: Shape, limits: Limits, *, is_lines: bool) -> Iterator[Record]:
    """The rows of JSON, in their order; blank lines are none.

    Raises `BeyondError`, and `NotJsonError` for a document in which nobody could tell where the next record begins.
    """
    with open_text(path, compression) as file:
        is_utf_16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    with open_text(path, compression) as file:
        # What does not decode shall be told of its record alone.
        decoder = (
            codecs.getincrementaldecoder("utf-16")("surrogatepass")
            if is_utf_16
            else codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        )

        def read(size: int) -> str:
            while piece := file.read(size):
                if text := decoder.decode(piece):
                    return text
            return decoder.decode(b"", final=True)

        try:
            if is_lines:
                yield from _of_lines(_lines(read, limits.longest_line), shape, limits)
            else:
                yield from _Reader(read, shape, limits, "record").document()
        except UnicodeDecodeError as error:
            raise NotJsonError("its UTF-16 text is cut off") from error


def in_batches(found: Iterator[Record], columns: tuple[str, str, str]) -> Iterator[pa.RecordBatch]:
    """Records as rows of three columns of text: as it came, why it is refused, and `exact`.

    What is no JSON came as a string of JSON. Raises `NotJsonError` if none is JSON.
    """
    rows: list[tuple[str, str | None, str | None]] = []
    size, is_any = 0, None
    for record in found:
        is_any = is_any or record.is_json
        rows.append((record.text if record.is_json else _as_string(record.text), record.refused, record.exact))
        size += len(record.text)
        if len(rows) >= RECORDS_AT_A_TIME or size > TEXT_AT_A_TIME:
            yield _batch(rows, columns)
            rows, size = [], 0
    if is_any is False:
        raise NotJsonError("no record of it can be read")
    if rows:
        yield _batch(rows, columns)


def _batch(rows: Sequence[tuple[str, str | None, str | None]], columns: tuple[str, str, str]) -> pa.RecordBatch:
    arrays = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, list(columns))


def _as_string(text: str) -> str:
    """Text as a string of JSON; what did not decode as `\\x…`."""
    text = _BYTE.sub(lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", text)
    return json.dumps(text.encode("utf-8", "backslashreplace").decode(), ensure_ascii=False)


def _lines(read: Callable[[int], str], longest: int) -> Iterator[str]:
    rest = ""
    while piece := read(CHARACTERS_AT_A_TIME):
        *lines, rest = (rest + piece).split("\n")
        if max(map(len, (*lines, rest))) > longest:
            raise BeyondError("longest_line")
        yield from lines
    yield rest


def _of_lines(lines: Iterator[str], shape: Shape, limits: Limits) -> Iterator[Record]:
    reader = _Reader(lambda _: "", shape, limits, "line")
    for line in lines:
        text = line.strip(" \t\r")
        if not text:
            continue
        reader.begin(text)
        try:
            found = list(reader.within(reader.paths))
            if reader.peek():
                raise NotJsonError("something follows it")
            yield from found
        except NotJsonError as error:
            yield reader.at_fault(text, error)


class _Reader:
    """A window on the text of JSON, which moves on as it is read, and the place in it."""

    def __init__(self, read: Callable[[int], str], shape: Shape, limits: Limits, what: str):
        self.read, self.shape, self.limits, self.what = read, shape, limits, what
        self.paths = frozenset(((), *map(_steps, shape.records)))
        self.deepest = limits.deepest_nesting
        self.decode = json.JSONDecoder(
            object_pairs_hook=self.see_object,
            parse_float=self.see_fraction,
            parse_int=str,
            parse_constant=self.see_constant,
        ).raw_decode
        self.text, self.at, self.passed, self.is_at_end = "", 0, 0, False
        self.kept: int | None = None
        """From here on the text is kept, also behind the place that was read."""
        self.is_alone, self.begins_line = False, True
        """Whether what is read is a record by itself; whether nothing stands before it in its line."""
        self.has_key_twice = self.has_fraction = self.has_constant = self.is_too_deep = False

    def begin(self, text: str) -> None:
        """Read this text and nothing else."""
        self.text, self.at, self.passed, self.kept, self.is_at_end = text, 0, 0, None, True

    def more(self) -> bool:
        """Read on, and forget what is behind; whether there was anything."""
        if self.is_at_end:
            return False
        start = self.at if self.kept is None else self.kept
        held = len(self.text) - start
        if held > self.limits.largest_document:
            raise BeyondError("largest_document")
        piece = self.read(max(CHARACTERS_AT_A_TIME, held))
        if not piece:
            self.is_at_end = True
            return False
        self.text = self.text[start:] + piece
        self.at, self.passed = self.at - start, self.passed + start
        self.kept = None if self.kept is None else 0
        return True

    # -- values -------------------------------------------------------------------------------------------------

    def peek(self) -> str:
        """The character that comes next after blanks; none at the end."""
        while True:
            found = _SPACE.match(self.text, self.at)
            blanks = found[0] if found else ""
            self.at, self.begins_line = self.at + len(blanks), self.begins_line or "\n" in blanks
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def expect(self, sign: str) -> None:
        if self.peek() != sign:
            raise self.error(f"{sign!r} is missing")
        self.at += 1

    def error(self, why: str, place: int | None = None) -> NotJsonError:
        """What is wrong here, or so many characters after the beginning of the document."""
        return NotJsonError(f"{why} at character {(self.passed + self.at if place is None else place) + 1:,}")

    def value(self) -> str:
        """The value that comes next, as it stands; what was seen in it is noted."""
        if not self.peek():
            raise self.error("a value is missing")
        while True:
            self.has_key_twice = self.has_fraction = self.has_constant = self.is_too_deep = False
            try:
                _, end = self.decode(self.text, self.at)
            except RecursionError:
                end, self.is_too_deep = self.end_by_brackets(), True
            except json.JSONDecodeError as error:
                place = self.passed + error.pos
                if self.may_go_on(error) and self.more():
                    continue
                raise self.error(error.msg[:1].lower() + error.msg[1:].removesuffix(" at"), place) from error
            if len(self.text) - end < LONGEST_TOKEN and self.text[end - 1] not in '"}]' and self.more():
                continue  # a number may go on
            break
        text = self.text[self.at : end]
        self.at = end
        self.is_too_deep = self.is_too_deep or self.depth_of(text) > self.deepest
        return text

    def may_go_on(self, error: json.JSONDecodeError) -> bool:
        """Whether an error may be there only because the text ends too early."""
        is_string = error.msg.startswith("Unterminated string")
        return is_string or len(self.text[error.pos :].strip(" \t\r\n")) < LONGEST_TOKEN

    def end_by_brackets(self) -> int:
        """Where the array or object that comes next ends, however deep it is; it must not be far."""
        depth = read = 0
        while True:
            while brackets := _BRACKETS.match(self.text, self.at + read):
                run = brackets[1]
                if run[0] in "[{":
                    depth += len(run)
                elif len(run) >= depth:
                    return brackets.end() - (len(run) - depth)
                else:
                    depth -= len(run)
                read = brackets.end() - self.at
                if read > FURTHEST_END:
                    break
            if read > FURTHEST_END or not self.more():
                raise _TooDeepError("it is nested too deep")

    def depth_of(self, text: str) -> int:
        """How deep a whole value is nested, or any smaller number than is allowed."""
        if text.count("{") + text.count("[") <= self.deepest:
            return 0
        depth = deepest = at = 0
        while brackets := _BRACKETS.match(text, at):
            run, at = brackets[1], brackets.end()
            depth += len(run) if run[0] in "[{" else -len(run)
            deepest = max(deepest, depth)
        return deepest

    def see_object(self, pairs: list[tuple[str, object]]) -> None:
        """Nothing is made of it: what is looked for are its keys."""
        if len({key for key, _ in pairs}) < len(pairs):
            self.has_key_twice = True

    def see_fraction(self, _: str) -> None:
        self.has_fraction = True

    def see_constant(self, _: str) -> None:
        self.has_constant = True

    # -- objects and arrays -------------------------------------------------------------------------------------

    def members(self) -> Iterator[str]:
        """The keys of the object that comes next; whoever asks reads the value of each."""
        self.expect("{")
        if self.peek() == "}":
            self.at += 1
            return
        while True:
            yield self.key()
            if self.peek() != ",":
                break
            self.at += 1
        self.expect("}")

    def key(self) -> str:
        if self.peek() != '"':
            raise self.error("a key is missing")
        key = json.loads(self.value())
        self.expect(":")
        self.peek()
        return key

    def elements(self) -> Iterator[None]:
        """Once for each element of the array that comes next; whoever asks reads it."""
        self.expect("[")
        if self.peek() == "]":
            self.at += 1
            return
        while True:
            yield
            if self.peek() != ",":
                break
            self.at += 1
        self.expect("]")

    # -- records ------------------------------------------------------------------------------------------------

    def document(self) -> Iterator[Record]:
        """The rows of all that follows."""
        number = 0
        while self.peek():
            self.kept, self.is_alone, begins_line = self.at, True, self.begins_line
            try:
                for record in self.top():
                    yield record
                    number += 1
            except _TooDeepError as error:
                raise BeyondError("deepest_nesting") from error
            except NotJsonError as error:
                record = self.at_fault(self.lines_at_fault(), error) if self.is_alone and begins_line else None
                if record is None or (number == 0 and not self.peek()):
                    raise NotJsonError(f"record {number + 1:,}: {error}") from error
                yield record
                number += 1
            self.kept, self.begins_line = None, self.text[self.at - 1 : self.at] == "\n"

    def lines_at_fault(self) -> str:
        """The lines from the place kept up to the next that begins an object."""
        while (end := self.text.find("\n{", self.kept or 0)) < 0 and self.more():
            pass
        self.at = len(self.text) if end < 0 else end + 1
        return self.text[self.kept : self.at].rstrip()

    def top(self) -> Iterator[Record]:
        """The rows of the document that comes next."""
        if self.peek() == "[":
            self.kept, self.is_alone = None, False
            for _ in self.elements():
                yield from self.within(self.paths)
        else:
            yield from self.within(self.paths)

    def within(self, paths: frozenset[Steps]) -> Iterator[Record]:
        """The rows of the value that comes next, in which the paths lead to records."""
        sign, elements = self.peek(), _after(EACH, paths)
        if sign == "[" and elements:
            for _ in self.elements():
                yield from self.within(elements)
        elif sign == "{" and any(paths):
            yield from self.around(paths)
        else:
            yield from self.rows(self.value(), () in paths, paths)

    def around(self, paths: frozenset[Steps]) -> Iterator[Record]:
        """The rows of an object that may be around records, or be one itself."""
        self.kept, found = self.at, set[str]()
        for key in self.members():
            inner = _after(key, paths)
            if inner:
                if key in found:
                    raise self.error(f"{key} comes twice")
                self.kept, self.is_alone = None, False
                found.add(key)
                yield from self.within(inner)
            else:
                self.value()
        if not found:
            record = self.alone(self.text[self.kept : self.at])
            yield from record.rows(record.value(), () in paths, paths)
        self.kept = None

    def alone(self, text: str) -> "_Reader":
        reader = _Reader(lambda _: "", self.shape, self.limits, self.what)
        reader.begin(text)
        return reader

    def rows(self, text: str, is_wanted: bool, paths: frozenset[Steps]) -> Iterator[Record]:
        """A value that was just read as a record, or as the rows that it has."""
        refused, is_json = self.fault_of(text, is_wanted, paths)
        if refused:
            yield Record(text, f"{self.what}: {refused}", is_json)
            return
        has_fraction, size = self.has_fraction, 0
        most = max(LEAST_TAKEN_APART, len(text) * self.limits.largest_ratio)
        for part in self.parts(text, self.shape.each):
            size += len(part)
            if size > most:
                raise BeyondError("largest_ratio")
            yield Record(part, exact=_STRING_OR_NUMBER.sub(_as_text, part) if has_fraction else None)

    def fault_of(self, text: str, is_wanted: bool, paths: frozenset[Steps]) -> tuple[str | None, bool]:
        """What is wrong with a value as a record, and whether it is JSON."""
        if len(text) > self.limits.largest_document:
            raise BeyondError("largest_document")
        if self.is_too_deep:
            return f"nested no deeper than {self.deepest} ({Limits.named('deepest_nesting')})", False
        if self.has_constant:
            return "JSON without NaN and Infinity", False
        if not _is_whole(text):
            return "text in UTF-8", False
        if not is_wanted:
            wanted = " or ".join(
                sorted({"an array" if path[0] == EACH else f"an object with {path[0]}" for path in paths})
            )
            return wanted, True
        if not text.startswith("{"):
            return "a JSON object", True
        return ("each key once" if self.has_key_twice else None), True

    def at_fault(self, text: str, error: NotJsonError) -> Record:
        """Text that is no JSON, in a record's place."""
        deep = f"nested no deeper than {self.deepest} ({Limits.named('deepest_nesting')})"
        return Record(text, f"{self.what}: {deep if isinstance(error, _TooDeepError) else 'JSON'}", is_json=False)

    def parts(self, text: str, path: Steps) -> Iterator[str]:
        """An object, once for each element of an array of it, with that element alone in the array."""
        if not path or not text.startswith("{"):
            yield text
            return
        reader = self.alone(text)
        for key in reader.members():
            start = reader.at
            if key == path[0] and reader.peek() == "[":
                elements = [reader.value() for _ in reader.elements()]
                before, after = text[:start], text[reader.at :]
                for element in elements:
                    for part in self.parts(element, path[1:]):
                        yield f"{before}[{part}]{after}"
                if elements:
                    return
                break
            reader.value()
        yield text


def _steps(path: str) -> Steps:
    return tuple(path.replace(EACH, f".{EACH}").split("."))


def _after(step: str, paths: frozenset[Steps]) -> frozenset[Steps]:
    """What is left of the paths that begin with a step."""
    return frozenset(path[1:] for path in paths if path[:1] == (step,))


def _is_whole(text: str) -> bool:
    """Whether all characters of JSON are whole, also those that are written `\\u…`."""
    try:
        text.encode()
        if _HALF_A_CHARACTER.search(text):
            json.dumps(json.loads(text, parse_int=str), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_text(found: re.Match[str]) -> str:
    return f'"{found[0]}"' if found["more"] else found[0]
