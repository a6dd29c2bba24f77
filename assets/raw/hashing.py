"""The hashes of files, by which a load knows content that was loaded before; it owns `audit.hashes`.

Does not belong here: what is known by a hash, and that a file stays as it is while it is loaded (`loading.py`).
"""

import os
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from assets.raw.files import sha256
from assets.warehouse import Warehouse

FILES_AHEAD = 3
"""So many files are hashed before it is their turn, at most: what was read is likely to be still in memory then."""


class Hashes:
    """The hashes of files; one that still has its stamp is not read again.

    A stamp is a file's size and the times of its last changes. What was changed just now is not trusted: it could be
    changed again within one tick of the file system's clock.

    Files may be hashed aside, one after the other, while those before them are loaded: that takes one core, where some
    of a load leaves one idle.
    """

    SECONDS_TO_SETTLE = 2

    def __init__(self, warehouse: Warehouse, now: datetime):
        self.con, self.now = warehouse.con, now.replace(tzinfo=UTC).timestamp()
        self.known = {row[0]: row[1:] for row in self.con.execute("from audit.hashes").fetchall()}
        self.found: dict[str, tuple[str, str]] = {}
        self.aside: dict[Path, tuple[str, Future[str]]] = {}
        self.hashing = Hashing()

    def begin(self, paths: Iterable[Path]) -> None:
        """Hash files aside that will be asked for: those that are not known, and were not changed just now."""
        for path in paths:
            with suppress(OSError, ValueError):  # whoever asks for it is told
                stat = path.stat()
                is_plain = path.is_file() and not path.is_symlink()
                if is_plain and self.is_settled(stat) and not self.known_of(path, _stamp(stat)):
                    self.aside[path] = _stamp(stat), self.hashing.put(path)

    def of(self, path: Path) -> str:
        """The SHA-256 of a file's content."""
        stat = path.stat()
        stamp = _stamp(stat)
        known = self.known_of(path, stamp)
        if known:
            return known
        found = self.found_aside(path, stamp) or sha256(path)
        if self.is_settled(stat):
            self.found[str(path.absolute())] = stamp, found
        return found

    def found_aside(self, path: Path, stamp: str) -> str:
        """The hash made aside of a file that is still as it was; nothing if there is none yet, and none will be."""
        stamp_then, hashing = self.aside.pop(path, ("", None))
        if hashing is None or hashing.cancel() or stamp_then != stamp:
            return ""
        with suppress(OSError):  # whoever asks for it reads it again, and is told
            return hashing.result()
        return ""

    def known_of(self, path: Path, stamp: str) -> str:
        """The hash of a file that still has the stamp with which it was kept; else nothing."""
        stamped, known = self.known.get(str(path.absolute()), ("", ""))
        return known if stamped == stamp else ""

    def is_settled(self, stat: os.stat_result) -> bool:
        """Whether a file was last changed long enough before the load."""
        return max(stat.st_mtime, stat.st_ctime) < self.now - self.SECONDS_TO_SETTLE

    def keep(self) -> None:
        """Remember what was found."""
        rows = [[name, *found] for name, found in self.found.items()]
        if rows:
            self.con.executemany("insert or replace into audit.hashes values (?, ?, ?)", rows)

    def close(self) -> None:
        """Hash no more files aside."""
        for _, hashing in self.aside.values():
            hashing.cancel()
        self.hashing.waiting.put(None)


class Hashing(Thread):
    """Hashes files, one after the other, until it is closed. The process does not wait for it to end."""

    def __init__(self) -> None:
        super().__init__(name="hashing", daemon=True)
        self.waiting: SimpleQueue[tuple[Path, Future[str]] | None] = SimpleQueue()

    def put(self, path: Path) -> Future[str]:
        """The hash of a file, which can be cancelled until the file is being read."""
        hashing: Future[str] = Future()
        self.waiting.put((path, hashing))
        if not self.is_alive():
            self.start()
        return hashing

    def run(self) -> None:
        """What fails is told to who asks for it."""
        for path, hashing in iter(self.waiting.get, None):
            if hashing.set_running_or_notify_cancel():
                try:
                    hashing.set_result(sha256(path))
                except Exception as error:
                    hashing.set_exception(error)


def _stamp(stat: os.stat_result) -> str:
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
