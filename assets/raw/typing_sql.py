"""How text becomes a typed value: one DuckDB expression per type, which gives null for what it cannot read exactly.

Nothing is rounded and nothing guessed: `2.5` is no integer, a time without an offset is no instant unless the source
names its zone, a seventh decimal of a second is no microsecond unless it is 0. Whoever types compares with the text:
text that is not blank and a value that is null is an unreadable value.

Each type has a usual form, which is told by its length and a letter or two and read at once, and others, which are
looked at closely; a value of the usual form never gets that far.
"""

from dataclasses import dataclass

from assets.raw.times_sql import TimeForm, in_utc, instant_cases, local_time_cases
from assets.settings import Limits

LONGEST = Limits().longest_value
_CLOCK = r"\d{4}-\d{2}-\d{2}[T ]([01]\d|2[0-3]):\d{2}(:\d{2}(\.\d{1,6}0*)?)?"
_OFFSET = r"[+-]([01]\d|2[0-3])(:?[0-5]\d)?"

MONEY = "DECIMAL(18,4)"

HOW_TO_READ = {
    "VARCHAR": f"text without the character NUL, not too long ({Limits.named('longest_value')})",
    "BIGINT": "a whole number",
    "BOOLEAN": "true or false",
    "TIMESTAMP": "an ISO 8601 time with its offset, such as 2026-01-31T23:59:59+00:00",
    MONEY: "an amount of up to 14 digits and 4 decimals, such as -12.50",
}


@dataclass(frozen=True)
class Writing:
    """How a source writes values, beyond what every file may: what is nowhere said is not read."""

    zone: str | None = None
    """An expression for the IANA zone of times without an offset."""
    zones: tuple[str, ...] = ()
    """What it can give."""
    forms: tuple[TimeForm, ...] = ()
    """Of times that are not ISO 8601."""
    has_decimal_comma: bool = False
    """In numbers and amounts; a point then has no meaning."""

    def how_to_read(self, kind: str) -> str:
        """What a good value of a type is, in words."""
        words = HOW_TO_READ[kind]
        if kind == "TIMESTAMP" and self.forms:
            zone = ", of a file whose zone is known" if self.zone is None else ""
            return f"{words}, or like {' or '.join(form.example for form in self.forms)}{zone}"
        return words.replace("-12.50", "-12,50") if self.has_decimal_comma else words


AS_ANY_FILE = Writing()


def is_blank(text: str) -> str:
    """Whether a text column holds nothing but white space."""
    # What starts with a sign beyond the blank is not; this spares nearly every value the trimming.
    return f"({text} is null or ({text} < '!' and trim({text}, ' \t\r\n') = ''))"


def typed(text: str, kind: str, writing: Writing = AS_ANY_FILE, longest: int = LONGEST) -> str:
    """The expression that reads a text column as a DuckDB type, as it is written. The session's zone must be UTC.

    `longest` is how many bytes a text may have.
    """
    if kind == "VARCHAR":
        good = f"not {is_blank(text)} and strlen({text}) <= {longest} and not contains({text}, chr(0))"
        return f"case when {good} then {text} end"
    trimmed = f"trim({text})"
    point, sign = (",", ",") if writing.has_decimal_comma else (".", "\\.")
    if kind == "BIGINT":
        usual = f"strlen({text}) <= 18 and cast(try_cast({text} as bigint) as varchar) = {text}"
        whole = f"regexp_full_match({trimmed}, '[+-]?\\d{{1,18}}({sign}0*)?')"
        return (
            f"case when {usual} then try_cast({text} as bigint)"
            f" when {whole} then try_cast(split_part({trimmed}, '{point}', 1) as bigint) end"
        )
    if kind == MONEY:
        exact = f"regexp_full_match({trimmed}, '[+-]?\\d{{1,14}}({sign}\\d{{1,4}}0*)?')"
        return f"case when {exact} then try_cast(replace({trimmed}, '{point}', '.') as {MONEY}) end"
    if kind == "BOOLEAN":
        return f"case {text} when 'true' then true when 'false' then false else try_cast({trimmed} as boolean) end"
    if kind == "TIMESTAMP":
        named = instant_cases(trimmed, writing.forms, writing.zone, writing.zones)
        usual = "" if writing.forms else _usual_instant(text)  # one of its own forms could look like it
        return f"case {usual} {_any_instant(trimmed, writing.zone)} {named} end"
    raise ValueError(f"no reading of text as {kind} is known")


def local_time(text: str, writing: Writing) -> str:
    """The expression that reads a text column as the local time it says; null where it says an instant, or a day."""
    trimmed = f"trim({text})"
    iso = f"when regexp_full_match({trimmed}, '{_CLOCK}') then try_cast({trimmed} as timestamp)"
    return f"case {iso} {local_time_cases(trimmed, writing.forms)} end"


def _usual_instant(text: str) -> str:
    """The cases of 2026-01-31T10:00:00Z and 2026-01-31T10:00:00+01:00, of zones whole or half hours ahead or behind."""
    # It begins with a digit; so by its length, and by where the offset begins, no part can have fewer digits.
    usual = f"{text} >= '0' and {text} < ':' and contains({text}, 'T')"
    # An end is looked at sooner than what lies within, so that is asked last.
    half_hours = f"(ends_with({text}, ':00') or ends_with({text}, ':30'))"
    hours = f"substring({text}, 20, 2) in ('+0', '+1', '-0', '-1')"
    offset = f"try_strptime({text}, '%Y-%m-%dT%H:%M:%S%z')"
    return (
        f"when strlen({text}) = 20 and {usual} and ends_with({text}, 'Z')"
        f" then try_strptime({text}, '%Y-%m-%dT%H:%M:%SZ')"
        f" when strlen({text}) = 25 and {usual} and {half_hours} and {hours}"
        f" then {_in_utc(offset)}"
    )


def _any_instant(text: str, zone: str | None) -> str:
    """The cases of any instant with its offset, and of a local time where there is a zone."""
    with_offset = (
        f"when regexp_full_match({text}, '{_CLOCK}(Z|{_OFFSET})') then {_in_utc(f'try_cast({text} as timestamptz)')}"
    )
    if zone is None:
        return with_offset
    local = in_utc(f"try_cast({text} as timestamp)", zone)
    return f"{with_offset} when regexp_full_match({text}, '{_CLOCK}') then {local}"


def _in_utc(instant: str) -> str:
    """The TIMESTAMP of a TIMESTAMP WITH TIME ZONE; a cast would look the session's zone up for each."""
    return f"make_timestamp(epoch_us({instant}))"
