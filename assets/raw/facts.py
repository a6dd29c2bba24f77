"""What a file does not say itself, such as whose it is: told by a file beside it, by its name or by its folders.

A report of one seller's account names neither the seller nor, often, the marketplace. So it lies below folders such as
`seller=A1B2C3/marketplace=ATVPDKIKX0DER`, or is called `orders_seller=A1B2C3.txt`, or `orders.txt.toml` lies beside it:

    seller = "A1B2C3"

What stands nearest counts: the file beside it, then its name, then the folders from the inner to the outer.

Does not belong here: what a source makes of it.
"""

import re
import tomllib
from pathlib import Path

from assets.raw.files import SUFFIXES, FileRefusedError

_SAID = re.compile(r"(?:^|[^A-Za-z0-9=])([A-Za-z]+)=([^=]*?)(?=[^A-Za-z0-9][A-Za-z]+=|$)")
_VALUE = re.compile(r"[A-Za-z0-9-]+")
"""No more: of `seller=A1_2026` nobody could tell where the seller ends."""
LARGEST = 10_000
"""Bytes of a file that tells of another."""


def beside(path: Path) -> Path:
    """The file that tells of another."""
    return path.with_name(f"{path.name}.toml")


def facts_of(path: Path) -> dict[str, str]:
    """What is said of a file, by name; what cannot be told for sure is not said.

    Raises `FileRefusedError` for a file beside it that cannot be used.
    """
    found: dict[str, str] = {}
    *folders, name = path.absolute().parts
    for part in (*folders, SUFFIXES.sub("", name)):
        found |= {fact.lower(): value for fact, value in _SAID.findall(part)}
    found = {fact: value for fact, value in found.items() if _VALUE.fullmatch(value)}
    return found | told_beside(path)


def told_beside(path: Path) -> dict[str, str]:
    """What the file beside it says, if there is one. Raises `FileRefusedError`."""
    sidecar = beside(path)
    if not sidecar.is_file():
        return {}
    try:
        if sidecar.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        said = tomllib.loads(sidecar.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:  # text that is not UTF-8, and not TOML, are ValueErrors
        raise FileRefusedError(f"{sidecar.name}, which tells of it, is not TOML") from error
    if not all(isinstance(value, str) for value in said.values()):
        raise FileRefusedError(f"{sidecar.name}, which tells of it, says something else than text")
    return said
