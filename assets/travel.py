"""A query of DuckDB's carried over to Spark, or refused by name where it would not mean the same there.

What sqlglot cannot translate it often passes through without a word, and some of what both engines take gives other
values. So functions and operators are refused unless they are known to give the same, and the rest of what is known to
differ by what it is. What is in the text of a query decides, with the types of the columns that it reads. That an order
leaves no ties, where it decides which row is kept, is for whoever writes the query to see to.

Does not belong here: running any of them.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from assets.lineage import REACHED

Columns = Mapping[str, Mapping[str, str]]
"""The tables that a query reads, by the names it has for them: column → DuckDB's type."""

IN_SLICE = "in_slice"
"""The macro that narrows a query to some orders (`making.py`); Spark reads all at once, and the macro is true."""

SAME = (
    *(exp.And, exp.Or, exp.Not, exp.Coalesce, exp.If, exp.Case, exp.Nullif, exp.In, exp.Cast, exp.Exists),
    *(exp.Sum, exp.Count, exp.Min, exp.Max, exp.RowNumber, exp.Lag, exp.Lead, exp.FirstValue),
)
"""Functions, as sqlglot knows them, of which both engines give the same."""

OPERATORS = (
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Is, exp.Between),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Paren),
)
"""Operators of which both engines give the same, of the types that are looked at below."""

COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between)
ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Neg)

REASONS: Mapping[type[exp.Expr], str] = {
    exp.Pivot: "PIVOT passes through untranslated",
    exp.Columns: "COLUMNS() passes through untranslated",
    exp.OnConflict: "ON CONFLICT passes through untranslated",
    exp.DateDiff: "date_diff counts boundaries in one engine and whole months in the other",
    exp.DayOfWeek: "dayofweek begins at 0 in one engine and at 1 in the other",
    exp.DayOfWeekIso: "dayofweek begins at 0 in one engine and at 1 in the other",
    exp.TimestampTrunc: "date_trunc of a zoned time goes by the session's zone, and Spark makes every time a zoned one",
    exp.DateTrunc: "date_trunc of a zoned time goes by the session's zone, and Spark makes every time a zoned one",
    exp.AtTimeZone: "AT TIME ZONE goes by the session's zone",
    exp.TableSample: "a sample is drawn otherwise by each engine",
    exp.Limit: "LIMIT keeps other rows in each engine",
    exp.Offset: "OFFSET keeps other rows in each engine",
    exp.IntDiv: "whole division of negative numbers is rounded otherwise",
    exp.Lambda: "a lambda passes through untranslated",
    exp.Struct: "a struct has other names for its fields",
    exp.Unnest: "unnest has other rules for null and order",
    exp.Explode: "unnest has other rules for null and order",
    exp.Lateral: "LATERAL has other rules",
}
"""What is known to differ, and how."""

WHOLE = exp.DataType.INTEGER_TYPES - {exp.DataType.Type.BIT}
DECIMAL = frozenset((exp.DataType.Type.DECIMAL,))
TEXT = exp.DataType.TEXT_TYPES
INSTANTS = frozenset((exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPNTZ))
ZONED = frozenset((exp.DataType.Type.TIMESTAMPTZ, exp.DataType.Type.TIMESTAMPLTZ, exp.DataType.Type.TIMETZ))


class TravelError(ValueError):
    """A query that would not mean the same on Spark."""


def faults(query: str, columns: Columns) -> list[str]:
    """What of a query would not mean the same on Spark, each by its name; none if it travels."""
    try:
        tree = _parsed(query)
    except SqlglotError as error:
        return [f"it cannot be parsed: {str(error).splitlines()[0]}"]
    if not isinstance(tree, exp.Query):
        found = [REASONS[kind] for kind in REASONS if tree.find(kind)]
        return [f"{type(tree).__name__.upper()} is no query", *found]
    found = [*_known_to_differ(tree), *_forms_that_differ(tree), *_unknown_words(tree)]
    try:
        found += _differing_by_type(tree, columns)
    except OptimizeError as error:
        found.append(f"the types of its columns are not known: {str(error).splitlines()[0]}")
    return list(dict.fromkeys(found))


def carried_over(query: str, instants: Mapping[str, datetime], names: Mapping[str, str]) -> str:
    """A query in Spark's words. `names` says what each table that it reads is called there.

    The query has no `faults`; `instants` are the values of its parameters.
    """
    return _in_sparks_words(_parsed(query), instants, names).sql(dialect="spark")


def tables_read(query: str) -> list[str]:
    """The tables that a query reads, as it names them: `schema.table`, or a temporary one."""
    tree = _parsed(query)
    own = {each.alias for each in tree.find_all(exp.CTE)}
    return sorted({name for each in tree.find_all(exp.Table) if (name := _name(each)) not in own})


def columns_of(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    """The columns of a table as a query names it, and DuckDB's types."""
    described = con.execute(f"describe {REACHED.get(name, name)}").fetchall()
    return {column: kind for column, kind, *_ in described}


def _parsed(query: str) -> exp.Expr:
    return sqlglot.parse_one(query, read="duckdb")


def _name(table: exp.Table) -> str:
    return f"{table.db}.{table.name}" if table.db else table.name


def _in_sparks_words(tree: exp.Expr, instants: Mapping[str, datetime], names: Mapping[str, str]) -> exp.Expr:
    def word(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Table) and _name(node) in names:
            return exp.alias_(exp.to_table(names[_name(node)]), node.alias_or_name, table=True)
        if isinstance(node, exp.Placeholder):
            return exp.cast(exp.Literal.string(str(instants[node.name])), exp.DataType.Type.TIMESTAMPNTZ)
        if isinstance(node, exp.Anonymous) and node.name.lower() == IN_SLICE:
            return exp.true()
        return node

    tree = tree.transform(word)
    while any(query.args.get("qualify") for query in tree.find_all(exp.Select)):
        tree = tree.transform(_without_qualify)
    return tree


def _without_qualify(query: exp.Expr) -> exp.Expr:
    """The rows of a query that its QUALIFY keeps; sqlglot's own way gives the columns beside a star twice."""
    if not isinstance(query, exp.Select) or not query.args.get("qualify"):
        return query
    inner = query.copy()
    condition = inner.args["qualify"].this
    inner.set("qualify", None)
    inner = inner.select(exp.alias_(condition, "is_kept"))
    star = exp.Star(except_=[exp.to_identifier("is_kept")])
    return exp.select(star).from_(inner.subquery("judged")).where(exp.column("is_kept"))


def _known_to_differ(tree: exp.Expr) -> Iterator[str]:
    for kind, reason in REASONS.items():
        if tree.find(kind):
            yield reason
    for join in tree.find_all(exp.Join):
        if join.method.upper() in {"ASOF", "POSITIONAL"}:
            yield f"{join.method.upper()} JOIN passes through untranslated"
    for node in tree.find_all(exp.In):
        query = node.args.get("query")
        if query and any(isinstance(each, exp.Tuple) for each in query.this.selects):
            yield "IN of a row wants its columns without brackets: (a, b) in (select a, b …)"
    if any(parameter.name == "?" for parameter in tree.find_all(exp.Placeholder)):
        yield "a parameter is written $name, not ?"


def _forms_that_differ(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(*COMPARISONS):
        if any(isinstance(each.unnest(), exp.Tuple) for each in node.iter_expressions()):
            yield f"{node.sql(dialect='duckdb')}: a row with nulls is compared otherwise"
    for node in tree.find_all(exp.Count):
        if isinstance(node.this, exp.Column) and isinstance(node.this.this, exp.Star):
            yield f"{node.sql(dialect='duckdb')}: rows of nulls are counted otherwise"
    for node in tree.find_all(exp.Lag, exp.Lead):
        if node.args.get("default"):
            yield f"{node.sql(dialect='duckdb')}: the default takes another type"
    for node in tree.find_all(exp.WindowSpec):
        if node.args.get("exclude"):
            yield "EXCLUDE of a window is lost"


def _unknown_words(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(exp.Func):
        if isinstance(node, exp.Anonymous):
            if node.name.lower() != IN_SLICE:
                yield f"{node.name.lower()}() is a macro, or a function that Spark is not known to have"
        elif not isinstance(node, (*SAME, *REASONS)):
            yield f"{node.sql_name().lower()}() is not known to give the same"
    for node in tree.find_all(exp.Binary, exp.Unary, exp.Bracket):
        if not isinstance(node, (*OPERATORS, *SAME, *REASONS)):
            yield f"{node.sql(dialect='duckdb')}: {node.key} is not known to mean the same"


def _differing_by_type(tree: exp.Expr, columns: Columns) -> Iterator[str]:
    names = {name: name.replace(".", "_") for name in columns}
    schema: dict[str, object] = {names[name]: dict(types) for name, types in columns.items()}
    flat = _in_sparks_words(tree.copy(), _AnyInstant(), names)
    qualified = qualify(flat, schema=schema, dialect="duckdb", identify=False)
    typed = annotate_types(qualified, schema=schema, dialect="duckdb")
    for node in typed.walk():
        if node.type is not None and node.type.this in ZONED:
            yield f"a zoned time ({node.sql(dialect='duckdb')}) goes by the session's zone"
        if isinstance(node, exp.Div) and not (_is_whole(node.left) and _is_whole(node.right)):
            yield f"division of what are not whole numbers ({node.sql(dialect='duckdb')}) gives other digits"
        if isinstance(node, exp.Cast) and not _is_cast_alike(node):
            said = node.sql(dialect="duckdb")
            if node.to.this in WHOLE:
                yield f"{said}: DuckDB rounds to a whole number, Spark cuts off"
            else:
                yield f"{said}: a cast is known to give the same of numbers, and of an instant that is written out"
        if isinstance(node, ARITHMETIC) and not _is_reckoned_alike(node):
            yield f"{node.sql(dialect='duckdb')}: known to give the same of numbers, and of an instant and an interval"
        if isinstance(node, exp.SetOperation) and not _are_of_the_same_types(node):
            yield "a UNION, EXCEPT or INTERSECT of differing types takes other types"
        if isinstance(node, exp.Sum) and not (_is_whole(node.this) or _is_decimal(node.this)):
            yield f"{node.sql(dialect='duckdb')}: a sum of fractions depends on their order"


def _is_whole(node: exp.Expr) -> bool:
    inner = node.unnest()
    if isinstance(inner, exp.Nullif):
        return _is_whole(inner.this)
    return inner.type is not None and inner.type.this in WHOLE


def _is_decimal(node: exp.Expr) -> bool:
    inner = node.unnest()
    return inner.type is not None and inner.type.this in DECIMAL


def _is_cast_alike(node: exp.Cast) -> bool:
    this, to = node.this.unnest(), node.to.this
    if isinstance(this, exp.Literal) and this.is_string:
        return to in INSTANTS
    return (_is_whole(this) and to in WHOLE | DECIMAL) or (_is_decimal(this) and to in DECIMAL)


def _is_reckoned_alike(node: exp.Expr) -> bool:
    operands = list(node.iter_expressions())
    if all(_is_whole(each) or _is_decimal(each) for each in operands):
        return True
    is_shift = isinstance(node, (exp.Add, exp.Sub)) and isinstance(node.right.unnest(), exp.Interval)
    return is_shift and node.left.type is not None and node.left.type.this in INSTANTS


def _are_of_the_same_types(node: exp.SetOperation) -> bool:
    sides = (node.left.selects, node.right.selects)
    return all(
        None in (kinds := {_kind(left), _kind(right)}) or len(kinds) == 1
        for left, right in zip(*sides, strict=False)  # that one has more columns is told by either engine
    )


def _kind(node: exp.Expr) -> object:
    """What a column is, whole numbers of all lengths and texts alike; none if it is always null, or not known."""
    kind = node.type.this if node.type is not None else exp.DataType.Type.UNKNOWN
    if kind in (exp.DataType.Type.UNKNOWN, exp.DataType.Type.NULL):
        return None
    alike = {"whole": WHOLE, "text": TEXT, "instant": INSTANTS}
    return next((name for name, kinds in alike.items() if kind in kinds), kind)


class _AnyInstant(dict[str, datetime]):
    def __missing__(self, key: str) -> datetime:
        return datetime(2000, 1, 1)  # noqa: DTZ001 - UTC, as every instant of the warehouse
