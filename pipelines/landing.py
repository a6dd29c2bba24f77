"""The landing folder: which files in it are new and whole, between one look and the next.

Between looks a `Memory` is kept, a few characters for each file that lies there. A file is known by its path, size and
times: what comes back under its name with other content is new, and what was taken once is not taken again, whatever
became of it. A file that is being written differs from one look to the next, and is left alone until it does not.

Does not belong here: Dagster, and what is in a file.
"""

import os
import stat
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".crdownload")
"""Names that those who write a file give it until it is whole."""
BYTES_OF_A_MARK = 8
"""Of a million files, two have the same mark once in some tens of millions of folders."""


class LandingError(Exception):
    """A landing folder that cannot be looked into; the message says why and what to do."""


@dataclass(frozen=True)
class Memory:
    """What is remembered of a look, by mark: files that were taken, and those that were there but not taken yet."""

    taken: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()

    def as_plain(self) -> dict[str, str]:
        """As it is kept."""
        return {"taken": "".join(sorted(self.taken)), "seen": "".join(sorted(self.seen))}

    @staticmethod
    def of_plain(kept: Mapping[str, str]) -> "Memory":
        """As it was kept."""
        return Memory(*(frozenset(_cut(kept.get(name, ""))) for name in ("taken", "seen")))


def look(folder: Path) -> dict[str, Path]:
    """The files below a folder by mark. Links, hidden and unfinished files are passed over.

    Raises `LandingError`.
    """
    found: dict[str, Path] = {}

    def refuse(error: OSError) -> None:
        raise LandingError(f"{error.filename} cannot be looked into: {error.strerror}") from error

    if not folder.is_dir():
        raise LandingError(f"there is no folder {folder}; make it, or name another by CSBA_LANDING")
    for place, below, names in os.walk(folder, onerror=refuse):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or name.lower().endswith(UNFINISHED):
                continue
            path = Path(place, name)
            try:
                status = path.lstat()
            except FileNotFoundError:  # it was just taken away
                continue
            if stat.S_ISREG(status.st_mode):
                found[_mark(path.relative_to(folder), status)] = path
    return found


def take(
    found: Mapping[str, Path], memory: Memory, *, is_busy: bool, is_joined: Callable[[Path], bool]
) -> tuple[list[Path], Memory]:
    """The files to load now, in order of path, and what to remember.

    While a load is under way nothing is taken: what comes meanwhile goes together into the next. With a file that
    others are read together with (`is_joined`) those beside it are taken again, which may have waited for it.
    """
    present = frozenset(found)
    taken = memory.taken & present
    ready = frozenset() if is_busy else (present & memory.seen) - taken
    folders = {found[mark].parent for mark in ready if is_joined(found[mark])}
    again = {mark for mark in taken if found[mark].parent in folders}
    return sorted(found[mark] for mark in ready | again), Memory(taken | ready, present - taken - ready)


def _mark(path: Path, status: os.stat_result) -> str:
    told = f"{path}\0{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
    return urlsafe_b64encode(blake2b(os.fsencode(told), digest_size=BYTES_OF_A_MARK).digest()).decode().rstrip("=")


def _cut(marks: str) -> Iterable[str]:
    length = (BYTES_OF_A_MARK * 8 + 5) // 6
    return (marks[start : start + length] for start in range(0, len(marks), length))
