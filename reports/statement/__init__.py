"""The statement that a seller gets for a marketplace and period, and can check line by line.

Read `rows` (what is read, in one pass over the tables), `view` (the facts a statement shows, and its JSON), `words`
(the sentences, in five languages), `pages` (facts and words in one template), `making` (the files of a statement),
`workers` (who makes them) and `writing` (a whole set, and where it goes). Nothing here decides an amount: amounts come
from `billing.fee_lines`, and are only explained.
"""

from reports.statement.making import Press
from reports.statement.workers import started_early
from reports.statement.writing import Written, found_in, statements_of, write_statements

__all__ = ["Press", "Written", "found_in", "started_early", "statements_of", "write_statements"]
