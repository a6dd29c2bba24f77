"""Text from data, made fit to be shown. Imports nothing, so that every command can use it at once."""

import unicodedata

UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, lone surrogates, line and paragraph separators: they have no place in a name or an id."""


def printable(text: str) -> str:
    """The text with everything replaced that is no character to read."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(each) in UNPRINTABLE else each for each in text)
