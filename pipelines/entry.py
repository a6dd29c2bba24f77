"""The process of the command `csba`: what it answers with, mistakes that are told in a sentence, and how it ends.

Does not belong here: any command.
"""

import atexit
import gc
import os
import sys
import threading
from typing import NoReturn

from assets.settings import settings
from pipelines.cli import cli
from pipelines.commands import CHECK_FAILED, UNUSABLE, complain

OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""A command makes many objects as it imports, and nearly all of them stay: to look for garbage then is for nothing."""


def main() -> NoReturn:
    """The console script."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        answer()
    except SystemExit as end:
        _end_at_once(end)


def answer() -> NoReturn:
    """Do what the command line asks for; raises `SystemExit` with the exit code."""
    try:
        cli(prog_name="csba")
    except Exception as error:
        import duckdb

        if isinstance(error, duckdb.OutOfMemoryException):
            reason = str(error).splitlines()[0]
            complain(f"{settings().memory / 10**9:,.1f} GB of memory are too little; set CSBA_MEMORY higher ({reason})")
        elif isinstance(error, _mistakes()):
            complain(str(error))
        else:
            raise
    sys.exit(UNUSABLE)


def _mistakes() -> tuple[type[Exception], ...]:
    """What a user can mend: told in a sentence, never with a traceback."""
    from assets.core.accounts import AccountsError
    from assets.core.marketplaces import MarketplacesError
    from assets.engines import EngineError
    from assets.raw.sources import SourceError
    from assets.settings import SettingsError
    from assets.warehouse import WarehouseBusyError, WarehouseMissingError, WarehouseUnusableError
    from pipelines.closing import CloseError
    from reports.pdf import PdfError

    inputs = AccountsError, EngineError, MarketplacesError, PdfError, SettingsError, SourceError, OSError
    return CloseError, *inputs, WarehouseBusyError, WarehouseMissingError, WarehouseUnusableError


def _end_at_once(end: SystemExit) -> NoReturn:
    """End the process as Python does, but for taking every object apart, which takes half a second after a run.

    As `multiprocessing` ends its processes, by calls that have no public name: threads and other processes are waited
    for, what was left to be done at the end is done, and what was printed goes out.
    """
    try:
        threading._shutdown()  # ty: ignore[missing-attribute]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except (KeyboardInterrupt, OSError):  # nobody waits for it, or reads it, any more
        os._exit(CHECK_FAILED)
    os._exit(end.code if isinstance(end.code, int) else 0)
