"""What columns mean wherever they stand, so that a table's header explains only what is its own."""

from assets.raw.datasets import DATASETS

MEANINGS = {
    **{name: meaning for dataset in reversed(DATASETS.values()) for name, meaning in dataset.meanings.items()},
    "period": "calendar month in the marketplace's own time zone, such as 2026-05",
    "marketplace_id": "the marketplace (core.marketplaces)",
    "seller_id": "the seller (core.sellers)",
    "terms_id": "the version of the terms (core.terms)",
    "tier": "tier of the terms, from 1 (core.tiers)",
    "currency": "ISO 4217, of all amounts of the row",
    "updated_at": "orders versions of one key; the greatest is in force, UTC",
    "load_id": "the load that brought it, from 1",
    "file_id": "the file that brought it (audit.files)",
    "row_number": "its row in that file, from 1",
    "id_hash": "hash of an id, by which its rows are found among many; two ids may share one",
}
"""Column → meaning and unit; a table's own header goes before."""
