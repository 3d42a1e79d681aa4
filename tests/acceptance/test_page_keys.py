"""The page of a service with API keys, in a real browser."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from local.processes import service
from service.keys.api_key import make_key
from service.keys.scopes import Scope
from tests.acceptance import test_page
from tests.acceptance.conftest import Importer
from tests.acceptance.test_page import (
    MESSY,
    PHONE,
    REFUSED,
    choose,
    expect_state,
    import_rows,
    run,
)

pytestmark = test_page.pytestmark
browser = test_page.browser

ALL, ALL_KEY = make_key("people", [Scope.IMPORT, Scope.READ, Scope.UNDO])
NO_UNDO, NO_UNDO_KEY = make_key("reader", [Scope.IMPORT, Scope.READ])
STORED = "Object.values({ ...sessionStorage }).concat(Object.values({ ...localStorage }))"


@dataclass
class Opened:
    """The page in a tab, and the address of its service."""

    page: Page
    address: str

    def give(self, text: str) -> None:
        self.page.get_by_label("Key", exact=True).fill(text)
        self.page.get_by_role("button", name="Use this key").click()


@pytest.fixture(scope="module")
def address(embedded_env: Mapping[str, str]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as name:
        keys = Path(name) / "keys"
        keys.write_text(f"{ALL_KEY.line}\n{NO_UNDO_KEY.line}\n")
        env = {**embedded_env, "API_KEYS_FILE": str(keys)}
        with service(env, Path(name) / "service.log") as (url, _):
            yield url


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Opened]:
    complaints: list[str] = []
    with browser.new_context(base_url=address, viewport=PHONE) as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/")
        yield Opened(page, address)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert [text for text in complaints if not REFUSED.search(text)] == []


def test_the_page_asks_for_a_key_and_everything_works_with_it(
    opened: Opened, importer: Importer, tmp_path: Path
) -> None:
    page = opened.page
    dialog = page.get_by_role("dialog", name="This service needs a key")
    expect(dialog).to_be_visible()
    opened.give("cik_wrong")
    expect(dialog).to_contain_text("The key is not valid")
    opened.give(f" {ALL} ")
    expect(dialog).to_be_hidden()
    expect(page.locator("#recent-problem")).to_be_hidden()

    choose(page, MESSY)
    import_rows(page)
    expect_state(page, "Waiting")
    run(importer)
    expect_state(page, "Completed")
    page.get_by_text("Details", exact=True).click()
    expect(page.locator("#facts")).to_contain_text("sent with people")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename.endswith("-rejections.csv")
    download.value.save_as(tmp_path / "rejections.csv")
    assert "'=1+1" in (tmp_path / "rejections.csv").read_text()
    page.get_by_role("button", name="Undo the import").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo it").click()
    expect_state(page, "Being undone")


def test_a_key_is_kept_for_the_tab_until_it_is_forgotten(opened: Opened) -> None:
    page = opened.page
    opened.give(ALL)
    forget = page.get_by_role("button", name="Forget the key")
    expect(forget).to_be_visible()
    page.reload()
    expect(forget).to_be_visible()
    dialog = page.get_by_role("dialog", name="This service needs a key")
    expect(dialog).to_be_hidden()
    assert page.evaluate(STORED) == [ALL]

    other = page.context.new_page()
    other.goto("/")
    expect(other.get_by_role("dialog", name="This service needs a key")).to_be_visible()
    other.close()

    forget.click()
    expect(dialog).to_be_visible()
    assert page.evaluate(STORED) == []
    assert ALL not in page.content()


def test_the_page_can_be_looked_at_without_a_key(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("button", name="Go on without").click()
    expect(page.locator("#recent-problem")).to_contain_text("A key is needed")
    choose(page, b"name\nAda\n")
    page.get_by_role("dialog", name="This service needs a key").press("Escape")
    expect(page.locator("#file-problem")).to_contain_text("A key is needed")
    choose(page, b"name\nAda\n", "again.csv")
    opened.give(ALL)
    expect(page.get_by_role("heading", name="Check the columns")).to_be_focused()


def test_a_refusal_also_counts_for_requests_that_still_run(opened: Opened) -> None:
    page, held = opened.page, list[Route]()
    page.get_by_role("button", name="Go on without").click()
    page.route("**/import/preview", lambda route: held.append(route))  # noqa: PLW0108 -- Playwright wants a function
    with page.expect_request("**/import/preview"):
        choose(page, b"name\nAda\n")
    dialog = page.get_by_role("dialog", name="This service needs a key")
    dialog.press("Escape")  # asked for the search for the same file
    expect(dialog).to_be_hidden()
    held[0].continue_()
    expect(page.locator("#file-problem")).to_contain_text("A key is needed")


def test_what_a_key_does_not_allow_is_a_problem(opened: Opened) -> None:
    page = opened.page
    opened.give(NO_UNDO)
    choose(page, b"name\nAda\n")
    import_rows(page)
    expect_state(page, "Waiting")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    expect(page.locator("#job-problem")).to_contain_text("The key does not allow this")


def test_the_dialog_has_no_barriers(opened: Opened) -> None:
    axe = test_page.PROJECT / "node_modules" / "axe-core" / "axe.min.js"
    expect(opened.page.get_by_role("dialog")).to_be_visible()
    opened.page.evaluate(axe.read_text("utf-8"))
    found = opened.page.evaluate("async () => (await axe.run()).violations")
    assert [one["id"] for one in found if one["impact"] != "minor"] == []
