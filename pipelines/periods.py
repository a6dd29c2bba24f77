"""Billing periods as people write them: `2026-10`, or a range `2026-07..2026-10`."""

import re


def parse_periods(text: str) -> list[str]:
    """The periods of a range, both ends included. Raises `ValueError` that says how one is written."""
    first, separator, last = text.partition("..")
    months = [_month(part.strip(), text) for part in ((first, last) if separator else (first, first))]
    if months[0] > months[1]:
        raise ValueError(f"{text!r} ends before it begins")
    return [f"{month // 12:04}-{month % 12 + 1:02}" for month in range(months[0], months[1] + 1)]


def _month(period: str, text: str) -> int:
    found = re.fullmatch(r"(20\d\d)-(0[1-9]|1[0-2])", period)
    if found is None:
        raise ValueError(f"{text!r} is no billing period; one is written 2026-10, a range of them 2026-07..2026-10")
    return int(found[1]) * 12 + int(found[2]) - 1
