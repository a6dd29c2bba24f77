"""Killed at any instant, or two at once: the books come out as if one command had followed the other in peace.

The commands are those of the command line, with the sample and the terms that are shipped. Each is a process of its
own, forked from one that has imported everything, so that a kill hits the work and not the imports before it. Half of
the kills fall at a random instant of the time that the command takes, half right after one of its commits. After each
the home must be consistent as it is found, and the same command is given again. In the end all tables and all pages
must equal those of a home where nothing was ever killed, but for the clock.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import cycle, takewhile
from pathlib import Path
from random import Random

import pytest
from house import DATA, opened

from assets.raw.datasets import DATASETS
from assets.settings import CHECKOUT
from assets.warehouse import FILE, Warehouse, attach_for_reading, exists, read_warehouse
from reports.statement.writing import files_of as listed_in

US = "ATVPDKIKX0DER"
SELLER = "A09E5BD5000002"
SAMPLE = DATA / "sample"
FIRST = tuple(SAMPLE / f"{name}.csv" for name in ("sellers", "enrolment_events"))

Words = tuple[str | Path, ...]


def files_of(period: str) -> tuple[Path, ...]:
    """What the sample delivers in a month: late rows of the month before are among it, and corrections."""
    return tuple(sorted(SAMPLE.glob(f"*_{period}.csv")))


def closing(period: str) -> Words:
    return "close", period, "--by", "Ada", "--yes"


LOAD: Words = ("load", *FIRST)
A_MONTH: tuple[Words, ...] = (
    ("load", *FIRST, *files_of("2026-03")),
    closing("2026-03"),
)
"""A close brings its month up to date as a run does."""

MONTHS: tuple[Words, ...] = (
    ("load", *FIRST, *files_of("2026-03")),
    ("run", "2026-03"),
    closing("2026-03"),
    ("load", *files_of("2026-04")),
    ("run", "2026-04"),
    ("credit", SELLER, "12.50", "--marketplace", US, "--for", "2026-03", "--reason", "Goodwill", "--by", "Ada"),
    closing("2026-04"),
    ("load", *files_of("2026-05"), *files_of("2026-06")),
    ("run", "2026-05..2026-06"),
    closing("2026-05"),
)
LONGEST = 600
"""Seconds after which a command is taken to hang."""


# -- commands, each in a process of its own -------------------------------------------------------------------------

FORKING = """
import json, os, select, sys
import rich.progress, sqlalchemy
from assets.warehouse import Warehouse
from pipelines import closing, crediting, definitions, entry, reproducing, running, status, summary

@sqlalchemy.event.listens_for(sqlalchemy.Engine, "connect")
def hurry(connection, _):  # what Dagster notes for itself must outlive a kill here, not a power cut
    connection.execute("pragma synchronous = off")

def become(command):
    os.environ.update(command["environment"])
    for number, path in enumerate((os.devnull, command["out"], command["err"])):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    sys.argv = ["csba", *command["words"]]
    begin_run = Warehouse.begin_run

    def begin_and_tell(*words, **named):
        begin_run(*words, **named)
        open(command["begun"], "w").close()

    Warehouse.begin_run = begin_and_tell
    entry.answer()

running = set()
print("ready", flush=True)
while True:
    if select.select([0], [], [], 0.005 if running else None)[0]:
        line = sys.stdin.readline()
        if not line:
            break
        pid = os.fork()
        if pid == 0:
            become(json.loads(line))
        running.add(pid)
        print("begun", pid, 0, flush=True)
    pid, ended = os.waitpid(-1, os.WNOHANG) if running else (0, 0)
    if pid:
        running.remove(pid)
        print("ended", pid, os.waitstatus_to_exitcode(ended), flush=True)
"""


class Commands:
    """Starts commands, by forking a process that has imported everything."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number, self.codes = folder, 0, dict[int, int]()
        self.forking = subprocess.Popen(
            [sys.executable, "-c", FORKING], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self.hear(LONGEST) == ["ready"]

    def hear(self, seconds: float) -> list[str]:
        """The next thing that the forking process says, if it says anything in time; exit codes are noted."""
        said = self.forking.stdout
        assert said is not None
        if not select.select([said], [], [], seconds)[0]:
            return []
        words = said.readline().decode().split()
        assert words, "the process that starts commands is gone"
        if words[0] == "ended":
            self.codes[int(words[1])] = int(words[2])
        return words

    def start(self, home: Path, words: Words) -> "Command":
        self.number += 1
        notes = {name: str(self.folder / f"{self.number}.{name}") for name in ("out", "err", "begun")}
        environment = {"CSBA_HOME": str(home), "CSBA_DATA": str(DATA), "CSBA_TERMS": str(DATA / "terms")}
        order = {"environment": environment, "words": [*map(str, words)], **notes}
        assert self.forking.stdin is not None
        self.forking.stdin.write(json.dumps(order).encode() + b"\n")
        while (said := self.hear(LONGEST))[0] != "begun":
            pass
        return Command(self, home, words, int(said[1]), notes)

    def end(self) -> None:
        assert self.forking.stdin is not None
        assert self.forking.stdout is not None
        self.forking.stdin.close()
        assert self.forking.wait(LONGEST) == 0
        self.forking.stdout.close()


class Command:
    """A command that was started."""

    def __init__(self, commands: Commands, home: Path, words: Words, pid: int, notes: Mapping[str, str]) -> None:
        self.commands, self.home, self.words, self.pid = commands, home, words, pid
        self.err, self.begun = Path(notes["err"]), Path(notes["begun"])
        self.commits = 0
        """How often the warehouse's log was seen to change since the run was entered."""

    def code(self, seconds: float = 0) -> int | None:
        """Its exit code, if it ends in time."""
        until = time.monotonic() + seconds
        while self.pid not in self.commands.codes and self.commands.hear(max(0, until - time.monotonic())):
            pass
        return self.commands.codes.get(self.pid)

    def ended(self) -> int:
        """Its exit code, when it has ended."""
        code = self.code(LONGEST)
        assert code is not None, f"{self.words} hangs"
        return code

    def complaints(self) -> str:
        return self.err.read_text(encoding="utf-8")

    def succeeds(self) -> None:
        assert (self.ended(), self.complaints()) == (0, ""), self.words

    def watch(self, seconds: float, commits: float) -> None:
        """Count its commits until it ends, so many seconds have passed or so many commits were seen."""
        until, log = time.monotonic() + seconds, None
        while time.monotonic() < until and self.commits < commits and self.code(0.0005) is None:
            if self.begun.exists():
                before, log = log, self._look_at_log()
                self.commits += log != before

    def _look_at_log(self) -> tuple[int, int] | None:
        try:
            found = (self.home / f"{FILE}.wal").stat()
        except FileNotFoundError:
            return None
        return found.st_size, found.st_mtime_ns

    def kill(self) -> bool:
        """Whether the kill found it alive."""
        if self.code() is None:
            os.kill(self.pid, signal.SIGKILL)
        return self.ended() == -signal.SIGKILL


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Generator[Commands]:
    starting = Commands(tmp_path_factory.mktemp("said"))
    yield starting
    starting.end()


# -- a home where nothing was ever killed ---------------------------------------------------------------------------


class Calm:
    """A home in which commands were run one after the other, and what each took."""

    def __init__(self, commands: Commands, home: Path, script: Sequence[Words]) -> None:
        self.home = home
        self.took: dict[Words, tuple[float, int]] = {}
        """Command → its seconds and its commits."""
        for words in script:
            before = time.monotonic()
            command = commands.start(home, words)
            command.watch(LONGEST, float("inf"))
            command.succeeds()
            self.took[words] = time.monotonic() - before, command.commits


@pytest.fixture(scope="module")
def calm_month(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Calm:
    return Calm(commands, tmp_path_factory.mktemp("calm") / "home", A_MONTH)


@pytest.fixture(scope="module")
def calm_months(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Calm:
    calm = Calm(commands, tmp_path_factory.mktemp("calm") / "home", MONTHS)
    with read_warehouse(calm.home) as warehouse:
        booked = warehouse.rows("select distinct posted_period, kind = 'credit' as is_credit from billing.adjustments")
        assert {(row["posted_period"], row["is_credit"]) for row in booked} >= {
            ("2026-04", False),
            ("2026-04", True),
            ("2026-05", False),
        }
    return calm


# -- what must hold whenever a home is opened -----------------------------------------------------------------------

CLOSED = "semi join billing.closes using (period, marketplace_id)"
OPEN = "anti join billing.closes using (period, marketplace_id)"
POSTED = """
    select * from (select *, posted_period as booked_in from billing.adjustments) as adjustment
    semi join billing.closes as close
        on close.period = adjustment.booked_in and close.marketplace_id = adjustment.marketplace_id"""

WRONG: Mapping[str, str] = {
    "a file does not add up": """
        from audit.files where rows_read <> rows_loaded + rows_duplicate + rows_quarantined + rows_skipped""",
    "a file is there in part": """
        select file_id, rows_loaded as rows from audit.files where rows_loaded > 0
        except (select file_id, count(*) from every_raw_row group by all)
        union all (
            select file_id, count(*) from every_raw_row group by all
            except select file_id, rows_loaded from audit.files
        )""",
    "refused rows are there in part": """
        select file_id, rows_quarantined as rows from audit.files where rows_quarantined > 0
        except select file_id, count(*) from audit.quarantine group by all""",
    "a file is there twice": "select path, dataset from audit.files group by all having count(*) > 1",
    "a beaten row is of no load": "from raw.superseded anti join audit.files using (load_id)",
    "a balance has a difference": """
        select period, marketplace_id, difference from audit.unit_balance where difference <> 0
        union all select period, marketplace_id, difference from audit.contact_balance where difference <> 0""",
    "a balance is of other units": """
        select period, marketplace_id, cast(sum(quantity) as bigint) as units from core.units group by all
        except select period, marketplace_id, shipped from audit.unit_balance""",
    "a total is not the sum of its parts": "from billing.statements where total <> charges + adjustments",
    "a closed statement is not its lines and adjustments": f"""
        select period, marketplace_id, seller_id, sum(amount) as too_much from (
            select period, marketplace_id, seller_id, total as amount from billing.statements {CLOSED}
            union all select period, marketplace_id, seller_id, -amount from billing.fee_lines {CLOSED}
            union all select booked_in, marketplace_id, seller_id, -amount from ({POSTED})
        ) group by all having sum(amount) <> 0""",
    "a close is not its final statements": """
        select period, marketplace_id, statements, total from billing.closes
        except (
            select period, marketplace_id, count(*), sum(total) from billing.statements
            where status = 'final' group by all
        )""",
    "a statement is final without a close, or not with it": f"""
        select period, marketplace_id, seller_id from billing.statements {OPEN} where status = 'final'
        union all select period, marketplace_id, seller_id from billing.statements {CLOSED} where status <> 'final'""",
    "the journal is not the final statements": f"""
        select period, marketplace_id, seller_id, sum(amount) as too_much from (
            select period, marketplace_id, seller_id, total as amount from billing.statements {CLOSED}
            union all select period, marketplace_id, seller_id, credit - debit from billing.journal
                where account = (select account from core.accounts where role = 'receivable')
        ) group by all having sum(amount) <> 0""",
    "the journal is not balanced": """
        select period, currency from billing.journal group by all having sum(debit) <> sum(credit)""",
    "a kept page is not what the manifest of its close says": """
        select page.file_name from billing.kept_pages as page left join billing.closes using (period, marketplace_id)
        where not coalesce(contains(manifest, '"' || file_name || '": "' || sha256(html) || '"'), false)
            or (json_name is not null
                and not contains(manifest, '"' || json_name || '": "' || sha256(page.view) || '"'))""",
    "a kept page is of no final statement": """
        from billing.kept_pages as page
        where not exists (from billing.closes where (period, marketplace_id) = (page.period, page.marketplace_id))
            or (file_name <> 'index.html'
                and statement_id not in (select statement_id from billing.statements where status = 'final'))""",
    "a final statement has no kept page": """
        from billing.statements where status = 'final'
            and statement_id not in (select statement_id from billing.kept_pages where statement_id is not null)""",
    "the terms of a close are not kept": """
        from billing.closes anti join billing.kept_terms using (terms_sha256, marketplace_id)""",
    "the posted lines are not the books": f"""
        select period, marketplace_id, seller_id, terms_id, kind, sum(amount) as too_much, sum(units) as units from (
            select period, marketplace_id, seller_id, terms_id, kind, amount, units from billing.posted_lines
            union all
            select period, marketplace_id, seller_id, terms_id, kind, -amount, -units from billing.fee_lines {CLOSED}
            union all
            select period, marketplace_id, seller_id, terms_id, kind, -amount, -units from ({POSTED})
            where kind <> 'credit'
        ) group by all having sum(amount) <> 0 or sum(units) <> 0""",
    "the open period is not the one after the last close": """
        select marketplace_id, strftime(cast(max(period) || '-01' as date) + interval 1 month, '%Y-%m') as period
        from billing.closes group by all
        except select marketplace_id, open_period from billing.rerating""",
    "more than the last run is open": """
        select run_id from audit.runs where outcome = 'running' and run_id < (select max(run_id) from audit.runs)""",
}
"""What is wrong → a query of the rows that are."""

FROZEN = {
    "billing.fee_lines": "period",
    "billing.adjustments": "posted_period",
    "billing.statements": "period",
    "billing.journal": "period",
    "billing.kept_pages": "period",
    "billing.closes": "period",
}
"""Table → the column of the period whose close keeps a row for good."""

CLOCKS = ("closed_at", "granted_at", "loaded_at")
LOADS = ("load_id", "posted_load_id")
VERSIONS = ("version",)
"""Of what rows were made from: loads count in it by their numbers."""
CALM = "calm"


def assert_consistent(home: Path, calm: Calm) -> None:
    """What must hold of a home whatever happened to the command before; and what is closed is as it ever was."""
    if not home.joinpath(FILE).exists():
        return
    with read_warehouse(home) as warehouse:
        if not exists(warehouse.con, "audit.files"):
            return
        rows = " union all ".join(f"select file_id from raw.{name}" for name in DATASETS)
        for wrong, query in WRONG.items():
            missing = [
                name for name in re.findall(r"(?:core|billing|audit)\.\w+", query) if not exists(warehouse.con, name)
            ]
            if not missing:
                found = warehouse.rows(f"with every_raw_row as ({rows}) {query}")
                assert not found, (wrong, found[:3])
        attach_for_reading(warehouse.con, calm.home, CALM)
        for table, period in FROZEN.items():
            if exists(warehouse.con, table):
                closed = f"where ({period}, marketplace_id) in (select period, marketplace_id from billing.closes)"
                assert_same(warehouse, table, closed)
        for folder in home.glob("statements/*/[!.]*"):
            assert_whole(folder, kept_manifest_of(warehouse, folder))


def kept_manifest_of(warehouse: Warehouse, folder: Path) -> str | None:
    if not exists(warehouse.con, "billing.closes"):
        return None
    query = "select manifest from billing.closes where period = ? and marketplace_id = ?"
    found = warehouse.con.execute(query, [folder.parent.name, folder.name]).fetchall()
    return found[0][0] if found else None


def assert_whole(folder: Path, kept: str | None) -> None:
    """A set of files is all there or not at all, and either all drafts or all as the close kept them."""
    text = (folder / "manifest.json").read_text(encoding="utf-8")
    hashes = {
        path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.name != "manifest.json"
    }
    assert hashes == listed_in(json.loads(text)), folder
    drafts = {json.loads(path.read_bytes())["status"] for path in folder.glob("*.json") if path.name != "manifest.json"}
    assert text == kept or drafts == {"draft"}, folder


def assert_same(warehouse: Warehouse, table: str, among: str = "", *, same_loads: bool = False) -> None:
    """A table equals that of the calm home, but for the clock.

    Killed, one load may become two: unless they are the same, a load stands for the files that were known by it.
    """
    if table == "audit.made":  # pages are known by the times of their files, copies by the runs that made them
        among = "where table_name not like 'reports.%' and table_name not like 'published.%'"
    columns = [row["column_name"] for row in warehouse.rows(f"describe {table}")]
    here, there = ([], [])
    for column in columns:
        if column in CLOCKS or (column in VERSIONS and not same_loads):
            continue
        if column in LOADS and not same_loads:
            if not table.startswith("billing."):
                continue
            for shown, files in ((here, "audit.files"), (there, f"{CALM}.audit.files")):
                shown.append(f"(select count(*) from {files} as file where file.load_id <= kept.{column}) as {column}")
        else:
            here.append(column)
            there.append(column)
    ours = f"(select {', '.join(here)} from {table} as kept {among})"
    theirs = f"(select {', '.join(there)} from {CALM}.{table} as kept {among})"
    for one, other, what in ((ours, theirs, "too much"), (theirs, ours, "missing")):
        found = warehouse.rows(f"{one} except all {other} limit 3")
        assert not found, (table, what, found)


def assert_ends_as(home: Path, calm: Path, *, same_loads: bool = False) -> None:
    """All tables but the runs, and all pages, are those of the calm home."""
    with read_warehouse(home) as warehouse:
        attach_for_reading(warehouse.con, calm, CALM)
        of_each = """
            select schema_name || '.' || table_name as name from duckdb_tables()
            where database_name = ? and schema_name in ('raw', 'core', 'billing', 'audit')
                and schema_name || '.' || table_name <> 'audit.runs' order by all"""
        names, of_calm = ([row["name"] for row in warehouse.rows(of_each, [name])] for name in (Path(FILE).stem, CALM))
        assert names == of_calm
        for name in names:
            assert_same(warehouse, name, same_loads=same_loads or came_in_the_same_loads(warehouse))
    assert pages_of(home) == pages_of(calm)


def came_in_the_same_loads(warehouse: Warehouse) -> bool:
    """Whether no load of the files became two."""
    files = "select sha256, dataset, load_id from {}audit.files order by all"
    return warehouse.rows(files.format("")) == warehouse.rows(files.format(f"{CALM}."))


def pages_of(home: Path) -> dict[Path, bytes]:
    paths = (path for path in (home / "statements").rglob("*") if path.is_file())
    return {path.relative_to(home): path.read_bytes() for path in paths}


# -- killed ---------------------------------------------------------------------------------------------------------


class Killed:
    """A home whose every command is killed some times, once at least at its work, before it is let to its end."""

    def __init__(self, commands: Commands, home: Path, calm: Calm, seed: int) -> None:
        self.commands, self.home, self.calm, self.chance = commands, home, calm, Random(seed)
        self.kills = 0
        self.cut_short: set[int] = set()
        """Runs that were found running after their kill."""

    def play(self, times: int) -> None:
        for words in self.calm.took:
            killed, cut_short = self.kills, len(self.cut_short)
            while self.kills < killed + times or len(self.cut_short) == cut_short:
                self.kill_one(words)
                assert_consistent(self.home, self.calm)
                self.note_what_was_cut_short()
                self.look_at_status()
            self.commands.start(self.home, words).succeeds()
            assert_consistent(self.home, self.calm)
        assert_ends_as(self.home, self.calm.home)
        self.assert_runs_are_marked()
        for words in self.calm.took:
            if words[0] == "close":
                self.commands.start(self.home, ("reproduce", words[1])).succeeds()

    def kill_one(self, words: Words) -> None:
        seconds, commits = self.calm.took[words]
        for _ in range(50):
            command, before = self.commands.start(self.home, words), time.monotonic()
            if self.chance.random() < 0.5:
                command.watch(self.chance.uniform(0, seconds), float("inf"))
            else:
                # most often after one of the last, where a command does what the others only prepare; the very last are
                # the end of the run and of the log
                command.watch(LONGEST, max(1, commits - 2 - int(commits * self.chance.random() ** 2)))
            if command.kill():
                self.kills += 1
                return
            command.succeeds()
            seconds, commits = time.monotonic() - before, command.commits
        pytest.fail(f"{words} always ended before its kill")

    def note_what_was_cut_short(self) -> None:
        if self.home.joinpath(FILE).exists():
            with read_warehouse(self.home) as warehouse:
                if exists(warehouse.con, "audit.runs"):
                    running = warehouse.rows("select run_id from audit.runs where outcome = 'running'")
                    self.cut_short |= {row["run_id"] for row in running}

    def look_at_status(self) -> None:
        command = self.commands.start(self.home, ("status",))
        if command.ended() == 2:
            assert "nothing has been loaded" in command.complaints()
            assert not self.cut_short
        else:
            command.succeeds()

    def assert_runs_are_marked(self) -> None:
        with read_warehouse(self.home) as warehouse:
            runs = warehouse.rows("select run_id, outcome, ended_at from audit.runs")
        assert {row["run_id"] for row in runs if row["outcome"] == "interrupted"} == self.cut_short
        assert {row["outcome"] for row in runs if row["ended_at"] is not None} == {"done"}
        assert {row["outcome"] for row in runs if row["ended_at"] is None} <= {"interrupted"}


def test_a_load_and_a_close_end_the_same_when_each_is_killed(
    commands: Commands, calm_month: Calm, tmp_path: Path
) -> None:
    killed = Killed(commands, tmp_path / "home", calm_month, seed=20261101)
    killed.play(times=1)
    assert killed.kills >= len(A_MONTH)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(5))
def test_three_months_end_the_same_after_a_hundred_kills(
    seed: int, commands: Commands, calm_months: Calm, tmp_path: Path
) -> None:
    killed = Killed(commands, tmp_path / "home", calm_months, seed)
    killed.play(times=2)
    assert killed.kills >= 20


@pytest.mark.parametrize("number", [2, pytest.param(30, marks=pytest.mark.prove)])
def test_a_first_command_that_is_killed_leaves_no_half_a_warehouse(
    number: int, commands: Commands, tmp_path: Path
) -> None:
    for n in range(number):
        home = tmp_path / str(n)
        first = commands.start(home, LOAD)
        while not (home / FILE).exists() and first.code() is None:
            pass
        assert first.kill()
        commands.start(home, ("status",)).succeeds()
        commands.start(home, LOAD).succeeds()


# -- two at once ----------------------------------------------------------------------------------------------------


def test_a_holder_that_was_killed_holds_nothing(commands: Commands, tmp_path: Path) -> None:
    home = tmp_path / "home"
    holder = commands.start(home, ("load", SAMPLE))
    lock = home / "lock"
    while not (lock.exists() and f"csba load, process {holder.pid}, since " in lock.read_text()):
        assert holder.code() is None
    assert holder.kill()
    assert f"process {holder.pid}," in lock.read_text(), "its name still stands there"
    commands.start(home, LOAD).succeeds()


def test_the_second_is_refused_or_waits(commands: Commands, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with opened(home):
        waiting = commands.start(home, (*LOAD, "--wait"))
        refused = [commands.start(home, words) for words in (LOAD, ("run", "2026-03"), closing("2026-03"))]
        for command in refused:
            assert command.ended() == 2
            assert command.complaints() == (
                f"csba: {home} is in use by a test, process {os.getpid()}, since 2026-11-23 09:00:00 UTC;"
                " try again when it is done\n"
            )
        assert waiting.code() is None
    waiting.succeeds()
    with read_warehouse(home) as warehouse:
        assert warehouse.rows("select command, outcome from audit.runs") == [
            {"command": "csba load", "outcome": "done"}
        ]


class Person:
    """Gives one command after the other, and each again until it is not refused."""

    def __init__(self, commands: Commands, home: Path, script: Iterator[Words], chance: Random) -> None:
        self.commands, self.home, self.script, self.chance = commands, home, script, chance
        self.again_at = 0.0
        self.now: Command | None = None
        self.gone: set[int] = set()
        """The commands that had ended when the present one was started."""
        self.done = self.refused = 0

    def goes_on(self) -> bool:
        """See what became of the present command, and give the next; False when there is none."""
        if self.now is None:
            words = next(self.script, None)
            if words is None:
                return False
            self.give(words)
        elif self.now.code(0.002) == 2:
            if self.again_at <= self.given_at:
                self.assert_told_who_is_there(self.now)
                self.refused += 1
                self.again_at = time.monotonic() + self.chance.uniform(0, 0.5)
            elif time.monotonic() > self.again_at:
                self.give(self.now.words)
        elif self.now.code() is not None:
            self.now.succeeds()
            self.done += 1
            self.now = None
        return True

    def give(self, words: Words) -> None:
        self.gone, self.given_at = {*self.commands.codes}, time.monotonic()
        self.now = self.commands.start(self.home, words)

    def assert_told_who_is_there(self, command: Command) -> None:
        assert "--wait" not in command.words
        told = re.fullmatch(
            rf"csba: {re.escape(str(self.home))} is in use by csba (load|run 2026-..|close 2026-..), process (\d+),"
            r" since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; try again when it is done\n",
            command.complaints(),
        )
        assert told, command.complaints()
        assert int(told[2]) not in self.gone, "who is named must be there"


def at_once(commands: Commands, folder: Path, scripts: Sequence[Iterator[Words]]) -> None:
    """Two load and run, one closes and waits; what comes of it is what comes of one command after the other."""
    home, alone = folder / "home", folder / "alone"
    first: Words = ("load", *FIRST, *files_of("2026-03"))
    commands.start(home, first).succeeds()
    people = [Person(commands, home, script, Random(n)) for n, script in enumerate(scripts)]
    busy = people
    while busy:
        busy = [person for person in busy if person.goes_on()]
    assert all(person.done for person in people)
    assert sum(person.refused for person in people) > 0
    with read_warehouse(home) as warehouse:
        runs = warehouse.rows("select command, outcome, counts from audit.runs order by run_id")
        files = warehouse.rows(
            "select load_id, list(path order by file_id) as paths from audit.files group by 1 order by 1"
        )
    assert [run["outcome"] for run in runs] == ["done"] * (1 + sum(person.done for person in people))
    loads = iter(files)
    for run in runs:
        _, verb, *period = run["command"].split()
        if verb == "close":
            commands.start(alone, closing(*period)).succeeds()
        elif verb == "run":
            commands.start(alone, ("run", *period)).succeeds()
        elif json.loads(run["counts"])["files"]:
            commands.start(alone, ("load", *next(loads)["paths"])).succeeds()
    assert next(loads, None) is None
    assert_ends_as(home, alone, same_loads=True)


def for_a_while(seconds: float, script: Sequence[Words]) -> Iterator[Words]:
    until = time.monotonic() + seconds
    return takewhile(lambda _: time.monotonic() < until, cycle(script))


def test_two_at_once(commands: Commands, tmp_path: Path) -> None:
    items, shipments = (("load", SAMPLE / f"{dataset}_2026-04.csv") for dataset in ("order_items", "shipments"))
    at_once(
        commands,
        tmp_path,
        [iter([items, shipments]), iter([shipments, items]), iter([(*closing("2026-03"), "--wait")])],
    )


@pytest.mark.prove
def test_two_at_once_for_a_minute(commands: Commands, tmp_path: Path) -> None:
    later: list[Words] = [("load", path) for period in ("2026-04", "2026-05", "2026-06") for path in files_of(period)]
    runs: list[Words] = [("run", period) for period in ("2026-03", "2026-04", "2026-05")]
    one = [words for n, load in enumerate(later) for words in (load, runs[n % 3])[: 1 + n % 2]]
    other = [words for n, load in enumerate(reversed(later)) for words in (load, runs[-n % 3])[: 2 - n % 2]]
    closes = ((*closing(period), "--wait") for period in ("2026-03", "2026-03", "2026-04", "2026-05"))
    at_once(commands, tmp_path, [for_a_while(60, one), for_a_while(60, other), closes])
