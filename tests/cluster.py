"""A Spark cluster on loopback: a master and workers as processes, which a test starts, kills and ends."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pyspark

SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
SECONDS_TO_COME_UP = 60


class Cluster:
    """What is running, the address of its master, and what it says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address = folder, ""
        self.processes: list[subprocess.Popen] = []

    def start(self, workers: int, memory: str) -> None:
        """Start a master and workers with one core each, and wait until the master knows them."""
        self._start("master", "master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        self.address = self._said("master", r"Starting Spark master at (spark://[\w.:]+)")[0]
        for number in range(workers):
            name = f"worker-{number}"
            place = ("--work-dir", str(self.folder / name))
            own = ("--host", "127.0.0.1", "--webui-port", "0", "--cores", "1", "--memory", memory)
            self._start(name, "worker.Worker", *own, *place, self.address)
        self._said("master", r"Registering worker", workers)

    def kill_a_worker(self) -> None:
        """As if its machine lost its power: the last worker, and what it runs for others."""
        worker = self.processes[-1]
        children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
        doomed = [int(child) for thread in children.parents[1].iterdir() for child in _children(thread)]
        for pid in (worker.pid, *doomed):
            os.kill(pid, signal.SIGKILL)
        assert doomed, "it ran an executor"
        worker.wait()

    def end(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            process.wait(timeout=30)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def _start(self, name: str, own: str, *words: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            command = [str(SPARK_CLASS), f"org.apache.spark.deploy.{own}", *words]
            environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m"}
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.processes.append(process)

    def _said(self, name: str, pattern: str, times: int = 1) -> list[str]:
        """What a process says, once it has said it so many times."""
        end = time.monotonic() + SECONDS_TO_COME_UP
        while time.monotonic() < end:
            found = re.findall(pattern, self.log(name))
            if len(found) >= times:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{name} did not come up: {self.log(name)[-2000:]}")


def _children(thread: Path) -> list[str]:
    return (thread / "children").read_text().split()


@contextmanager
def cluster(folder: Path, workers: int, memory: str) -> Generator[Cluster]:
    """A cluster for as long as a test needs it."""
    folder.mkdir(parents=True)
    found = Cluster(folder)
    try:
        found.start(workers, memory)
        yield found
    finally:
        found.end()
