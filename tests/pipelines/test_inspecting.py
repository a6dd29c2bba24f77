"""A file looked at before it is loaded: who knows it, what it would become, and how an unknown one is made known."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from house import DATA, write_csv

from assets.core.marketplaces import read_marketplaces
from assets.raw.sources import read_sources
from assets.settings import Limits
from pipelines.cli import cli
from pipelines.inspecting import draft, nearest, readings

MARKETPLACES = read_marketplaces(DATA / "marketplaces.csv")
HEADER = (
    "order-id\torder-item-id\tpurchase-date\tpayments-date\tsku\tquantity-purchased\tship-service-level\tbuyer-name"
)


@pytest.fixture
def csba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CSBA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str | Path) -> Result:
        return CliRunner().invoke(cli, [str(word) for word in words])

    return call


def a_report(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    at = "2026-03-01T14:18:23-07:00"
    good = f"114-1\t58\t{at}\t{at}\tS1\t2\tStandard\tJane Roe"
    lines = [HEADER, good, good.replace("58", "5.8E+13"), "114-2\t59"]
    path = folder / "1234.txt"
    path.write_text("\n".join([*lines, ""]))
    return path


def test_a_known_file_shows_its_rows_and_what_would_be_refused(csba, tmp_path: Path) -> None:
    shown = csba("inspect", a_report(tmp_path / "seller=A1B2" / "marketplace=ATVPDKIKX0DER"))
    assert shown.exit_code == 0, shown.output
    assert "1234.txt is order_items, by its columns: the source amazon_order_report" in shown.output
    assert "3 rows, read line by line as UTF-8: 1 good, 2 refused, 0 skipped" in shown.output
    assert "first in row 2: order_item_id should be an id that no spreadsheet has shortened" in shown.output
    assert "first in row 3: line should be 8 values, as many as the header has" in shown.output
    assert "2026-03-01 21:18:23" in shown.output
    assert "Jane" not in shown.output, "what no dataset has is not shown"
    assert not (tmp_path / "home").exists()


def test_a_file_that_would_be_refused_says_why(csba, tmp_path: Path) -> None:
    shown = csba("inspect", a_report(tmp_path))
    assert shown.exit_code == 2
    assert "It would be refused: it does not say its seller" in shown.output


def test_a_canonical_file_is_known_by_its_name(csba, tmp_path: Path) -> None:
    (path,) = write_csv(tmp_path, {"returns": []})
    assert "returns.csv is returns, by its name: canonical columns" in csba("inspect", path).output


def test_an_unknown_file_gets_its_nearest_sources_and_a_draft_that_can_be_used(csba, tmp_path: Path) -> None:
    path = tmp_path / "unknown.csv"
    path.write_text("Order-ID,order item id,purchased_at,Colour\nO1,1,2026-03-01T00:00:00Z,red\n")
    shown = csba("inspect", path)
    assert shown.exit_code == 2
    assert "Nobody knows unknown.csv" in shown.output
    assert "order_items*.csv would need" in shown.output
    assert nearest(path, read_sources(tmp_path))[0].source == "order_items*.csv"
    (tmp_path / "mine.sql").write_text(draft(path))
    (source,) = read_sources(tmp_path).of(path)
    assert (source.name, source.dataset.name) == ("mine", "order_items")


@pytest.mark.parametrize(("delimiter", "said"), [(";", ";"), ("\t", "tab"), ("|", "|")])
def test_a_file_with_another_delimiter_is_told_and_gets_a_draft_that_can_be_used(csba, tmp_path: Path, delimiter, said):
    path = tmp_path / "unknown.csv"
    path.write_text("order_id,label,order_item_id,return_id,requested_at\n".replace(",", delimiter))
    shown = csba("inspect", path)
    has = "tabs" if said == "tab" else f"`{said}`"
    assert f"returns*.csv would need no other column; it reads `,`, and the file has {has}" in shown.output
    assert f"-- read: delimiter={said} quote=" in shown.output
    (tmp_path / "mine.sql").write_text(draft(path))
    (source,) = read_sources(tmp_path).of(path)
    assert (source.name, source.dataset.name) == ("mine", "returns")
    named = path.rename(tmp_path / "returns.csv")
    for command in ("inspect", "load"):
        assert f"its values seem to be delimited by {said!r}" in csba(command, named).output


@pytest.mark.parametrize(
    ("delimiter", "name"), [(",", "1234.csv"), (";", "1234.csv"), (",", "1234.txt"), (";", "1234.txt")]
)
def test_a_known_report_that_was_saved_with_another_delimiter_is_found(csba, tmp_path: Path, delimiter: str, name: str):
    path = tmp_path / name
    path.write_text(HEADER.replace("\t", delimiter) + "\n")
    shown = csba("inspect", path)
    assert shown.exit_code == 2
    assert (
        f"amazon_order_report would need no other column; it reads tabs, and the file has `{delimiter}`" in shown.output
    )
    assert nearest(path, read_sources(DATA / "sources"))[0].source == "amazon_order_report"


def test_a_header_below_other_lines_is_found_with_another_delimiter(csba, tmp_path: Path) -> None:
    (source,) = (each for each in read_sources(DATA / "sources").mapped if each.dialect and each.dialect.header == 3)
    path = tmp_path / "1234.csv"
    path.write_text("\n".join(["Title;;", ";;", ";".join(sorted(source.columns)), ""]), encoding="utf-8")
    assert (
        f"{source.name} would need no other column; it reads tabs, and the file has `;`" in csba("inspect", path).output
    )


def test_a_dry_run_keeps_nothing(csba, tmp_path: Path) -> None:
    path = a_report(tmp_path / "seller=A1B2" / "marketplace=ATVPDKIKX0DER")
    shown = csba("load", "--dry-run", path)
    assert shown.exit_code == 0, shown.output
    assert "Nothing was kept" in shown.output
    assert "1234.txt: 1 quarantined as order_items, first in row 3: line should be 8 values" in shown.output
    assert not (tmp_path / "home").exists()
    assert csba("load", "--dry-run", a_report(tmp_path)).exit_code == 2


CONTACT = {
    "ContactId": "C-1",
    "Channel": "VOICE",
    "InitiationMethod": "INBOUND",
    "InitiationTimestamp": "2026-03-08T14:59:38Z",
    "LastUpdateTimestamp": "2026-03-08T15:03:02Z",
    "CustomerEndpoint": {"Address": "+10000000000"},
    "Attributes": {"order_id": "O-1", "seller_id": "S"},
}


def test_records_of_json_are_looked_at_and_loaded_for_trial(csba, tmp_path: Path) -> None:
    path = tmp_path / "marketplace=ATVPDKIKX0DER" / "stream.json"
    path.parent.mkdir()
    path.write_text(json.dumps(CONTACT) + json.dumps(CONTACT | {"Channel": "FAX"}) + json.dumps([CONTACT, 7]))
    shown = csba("inspect", path)
    assert shown.exit_code == 0, shown.output
    assert "stream.json is contacts, by its keys: the source call_centre_contacts" in shown.output
    assert "4 rows: 2 good, 2 refused, 0 skipped" in shown.output
    assert "first in row 4: record should be a JSON object" in shown.output
    assert "+1000" not in shown.output
    tried = csba("load", "--dry-run", path)
    assert "stream.json: 1 quarantined as contacts, first in row 4: record should be a JSON object" in tried.output
    assert "Nothing was kept" in tried.output


def test_unknown_json_gets_a_draft_that_can_be_used(csba, tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    rows = [{"order_id": "O-1", "order_item_id": 1, "sku": "S", "colour": "red"}]
    for text in (json.dumps({"next": None, "rows": rows}), json.dumps(rows), "\n".join(map(json.dumps, rows))):
        path.write_text(text)
        shown = csba("inspect", path)
        assert shown.exit_code == 2
        assert "Nobody knows some.json" in shown.output
        assert ("-- records: rows[]" in shown.output) == text.startswith('{"next')
        (tmp_path / "mine.sql").write_text(draft(path))
        (source,) = read_sources(tmp_path).of(path)
        assert (source.name, source.dataset.name) == ("mine", "order_items")
        (reading,) = readings(path, read_sources(tmp_path), MARKETPLACES, Limits(), 10**9)
        assert (reading.refused, reading.rows_read) == (None, 1)


def test_what_is_wrong_with_json_that_nobody_knows_is_said(csba, tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text('{"a": ')
    assert "it is not JSON: record 1: expecting value at character 7" in csba("inspect", path).output
    path.write_text("[" * 100_000)
    assert "(CSBA_DEEPEST_NESTING)" in csba("inspect", path).output


def test_a_file_that_is_joined_to_others_is_no_unknown_one(csba, tmp_path: Path) -> None:
    path = tmp_path / "orders.json"
    path.write_text(json.dumps({"payload": {"Orders": [{"AmazonOrderId": "1"}]}}))
    shown = csba("inspect", path)
    assert shown.exit_code == 0
    assert "orders.json tells of other files" in shown.output


PHONE = "+4915112345678"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("report_x.txt", json.dumps(CONTACT | {"Phone": PHONE}) + "\n{}\n", "it seems to be JSON; call it .json, or"),
        (
            "report_x.csv",
            json.dumps([{"Phone": PHONE, "a": "b,c"}], indent=1),
            "it seems to be JSON; call it .json, or",
        ),
        ("report_x.tsv", "\ufeff  " + json.dumps({"Phone": PHONE}), "it seems to be JSON; call it .json, or"),
        ("report_x.txt", f"Jane Roe\t{PHONE}\nJim Roe\t+1\n", "its first line does not seem to be a header"),
        ("report_x.txt", "Jane Roe;15112345\n", "its first line does not seem to be a header"),
        ("report_x.csv", "Jane Roe,151 123-4567\n", "its first line does not seem to be a header"),
        ("report_x.csv", "Jane Roe,jane@example.org\n", "its first line does not seem to be a header"),
    ],
)
def test_of_a_file_without_a_header_nothing_is_shown(csba, tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    for command in ("inspect", "load"):
        shown = csba(command, path)
        assert shown.exit_code == 2
        assert f"{path}: {said}" in shown.output
        assert "-- dataset" not in shown.output
        assert not any(word in shown.output for word in ("Jane", "jane", "151", "+1", "Attributes"))


def test_what_is_wrong_with_a_file_that_nobody_knows_is_said_instead_of_a_draft(csba, tmp_path: Path) -> None:
    path = tmp_path / "report_x.txt.gz"
    path.write_bytes(b"a\tb\n1\t2\n")
    shown = csba("inspect", path)
    assert shown.exit_code == 2
    assert shown.output == f"csba: {path}: it is not a whole gzip file; was it cut off?\n"
