import asyncio

import httpx
import pytest
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions

from core.errors import BatchTooLargeError, TransientError, UpstreamError
from core.supabase.rpc import AsyncRpcClient, RpcClient


def postgrest_error(code):
    return APIError({"code": code, "message": "m", "hint": None, "details": None})


class FakeSupabase:
    """Answers calls with ``answers`` in turn, the last one from then on."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []

    def rpc(self, function, arguments):
        self.calls.append((function, arguments))
        return self

    def execute(self):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        self.data = answer
        return self


class FakeAsyncSupabase(FakeSupabase):
    async def execute(self):
        return super().execute()


def call(*answers):
    return RpcClient(FakeSupabase(*answers), deadline=0.9).call("f", p_a=1)


def call_async(*answers):
    client = AsyncRpcClient(FakeAsyncSupabase(*answers), deadline=0.9)
    return asyncio.run(client.call("f", p_a=1))


KINDS = pytest.mark.parametrize("call", [call, call_async])


@KINDS
def test_rpc_call_returns_the_data_after_transient_errors(call):
    assert call(httpx.ConnectError("x"), {"a": 1}) == {"a": 1}


@KINDS
@pytest.mark.parametrize(
    ("answers", "not_committed"),
    [
        ([httpx.ConnectError("x")], True),
        ([httpx.ReadTimeout("x"), httpx.ConnectError("x")], False),
        ([httpx.ReadTimeout("x"), postgrest_error("401")], False),
        ([httpx.ConnectError("x"), postgrest_error("401")], True),
    ],
    ids=repr,
)
def test_rpc_error_is_not_committed_only_if_all_tries_are(call, answers, not_committed):
    with pytest.raises(UpstreamError) as error:
        call(*answers)
    assert error.value.not_committed is not_committed


def test_call_in_time_raises_batch_too_large_at_a_statement_timeout():
    supabase = FakeSupabase(postgrest_error("57014"))
    with pytest.raises(BatchTooLargeError):
        RpcClient(supabase, deadline=10).call_in_time("f")
    assert len(supabase.calls) == 1


async def test_call_once_is_not_retried():
    supabase = FakeAsyncSupabase(httpx.ConnectError("x"))
    with pytest.raises(TransientError):
        await AsyncRpcClient(supabase, deadline=10).call_once("f")
    assert len(supabase.calls) == 1


async def test_seconds_take_the_place_of_the_deadline():
    supabase = FakeAsyncSupabase(httpx.ConnectError("x"))
    with pytest.raises(TransientError):
        await AsyncRpcClient(supabase, deadline=60).call("f", seconds=0.05)
    assert supabase.calls[0] == ("f", {})


def post_text(*responses):
    """The result of ``post_text``, and what is left of the responses that it is given in turn."""
    left = list(responses)
    http = httpx.Client(transport=httpx.MockTransport(lambda _: left.pop(0)))
    supabase = Client("http://supabase", "key", ClientOptions(httpx_client=http))
    return RpcClient(supabase, deadline=5).post_text("f", b"text"), left


def test_post_text_retries_a_success_without_json_which_only_a_gateway_sends():
    result = post_text(httpx.Response(200, text="ok"), httpx.Response(200, json={"a": 1}))
    assert result == ({"a": 1}, [])
