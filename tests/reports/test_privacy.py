"""Nothing of a customer reaches a seller, or a log: what is planted in every column of every file is found nowhere."""

import io
from pathlib import Path

import pikepdf
import polars as pl
import pytest
from house import FONTS, row
from paper import text_of

from assets.raw.datasets import DATASETS
from pipelines.entry import answer
from reports.statement import view
from reports.statement.view import View

MARKS = {
    "buyer_name": "Jolanda-Mustermann",
    "ship_address_1": "Geheimweg-77",
    "message": "please-call-me-back",
}
"""Columns such as the reports of selling partners have, and what is planted in them and everywhere else."""

SHOWN = {
    "sellers": {"seller_id", "name"},
    "enrolment_events": {"seller_id"},
    "order_items": {"order_id", "order_item_id", "seller_id", "sku"},
    "shipments": {"shipment_id", "order_id", "order_item_id"},
    "contacts": {"order_id", "order_item_id", "seller_id"},
    "returns": {"order_id", "order_item_id"},
    "seller_requests": {"order_id", "seller_id"},
    "refunds": {"order_id", "order_item_id"},
    "defects": {"order_id"},
}
"""Columns that are not of a customer: a statement may show them."""

OWN_IDS = {"asin", "contact_id", "return_id", "request_id", "refund_id", "defect_id"}
"""Columns of ids that are not of a customer either, though no statement shows them: readers of the tables see them."""

TIMES = {"effective_at": "2025-01-01T00:00:00Z", "purchased_at": "2026-03-02T12:00:00Z",
         "shipped_at": "2026-03-03T12:00:00Z", "contacted_at": "2026-03-04T12:00:00Z",
         "requested_at": "2026-03-05T12:00:00Z", "refunded_at": "2026-03-06T12:00:00Z",
         "occurred_at": "2026-03-07T12:00:00Z"}  # fmt: skip

IDS = {"seller_id": "S", "order_id": "O", "shipment_id": "P", "contact_id": "C", "return_id": "R",
       "request_id": "Q", "refund_id": "F", "defect_id": "D"}  # fmt: skip


def planted(folder: Path) -> None:
    """Each dataset with a good row whose free columns hold a mark, and for each other column a row that it spoils."""
    folder.mkdir()
    for name, shown in SHOWN.items():
        columns = list(DATASETS[name].columns)
        given = {**IDS, **TIMES, "order_item_id": "1"}
        good = row(
            name, **{column: given[column] for column in columns if column in given and column != "requested_at"}
        )
        good = {"requested_at": TIMES["requested_at"], **good} if name in {"returns", "seller_requests"} else good
        rows = [good]
        for number, column in enumerate(columns):
            if column not in shown:
                rows.append({**good, **another_key(name, number), column: " ".join(MARKS.values())})
        lines = [",".join([*columns, *MARKS])]
        lines += [",".join([*(each.get(column) or "" for column in columns), *MARKS.values()]) for each in rows]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def another_key(name: str, number: int) -> dict[str, str]:
    key = {
        "shipments": "shipment_id",
        "contacts": "contact_id",
        "returns": "return_id",
        "order_items": "order_item_id",
        "seller_requests": "request_id",
        "refunds": "refund_id",
        "defects": "defect_id",
    }
    return {key[name]: f"X{number}"} if name in key else {}


@pytest.fixture
def csba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CSBA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CSBA_FONTS", str(FONTS))

    def command(*words: object) -> int:
        monkeypatch.setattr("sys.argv", ["csba", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            answer()
        return int(ended.value.code or 0)

    return command


def test_what_is_planted_in_every_column_is_found_nowhere(csba, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    planted(tmp_path / "files")
    assert csba("load", tmp_path / "files") == 0
    loaded = capfd.readouterr()
    assert "quarantined" in loaded.out
    assert csba("run", "2026-03") == 0
    assert csba("close", "2026-03", "--by", "Ada", "--yes") == 0
    assert csba("reproduce", "2026-03") == 0
    assert csba("status") == 0
    assert csba("journal", "2026-03") == 0
    told = capfd.readouterr()
    home = tmp_path / "home"
    marked_columns = {
        column
        for path in (home / "published" / "latest").rglob("*.parquet")
        for column, text in pl.read_parquet(path).cast(pl.String, strict=False).to_dict(as_series=False).items()
        if any(mark in (value or "") for value in text for mark in MARKS.values())
    }
    assert marked_columns == OWN_IDS
    written = [
        path
        for path in home.rglob("*")
        if path.is_file() and path.suffix not in {".duckdb", ".wal", ".ttf", ".parquet"}
    ]
    assert {".html", ".json", ".csv", ".pdf"} <= {path.suffix for path in written}
    found = {f"{path.relative_to(home)}": path.read_bytes() for path in written}
    found |= {"what is printed": (told.out + told.err).encode()}
    for name, content in list(found.items()):
        if name.endswith(".pdf"):
            found[f"{name}, its text"] = text_of(content).encode()
            with pikepdf.open(io.BytesIO(content)) as document:
                for attached in document.attachments:
                    found[f"{name}, {attached}"] = document.attachments[attached].get_file().read_bytes()
    for mark in MARKS.values():
        assert not [name for name, content in found.items() if mark.encode() in content], mark


def test_the_view_has_no_field_of_a_customer() -> None:
    of_customers = {"buyer", "customer", "address", "email", "phone", "message", "carrier", "tracking_id"}
    assert not set(View._fields) & of_customers
    assert not {name for each in (view.Item, view.ContactCount, view.File) for name in each._fields} & of_customers
