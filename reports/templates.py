"""Templates, and the styles that they inline: set up once, the same for every page.

Does not belong here: what any page shows, or in which language.
"""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

FOLDER = Path(__file__).parent
"""Where what pages share lies: `page.css` and `charts.svg.j2`."""


class Style(NamedTuple):
    """A style sheet, to be inlined, and the hash by which the page's policy admits it."""

    css: Markup
    source: Markup


def style(path: Path) -> Style:
    """A style sheet of the project."""
    text = path.read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Style(Markup(text), Markup(f"'sha256-{digest}'"))


def environment(folder: Path, known: Mapping[str, Any]) -> jinja2.Environment:
    """The templates of a folder and those that all share; they escape, and stop at a name they do not know."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, FOLDER]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals = {**made.globals, **known}
    return made
