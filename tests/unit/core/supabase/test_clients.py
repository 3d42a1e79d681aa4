import httpx
import pytest

from core.errors import TransientError
from core.supabase.clients import Project, async_client, blocking_client

PROJECT = Project("http://supabase", "sb_secret_x", 7)


def heed(status, headers=None, body=b"{}", path="/"):
    """Send an answer through the hooks of the blocking client."""
    hooks = blocking_client(PROJECT).options.httpx_client.event_hooks
    transport = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, content=body))
    with httpx.Client(transport=transport, event_hooks=hooks) as http:
        return http.get(f"http://supabase{path}")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_gateways_refusal_may_work_later_whatever_its_body(status):
    with pytest.raises(TransientError) as error:
        heed(status, body=b'{"message":"name resolution failed"}')
    assert (error.value.status, error.value.retry_after) == (status, None)


@pytest.mark.parametrize(
    ("body", "code", "not_committed"),
    [
        (b'{"code":"PGRST000","message":"m"}', "PGRST000", True),
        (b'{"code":"PGRST001","message":"m"}', "PGRST001", False),
        (b'{"message":"no upstream"}', "503", False),
        (b"[]", "503", False),
        (b"<html>", "503", False),
    ],
)
def test_the_body_tells_whether_anything_can_have_been_done(body, code, not_committed):
    with pytest.raises(TransientError) as error:
        heed(503, body=body)
    assert (error.value.code, error.value.not_committed) == (code, not_committed)


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("code", [b'""', b"null"])
def test_an_empty_code_is_no_verdict(status, code):
    with pytest.raises(TransientError) as error:
        heed(status, body=b'{"code":%b,"message":"server closed the connection"}' % code)
    assert (error.value.code, error.value.not_committed) == (str(status), False)


def test_retry_after_is_carried_on():
    with pytest.raises(TransientError) as error:
        heed(503, {"Retry-After": "12"})
    assert error.value.retry_after == 12


@pytest.mark.parametrize("status", [200, 400, 401, 403, 409, 500])
def test_all_else_is_for_supabase_to_read(status):
    assert heed(status).status_code == status


STORAGES = b'{"statusCode":"404","error":"not_found","message":"m"}'
POSTGRESTS = b'{"code":"PGRST202","message":"Could not find the function"}'
KONGS = b'{"message":"no Route matched with those values"}'


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/storage/v1/object/imports", STORAGES),
        ("/rest/v1/rpc/f", POSTGRESTS),
        ("/rest/v1/rpc/f", b'{"code":"42P01","message":"m"}'),
        ("/rest/v1/rpc/f", b'{"code":"PT404","message":"m"}'),
    ],
)
def test_what_is_not_found_is_for_supabase_to_read_if_it_says_so_itself(path, body):
    assert heed(404, body=body, path=path).status_code == 404


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("path", ["/storage/v1/object/imports", "/rest/v1/rpc/f"])
@pytest.mark.parametrize("body", [KONGS, b"<html>", b"", b'{"code":404}', b'{"code":"404"}'])
def test_what_a_gateway_does_not_find_may_be_there(path, body, status):
    with pytest.raises(TransientError) as error:
        heed(status, body=body, path=path)
    assert (error.value.status, error.value.not_committed) == (status, False)


@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, {"Content-Type": "text/html; charset=utf-8"}), (302, {"Location": "https://login"})],
)
def test_a_web_page_is_no_success(status, headers):
    with pytest.raises(TransientError):
        heed(status, headers, b"<html>")


def test_both_clients_are_bound_by_the_deadline():
    for client in (blocking_client(PROJECT), async_client(PROJECT)):
        assert client.options.httpx_client.timeout == httpx.Timeout(7)
        assert client.options.httpx_client.event_hooks["response"]


def test_the_key_is_sent_in_both_headers():
    assert PROJECT.headers == {
        "apikey": "sb_secret_x", "Authorization": "Bearer sb_secret_x",
    }  # fmt: skip
