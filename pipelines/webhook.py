"""Tells an address, as JSON, what became of a run.

Nobody waits for it long, and nothing depends on it: what goes wrong is returned in words, without the address, which
may hold a secret. It follows no redirection, as that could lead to an address that may not be told.

Does not belong here: what is told.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from assets.settings import THIS_MACHINE

SECONDS = 5.0


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **options: Any) -> None:
        """To nowhere."""


def post(address: str, what: Mapping[str, Any], seconds: float = SECONDS) -> str | None:
    """Post it; returns why that failed, or None. `seconds` is how long it waits for each answer of the network."""
    direct = (urllib.request.ProxyHandler({}),) if urlsplit(address).hostname in THIS_MACHINE else ()
    request = urllib.request.Request(
        address,
        data=json.dumps(what, ensure_ascii=False).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "csba-billing"},
    )
    try:
        with urllib.request.build_opener(_Stay, *direct).open(request, timeout=seconds):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"it answered {error.code}"
    except urllib.error.URLError as error:
        return f"it cannot be reached: {getattr(error.reason, 'strerror', None) or type(error.reason).__name__}"
    except (OSError, ValueError, HTTPException) as error:
        return f"it cannot be reached: {getattr(error, 'strerror', None) or type(error).__name__}"
