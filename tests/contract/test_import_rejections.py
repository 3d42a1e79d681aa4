"""Rejections over HTTP: pages of JSON, or one CSV file."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

import httpx
import pytest

from tests.support.contacts import envelope
from tests.support.faults import Answer, rpc
from tests.support.proxy import Proxy
from tests.support.raw_http import RawConnection
from tests.support.traces import Traces

UNKNOWN = "import-01890000-0000-7000-8000-000000000000"
SHOW = rpc("show_rejections")
REJECTED = """
    insert into import_rejections (import_id, record, part, code, message, content)
    select %s, n * 2, 1, 'email_invalid', 'Not an address.',
      json_build_object('name', 'Person ' || n, 'email', n || '@gmail,com', 'note', repeat(%s, %s))
    from generate_series(1, %s) n
    returning record
"""
COUNT = 620


def rejecting(client: httpx.Client, traces: Traces, count: int, *note: Any) -> str:
    headers = {"Content-Type": "application/json"}
    job = client.post("/import", content=envelope(b"[1]"), headers=headers).json()["jobId"]
    traces.rows(REJECTED, job[7:], *(note or ("=", 1)), count)
    return f"/import/{job}/rejections"


@pytest.fixture(scope="module")
def address(client: httpx.Client, traces: Traces) -> str:
    return rejecting(client, traces, COUNT)


@pytest.fixture(autouse=True)
def sound(proxy: Proxy) -> Iterator[None]:
    proxy.reset()
    yield
    proxy.reset()


def pages(client: httpx.Client, address: str, limit: int) -> Iterator[list[dict[str, Any]]]:
    """Yield page after page, following the Link header."""
    url: str | None = f"{address}?limit={limit}&format=json"
    while url:
        answer = client.get(url).raise_for_status()
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        page = answer.json()
        url = answer.links.get("next", {}).get("url")
        assert (page["next"] is None) == (url is None)
        if url:
            assert f"limit={limit}" in url
            assert f"cursor={page['next']}" in url
            assert len(page["rejections"]) == limit
        yield page["rejections"]


@pytest.mark.parametrize("limit", [100, 310, 619, 620, 621])
def test_all_pages_have_all_rejections_in_input_order(client, address, limit):
    found = [one for page in pages(client, address, limit) for one in page]
    assert [one["record"] for one in found] == list(range(2, 2 * COUNT + 1, 2))
    assert found[0] == {
        "record": 2,
        "code": "email_invalid",
        "message": "Not an address.",
        "hint": "1@gmail.com",
        "content": {"name": "Person 1", "email": "1@gmail,com", "note": "="},
    }


def test_page_of_rejections_has_100_by_default(client, address):
    page = client.get(address).json()
    assert len(page["rejections"]) == 100
    assert page["next"] == "200"


def test_an_import_without_rejections_has_an_empty_page(client, traces):
    address = rejecting(client, traces, 0)
    assert client.get(address).json() == {"rejections": [], "next": None}
    text = client.get(f"{address}?format=csv").content.decode("utf-8-sig")
    assert text == '"record","code","message","hint","name","email","content"\r\n'


@pytest.mark.parametrize(
    "query_and_accept", [("?format=csv", "application/json"), ("", "text/csv")]
)
def test_rejections_csv_has_all_rejections(client, proxy, address, query_and_accept):
    query, accept = query_and_accept
    answer = client.get(address + query, headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith("text/csv; charset=utf-8")
    name = address.split("/")[2]
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}-rejections.csv"'
    assert answer.headers["Transfer-Encoding"] == "chunked"
    rows = list(csv.reader(StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert rows[0] == ["record", "code", "message", "hint", "name", "email", "note", "content"]
    assert [int(row[0]) for row in rows[1:]] == list(range(2, 2 * COUNT + 1, 2))
    assert rows[COUNT][3:] == [
        f"{COUNT}@gmail.com",
        f"Person {COUNT}",
        f"{COUNT}@gmail,com",
        "'=",
        "",
    ]
    assert proxy.count(SHOW) == COUNT // 100 + 2


def test_format_wins_over_accept(client, address):
    answer = client.get(f"{address}?format=json", headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("query", ["", "?format=csv"])
def test_head_of_rejections_reads_no_further_pages(client, proxy, address, query):
    answer = client.head(address + query)
    assert (answer.status_code, answer.content) == (200, b"")
    assert proxy.count(SHOW) == 1


@pytest.mark.parametrize(
    ("path", "accept", "expected"),
    [
        (f"/import/{UNKNOWN}/rejections", "*/*", (404, "import_not_found")),
        (f"/import/{UNKNOWN}/rejections?format=csv", "*/*", (404, "import_not_found")),
        ("/import/import-x/rejections", "*/*", (404, "import_not_found")),
        ("?format=xml", "*/*", (422, "format_invalid")),
        ("?format=csv&format=csv", "*/*", (422, "format_invalid")),
        ("", "text/html", (406, "not_acceptable")),
        ("?limit=0", "*/*", (422, "limit_invalid")),
        ("?limit=1001", "*/*", (422, "limit_invalid")),
        ("?cursor=0", "*/*", (422, "cursor_invalid")),
        ("?cursor=-1", "*/*", (422, "cursor_invalid")),
        ("?cursor=%D9%A1", "*/*", (422, "cursor_invalid")),
        (f"?cursor={16**9}", "*/*", (422, "cursor_invalid")),
        (f"?cursor={'9' * 5000}", "*/*", (422, "cursor_invalid")),
    ],
)
def test_invalid_request_for_rejections_is_rejected(client, address, path, accept, expected):
    path = path if path.startswith("/") else address + path
    answer = client.get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == expected
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_cursor_after_the_last_rejection_gives_an_empty_page(client, address):
    assert client.get(f"{address}?cursor={16**9 - 1}").json()["rejections"] == []


def test_rejections_csv_continues_after_a_short_outage(client, proxy, address):
    proxy.inject(Answer(SHOW, skip=1, times=2))
    rows = client.get(f"{address}?format=csv").text.split("\r\n")
    assert len(rows) == COUNT + 2


def test_rejections_csv_is_aborted_if_the_outage_lasts(client, proxy, address, service):
    proxy.inject(Answer(SHOW, skip=1, status=403, times=100))
    with pytest.raises(httpx.TransportError):
        client.get(f"{address}?format=csv")
    assert service.await_line(lambda line: line["event"] == "rejections file incomplete")


def test_rejections_csv_is_aborted_for_http_1_0_too(proxy, address, service):
    proxy.inject(Answer(SHOW, skip=1, status=403, times=100))
    wire = RawConnection(service)
    wire.send(f"GET {address}?format=csv HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    with pytest.raises(ConnectionResetError):
        wire.rest()
    wire.close()


def test_rejections_csv_is_500_if_the_first_page_cannot_be_read(client, proxy, address):
    proxy.inject(Answer(SHOW, status=403, times=100))
    answer = client.get(f"{address}?format=csv")
    assert (answer.status_code, answer.json()["code"]) == (500, "database_refused")


def test_disconnect_during_the_rejections_csv_does_no_harm(client, proxy, traces, address, service):
    long = rejecting(client, traces, 2000, "x", 3900)
    with client.stream("GET", f"{long}?format=csv") as answer:
        next(answer.iter_raw())
    assert client.get(f"{address}?limit=1").json()["next"] == "2"
    assert proxy.count(SHOW) < 8


def test_rejections_are_not_cached_and_not_sniffed_as_html(client, address):
    headers = client.get(f"{address}?format=csv").headers
    assert (headers["Cache-Control"], headers["Vary"]) == ("no-store", "Accept")
    assert headers["X-Content-Type-Options"] == "nosniff"
