"""How things look in the terminal: tables with a title and aligned columns, and no character that could steer it."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.printable import printable


def as_lines(text: str) -> str:
    """Text that may come from files, without control characters but the ends of its lines."""
    return "\n".join(printable(line) for line in text.split("\n"))


def new_table(*columns: str, left: int = 1) -> Table:
    """An empty table; the first `left` columns are words, the others numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position < left else "right", overflow="fold")
    return table


def show_table(console: Console, title: str, table: Table) -> None:
    """Print a table under its title, and a blank line; nothing if it has no rows."""
    if table.row_count:
        console.print(Text(title, style="bold"), soft_wrap=True)
        console.print(table)
        console.print()
