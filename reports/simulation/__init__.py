"""The page of a simulation: what months come to now and would under other terms, for whoever decides about terms.

Read `rows` (what is read: the tables of the schema `simulation`), `view` (what is shown of them) and `writing`. Nothing
here decides an amount.
"""

from reports.simulation.view import Facts
from reports.simulation.writing import PAGE, write_page

__all__ = ["PAGE", "Facts", "write_page"]
