"""Addresses of e-mail: which texts can be one, and be put into a header and handed to any server as they are.

Stricter than the standards: quoted local parts, addresses of machines by number and anything beyond ASCII are no
address here, since not every server on the way takes them.
"""

import re

LONGEST, LONGEST_LOCAL_PART = 254, 64

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?=[A-Za-z]){_LABEL}")


def fault_of_address(text: str | None) -> str:
    """Why a text is no address, as the end of a sentence; empty if it is one."""
    if not text:
        return "there is none"
    local_part, at, domain = text.rpartition("@")
    rules = {
        "it has a character that cannot be read": text.isprintable(),
        "it has no @": at,
        "its domain is not ASCII; it is written with xn--": domain.isascii(),
        "what stands before its @ is not ASCII": local_part.isascii(),
        "it is too long": len(text) <= LONGEST and len(local_part) <= LONGEST_LOCAL_PART,
        "what stands before its @ is not plain": _LOCAL_PART.fullmatch(local_part),
        "its domain is none": _DOMAIN.fullmatch(domain),
    }
    return next((fault for fault, is_kept in rules.items() if not is_kept), "")
