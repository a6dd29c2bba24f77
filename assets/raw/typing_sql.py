"""How text becomes a typed value: one DuckDB expression per type, which gives null for what it cannot read exactly.

Nothing is rounded and nothing guessed: `2.5` is no integer, a time without an offset is no instant unless the source
names its zone, a seventh decimal of a second is no microsecond unless it is 0. Whoever types compares with the text:
text that is not blank and a value that is null is an unreadable value.
"""

_CLOCK = r"\d{4}-\d{2}-\d{2}[T ]([01]\d|2[0-3]):\d{2}(:\d{2}(\.\d{1,6}0*)?)?"
_OFFSET = r"[+-]([01]\d|2[0-3])(:?[0-5]\d)?"

HOW_TO_READ = {
    "VARCHAR": "text without the character NUL",
    "BIGINT": "a whole number",
    "BOOLEAN": "true or false",
    "TIMESTAMP": "an ISO 8601 time with its offset, such as 2026-01-31T23:59:59+00:00",
}


def is_blank(text: str) -> str:
    """Whether a text column holds nothing but white space."""
    # What starts with a sign beyond the blank is not; this spares nearly every value the trimming.
    return f"({text} is null or ({text} < '!' and trim({text}, ' \t\r\n') = ''))"


def typed(text: str, kind: str, zone: str | None = None) -> str:
    """The expression that reads a text column as a DuckDB type.

    `zone` is the IANA zone of times without an offset. A local time that a clock change skips is read with the offset
    that was in force before the change; one that it repeats is the second of the two. The session's zone must be UTC.
    """
    if kind == "VARCHAR":
        return f"case when not {is_blank(text)} and not contains({text}, chr(0)) then {text} end"
    trimmed = f"trim({text})"
    if kind == "BIGINT":
        whole = f"regexp_full_match({trimmed}, '[+-]?\\d{{1,18}}(\\.0*)?')"
        return f"case when {whole} then try_cast(split_part({trimmed}, '.', 1) as bigint) end"
    if kind == "BOOLEAN":
        return f"try_cast({trimmed} as boolean)"
    if kind == "TIMESTAMP":
        # Nearly every value is of the first form, which needs no arithmetic.
        in_utc = f"when regexp_full_match({text}, '{_CLOCK}Z') then try_cast(left({text}, -1) as timestamp)"
        with_offset = (
            f"when regexp_full_match({trimmed}, '{_CLOCK}(Z|{_OFFSET})')"
            f" then cast(try_cast({trimmed} as timestamptz) as timestamp)"
        )
        local = (
            f"when regexp_full_match({trimmed}, '{_CLOCK}')"
            f" then timezone('UTC', timezone('{zone}', try_cast({trimmed} as timestamp)))"
        )
        return f"case {in_utc} {with_offset} {local if zone else ''} end"
    raise ValueError(f"no reading of text as {kind} is known")
