"""Writes docs/formats.md: every format, and where each canonical column of it comes from.

It is told by the sources themselves, their headers and SELECTs, and by the real files at hand, which are loaded. Run
as a program it writes the document to the file named.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from house import DATA, SHARED_DATA, load_paths, opened

from assets.raw.sources import Source, read_sources

OWN = ("skipped", "refused", "time_zone")
TESTED = "Tested on "
EXAMPLES = "official_examples"
HEAD = """# Formats

Every shape of file that a source knows, with where each canonical column comes from. Written by `make formats` from
`data/sources`; a test keeps it true. What holds for all files stands in [sources.md](sources.md).
"""


def document() -> str:
    """The whole of it."""
    tested, sources = _tested(), read_sources(DATA / "sources").mapped
    lines = ["| format | rows become | needs | must be told |", "|---|---|---|---|"]
    for source in sources:
        by_content = f"{len(source.columns)} columns" if source.columns else f"{len(source.keys)} keys"
        needs = by_content if source.is_known_by_content else "known by its name"
        cells = f"[{source.name}](#{source.name})", source.dataset.name, needs, ", ".join(source.facts)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([HEAD, *lines, "", *(_section(source, tested.get(source.name, [])) for source in sources)])


def selected(select: str) -> dict[str, str]:
    """The columns that a SELECT gives, and the expression of each, as it is written; of several, those of the last."""
    text = re.sub(r"--.*", "", select)
    depths = list(_depths(text))
    words = [found for found in re.finditer(r"\b(select|from)\b", text, re.IGNORECASE) if depths[found.start()] == 0]
    place = max(number for number, word in enumerate(words) if word[0].lower() == "select")
    end = words[place + 1].start() if len(words) > place + 1 else len(text)
    start = words[place].end()
    commas = [at for at in range(start, end) if text[at] == "," and depths[at] == 0]
    items = [" ".join(text[a + 1 : b].split()) for a, b in zip([start - 1, *commas], [*commas, end], strict=True)]
    found = {}
    for item in items:
        expression, name = re.fullmatch(r"(.*?)(?:\s+as\s+(\w+))?", item, re.IGNORECASE | re.DOTALL).groups()
        plain = re.sub(r"\binput\.(\w+)", r"\1", expression)
        found[name or plain.rpartition(".")[2]] = plain
    return found


def _depths(text: str) -> Iterator[int]:
    """How many brackets are open at each character; quoted text counts as one within brackets."""
    depth, quote = 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
            yield depth + 1
            continue
        quote = sign if sign in "'\"" else ""
        depth += (sign in "([{") - (sign in ")]}")
        yield depth + bool(quote)


def _section(source: Source, tested: list[str]) -> str:
    columns = selected(source.select or "")
    rows = [(name, columns.get(name)) for name in (*source.dataset.columns, *OWN)]
    said = [(name, f"`{_cell(text)}`" if text else "left blank") for name, text in rows if text or name not in OWN]
    return "\n".join(
        [
            f"## {source.name}\n",
            f"{source.description}\n",
            "\n".join(_facts(source, tested)),
            f"\n| `{source.dataset.name}` | comes from |\n|---|---|",
            *(f"| `{name}` | {text} |" for name, text in said),
            "",
        ]
    )


def _facts(source: Source, tested: list[str]) -> Iterator[str]:
    if source.columns:
        yield f"- Known by its columns: {_listed(sorted(source.columns))}."
    elif source.keys:
        yield f"- JSON, known by its keys: {_listed(sorted(source.keys))}."
    else:
        yield f"- Known by its name: {_listed(source.patterns)}."
    if source.shape.records:
        yield f"- Records lie in {_listed(source.shape.records)}, or are the values themselves."
    if source.shape.each:
        yield f"- A row is an element of {_listed(source.shape.each)}."
    if source.optional:
        yield f"- May lack {_listed(source.optional)}."
    if source.facts:
        yield f"- Must be told its {_listed(source.facts)}."
    for table, file in source.joins:
        yield f"- Joined: `{file}`, as `{table}`."
    if source.dialect:
        delimiter = {"\t": "tabs"}.get(source.dialect.delimiter, f"`{source.dialect.delimiter}`")
        quote = f"quoted with `{source.dialect.quote}`" if source.dialect.quote else "not quoted"
        above = f", its header in line {source.dialect.header}" if source.dialect.header > 1 else ""
        yield f"- Delimited by {delimiter}, {quote}{above}."
    if source.zone:
        yield f"- Times without an offset are of {source.zone}."
    if tested:
        yield f"- {TESTED}{'; '.join(tested)}."


def _tested() -> dict[str, list[str]]:
    """What becomes of the real files at hand: of each source, a few words for each file."""
    found: dict[str, list[str]] = {}
    with TemporaryDirectory() as folder, opened(Path(folder, "home")) as warehouse:
        place = Path(folder, "seller=A1B2", "marketplace=ATVPDKIKX0DER", "orderfield=27642")
        place.mkdir(parents=True)
        reports = [place / file.name for file in sorted((SHARED_DATA / "formats").glob("*.*"))]
        for path in reports:
            content = (SHARED_DATA / "formats" / path.name).read_bytes()
            path.write_bytes(_answers(json.loads(content), place) if EXAMPLES in path.name else content)
        for load in load_paths(warehouse, [*reports, *sorted((SHARED_DATA / "olist").glob("*.csv"))]).loads:
            rows = f"{load.rows_read:,} row{'s' * (load.rows_read != 1)}" if load.rows_read else "a header"
            bad = f", {load.rows_quarantined:,} of them bad" if load.rows_quarantined else ""
            encoding = f", {load.encoding}" if load.encoding else ""
            found.setdefault(load.source, []).append(f"{rows}{bad}{encoding} (`{load.path.name}`)")
    return found


def _answers(examples: dict[str, Any], place: Path) -> bytes:
    """The answers among an interface's examples; those with orders alone go into a file beside, if items are apart."""
    found = {
        name: [each["application/json"]] if "static" not in each else [case["response"] for case in each["static"]]
        for name, each in examples.items()
        if "static" in each or "application/json" in each
    }
    if "getOrderItems" in found:
        orders = [*found["getOrders"], *found["getOrder"]]
        (place / "orders.json").write_text("".join(map(json.dumps, orders)), encoding="utf-8")
        found = {"getOrderItems": found["getOrderItems"]}
    return "".join(json.dumps(answer) for answers in found.values() for answer in answers).encode()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
