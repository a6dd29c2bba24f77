"""docs/formats.md says what the sources do."""

from formats import TESTED, document, selected
from house import SHARED_DATA

from assets.settings import CHECKOUT


def test_the_formats_are_written_down_as_they_are():
    written, made = (CHECKOUT / "docs" / "formats.md").read_text(encoding="utf-8"), document()
    if not SHARED_DATA.is_dir():  # the real files that they are tested on
        written, made = (without(text) for text in (written, made))
    assert written == made, "run `make formats`"


def without(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith(f"- {TESTED}"))


def test_the_columns_of_a_select_are_told_with_their_expressions():
    select = """
        with found as (select a, b from input)
        select row_number, input.a as x, -- not, this
            coalesce(b, ', from ') as y, (select max(a) from input) as z, case when a = 'it' then 1 end as "refused"
        from found where a in (select 1)"""
    assert selected(select.replace('"', "")) == {
        "row_number": "row_number",
        "x": "a",
        "y": "coalesce(b, ', from ')",
        "z": "(select max(a) from input)",
        "refused": "case when a = 'it' then 1 end",
    }
