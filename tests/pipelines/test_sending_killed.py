"""Killed while it sends, at any instant: each seller gets its final statement exactly once.

The command is a process of its own and talks to a real server. It is killed at a random instant, or while it waits for
the answer to a message, right before the server keeps it or right after. What is then in doubt is at most the one
message; it is settled as a person would, by a look at what the server has.
"""

from collections.abc import Generator
from pathlib import Path
from random import Random

import pytest
from postbox import PERIOD, Postbox, copy_home, killing, make_closed_home, serving
from test_killed import LONGEST, Command, Commands, Words

from assets.warehouse import read_warehouse


@pytest.fixture(scope="module")
def postbox() -> Generator[Postbox]:
    """Serves the whole module: the commands are told once where it is."""
    postbox = Postbox()
    with serving(postbox) as variables, pytest.MonkeyPatch.context() as environment:
        for name, value in variables.items():
            environment.setenv(name, value)
        yield postbox


@pytest.fixture(scope="module")
def commands(postbox: Postbox, tmp_path_factory: pytest.TempPathFactory) -> Generator[Commands]:
    starting = Commands(tmp_path_factory.mktemp("said"))
    yield starting
    starting.end()


class Sending:
    """A home whose `csba send` is killed again and again, and settled each time."""

    def __init__(self, commands: Commands, postbox: Postbox, home: Path, seed: int) -> None:
        self.commands, self.postbox, self.home, self.chance = commands, postbox, home, Random(seed)
        self.kills = self.settled = 0
        postbox.taken.clear()
        postbox.recipients.clear()

    def states(self) -> list[dict]:
        with read_warehouse(self.home) as warehouse:
            return warehouse.rows("from billing.outbox")

    def start(self, *more: str) -> Command:
        words: Words = ("send", PERIOD, "--yes", *more)
        return self.commands.start(self.home, words)

    def kill_one(self, way: str) -> None:
        """Let it send some, and kill it; goes on from what the kill before left in doubt."""
        taken = len(self.postbox.taken)
        command = self.start(*self.settle())
        if way == "at any instant":
            while not command.begun.exists() and command.code(0.001) is None:
                pass
            command.watch(self.chance.uniform(0, 1), float("inf"))
            command.kill()
        else:
            number = taken + self.chance.randrange(1, 6)
            killing(self.postbox, command.pid, number, is_kept=way == "after it is kept")
            command.ended()
        self.postbox.is_left_alone()
        self.postbox.on_message = lambda _number, _is_kept: None
        self.kills += command.code() == -9

    def settle(self) -> list[str]:
        """The options that settle what is in doubt, after a look at what the server has."""
        uncertain = [row for row in self.states() if row["state"] == "handing_over"] if self.kills else []
        assert len(uncertain) <= 1, "all but the one message are known"
        self.settled += len(uncertain)
        options = [
            word
            for row in uncertain
            for word in ("--sent" if self.postbox.has(row["message_id"]) else "--again", row["statement_id"])
        ]
        return [*options, "--by", "Ada"] if options else []

    def end(self, sellers: int) -> None:
        assert self.start(*self.settle()).ended() == 0
        self.postbox.is_left_alone()
        assert {row["state"] for row in self.states()} == {"sent"}
        assert len(self.states()) == sellers
        assert self.postbox.messages_of_each() == {row["address"]: 1 for row in self.states()}
        assert len({message["Message-ID"] for message in self.postbox.taken}) == sellers


WAYS = ("at any instant", "before it is kept", "after it is kept")


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_closed_home(tmp_path_factory.mktemp("some"), emails(36))


def emails(number: int) -> dict[str, str]:
    return {f"S{n:04}": f"s{n}@shop.example" for n in range(number)}


def test_each_seller_gets_one_when_the_command_is_killed(
    commands: Commands, postbox: Postbox, some: Path, tmp_path: Path
) -> None:
    sending = Sending(commands, postbox, copy_home(some, tmp_path / "home"), seed=1)
    for way in (*WAYS, "after it is kept"):
        sending.kill_one(way)
    assert sending.kills >= 3
    assert sending.settled >= 2
    sending.end(36)


@pytest.mark.prove
def test_a_thousand_sellers_get_one_each_though_the_command_is_killed(
    commands: Commands, postbox: Postbox, tmp_path: Path
) -> None:
    home = make_closed_home(tmp_path, emails(1_000))
    sending = Sending(commands, postbox, home, seed=2026)
    for n in range(30):
        sending.kill_one(WAYS[n % 3])
    assert sending.kills >= 20
    assert sending.settled >= 15
    assert len(postbox.taken) < 1_000, "it was killed in the middle"
    sending.end(1_000)


def test_two_commands_at_once_send_each_once(commands: Commands, postbox: Postbox, some: Path, tmp_path: Path) -> None:
    sending = Sending(commands, postbox, copy_home(some, tmp_path / "home"), seed=2)
    both = [sending.start("--wait") for _ in range(2)]
    assert [command.code(LONGEST) for command in both] == [0, 0]
    sending.end(36)
