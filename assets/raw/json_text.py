"""JSON as text: the SQL that finds the records of JSON values, and the columns of records.

A file of JSON lines has one value in each line, a document (`.json`) one value, several one after the other, or an
array of them. A value is a record, or holds records where a source says (`Shape`). A record that cannot be taken
exactly says so in `refused`; the engine keeps whole numbers of any length as they are.

Does not belong here: opening files, and what becomes of a refused record.
"""

from dataclasses import dataclass

from assets.settings import Limits

LARGEST_EXACT = 2**53
"""Up to here a JSON number with a decimal point or an exponent keeps its whole value."""
_HAS_A_KEY_TWICE = "len(json_keys(json)) > len(list_distinct(json_keys(json)))"
LEAST_TAKEN_APART = 10_000_000
"""Characters. A record that becomes no larger when it is taken apart does no harm, at whatever ratio."""


@dataclass(frozen=True)
class Shape:
    """Where records lie in JSON."""

    records: tuple[str, ...] = ()
    """Paths such as `payload.Orders[]` to arrays of records, or such as `order` to one; the first that is there counts,
    and if none is, the value itself is the record."""
    each: tuple[str, ...] = ()
    """The array of a record whose elements are the rows, and the array within each element, and so on. Each row is
    the record with one element alone in each; a record without elements is one row."""


ANYWHERE = Shape()
"""Each value is a record."""


def lines(path: str, compression: str | None, limits: Limits) -> str:
    """The query of the values of JSON lines; `path` is quoted."""
    return f"""
        select cast(json as varchar) as json, cast(null as varchar) as said
        from read_ndjson_objects({path}, maximum_object_size = {limits.longest_line},
            compression = '{compression or "none"}', hive_partitioning = false)"""


def document(path: str, compression: str | None, size: int, limits: Limits, *, is_array: bool) -> str:
    """The query of the values of a document, none larger than `size` bytes; `path` is quoted.

    It fails with the name of the limit if one is larger than it may be, or nested too deep.
    """
    return f"""
        select
            case when strlen(json) > {limits.largest_document} then error('{Limits.named("largest_document")}')
                 when {is_too_deep("json", limits)} is not null then error('{Limits.named("deepest_nesting")}')
                 else cast(json as varchar) end as json,
            cast(null as varchar) as said
        from read_json_objects({path}, maximum_object_size = {size},
            format = '{"array" if is_array else "unstructured"}',
            compression = '{compression or "none"}', hive_partitioning = false)"""


def checked(table: str) -> str:
    """The query of the values in a table of lines; one that is no JSON, or says already what is wrong, as a string."""
    is_json = "said is null and json_valid(json)"
    return f"""
        select case when {is_json} then json else cast(to_json(json) as varchar) end as json,
            case when {is_json} then null else coalesce(said, 'line: JSON') end as said
        from {table}"""


def records(values: str, shape: Shape, limits: Limits) -> str:
    """The query of the records in a query of values, in their order. What is nested too deep is not taken apart."""
    found = "[json]"
    for path in reversed(shape.records):
        where = _path(path.removesuffix("[]"))
        if path.endswith("[]"):
            kind, there = "ARRAY", f"json_extract(json, {_path(path)})"
        else:
            kind, there = "OBJECT", f"[json_extract(json, {where})]"
        found = f"case when json_type(json, {where}) = '{kind}' then {there} else {found} end"
    may_hold = f"said is null and {is_too_deep('json', limits)} is null"
    inner = f"select unnest(case when {may_hold} then {found} else [json] end) as json, said from ({values})"
    if not shape.each:
        return inner
    is_object = f"said is null and json_type(json) = 'OBJECT' and not {_HAS_A_KEY_TWICE}"
    first = shape.each[0]
    size = f"json_array_length(json, {_path(first)}) * strlen({_without('json', first)})"
    most = f"greatest({LEAST_TAKEN_APART}, {limits.largest_ratio} * strlen(json))"
    return f"""
        select unnest(
            case when not coalesce({is_object}, false) then [json]
                 when {size} > {most} then error('{Limits.named("largest_ratio")}')
                 else {_parts("json", shape.each)} end
        ) as json, said
        from ({inner})"""


def columns(names: tuple[str, ...], values: str, limits: Limits) -> str:
    """The query of columns of records as text, with `as_came`, the record, and `refused`, why it cannot be taken."""
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
                 when {is_too_deep("json", limits)} is not null then {is_too_deep("json", limits)}
                 when json_type(json) <> 'OBJECT' then 'line: a JSON object'
                 when {_HAS_A_KEY_TWICE} then 'line: each key once' {inexact}
            end as refused
        from ({values})"""


def is_too_deep(json: str, limits: Limits) -> str:
    """The expression of why a value is nested too deep; null if it is not. It may be no JSON."""
    # Brackets within strings do not count. With each step every innermost pair goes; few values have so many brackets.
    text = f"cast({json} as varchar)"
    closing = f"strlen({text}) - strlen(replace(replace({text}, '}}', ''), ']', ''))"
    plain = f"""regexp_replace({text}, '"(?:\\\\.|[^"\\\\])*"', '', 'g')"""
    brackets = f"translate(regexp_replace({plain}, '[^\\[\\]{{}}]', '', 'g'), '[]{{}}', '()()')"
    steps = f"list_resize(cast([] as varchar[]), {limits.deepest_nesting}, '')"
    left = f"list_reduce(list_prepend({brackets}, {steps}), lambda held, step: replace(held, '()', ''))"
    reason = f"line: nested no deeper than {limits.deepest_nesting} ({Limits.named('deepest_nesting')})"
    return f"case when {closing} > {limits.deepest_nesting} then case when {left} <> '' then '{reason}' end end"


def _parts(record: str, arrays: tuple[str, ...], level: int = 0) -> str:
    """The expression of a list of the rows of a record."""
    if not arrays:
        return f"[{record}]"
    first, rest = arrays[0], arrays[1:]
    element, part = f"element_{level}", f"part_{level}"
    alone = f"json_merge_patch({_without(record, first)}, json_object('{first}', json_array(cast({part} as json))))"
    rows = f"list_transform({_parts(element, rest, level + 1)}, lambda {part}: {alone})"
    every = f"flatten(list_transform(json_extract({record}, {_path(first + '[]')}), lambda {element}: {rows}))"
    return f"case when json_array_length({record}, {_path(first)}) > 0 then {every} else [{record}] end"


def _without(record: str, key: str) -> str:
    return f"""json_merge_patch({record}, '{{"{key}": null}}')"""


def _path(path: str) -> str:
    """A path of a source as the engine writes it, quoted."""
    return "'$." + path.replace("[]", "[*]").replace("'", "''") + "'"
