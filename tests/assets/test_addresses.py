"""What is an address, and what is none."""

import pytest

from assets.addresses import fault_of_address


@pytest.mark.parametrize(
    "text",
    ["a@b.example", "first.last+tag@mail.shop.example", "o'neill_#1@xn--strae-oqa.example", "A@B-2.EXAMPLE", "1@2.org"],
)
def test_an_address(text: str) -> None:
    assert fault_of_address(text) == ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "there is none"),
        ("", "there is none"),
        ("shop.example", "it has no @"),
        ("a@shop.example\r\nBcc: b@shop.example", "it has a character that cannot be read"),
        ("a@shop.example\n", "it has a character that cannot be read"),
        ("a\x00b@shop.example", "it has a character that cannot be read"),
        ("m\u00fcller@shop.example", "what stands before its @ is not ASCII"),
        ("a@stra\u00dfe.example", "its domain is not ASCII; it is written with xn--"),
        ("a" * 65 + "@shop.example", "it is too long"),
        ("a@" + "b." * 130 + "example", "it is too long"),
        *(
            (text, "what stands before its @ is not plain")
            for text in ("a..b@b.org", '"a"@b.org', "a,b@b.org", "a b@b.org")
        ),
        *((text, "what stands before its @ is not plain") for text in ("<a@b.org", "a@c@b.org", ".a@b.org", "@b.org")),
        *((text, "its domain is none") for text in ("a@localhost", "a@[127.0.0.1]", "a@127.0.0.1", "a@-b.org")),
        *((text, "its domain is none") for text in ("a@b..org", "a@b.org>", "a@b_c.org", "a@b.org.")),
    ],
)
def test_no_address(text: str | None, fault: str) -> None:
    assert fault_of_address(text) == fault
