"""Where sellers stand in a month, as the tables say it: `tier 2`, or a word for those in no tier."""

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "waived": "Waived",
    "trial": "Trial only",
    "none": "No charge line",
}
"""What standings are called that are no tier, in their order."""


def name_of(standing: str) -> str:
    """A standing in words."""
    return NAMES.get(standing) or standing.capitalize()


def order_of(standing: str | None) -> tuple[int, int]:
    """Tiers first, in their order; then those in no tier; then nowhere."""
    if standing is None:
        return 9, 0
    number = tier_of(standing)
    return (0, number) if number else (1, [*NAMES].index(standing))


def tier_of(standing: str | None) -> int:
    """The number of a tier; 0 for what is none."""
    return int(standing.removeprefix("tier ")) if standing and standing.startswith("tier ") else 0
