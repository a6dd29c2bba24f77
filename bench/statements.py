"""`python bench/statements.py`: how fast statements are made, against the bare PDF engine on the same pages.

    python bench/statements.py [--statements 4000] [--rounds 3] [--processes 2] [--folder var]

Writes a synthetic world, loads and bills a month of it, and takes turns: the program (tables read, facts, words, HTML,
JSON, CSV, PDF with both attached, all written, with index and manifest) and the bare engine (each finished HTML page
made into a PDF and written, in as many processes, nothing else). Prints statements a second, the memory of the
processes early and late, and the ratio, round by round; then, in one process, what it brings to make statements
together, step by step. Machines differ and are noisy: the ratio is what is worth quoting.

Files should not have been removed in great numbers in the minutes before: some file systems pass over the places of
those one by one, for each new file.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from assets.settings import CHECKOUT
from reports import fonts
from reports.statement import Press, workers, write_statements

if TYPE_CHECKING:
    import duckdb

CSBA = [sys.executable, "-m", "pipelines"]
MONTH = "2026-03"
STYLE = '* { font-family: "Noto Sans JP", "Noto Sans SC", "Noto Sans KR" !important }'


def bare(paths: list[str], font_folder: str, out: str) -> None:
    """What the engine alone does with pages."""
    import plutoprint

    plutoprint.plutobook_set_fontconfig_path(font_folder)
    for path in paths:
        book = plutoprint.Book(plutoprint.PAGE_SIZE_A4)
        book.load_html(Path(path).read_text(encoding="utf-8"), base_url="file:///", user_style=STYLE)
        book.write_to_pdf(str(Path(out) / f"{Path(path).stem}.pdf"))


def run_bare(pages: list[str], font_folder: Path, out: Path, processes: int) -> float:
    """Seconds, with the pages dealt out in small batches."""
    out.mkdir()
    batches = [pages[n : n + 16] for n in range(0, len(pages), 16)]
    started = time.monotonic()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(bare, batches, [str(font_folder)] * len(batches), [str(out)] * len(batches)))
    return time.monotonic() - started


def run_in_one_process(
    con: "duckdb.DuckDBPyConnection", scope: list[tuple[str, str]], out: Path, press: Press
) -> float:
    """Statements a second."""
    started = time.monotonic()
    return write_statements(con, scope, out, replace(press, workers=1)).statements / (time.monotonic() - started)


class Memory:
    """The largest resident memory of this process's children, in MB, over the time that it is watched."""

    def __enter__(self) -> "Memory":
        self.seen: list[float] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        children, page = Path(f"/proc/self/task/{os.getpid()}/children"), os.sysconf("SC_PAGE_SIZE")
        while not self._is_over.wait(0.1):
            sizes = []
            for pid in children.read_text().split():
                try:
                    sizes.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page / 2**20)
                except OSError:
                    continue  # it has just ended
            self.seen.append(max(sizes, default=0))

    @property
    def early_and_late(self) -> tuple[float, float]:
        """The largest in the second tenth of the time, and in the last."""
        tenth = max(len(self.seen) // 10, 1)
        return max(self.seen[tenth : 2 * tenth] or self.seen), max(self.seen[-tenth:])


def main() -> None:
    """Measure and print."""
    import duckdb  # here, so that the processes of the pool start without it

    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--statements", type=int, default=4000)
    arguments.add_argument("--units", type=int, help="default: 30 for each statement")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments.add_argument("--folder", type=Path, default=CHECKOUT / "var", help="where to work; emptied in the end")
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        folder = Path(place)
        environment = {**os.environ, "CSBA_HOME": str(folder / "home"), "CSBA_PDF": "none"}
        # some of the sellers of a world have nothing to be told in a month
        size = ["--sellers", str(given.statements * 6 // 5), "--units", str(given.units or 30 * given.statements)]
        for command in (
            ["generate", "--out", str(folder / "world"), *size, "--months", MONTH],
            ["load", str(folder / "world")],
            ["run", MONTH],
        ):
            subprocess.run([*CSBA, *command], env=environment, check=True, stdout=subprocess.DEVNULL)
        con = duckdb.connect(str(folder / "home" / "warehouse.duckdb"), read_only=True)
        query = "select distinct period, marketplace_id from billing.statements order by all"
        scope = [(period, marketplace_id) for period, marketplace_id in con.execute(query).fetchall()]
        press = Press("plutoprint", folder / "fonts", "bench", workers=given.processes)
        font_folder = fonts.configure(press.fonts)
        ratios = []
        for number in range(given.rounds):  # each into folders of its own
            out = folder / f"statements-{number}"
            started = time.monotonic()
            with Memory() as memory:
                written = write_statements(con, scope, out, press)
            ours = time.monotonic() - started
            pages = sorted(str(path) for path in out.rglob("*.html") if path.name != "index.html")
            theirs = run_bare(pages, font_folder, folder / f"bare-{number}", given.processes)
            rates = written.statements / ours, len(pages) / theirs
            ratios.append(rates[0] / rates[1])
            early, late = memory.early_and_late
            print(
                f"{written.statements:,} statements in {given.processes} processes: {rates[0]:,.0f}/s, bare engine"
                f" {rates[1]:,.0f}/s, ratio {ratios[-1]:.2f}; the largest process {early:,.0f} MB early,"
                f" {late:,.0f} MB late"
            )
        print(f"statements / bare engine: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        usual, ratios = workers.AT_A_TIME, []
        for number in range(given.rounds):
            rates = {}
            for workers.AT_A_TIME in (usual, 1) if number % 2 else (1, usual):
                out = folder / f"{workers.AT_A_TIME}-{number}"
                rates[workers.AT_A_TIME] = run_in_one_process(con, scope[:1], out, press)
            ratios.append(rates[usual] / rates[1])
        print(
            f"{usual} statements step by step / one after the other: {statistics.median(ratios):.2f}"
            f" ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
