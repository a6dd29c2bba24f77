"""Times as the world writes them, `10-Jul-2025`, `Jun 8, 2025 10:23:05 PM PDT`, `10/20/23`: in forms a source names.

A form is written as strptime has it, `%d-%b-%Y`: so the order of day and month is said, and never guessed. Three things
need the source's zone, and are no time without it:

- a local time. One that a clock change skips is read with the offset that was in force before the change; one that it
  repeats is the second of the two. A load tells how often that was done.
- a day, which is its first instant.
- the short name of a zone, such as PDT, which several zones share. It must be one of the source's zone, and in force at
  that time: then it is as exact as an offset, in the repeated hour as well. `UTC` needs no zone.

Does not belong here: ISO 8601, which needs no form (`typing_sql.py`).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

_PARTS = {
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%m": r"\d{1,2}",
    "%b": "[A-Za-z]{3}",
    "%B": "[A-Za-z]{3,9}",
    "%d": r"\d{1,2}",
    "%H": r"\d{1,2}",
    "%I": r"\d{1,2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
    "%f": r"\d{1,6}",
    "%p": "[AaPp][Mm]",
    "%z": r"[+-]\d{2}:?\d{2}",
    "%Z": "[A-Z]{2,5}",
}
"""Parts of a form, and what of a text each takes; the engine alone would take a year of two digits for one of four."""
_OF_A_DAY = {"%Y", "%y", "%m", "%b", "%B", "%d"}
_SHOWN = datetime(2026, 1, 31, 23, 59, 58, tzinfo=ZoneInfo("UTC"))
_UTC = "UTC"
_SHORT_NAME = re.compile("[A-Z]{2,5}")
_YEARS = range(2000, 2100)


@dataclass(frozen=True)
class TimeForm:
    """A form in which a source writes times. Raises `ValueError` for one that does not say which day it is."""

    written: str

    def __post_init__(self) -> None:
        found = re.findall("%.?", self.written)
        unknown = [part for part in found if part not in _PARTS]
        if unknown:
            raise ValueError(f"{self.written!r} has {unknown[0]!r}; known are {' '.join(_PARTS)}")
        for parts in (("%Y", "%y"), ("%m", "%b", "%B"), ("%d",)):
            if sum(found.count(part) for part in parts) != 1:
                raise ValueError(f"{self.written!r} has not one of {', '.join(parts)}")
        hours = sum(found.count(part) for part in ("%H", "%I"))
        is_time = hours == 1 and found.count("%M") == 1 and ("%I" in found) == ("%p" in found)
        if len(found) != len(set(found)) or not (is_time or set(found) <= _OF_A_DAY):
            raise ValueError(f"{self.written!r} is neither a day nor a time: %H:%M, or %I:%M %p, and what comes after")
        for part in {"%z", "%Z"} & set(found):
            if not self.written.endswith(part):
                raise ValueError(f"{self.written!r} has {part} elsewhere than at its end")

    @property
    def is_day(self) -> bool:
        """Whether it has no hours."""
        return "%H" not in self.written and "%I" not in self.written

    @property
    def is_local(self) -> bool:
        """Whether it is a time of day with neither offset nor zone."""
        return not self.is_day and not self.written.lower().endswith("%z")

    @property
    def example(self) -> str:
        """A time in it."""
        return _SHOWN.strftime(self.written)

    @property
    def fits(self) -> str:
        """The regular expression of whole texts in it."""
        return "".join(_PARTS.get(part) or re.escape(part) for part in re.findall("%.|[^%]", self.written))


def instant_cases(text: str, forms: tuple[TimeForm, ...], zone: str | None, zones: tuple[str, ...]) -> str:
    """The cases of texts in a form that a source names, as UTC; of those that need a zone only where there is one.

    `text` is an expression without blanks around it, `zone` one for the zone, which is among `zones`.
    """
    cases = []
    for form in forms:
        if form.written.endswith("%z"):
            instant = f"make_timestamp(epoch_us({_parsed(text, form)}))"
        elif form.written.endswith("%Z"):
            instant = _by_short_name(text, form, zone, zones)
        elif zone is None:
            continue
        else:
            instant = _first_of(_parsed(text, form), zone) if form.is_day else in_utc(_parsed(text, form), zone)
        cases.append(f"when {_fits(text, form)} then {instant}")
    return " ".join(cases)


def local_time_cases(text: str, forms: tuple[TimeForm, ...]) -> str:
    """The cases of texts in a form that says a local time, as that time."""
    return " ".join(f"when {_fits(text, form)} then {_parsed(text, form)}" for form in forms if form.is_local)


def in_utc(local: str, zone: str) -> str:
    """A local time as UTC."""
    return f"timezone('UTC', timezone({zone}, {local}))"


def is_skipped(local: str, zone: str) -> str:
    """Whether a local time does not exist in a zone."""
    return f"timezone({zone}, timezone({zone}, {local})) <> {local}"


def is_repeated(local: str, zone: str) -> str:
    """Whether a local time occurs twice in a zone."""
    return f"{_first_of(local, zone)} < {in_utc(local, zone)}"


def _parsed(text: str, form: TimeForm) -> str:
    return f"try_strptime({text}, {_quoted(form.written)})"


def _fits(text: str, form: TimeForm) -> str:
    return f"regexp_full_match({text}, {_quoted(form.fits)})"


def _first_of(local: str, zone: str) -> str:
    """A local time as UTC; of one that occurs twice the first, which has the offset of the day before."""
    utc = in_utc(local, zone)
    day_before = f"({utc} - interval 1 day)"
    first = f"{local} - ({_in_zone(day_before, zone)} - {day_before})"
    return f"case when {_in_zone(first, zone)} = {local} then {first} else {utc} end"


def _by_short_name(text: str, form: TimeForm, zone: str | None, zones: tuple[str, ...]) -> str:
    """The instant of a text that ends in the short name of a zone, if that is in force then."""
    name = f"regexp_extract({text}, '[A-Z]+$')"
    local = f"try_strptime(regexp_replace({text}, ' *[A-Z]+$', ''), {_quoted(form.written[:-2].rstrip())})"
    fitting = ""
    for each in zones if zone else ():
        for short, minutes in _short_names(each):
            instant = f"{local} - to_minutes({minutes})"
            in_force = f"{_in_zone(f'({instant})', zone or '')} = {local}"
            fitting += f" when {name} = {_quoted(short)} and {zone} = {_quoted(each)} and {in_force} then {instant}"
    return f"case when {name} = '{_UTC}' then {local}{fitting} end"


def _in_zone(utc: str, zone: str) -> str:
    return f"timezone({zone}, timezone('UTC', {utc}))"


@cache
def _short_names(zone: str) -> tuple[tuple[str, int], ...]:
    """The short names that a zone has had, and the minutes by which each is ahead of UTC."""
    found = {}
    for year in _YEARS:
        for month in range(1, 13):
            there = datetime(year, month, 1, tzinfo=UTC).astimezone(ZoneInfo(zone))
            ahead = there.utcoffset() or timedelta()
            if _SHORT_NAME.fullmatch(there.tzname() or ""):
                found[there.tzname() or "", int(ahead.total_seconds() // 60)] = None
    return tuple(found)


def _quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))
