"""Final statements by e-mail, against a real server: who gets what; what is refused, deferred, uncertain, bounced."""

import hashlib
import json
import os
import re
import shutil
import signal
import ssl
from collections.abc import Callable, Generator
from contextlib import suppress
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trustme
from house import PRESS, opened
from postbox import (
    PASSWORD,
    PERIOD,
    USER,
    Postbox,
    change_email,
    copy_home,
    environment,
    free_port,
    make_closed_home,
    serving,
)

from assets.warehouse import read_warehouse
from pipelines.bounces import NotUnderstoodError, bounce_of
from pipelines.entry import answer
from reports.language import LANGUAGES

US = "ATVPDKIKX0DER"
SELLERS = {name: f"{name.lower()}@shop.example" for name in ("A", "B", "C", "D", "E")}
Csba = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a closed month of five sellers, each of another language, without PDFs."""
    return make_closed_home(tmp_path_factory.mktemp("closed"), SELLERS, languages=LANGUAGES)


@pytest.fixture
def home(closed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = copy_home(closed, tmp_path / "home")
    for name, value in environment(made).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    return made


@pytest.fixture
def postbox(monkeypatch: pytest.MonkeyPatch) -> Generator[Postbox]:
    postbox = Postbox()
    with serving(postbox) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield postbox


@pytest.fixture
def csba(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Csba:
    def command(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["csba", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            answer()
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return int(ended.value.code or 0), told.out, told.err

    return command


def outbox(home: Path) -> dict[str, dict[str, Any]]:
    with read_warehouse(home) as warehouse:
        return {row["seller_id"]: row for row in warehouse.rows("from billing.outbox")}


def states(home: Path) -> dict[str, str]:
    return {seller: row["state"] for seller, row in outbox(home).items()}


def log_of(home: Path, seller: str) -> list[tuple]:
    with read_warehouse(home) as warehouse:
        return warehouse.con.execute(
            "select log.state, noted_by from billing.outbox_log as log join billing.outbox using (statement_id)"
            " where seller_id = ? order by noted_at, log.rowid",
            [seller],
        ).fetchall()


SENT = dict.fromkeys(SELLERS, "sent")


# -- what arrives ---------------------------------------------------------------------------------------------------


def test_each_seller_gets_its_statement_once_in_its_language(home: Path, postbox: Postbox, csba: Csba) -> None:
    code, out, err = csba("send", PERIOD, "--yes")
    assert (code, err) == (0, "")
    assert "Sending 5 statements of 2026-03 through 127.0.0.1:" in out
    assert re.search(r"US\s+5\s+5\s+0\s+0\s+0\s+0\s+0\n", out)
    assert postbox.messages_of_each() == dict.fromkeys(SELLERS.values(), 1)
    with read_warehouse(home) as warehouse:
        manifest = json.loads(warehouse.rows("select manifest from billing.closes")[0]["manifest"])
    sold = {row["address"]: row for row in outbox(home).values()}
    for message in postbox.taken:
        row = sold[message["To"]]
        texts = [body.get_content() for kind in ("plain", "html") if (body := message.get_body((kind,)))]
        files = {each.get_filename(): each.get_payload(decode=True) for each in message.iter_attachments()}
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        assert hashes == manifest["statements"][row["statement_id"]]["files"], "the very files of the close"
        assert message["Message-ID"] == row["message_id"]
        assert message["From"] == "Customer Service by Amazon <billing@csba.example>"
        assert message["Auto-Submitted"] == "auto-generated"
        assert len(texts) == 2
        assert all(row["statement_id"] in text for text in texts)
        assert all(text.count("0.20") or text.count("0,20") for text in texts), "what is owed"
    assert {message["Content-Language"] for message in postbox.taken} == set(LANGUAGES)
    assert len({message["Subject"] for message in postbox.taken}) == 5
    code, out, _ = csba("send", PERIOD, "--yes")
    assert (code, len(postbox.taken)) == (0, 5)
    assert "Nothing of 2026-03 waits to be sent." in out
    assert log_of(home, "A") == [("handing_over", None), ("sent", None)]


def test_every_message_is_plain_ascii_of_short_lines(
    home: Path, csba: Csba, tmp_path: Path, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With names of senders and subjects of any alphabet; and it says again what went in."""
    name = 'Kundenservice, "für" Verkäufer — 出品者様のためのカスタマーサービス 请求'
    sender = f"billing@{'long.' * 30}example"
    monkeypatch.setenv("CSBA_MAIL_SENDER_NAME", name)
    monkeypatch.setenv("CSBA_MAIL_SENDER", sender)
    assert csba("send", PERIOD, "--dry-run", tmp_path / "eml")[0] == 0
    paths = list((tmp_path / "eml").iterdir())
    assert len(paths) == 5
    for path in paths:
        content = path.read_bytes()
        assert content.isascii()
        assert max(map(len, content.split(b"\r\n"))) < 998
        message = message_from_bytes(content)  # the newer way of reading puts spaces into long names
        assert str(make_header(decode_header(message["From"]))) == f"{name} <{sender}>"
        assert re.fullmatch(r"<[0-9a-f]{32}@" + re.escape(sender.partition("@")[2]) + ">", message["Message-ID"])
    assert not postbox.taken
    assert outbox(home) == {}, "a dry run changes nothing"


def test_a_dry_run_needs_no_outbox(home: Path, csba: Csba, tmp_path: Path, postbox: Postbox) -> None:
    """Nor does status, in a home that was closed before there was one."""
    with opened(home) as warehouse:
        warehouse.con.execute("drop table billing.outbox; drop table billing.outbox_log")
    code, out, _ = csba("send", PERIOD, "--dry-run", tmp_path / "eml")
    assert (code, len(list((tmp_path / "eml").iterdir()))) == (0, 5)
    assert "5 messages in" in out
    assert "by e-mail" not in csba("status")[1]


def test_a_pdf_is_attached_where_the_close_made_one(
    tmp_path: Path, postbox: Postbox, csba: Csba, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_closed_home(tmp_path, {"A": "a@shop.example", "B": "b@shop.example"}, press=PRESS)
    for name, value in environment(home).items():
        monkeypatch.setenv(name, value)
    spoilt = sorted((home / "statements" / PERIOD / US).glob("a-*.pdf"))[0]
    content = spoilt.read_bytes()
    spoilt.write_bytes(content + b"%")
    code, _, err = csba("send", PERIOD, "--yes")
    assert code == 1
    assert f"to A was not sent: {spoilt} is not what the close made: csba reproduce 2026-03 --out " in err
    (message,) = postbox.taken
    (pdf,) = message.iter_attachments()
    assert (message["To"], pdf.get_content_type()) == ("b@shop.example", "application/pdf")
    assert pdf.get_content().startswith(b"%PDF")
    spoilt.unlink()
    assert "cannot be read" in csba("send", PERIOD, "--yes")[2]
    spoilt.write_bytes(content)
    assert csba("send", PERIOD, "--yes")[0] == 0
    assert postbox.recipients == ["b@shop.example", "a@shop.example"]


def test_a_link_is_sent_instead_if_that_is_set(
    home: Path, postbox: Postbox, csba: Csba, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSBA_MAIL_ATTACH", "link")
    monkeypatch.setenv("CSBA_MAIL_BASE_URL", "https://billing.example/s/")
    assert csba("send", PERIOD, "--yes")[0] == 0
    for message in postbox.taken:
        assert not list(message.iter_attachments())
        for kind in ("plain", "html"):
            body = message.get_body((kind,))
            assert body is not None
            link = re.search(r"https://billing\.example/s/([!-;=?-~]+\.html)", body.get_content())
            assert link
            assert (home / "statements" / link[1]).is_file()


# -- who gets none ----------------------------------------------------------------------------------------------------


def test_a_seller_without_an_address_is_reported_and_the_others_get_theirs(
    home: Path, postbox: Postbox, csba: Csba
) -> None:
    change_email(home, "C", "c\N{LATIN SMALL LETTER E WITH ACUTE}@shop.example")
    code, out, err = csba("send", PERIOD, "--yes")
    assert code == 1
    assert "to C has no address that can be used: what stands before its @ is not ASCII" in err
    assert states(home) == {**SENT, "C": "unaddressed"}
    assert re.search(r"US\s+5\s+4\s+0\s+1\s+0\s+0\s+0\n", out)
    assert csba("send", PERIOD, "--yes")[0] == 1, "until it is mended"
    assert log_of(home, "C") == [("unaddressed", None)]
    change_email(home, "C", "new@shop.example")
    assert csba("send", PERIOD, "--yes")[0] == 0
    assert postbox.recipients[-1] == "new@shop.example"
    assert len(postbox.taken) == 5


def test_what_would_be_another_header_goes_nowhere(home: Path, postbox: Postbox, csba: Csba) -> None:
    """However it came into the rows, which loading would refuse."""
    texts = [
        "a@shop.example\r\nBcc: all@shop.example",
        "a@shop.example>\r\nDATA",
        "a@shop.example, all@shop.example",
        "",
        None,
    ]
    with opened(home) as warehouse:
        for seller, text in zip(SELLERS, texts, strict=True):
            warehouse.con.execute("update raw.sellers set email = ? where seller_id = ?", [text, seller])
    assert csba("send", PERIOD, "--yes")[0] == 1
    assert set(states(home).values()) == {"unaddressed"}
    assert postbox.connections == 0


def test_a_refusal_is_for_good_and_tells_what_the_server_said(home: Path, postbox: Postbox, csba: Csba) -> None:
    postbox.at_rcpt["b@shop.example"] = ["550 5.1.1 no such user here"]
    postbox.at_data["c@shop.example"] = ["554 5.7.1 looks like spam"]
    code, _, err = csba("send", PERIOD, "--yes")
    assert code == 1
    assert "to B was refused: 550 5.1.1 no such user here" in err
    assert "to C was refused: 554 5.7.1 looks like spam" in err
    assert states(home) == {**SENT, "B": "refused", "C": "refused"}
    code, out, _ = csba("send", PERIOD, "--yes")
    assert code == 1
    assert '2 were refused: see to the address, then csba send 2026-03 --again refused --by "YOUR NAME"' in out
    assert len(postbox.taken) == 3, "it is not tried again by itself"
    change_email(home, "B", "better@shop.example")
    csba("send", PERIOD, "--yes")
    assert postbox.recipients[3:] == ["better@shop.example"], "but at another address"
    assert csba("send", PERIOD, "--again", "refused", "--by", "Ada", "--yes")[0] == 0
    assert postbox.recipients[4:] == ["c@shop.example"]
    assert log_of(home, "C")[-3:] == [("queued", "Ada"), ("handing_over", None), ("sent", None)]


def test_a_server_that_says_later_is_asked_again_and_then_left_alone(home: Path, postbox: Postbox, csba: Csba) -> None:
    later = "451 4.7.1 greylisted, come back later"
    postbox.at_rcpt["a@shop.example"] = [later]
    postbox.at_data["b@shop.example"] = ["452 4.3.1 disk full"]
    postbox.at_rcpt["c@shop.example"] = [later] * 4
    postbox.at_mail = ["250 OK", "450 4.3.2 busy"]
    code, _, err = csba("send", PERIOD, "--yes")
    assert code == 1
    assert err.splitlines() == [f"csba: {outbox(home)['C']['statement_id']} to C is to be tried again: {later}"]
    assert states(home) == {**SENT, "C": "failed"}
    assert outbox(home)["C"]["tries"] == 3
    assert csba("send", PERIOD, "--yes")[0] == 0
    assert postbox.messages_of_each() == dict.fromkeys(SELLERS.values(), 1)


# -- a server that cannot be used -------------------------------------------------------------------------------------


def certificates(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context, and the file of the authority that vouches for it."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return context, path


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it knows only of STARTTLS as TLS
@pytest.mark.parametrize("is_tls_at_once", [False, True])
def test_over_tls_and_with_a_password(
    home: Path, csba: Csba, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_tls_at_once: bool
) -> None:
    context, authority = certificates(tmp_path)
    postbox = Postbox()
    with serving(postbox, tls=context, is_tls_at_once=is_tls_at_once, asks_who=True) as variables:
        for name, value in (variables | {"CSBA_MAIL_USER": USER, "CSBA_MAIL_PASSWORD": PASSWORD}).items():
            monkeypatch.setenv(name, value)
        code, out, err = csba("send", PERIOD, "--yes")
        assert code == 2
        assert "shows a certificate that is not trusted (" in err
        monkeypatch.setenv("CSBA_MAIL_CA_FILE", str(authority))
        monkeypatch.setenv("CSBA_MAIL_PASSWORD", "wrong " + PASSWORD)
        code, more, wrong = csba("send", PERIOD, "--yes")
        assert code == 2
        assert "does not accept the user and password: 535" in wrong
        assert set(states(home).values()) == {"queued"}
        monkeypatch.setenv("CSBA_MAIL_PASSWORD", PASSWORD)
        monkeypatch.setenv("CSBA_MAIL_MOST_PER_CONNECTION", "2")
        before = postbox.connections
        assert csba("send", PERIOD, "--yes")[0] == 0
    assert postbox.connections - before == 3
    assert postbox.messages_of_each() == dict.fromkeys(SELLERS.values(), 1)
    assert not [path for path in home.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert PASSWORD not in out + err + more + wrong


@pytest.mark.parametrize(
    ("security", "complaint"), [("starttls", "offers no STARTTLS"), ("tls", "does not speak TLS as it should")]
)
def test_a_server_without_tls_gets_nothing(
    security: str, complaint: str, home: Path, postbox: Postbox, csba: Csba, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSBA_MAIL_SECURITY", security)
    code, _, err = csba("send", PERIOD, "--yes")
    assert code == 2
    assert complaint in err
    assert not postbox.taken


def test_a_server_that_is_down_is_told_and_everything_waits(
    home: Path, postbox: Postbox, csba: Csba, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("CSBA_MAIL_PORT", str(free_port()))
        code, _, err = csba("send", PERIOD, "--yes")
    assert code == 2
    assert re.search(r"cannot be reached: Connection refused; what was not sent waits for the next csba send 2026", err)
    postbox.at_mail = ["550 5.7.1 who are you?"]
    code, _, err = csba("send", PERIOD, "--yes")
    assert code == 2
    assert "takes no mail from billing@csba.example: 550 5.7.1 who are you?" in err
    assert set(states(home).values()) == {"queued"}, "the sender is at fault, not five sellers"
    postbox.at_mail = ["421 4.3.2 shutting down"] * 3
    code, _, err = csba("send", PERIOD, "--yes")
    assert code == 2
    assert "gave up 3 connections in a row: 421 4.3.2 shutting down" in err
    assert csba("send", PERIOD, "--yes")[0] == 0
    assert postbox.messages_of_each() == dict.fromkeys(SELLERS.values(), 1)


# -- what nobody knows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_taken", [True, False])
def test_what_may_have_been_sent_is_settled_by_whoever_looks(
    home: Path, postbox: Postbox, csba: Csba, *, is_taken: bool
) -> None:
    postbox.at_data["b@shop.example"] = ["taken and lost" if is_taken else "lost"]
    code, out, err = csba("send", PERIOD, "--yes")
    assert code == 1
    assert states(home) == {**SENT, "B": "handing_over"}
    row = outbox(home)["B"]
    assert f"{row['statement_id']} to B may have been sent: the connection was lost" in err
    shown = (
        f"{row['statement_id']} +b@shop.example +{row['message_id']}\n\nLook for them at the server, then say csba send"
    )
    assert re.search(shown, out)
    code, out, _ = csba("send", PERIOD, "--yes")
    assert code == 1
    assert re.search(shown, out), "until it is settled"
    assert "csba send 2026-03 --sent STATEMENT, or --again STATEMENT, with --by" in out
    assert postbox.recipients.count("b@shop.example") == is_taken, "it is not sent again by itself"
    assert re.search(r"US\s+2026-03\s+4\s+0\s+0\s+0\s+0\s+1\n", csba("status")[1])
    option = "--sent" if postbox.has(row["message_id"]) else "--again"
    assert csba("send", PERIOD, option, row["statement_id"], "--by", "Ada", "--yes")[0] == 0
    assert postbox.messages_of_each() == dict.fromkeys(SELLERS.values(), 1)
    assert states(home) == SENT
    assert (("sent" if is_taken else "queued"), "Ada") in log_of(home, "B")
    assert outbox(home)["B"]["message_id"] == row["message_id"]


def test_what_was_sent_is_sent_again_only_if_somebody_asks(home: Path, postbox: Postbox, csba: Csba) -> None:
    assert csba("send", PERIOD, "--yes")[0] == 0
    statement = outbox(home)["D"]["statement_id"]
    for words, complaint in [
        (("--again", statement), "need --by"),
        (("--sent", statement, "--by", "Ada"), f"{statement} is sent; --sent settles what is not known"),
        (("--again", "US-2026-03-0", "--by", "Ada"), "US-2026-03-0 is none of these final statements"),
        (("--again", statement, "--by", "Ada", "--dry-run", home / "x"), "--dry-run changes nothing"),
    ]:
        code, _, err = csba("send", PERIOD, *words, "--yes")
        assert code == 2
        assert complaint in err
    assert csba("send", PERIOD, "--again", statement, "--by", "Ada", "--yes")[0] == 0
    assert postbox.messages_of_each() == {**dict.fromkeys(SELLERS.values(), 1), "d@shop.example": 2}
    assert postbox.taken[-1]["Message-ID"] == outbox(home)["D"]["message_id"]
    assert log_of(home, "D")[2:] == [("queued", "Ada"), ("handing_over", None), ("sent", None)]


def test_an_interrupt_ends_it_between_two_messages(home: Path, postbox: Postbox, csba: Csba) -> None:
    postbox.on_message = lambda number, is_kept: (
        os.kill(os.getpid(), signal.SIGINT) if number == 2 and is_kept else None
    )
    code, _, err = csba("send", PERIOD, "--yes")
    assert code == 1
    assert "it was interrupted; what was not sent waits for the next csba send 2026-03" in err
    assert sorted(states(home).values()) == ["queued"] * 3 + ["sent"] * 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    postbox.on_message = lambda _number, _is_kept: None
    assert csba("send", PERIOD, "--yes")[0] == 0
    assert postbox.messages_of_each() == dict.fromkeys(SELLERS.values(), 1)


def test_one_sends_at_a_time(home: Path, postbox: Postbox, csba: Csba) -> None:
    with opened(home):
        code, _, err = csba("send", PERIOD, "--yes")
    assert code == 2
    assert "is in use by a test" in err
    assert not postbox.taken


def test_only_finals_are_sent_and_somebody_is_asked(home: Path, postbox: Postbox, csba: Csba) -> None:
    for words, complaint in [
        (("2026-04", "--yes"), "2026-04 is not closed: only final statements are sent"),
        ((PERIOD, "--marketplace", "A1VC38T7YXB528", "--yes"), "2026-03 of JP (A1VC38T7YXB528) is not closed"),
        ((PERIOD,), "without a terminal there is nobody to ask: sending needs --yes"),
        (("2026-03..2026-04", "--yes"), "one period at a time"),
        ((PERIOD, "--dry-run", home), "is not an empty folder"),
    ]:
        code, _, err = csba("send", *words)
        assert code == 2
        assert complaint in err
    assert not postbox.taken


# -- bounces ----------------------------------------------------------------------------------------------------------


def notification(of: EmailMessage, action: str = "failed", *, is_whole: bool = True) -> bytes:
    """What a server writes when it gives up (RFC 3464)."""
    headers = "\r\n".join(f"{name}: {value}" for name, value in of.items())
    returned = ("message/rfc822", of.as_bytes().decode()) if is_whole else ("text/rfc822-headers", headers)
    return f"""From: Mail Delivery System <mailer-daemon@relay.example>\r
To: billing@csba.example\r
Subject: Undelivered Mail Returned to Sender\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary="x/y"\r
\r
--x/y\r
Content-Type: text/plain; charset=us-ascii\r
\r
I'm sorry to have to inform you that your message could not be delivered.\r
\r
--x/y\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; relay.example\r
\r
Final-Recipient: rfc822; {of["To"]}\r
Action: {action}\r
Status: 5.1.1\r
Diagnostic-Code: smtp; 550 5.1.1 <{of["To"]}>: Recipient address\r
 rejected\r
\r
--x/y\r
Content-Type: {returned[0]}\r
\r
{returned[1]}\r
--x/y--\r
""".encode()


def test_what_came_back_is_marked_with_its_reason(home: Path, postbox: Postbox, csba: Csba, tmp_path: Path) -> None:
    csba("send", PERIOD, "--yes")
    came = tmp_path / "came"
    came.mkdir()
    by_seller = {message["To"][0].upper(): message for message in postbox.taken}
    (came / "1.eml").write_bytes(notification(by_seller["A"]))
    (came / "2.eml").write_bytes(notification(by_seller["B"], is_whole=False))
    (came / "3.eml").write_bytes(notification(by_seller["C"], action="delayed"))
    code, out, err = csba("bounces", came)
    assert (code, err) == (0, "")
    why = "5.1.1 550 5.1.1 <a@shop.example>: Recipient address rejected"
    assert f"{outbox(home)['A']['statement_id']} to A bounced: {why}\n" in out
    assert "2 bounced, 0 known before, 1 tell of no bounce, 0 not understood" in out
    assert states(home) == {**SENT, "A": "bounced", "B": "bounced"}
    assert outbox(home)["A"]["reply"] == why
    assert csba("send", PERIOD, "--yes")[0] == 1
    assert len(postbox.taken) == 5, "what bounced is not sent again by itself"
    told = json.loads(csba("status", "--json")[1])["marketplaces"][0]["closed"][0]["mail"]
    assert told == {"sent": 3, "waiting": 0, "unaddressed": 0, "refused": 0, "bounced": 2, "uncertain": 0}
    assert csba("send", PERIOD, "--again", "bounced", "--by", "Ada", "--yes")[0] == 0
    assert "0 bounced, 2 known before, 1 tell of no bounce" in csba("bounces", came)[1], "of the first message"
    assert states(home) == SENT
    change_email(home, "A", "moved@shop.example")
    statement = outbox(home)["A"]["statement_id"]
    assert csba("send", PERIOD, "--again", statement, "--by", "Ada", "--yes")[0] == 0
    assert (
        postbox.recipients[-1],
        postbox.taken[-1]["Message-ID"] in {m["Message-ID"] for m in by_seller.values()},
    ) == (
        "moved@shop.example",
        False,
    )
    (came / "4.eml").write_bytes(notification(by_seller["A"]) + b"late")
    assert f"4.eml: {statement}, which it is about, was sent to another address since" in csba("bounces", came)[2]


def test_what_is_no_notification_is_said_not_to_be_understood(
    home: Path, postbox: Postbox, csba: Csba, tmp_path: Path
) -> None:
    csba("send", PERIOD, "--yes")
    came = tmp_path / "came"
    came.mkdir()
    good = notification(postbox.taken[0])
    nested = b"Content-Type: multipart/report; boundary=b\r\n\r\n"
    hostile = {
        "answer": b"Subject: Out of office\r\n\r\nBack on Monday\r\n",
        "binary": bytes(range(256)) * 100,
        "charset": good.replace(b"text/rfc822-headers", b"x").replace(b"us-ascii", b"no\xff-such"),
        "deep": b"".join(nested.replace(b"=b", f"=b{n}".encode()) + f"--b{n}\r\n".encode() for n in range(3_000)),
        "empty": b"",
        "foreign": good.replace(b"@csba.example", b"@other.example"),
        "headers": b"Content-Type: multipart/report;" + b" a=b;" * 40_000 + b"\r\n\r\n",
        "lines": b"\r\n" * 400_000,
        "no action": good.replace(b"Action:", b"Auction:"),
        "no message": good[: good.index(b"Content-Type: message/rfc822")],
        "nuls": good.replace(b"Message-ID: <", b"Message-ID: <\x00"),
        "one line": b"a" * 3_000_000,
    }
    for name, content in hostile.items():
        (came / f"{name}.eml").write_bytes(content)
    os.mkfifo(came / "pipe.eml")
    (came / "folder").mkdir()
    code, out, err = csba("bounces", came)
    assert code == 2
    understood = {"charset"}
    assert {line.partition(".eml: ")[0].rpartition("/")[2] for line in err.splitlines() if ".eml: " in line} == {
        *(hostile.keys() - understood),
        "pipe",
    }
    assert f"{came / 'folder'}: it is no file" in err
    assert f"1 bounced, 0 known before, 0 tell of no bounce, {len(hostile) + 1} not understood" in out
    shutil.rmtree(came)


def test_a_mutated_notification_is_understood_or_refused() -> None:
    """Whatever a file holds, it is one or the other."""
    message = EmailMessage()
    message["To"], message["Message-ID"] = "a@shop.example", "<1@csba.example>"
    message.set_content("Hello")
    good = [notification(message), notification(message, is_whole=False)]
    pieces = [b"\r\n\r\n", b"--x/y--", b"=?utf-8?q?=ff?=", b"\x00", b"\xff", b"multipart/report", b"charset*=x''%ff"]
    pieces += [
        b"\r\nContent-Type: message/rfc822\r\n\r\n",
        b"Content-Transfer-Encoding: x-uuencode\r\n",
        b'boundary=""',
    ]
    chance, understood = Random(7), 0
    for _ in range(1_000):
        content = bytearray(chance.choice(good))
        for _ in range(chance.randrange(1, 6)):
            place = chance.randrange(len(content))
            if chance.random() < 0.5:
                content[place:place] = chance.choice(pieces)
            else:
                del content[place : place + chance.randrange(1, 60)]
        with suppress(NotUnderstoodError):
            understood += bounce_of(bytes(content)).message_ids == ("<1@csba.example>",)
    assert 100 < understood < 900
