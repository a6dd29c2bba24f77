"""Folders that are replaced whole, and files that are known by their hashes.

Does not belong here: what the files are.
"""

import hashlib
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path


def take_over(files: Mapping[str, str], old: Path, fresh: Path) -> bool:
    """Link files into the fresh folder, if all are there and are what the manifest says."""
    for name, sha256 in files.items():
        if not has_hash(old / name, sha256):
            return False
    for name in files:
        if not (fresh / name).exists():
            _link(old / name, fresh / name)
    return True


def _link(path: Path, other: Path) -> None:
    """The same file under another name; a copy where the file system has no links."""
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)


def has_hash(path: Path, sha256: str) -> bool:
    """Whether a file is there and is what it was."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return False


def beside(target: Path, what: str) -> Path:
    """A folder beside another; its name begins with a dot, so that it is taken for no set."""
    return target.with_name(f".{target.name}.{what}")


def remove(target: Path) -> None:
    """The folder, and what lies beside it."""
    remove_beside(target)
    if target.exists():
        shutil.rmtree(target)


def remove_beside(target: Path) -> None:
    """What a killed process left."""
    for what in ("new", "old", "made"):
        folder = beside(target, what)
        if folder.exists():
            shutil.rmtree(folder)


@contextmanager
def replacement(target: Path, *, made_already: bool = False) -> Generator[Path]:
    """A fresh folder beside the target, which takes the target's place if all goes well and vanishes if not.

    There is one writer at a time. Names begin with a dot, so that what a killed process left behind is no set; the next
    one puts an old set back that was moved aside, and removes the rest. `made_already`: the fresh folder is there.
    """
    fresh, old = beside(target, "new"), beside(target, "old")
    if old.exists() and not target.exists():
        old.rename(target)
    if old.exists():
        shutil.rmtree(old)
    if not made_already:
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(parents=True)
    try:
        yield fresh
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if target.exists():
        target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    if old.exists():
        shutil.rmtree(old)
