"""Who makes statements: this process or, if there are many, one for each core. None outlives its command."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import NamedTuple

from reports.statement.making import Job, Made, Maker, Press

IN_ONE_PROCESS = 32
"""So many statements are made here, if no process is there yet: starting some would take longer."""

AT_A_TIME = 64
"""Statements made together, at the most."""

BYTES_AT_A_TIME = 4 * 2**20
"""Of their lines: with so many in hand, no more are added."""

_maker: Maker | None = None
"""Of this process, if it is a worker."""

_early: ProcessPoolExecutor | None = None
"""Processes that were started before the first statement was there."""


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


@contextmanager
def started_early(press: Press) -> Generator[None]:
    """Within, processes for statements with PDFs start, and make the fonts of a new home, beside whatever else is done.

    They serve every set of statements, and are told to go at the end, without waiting; with one core there are none.
    """
    global _early  # noqa: PLW0603 - a command has one set of processes
    number = _number(press)
    if number > 1 and press.pdf != "none":
        _early = pool(press, number)
        for _ in range(number):  # a process is started by something to do
            _early.submit(os.getpid)
    try:
        yield
    finally:
        _forget_early(wait=False)  # they have nothing to do, and take a while to go; the end of the program waits


def _forget_early(*, wait: bool) -> None:
    global _early  # noqa: PLW0603
    if _early is not None:
        _early.shutdown(wait=wait, cancel_futures=True)
        _early = None


def _number(press: Press) -> int:
    return press.workers or os.cpu_count() or 1


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


def _write_in_worker(jobs: Sequence[Job]) -> list[Result]:
    assert _maker is not None  # the initializer ran
    return write(_maker, jobs)


def write(maker: Maker, jobs: Sequence[Job]) -> list[Result]:
    """The files of each job, into its folder."""
    results = []
    for made in maker.make(jobs):
        made.take(_store)
        statement_id = made.job.view.statement_id
        if made.wrong:
            _discard(made.job)
            results.append(Result(statement_id, {}, 0, made.wrong))
        else:
            files = {name: hashlib.sha256(content).hexdigest() for name, content in made.content.items()}
            results.append(Result(statement_id, files, made.missing, ""))
    return results


def _store(made: Made) -> None:
    for name, content in made.content.items():
        Path(made.job.folder, name).write_bytes(content)


def _discard(job: Job) -> None:
    for name in job.names:
        Path(job.folder, name).unlink(missing_ok=True)


class Staff:
    """Makes statements here or, if there are many, in a process for each core; started when it is first needed."""

    def __init__(self, press: Press) -> None:
        self.press = press
        self._number = _number(press)
        self._maker: Maker | None = None
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Staff":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not _early:
            self._end()

    def _end(self) -> None:
        if self._pool is _early:
            _forget_early(wait=True)
            self._pool = None
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def make(self, jobs: Iterator[Job], left: Callable[[], int]) -> Iterator[Result]:
        """Write the files of each job, and say what came of it, in the order of the jobs.

        `left` tells how many jobs may still come.
        """
        first = list(islice(jobs, IN_ONE_PROCESS + 1))
        batches = _batches(chain(first, jobs), left, self._number)
        if self._number == 1 or (len(first) <= IN_ONE_PROCESS and _early is None):
            for batch in batches:
                self._maker = self._maker or Maker(self.press)
                yield from write(self._maker, batch)
            return
        waiting: deque[tuple[list[Job], Future[list[Result]]]] = deque()
        try:
            for batch in batches:
                waiting.append((batch, self._submit(batch)))
                if len(waiting) > 3 * self._number:
                    yield from self._results(waiting)
            while waiting:
                yield from self._results(waiting)
        except BaseException:
            self._end()  # nobody writes into a folder while it is removed
            raise

    def _submit(self, batch: list[Job]) -> Future[list[Result]]:
        if self._pool is None:
            self._pool = _early or pool(self.press, self._number)
        try:
            return self._pool.submit(_write_in_worker, batch)
        except BrokenProcessPool as error:  # `_results` sees to it when it is this batch's turn
            future: Future[list[Result]] = Future()
            future.set_exception(error)
            return future

    def _results(self, waiting: deque[tuple[list[Job], Future[list[Result]]]]) -> list[Result]:
        """Those of the batch that waits longest. A process that died takes all that wait with it: they are made anew,
        this batch a statement at a time, so that the one at fault is known."""
        batch, future = waiting.popleft()
        try:
            return future.result()
        except BrokenProcessPool:
            self._end()
        found = []
        for job in batch:
            try:
                found += self._submit([job]).result()
            except BrokenProcessPool:
                self._end()
                found.append(Result(job.view.statement_id, {}, 0, "the process that made it died"))
                _discard(job)
        again = [(each, self._submit(each)) for each, _ in waiting]
        waiting.clear()
        waiting.extend(again)
        return found


def _batches(jobs: Iterable[Job], left: Callable[[], int], processes: int) -> Iterator[list[Job]]:
    """The jobs in handfuls; towards the end in smaller ones, so that all processes have work to the last."""
    batch, size = [], 0
    for job in jobs:
        batch.append(job)
        size += len(job.lines)
        if len(batch) >= min(AT_A_TIME, left() // (2 * processes)) or size > BYTES_AT_A_TIME:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
