"""Each question of docs/cookbook.md is answered on the copy for readers that its queries are meant for."""

import re
from collections.abc import Generator

import duckdb
import pytest
from house import DATA, NOW, PRESS_WITHOUT_PDF, bill, close_period, load_paths, opened

from assets.settings import CHECKOUT
from pipelines.publishing import publish

MONTHS = ("2026-03", "2026-04", "2026-05", "2026-06")
QUESTION = re.compile(r"^## (.+?)$.*?^```sql$\n(.+?)^```$", re.MULTILINE | re.DOTALL)
QUESTIONS = dict(QUESTION.findall((CHECKOUT / "docs" / "cookbook.md").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Generator[duckdb.DuckDBPyConnection]:
    """A copy of the sample, billed, with its first month closed."""
    home = tmp_path_factory.mktemp("cookbook")
    with opened(home) as warehouse:
        warehouse.begin_run("a test", now=NOW, code_version="1")
        load_paths(warehouse, [DATA / "sample"])
        close_period(warehouse, MONTHS[0], press=PRESS_WITHOUT_PDF)
        bill(warehouse, MONTHS)
        copy = publish(warehouse, home / "published", 1, NOW)
        warehouse.end_run(now=NOW)
    assert copy is not None
    with duckdb.connect(str(copy), read_only=True) as found:
        yield found


def test_there_are_twenty_questions() -> None:
    assert len(QUESTIONS) >= 20


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered(con: duckdb.DuckDBPyConnection, question: str) -> None:
    assert con.execute(QUESTIONS[question]).fetchall()


def test_what_a_month_would_come_to_under_its_own_terms_is_what_it_comes_to(con: duckdb.DuckDBPyConnection) -> None:
    """Of marketplaces whose terms have neither rewards nor waivers."""
    would = {
        row[1]: row[2]
        for row in con.execute(QUESTIONS["What would the month come to under the terms of another time?"]).fetchall()
    }
    is_ = con.execute("""
        select terms_id, sum(amount) from billing.fee_lines as line
        join core.terms as terms using (terms_id)
        where period = '2026-05' and kind = 'charge' and vtr_at_least is null and cpu_below is null
            and orders_in_quarter_below is null
        group by terms_id""").fetchall()
    assert is_
    assert all(would[terms_id] == amount for terms_id, amount in is_)
