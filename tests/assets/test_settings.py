"""What the environment says, and the file of mail."""

from dataclasses import replace
from pathlib import Path

import pytest

from assets.settings import SettingsError, read_mail, settings


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4 * 10**9), ("1.5 gb", 1_500_000_000), ("300MB", 300 * 10**6), ("2GiB", 2**31)]
)
def test_memory_is_written_with_its_unit(text, size):
    assert settings({"CSBA_MEMORY": text}).memory == size


@pytest.mark.parametrize("text", ["4", "lots", "-1GB", "4 G", "100MB", "0GB", "4GB; set x"])
def test_memory_that_cannot_be_used_is_refused_by_name(text):
    with pytest.raises(SettingsError, match="CSBA_MEMORY"):
        settings({"CSBA_MEMORY": text})


def test_half_of_the_machine_is_used_where_nothing_is_said():
    assert 128 * 10**6 < settings({}).memory < 10**15


SAID = {"CSBA_MAIL_HOST": "smtp.example.com", "CSBA_MAIL_SENDER": "billing@csba.example"}


def mail_said(tmp_path: Path, text: str, mode: int = 0o600, **variables: str):
    path = tmp_path / "mail.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    environment = {f"CSBA_MAIL_{name}": value for name, value in variables.items()}
    return read_mail(replace(settings({}), mail=path), environment)


def test_mail_is_said_in_a_file_and_the_environment_comes_first(tmp_path):
    text = 'host = "smtp.example.com"\nsender = "a@csba.example"\nuser = "u"\npassword = "secret"\nmost_per_second = 5'
    mail = mail_said(tmp_path, text, SENDER="b@csba.example", MOST_PER_CONNECTION="7", SECURITY="tls")
    assert (mail.sender, mail.most_per_second, mail.most_per_connection, mail.port) == ("b@csba.example", 5, 7, 465)
    assert mail.password == "secret"
    assert "secret" not in repr(mail)
    assert mail.server == "smtp.example.com:465 (tls)"


def test_mail_needs_no_file(tmp_path):
    assert read_mail(replace(settings({}), mail=tmp_path / "none.toml"), SAID).port == 587


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"CSBA_MAIL_HOST": ""}, "nothing says the host for mail: set CSBA_MAIL_HOST, or host in"),
        ({"CSBA_MAIL_HOST": "smtp example"}, "CSBA_MAIL_HOST: 'smtp example' is no host"),
        ({"CSBA_MAIL_PORT": "many"}, "CSBA_MAIL_PORT is 'many'; it is a whole number"),
        ({"CSBA_MAIL_PORT": "70000"}, "CSBA_MAIL_PORT: 70000 lies outside 0 to 65,535"),
        ({"CSBA_MAIL_SECURITY": "ssl"}, "CSBA_MAIL_SECURITY: 'ssl' is not known; it is starttls, tls, none"),
        ({"CSBA_MAIL_SECURITY": "none"}, "everybody between here and smtp.example.com could read"),
        ({"CSBA_MAIL_ALLOW_PLAIN": "yes"}, "CSBA_MAIL_ALLOW_PLAIN is 'yes'; it is true or false"),
        ({"CSBA_MAIL_USER": "u"}, "CSBA_MAIL_PASSWORD: user and password go together"),
        ({"CSBA_MAIL_PASSWORD": "secret"}, "CSBA_MAIL_USER: user and password go together"),
        ({"CSBA_MAIL_SENDER": "billing"}, "CSBA_MAIL_SENDER: 'billing' is no address: it has no @"),
        ({"CSBA_MAIL_REPLY_TO": "a@b"}, "CSBA_MAIL_REPLY_TO: 'a@b' is no address: its domain is none"),
        ({"CSBA_MAIL_SENDER_NAME": "a\nBcc: b"}, "CSBA_MAIL_SENDER_NAME: it has a character that cannot be read"),
        ({"CSBA_MAIL_ATTACH": "html"}, "CSBA_MAIL_ATTACH: 'html' is not known; it is pdf, link"),
        ({"CSBA_MAIL_ATTACH": "link"}, "CSBA_MAIL_BASE_URL: '' is no address that begins with https://"),
        ({"CSBA_MAIL_CA_FILE": "nowhere.pem"}, "CSBA_MAIL_CA_FILE: there is no file nowhere.pem"),
        ({"CSBA_MAIL_TRIES": "0"}, "CSBA_MAIL_TRIES: 0 lies outside 1 to 100"),
        ({"CSBA_MAIL": "none.toml"}, "CSBA_MAIL: there is no file"),
    ],
)
def test_mail_that_cannot_be_used_is_refused_by_name(tmp_path, changed, complaint):
    places = replace(settings({}), mail=tmp_path / "none.toml")
    with pytest.raises(SettingsError) as refused:
        read_mail(places, SAID | changed)
    assert complaint in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "127.9.9.9"])
def test_a_server_on_this_machine_needs_no_encryption(tmp_path, host):
    said = {"HOST": host, "SENDER": SAID["CSBA_MAIL_SENDER"], "SECURITY": "none"}
    assert mail_said(tmp_path, "", **said).server == f"{host}:25 (no encryption)"
    assert mail_said(tmp_path, "allow_plain = true", **said | {"HOST": "relay.example"}).host == "relay.example"


@pytest.mark.parametrize(
    ("text", "mode", "complaint"),
    [
        ('password = "secret"', 0o640, "holds a password, and others may read it: chmod 600"),
        ('passwort = "secret"', 0o600, "'passwort' is not known; known are host, sender, port"),
        ("port = '587'", 0o600, "port is written as a whole number"),
        ("port = true", 0o600, "port is written as a whole number"),
        ("host = 5", 0o600, "host is written as text in quotes"),
        ('password = "secret', 0o600, "is no TOML"),
        ("port = 70_000", 0o600, "mail.toml, port: 70000 lies outside"),
    ],
)
def test_a_file_of_mail_that_cannot_be_used_is_refused_by_name(tmp_path, text, mode, complaint):
    with pytest.raises(SettingsError) as refused:
        mail_said(tmp_path, text, mode, HOST="smtp.example.com", SENDER="billing@csba.example")
    assert complaint in str(refused.value)
    assert "secret" not in str(refused.value)


def test_files_land_below_the_home_or_where_it_is_said(tmp_path):
    assert settings({"CSBA_HOME": str(tmp_path)}).landing == tmp_path / "landing"
    assert settings({"CSBA_HOME": str(tmp_path), "CSBA_LANDING": str(tmp_path / "in")}).landing == tmp_path / "in"


@pytest.mark.parametrize(
    "address",
    ["", "https://hooks.example/T0K3N", "http://127.0.0.1:8000/x", "http://localhost/x", "http://[::1]:8000/x"],
)
def test_a_webhook_is_encrypted_or_on_this_machine(address):
    assert settings({"CSBA_WEBHOOK": address}).webhook == address


@pytest.mark.parametrize(
    "address",
    [
        "http://hooks.example/T0K3N",
        "http://127.0.0.1.hooks.example/T0K3N",
        "http://127.0.0.1@hooks.example/T0K3N",
        "https://user:T0K3N@hooks.example/",
        "file:///etc/T0K3N",
        "hooks.example/T0K3N",
        "https:///T0K3N",
        "https://hooks.example:99999/T0K3N",
        "https://hooks.example/T0K3N with spaces",
        "https://[hooks.example/T0K3N",
    ],
)
def test_another_webhook_is_refused_without_being_repeated(address):
    with pytest.raises(SettingsError, match="CSBA_WEBHOOK") as refused:
        settings({"CSBA_WEBHOOK": address})
    assert "T0K3N" not in str(refused.value)
