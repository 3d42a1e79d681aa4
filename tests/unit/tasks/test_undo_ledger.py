import json

import httpx
import pytest
from supabase import Client, ClientOptions

from core.errors import BatchTooLargeError
from core.supabase.rpc import RpcClient
from tasks.repository import UndoRepository
from tests.unit.tasks.fakes import IMPORT


class FakePostgrest:
    """Answers with what is next in line."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def __call__(self, request):
        self.requests.append((request.url.path.rpartition("/")[2], request.content.decode()))
        answer = self.answers.pop(0)
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, content=json.dumps(answer))

    def repository(self):
        http = httpx.Client(transport=httpx.MockTransport(self))
        supabase = Client("http://supabase", "key", ClientOptions(httpx_client=http))
        return UndoRepository(RpcClient(supabase, deadline=10))


def test_the_functions_of_the_database_are_called():
    postgrest = FakePostgrest("object", None, True, False, None)
    repository = postgrest.repository()
    assert repository.object_to_undo(IMPORT) == "object"
    assert repository.object_to_undo(IMPORT) is None
    assert repository.undo_some(IMPORT, 5) is True
    assert repository.undo_some(IMPORT, 5) is False
    repository.finish_undo(IMPORT)
    assert [name for name, _ in postgrest.requests] == [
        "object_to_undo", "object_to_undo", "undo_some", "undo_some", "finish_undo",
    ]  # fmt: skip
    assert json.loads(postgrest.requests[2][1]) == {"p_import": str(IMPORT), "p_limit": 5}


def test_what_takes_longer_than_a_statement_may_is_told_at_once():
    timeout = httpx.Response(500, json={"code": "57014", "message": "canceling statement"})
    postgrest = FakePostgrest(httpx.Response(503), timeout)
    with pytest.raises(BatchTooLargeError):
        postgrest.repository().undo_some(IMPORT, 5)
    assert postgrest.answers == []
