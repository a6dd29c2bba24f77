"""Pages in a real browser: opened, measured, and looked at with the eyes of a tool for accessibility."""

import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

PHONE, TABLET, DESKTOP = 360, 700, 1100

Visit = Callable[..., Page]
"""Opens a page, at a width."""


@contextmanager
def a_browser() -> Generator[Browser]:
    """Chromium; without one the test is skipped, or fails where one is required."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        message = "no Chromium is installed"
        if os.environ.get("CSBA_BROWSER") == "required":
            pytest.fail(message)
        pytest.skip(message)
    quietly = ("--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *quietly])


@contextmanager
def visiting(browser: Browser) -> Generator[Visit]:
    """Opens pages, and in the end holds that they said nothing, asked for nothing, and were not run."""
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def open_page(path: Path, width: int = DESKTOP) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800})
        contexts.append(context)
        page = context.new_page()

        def hear(message: ConsoleMessage) -> None:
            said.append(message.text)

        def see(request: Request) -> None:
            if request.url != path.as_uri():
                asked.append(request.url)

        page.on("console", hear)
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", see)
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert asked == []


def overflow(page: Page) -> int:
    """How far it can be scrolled sideways."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def assert_readable_with_help(page: Page) -> None:
    """Nothing that axe finds fault with, light, dark and narrow."""
    axe = Axe()
    for width, scheme in ((DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()
