"""The page of a simulation: hostile names do no harm, it fits a phone, and everybody can read it."""

import shutil
from pathlib import Path

import pytest
from browsing import DESKTOP, PHONE, TABLET, Visit, assert_readable_with_help, overflow
from house import DATA, bill, load_paths, opened

from pipelines.simulating import simulated
from pipelines.simulation_summary import write_files

NAME = "</style><script>document.title='run'</script>" + "W" * 300


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months of the sample, of which one was never run; a marketplace keeps its terms."""
    place = tmp_path_factory.mktemp("simulation")
    terms = Path(shutil.copytree(DATA / "terms", place / "terms"))
    (terms / "jp.toml").unlink()
    text = (terms / "us.toml").read_text(encoding="utf-8")
    (terms / "us.toml").write_text(text.replace("fee = 0.20", "fee = 0.30").replace("0.05", "0.07"), encoding="utf-8")
    with opened(place / "home") as warehouse:
        load_paths(warehouse, [DATA / "sample"])
        warehouse.con.execute("update raw.sellers set name = ?", [NAME])
        bill(warehouse, ["2026-04", "2026-05"])
    with simulated(place / "home", terms, ["2026-04", "2026-05", "2026-07"]) as found:
        return write_files(found, place / "out")[0]


def test_it_fits_and_runs_nothing(page: Path, visit: Visit) -> None:
    for width in (PHONE, TABLET, DESKTOP):
        shown = visit(page, width)
        assert overflow(shown) == 0, width
        assert (
            shown.title().replace("\N{NO-BREAK SPACE}", " ") == "April 2026 to July 2026 under other terms (simulation)"
        )
        assert shown.evaluate("document.scripts.length + document.images.length") == 0
    text = shown.inner_text("body")
    assert "Fees are illustrative" in text
    assert "2026-07 of US (ATVPDKIKX0DER) is left out: it was never run; first: csba run 2026-07" in text
    assert NAME in text


def test_whoever_reads_with_help_can_read_it(page: Path, visit: Visit) -> None:
    assert_readable_with_help(visit(page))
