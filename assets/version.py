"""Which code made a figure: the version, and a hash of everything that can change a result."""

import hashlib
from functools import cache
from importlib.metadata import version

from assets.settings import CHECKOUT

VERSION = version("csba-billing")
_FOLDERS = ("assets", "pipelines", "reports")
_SUFFIXES = {".py", ".sql", ".j2", ".css", ".po"}


@cache
def code_version() -> str:
    """Such as `0.1.0+1f0c9a3b2d4e`."""
    digest = hashlib.sha256()
    for folder in _FOLDERS:
        for path in sorted((CHECKOUT / folder).rglob("*")):
            if path.suffix in _SUFFIXES:
                digest.update(f"{path.relative_to(CHECKOUT)}\0".encode())
                digest.update(path.read_bytes())
    return f"{VERSION}+{digest.hexdigest()[:12]}"
