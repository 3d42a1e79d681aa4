"""Web pages of others, in a real browser on a machine that reaches the service."""

import http.server
import shutil
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.conftest import Importer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs a browser: apt-get install chromium")

ATTACK = """async (service) => {
  const data = JSON.stringify({source: "attack", data: [{name: "Mallory"}]});
  const file = new FormData();
  file.append("source", "attack");
  file.append("file", new File([data], "a.json", {type: "application/json"}));
  const tries = [
    fetch(service + "/import", {method: "POST", mode: "no-cors", body: data}),
    fetch(service + "/import", {method: "POST", mode: "no-cors", body: file}),
    fetch(service + "/import?source=attack", {
      method: "POST", mode: "no-cors", credentials: "include",
      body: new Blob(["name\\nMallory\\n"]),
    }),
    fetch(service + "/import", {
      method: "POST", headers: {"Content-Type": "application/json"}, body: data,
    }),
    fetch(service + "/import/JOB", {method: "DELETE"}),
    fetch(service + "/import/JOB/cancel", {method: "POST", mode: "no-cors"}),
    fetch(service + "/import?limit=1").then((answer) => answer.text()),
  ];
  const results = await Promise.allSettled(tries);
  return results.map((each) => each.status === "fulfilled" ? typeof each.value : "failed");
}"""
FORM = """(service) => {
  const form = document.createElement("form");
  form.method = "POST";
  form.action = service + "/import";
  form.enctype = "multipart/form-data";
  for (const [name, value] of [["source", "attack"], ["file", "name\\nMallory\\n"]]) {
    const input = document.createElement("textarea");
    input.name = name;
    input.value = value;
    form.append(input);
  }
  document.body.append(form);
  form.submit();
}"""
HOSTS = "MAP *.test 127.0.0.1"


@pytest.fixture(scope="module")
def attacker() -> Iterator[int]:
    """Port of another web server on this machine, which serves an empty page."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>attacker</title><body>")

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = [f"--host-resolver-rules={HOSTS}"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


def all_imports(importer: Importer) -> list[tuple[str, str]]:
    return [(str(row[0]), row[1]) for row in importer.query("select id, state from imports")]


def cross_site(importer: Importer) -> float:
    """Return how many requests for an import were rejected because of where they came from."""
    families = text_string_to_metric_families(importer.http.get("/metrics").text)
    samples = [each for family in families for each in family.samples]
    return sum(
        each.value
        for each in samples
        if each.labels.get("code") == "cross_site"
        and each.name == "contacts_importer_imports_refused_total"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.test"])
def test_a_page_of_another_site_changes_and_reads_nothing(importer, attacker, page: Page, host):
    """From another port of the same host, which is the same site, and from another host."""
    job = importer.post([{"name": "Ada", "email": "ada@example.com"}])
    before = all_imports(importer)
    service = str(importer.http.base_url).rstrip("/")
    page.goto(f"http://{host}:{attacker}/")
    refused = cross_site(importer)
    results = page.evaluate(ATTACK.replace("JOB", job), service)
    assert results[-1] == "failed"  # the list could not be read

    with page.expect_navigation() as navigation:
        page.evaluate(FORM, service)
    assert navigation.value.status == 403
    # Three with simple bodies and the form have reached the service; the others ask first.
    assert cross_site(importer) - refused == 4
    assert all_imports(importer) == before


def test_a_name_that_leads_to_the_service_shows_nothing(importer, page: Page):
    """DNS rebinding: the page and the service have one origin then."""
    job = importer.post([{"name": "Ada", "email": "ada@example.com"}])
    before = all_imports(importer)
    port = urlsplit(str(importer.http.base_url)).port
    answer = page.goto(f"http://rebound.test:{port}/")
    assert answer is not None
    assert answer.status == 421
    statuses = page.evaluate(
        """async (job) => {
          const tries = [
            fetch("/import"), fetch(`/import/${job}/rejections`),
            fetch(`/import/${job}`, {method: "DELETE"}),
            fetch("/import?source=attack", {method: "POST", body: "name\\nMallory\\n",
              headers: {"Content-Type": "text/csv"}}),
          ];
          return (await Promise.all(tries)).map((answer) => answer.status);
        }""",
        job,
    )
    assert statuses == [421] * 4
    assert all_imports(importer) == before


def test_the_own_page_may_do_all_this(importer, page: Page):
    page.goto(str(importer.http.base_url))
    status = page.evaluate(
        """async () => (await fetch("/import?source=own", {
          method: "POST", body: "name\\nAda\\n", headers: {"Content-Type": "text/csv"},
        })).status"""
    )
    assert status == 202
