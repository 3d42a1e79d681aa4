"""What an import leaves in Supabase, and proof that a rejected request leaves nothing."""

import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg2

from core.ids import parse_job_id
from core.models import Part
from tests.support.leftovers import remove_imports
from tests.support.proxy import Proxy

SOURCE = "contract test"


@dataclass(frozen=True)
class Everything:
    """Everything that the service can leave in Supabase."""

    objects: frozenset[str]
    imports: frozenset[str]
    parts: int
    messages: int


class Traces:
    """Reads Storage and the database directly."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        key = env["SUPABASE_SERVICE_ROLE_KEY"]
        self._headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        self._client = httpx.Client(base_url=env["SUPABASE_URL"], headers=self._headers, timeout=60)
        self._database = psycopg2.connect(env["DATABASE_URL"])
        self._database.autocommit = True

    def close(self) -> None:
        """Remove what the tests have left, and close the connections."""
        found = self.rows("select object, id from imports where source = %s", SOURCE)
        for name, _ in found:
            self._client.request(
                "DELETE", "/storage/v1/object/imports", json={"prefixes": [name]}
            ).raise_for_status()
        remove_imports(self._env, (uuid.UUID(import_id) for _, import_id in found))
        self._client.close()
        self._database.close()

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._database.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    def everything(self) -> Everything:
        [(parts, messages)] = self.rows(
            "select (select count(*) from import_parts), (select count(*) from dramatiq.queue)"
        )
        imports = frozenset(str(row[0]) for row in self.rows("select id from imports"))
        return Everything(frozenset(self._names()), imports, parts, messages)

    @contextlib.contextmanager
    def unchanged(self, proxy: Proxy) -> Iterator[None]:
        """Assert that the block leaves nothing behind."""
        before = self.everything()
        proxy.reset(*proxy.faults)
        yield
        assert self.everything() == before
        assert all(self._is_gone(path) for path in proxy.uploads)

    def object(self, job: str, ending: str) -> bytes:
        answer = self._client.get(f"/storage/v1/object/imports/{job}.{ending}")
        return answer.raise_for_status().content

    def import_row(self, job: str) -> dict[str, Any]:
        [(row,)] = self.rows("select to_jsonb(i) from imports i where id = %s", _id(job))
        assert isinstance(row, dict)
        return row

    def parts(self, job: str) -> list[Part]:
        columns = "part, byte_start, byte_end, first_record, records"
        statement = f"select {columns} from import_parts where import_id = %s order by part"
        return [Part(*row) for row in self.rows(statement, _id(job))]

    def imported(self, job: str) -> int:
        """Return the number of contacts that its parts have counted."""
        statement = "select sum(imported)::int from import_parts where import_id = %s"
        [(count,)] = self.rows(statement, _id(job))
        return int(count or 0)

    def rejections(self, job: str) -> list[str]:
        """Return the code of each rejection."""
        statement = "select code from import_rejections where import_id = %s"
        return [str(code) for (code,) in self.rows(statement, _id(job))]

    def messages(self, job: str) -> list[tuple[Any, ...]]:
        statement = (
            "select queue_name, state, message from dramatiq.queue where message ->> 'args' like %s"
        )
        return self.rows(statement, f"%{_id(job)}%")

    def _names(self) -> Iterator[str]:
        query = {"prefix": "", "limit": 1000, "sortBy": {"column": "name", "order": "desc"}}
        answer = self._client.post("/storage/v1/object/list/imports", json=query)
        listed = json.loads(answer.raise_for_status().content)
        return (entry["name"] for entry in listed)

    def _is_gone(self, path: str) -> bool:
        """Whether an upload is gone; the real file backend answers 410 for a removed object."""
        answer = self._client.head(path, headers={"Tus-Resumable": "1.0.0"})
        return answer.status_code in {404, 410}


def _id(job: str) -> str:
    found = parse_job_id(job)
    assert found is not None
    return str(found)
