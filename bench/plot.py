"""The plot of scale.py: the cost of a row and the peak memory of a process, by size; figures come in as JSON."""

import json
import sys

import matplotlib as mpl
from matplotlib import pyplot

WHOLE = ("load", "run")
SHOWN = 5
"""Stages shown beside the two commands: those that take the longest."""


def main(out: str) -> None:
    """Read the figures, write the SVG."""
    given = json.load(sys.stdin)
    sizes = {int(items): stages for items, stages in given["stages"].items()}
    largest = sizes[max(sizes)]
    inner = sorted((name for name in largest if name not in WHOLE), key=lambda name: -largest[name][0])
    mpl.rcParams["svg.hashsalt"] = "scale"
    figure, (cost, peak) = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for name in (*WHOLE, *inner[:SHOWN]):
        costs = [stages[name][0] for stages in sizes.values()]
        cost.plot(list(sizes), costs, "o-" if name in WHOLE else "o--", label=name)
    for name in WHOLE:
        peak.plot(list(sizes), [stages[name][1] / 1000 for stages in sizes.values()], "o-", label=name)
    peak.axhline(given["limit"], color="grey", linestyle=":", label="limit")
    for axes, title in ((cost, "microseconds an order item"), (peak, "peak memory of the process, GB")):
        axes.set(xscale="log", xlabel="order items of the month", title=title)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(out, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main(sys.argv[1])
