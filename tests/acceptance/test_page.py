"""The page at ``/`` in a real browser, as people use it: with their eyes, a mouse or a keyboard."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from local.processes import PROJECT
from tests.acceptance.conftest import Importer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs a browser: apt-get install chromium")

EVIL = "<img src=x onerror=alert(1)>"
MESSY = (
    "Kundenliste Mai;;;\r\nVorname;Nachname;E-Mail;Ort\r\n"
    f"Jürgen;Grünwald;juergen@example.de;Köln\r\nAda;;ada@example.de;\r\nGrace;Hopper;grace@@gmail.com;=1+1\r\n{EVIL};;nowhere;\r\n;;;\r\n"
).encode("cp1252")
"""A German list from Excel: a title, semicolons, Windows-1252, two bad rows, a blank one."""
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


def choose(page: Page, content: bytes, name: str = "people.csv") -> None:
    file = {"name": name, "mimeType": "text/csv", "buffer": content}
    page.locator("#file").set_input_files(file)


def shown(page: Page) -> dict[str, str]:
    counts = ("records", "imported", "rejected", "skipped", "left")
    return {name: page.locator(f"#count-{name}").text_content() or "" for name in counts}


def expect_state(page: Page, word: str) -> None:
    expect(page.locator("#job-state")).to_have_text(word, timeout=15_000)


def open_job(page: Page, job: str) -> None:
    page.goto(f"/#{job}")
    expect(page.locator("#job")).to_be_visible()


def import_rows(page: Page) -> None:
    page.get_by_role("button", name=re.compile(r"^Import .*rows?$")).click()


def test_a_messy_file_is_checked_imported_corrected_and_undone(
    page: Page, importer: Importer, tmp_path: Path
) -> None:
    choose(page, MESSY)
    expect(page.get_by_role("heading", name="Check the columns")).to_be_focused()
    fields = page.locator("#column-rows select")
    assert [each.input_value() for each in fields.all()] == ["first_name", "last_name", "email", ""]
    expect(page.locator("#plan-warnings")).to_contain_text("Rows above")
    expect(page.locator("#preview-rows")).to_contain_text("Jürgen Grünwald")
    expect(page.locator("#encoding-sample")).to_contain_text("Grünwald")
    page.get_by_label("Where do the contacts come from?").fill(f"fair {EVIL}")
    import_rows(page)
    expect_state(page, "Waiting")
    run(importer)
    expect_state(page, "Completed")
    assert shown(page) == {
        "records": "5", "imported": "2", "rejected": "2", "skipped": "1", "left": "0",
    }  # fmt: skip
    expect(
        page.get_by_role("heading", name="2 of 4 contacts imported, 2 need fixing.")
    ).to_be_visible()
    rejected = page.locator("#rejection-rows > tr")
    expect(rejected).to_have_count(2)
    expect(rejected.first).to_contain_text("grace@gmail.com")
    expect(page.locator("#rejection-rows")).to_contain_text(EVIL)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    download.value.save_as(tmp_path / "rejections.csv")
    assert "'=1+1" in (tmp_path / "rejections.csv").read_text()

    page.locator("#accept-all").click()
    page.locator("#import-corrected").click()
    expect_state(page, "Waiting")
    run(importer)
    expect_state(page, "Completed")
    assert shown(page)["imported"] == "1"

    page.get_by_role("button", name="Undo the import").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="Undo the import").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo it").click()
    expect_state(page, "Being undone")
    run(importer)
    expect_state(page, "Undone")
    expect(page.locator("#rejections")).to_be_hidden()


def run(importer: Importer) -> None:
    done = importer.run("tasks", "--once")
    assert done.returncode == 0, done.stderr


def test_the_whole_file_is_checked_before_its_valid_rows_are_imported(
    page: Page, importer: Importer
) -> None:
    choose(page, b"Name,Email\nAda,ada@example.com\nBob,nowhere\n", "two.csv")
    page.get_by_role("button", name="Check the whole file").click()
    run(importer)
    expect(page.get_by_role("heading", name="1 of 2 contacts can be imported")).to_be_visible()
    page.locator("#import-valid").click()
    run(importer)
    expect(
        page.get_by_role("heading", name="1 of 2 contacts imported, 1 needs fixing.")
    ).to_be_visible()


def test_a_failed_import_offers_what_can_help(page: Page, importer: Importer) -> None:
    lost = importer.post([{"name": "Ada"}], source="lost")
    importer.remove_object(lost)
    assert importer.run("tasks", "--once").returncode == 1
    open_job(page, lost)
    expect_state(page, "Failed")
    expect(page.locator("#job-outcome")).to_contain_text("Undo this import")
    retry = page.get_by_role("button", name="Retry the failed parts")
    expect(retry).to_be_hidden()
    lost_id = lost.removeprefix("import-")
    importer.query(
        "update import_parts set failure_code = 'upstream_unavailable' where import_id = %s",
        lost_id,
    )
    page.reload()
    expect(retry).to_be_visible()
    importer.query("update imports set object_expired_at = now() where id = %s", lost_id)
    page.reload()
    expect(page.locator("#job-outcome")).to_contain_text("The stored file has been removed")
    expect(retry).to_be_hidden()
    expect(page.locator("#facts")).to_contain_text("file removed")
    page.locator("#undo").click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Undo it|Remove it")).click()
    run(importer)
    expect_state(page, "Undone")


def test_an_import_is_cancelled(page: Page, importer: Importer) -> None:
    open_job(page, importer.post([{"name": "Ada"}]))
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    expect_state(page, "Cancelled")
    assert shown(page)["left"] == "1"


def test_a_question_is_asked_and_its_answer_is_used(page: Page) -> None:
    choose(page, "Name;E-mail\nSzűcs Ágnes;agnes@example.hu\n".encode("cp1250"))
    question = page.locator("#question")
    expect(question).to_be_visible()
    question.get_by_role("button", name=re.compile("Szűcs")).first.click()
    expect(page.locator("#preview-rows")).to_contain_text("Szűcs Ágnes")


def test_a_workbook_has_its_own_help(page: Page) -> None:
    choose(page, b"PK\x03\x04 [Content_Types].xml xl/", "people.xlsx")
    expect(page.locator("#file-help")).to_contain_text("CSV")
    expect(page.locator("#check-step")).to_be_hidden()


def test_the_steps_have_no_barriers(page: Page) -> None:
    """No finding of axe (https://github.com/dequelabs/axe-core) that is moderate or worse."""
    page.evaluate((PROJECT / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8"))
    for step in ("file", "check"):
        found = page.evaluate("async () => (await axe.run()).violations")
        assert [one["id"] for one in found if one["impact"] != "minor"] == [], step
        choose(page, MESSY)
        expect(page.locator("#preview-rows")).to_contain_text("Jürgen")


def test_a_file_is_dropped_and_the_rest_is_done_with_the_keyboard(page: Page) -> None:
    page.evaluate("""() => {
        const data = new DataTransfer();
        data.items.add(new File(["name\\tx\\nAda\\t1\\n"], "dropped.tsv"));
        document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer: data }));
    }""")
    expect(page.get_by_role("heading", name="Check the columns")).to_be_focused()
    expect(page.get_by_label("Where do the contacts come from?")).to_have_value("dropped")
    page.get_by_label("Where do the contacts come from?").focus()
    page.keyboard.press("Enter")
    expect_state(page, "Waiting")
    page.get_by_role("button", name="Cancel").focus()
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
