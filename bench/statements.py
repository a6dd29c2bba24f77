"""`python bench/statements.py`: how fast statements are made, against the bare PDF engine on the same pages.

    python bench/statements.py [--statements 1000] [--rounds 3] [--processes 2]

Writes a synthetic world, loads and bills a month of it, and takes turns: the bare engine (each finished HTML page made
into a PDF and written, in as many processes, nothing else) and the program (tables read, facts, words, HTML, JSON, CSV,
PDF with both attached, all written, with index and manifest). Prints statements a second, the peak memory of a worker,
and the ratio, round by round. Machines differ and are noisy: the ratio is what is worth quoting.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from shutil import rmtree

from reports import fonts
from reports.statement import Press, write_statements

CSBA = [sys.executable, "-m", "pipelines"]
MONTH = "2026-03"


def bare(paths: list[str], font_folder: str, out: str) -> int:
    """What the engine alone does with pages; returns the process's peak memory in KB."""
    import plutoprint

    plutoprint.plutobook_set_fontconfig_path(font_folder)
    for path in paths:
        book = plutoprint.Book(plutoprint.PAGE_SIZE_A4)
        book.load_html(Path(path).read_text(encoding="utf-8"), base_url="file:///", user_style=STYLE)
        book.write_to_pdf(str(Path(out) / f"{Path(path).stem}.pdf"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


STYLE = '* { font-family: "Noto Sans JP", "Noto Sans SC", "Noto Sans KR" !important }'


def run_bare(pages: list[str], font_folder: Path, out: Path, processes: int) -> tuple[float, int]:
    """Seconds and peak memory of a process, with the pages dealt out in small batches."""
    out.mkdir()
    batches = [pages[n : n + 16] for n in range(0, len(pages), 16)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(_warm, range(processes)))
        started = time.monotonic()
        peaks = list(pool.map(bare, batches, [str(font_folder)] * len(batches), [str(out)] * len(batches)))
        return time.monotonic() - started, max(peaks)


def _warm(_: int) -> None:
    import plutoprint  # noqa: F401

    time.sleep(0.2)


def main() -> None:
    """Measure and print."""
    import duckdb  # here, so that the processes of the pool do not

    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--statements", type=int, default=1000)
    arguments.add_argument("--units", type=int, help="default: 30 for each statement")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        environment = {**os.environ, "CSBA_HOME": str(folder / "home"), "CSBA_PDF": "none"}
        size = ["--sellers", str(given.statements), "--units", str(given.units or 30 * given.statements)]
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
        for number in range(given.rounds):
            out = folder / "statements"
            rmtree(out, ignore_errors=True)
            started = time.monotonic()
            written = write_statements(con, scope, out, press)
            ours = time.monotonic() - started
            pages = sorted(str(path) for path in out.rglob("*.html") if path.name != "index.html")
            theirs, peak = run_bare(pages, font_folder, folder / f"bare-{number}", given.processes)
            rmtree(folder / f"bare-{number}")
            rates = written.statements / ours, len(pages) / theirs
            ratios.append(rates[0] / rates[1])
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            print(
                f"{written.statements:,} statements: {rates[0]:,.0f}/s; bare engine {rates[1]:,.0f}/s; ratio"
                f" {ratios[-1]:.2f}; largest process: ours {memory / 1024:,.0f} MB at most, bare {peak / 1024:,.0f} MB"
            )
        print(f"statements / bare engine: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
