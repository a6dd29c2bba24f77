"""`python -m pipelines.serving dev`, `webserver` or `daemon`: Dagster's own programs, on the home of the settings.

`dev` is the page with all that works behind it, for one's own machine (`make dagster`). As a service the page and the
daemon, which starts what sensors, schedules and the page ask for, are two processes: `service/` and docs/operating.md.

Does not belong here: what is served (`definitions.py`).
"""

import os
import sys
from pathlib import Path

from assets.settings import SettingsError, settings
from pipelines.running import dagster_home

PROGRAMS = {"dev": ("dagster", "dev"), "webserver": ("dagster-webserver",), "daemon": ("dagster-daemon", "run")}


def main(arguments: list[str]) -> None:
    """Turn into the program that is named; what follows is handed on to it."""
    if not arguments or arguments[0] not in PROGRAMS:
        sys.exit(f"say which of Dagster's programs: {', '.join(PROGRAMS)}")
    try:
        dagster_home(settings())
    except (SettingsError, OSError) as error:
        sys.exit(str(error))
    program, *rest = PROGRAMS[arguments[0]]
    path = str(Path(sys.executable).with_name(program))
    os.execv(path, [path, *rest, "-m", "pipelines.definitions", *arguments[1:]])


if __name__ == "__main__":
    main(sys.argv[1:])
