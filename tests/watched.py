"""Files loaded one by one in a process of their own, which is ended where it hangs, and whose memory is measured.

Run as a program it is that process: it takes a request in each line, as JSON, and answers each in a line. It loads into
one home, as `csba load` does, or gives a command.
"""

import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from house import DATA, NOW

from assets.raw.sources import Sources, read_sources
from assets.settings import CHECKOUT, settings

SECONDS = 10
"""In which each file has to be done with."""
SECONDS_TO_START = 60


@dataclass
class Outcome:
    """What became of a file: as one dataset, refused, or as the command's exit code says."""

    path: Path
    seconds: float
    peak: int
    """Bytes of memory that the process has held at most, so far."""
    refused: str | None = None
    is_unchanged: bool = False
    read: int = 0
    loaded: int = 0
    duplicate: int = 0
    quarantined: int = 0
    skipped: int = 0
    failed: str | None = None
    """A traceback, or a command that ended in none of the ways in which it may."""


@dataclass
class Watched:
    """A process that loads into a home. What hangs or ends it is noted, and the next file has a process anew."""

    home: Path
    sources: Path = DATA / "sources"
    hung: list[Path] = field(default_factory=list)
    ended: list[Path] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    start: int = 0
    """Bytes of memory that the process held before its first file."""
    process: subprocess.Popen[bytes] | None = None

    def load(self, path: Path, source: str | None = None) -> Outcome | None:
        """Load a file, through the source named, whatever the file is called; none if it hung, or ended the process."""
        return self.ask(path, {"path": str(path), "source": source})

    def command(self, path: Path, *words: str) -> Outcome | None:
        """Give a command with the file."""
        return self.ask(path, {"path": str(path), "command": [*words, str(path)]})

    def ask(self, path: Path, request: dict[str, Any]) -> Outcome | None:
        if self.process is None:
            self.process = self.begin()
        process = self.process
        assert process.stdin is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        answer = self.answer(process, SECONDS)
        if answer is None:
            (self.ended if process.poll() is not None else self.hung).append(path)
            self.close(kill=True)
            return None
        outcome = Outcome(path=path, **json.loads(answer))
        self.outcomes.append(outcome)
        return outcome

    def begin(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {"CSBA_HOME": str(self.home), "CSBA_SOURCES": str(self.sources)}
        process = subprocess.Popen(
            [sys.executable, __file__], cwd=CHECKOUT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        ready = self.answer(process, SECONDS_TO_START)
        assert ready, "the process that loads cannot be started"
        self.start = int(ready)
        return process

    @staticmethod
    def answer(process: subprocess.Popen[bytes], seconds: float) -> bytes | None:
        """The next line; none if there is none in time, or at all."""
        assert process.stdout is not None
        until, said = time.monotonic() + seconds, b""
        while not said.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], max(0, until - time.monotonic()))
            piece = os.read(process.stdout.fileno(), 1 << 20) if ready else b""
            if not piece:
                if ready:
                    process.wait()
                return None
            said += piece
        return said

    def close(self, *, kill: bool = False) -> None:
        if self.process is None:
            return
        if kill:
            self.process.kill()
        self.process.communicate()
        self.process = None

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *error: object) -> None:
        self.close(kill=error[0] is not None)


def columns_in_words(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many files came to what, and how many rows, for a table."""
    loaded = [each for each in outcomes if not each.refused]
    return {
        "loads": len(outcomes),
        "refused": len(outcomes) - len(loaded),
        "loaded": sum(each.quarantined == 0 for each in loaded),
        "loaded but for bad rows": sum(each.quarantined > 0 for each in loaded),
        "rows read": sum(each.read for each in loaded),
        "rows loaded": sum(each.loaded for each in loaded),
        "duplicates": sum(each.duplicate for each in loaded),
        "quarantined": sum(each.quarantined for each in loaded),
        "skipped": sum(each.skipped for each in loaded),
    }


# -- the process itself -------------------------------------------------------------------------------------------


def peak_memory() -> int:
    """Bytes that this process has held at most. Not what getrusage says: that counts the process that began it."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024


def _loaded(warehouse, sources: Sources, request: dict[str, Any]) -> dict[str, Any]:
    from assets.core.marketplaces import read_marketplaces
    from assets.raw.loading import load

    if request["source"]:
        known = {source.name: source for source in sources.mapped}
        sources = Sources((replace(known[request["source"]], columns=frozenset(), patterns=("*",)),))
    report = load(
        warehouse,
        [Path(request["path"])],
        sources=sources,
        marketplaces=read_marketplaces(settings().marketplaces),
        now=NOW,
        limits=settings().limits,
    )
    found = {"is_unchanged": bool(report.unchanged)}
    if report.refusals:
        return found | {"refused": report.refusals[0].reason}
    for name in ("read", "loaded", "duplicate", "quarantined", "skipped"):
        found[name] = sum(vars(each)[f"rows_{name}"] for each in report.loads)
    return found


def _commanded(words: list[str]) -> dict[str, Any]:
    from click.testing import CliRunner

    from pipelines.cli import cli

    done = CliRunner().invoke(cli, words)
    if done.exception and not isinstance(done.exception, SystemExit):
        return {"failed": repr(done.exception)[:500]}
    if done.exit_code not in (0, 2) or "Traceback" in done.output:
        return {"failed": f"exit code {done.exit_code}: {done.output[-500:]}"}
    return {"refused": done.output[-500:] or "nothing is said"} if done.exit_code else {}


def _answers() -> None:
    """Answer requests until there are no more."""
    from assets.warehouse import open_warehouse

    places = settings()
    sources = read_sources(places.sources)
    print(peak_memory(), flush=True)
    with ExitStack() as opened:
        warehouse = None  # which commands open themselves
        for line in sys.stdin:
            request, started = json.loads(line), time.monotonic()
            try:
                if "command" in request:
                    found = _commanded(request["command"])
                else:
                    warehouse = warehouse or opened.enter_context(
                        open_warehouse(places.home, holder="a test", now=NOW, memory=places.memory)
                    )
                    found = _loaded(warehouse, sources, request)
            except Exception as error:  # whatever it is, it is told
                found = {"failed": repr(error)[:500]}
            found |= {"seconds": round(time.monotonic() - started, 3), "peak": peak_memory()}
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    _answers()
