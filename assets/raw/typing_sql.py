"""How text becomes a typed value: one DuckDB expression per type, which gives null for what it cannot read exactly.

Nothing is rounded and nothing guessed: `2.5` is no integer, a time without an offset is no instant unless the source
names its zone, a seventh decimal of a second is no microsecond unless it is 0. Whoever types compares with the text:
text that is not blank and a value that is null is an unreadable value.
"""

_OFFSET = r"(Z|[+-]\d{2}(:?\d{2})?)"
_CLOCK = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6}0*)?)?"

HOW_TO_READ = {
    "VARCHAR": "text",
    "BIGINT": "a whole number",
    "BOOLEAN": "true or false",
    "TIMESTAMP": "an ISO 8601 time with its offset, such as 2026-01-31T23:59:59+00:00",
}


def is_blank(text: str) -> str:
    """Whether a text column holds nothing but white space."""
    return f"({text} is null or trim({text}) = '')"


def typed(text: str, kind: str, zone: str | None = None) -> str:
    """The expression that reads a text column as a DuckDB type.

    `zone` is the IANA zone of times without an offset; a local time that a clock change skips or repeats is read with
    the offset that was in force before the change. The session's zone must be UTC.
    """
    if kind == "VARCHAR":
        return f"case when {is_blank(text)} then null else {text} end"
    text = f"trim({text})"
    if kind == "BIGINT":
        whole = f"regexp_full_match({text}, '[+-]?\\d{{1,18}}(\\.0*)?')"
        return f"case when {whole} then try_cast(split_part({text}, '.', 1) as bigint) end"
    if kind == "BOOLEAN":
        return (
            f"case when lower({text}) in ('true', 't', 'yes', 'y', '1') then true"
            f" when lower({text}) in ('false', 'f', 'no', 'n', '0') then false end"
        )
    if kind == "TIMESTAMP":
        with_offset = (
            f"when regexp_full_match({text}, '{_CLOCK}{_OFFSET}')"
            f" then cast(try_cast({text} as timestamptz) as timestamp)"
        )
        local = (
            f" when regexp_full_match({text}, '{_CLOCK}')"
            f" then timezone('UTC', timezone('{zone}', try_cast({text} as timestamp)))"
        )
        return f"case {with_offset}{local if zone else ''} end"
    raise ValueError(f"no reading of text as {kind} is known")
