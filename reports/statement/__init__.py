"""The statement that a seller gets for a marketplace and period, and can check line by line.

Read `rows` (what is read, in one pass over the tables), `view` (what a statement shows, without HTML) and `writing`
(where it goes). `reasons` says why, `next_tier` what fewer contacts would have saved, `figures` prints exact numbers,
and `words` holds every sentence. Nothing here decides an amount: amounts come from
`billing.fee_lines`, and are only explained.
"""

from reports.statement.writing import write_statements

__all__ = ["write_statements"]
