"""Calls the database's functions as the service and the workers do."""

import json
import uuid
from typing import Any

import httpx

from core.ids import contact_id_prefix, new_import_id
from core.queue_messages import import_contacts_message

PART = 10
"""Number of records of each part."""


class Repository:
    """Calls the functions through PostgREST; an error is returned as its code.

    Calls for a part use the last attempt that was started here, unless another one is given.
    """

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.created: list[uuid.UUID] = []
        self.messages: list[str] = []
        """Ids of the messages that the functions were given."""
        self.attempts: dict[tuple[uuid.UUID, int], str] = {}
        self.prefixes: dict[uuid.UUID, str] = {}
        """Of the ids of their contacts."""

    def call(self, function: str, **arguments: Any) -> Any:
        if "p_message" in arguments:
            self.messages.append(arguments["p_message"]["message_id"])
        answer = self.http.post(f"/rpc/{function}", json=arguments)
        if answer.is_error:
            return answer.json()["code"]
        return answer.json() if answer.content else None

    def create(self, *, parts: int = 2, import_id: uuid.UUID | None = None, **more: Any) -> Any:
        import_id = import_id or new_import_id()
        self.created.append(import_id)
        self.prefixes[import_id] = contact_id_prefix(import_id, more.get("contacts_ahead", 0))
        error = self.call(
            "create_import",
            p_import={
                "id": str(import_id), "source": "repository", "format": "json",
                "plan": {"places": {"name": [["name"]]}},
                "object": f"{import_id}.json", "bytes": 100, "records": parts * PART, **more,
            },
            p_parts=[
                {"part": n, "byte_start": n * 10, "byte_end": n * 10 + 10,
                 "first_record": (n - 1) * PART + 1, "records": PART}
                for n in range(1, parts + 1)
            ],
            p_message=unprocessed(import_contacts_message(import_id)),
        )  # fmt: skip
        return import_id if error is None else error

    def on(self, function: str, import_id: uuid.UUID, **more: Any) -> Any:
        return self.call(function, p_import=str(import_id), **more)

    def begin(self, import_id: uuid.UUID, part: int, **more: Any) -> Any:
        """Start another attempt at a part."""
        attempt = self.attempts[import_id, part] = str(uuid.uuid4())
        more = {"p_max_attempts": 5, "p_takes_prefix": True, **more}
        return self.move("start_part", import_id, part, attempt, **more)

    def move(
        self,
        function: str,
        import_id: uuid.UUID,
        part: int,
        attempt: str | None = None,
        **more: Any,
    ) -> Any:
        mine = attempt or self.attempt_of(import_id, part)
        return self.on(function, import_id, p_part=part, p_attempt=mine, **more)

    def attempt_of(self, import_id: uuid.UUID, part: int) -> str:
        return self.attempts.get((import_id, part), str(uuid.UUID(int=0)))

    def text(
        self,
        import_id: uuid.UUID,
        part: int,
        names: list[str],
        *,
        attempt: str | None = None,
        **more: Any,
    ) -> str:
        """Return the argument of write_contacts for these names."""
        head = {
            "import": str(import_id), "part": part, "prefix": self.prefixes[import_id],
            "attempt": attempt or self.attempt_of(import_id, part),
            "first_record": (part - 1) * PART + 1, "source": "repository", "delimiter": "|", **more,
        }  # fmt: skip
        return json.dumps(head) + "\n" + "|".join([*names, *[""] * len(names)])

    def write(
        self,
        import_id: uuid.UUID,
        part: int,
        names: list[str],
        *,
        attempt: str | None = None,
        **finish: Any,
    ) -> Any:
        more = {"finish": finish} if finish else {}
        return self.send(
            "write_contacts", self.text(import_id, part, names, attempt=attempt, **more)
        )

    def send(self, function: str, text: str) -> Any:
        answer = self.http.post(
            f"/rpc/{function}", content=text, headers={"Content-Type": "text/plain"}
        )
        return answer.json()["code"] if answer.is_error else answer.json()

    def reject(self, import_id: uuid.UUID, part: int, record: int) -> None:
        row = rejection(import_id, part, record)
        self.http.post("/import_rejections", json=[row]).raise_for_status()

    def write_rejection(
        self, import_id: uuid.UUID, part: int, record: int, attempt: str | None = None
    ) -> Any:
        rows = [rejection(import_id, part, record)]
        return self.move("write_rejections", import_id, part, attempt, p_rows=rows)

    def add_object(self, import_id: uuid.UUID, part: int, first: int, last: int) -> Any:
        stored = {
            "object": "o", "first_record": first, "last_record": last, "codes": {"d": last - first},
        }  # fmt: skip
        return self.move("add_rejection_object", import_id, part, p_object=stored)

    def finish(
        self, import_id: uuid.UUID, part: int, imported: int = PART, attempt: str | None = None
    ) -> Any:
        counts = {"p_imported": imported, "p_rejected": PART - imported}
        return self.move("finish_part", import_id, part, attempt, **counts)

    def fail(self, import_id: uuid.UUID, part: int, attempt: str | None = None) -> Any:
        reason = {"p_code": "some_reason", "p_failure": "why"}
        return self.move("fail_part", import_id, part, attempt, **reason)

    def cancel(self, import_id: uuid.UUID, part: int, attempt: str | None = None) -> Any:
        return self.move("cancel_part", import_id, part, attempt)

    def postpone(
        self,
        import_id: uuid.UUID,
        part: int,
        attempt: str | None = None,
        *,
        unavailable: bool = True,
    ) -> Any:
        return self.move("postpone_part", import_id, part, attempt, p_away=unavailable)

    def part(self, import_id: uuid.UUID, part: int) -> dict[str, Any]:
        where = {"import_id": f"eq.{import_id}", "part": f"eq.{part}"}
        found: dict[str, Any] = self.http.get("/import_parts", params=where).json()[0]
        return found

    def shown(self, import_id: uuid.UUID) -> Any:
        shown = self.on("get_import", import_id)
        total = shown["imported"] + shown["rejected"] + shown["not_processed"]
        assert shown["records"] == total
        return shown

    def state(self, import_id: uuid.UUID) -> str:
        return str(self.shown(import_id)["state"])

    def counts(self, import_id: uuid.UUID) -> tuple[int, int, int]:
        shown = self.shown(import_id)
        return shown["imported"], shown["rejected"], shown["not_processed"]

    def contacts(self, import_id: uuid.UUID) -> int:
        prefix = self.prefixes[import_id]
        between = f"(id.gte.{prefix}000000000,id.lte.{prefix}fffffffff)"
        return len(self.http.get("/contacts", params={"and": between, "select": "id"}).json())


def rejection(import_id: uuid.UUID, part: int, record: int) -> dict[str, Any]:
    return {
        "import_id": str(import_id), "record": record, "part": part, "code": "c", "message": "m",
        "content": "{}",
    }  # fmt: skip


def unprocessed(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message for a queue that no worker reads."""
    return {**message, "queue_name": "never", "message_id": str(uuid.uuid4())}
