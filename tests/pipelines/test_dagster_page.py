"""Dagster's page in a real browser: a month is launched from it, and shows what an operator looks for."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest
from house import DATA, FONTS, load_paths, opened
from playwright.sync_api import Page, expect, sync_playwright

from assets.settings import CHECKOUT

pytestmark = pytest.mark.xdist_group("the page of Dagster")
US = "ATVPDKIKX0DER"
LAUNCHED = '"operationName":"LaunchPipelineExecution"'
SECONDS_TO_START, SECONDS_TO_RUN = 240, 240
"""At the most; on two free cores it takes some ten of each."""
FIRST_VERSIONS = re.compile(r"\[\[version\]\]\nid = \"US-20(?:19|21).*?(?=^\[\[version\]\])", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def terms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(DATA / "terms", tmp_path_factory.mktemp("terms") / "terms"))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, terms: Path) -> Generator[str]:
    """Dagster as `make dagster` starts it, on a free port, for a home in which the sample is loaded."""
    if not any(map(shutil.which, BROWSERS)):
        no_browser()
    home = tmp_path_factory.mktemp("home")
    with opened(home) as warehouse:
        load_paths(warehouse, [DATA / "sample"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {"CSBA_HOME": str(home), "CSBA_TERMS": str(terms), "CSBA_FONTS": str(FONTS), "CSBA_PDF": "none"}
    command = [sys.executable, "-m", "pipelines.serving", "dev"]
    with (home / "dagster.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "-p", str(port)],
            cwd=CHECKOUT,
            env=os.environ | places,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while not answers(port):
            assert server.poll() is None, (home / "dagster.log").read_text()
            assert time.monotonic() < deadline, (home / "dagster.log").read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(server)


def answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def end(server: subprocess.Popen) -> None:
    """End Dagster, and whatever of it is left: all that it started is in its session, which bears its id."""
    server.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        server.wait(30)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def no_browser() -> None:
    message = "no Chromium is installed"
    if os.environ.get("CSBA_BROWSER") == "required":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def page(address: str) -> Generator[Page]:
    """A page that holds, in the end, that nothing went wrong in it."""
    said: list[str] = []
    path = next(filter(None, map(shutil.which, BROWSERS)))
    quietly = ("--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *quietly])
        page = browser.new_page(base_url=address, viewport={"width": 1500, "height": 1800})
        page.set_default_timeout(60_000)
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page
        browser.close()
    assert said == []


def launch(page: Page, period: str) -> None:
    """Launch a month from its job's page, as an operator does, and go to the list of runs."""
    page.goto("/locations/pipelines.definitions/jobs/billing_month")
    page.get_by_role("button", name="Materialize all").first.click()
    confirm, selection = page.get_by_role("button", name="Confirm"), page.get_by_placeholder("ex: 2015-01")
    expect(confirm.or_(selection).first).to_be_visible(timeout=30_000)
    if confirm.is_visible():  # what a command has loaded Dagster has not seen
        confirm.click()
    selection.fill(period)
    selection.press("Enter")
    # Others that speak of launching, such as what the dialog asks for its warnings, may still be on their way.
    with page.expect_response(lambda answer: LAUNCHED in (answer.request.post_data or "")) as launched:
        page.get_by_role("button", name="Launch 1 run").click()
    assert "LaunchRunSuccess" in launched.value.text()
    page.goto("/runs")


def test_a_month_launched_from_the_page_shows_what_it_made(page: Page, tmp_path: Path) -> None:
    launch(page, "2026-05")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=SECONDS_TO_RUN * 1000)
    page.goto("/assets/core/units")
    expect(page.get_by_text("One row per shipment line of a period")).to_be_visible()
    expect(page.get_by_text("the version of the terms in force when it shipped")).to_be_visible()
    by_marketplace = page.locator("table table", has_text="marketplace")
    expect(by_marketplace.get_by_role("row")).to_have_count(4)
    expect(by_marketplace.get_by_role("row").nth(3)).to_have_text(re.compile(r"US\s*600\s*746"))
    chart = page.locator('img[src^="data:image/svg+xml"]')
    expect(chart).to_have_attribute("alt", "units shipped, by month: 2026-05 1,043")
    page.wait_for_function("document.querySelector('img[src^=\"data:image/svg\"]').naturalWidth === 420")
    page.screenshot(path=tmp_path / "units.png")


@pytest.mark.prove
def test_a_failed_check_shows_the_rows_that_fail(page: Page, terms: Path, tmp_path: Path) -> None:
    us = terms / "us.toml"
    us.write_text(FIRST_VERSIONS.sub("", us.read_text(encoding="utf-8")), encoding="utf-8")
    launch(page, "2026-04")
    expect(page.get_by_text("Failure", exact=True).first).to_be_visible(timeout=SECONDS_TO_RUN * 1000)
    check = "an_activation_has_terms_in_force_add_a_version_of_the_terms_that_begins_by_then"
    page.goto(f"/assets/core/enrolment_events?view=checks&checkDetail={check}")
    expect(page.get_by_text("some of them")).to_be_visible()
    page.screenshot(path=tmp_path / "check.png")
    some = page.locator("table", has_text="effective_at").last
    expect(some.get_by_role("row")).to_have_count(11)  # ten of them, below their names
    expect(some.get_by_role("row").nth(1)).to_contain_text(US)


def test_what_starts_by_itself_is_there_and_off(page: Page, tmp_path: Path) -> None:
    page.goto("/automation")
    for name in ("landing", f"month_end_US_{US}", "tell_of_failure", "tell_of_success"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    switches = page.get_by_role("switch").or_(page.locator('input[type="checkbox"]'))
    assert switches.count() > 0
    page.screenshot(path=tmp_path / "automation.png")
