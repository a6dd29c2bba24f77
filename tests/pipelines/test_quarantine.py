"""What was refused can be looked at, written as it came, mended and loaded, and nothing is there twice."""

import csv
import stat
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from house import DATA, load_paths, opened, row

from assets.raw.datasets import DATASETS
from assets.raw.sources import Sources, read_sources
from pipelines.cli import cli
from pipelines.quarantine import _escaped, export, purge, refused_rows

COLUMNS = list(DATASETS["shipments"].columns)


def parcel(number: int, **values: str) -> str:
    given = (
        row("shipments", shipment_id=f"P{number}", order_id=f"O{number}", shipped_at="2026-03-05T12:00:00Z") | values
    )
    return ",".join(given.get(name) or "" for name in COLUMNS)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A file of ten parcels, of which two have no quantity, one no number and one a value too many; and a good one."""
    bad = {2: {"quantity": "none"}, 4: {"quantity": "", "carrier": "=1+1"}, 5: {"shipment_id": " "}}
    lines = [parcel(number, **bad.get(number, {})) for number in range(1, 11)]
    lines[6] += ",more"
    files = tmp_path / "files"
    files.mkdir()
    (files / "shipments_2026-03.csv").write_text("\n".join([",".join(COLUMNS), *lines, ""]))
    (files / "shipments_good.csv").write_text("\n".join([",".join(COLUMNS), parcel(11), ""]))
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [files])
    return tmp_path / "home"


def test_reasons_are_counted_by_file(home: Path) -> None:
    with opened(home) as warehouse:
        found = [(r["name"], r["column_name"], r["rows"], r["first_row"]) for r in refused_rows(warehouse)]
        assert found == [
            ("shipments_2026-03.csv", "quantity", 1, 2),
            ("shipments_2026-03.csv", "quantity", 1, 4),
            ("shipments_2026-03.csv", "shipment_id", 1, 5),
            ("shipments_2026-03.csv", "line", 1, 7),
        ]
        assert len(refused_rows(warehouse, ["2026-03", "other"])) == 4
        assert refused_rows(warehouse, ["GOOD"]) == []


def test_rows_are_written_as_they_came_mended_and_loaded_once(home: Path, tmp_path: Path) -> None:
    with opened(home) as warehouse:
        (path,) = export(warehouse, tmp_path / "bad", Sources(()))
        assert path.name == "shipments_2026-03.csv"
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [(r["quarantined_row"], r["quarantined_because"].split(":")[0]) for r in rows] == [
            ("2", "quantity"), ("4", "quantity"), ("5", "shipment_id"), ("7", "line"),
        ]  # fmt: skip
        assert rows[1]["carrier"] == "=1+1"
        assert rows[3]["line"] == parcel(7) + ",more"
        for mended in rows[:2]:
            mended["quantity"] = "3"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows[:2])
        for _ in range(2):
            load_paths(warehouse, [path])
        found = warehouse.con.execute("select shipment_id, quantity from in_force.shipments order by all").fetchall()
        assert len(found) == len({shipment for shipment, _ in found}) == 9
        assert dict(found)["P2"] == dict(found)["P4"] == 3


def test_what_was_written_is_never_written_over(home: Path, tmp_path: Path) -> None:
    with opened(home) as warehouse:
        export(warehouse, tmp_path / "bad", Sources(()))
        (path,) = (tmp_path / "bad").rglob("*.csv")
        path.write_text("mended")
        with pytest.raises(FileExistsError, match=rf"{path} is there already.* name another folder"):
            export(warehouse, tmp_path / "bad", Sources(()))
        assert path.read_text() == "mended"


def test_a_report_is_written_as_its_source_reads_it_and_with_what_was_told(tmp_path: Path) -> None:
    header = [
        "order-id",
        "order-item-id",
        "purchase-date",
        "payments-date",
        "sku",
        "quantity-purchased",
        "ship-service-level",
    ]
    at = "2026-03-01T14:18:23-07:00"
    rows = [["O1", "1", at, at, 'S "1"', "many", "x"], ["O2", "2", at, at, "S2", "1", "x"], ["O3", "3"]]
    path = tmp_path / "files" / "seller=A1" / "marketplace=ATVPDKIKX0DER" / "1.txt"
    path.parent.mkdir(parents=True)
    path.write_text("".join("\t".join(line) + "\n" for line in [header, *rows]))
    sources = read_sources(DATA / "sources")
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [path])
        (bad,) = export(warehouse, tmp_path / "bad", sources)
        assert bad.name == "1.txt"
        bad.write_text(bad.read_text().replace("many", "5"))
        (done,) = load_paths(warehouse, [tmp_path / "bad"]).loads
        assert (done.source, done.rows_loaded, done.rows_quarantined) == ("amazon_order_report", 1, 1)
        found = warehouse.con.execute(
            "select order_id, seller_id, sku, quantity from in_force.order_items order by all"
        )
        assert found.fetchall() == [("O1", "A1", 'S "1"', 5), ("O2", "A1", "S2", 1)]


def test_lines_stand_above_a_header_again_and_only_what_is_asked_for_is_told(tmp_path: Path) -> None:
    """Without such lines it would be another report; and a file of which more is said than is asked for is refused."""
    header = "order-id order-item-id quantity ship-date carrier-code carrier-name tracking-number ship-method"
    rows = [["O1", "1", "many", "2026-03-01", "X", "", "", ""], ["O2", "2", "1", "2026-03-01", "X", "", "", ""]]
    above = ["TemplateType=OrderFulfillment", "by order"]
    path = tmp_path / "files" / "year=2026" / "marketplace=A1VC38T7YXB528" / "feed.txt"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join([*above, header.replace(" ", "\t"), *("\t".join(line) for line in rows), ""]))
    sources = read_sources(DATA / "sources")
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [path])
        (bad,) = export(warehouse, tmp_path / "bad", sources)
        bad.write_text(bad.read_text().replace("many", "5"))
        report = load_paths(warehouse, [tmp_path / "bad"])
        assert report.refusals == []
        assert [(done.source, done.rows_loaded) for done in report.loads] == [("amazon_shipping_confirmation_jp", 1)]


def test_lines_at_fault_alone_are_written_below_the_columns_that_are_needed(tmp_path: Path) -> None:
    report = tmp_path / "seller=A1" / "1.txt"
    report.parent.mkdir()
    columns = sorted(next(s for s in read_sources(DATA / "sources").mapped if s.name == "amazon_all_orders").columns)
    report.write_text("".join("\t".join(line) + "\n" for line in [columns, ["few"], ["1"] * len(columns)]))
    (tmp_path / "shipments.csv").write_text("\n".join([",".join(COLUMNS), parcel(1), "few", ""]))
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [report, tmp_path / "shipments.csv"])
        written = export(warehouse, tmp_path / "bad", read_sources(DATA / "sources"), ["shipments", "1.txt"])
        assert set(columns) <= set(written[0].read_text().splitlines()[0].split("\t"))
        assert set(DATASETS["shipments"].required) <= set(written[1].read_text().splitlines()[0].split(","))
        again = load_paths(warehouse, written)
        assert again.refusals == []
        assert [load.rows_quarantined for load in again.loads] == [2, 1]


def test_a_line_at_fault_of_text_without_quotes_keeps_its_columns_apart(tmp_path: Path) -> None:
    header = "order-id\torder-item-id\tpurchase-date\tpayments-date\tsku\tquantity-purchased\tship-service-level"
    report = tmp_path / "seller=A1" / "marketplace=ATVPDKIKX0DER" / "1.txt"
    report.parent.mkdir(parents=True)
    at = "2026-03-01T14:18:23-07:00"
    report.write_text("\n".join([header, "O1\t\tof\tJane Roe", f"O2\t2\t{at}\t{at}\tS\t1\tx", ""]))
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [report])
        (bad,) = export(warehouse, tmp_path / "bad", read_sources(DATA / "sources"))
        with bad.open(newline="") as file:
            (found,) = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        assert found["line"] == r"O1\t\tof\tJane Roe"
        assert load_paths(warehouse, [tmp_path / "bad"]).refusals == []


@pytest.mark.parametrize(
    ("value", "delimiter", "written"),
    [("a\tb\r\nc\nd\re", "\t", r"a\tb\nc\nd\ne"), ("a\tb;", ";", "a\tb\\x3b"), (7, "\t", 7), (None, "\t", None)],
)
def test_delimiters_and_ends_of_lines_are_spelt(value, delimiter: str, written) -> None:
    assert _escaped(value, delimiter) == written


def test_a_value_with_the_end_of_a_line_comes_back_in_one_piece(tmp_path: Path) -> None:
    carriers = ["a\rb", "a\nb", "a\r\nb", "\r", 'a,"b']
    rows = [
        row(
            "shipments",
            shipment_id=f"P{n}",
            order_id="O",
            shipped_at="2026-03-05T12:00:00Z",
            quantity="none",
            carrier=c,
        )
        for n, c in enumerate(carriers)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "shipments.parquet")
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [tmp_path / "shipments.parquet"])
        (bad,) = export(warehouse, tmp_path / "bad", Sources(()))
        bad.write_bytes(bad.read_bytes().replace(b",none,", b",3,"))
        assert load_paths(warehouse, [bad]).loads[0].rows_loaded == len(carriers)
        found = warehouse.con.execute("select carrier from in_force.shipments order by shipment_id").fetchall()
        assert [carrier for (carrier,) in found] == ["a\rb", "a\nb", "a\r\nb", None, 'a,"b']


def test_json_is_written_as_it_came(tmp_path: Path) -> None:
    deep = "[" * 20_000 + "]" * 20_000
    lines = ['{"shipment_id": 1.50, "x": {"a": true}}', '{"sku": ' + deep + "}", "[1]", "{}"]
    path = tmp_path / "shipments.jsonl"
    path.write_text("\n".join([*lines, ""]))
    with opened(tmp_path / "home") as warehouse:
        load_paths(warehouse, [path])
        (bad,) = export(warehouse, tmp_path / "bad", Sources(()))
        written = bad.read_text().splitlines()
        assert len(written) == 4
        assert written[0].startswith(
            '{"shipment_id": 1.50, "x": {"a": true}, "quarantined_row": 1, "quarantined_because": "'
        )
        assert deep in written[1]
        assert written[2].endswith('"line": [1]}')
        assert load_paths(warehouse, [bad]).loads[0].rows_quarantined == 4


def test_rows_are_purged_by_age_and_name_and_their_number_stays(home: Path) -> None:
    with opened(home) as warehouse:
        warehouse.con.execute(
            "insert into audit.files select * replace (9 as file_id, 'x/late.csv' as path,"
            " loaded_at + interval 10 days as loaded_at) from audit.files where file_id = 1"
        )
        warehouse.con.execute("insert into audit.quarantine select * replace (9 as file_id) from audit.quarantine")
        ((loaded_at,),) = warehouse.con.execute("select loaded_at from audit.files where file_id = 1").fetchall()
        counts = warehouse.rows("select file_id, rows_quarantined from audit.files order by all")
        assert purge(warehouse, 30, loaded_at + timedelta(days=30)) == 0
        assert purge(warehouse, 30, loaded_at + timedelta(days=31), ["late"]) == 0
        assert purge(warehouse, 30, loaded_at + timedelta(days=31)) == 4
        assert {row["name"] for row in refused_rows(warehouse)} == {"late.csv"}
        assert purge(warehouse, 0, loaded_at, ["2026-03"]) == 0
        assert purge(warehouse, 0, loaded_at, ["LATE"]) == 4
        assert refused_rows(warehouse) == []
        assert warehouse.rows("select file_id, rows_quarantined from audit.files order by all") == counts


def test_purged_rows_are_gone_from_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSBA_HOME", str(home))
    both = CliRunner().invoke(cli, ["quarantine", "--purge", "0", "--export", "there"])
    assert both.exit_code == 2
    assert "do not go together" in both.output
    for words, said in {
        ("--purge", "-1"): "Invalid value",
        ("nothing", "--purge", "0"): "0 quarantined rows were deleted",
        ("--purge", "0"): "4 quarantined rows were deleted",
        (): "No row is quarantined",
    }.items():
        assert said in CliRunner().invoke(cli, ["quarantine", *words]).output
    with opened(home) as warehouse:
        commands = warehouse.con.execute("select command from audit.runs").fetchall()
        assert ("csba quarantine --purge 0",) in commands
        assert load_paths(warehouse, [home.parent / "files"]).loads == [], "a file is not read again for it"


def test_the_command_lists_and_writes(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSBA_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")
    done = CliRunner().invoke(cli, ["quarantine", "--export", str(tmp_path / "bad")])
    assert done.exit_code == 0, done.output
    assert "a whole number" in done.output
    assert "P4" not in done.output, "no row is shown"
    assert done.output.strip().endswith(str(next((tmp_path / "bad").rglob("*.csv"))))
    assert "No row is quarantined" in CliRunner().invoke(cli, ["quarantine", "nothing"]).output
