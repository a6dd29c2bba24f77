"""Files that nobody here wrote, made to break readers: refused in words, or every row accounted for.

Each comes in by each of many ways: under the name of each dataset and through each source, as it is and below a header
that fits, with each suffix; mapped by a source that takes whatever comes; and to be looked at. Each has ten seconds, in
a process of its own (`watched.py`), and the process 500 MB. What lies in the folder of sources, and the formats that
are known, are taken from where they stand: further ones are proved with the others.
"""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from house import DATA, SHARED_DATA
from watched import Outcome, Watched, columns_in_words

from assets.raw.files import COMPRESSIONS, SUFFIXES
from assets.raw.reading import DIALECTS
from assets.raw.sources import CANONICAL, Source, read_sources

HOSTILE = SHARED_DATA / "hostile"
FILES = sorted(file for file in HOSTILE.rglob("*") if file.is_file())
MOST_MEMORY = 500_000_000
ANY = """-- dataset: returns
-- file: *
select row_number, to_json(input) as return_id, 'O' as order_id, '1' as order_item_id, 'prepaid' as label,
    '2026-01-31T10:00:00Z' as requested_at,
    case when row_number % 3 = 0 then 'id: third' end as refused
from input
"""
SOURCES = read_sources(DATA / "sources")
FORMATS = re.findall(r"\w+", SUFFIXES.pattern.split(">")[1].split(")")[0])
pytestmark = pytest.mark.skipif(not FILES, reason="the hostile files are not here")


@dataclass(frozen=True)
class Way:
    """How a file comes in."""

    source: Source
    suffix: str
    is_headed: bool
    """Below a header that fits, and the lines that stand above one."""
    each: int = 1
    """Of the hostile files each so many'th comes in this way."""

    @property
    def is_canonical(self) -> bool:
        return self.source.name == CANONICAL

    @property
    def delimiter(self) -> str:
        dialect = self.source.dialect or DIALECTS[self.suffix.split(".")[1]]
        return dialect.delimiter

    def takes(self, number: int, file: Path) -> bool:
        """Whether the file comes in this way: under the suffix of a compression only what is compressed."""
        compression = SUFFIXES.search(self.suffix)["compression"]
        return number % self.each == 0 and (compression is None or file.name.endswith(compression))

    def lay(self, file: Path, number: int, folder: Path) -> Path:
        """Put the file into a folder, as it shall come in."""
        place = folder / f"{self.source.dataset.name}_{number}{self.suffix}"
        if self.is_headed:
            columns = self.source.columns or frozenset(self.source.dataset.columns)
            above = "above\n" * (self.source.dialect.header - 1 if self.source.dialect else 0)
            header = self.delimiter.join(sorted(columns))
            place.write_bytes(f"{above}{header}\n".encode() + file.read_bytes())
        else:
            place.symlink_to(file)
        for _, joined in self.source.joins:
            shutil.copyfile(file, folder / joined)
        return place

    def rows_of(self, path: Path) -> int | None:
        """How many rows a file has that is plain text without quotes; none of another."""
        content = path.read_bytes()
        dialect = self.source.dialect or DIALECTS.get(self.suffix[1:])
        if self.suffix[1:] not in DIALECTS or dialect is None or (dialect.quote and dialect.quote.encode() in content):
            return None
        for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
            if content.startswith(mark):
                content = content.decode(encoding, "replace").encode()
        lines = re.split(rb"\r\n|\n|\r", content)
        return sum(line != b"" for line in lines[dialect.header - 1 :]) - 1


def ways_of(source: Source) -> Iterator[Way]:
    """Every way through a source."""
    delimited, others = (
        [each for each in FORMATS if each in DIALECTS],
        [each for each in FORMATS if each not in DIALECTS],
    )
    # A source says itself how its text is delimited.
    for kind in [*(delimited if source.name == CANONICAL else delimited[:1]), *others]:
        for compression in COMPRESSIONS:
            # What is no delimited text is much the same for all sources.
            each = 1 if source.name == CANONICAL or kind in DIALECTS else 8
            yield Way(source, f".{kind}{compression or ''}", is_headed=False, each=each)
        if kind in DIALECTS and (source.name == CANONICAL or source.columns):
            yield Way(source, f".{kind}", is_headed=True)


ALL_WAYS = [way for source in (*SOURCES.canonical, *SOURCES.mapped) for way in ways_of(source)]


def come_in(way: Way, files: Sequence[tuple[int, Path]], watched: Watched, folder: Path) -> list[Outcome]:
    """Each file by one way; what became of each, held to account."""
    folder = folder / "seller=A1B2" / "marketplace=ATVPDKIKX0DER"
    folder.mkdir(parents=True)
    outcomes = []
    for number, file in files:
        if not way.takes(number, file):
            continue
        path = way.lay(file, number, folder)
        outcome = watched.load(path, None if way.is_canonical else way.source.name)
        if outcome is None:
            continue
        assert outcome.failed is None, (way, file, outcome.failed)
        assert outcome.read == outcome.loaded + outcome.duplicate + outcome.quarantined + outcome.skipped
        rows = way.rows_of(path)
        if rows is not None and not outcome.refused and not outcome.is_unchanged:
            assert outcome.read == rows, (way, file)
        outcomes.append(outcome)
    return outcomes


def hold(watched: Watched) -> None:
    """No file hung or ended the process, and none took too much memory."""
    assert (watched.hung, watched.ended) == ([], [])
    assert max((each.peak for each in watched.outcomes), default=0) < MOST_MEMORY


def test_some_hostile_files_by_some_way(raw, tmp_path):
    with Watched(tmp_path / "home") as watched:
        for number, file in enumerate(FILES[::5]):
            come_in(ALL_WAYS[number % len(ALL_WAYS)], [(number, file)], watched, tmp_path / str(number))
    hold(watched)
    with raw.open_home(tmp_path) as home:
        home.check_accounts()


@pytest.mark.prove
@pytest.mark.parametrize(
    "source", [*SOURCES.canonical, *SOURCES.mapped], ids=lambda source: f"{source.name}-{source.dataset.name}"
)
def test_every_hostile_file_by_every_way(raw, tmp_path, in_table, source):
    outcomes, ways, start = [], list(ways_of(source)), 0
    for number, way in enumerate(ways):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Watched(folder / "home") as watched:
            outcomes += come_in(way, list(enumerate(FILES)), watched, folder / "landing")
        hold(watched)
        start = max(start, watched.start)
        with raw.open_home(folder) as home:
            home.check_accounts()
        shutil.rmtree(folder)
    assert len(outcomes) == sum(way.takes(number, file) for way in ways for number, file in enumerate(FILES))
    in_table(
        "hostile",
        {"as": source.dataset.name if source.name == CANONICAL else f"{source.dataset.name}, by {source.name}"}
        | {"ways": len(ways)}
        | columns_in_words(outcomes)
        | {"longest, s": f"{max(each.seconds for each in outcomes):.1f}"}
        | {"memory before, MB": f"{start / 10**6:.0f}"}
        | {"most memory, MB": f"{max(each.peak for each in outcomes) / 10**6:.0f}"},
    )


@pytest.mark.parametrize("every", [120, pytest.param(1, marks=pytest.mark.prove)])
def test_the_commands_take_hostile_files(raw, tmp_path, every):
    """Whatever they print of them: loaded by a source that takes whatever comes, and looked at."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "any.sql").write_text(ANY)
    (tmp_path / "landing").mkdir()
    endings = [f".{kind}" for kind in FORMATS]
    with Watched(tmp_path / "home", tmp_path / "sources") as watched:
        for number, file in enumerate(FILES[::every]):
            path = tmp_path / "landing" / f"{number}{endings[number % len(endings)]}"
            shutil.copyfile(file, path)
            for place in (path, file):
                for command in ("load", "inspect"):
                    outcome = watched.command(place, command)
                    assert outcome is None or outcome.failed is None, (file, command, outcome.failed)
    hold(watched)
    with Watched(tmp_path / "home") as watched:
        for file in FILES[::every]:
            outcome = watched.command(file, "inspect")
            assert outcome is None or outcome.failed is None, (file, outcome.failed)
    hold(watched)
    with raw.open_home(tmp_path) as home:
        home.check_accounts()
        assert home.rows("select sum(rows_loaded) > 0, sum(rows_quarantined) > 0 from audit.files") == [(True, True)]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_naughty_strings_survive_as_sellers_names(home, raw, kind):
    names = json.loads((HOSTILE / "blns" / "blns.json").read_text())
    rows = [raw.seller(seller_id=str(n), name=name) for n, name in enumerate(names)]
    content = raw.as_csv(rows) if kind == "csv" else "\n".join(json.dumps(row) for row in rows).encode()
    home.load_file(f"sellers.{kind}", content)
    good = {(str(n), name) for n, name in enumerate(names) if name.strip(" \t\r\n") and "\0" not in name}
    assert set(home.rows("select seller_id, name from raw.sellers")) == good
    assert len(good) > 490
    assert len(home.quarantine()) == len(names) - len(good)
