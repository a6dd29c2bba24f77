"""`make bench`: how long loading and billing take, against a hand-written script on the same files in the same minute.

    python bench/run.py [--units 1000000] [--rounds 3]

Writes a synthetic world, then takes turns: the hand-written script (`by_hand.py`), `csba load`, `csba run`. Prints the
median of each, its peak memory, and the ratio of the whole to the script, pair by pair. Machines differ and are noisy:
the ratios are what is worth quoting.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CSBA = [sys.executable, "-m", "pipelines"]
MONTHS = "2026-03..2026-05"


def timed(command: list[str], **environment: str) -> tuple[float, float]:
    """Seconds and peak memory (MB) of a command; its output is thrown away."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{complaint.decode()}")
    return time.monotonic() - started, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--units", type=int, default=1_000_000)
    arguments.add_argument("--sellers", type=int, default=2_000)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        world = folder / "world"
        size = ["--sellers", str(given.sellers), "--units", str(given.units), "--months", MONTHS]
        seconds, memory = timed([*CSBA, "generate", "--out", str(world), *size])
        size_mb = sum(path.stat().st_size for path in world.iterdir()) / 2**20
        world_size = f"{given.units:,} units, {given.sellers:,} sellers, {size_mb:,.0f} MB"
        print(f"a world of {world_size}: {seconds:.1f} s, {memory:.0f} MB")
        figures: dict[str, list[tuple[float, float]]] = {"by hand": [], "csba load": [], "csba run": []}
        for number in range(given.rounds):
            home = str(folder / f"home-{number}")
            by_hand = [sys.executable, str(Path(__file__).parent / "by_hand.py"), str(world), f"{home}.duckdb"]
            figures["by hand"].append(timed(by_hand))
            figures["csba load"].append(timed([*CSBA, "load", str(world)], CSBA_HOME=home))
            figures["csba run"].append(timed([*CSBA, "run", MONTHS], CSBA_HOME=home))
        print(f"{'':12} {'seconds':>8} {'MB':>6}   (median of {given.rounds})")
        for name, runs in figures.items():
            seconds, memory = (statistics.median(column) for column in zip(*runs, strict=True))
            print(f"{name:12} {seconds:8.1f} {memory:6.0f}")
        pairs = zip(*figures.values(), strict=True)
        ratios = [(load[0] + run[0]) / hand[0] for hand, load, run in pairs]
        print(f"load and run / by hand: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
