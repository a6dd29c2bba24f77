"""The languages that statements are written in: their words, and the form of numbers, money, dates and times.

Words are gettext catalogues in `words/` (English is what the code and templates say); forms are those of Unicode's
CLDR, through Babel. Only integers and decimals come in, and nothing is rounded here: a figure is shown in full.

Does not belong here: what a statement says (`statement/words.py`).
"""

import gettext
import io
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache, cached_property, lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import NumberPattern, parse_pattern

FOLDER = Path(__file__).parent / "words"

LANGUAGES = ("en", "zh-Hans", "it", "de", "ja")
"""BCP 47, as a page names its language."""

EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
"""Room for any product of a count, a fee and a discount, so that only a rounding that is meant ever happens."""

MINUS = "\N{MINUS SIGN}"
JOINED = "\N{NO-BREAK SPACE}"
"""Between a figure and its unit, so that no line breaks there."""

_REMEMBERED = 4096
"""Figures kept in their form: those of a set of statements repeat."""


def negotiate(*wanted: str | None) -> str:
    """The first of some BCP 47 tags whose language there is, by its primary part; else English.

    Chinese is written in simplified characters, whatever the region asks for.
    """
    for tag in wanted:
        primary = (tag or "").replace("_", "-").split("-")[0].lower()
        for language in LANGUAGES:
            if language.split("-")[0] == primary:
                return language
    return "en"


@cache
def language_of(tag: str) -> "Language":
    """A language of `LANGUAGES`, ready for use; its catalogue is compiled once a process."""
    return Language(tag)


class Language:
    """How one language says words and figures."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.locale = Locale.parse("en_GB" if tag == "en" else tag, sep="-" if "-" in tag else "_")
        self.texts = _catalogue(tag)
        self.amount = lru_cache(_REMEMBERED)(self._amount)
        self.figure = lru_cache(_REMEMBERED)(self._figure)
        self.number = lru_cache(_REMEMBERED)(self._number)
        self.whole = lru_cache(_REMEMBERED)(self._whole)
        self.bound = lru_cache(_REMEMBERED)(self._bound)
        self.date = lru_cache(_REMEMBERED)(self._date)
        self.day = lru_cache(_REMEMBERED)(self._day)
        self.moment = lru_cache(_REMEMBERED)(self._moment)
        self.month = cache(self._month)
        self.short_month = cache(self._short_month)

    @property
    def is_unspaced(self) -> bool:
        """Whether sentences follow each other without a space."""
        return self.tag in {"zh-Hans", "ja"}

    @staticmethod
    @cache
    def zone(name: str) -> ZoneInfo:
        """A time zone by its IANA name."""
        return ZoneInfo(name)

    # -- numbers and money ------------------------------------------------------------------------------------------

    def _whole(self, value: int) -> str:
        """A count with its thousands apart."""
        return self._number(Decimal(value), 0)

    def _figure(self, value: Decimal, minor_units: int) -> str:
        """An amount or fee in full, without its currency: `1,234.50`, `0.125`; at least the minor unit's decimals."""
        return self._number(value, minor_units)

    def _amount(self, value: Decimal, currency: str, minor_units: int) -> str:
        """An amount or fee in full: `1,234.50 USD`, `1.520,00 EUR`, `0.125 USD`."""
        return f"{self._number(value, minor_units)}{JOINED}{currency}"

    def _bound(self, value: Decimal) -> str:
        """A bound or discount as a percentage, in full: `5%`, `2,5 %`."""
        return self.per_cent(EXACT.multiply(value, Decimal(100)))

    def per_cent(self, hundredths: Decimal, *, at_least: int = 0) -> str:
        """A number of hundredths as a percentage."""
        before, after = self._percent_sign
        return f"{before}{self.number(hundredths, at_least)}{after}"

    def _number(self, value: Decimal, at_least: int = 0) -> str:
        """A decimal in full, with so many decimals at least."""
        if value == 0:
            value = Decimal(0)
        pattern = self._patterns[min(at_least, 3)]
        return pattern.apply(value, self.locale, decimal_quantization=False).replace("-", MINUS)

    @cached_property
    def _patterns(self) -> list[NumberPattern]:
        whole = self.locale.decimal_formats[None].pattern.split(".")[0]
        return [parse_pattern(f"{whole}.{'0' * digits}" if digits else whole) for digits in range(4)]

    @cached_property
    def _percent_sign(self) -> tuple[str, str]:
        before, after = self.locale.percent_formats[None].pattern.split("#,##0")
        return before, after.replace(" ", JOINED)

    # -- times ------------------------------------------------------------------------------------------------------

    def _month(self, period: str) -> str:
        """A billing period in words: `October 2026`."""
        return self._joined(format_skeleton("yMMMM", _first_day(period), locale=self.locale))

    def _short_month(self, period: str) -> str:
        """A billing period in few letters: `Oct`."""
        # not through a pattern: Babel's stand-alone names of Italian turn into those of whichever language came before
        return self.locale.months["format"]["abbreviated"][_first_day(period).month]

    def _date(self, day: date) -> str:
        """A calendar day: `1 October 2026`."""
        return self._joined(format_date(day, "long", locale=self.locale))

    def _day(self, instant: datetime, zone: ZoneInfo) -> str:
        """The local day of an instant kept as UTC."""
        return self.date(instant.replace(tzinfo=UTC).astimezone(zone).date())

    def _moment(self, instant: datetime, zone: ZoneInfo) -> str:
        """An instant kept as UTC, in local time with its zone: `1 October 2026, 00:00 (Asia/Tokyo, UTC+09:00)`."""
        local = instant.replace(tzinfo=UTC).astimezone(zone)
        clock = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"  # as every language here writes it
        offset = f"{local:%z}".replace("-", MINUS)
        comma = " " if self.is_unspaced else ", "
        return f"{self.date(local.date())}{comma}{clock} ({zone.key}, UTC{offset[:3]}:{offset[3:5]})"

    def _joined(self, text: str) -> str:
        return text.replace(" ", JOINED)


@cache
def _catalogue(tag: str) -> gettext.NullTranslations:
    if tag == "en":
        return gettext.NullTranslations()
    with (FOLDER / f"{tag}.po").open("rb") as file:
        catalogue = read_po(file, locale=tag.replace("-", "_"))
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _first_day(period: str) -> date:
    return date.fromisoformat(f"{period}-01")
