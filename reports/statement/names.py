"""Names of files and folders, made from ids that may hold anything."""

import hashlib
import re
from typing import NamedTuple

INDEX_PAGE = "index.html"
MANIFEST = "manifest.json"
SLUG_LENGTH = 40
HASH_LENGTH = 12


class Names(NamedTuple):
    """The files of a statement."""

    html: str
    json: str
    csv: str
    pdf: str


def file_names(seller_id: str) -> Names:
    """The names of a seller's files: what is harmless of its id, and enough of a hash to tell any two ids apart."""
    stem = f"{_slug(seller_id, 'seller')}-{_hash(seller_id)}"
    return Names(f"{stem}.html", f"{stem}.json", f"{stem}.lines.csv", f"{stem}.pdf")


def folder_name(marketplace_id: str) -> str:
    """The name of a marketplace's folder: its id if that is a plain one, else made as `file_names` does."""
    if re.fullmatch(r"[A-Z0-9]{1,64}", marketplace_id):
        return marketplace_id
    return f"{_slug(marketplace_id, 'marketplace')}-{_hash(marketplace_id)}"


def _slug(text: str, otherwise: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:SLUG_LENGTH].strip("-") or otherwise


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]
