"""Calls of the SQL functions as the service and the workers make them."""

import contextlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg2
from psycopg2.extensions import cursor

from core.ids import new_import_id
from core.queue_messages import first_message

SMALL, LARGE = 100, 10_000_000
"""Bytes of an import that is processed beside large ones, and of a large one."""
RECORDS = 10
"""Records of each part."""
Found = tuple[uuid.UUID, int] | None
"""An import and the number of one of its parts; None if there is none."""


class Database:
    """Calls the functions as the service and the workers do."""

    def __init__(self, connection: cursor) -> None:
        self._cursor = connection
        self._attempts: dict[tuple[uuid.UUID, int], str] = {}

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        self._cursor.execute(statement, values)
        return self._cursor.fetchall() if self._cursor.description else []

    def create(self, source: str = "source", *, parts: int = 1, size: int = LARGE) -> uuid.UUID:
        import_id = new_import_id()
        new = {
            "id": str(import_id), "source": source, "format": "json", "object": "o",
            "bytes": size, "records": parts * RECORDS, "small": size == SMALL,
        }  # fmt: skip
        rows = [
            {"part": n, "byte_start": n * 10, "byte_end": n * 10 + 10,
             "first_record": (n - 1) * RECORDS + 1, "records": RECORDS}
            for n in range(1, parts + 1)
        ]  # fmt: skip
        message = first_message(import_id, parts, size)
        values = map(json.dumps, (new, rows, message))
        self.ask("select create_import(%s, %s, %s)", *values)
        return import_id

    def start(self, import_id: uuid.UUID) -> list[int]:
        [(started,)] = self.ask("select start_import(%s)", str(import_id))
        parts: list[int] = started["parts"]
        return parts

    def take(self, message: uuid.UUID | None = None, named: Found = None) -> Found:
        """Start the part that is due for a message, a new one if none is given."""
        import_id, part = named or (uuid.UUID(int=1), 1)
        return self._start(import_id, part, message or uuid.uuid4())

    def _start(self, import_id: uuid.UUID, part: int, message: uuid.UUID | None) -> Found:
        attempt = str(uuid.uuid4())
        [(found,)] = self.ask(
            "select start_part(%s, %s, %s, 5, false, '{}', %s)",
            *(str(import_id), part, attempt, None if message is None else str(message)),
        )
        if found is None:
            return None
        assert "source" in found
        place = (uuid.UUID(found["import"]), found["part"])
        self._attempts[place] = attempt
        return place

    def take_named(self, named: tuple[uuid.UUID, int]) -> Found:
        """Start exactly this part, as workers of version 0.1 do."""
        return self._start(*named, None)

    def finish(self, place: Found) -> None:
        assert place is not None
        attempt = self._attempts[place]
        values = (str(place[0]), place[1], attempt, RECORDS)
        self.ask("select finish_part(%s, %s, %s, %s, 0)", *values)

    def attempt_at(self, place: tuple[uuid.UUID, int]) -> str:
        """Return the attempt that owns a part."""
        return self._attempts[place]

    def postpone(self, place: tuple[uuid.UUID, int]) -> None:
        self.ask(
            "select postpone_part(%s, %s, %s, true)", str(place[0]), place[1], self._attempts[place]
        )

    def state(self, import_id: uuid.UUID) -> str:
        [(state,)] = self.ask("select state from imports where id = %s", str(import_id))
        return str(state)

    def messages(self, queue: str) -> list[tuple[str, int]]:
        """Return the parts that the waiting messages of a queue name."""
        found = self.ask(
            "select message -> 'args' from dramatiq.queue"
            " where queue_name = %s and state = 'queued' and message ->> 'actor_name' = %s",
            *(queue, "import_part"),
        )
        return [(arguments[0], arguments[1]) for (arguments,) in found]

    def lost(self) -> list[uuid.UUID]:
        found = self.ask("select lost_imports(%s, 100)", str(uuid.UUID(int=0)))
        return [uuid.UUID(import_id) for (import_id,) in found]


@contextlib.contextmanager
def empty_database(dsn: str) -> Iterator[Database]:
    """The database without imports and messages."""
    with contextlib.closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as session:
            session.execute(
                "truncate imports, import_parts, import_sources, dramatiq.queue cascade"
            )
            yield Database(session)
