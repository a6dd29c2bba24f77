"""Writes docs/tables.md: every table, what a row and each column of it is, and what it is made from.

It is told by a warehouse in which the sample was billed, and by the asset graph. Run as a program it writes the
document to the file named.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import duckdb
from house import DATA, bill, load_paths, opened

from assets.raw.datasets import DATASETS
from assets.tables import tables
from pipelines.definitions import build_definitions

HEAD = """# Tables

Every table of the warehouse: what a row is, its columns with their units, and what it is made from. Written by `make
tables` from the tables themselves, where the same is kept as comments; a test keeps it true. Ids and periods are text,
money is `DECIMAL(18,4)`, instants are UTC. What the columns decide is told in [domain.md](domain.md).
"""
SCHEMAS = {
    "raw": "Rows of files as they came, typed; they are only ever added.",
    "core": "What is true.",
    "billing": "What is owed.",
    "audit": "Why to believe it.",
}
OWN = ("file_id", "row_number")


def document() -> str:
    """The whole of it."""
    with TemporaryDirectory() as folder, opened(Path(folder)) as warehouse:
        load_paths(warehouse, [DATA / "sample"])
        bill(warehouse, ["2026-05"])
        return "\n".join([HEAD, *_lines(warehouse.con)])


def _lines(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    upstreams, keys = _upstreams(), _keys()
    for schema, meaning in SCHEMAS.items():
        yield f"## {schema}\n\n{meaning}\n"
        for name, description in con.execute(
            """
            select table_name as name, comment from duckdb_tables() where schema_name = $1
            union all
            select view_name, comment from duckdb_views() where schema_name = $1
            order by name""",
            [schema],
        ).fetchall():
            full_name = f"{schema}.{name}"
            yield f"### {full_name}\n\n{description}\n"
            if full_name in keys:
                yield f"- Key: {_listed(keys[full_name])}."
            if upstreams.get(full_name):
                yield f"- Made from: {_listed(upstreams[full_name])}."
            yield "\n| column | type | meaning |\n|---|---|---|"
            for column, kind, comment in con.execute(
                """
                select column_name, data_type, comment from duckdb_columns()
                where schema_name = ? and table_name = ? order by column_index""",
                [schema, name],
            ).fetchall():
                yield f"| `{column}` | {kind} | {comment} |"
            yield ""


def _upstreams() -> dict[str, list[str]]:
    """Table → tables it is made from, as the asset graph has it; what the whole graph stands before is left out."""
    return {
        ".".join(spec.key.path): sorted(".".join(each.asset_key.path) for each in spec.deps)
        for spec in build_definitions().resolve_all_asset_specs()
        if isinstance(spec, dg.AssetSpec)
    }


def _keys() -> dict[str, tuple[str, ...]]:
    raw = {f"raw.{dataset.name}": OWN for dataset in DATASETS.values()}
    return raw | {table.full_name: table.key for table in tables().values()}


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
