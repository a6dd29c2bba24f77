"""Text from data, made fit to be shown. Imports nothing, so that every command can use it at once."""

import unicodedata

UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, lone surrogates, line and paragraph separators: they have no place in a name or an id."""


MARKS = 4
"""So many marks may stand on one letter, more than any language asks for; a tower of them would burst every line."""


def printable(text: str) -> str:
    """The text with everything replaced that is no character to read."""
    if text.isascii() and text.isprintable():
        return text
    shown, marks = [], 0
    for each in text:
        category = unicodedata.category(each)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        shown.append("\N{REPLACEMENT CHARACTER}" if category in UNPRINTABLE or marks > MARKS else each)
    return "".join(shown)
