"""What a spreadsheet does to values when it opens a file and saves it, as far as a value or its column tells.

Ids are shortened to `5.80293E+13`, or keep fifteen digits and get zeros for the rest. Times are rewritten in the way of
whoever sits there, amounts get a decimal comma, cells show errors. Such a value is refused, and the reason names the
damage. A zero that an id began with is lost without a trace: only that it then matches nothing shows it.

Does not belong here: what a good value is (`contracts.py`, `typing_sql.py`).
"""

from collections.abc import Sequence

from assets.raw.typing_sql import MONEY

SHORTENED = "an id that no spreadsheet has shortened"
ROUNDED = "an id of which no spreadsheet has kept fifteen digits only"
ROWS_LOOKED_AT = 1000
"""A spreadsheet rounds all of a column: whether it did shows at its beginning."""
LEAST_ZEROS = 5
"""Zeros after the fifteenth digit, over a column's different ids, that are no accident: it would be one in 100,000."""

_EXPONENT = r"[0-9]([.,][0-9]+)?[Ee]\+[0-9]{2,3}"
_DECIMALS = "[0-9]{6,}[.,]0+"
_APOSTROPHE = "''[0-9]{6,}"
_ERROR = "#+|#[A-Z0-9/]+[!?]?"
_IN_OTHER_LANGUAGES = ("wahr", "falsch", "vrai", "faux", "vero", "falso", "verdadero", "verdadeiro", "waar", "onwaar")
_REWRITTEN = (
    r"[0-9]{1,2}([/.-])[0-9]{1,2}[/.-]([0-9]{4}|[0-9]{2})([ ,].*)?",
    r"[0-9]{1,2}[- ][A-Za-z]{3,9}[- ]([0-9]{4}|[0-9]{2})([ ,].*)?",
    r"[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}( .*)?",
    r"[A-Za-z]{3,9}[- ][0-9]{2}",
)


def seems_whole(column: str, *, is_made: bool = False, is_rounded: bool = False) -> str:
    """Whether a text column cannot hold a damaged id: asked of every row, and so in as few questions as can be.

    `is_made` says that a source may have put ids together, so that a damaged one need not stand at the beginning.
    `is_rounded` says that ids of the column have lost all but fifteen digits.
    """
    sign_first = f" when {column} < '0' or ({column} >= '=' and {column} < '>') then false"
    lost = f" when {_has_lost_digits(column)} then false" if is_rounded else ""
    # The conditions of a CASE are asked one after the other, those of an OR all together.
    passed = "" if is_made else f" when {column} >= '>' then true"
    no_id = " or ".join(f"contains({column}, '{sign}')" for sign in "+.,")
    return f"case{sign_first}{lost}{passed} when {no_id} then false else true end"


def damage_of_id(text: str, *, is_rounded: bool = False) -> str:
    """What a good id is, of a text that is a damaged one, or that a source has put together with one; else null."""
    rounded = f"when {_has_lost_digits(text)} then '{ROUNDED}'" if is_rounded else ""
    return f"""case
        when regexp_matches({text}, '(^|:){_EXPONENT}$') then '{SHORTENED}'
        when regexp_full_match({text}, '{_ERROR}') then 'an id, not the error of a spreadsheet'
        when starts_with({text}, '=') then 'an id, not the formula of a spreadsheet'
        when regexp_full_match({text}, '{_APOSTROPHE}') then 'an id without the apostrophe of a spreadsheet'
        when regexp_full_match({text}, '{_DECIMALS}') then 'an id, not a number with decimals'
        {rounded} end"""


def rounded_ids(column: str, table: str, rows: int | None = None) -> str:
    """The query of two counts: ids of more than fifteen digits that end in no zero, and zeros of those that do.

    Of the first `rows` of a table, or of all.
    """
    limit = "" if rows is None else f" limit {rows}"
    return f"""
        select count(*) filter (not {_has_lost_digits("id")}),
            coalesce(sum(strlen(id) - 15) filter ({_has_lost_digits("id")}), 0)
        from (select distinct {column} as id from (select {column} from {table}{limit}))
        where strlen(id) > 15 and regexp_full_match(id, '[0-9]+')"""


def damage_of_value(text: str, kind: str, *, has_decimal_comma: bool = False) -> str:
    """What has happened to a text that cannot be read as a DuckDB type, where that can be told; else null."""
    cases: Sequence[tuple[str, str]] = (
        (_EXPONENT, "a spreadsheet has shortened it"),
        (_ERROR, "a spreadsheet shows an error here, or had no room"),
        ("=.*", "it is the formula of a spreadsheet"),
    )
    if kind == "TIMESTAMP":
        cases = (
            *cases,
            *((form, "a spreadsheet seems to have rewritten it") for form in _REWRITTEN),
            (r"[0-9]{5}([.,][0-9]+)?", "a spreadsheet has made it a count of days"),
            (r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?([.,][0-9]+)?( [AaPp][Mm])?", "a spreadsheet has left the time of day"),
        )
    if kind in ("BIGINT", MONEY):
        other, sign = ("point", r"\.") if has_decimal_comma else ("comma", ",")
        cases = (*cases, (f"[+-]?[0-9]+{sign}[0-9]+", f"it has a decimal {other}"))
    if kind == "BOOLEAN":
        cases = (*cases, (f"(?i){'|'.join(_IN_OTHER_LANGUAGES)}", "a spreadsheet has put it into its own language"))
    whens = " ".join(f"when regexp_full_match(trim({text}), '{form}') then '{words}'" for form, words in cases)
    return f"case {whens} end"


def _has_lost_digits(text: str) -> str:
    return f"(ends_with({text}, '0') and regexp_full_match({text}, '[0-9]{{15}}0+'))"
