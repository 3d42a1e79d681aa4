"""The page at ``/`` in a real browser, as people use it: with their eyes, a mouse or a keyboard."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.acceptance.conftest import Importer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs a browser: apt-get install chromium")

EVIL = "<img src=x onerror=alert(1)>"
ROWS = f"Name;Mail;Ort\nAda;ada@gmail.com;London\n{EVIL};grace@@gmail.com;=1+1\n;;\n"
PHONE = {"width": 360, "height": 740}
REFUSED = re.compile(r"the server responded with a status of 4\d\d")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, importer: Importer) -> Iterator[Page]:
    """The page on a phone; nothing that a browser complains of is passed over."""
    complaints: list[str] = []
    address = str(importer.http.base_url)
    with browser.new_context(base_url=address, viewport=PHONE, color_scheme="dark") as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/")
        yield page
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert [text for text in complaints if not REFUSED.search(text)] == []


def choose(page: Page, content: str, source: str) -> None:
    file = {"name": "people.csv", "mimeType": "text/csv", "buffer": content.encode()}
    page.get_by_label("choose", exact=False).set_input_files(file)
    page.get_by_label("Where do the contacts come from?").fill(source)


def shown(page: Page) -> dict[str, str]:
    counts = page.locator(".counts > div")
    return dict(
        zip(
            counts.locator("dt").all_text_contents(),
            counts.locator("dd").all_text_contents(),
            strict=True,
        )
    )


def expect_state(page: Page, word: str) -> None:
    expect(page.locator("#job-state")).to_have_text(word, timeout=15_000)


def open_job(page: Page, job: str) -> None:
    page.goto(f"/#{job}")
    expect(page.locator("#job-id")).to_have_text(job)


def test_imports_are_sent_seen_repaired_and_undone(
    page: Page, importer: Importer, tmp_path: Path
) -> None:
    lost = importer.post([{"name": "Ada"}], source="lost")
    importer.remove_object(lost)
    choose(page, ROWS, f"fair {EVIL}")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name=f"fair {EVIL}")).to_be_visible()
    expect_state(page, "Waiting")
    work(importer)
    expect_state(page, "Completed")
    assert shown(page) == {"Records": "3", "Imported": "1", "Rejected": "2", "Not processed": "0"}
    expect(page.locator("#facts")).to_contain_text("separated by semicolons")
    expect(page.locator("#facts")).to_contain_text("Ort")
    look_at_rejections(page, tmp_path / "rejections.csv")

    recent = page.locator("#recent li")
    expect(recent.first).to_contain_text("3 records, 1 imported, 2 rejected")
    recent.get_by_role("link", name="lost").click()
    expect_state(page, "Failed")
    expect(page.locator("#job-failure")).to_contain_text("undo this import")
    page.get_by_role("button", name="Retry the failed parts").click()
    expect_state(page, "Waiting")

    recent.first.get_by_role("link").click()
    undo = page.get_by_role("button", name="Undo the import")
    undo.click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    undo.click()
    page.get_by_role("dialog").get_by_role("button", name="Undo it").click()
    expect_state(page, "Being undone")
    work(importer)
    expect_state(page, "Undone")
    expect(page.locator("#rejections")).to_be_hidden()
    expect(recent.first).to_contain_text("Undone")


def work(importer: Importer) -> None:
    """To the end of the queue, where one import has failed."""
    assert importer.run("tasks", "--once").returncode == 1


def look_at_rejections(page: Page, file: Path) -> None:
    rejected = page.get_by_role("row")
    expect(rejected).to_have_count(3)
    expect(rejected.nth(1)).to_contain_text("Did you mean grace@gmail.com?")
    expect(rejected.nth(1)).to_contain_text(EVIL)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all as CSV").click()
    download.value.save_as(file)
    assert "'=1+1" in file.read_text()


def test_an_import_is_cancelled(page: Page, importer: Importer) -> None:
    open_job(page, importer.post([{"name": "Ada"}]))
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    expect_state(page, "Cancelled")
    assert shown(page)["Not processed"] == "1"


def test_a_refusal_is_told_in_words(page: Page) -> None:
    page.get_by_role("button", name="Import", exact=True).click()
    alert = page.locator("#form-problem")
    expect(alert).to_contain_text("No file is chosen")
    choose(page, "a;b\n1;2\n", "fair")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(alert).to_contain_text("The CSV header cannot be used")
    expect(page.locator("#file-name")).to_have_text("people.csv")


def test_a_file_is_dropped_and_the_rest_is_done_with_the_keyboard(page: Page) -> None:
    page.evaluate("""() => {
        const data = new DataTransfer();
        data.items.add(new File(["name\\tx\\nAda\\t1\\n"], "dropped.tsv"));
        document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer: data }));
    }""")
    expect(page.locator("#file-name")).to_have_text("dropped.tsv")
    expect(page.get_by_label("Where do the contacts come from?")).to_be_focused()
    page.keyboard.type("keyboard")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator("#job")).to_be_focused()
    expect(page.locator("#imported-word")).to_have_text("Would be imported")
    expect(page.locator("#facts")).to_contain_text("separated by tabs")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Cancel this import?")).to_be_visible()
    expect(page.get_by_role("button", name="Go back")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()


def test_an_import_that_there_is_not(page: Page) -> None:
    page.goto("/#import-01890000-0000-7000-8000-000000000000")
    expect(page.locator("#job-problem")).to_contain_text("Import not found")


def test_the_docs_are_drawn_from_the_service_alone(browser: Browser, importer: Importer) -> None:
    """Stoplight Elements needs no other host, and nothing that the CSP of the page forbids."""
    address = str(importer.http.base_url)
    complaints: list[str] = []
    hosts: set[str] = set()
    with browser.new_context(base_url=address) as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: hosts.add(request.url))
        page.goto("/docs#/operations/createImport")
        expect(page.get_by_role("heading", name="Import contacts")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("Idempotency-Key").first).to_be_visible()
        page.get_by_role("link", name="Problem types").click()
        page.get_by_role("link", name="webhooks_disabled").click()
        expect(page.get_by_role("heading", name="Webhooks are disabled")).to_be_visible()
    assert [text for text in complaints if "React Router Future Flag" not in text] == []
    assert [url for url in hosts if not url.startswith((address, "data:", "blob:"))] == []
