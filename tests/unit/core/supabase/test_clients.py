import httpx
import pytest

from core.errors import PermanentError, TransientError
from core.supabase.clients import Project, async_client, blocking_client

PROJECT = Project("http://supabase", "sb_secret_x", 7)


def get(status, headers=None, body=b"{}", path="/"):
    """Make a request with the hooks of the blocking client, which is answered with this."""
    hooks = blocking_client(PROJECT).options.httpx_client.event_hooks
    transport = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, content=body))
    with httpx.Client(transport=transport, event_hooks=hooks) as http:
        return http.get(f"http://supabase{path}")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_statuses_of_an_unavailable_upstream_are_transient_whatever_the_body(status):
    with pytest.raises(TransientError) as error:
        get(status, body=b'{"message":"name resolution failed"}')
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
def test_not_committed_depends_on_the_code_in_the_body(body, code, not_committed):
    with pytest.raises(TransientError) as error:
        get(503, body=body)
    assert (error.value.code, error.value.not_committed) == (code, not_committed)


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("code", [b'""', b"null"])
def test_an_empty_error_code_of_postgrest_is_transient(status, code):
    with pytest.raises(TransientError) as error:
        get(status, body=b'{"code":%b,"message":"server closed the connection"}' % code)
    assert (error.value.code, error.value.not_committed) == (str(status), False)


def test_retry_after_is_passed_on():
    with pytest.raises(TransientError) as error:
        get(503, {"Retry-After": "12"})
    assert error.value.retry_after == 12


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_the_gateway_refuses_is_permanent(status):
    with pytest.raises(PermanentError) as error:
        get(status)
    assert (error.value.code, error.value.status) == (str(status), status)


@pytest.mark.parametrize("status", [200, 400, 409, 500])
def test_other_answers_are_left_to_supabase(status):
    assert get(status).status_code == status


STORAGE_BODY = b'{"statusCode":"404","error":"not_found","message":"m"}'
POSTGREST_BODY = b'{"code":"PGRST202","message":"Could not find the function"}'
KONG_BODY = b'{"message":"no Route matched with those values"}'


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/storage/v1/object/imports", STORAGE_BODY),
        ("/rest/v1/rpc/f", POSTGREST_BODY),
        ("/rest/v1/rpc/f", b'{"code":"42P01","message":"m"}'),
        ("/rest/v1/rpc/f", b'{"code":"PT404","message":"m"}'),
    ],
)
def test_not_found_of_supabase_itself_is_left_to_supabase(path, body):
    assert get(404, body=body, path=path).status_code == 404


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("path", ["/storage/v1/object/imports", "/rest/v1/rpc/f"])
@pytest.mark.parametrize("body", [KONG_BODY, b"<html>", b"", b'{"code":404}', b'{"code":"404"}'])
def test_not_found_of_a_gateway_is_transient(path, body, status):
    with pytest.raises(TransientError) as error:
        get(status, body=body, path=path)
    assert (error.value.status, error.value.not_committed) == (status, False)


@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, {"Content-Type": "text/html; charset=utf-8"}), (302, {"Location": "https://login"})],
)
def test_a_web_page_or_redirection_is_transient(status, headers):
    with pytest.raises(TransientError):
        get(status, headers, b"<html>")


def test_both_clients_have_the_deadline_and_the_hooks():
    for client in (blocking_client(PROJECT), async_client(PROJECT)):
        assert client.options.httpx_client.timeout == httpx.Timeout(7)
        assert client.options.httpx_client.event_hooks["response"]


def test_project_headers_carry_the_key_twice():
    assert PROJECT.headers == {
        "apikey": "sb_secret_x", "Authorization": "Bearer sb_secret_x",
    }  # fmt: skip
