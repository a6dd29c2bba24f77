"""docs/tables.md says what the tables are, and so does the warehouse."""

from tables_told import document

from assets.settings import CHECKOUT


def test_the_tables_are_written_down_as_they_are():
    made = document()
    assert (CHECKOUT / "docs" / "tables.md").read_text(encoding="utf-8") == made, "run `make tables`"
    assert "| None |" not in made, "every column says what it is"
