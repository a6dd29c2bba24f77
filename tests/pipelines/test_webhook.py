"""What an address is told, and that it can neither hold anybody up nor lead elsewhere."""

import json
import socket
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipelines.webhook import post

SECRET = "T0K3N"


class Listener(HTTPServer):
    """Hears what is posted; answers with `status`, and sends whoever asks to `location`."""

    status = 200
    location = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hearing)
        self.heard: list[tuple[str, dict[str, object]]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{SECRET}"


class Hearing(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def listener() -> Generator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_it_is_told_as_json(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert post(listener.address, {"job": "billing_month", "period": "2026-05"}) is None
    assert listener.heard == [("application/json", {"job": "billing_month", "period": "2026-05"})]


@pytest.mark.parametrize("status", [302, 307, 403, 500])
def test_what_it_answers_is_said_and_nobody_is_sent_elsewhere(listener: Listener, status: int) -> None:
    listener.status = status
    with Listener() as other:
        listener.location = other.address if status < 400 else ""
        assert post(listener.address, {}) == f"it answered {status}"
        assert other.heard == []


def test_one_that_is_down_or_silent_is_not_waited_for() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/{SECRET}"
        refused = post(address, {})
        taken.listen()
        began = time.monotonic()
        silent = post(address, {}, seconds=0.2)
        assert time.monotonic() - began < 5
    for problem in (refused, silent):
        assert problem is not None
        assert problem.startswith("it cannot be reached")
        assert SECRET not in problem
