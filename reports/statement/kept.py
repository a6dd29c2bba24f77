"""A statement's facts, read back from the JSON of them: what a close kept can be said again, in other words.

Does not belong here: what a field means (`view`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import orjson

from reports.statement.rows import StatementError
from reports.statement.view import FORM, View


def view_of(text: str) -> View:
    """The facts that `as_json` wrote. Raises `StatementError` where the text is none of this form."""
    try:
        found = orjson.loads(text)
        if found["form"] == FORM:
            return _reader(View)(found)
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise StatementError(f"what is kept of a statement cannot be read: {error}") from error
    raise StatementError(f"what is kept of a statement has the form {found['form']!r}; this program knows {FORM!r}")


SCALARS: Mapping[Any, Callable[[Any], Any]] = {
    datetime: lambda value: datetime.fromisoformat(value).replace(tzinfo=None),  # UTC, as all instants here
    date: date.fromisoformat,
    Decimal: Decimal,
}


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """What makes a value of a type from its JSON."""
    if get_origin(kind) is UnionType:
        (own,) = (_reader(each) for each in get_args(kind) if each is not type(None))
        return lambda value: None if value is None else own(value)
    if get_origin(kind) is Sequence:
        each = _reader(*get_args(kind))
        return lambda values: [each(value) for value in values]
    if kind in SCALARS:
        return SCALARS[kind]
    if issubclass(kind, tuple):
        readers = {name: _reader(of) for name, of in get_type_hints(kind).items()}
        return lambda value: kind(**{name: reader(value[name]) for name, reader in readers.items()})
    return lambda value: value
