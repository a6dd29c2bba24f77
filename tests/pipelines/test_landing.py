"""The landing folder: what is new and whole is taken once, and what is remembered of it is little."""

import os
import time
from pathlib import Path

import pytest

from pipelines.landing import LandingError, Memory, look, take


class Landing:
    """A folder, and the memory from one look to the next, which is written down and read again each time."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.memory = folder, Memory()
        folder.mkdir()

    def put(self, name: str, text: str = "x") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def look(self, *, is_busy: bool = False, joined: str = "") -> list[str]:
        files, memory = take(look(self.folder), self.memory, is_busy=is_busy, is_joined=lambda p: p.name == joined)
        self.memory = Memory.of_plain(memory.as_plain())
        assert self.memory == memory
        return [str(path.relative_to(self.folder)) for path in files]


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path / "landing")


def test_many_files_are_taken_together_once_they_have_not_changed(landing: Landing) -> None:
    landing.put("b.csv")
    landing.put("seller=A1/a.csv")
    assert landing.look() == []
    assert landing.look() == ["b.csv", "seller=A1/a.csv"]
    assert landing.look() == []


def test_a_file_that_is_being_written_is_left_alone_and_holds_up_no_other(landing: Landing) -> None:
    landing.put("whole.csv")
    landing.put("written.csv")
    landing.look()
    landing.put("written.csv", "xx")
    assert landing.look() == ["whole.csv"]
    landing.put("written.csv", "xxx")
    assert landing.look() == []
    assert landing.look() == ["written.csv"]


def test_a_file_that_comes_back_under_its_name_with_other_content_is_taken_again(landing: Landing) -> None:
    path = landing.put("a.csv", "one")
    landing.look()
    assert landing.look() == ["a.csv"]
    path.unlink()
    assert landing.look() == []
    time.sleep(0.02)  # beyond a tick of the file system's clock
    landing.put("a.csv", "two")
    landing.look()
    assert landing.look() == ["a.csv"]


def test_other_content_of_the_same_size_and_time_is_other_content(landing: Landing) -> None:
    path = landing.put("a.csv", "one")
    landing.look()
    landing.look()
    before = path.stat()
    time.sleep(0.02)
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    landing.look()
    assert landing.look() == ["a.csv"]


def test_while_a_load_is_under_way_what_comes_is_gathered(landing: Landing) -> None:
    landing.put("a.csv")
    assert landing.look(is_busy=True) == []
    landing.put("b.csv")
    assert landing.look(is_busy=True) == []
    assert landing.look() == ["a.csv", "b.csv"]


def test_links_hidden_and_unfinished_files_are_passed_over(landing: Landing, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("x")
    (landing.folder / "link.csv").symlink_to(outside / "secret.csv")
    (landing.folder / "folder").symlink_to(outside)
    (landing.folder / "round").symlink_to(landing.folder)
    os.mkfifo(landing.folder / "pipe.csv")
    for name in (".hidden.csv", ".work/a.csv", "a.csv.part", "b.csv.FILEPART", "c.tmp"):
        landing.put(name)
    landing.put("a.csv")
    landing.look()
    assert landing.look() == ["a.csv"]


def test_a_file_that_others_wait_for_brings_them_back(landing: Landing) -> None:
    for name in ("orders.txt", "seller=A1/orders.txt", "seller=A1/other.txt"):
        landing.put(name)
    landing.look()
    landing.look()
    landing.put("seller=A1/orders.txt.toml")
    landing.look(joined="orders.txt.toml")
    assert landing.look(joined="orders.txt.toml") == [
        "seller=A1/orders.txt",
        "seller=A1/orders.txt.toml",
        "seller=A1/other.txt",
    ]
    assert landing.look(joined="orders.txt.toml") == []


def test_little_is_remembered_and_nothing_of_what_is_gone(landing: Landing) -> None:
    paths = [landing.put(f"{'very_' * 20}long_{number}.csv") for number in range(200)]
    landing.look()
    assert len(landing.look()) == 200
    assert sum(map(len, landing.memory.as_plain().values())) == 200 * 11
    for path in paths:
        path.unlink()
    landing.look()
    assert landing.memory == Memory()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LandingError, match="CSBA_LANDING"):
        look(tmp_path / "nowhere")
