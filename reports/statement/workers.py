"""Processes that make statements: what each does with a job, and that none outlives the command it works for."""

import hashlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import NamedTuple

from reports.statement.making import Job, Maker, Press

_maker: Maker | None = None
"""Of this process, if it is a worker."""


class Result(NamedTuple):
    """What came of a job."""

    statement_id: str
    files: dict[str, str]
    """Name → SHA-256."""
    without_glyphs: int
    wrong: str
    """Why it could not be made; else empty."""


def pool(press: Press, number: int) -> ProcessPoolExecutor:
    """Worker processes, each with templates and engine of its own."""
    return ProcessPoolExecutor(number, mp_context=get_context("spawn"), initializer=_begin, initargs=(press,))


def _begin(press: Press) -> None:
    global _maker  # noqa: PLW0603 - a process has one
    parent = parent_process()
    assert parent is not None  # a worker is somebody's
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    _maker = Maker(press)


def _end_with(sentinel: int) -> None:
    """A killed command cannot end its workers: they see its end and go."""
    connection.wait([sentinel])
    os._exit(1)


def write_all(jobs: Sequence[Job], folder: str) -> list[Result]:
    """In a worker: the files of each job, into a folder."""
    assert _maker is not None  # the initializer ran
    return [write(_maker, job, Path(folder)) for job in jobs]


def write(maker: Maker, job: Job, folder: Path) -> Result:
    """The files of a job, into a folder. Whatever is wrong with one statement is said of it, and stops no other."""
    statement_id = job.view.statement_id
    try:
        made = maker.make(job)
        for name, content in made.content.items():
            (folder / name).write_bytes(content)
    except Exception as error:
        for name in job.names:
            (folder / name).unlink(missing_ok=True)
        return Result(statement_id, {}, 0, f"{type(error).__name__}: {error}")
    files = {name: hashlib.sha256(content).hexdigest() for name, content in made.content.items()}
    return Result(statement_id, files, made.missing, "")
