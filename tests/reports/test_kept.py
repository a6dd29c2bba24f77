"""What a close kept of a statement is read back as it was, and says the same."""

import json

import pytest

from reports.language import LANGUAGES, language_of
from reports.statement.kept import view_of
from reports.statement.rows import StatementError, read_sellers, read_setting
from reports.statement.view import File, as_json, view
from reports.statement.words import Words

US, JP = "ATVPDKIKX0DER", "A1VC38T7YXB528"


def jsons(books, marketplace: str = US) -> list[str]:
    setting = read_setting(books.con, "2026-10", marketplace)
    return [
        as_json(view(rows, setting, File("lines.csv", 0, ""))).decode() for rows in read_sellers(books.con, setting)
    ]


def test_facts_come_back_as_they_were(books):
    books.usual_terms()
    books.usual_seller()
    books.performance("S", 100, 6)
    books.line("S", "US-1", 100, 2, "0.40", "40")
    books.statement("S", adjustments="-52.5")
    books.statement("T")
    texts = jsons(books)
    assert len(texts) == 3
    for text in texts:
        it = view_of(text)
        assert as_json(it).decode() == text
        for language in LANGUAGES:
            say = Words(it, language_of(language))
            assert say.sentence
            assert say.dispute
    assert Words(view_of(texts[0]), language_of("en")).sentence.replace("\N{NO-BREAK SPACE}", " ") == (
        "You have a credit of 12.50 USD: 40.00 USD for 100 chargeable units in tier 2, at 6.00 contacts per 100 units;"
        " adjustments to earlier periods of −52.50 USD."
    )


def test_decimals_of_a_currency_without_any_come_back(books):
    books.terms("JP-1", ("0.05", "19.5"), (None, "38.5"), marketplace=JP)
    books.performance("J", 3, 0, marketplace=JP)
    books.line("J", "JP-1", 3, 1, "19.5", "59", marketplace=JP, currency="JPY")
    books.statement("J", marketplace=JP, currency="JPY")
    (text,) = jsons(books, JP)
    assert as_json(view_of(text)).decode() == text


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda facts: facts | {"form": "csba-statement/2"}, "has the form 'csba-statement/2'"),
        (lambda facts: facts | {"total": "much"}, "cannot be read"),
        (lambda facts: {name: value for name, value in facts.items() if name != "seller"}, "cannot be read"),
        (lambda facts: [facts], "cannot be read"),
    ],
)
def test_what_is_no_statement_is_refused(books, change, complaint):
    books.usual_terms()
    books.usual_seller()
    with pytest.raises(StatementError, match=complaint):
        view_of(json.dumps(change(json.loads(jsons(books)[0]))))
