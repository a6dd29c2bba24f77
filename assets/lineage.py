"""Which tables a query names, found in its syntax tree: the lineage of every table made by SQL.

Does not belong here: what is made of it.
"""

import json
from collections.abc import Iterable
from typing import Any

import duckdb

REACHED = {
    "reached.order_items": "core.order_items",
    "reached.coverage": "core.coverage",
    "reached.shipments": "in_force.shipments",
}
"""What a query names to read of a table only what its scope can touch (`reach.py`), and that table."""

_NAMED: dict[str, frozenset[str]] = {}
"""Query → what it names, of the queries looked at so far."""


def tables_named(query: str) -> frozenset[str]:
    """The tables that a query names in its FROM clauses, by full name; it need not be able to run.

    Rows in force stand for their raw table, and what is reached for all of it.
    """
    return frozenset(REACHED.get(name, name).replace("in_force.", "raw.") for name in names_in(query))


def names_in(query: str) -> frozenset[str]:
    """The same by the names that the query gives them, such as `in_force.order_items` and `reached.coverage`."""
    if query not in _NAMED:
        look_at([query])
    return _NAMED[query]


def look_at(queries: Iterable[str]) -> None:
    """Note the tables that queries name, all of them by one parser. Raises `ValueError` for what is no query."""
    with duckdb.connect() as parser:  # which costs more than all of the parsing
        for query in queries:
            (tree,) = parser.execute("select json_serialize_sql(?)", [query]).fetchall()[0]
            _NAMED[query] = _named_in(json.loads(tree))


def _named_in(tree: dict[str, Any]) -> frozenset[str]:
    if tree.get("error"):
        raise ValueError(f"not a query: {tree.get('error_message')}")
    found = set()
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                found.add((node["schema_name"], node["table_name"]))
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return frozenset(f"{schema}.{name}" for schema, name in found if schema)
