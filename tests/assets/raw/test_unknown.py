"""Of a file that nobody knows, what is wrong with it is said first, and then shortly what is known."""

import gzip
import os
import time

import pyarrow as pa
import pytest

from assets.raw.unknown import fault_of
from assets.settings import Limits

TABLE = b"a\tb\n" + b"1\t2\n" * 10
LINE = "it has a line of more than 2,000,000 bytes (CSBA_LONGEST_LINE)"
WHOLE = "it is not a whole gzip file; was it cut off?"
SECONDS = 10


def zeros(size: int) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "gzip") as stream:
        for _ in range(size // 10**6):
            stream.write(bytes(10**6))
    return sink.getvalue().to_pybytes()


FAULTS = {
    "cut off": ("report_x.txt.gz", lambda: gzip.compress(os.urandom(1000).hex().encode())[:-20], WHOLE),
    "no gzip": ("report_x.txt.gz", lambda: TABLE, WHOLE),
    "JSON that is no gzip": ("report_x.jsonl.gz", lambda: b"{}", WHOLE),
    "empty": ("report_x.txt", lambda: b"", "it is empty: not even a header"),
    "nothing but line ends": ("report_x.csv", lambda: b"\n\n", "it is empty: not even a header"),
    "packed emptiness": ("report_x.txt.gz", lambda: gzip.compress(b""), "it is empty: not even a header"),
    "UTF-16": ("report_x.txt", lambda: TABLE.decode().encode("utf-16-le"), "it is not text, or UTF-16 without a byte"),
    "a picture": ("report_x.csv", lambda: b"\x89PNG\r\n\x1a\n\0\0\0", "it is not text"),
    "a line of 3 MB": ("report_x.txt", lambda: b"x" * 3_000_000, LINE),
    "a later line of 3 MB": ("report_x.txt", lambda: TABLE + b"x" * 3_000_000 + b"\n", LINE),
    "a line of 30 MB": ("report_x.txt.gz", lambda: gzip.compress(TABLE + b"x" * 30_000_000), LINE),
    "many columns": (
        "report_x.txt",
        lambda: b"\t".join([b"a"] * 1001),
        "it has more than 1,000 columns (CSBA_MOST_COL",
    ),
    "many with commas": (
        "report_x.txt",
        lambda: b",".join([b"a"] * 1001),
        "it has more than 1,000 columns (CSBA_MOST_",
    ),
    "a million columns": ("report_x.txt", lambda: b"\t".join([b"abc"] * 10**6), LINE),
    "zeros": ("report_x.txt.gz", lambda: zeros(10**8), LINE),
    "much": ("report_x.txt.gz", lambda: gzip.compress(TABLE * 1_000_000), "it has more than 100 times its size"),
    "no Parquet": ("report_x.parquet", lambda: TABLE, "it cannot be read: "),
    "a quote": ("report_x.csv", lambda: b'"a,b\n', "its header cannot be read; it should be quotes that are closed"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_is_wrong_is_said_first(home, what):
    name, content, reason = FAULTS[what]
    started = time.monotonic()
    said = home.refusal(name, content())
    assert time.monotonic() - started < SECONDS
    assert said.startswith(reason)
    assert "; and its name is not known; known are sellers*.csv, " in said
    assert len(said) < 450


def test_a_file_without_a_fault_is_told_what_is_known(home):
    for name in ("report_x.txt", "report_x.csv", "report_x.tsv"):
        assert home.refusal(name, TABLE).startswith("its name is not known; known are sellers*.csv, ")
        assert fault_of(home.folder / name) is None
    assert fault_of(home.file("a.txt", b"Quarter 1;Year 2026;x_1234\n")) is None


def test_the_limits_are_those_that_are_set(home):
    path = home.file("report_x.txt", b"a\tb\tc\n")
    assert fault_of(path, Limits(most_columns=2)) == "it has more than 2 columns (CSBA_MOST_COLUMNS)"
    assert fault_of(path, Limits(longest_line=3)) == "it has a line of more than 3 bytes (CSBA_LONGEST_LINE)"
