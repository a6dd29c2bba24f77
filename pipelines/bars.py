"""How far a command is: a bar in the terminal while it works, gone when it is done.

Does not belong here: what is printed afterwards (`summary`).
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from assets.warehouse import Warehouse
from pipelines.printing import as_lines

SECONDS_BETWEEN_LOOKS = 0.3

ShowFile = Callable[[Path, str, int, int], None]
"""Called with a file, the dataset it is read as, the rows read so far, and all of them."""
ShowStep = Callable[[str, str, int, int], None]
"""Called with a period, a step, how many steps are done, and how many there are."""
ShowWork = Callable[[str, int, int], None]
"""Called with what was done, how much is, and how much there is."""


@contextmanager
def loading_bar(console: Console, warehouse: Warehouse) -> Generator[ShowFile]:
    """For files: rows, and how far the engine is with the one that it reads."""
    with _bar(console) as bar:
        task = bar.add_task("reading", total=None)
        rows: dict[tuple[Path, str], int] = {}
        what = "reading"

        def show(path: Path, dataset: str, done: int, _total: int) -> None:
            nonlocal what
            rows[path, dataset] = done
            what = f"{as_lines(path.name)} as {dataset}"
            bar.update(task, description=what, completed=sum(rows.values()))

        with _while_querying(warehouse, lambda percent: bar.update(task, description=f"{what}, {percent:.0f} %")):
            yield show


@contextmanager
def running_bar(console: Console, warehouse: Warehouse, periods: Sequence[str]) -> Generator[ShowStep]:
    """For the steps of months one after the other, and for their statements."""
    with _bar(console) as bar:
        task = bar.add_task(periods[0], total=None)
        _show_statements(warehouse, bar)

        def show(period: str, step: str, done: int, total: int) -> None:
            completed = periods.index(period) * total + done
            what = f"{period} {step.replace('__', '.')}"
            bar.update(task, description=what, completed=completed, total=total * len(periods))

        yield show


@contextmanager
def closing_bar(console: Console, warehouse: Warehouse) -> Generator[None]:
    """For the final statements of a close."""
    with _bar(console) as bar:
        _show_statements(warehouse, bar)
        yield


@contextmanager
def working_bar(console: Console, what: str) -> Generator[ShowWork]:
    """For anything that is counted."""
    with _bar(console) as bar:
        task = bar.add_task(what, total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def _show_statements(warehouse: Warehouse, bar: Progress) -> None:
    """Let the bar tell of statements while they are made."""
    task = bar.add_task("statements", total=None, visible=False)

    def show(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total, visible=done < total)

    warehouse.on_statements = show


@contextmanager
def _while_querying(warehouse: Warehouse, show: Callable[[float], object]) -> Generator[None]:
    """Within, tell several times a second how far the engine is with a long statement, in per cent."""
    warehouse.con.execute("set enable_progress_bar = true; set enable_progress_bar_print = false")
    is_over = Event()

    def look() -> None:
        while not is_over.wait(SECONDS_BETWEEN_LOOKS):
            percent = warehouse.con.query_progress()
            if percent >= 0:
                show(percent)

    watching = Thread(target=look, daemon=True)
    watching.start()
    try:
        yield
    finally:
        is_over.set()
        watching.join()


class _Rate(ProgressColumn):
    """Rows, or whatever is counted, per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


@contextmanager
def _bar(console: Console) -> Generator[Progress]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield bar
