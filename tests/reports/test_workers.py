"""Processes that make statements end with the command they work for, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = """
import os, sys, time
from dataclasses import replace
from house import PRESS
from reports.statement import workers

if __name__ == "__main__":
    with workers.started_early(replace(PRESS, workers=2)):
        print(*{each.result() for each in [workers._early.submit(os.getpid) for _ in range(20)]}, flush=True)
        time.sleep(60)
"""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_none_outlives_its_command(how: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(COMMAND, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = subprocess.Popen(
        [sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert command.stdout is not None
    pids = [int(word) for word in command.stdout.readline().split()]
    assert pids
    assert all(map(is_running, pids))
    command.send_signal(how)
    command.wait(30)
    command.stdout.close()
    end = time.monotonic() + 20
    while any(map(is_running, pids)):
        assert time.monotonic() < end, "still there"
        time.sleep(0.05)
