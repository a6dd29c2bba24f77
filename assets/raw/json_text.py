"""JSON in canonical columns: the SQL of its lines, and of the columns of its records as text.

A record that cannot be taken exactly says so in `refused`; the engine keeps whole numbers of any length as they are.

Does not belong here: where records lie in a document (`by_record.py`), and what becomes of a refused one.
"""

from assets.settings import Limits

LARGEST_EXACT = 2**53
"""Up to here a JSON number with a decimal point or an exponent keeps its whole value."""


def lines(path: str, compression: str | None, limits: Limits) -> str:
    """The query of the values of JSON lines; `path` is quoted.

    It fails where a line has so many brackets that it may be nested too deep: such lines are looked at one by one.
    """
    text = "cast(json as varchar)"
    closing = f"strlen({text}) - strlen(replace(replace({text}, '}}', ''), ']', ''))"
    return f"""
        select case when {closing} > {limits.deepest_nesting} then error('many brackets') else {text} end as json,
            cast(null as varchar) as said
        from read_ndjson_objects({path}, maximum_object_size = {limits.longest_line},
            compression = '{compression or "none"}', hive_partitioning = false)"""


def columns(names: tuple[str, ...], values: str) -> str:
    """The query of columns of records as text, with `as_came`, the record, and `refused`, why it cannot be taken.

    `values` is a query of `json`, and of what was said against it already.
    """
    texts = "".join(f"json ->> '$.{name}' as {name}, " for name in names)
    inexact = " ".join(
        f"""when json_type(json, '$.{name}') in ('OBJECT', 'ARRAY') then '{name}: a single value'
            when json_type(json, '$.{name}') = 'DOUBLE'
             and not regexp_full_match({name}, '-?\\d+')
             and not coalesce({name} like '%.0' and abs(try_cast({name} as double)) < {LARGEST_EXACT}, false)
            then '{name}: text or a whole number'"""
        for name in names
    )
    return f"""
        select {texts} json as as_came,
            case when said is not null then said
                 when json_type(json) <> 'OBJECT' then 'line: a JSON object'
                 when len(json_keys(json)) > len(list_distinct(json_keys(json))) then 'line: each key once' {inexact}
            end as refused
        from ({values})"""
