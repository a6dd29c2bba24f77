"""The command, as people use it: what it says, what it exits with, and that no mistake ends in a traceback."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from house import DATA, opened, row, write_csv

from assets.settings import CHECKOUT
from pipelines.cli import cli
from pipelines.entry import answer
from pipelines.periods import parse_periods

US = "ATVPDKIKX0DER"
Csba = Callable[..., tuple[int, str, str]]


@pytest.fixture
def csba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Csba:
    """Runs the command in a home of its own; gives the exit code, what it printed, and what it complained of."""
    monkeypatch.setenv("CSBA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def command(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["csba", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            answer()
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return int(ended.value.code or 0), told.out, told.err

    return command


def month(folder: Path, **of_unit: str) -> Path:
    """A folder with a seller, a covered unit shipped in March 2026, and a contact about it."""
    rows = {
        "sellers": [row("sellers", seller_id="S")],
        "enrolment_events": [row("enrolment_events", seller_id="S", effective_at="2025-01-01T00:00:00Z")],
        "order_items": [row("order_items", order_id="O", purchased_at="2026-03-01T12:00:00Z", quantity="9")],
        "shipments": [row("shipments", shipment_id="P", order_id="O", shipped_at="2026-03-02T12:00:00Z", **of_unit)],
        "contacts": [row("contacts", contact_id="C", order_id="O", contacted_at="2026-03-03T12:00:00Z")],
    }
    write_csv(folder, rows)
    return folder


def test_from_files_to_statements(csba: Csba, tmp_path: Path) -> None:
    code, out, _ = csba("load", month(tmp_path / "files", quantity="9"))
    assert code == 0
    assert re.search(r"shipments\s+1\s+1\s+1\s+0\s+0\s+0", out)
    code, out, _ = csba("run", "2026-03")
    assert code == 0
    assert re.search(r"chargeable\s+9\s+9\nshipped\s+9\s+9\ndifference\s+0\s+0", out)
    assert re.search(r"US-2021-11\s+tier 3\s+1\s+9\s+7\.20\s+USD", out)
    assert re.search(r"US\s+1\s+7\.20\s+USD", out), "1 contact for 9 units is tier 3: 9 x 0.80"
    assert re.search(r"no returns loaded\s+US\s+US-2021-11\s+1", out)
    assert "No returns were ever loaded" in out
    assert f"1 statement in {tmp_path / 'home' / 'statements' / '2026-03'}" in out
    pages = list((tmp_path / "home" / "statements" / "2026-03" / US).glob("s-*.html"))
    assert len(pages) == 1
    assert "7.20" in pages[0].read_text(encoding="utf-8")
    code, out, _ = csba("status")
    assert code == 0
    assert re.search(r"US\s+–\s+2026-03\s+1\s+7\.20 USD\s+close 2026-03", out)
    assert re.search(r"csba run 2026-03\s+\S+ \S+\s+done", out)
    assert 'Next: csba close 2026-03 --by "YOUR NAME"' in out
    told = json.loads(csba("status", "--json")[1])
    (place,) = told["marketplaces"]
    assert (place["country"], place["closed"], place["open_period"], place["is_late"]) == ("US", [], "2026-03", False)
    assert place["drafts"] == [{"period": "2026-03", "statements": 1, "total": "7.2000", "currency": "USD"}]
    assert {row["dataset"]: row["quarantined"] for row in told["loaded"]}["shipments"] == 0


def test_loading_again_changes_nothing(csba: Csba, tmp_path: Path) -> None:
    csba("load", month(tmp_path / "files"))
    code, out, _ = csba("load", tmp_path / "files")
    assert code == 0
    assert "5 files were loaded before and nothing of it has changed" in out


def test_a_refused_file_is_named_and_the_others_are_loaded(csba: Csba, tmp_path: Path) -> None:
    month(tmp_path / "files")
    (tmp_path / "files" / "contacts.csv").write_bytes(b"\x00\x01binary")
    (tmp_path / "files" / "holiday.txt").write_text("?")
    code, out, err = csba("load", tmp_path / "files", tmp_path / "nothing.csv")
    assert code == 2
    assert len(err.splitlines()) == 3
    assert re.search(r"contacts\.csv: it is not text", err)
    assert re.search(r"holiday\.txt: its name is not known; known are sellers\*\.csv", err)
    assert re.search(r"nothing\.csv: there is no such file", err)
    assert re.search(r"shipments\s+1\s+1\s+1", out)
    assert "contacts" not in out


def test_quarantined_rows_are_counted_and_are_no_error(csba: Csba, tmp_path: Path) -> None:
    code, out, err = csba("load", month(tmp_path / "files", quantity="two"))
    assert (code, err) == (0, "")
    assert "shipments.csv: 1 quarantined as shipments, first in row 1: quantity is 'two', not a whole number" in out


def test_why_rows_are_refused_is_said_in_the_same_words_everywhere(
    csba: Csba, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a column that no dataset has no value is kept, and it was not blank; an empty text was."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "parcels.sql").write_text("""-- dataset: shipments
-- file: parcels.json
select
    row_number, as_came ->> '$.id' as shipment_id, 'O' as order_id, '1' as order_item_id,
    '2026-03-01T12:00:00Z' as shipped_at, as_came ->> '$.n' as quantity, shipped_at as updated_at,
    case when as_came ->> '$.rating' = '9' then 'rating: from 1 to 5' end as refused
from input""")
    monkeypatch.setenv("CSBA_SOURCES", str(tmp_path / "sources"))
    path = tmp_path / "parcels.json"
    rows = [{"id": "A", "n": "1", "rating": 9}, {"id": "", "n": "1"}, {"id": "C", "n": None}, {"id": "D", "n": "x"}, 7]
    path.write_text(json.dumps(rows))
    whys = (
        "rating should be from 1 to 5",
        "shipment_id is blank, but required",
        "quantity is blank, but required",
        "record should be a JSON object",
    )
    for words in (("inspect", path), ("load", path), ("quarantine",)):
        _, out, err = csba(*words)
        assert err == ""
        assert all(why in out for why in whys), out
        value = "quantity is 'x', not a whole number" if words[0] == "load" else "quantity should be a whole number"
        assert value in out


def test_bad_terms_stop_their_marketplace_alone(csba: Csba, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terms = tmp_path / "terms"
    terms.mkdir()
    for path in (DATA / "terms").glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        (terms / path.name).write_text(text.replace("fee = 0.18", "fee = -1") if path.name == "de.toml" else text)
    monkeypatch.setenv("CSBA_TERMS", str(terms))
    csba("load", month(tmp_path / "files"))
    code, out, err = csba("run", "2026-03")
    assert code == 2
    assert (
        "de.toml, version DE-2020-01: `fee` -1 lies outside 0 to 99999.9999; the other marketplaces are billed" in err
    )
    assert re.search(r"US\s+1\s+0\.80\s+USD", out)
    code, _, err = csba("check")
    assert code == 2
    assert "de.toml, version DE-2020-01" in err


def test_a_failed_check_stops_its_marketplace_alone(csba: Csba, tmp_path: Path) -> None:
    month(tmp_path / "files")
    rows = {
        "order_items": [row("order_items", order_id="J", purchased_at="2018-03-01T12:00:00Z")],
        "shipments": [row("shipments", shipment_id="J", order_id="J", shipped_at="2018-03-02T12:00:00Z")],
        "contacts": [row("contacts", contact_id="B", contacted_at="2018-03-03T12:00:00Z", order_id="B")],
    }
    rows["order_items"].append(
        row("order_items", order_id="B", purchased_at="2018-03-01T12:00:00Z", marketplace_id="A2Q3Y263D00KWC")
    )
    write_csv(tmp_path / "files", rows, "_old")
    csba("load", tmp_path / "files")
    code, _, err = csba("run", "2018-03")
    assert code == 1
    assert re.search(rf"2018-03 was stopped: core\.units: 1 of {US} break “a unit has terms in force", err)
    with opened(tmp_path / "home") as warehouse:
        contacts = warehouse.rows("select marketplace_id, outcome from core.contacts where period = '2018-03'")
        assert contacts == [{"marketplace_id": "A2Q3Y263D00KWC", "outcome": "never_enrolled"}]
        (run,) = warehouse.rows("select outcome, checks from audit.runs where command = 'csba run 2018-03'")
        assert run["outcome"] == "failed"
        assert (
            '"core.units: a unit has terms in force when it ships; add a version of the terms that begins by then": 1'
            in run["checks"]
        )
    assert "1 rows fail “core.units: a unit has terms in force when it ships;" in csba("status")[1]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("run", "2026-13"), "'2026-13' is no billing period; one is written 2026-10"),
        (("run", "2026-03..2026-01"), "ends before it begins"),
        (("run", "1999-12"), "is no billing period"),
        (("run", "2098-01"), "2098-01 cannot be billed: periods run from 2015-01 to the current one"),
        (("run", "2026-03", "--marketplace", "NOWHERE"), "'NOWHERE' is not listed"),
        (("run",), "Missing argument 'PERIOD'"),
        (("load",), "Missing argument 'PATHS...'"),
        (("status",), "nothing has been loaded into"),
        (("generate", "--out", str(DATA)), "is not an empty folder"),
        (("generate", "--out", "x", "--marketplace", "XX"), "no marketplace of 'XX' is listed"),
        (("bill",), "No such command 'bill'"),
    ],
)
def test_unusable_arguments(words: tuple[str, ...], complaint: str, csba: Csba) -> None:
    code, _, err = csba(*words)
    assert code == 2
    assert complaint in err


def test_a_month_is_closed_adjusted_and_made_again(csba: Csba, tmp_path: Path) -> None:
    csba("load", month(tmp_path / "files", quantity="9"))
    code, _, err = csba("close", "2026-03", "--by", "Ada")
    assert code == 2
    assert "without a terminal there is nobody to ask: closing needs --yes" in err
    code, out, _ = csba("close", "2026-03", "--by", "Ada", "--yes")
    assert code == 0
    assert re.search(r"Closing 2026-03 will freeze", out)
    assert re.search(r"days without shipments\s+30", out)
    assert "2026-03 of US is closed by Ada: 1 statements, 7.20 USD, load 1" in out
    code, out, _ = csba("close", "2026-03", "--by", "Bo", "--yes")
    assert (code, "is closed already; nothing changed" in out) == (0, True)
    late = [row("shipments", shipment_id="Q", order_id="O", shipped_at="2026-03-09T12:00:00Z", quantity="11")]
    csba("load", *write_csv(tmp_path / "late", {"shipments": late}, "_late"))
    out = csba("status")[1]
    assert "Next: csba run 2026-04" in out
    assert re.search(r"US\s+2026-03\s+–\s+run 2026-04: late rows", out)
    code, out, _ = csba("run", "2026-04")
    assert code == 0
    assert re.search(r"US\s+2026-03\s+late shipment\s+1\s+-3\.20\s+USD", out), "1 contact for 20 units is tier 1"
    code, out, _ = csba(
        "credit", "S", "1.25", "--marketplace", US, "--for", "2026-03", "--reason", "late", "--by", "Ada"
    )
    assert (code, "1.25 USD, booked in 2026-04" in out) == (0, True)
    code, out, _ = csba("reproduce", "2026-03")
    assert code == 0
    assert re.search(r"2026-03 of US is the same: \d+ rows; 5 files of statements, made again byte for byte", out)
    code, out, err = csba("journal", "2026-03")
    assert (code, len(out.splitlines()), err) == (0, 3, "1 entries\n")
    with opened(tmp_path / "home") as warehouse:
        warehouse.con.execute("update billing.statements set total = 0 where status = 'final'")
    code, out, _ = csba("reproduce", "2026-03")
    assert code == 1
    assert "billing.statements: this is in the books but is not made" in out


def test_a_close_counts_again_what_late_rows_carried_and_refuses_what_does_not_add_up(
    csba: Csba, tmp_path: Path
) -> None:
    csba("load", month(tmp_path / "files", quantity="9"))
    csba("close", "2026-03", "--by", "Ada", "--yes")
    late = [row("shipments", shipment_id="Q", order_id="O", shipped_at="2026-03-09T12:00:00Z", quantity="11")]
    csba("load", *write_csv(tmp_path / "late", {"shipments": late}, "_late"))
    csba("run", "2026-04")
    with opened(tmp_path / "home") as warehouse:
        warehouse.con.execute("update raw.shipments set quantity = 8 where shipment_id = 'P'")
    code, out, err = csba("close", "2026-04", "--by", "Ada", "--yes")
    assert (code, "will freeze" in out) == (1, False)
    assert "closed months do not add up with what came late; nothing was closed" in err
    assert "audit.unit_balance: 1 of ATVPDKIKX0DER break “units shipped = all outcomes”" in err
    assert "csba run 2026-04 --anew rates those months anew from all rows" in err
    assert re.search(r"csba close 2026-04\s+\S+ \S+\s+failed", csba("status")[1])
    with opened(tmp_path / "home") as warehouse:
        assert warehouse.rows("select period from billing.closes") == [{"period": "2026-03"}]
    assert csba("run", "2026-04", "--anew")[0] == 0
    code, out, _ = csba("close", "2026-04", "--by", "Ada", "--yes")
    assert (code, "late shipment, counted anew" in out or "counted anew, late shipment" in out) == (0, True)


def test_a_close_that_is_refused_closes_nothing(csba: Csba, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    csba("load", month(tmp_path / "files"))
    for words, complaint in (
        (("2098-01", "--by", "Ada", "--yes"), "2098-01 of US (ATVPDKIKX0DER) has not ended"),
        (("2017-01", "--by", "Ada", "--yes"), "there is nothing to close in 2017-01"),
        (("2026-03..2026-04", "--by", "Ada", "--yes"), "one period at a time"),
        (("2026-03", "--by", " ", "--yes"), "--by is the name"),
        (("2026-03", "--by", "Ada", "--yes", "--marketplace", "X"), "'X' is not listed"),
    ):
        code, _, err = csba("close", *words)
        assert code == 2
        assert complaint in err
    terms = tmp_path / "terms"
    terms.mkdir()
    (terms / "us.toml").write_text(f'marketplace_id = "{US}"\n')
    monkeypatch.setenv("CSBA_TERMS", str(terms))
    code, _, err = csba("close", "2026-03", "--by", "Ada", "--yes")
    assert code == 2
    assert "2026-03 cannot be closed: us.toml: it has no [[version]]" in err
    (terms / "us.toml").write_text(
        f'marketplace_id = "{US}"\n[[version]]\nid = "X"\nfrom = 2026-05-01\ntrial_days = 0\ntier = [{{ fee = 1 }}]\n'
    )
    code, _, err = csba("close", "2026-03", "--by", "Ada", "--yes")
    assert code == 1
    assert "break “an activation has terms in force; add a version of the terms that begins by then”" in err
    with opened(tmp_path / "home") as warehouse:
        assert warehouse.rows("from billing.closes") == []
    for words in (("reproduce", "2026-03"), ("journal", "2026-03")):
        code, _, err = csba(*words)
        assert (code, "2026-03 is not closed" in err) == (2, True)


def test_two_at_once(csba: Csba, tmp_path: Path) -> None:
    month(tmp_path / "files")
    with opened(tmp_path / "home"):
        code, _, err = csba("load", tmp_path / "files")
    assert code == 2
    assert "is in use by a test, process" in err


@pytest.mark.parametrize(
    ("place", "text", "complaint"),
    [
        ("sources/bad.sql", "-- file: x.csv\nselect 1", "bad.sql: its header does not say `-- dataset"),
        ("marketplaces.csv", "marketplace_id\n", "lists no marketplace"),
    ],
)
def test_unusable_inputs(place: str, text: str, complaint: str, csba: Csba, tmp_path: Path, monkeypatch) -> None:
    data = tmp_path / "data"
    (data / "sources").mkdir(parents=True)
    (data / "terms").mkdir()
    (data / "marketplaces.csv").write_bytes((DATA / "marketplaces.csv").read_bytes())
    (data / place).write_text(text)
    monkeypatch.setenv("CSBA_DATA", str(data))
    for words in (("check",), ("load", month(tmp_path / "files"))):
        code, _, err = csba(*words)
        assert code == 2
        assert complaint in err


def test_what_is_shipped_is_good(csba: Csba) -> None:
    code, out, err = csba("check")
    assert (code, err) == (0, "")
    assert "11 versions for 8 marketplaces" in out


def test_periods_are_written_by_month() -> None:
    assert parse_periods("2026-10") == ["2026-10"]
    assert parse_periods("2025-11..2026-02") == ["2025-11", "2025-12", "2026-01", "2026-02"]


def test_the_readme_names_every_command() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert not [name for name in cli.commands if f"csba {name}" not in readme]


def test_help_is_in_plain_words() -> None:
    runner = CliRunner()
    for name in ("", *cli.commands):
        shown = runner.invoke(cli, [*filter(None, [name]), "--help"])
        assert shown.exit_code == 0
        assert "Usage:" in shown.output


def test_tables_alone_with_the_time_of_each_stage(csba: Csba, tmp_path: Path) -> None:
    csba("load", month(tmp_path / "files"))
    code, out, _ = csba("run", "2026-03", "--tables-only", "--profile")
    assert code == 0
    assert re.search(r"2026-03 core\.units\s+1\s+\d+\.\d\d\s+\S+\s+\S+ *\n", out)
    assert re.search(r"between stages\s+\d", out)
    assert "reports" not in out
    assert not (tmp_path / "home" / "statements").exists()


def test_memory_that_cannot_be_used_is_told_in_a_sentence(csba: Csba, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSBA_MEMORY", "much")
    assert csba("status") == (2, "", "csba: CSBA_MEMORY is 'much'; it is written like 4GB or 800MB\n")


def test_what_does_not_fit_into_memory_is_said(csba: Csba, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.profiling._size", lambda _: 3_210_000_000)
    monkeypatch.setenv("CSBA_MEMORY", "1GB")
    _, out, _ = csba("load", month(tmp_path / "files"))
    assert f"Beyond 1.0 GB of memory (CSBA_MEMORY) up to 3.2 GB went to {tmp_path / 'home' / 'spill'}" in out


def test_too_little_memory_is_told_in_a_sentence(csba: Csba, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise duckdb.OutOfMemoryException("Out of Memory Error: could not allocate\nmore words")

    monkeypatch.setattr("assets.raw.loading.load", load)
    monkeypatch.setenv("CSBA_MEMORY", "1GB")
    code, _, complaint = csba("load", month(tmp_path / "files"))
    assert (code, complaint) == (
        2,
        "csba: 1.0 GB of memory are too little; set CSBA_MEMORY higher (Out of Memory Error: could not allocate)\n",
    )
