"""Where a run's time goes: for each stage its rows, seconds, bytes written and peak memory.

Memory and bytes are those of this process and of the processes it started, looked at many times a second, as Linux
tells them; elsewhere they are not known.
"""

import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.05
_PROC = Path("/proc")


@dataclass(frozen=True)
class Stage:
    """One stage: `written` and `peak_memory` are bytes; None where the system does not tell."""

    name: str
    rows: int
    seconds: float
    written: int | None
    peak_memory: int | None


@dataclass
class Profile:
    """The stages of a run so far. Time between them is nobody's; `seconds` is all of it."""

    stages: list[Stage] = field(default_factory=list)
    seconds: float = 0.0
    _started: float = 0.0
    _written: int | None = None
    _watch: "Watch | None" = None

    @contextmanager
    def watching(self) -> Generator[None]:
        """Within, stages may begin and end."""
        started = time.monotonic()
        with Watch() as self._watch:
            yield
        self.seconds += time.monotonic() - started

    def begin(self) -> None:
        """A stage begins."""
        if self._watch is not None:
            self._started, self._written = time.monotonic(), self._watch.written()
            self._watch.peak_memory = None

    def end(self, name: str, rows: int) -> None:
        """The stage that began ends, and made so many rows."""
        if self._watch is None:
            return
        self._watch.look()
        written = self._watch.written()
        since = None if written is None or self._written is None else written - self._written
        seconds = time.monotonic() - self._started
        self.stages.append(Stage(name, rows, seconds, since, self._watch.peak_memory))


class Watch:
    """Looks at this process and its children, and at a folder of what did not fit into memory, from its own thread."""

    def __init__(self, spill: Path | None = None, seconds: float = SECONDS_BETWEEN_LOOKS) -> None:
        self.peak_memory: int | None = None
        self.peak_spill = 0
        """Bytes."""
        self._spill, self._seconds = spill, seconds
        self._bytes_of: dict[str, int] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._go_on_looking, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self.look()

    def _go_on_looking(self) -> None:
        while not self._is_over.wait(self._seconds):
            self.look()

    def look(self) -> None:
        """Take down the memory in use now, and what each process has written."""
        memory = [_memory(process) for process in _processes()]
        known = [each for each in memory if each is not None]
        if known:
            self.peak_memory = max(self.peak_memory or 0, sum(known))
        self.written()
        if self._spill is not None:
            self.peak_spill = max(self.peak_spill, _size(self._spill))

    def written(self) -> int | None:
        """Bytes written by all processes seen so far, those that have ended included; None where it is not told."""
        for process in _processes():
            found = _written(process)
            if found is not None:
                self._bytes_of[process] = max(found, self._bytes_of.get(process, 0))
        return sum(self._bytes_of.values()) if self._bytes_of else None


def _size(folder: Path) -> int:
    """Bytes of the files in a folder, which come and go."""
    try:
        return sum(file.stat().st_size for file in folder.iterdir())
    except OSError:
        return 0


def _processes() -> list[str]:
    """This process and all below it, by id."""
    found = [str(os.getpid())]
    for process in found:
        try:
            found += (_PROC / process / "task" / process / "children").read_text().split()
        except OSError:
            continue
    return found


def _memory(process: str) -> int | None:
    try:
        return int((_PROC / process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return None


def _written(process: str) -> int | None:
    try:
        lines = (_PROC / process / "io").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.removeprefix("wchar: ")) for line in lines if line.startswith("wchar: ")), None)
