"""The close report: one page for finance about a period of a marketplace, to sign from before it is closed.

Read `rows` (what is read: sums over the published tables), `view` with `compared`, `sellers` and `proof` (what is shown
of them), `forms` and `words` (what figures look like, and what things are called) and `writing` (the page, and where it
goes). Nothing here decides an amount; what the tables say twice is added up both ways and shown side by side.
"""

from reports.close_report.writing import report_page, write_close_reports

__all__ = ["report_page", "write_close_reports"]
