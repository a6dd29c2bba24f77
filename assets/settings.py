"""Where things lie, and how mail is sent. Read from the environment once; nothing else in the project reads it.

Does not belong here: opening any of these places, or a connection.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from assets.addresses import fault_of_address

DUCKDB, SPARK = "duckdb", "spark"
ENGINES = (DUCKDB, SPARK)
"""What may make the heavy tables (`engines.py`)."""

CHECKOUT = Path(__file__).resolve().parents[1]
DEEPEST_POSSIBLE = 500
"""JSON that is nested deeper is not parsed, whatever is set: the parser's own end comes not long after."""


@dataclass(frozen=True)
class Limits:
    """What a file to be loaded may be; beyond that it is refused. Each is set by its name, as `CSBA_LONGEST_LINE`."""

    longest_line: int = 2_000_000
    """Bytes of a line of text; a longer one is most likely no line of a table."""
    longest_value: int = 100_000
    """Bytes of a value; a row with a longer one is refused."""
    most_columns: int = 1_000
    largest_file: int = 200_000_000_000
    """Bytes, once it is decompressed."""
    largest_ratio: int = 100
    """So many times as large as it was may a file become when it is decompressed; small files are not looked at."""
    largest_document: int = 10_000_000
    """Characters of a record of JSON, or of a value beside records: no more of a document is held at once."""
    deepest_nesting: int = 64
    """Objects and arrays of JSON within each other."""

    @staticmethod
    def named(name: str) -> str:
        """The setting that sets a limit."""
        return f"CSBA_{name.upper()}"


@dataclass(frozen=True)
class Settings:
    """The places a command works with, all absolute, and how it makes PDFs."""

    home: Path
    """Everything made: `warehouse.duckdb`, `statements/`, Dagster's own files."""
    data: Path
    """What it starts from: `marketplaces.csv`, `accounts.toml`, `terms/`, `sources/`, `sample/`."""
    terms: Path
    sources: Path
    fonts: Path
    """The cache of fonts for PDFs; may be deleted at any time."""
    pdf: str
    """The PDF engine: `plutoprint`; `weasyprint-a` or `weasyprint-ua` for archives; `none` for no PDFs."""
    memory: int
    """Bytes that the engine of tables may hold; what is more goes to `spill/` below the home, and comes back."""
    limits: Limits
    snapshots: int
    """So many copies for readers are kept in `published/`; with 0 none is made."""
    has_postgres: bool
    """Whether Dagster keeps its runs and events in Postgres: it reads the address in `CSBA_POSTGRES` itself."""
    mail: Path
    """How mail is sent, and may be missing: `read_mail` reads it."""
    landing: Path
    """The folder in which Dagster's sensor looks for new files."""
    webhook: str
    """The address that is told of runs of Dagster's page, which may hold a secret; empty: nobody is told."""
    engine: str
    """What makes the heavy tables: `duckdb`, or `spark`."""
    master: str
    """The cluster, as Spark names it; empty: what its properties say, else this machine."""
    lake: str
    """A folder, absolute, or a URL, in which raw rows of orders are kept as Parquet; empty: they are not."""
    spark_properties: Path | None
    """A file of settings of Spark's own."""

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.home / "warehouse.duckdb"

    @property
    def statements(self) -> Path:
        """The folder of statements: `<period>/<marketplace>/`."""
        return self.home / "statements"

    @property
    def close_reports(self) -> Path:
        """The folder of close reports: `<period>/<marketplace>.html`."""
        return self.home / "close_reports"

    @property
    def published(self) -> Path:
        """The folder of copies for readers: `latest.duckdb`, and as Parquet `latest/`."""
        return self.home / "published"

    @property
    def marketplaces(self) -> Path:
        """The list of marketplaces."""
        return self.data / "marketplaces.csv"

    @property
    def accounts(self) -> Path:
        """The accounts of the journal."""
        return self.data / "accounts.toml"


class SettingsError(Exception):
    """A setting that cannot be used."""


UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
SNAPSHOTS = 3
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
LEAST_MEMORY = 256 * 10**6
"""Bytes; with less, even a small month does not fit."""


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """What the environment says, else the defaults.

    `CSBA_HOME`, `CSBA_DATA`, `CSBA_TERMS`, `CSBA_SOURCES`, `CSBA_FONTS` and `CSBA_MAIL` name places, by default
    those of the checkout and its home; `CSBA_PDF` the PDF engine; `CSBA_MEMORY` the memory, such as `4GB`, by default
    half of the machine's; `CSBA_SNAPSHOTS` how many copies for readers are kept; `CSBA_LANDING` where new files land,
    `CSBA_WEBHOOK` who is told of runs, and `CSBA_POSTGRES` where they are kept, for Dagster; `CSBA_LAKE` where raw rows
    are kept for other engines, `CSBA_ENGINE` which of them is used, and `CSBA_MASTER` and `CSBA_SPARK_PROPERTIES` how
    Spark is; and `CSBA_LONGEST_LINE` and its like the limits of files, as whole numbers.

    Raises `SettingsError`.
    """

    def place(variable: str, default: Path) -> Path:
        return Path(environment.get(variable) or default).expanduser().resolve()

    home = place("CSBA_HOME", CHECKOUT / "var")
    data = place("CSBA_DATA", CHECKOUT / "data")
    return Settings(
        home=home,
        data=data,
        terms=place("CSBA_TERMS", data / "terms"),
        sources=place("CSBA_SOURCES", data / "sources"),
        fonts=place("CSBA_FONTS", home / "fonts"),
        pdf=environment.get("CSBA_PDF") or "plutoprint",
        memory=_memory(environment.get("CSBA_MEMORY") or ""),
        limits=_limits(environment),
        snapshots=_snapshots((environment.get("CSBA_SNAPSHOTS") or "").strip()),
        has_postgres=_has_postgres(environment.get("CSBA_POSTGRES") or ""),
        mail=place("CSBA_MAIL", data / "mail.toml"),
        landing=place("CSBA_LANDING", home / "landing"),
        webhook=_webhook((environment.get("CSBA_WEBHOOK") or "").strip()),
        engine=_engine((environment.get("CSBA_ENGINE") or "").strip()),
        master=(environment.get("CSBA_MASTER") or "").strip(),
        lake=_lake((environment.get("CSBA_LAKE") or "").strip()),
        spark_properties=place("CSBA_SPARK_PROPERTIES", home) if environment.get("CSBA_SPARK_PROPERTIES") else None,
    )


def _engine(text: str) -> str:
    if text and text not in ENGINES:
        raise SettingsError(f"CSBA_ENGINE is {text!r}; it is {' or '.join(ENGINES)}")
    return text or DUCKDB


def _lake(text: str) -> str:
    """A folder, or the URL of one. It is repeated in messages, and so names nobody's key."""
    is_url = "://" in text
    place = text if is_url or not text else str(Path(text).expanduser().resolve())
    if re.search(r"[*?\[\]{}\\]", place.partition("?")[0]) or (not is_url and "?" in place):
        raise SettingsError(f"CSBA_LAKE is {place!r}; Spark takes * ? [ ] {{ }} and \\ in a name for a pattern")
    if is_url and not re.fullmatch(r"[a-z][a-z0-9]*://[^\s@%]+", text):
        raise SettingsError("CSBA_LAKE is a folder, or a URL such as s3://bucket/folder that names no user and no key")
    return place


def _has_postgres(address: str) -> bool:
    if address and not address.startswith("postgresql+psycopg2://"):
        raise SettingsError("CSBA_POSTGRES is written postgresql+psycopg2://user:password@host:port/database")
    return bool(address)


def _webhook(text: str) -> str:
    """An address that may be told. It is never repeated: whoever knows it can write there."""
    try:
        parts = urlsplit(text)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in THIS_MACHINE)
        is_good = is_safe and parts.hostname and parts.port != 0 and not parts.username and not parts.password
    except ValueError:
        is_good = False
    if text and (not is_good or not re.fullmatch(r"[!-~]+", text)):
        raise SettingsError(
            "CSBA_WEBHOOK is not an address that may be told of runs: it begins with https:// (or, on this machine,"
            " http://127.0.0.1) and names no user"
        )
    return text


def _snapshots(text: str) -> int:
    if text and not re.fullmatch(r"\d{1,3}", text):
        raise SettingsError(f"CSBA_SNAPSHOTS is {text!r}; it is a whole number below 1,000, such as {SNAPSHOTS}")
    return int(text or SNAPSHOTS)


def _limits(environment: Mapping[str, str]) -> Limits:
    given = {}
    for limit in fields(Limits):
        text = (environment.get(Limits.named(limit.name)) or "").strip()
        if text and (not re.fullmatch(r"\d{1,15}", text) or not int(text)):
            raise SettingsError(
                f"{Limits.named(limit.name)} is {text!r}; it is a whole number, such as {limit.default}"
            )
        if text and limit.name == "deepest_nesting" and int(text) > DEEPEST_POSSIBLE:
            raise SettingsError(f"{Limits.named(limit.name)} is {text!r}; it is at most {DEEPEST_POSSIBLE}")
        if text:
            given[limit.name] = int(text)
    return Limits(**given)


def _memory(text: str) -> int:
    if not text:
        return max(_memory_of_the_machine() // 2, LEAST_MEMORY)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MGT]i?B)", text.strip(), re.IGNORECASE)
    if found is None:
        raise SettingsError(f"CSBA_MEMORY is {text!r}; it is written like 4GB or 800MB")
    size = int(float(found[1]) * UNITS[found[2].upper()])
    if size < LEAST_MEMORY:
        raise SettingsError(f"CSBA_MEMORY is {text!r}; at least {LEAST_MEMORY // 10**6}MB are needed")
    return size


def _memory_of_the_machine() -> int:
    """Bytes; of a container, those it may use."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    allowed = limit.read_text().strip() if limit.exists() else ""
    return min(physical, int(allowed)) if allowed.isdigit() else physical


# -- mail ---------------------------------------------------------------------------------------------------------

PORTS = {"starttls": 587, "tls": 465, "none": 25}
"""Security → the port, where none is said."""
LONGEST_NAME = 200
"""Characters of the sender's name."""
BOUNDS = {
    "port": (0, 65_535),
    "most_per_connection": (1, 10**6),
    "most_per_second": (0, 10**6),
    "tries": (1, 100),
    "pause": (0, 3_600),
}


@dataclass(frozen=True)
class Mail:
    """How final statements are sent; each is a key of `mail.toml`, and set by its name, as `CSBA_MAIL_HOST`."""

    host: str
    """The server that takes the mail."""
    sender: str
    """The address that statements come from, and to which notifications of bounces go."""
    port: int = 0
    """By default that of the security."""
    security: str = "starttls"
    """`starttls`, `tls` from the first byte, or `none`."""
    allow_plain: bool = False
    """Whether `none` may be used with a server on another machine: everybody between can read the statements."""
    ca_file: str = ""
    """Certificates to trust, PEM; by default those of the system."""
    user: str = ""
    password: str = field(default="", repr=False)
    """Never printed, logged or kept."""
    sender_name: str = "Customer Service by Amazon"
    reply_to: str = ""
    """Where answers go; by default to the sender."""
    attach: str = "pdf"
    """`pdf`: the statement is attached; `link`: the message says where it is."""
    base_url: str = ""
    """Of links: where the folder `statements` is served."""
    most_per_connection: int = 100
    """Messages, then another connection is made."""
    most_per_second: int = 10
    """Messages; with 0 as many as the server takes."""
    tries: int = 3
    """How often a statement is tried by one command while the server says that it is to be tried later."""
    pause: int = 30
    """Seconds between tries."""

    @property
    def server(self) -> str:
        """The server as it is named to people."""
        return f"{self.host}:{self.port} ({'no encryption' if self.security == 'none' else self.security})"


def read_mail(places: Settings, environment: Mapping[str, str] = os.environ) -> Mail:
    """How mail is sent, as `mail.toml` says and the environment, which comes first. Raises `SettingsError`."""
    said, where = _mail_said(places.mail, environment)
    for known in fields(Mail):
        if known.default is MISSING and not said.get(known.name):
            raise SettingsError(
                f"nothing says the {known.name} for mail: set {_variable(known.name)}, or {known.name} in {places.mail}"
            )
    mail = Mail(**said)
    for name, why in (*_faults_of_server(mail), *_faults_of_messages(mail)):
        raise SettingsError(f"{where.get(name, _variable(name))}: {why}")
    return mail if mail.port else replace(mail, port=PORTS[mail.security])


def _faults_of_server(mail: Mail) -> Iterator[tuple[str, str]]:
    """What cannot be used of how the server is reached: the setting, and why."""
    if not re.fullmatch(r"[A-Za-z0-9.:_-]{1,253}", mail.host):
        yield "host", f"{mail.host!r} is no host"
    if mail.security not in PORTS:
        yield "security", f"{mail.security!r} is not known; it is {', '.join(PORTS)}"
    if mail.security == "none" and not mail.allow_plain and not _is_loopback(mail.host):
        why = f"without encryption everybody between here and {mail.host} could read the statements"
        yield "security", f"{why}; set starttls or tls, or allow_plain to true"
    if bool(mail.user) != bool(mail.password):
        yield ("password" if mail.user else "user"), "user and password go together"
    if mail.ca_file and not Path(mail.ca_file).is_file():
        yield "ca_file", f"there is no file {mail.ca_file}"


def _faults_of_messages(mail: Mail) -> Iterator[tuple[str, str]]:
    """What cannot be used of what is sent, and how much at a time."""
    for name, address in (("sender", mail.sender), ("reply_to", mail.reply_to or mail.sender)):
        fault = fault_of_address(address)
        if fault:
            yield name, f"{address!r} is no address: {fault}"
    if not mail.sender_name.isprintable() or len(mail.sender_name) > LONGEST_NAME:
        yield "sender_name", f"it has a character that cannot be read, or more than {LONGEST_NAME}"
    if mail.attach not in {"pdf", "link"}:
        yield "attach", f"{mail.attach!r} is not known; it is pdf, link"
    if mail.attach == "link" and not re.fullmatch(r"https://[A-Za-z0-9.-]+(:\d+)?(/[!-~]*)?", mail.base_url):
        yield "base_url", f"{mail.base_url!r} is no address that begins with https://"
    for name, (least, most) in BOUNDS.items():
        if not least <= getattr(mail, name) <= most:
            yield name, f"{getattr(mail, name)} lies outside {least:,} to {most:,}"


def is_mail_set_up(places: Settings, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether anything is said of how mail is sent."""
    return places.mail.exists() or any(environment.get(_variable(known.name)) for known in fields(Mail))


def _mail_said(path: Path, environment: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """What is said, by the names of `Mail`, and where."""
    kinds: dict[str, Any] = {known.name: known.type for known in fields(Mail)}
    said: dict[str, Any] = {}
    if path.exists():
        try:
            said = tomllib.loads(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{path} is no TOML: {error}") from error
        if said.get("password") and path.stat().st_mode & 0o077:
            raise SettingsError(f"{path} holds a password, and others may read it: chmod 600 {path}")
    elif environment.get("CSBA_MAIL"):
        raise SettingsError(f"CSBA_MAIL: there is no file {path}")
    where = {name: f"{path}, {name}" for name in said}
    for name, value in said.items():
        if name not in kinds:
            raise SettingsError(f"{path}: {name!r} is not known; known are {', '.join(kinds)}")
        if type(value) is not kinds[name]:
            raise SettingsError(f"{path}: {name} is written as {EXAMPLES[kinds[name]]}")
    for name, kind in kinds.items():
        text = (environment.get(_variable(name)) or "").strip()
        if not text:
            continue
        where[name] = _variable(name)
        if kind is int and not re.fullmatch(r"\d{1,7}", text):
            raise SettingsError(f"{_variable(name)} is {text!r}; it is a whole number")
        if kind is bool and text not in {"true", "false"}:
            raise SettingsError(f"{_variable(name)} is {text!r}; it is true or false")
        said[name] = int(text) if kind is int else text == "true" if kind is bool else text
    return said, where


EXAMPLES = {str: 'text in quotes, such as "smtp.example.com"', int: "a whole number", bool: "true or false"}


def _variable(name: str) -> str:
    return f"CSBA_MAIL_{name.upper()}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
