"""Five languages: complete catalogues, nothing that falls back to English, and figures as each language writes them."""

import gettext
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from reports import fonts
from reports.language import FOLDER, LANGUAGES, Language, negotiate

REPORTS = FOLDER.parent
TRANSLATED = [tag for tag in LANGUAGES if tag != "en"]
KEYWORDS = {"_": None, "gettext": None, "N_": None, "_n": (1, 2), "ngettext": (1, 2)}
ENGLISH_ONLY = {"index.html.j2", "close_report.html.j2"}
"""Pages for finance."""

PLACEHOLDER = re.compile(r"%\(\w+\)s")


def messages() -> Iterator[tuple[str, ...]]:
    """Every message that code and templates ask for: one text, or singular and plural."""
    for path in sorted(REPORTS.rglob("*")):
        if path.suffix == ".py":
            method, options = "python", {}
        elif path.suffix == ".j2" and path.name not in ENGLISH_ONLY:
            method, options = "jinja2.ext:babel_extract", {"extensions": "jinja2.ext.i18n"}
        else:
            continue
        with path.open("rb") as file:
            for _, message, _, _ in extract(method, file, keywords=KEYWORDS, options=options):
                yield (message,) if isinstance(message, str) else tuple(message)


def catalogue(tag: str) -> Catalog:
    with (FOLDER / f"{tag}.po").open("rb") as file:
        return read_po(file, locale=tag.replace("-", "_"))


def entries(tag: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Message → its translations."""
    return {
        (entry.id,) if isinstance(entry.id, str) else tuple(entry.id): (
            (entry.string,) if isinstance(entry.string, str) else tuple(entry.string)
        )
        for entry in catalogue(tag)
        if entry.id
    }


def test_there_is_a_catalogue_for_each_language_and_no_other() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(f"{tag}.po" for tag in TRANSLATED)


@pytest.mark.parametrize("tag", TRANSLATED)
def test_no_message_is_missing_or_unused(tag: str) -> None:
    asked, there = {message[-1] for message in messages()}, {message[-1] for message in entries(tag)}
    assert asked - there == set(), "missing"
    assert there - asked == set(), "unused"


@pytest.mark.parametrize("tag", TRANSLATED)
def test_every_message_is_translated_with_its_placeholders(tag: str) -> None:
    for message, translations in entries(tag).items():
        wanted = set(PLACEHOLDER.findall(message[-1]))
        for number, text in enumerate(translations):
            assert text, message
            found = set(PLACEHOLDER.findall(text))
            assert found == wanted or (len(translations) > 1 and number == 0 and found < wanted), (message, text)
            assert "%" not in PLACEHOLDER.sub("", text)
    assert not [entry.id for entry in catalogue(tag) if entry.fuzzy]
    assert not catalogue(tag).obsolete


class NoFallback(gettext.NullTranslations):
    """Whoever falls back to it has no translation."""

    def gettext(self, message: str) -> str:
        raise AssertionError(f"not translated: {message!r}")

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        raise AssertionError(f"not translated: {msgid1!r}")


@pytest.mark.parametrize("tag", TRANSLATED)
def test_each_language_says_every_message_without_falling_back(tag: str) -> None:
    texts = Language(tag).texts
    texts.add_fallback(NoFallback())
    for message in messages():
        for number in (1, 2, 5):
            said = texts.gettext(message[0]) if len(message) == 1 else texts.ngettext(message[0], message[1], number)
            assert said


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_fonts_of_pdfs_have_every_character_of_the_words(tag: str) -> None:
    words = "".join(text for each in messages() for text in each)
    if tag != "en":
        words = "".join(text for each in entries(tag).values() for text in each)
    assert fonts.in_these_fonts(words) == (words, 0)


@pytest.mark.parametrize(
    ("tag", "amount", "bound", "share", "month", "day", "moment"),
    [
        ("en", "−1,234.50 EUR", "2.5%", "5.80%", "October 2026", "1 October 2026", "1 October 2026, 00:00"),
        ("de", "−1.234,50 EUR", "2,5 %", "5,80 %", "Oktober 2026", "1. Oktober 2026", "1. Oktober 2026, 00:00"),
        ("it", "−1.234,50 EUR", "2,5%", "5,80%", "ottobre 2026", "1 ottobre 2026", "1 ottobre 2026, 00:00"),
        ("ja", "−1,234.50 EUR", "2.5%", "5.80%", "2026年10月", "2026年10月1日", "2026年10月1日 00:00"),
        ("zh-Hans", "−1,234.50 EUR", "2.5%", "5.80%", "2026年10月", "2026年10月1日", "2026年10月1日 00:00"),
    ],
)
def test_figures_as_each_language_writes_them(tag, amount, bound, share, month, day, moment) -> None:
    language = Language(tag)
    instant, zone = datetime(2026, 10, 1, 7), ZoneInfo("America/Los_Angeles")
    found = (
        language.amount(Decimal("-1234.5"), "EUR", 2),
        language.bound(Decimal("0.025")),
        language.per_cent(Decimal("5.8"), at_least=2),
        language.month("2026-10"),
        language.day(instant, zone),
        language.moment(instant, zone),
    )
    said = (amount, bound, share, month, day, f"{moment} (America/Los_Angeles, UTC−07:00)")
    assert tuple(each.replace("\N{NO-BREAK SPACE}", " ") for each in found) == said


@pytest.mark.parametrize("before", LANGUAGES)
def test_no_language_takes_words_from_another(before: str) -> None:
    months = {"en": "Sept", "de": "Sept", "it": "set", "ja": "9月", "zh-Hans": "9月"}
    Language(before).short_month("2026-09")
    for tag in LANGUAGES:
        assert Language(tag).short_month("2026-09").rstrip(".") == months[tag]


def test_no_figure_is_rounded() -> None:
    for tag in LANGUAGES:
        language = Language(tag)
        digits = re.sub(r"\D", "", language.figure(Decimal("0.1250"), 2)), re.sub(r"\D", "", language.whole(10**15))
        assert digits == ("0125", "1000000000000000")


def test_a_language_is_found_by_its_primary_part() -> None:
    assert negotiate("zh-Hant-TW", "en") == "zh-Hans"
    assert negotiate("fr", "it-CH") == "it"
    assert negotiate(None, "", "pt_BR") == "en"
    assert negotiate("JA_jp") == "ja"
    assert negotiate("ital") == "en"
