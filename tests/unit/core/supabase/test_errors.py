import inspect
import json
from datetime import UTC, datetime, timedelta

import aiohttp
import httpx
import postgrest.exceptions
import pytest
import storage3.exceptions
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from core.errors import MAX_RETRY_AFTER, PermanentError, TransientError, UpstreamError
from core.supabase.errors import (
    error_from_body,
    error_from_status,
    is_missing_object,
    retry_after_seconds,
    translate_errors,
)

REQUEST = httpx.Request("GET", "http://h/")
INFO = aiohttp.RequestInfo(URL("http://h"), "GET", CIMultiDictProxy(CIMultiDict()))
KEY = ConnectionKey(
    "h", 80, is_ssl=False, ssl=False, proxy=None, proxy_auth=None, proxy_headers_hash=None
)


def make_error(kind):
    """An instance of a foreign exception, however many arguments it wants."""
    attempts = (
        lambda: kind("m", request=REQUEST, response=httpx.Response(500)),
        lambda: kind("m", request=REQUEST),
        lambda: kind({"message": "m", "code": "23505"}),
        lambda: kind("m", "code", 500),
        lambda: kind(INFO, ()),
        lambda: kind(KEY, OSError(1, "m")),
        lambda: kind(KEY, OSError(1, "m"), "fingerprint"),
        lambda: kind(b"a", b"b", "h", 80),
        lambda: kind("m"),
        kind,
    )
    for attempt in attempts:
        try:
            error = attempt()
            str(error)
        except (TypeError, AttributeError):
            continue
        return error
    raise AssertionError(f"cannot make {kind}")


def exceptions_in(root, module):
    kinds = [
        kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, root)
    ]
    assert kinds
    return kinds


FOREIGN = {
    *exceptions_in(httpx.HTTPError, httpx),
    *exceptions_in(aiohttp.ClientError, aiohttp),
    *[
        kind
        for kind in exceptions_in(Exception, postgrest.exceptions)
        if kind.__module__.startswith("postgrest")
    ],
    *[
        kind
        for kind in exceptions_in(Exception, storage3.exceptions)
        if kind.__module__.startswith("storage3")
    ],
}


@pytest.mark.parametrize("kind", sorted(FOREIGN, key=str), ids=lambda kind: kind.__qualname__)
def test_translate_errors_covers_every_exception_of_the_libraries(kind):
    with pytest.raises(UpstreamError) as error, translate_errors("storage"):
        raise make_error(kind)
    assert error.value.upstream == "storage"
    if issubclass(kind, httpx.TransportError | aiohttp.ClientConnectionError):
        assert isinstance(error.value, TransientError)


@pytest.mark.parametrize("kind", [TimeoutError, ConnectionResetError, BrokenPipeError])
def test_timeouts_and_connection_errors_of_the_system_are_transient(kind):
    with pytest.raises(TransientError), translate_errors("database"):
        raise kind


@pytest.mark.parametrize(
    ("error", "not_committed"),
    [
        (httpx.ConnectError("m"), True),
        (httpx.ReadError("m"), False),
        (httpx.ReadTimeout("m"), False),
        (TimeoutError(), False),
        (postgrest.exceptions.APIError({"code": "PGRST003", "message": "m"}), True),
        (postgrest.exceptions.APIError({"code": "57014", "message": "m"}), True),
        (postgrest.exceptions.APIError({"code": "42501", "message": "m"}), True),
        (postgrest.exceptions.APIError({"code": "PGRST001", "message": "m"}), False),
        (postgrest.exceptions.APIError({"code": "08006", "message": "m"}), False),
        (postgrest.exceptions.APIError({"code": "504", "message": "m"}), False),
    ],
    ids=repr,
)
def test_not_committed_is_false_after_a_lost_answer(error, not_committed):
    with pytest.raises(UpstreamError) as caught, translate_errors("database"):
        raise error
    assert caught.value.not_committed is not_committed


@pytest.mark.parametrize("kind", [ValueError, KeyError, ZeroDivisionError])
def test_translate_errors_lets_other_exceptions_pass(kind):
    with pytest.raises(kind), translate_errors("database"):
        raise kind


def test_translate_errors_lets_our_own_errors_pass():
    ours = TransientError("database", "busy", retry_after=3)
    with pytest.raises(TransientError) as error, translate_errors("storage"):
        raise ours
    assert error.value is ours


@pytest.mark.parametrize(
    "code",
    ["57014", "40001", "40P01", "53300", "08006", "57P01", "58030", "55P03", "PGRST000",
     "PGRST003", "503", "429", "502", "404", "410"],
)  # fmt: skip
def test_error_codes_of_the_database_that_are_transient(code):
    with pytest.raises(TransientError) as error, translate_errors("database"):
        raise postgrest.exceptions.APIError({"code": code, "message": "m"})
    assert error.value.code == code


@pytest.mark.parametrize(
    "code",
    ["23505", "22001", "42P01", "42501", "P0001", "PT409", "PGRST204", "PGRST301", "PGRST202",
     "401", "403", None, ""],
)  # fmt: skip
def test_error_codes_of_the_database_that_are_permanent(code):
    with pytest.raises(PermanentError) as error, translate_errors("database"):
        raise postgrest.exceptions.APIError({"code": code, "message": "m"})
    assert error.value.code == (code or "unknown")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 416])
def test_http_statuses_that_are_permanent(status):
    error = error_from_status("storage", status, "m" * 1000, retry_after=4)
    assert type(error) is PermanentError
    assert (error.status, error.code) == (status, str(status))
    assert len(error.detail) <= 300


@pytest.mark.parametrize("status", [408, 423, 425, 429, 500, 502, 503, 544])
def test_http_statuses_that_are_transient(status):
    error = error_from_status("storage", status, "m" * 1000, retry_after=4)
    assert isinstance(error, TransientError)
    assert (error.status, error.code, error.retry_after) == (status, str(status), 4)
    assert len(error.detail) <= 300


@pytest.mark.parametrize(
    ("status", "body", "kind", "inner", "code"),
    [
        (400, b'{"statusCode":"404","error":"not_found","message":"m","code":"NoSuchKey"}',
         PermanentError, 404, "NoSuchKey"),
        (400, b'{"statusCode":"404","error":"not_found","message":"m"}',
         PermanentError, 404, "not_found"),
        (400, b'{"statusCode":"503","error":"busy","message":"m"}', TransientError, 503, "busy"),
        (400, b'{"statusCode":"what","message":"m"}', PermanentError, 400, "400"),
        (500, b'{"message":"m"}', TransientError, 500, "500"),
        (502, b"<html>bad gateway</html>", TransientError, 502, "502"),
        (409, b"The resource already exists", PermanentError, 409, "409"),
        (404, b'{"statusCode":"404","error":"Bucket not found","message":"m"}',
         PermanentError, 404, "404"),
        (404, b'{"error":"not_found","message":"m"}', PermanentError, 404, "not_found"),
        (404, b"", TransientError, 404, "404"),
        (404, b'{"message":"no Route matched with those values"}', TransientError, 404, "404"),
        (404, b'{"statusCode":404,"error":"Not Found","message":"m"}', TransientError, 404, "404"),
        (410, b"<html>gone</html>", TransientError, 410, "410"),
        (302, b"", TransientError, 302, "302"),
        (400, '{"statusCode":"\u00b2","message":"m"}'.encode(), PermanentError, 400, "400"),
        (400, b'{"statusCode":"200","message":"m"}', PermanentError, 400, "400"),
        (400, b'{"statusCode":"%b","message":"m"}' % (b"4" * 5000), PermanentError, 400, "400"),
        (400, b"[" * 200_000, PermanentError, 400, "400"),
        (403, b"[1]", PermanentError, 403, "403"),
        (503, b"\xff\xfe", TransientError, 503, "503"),
    ],
)  # fmt: skip
def test_error_from_body_prefers_the_status_in_the_body(status, body, kind, inner, code):
    error = error_from_body("storage", status, body)
    assert type(error) is kind
    assert (error.status, error.code) == (inner, code)


def test_error_from_body_is_permanent_if_storage_itself_answered_404():
    error = error_from_body(
        "storage", 404, b"The file for this url was not found\n", from_upstream=True
    )
    assert (type(error), error.status) == (PermanentError, 404)


@pytest.mark.parametrize(
    ("code", "error", "status", "missing"),
    [("NoSuchKey", "", 404, True), ("", "not_found", 404, True), ("NoSuchKey", "", 400, True),
     ("", "not_found", 400, False), ("NoSuchBucket", "", 404, False), ("", "", 404, False)],
)  # fmt: skip
def test_is_missing_object_depends_on_the_code_in_the_body(code, error, status, missing):
    told = {"statusCode": str(status), "code": code, "error": error, "message": "m"}
    assert is_missing_object(error_from_body("storage", 400, json.dumps(told).encode())) is missing


@pytest.mark.parametrize("status", ["\u00b2", "\u0664\u0660\u0664", "4" * 5000, "", None, "x"])
def test_a_malformed_status_of_storage_is_transient(status):
    with pytest.raises(TransientError), translate_errors("storage"):
        raise storage3.exceptions.StorageApiError("m", "code", status)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0), ("0", 0.0), (" 7 ", 7.0), ("9" * 5000, float("inf")),
        ("Wed, 21 Oct 2020 07:28:00 GMT", 0.0), ("Wed Oct 21 07:28:00 2020", 0.0),
        ("-1", None), ("", None), ("1.5", None), ("3, 4", None), ("1e3", None), ("inf", None),
        ("\u00b2", None), ("\u0663", None), ("soon", None), ("Wed, 99 Oct 2026 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999999999 07:28:00 GMT", None), ("\udcb2", None), ("\x00", None),
    ],
)  # fmt: skip
def test_retry_after_seconds_reads_numbers_and_dates(value, seconds):
    assert retry_after_seconds({"Retry-After": value}) == seconds
    assert retry_after_seconds({}) is None


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000"])
def test_retry_after_seconds_reads_a_date_in_utc(zone):
    moment = datetime.now(UTC) + timedelta(seconds=1000)
    named = retry_after_seconds({"Retry-After": moment.strftime(f"%a, %d %b %Y %H:%M:%S {zone}")})
    assert named is not None
    assert 0 < named <= 1000


@given(st.text())
def test_retry_after_seconds_accepts_any_text(value):
    found = retry_after_seconds({"Retry-After": value})
    assert found is None or found >= 0


@pytest.mark.parametrize("named", [86_400, float("inf")])
def test_retry_after_is_limited_to_a_minute(named):
    assert TransientError("storage", "busy", retry_after=named).retry_after == MAX_RETRY_AFTER
    assert error_from_status("storage", 503, "m", retry_after=named).retry_after == MAX_RETRY_AFTER


@pytest.mark.parametrize(
    "said", ["db-1.internal:5432", "no such host", "a" * 41, "1\n2", "x\x1b[2J", "/etc/x", "é"]
)
def test_a_text_that_is_not_a_code_is_not_passed_on_as_one(said):
    body = json.dumps({"message": "m", "code": said, "error": said}).encode()
    assert error_from_body("storage", 403, body).code == "403"
    with pytest.raises(PermanentError) as error, translate_errors("database"):
        raise postgrest.exceptions.APIError({"code": said, "message": "m"})
    assert error.value.code == "unknown"
