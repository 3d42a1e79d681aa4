"""``/erasures``: has everything about an e-mail address removed, and shows what was."""

from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import structlog
from aiohttp import web

from core.emails import normalised_email
from core.ids import job_id
from service.api.schemas import Erasure, ErasureFailure, ErasureRequest, json_answer
from service.intake.body import receive
from service.intake.limits import Limits
from service.keys.identity import key_name
from service.problems import ProblemError
from service.repository import Repository

MAX_OBJECTS: Final = 1000
"""Objects that are listed, at most."""
_MAX_BODY_BYTES: Final = 4096
_decode: Final = msgspec.json.Decoder(ErasureRequest).decode

_log = structlog.stdlib.get_logger(__name__)


class Erasures:
    """One handler for each route. Addresses are never logged."""

    def __init__(self, repository: Repository, limits: Limits) -> None:
        """Of ``limits`` only that on slow clients counts."""
        self._repository = repository
        self._limits = replace(limits, body_bytes=_MAX_BODY_BYTES)

    async def create(self, request: web.Request) -> web.Response:
        """``POST /erasures``: 202 once the erasure is recorded and queued.

        Everything else is done without keys where there are none, but this also removes contacts
        that no import has made.
        """
        by = key_name(request)
        if by is None:
            raise ProblemError("erasures_disabled", "The service has no keys.")
        wanted = await self._read(request)
        erasure_id = uuid4()
        found = await self._repository.create_erasure(
            erasure_id, wanted.email, remove_objects=wanted.objects == "remove", key_name=by
        )
        _log.info("erasure accepted", erasure_id=str(erasure_id))
        headers = {"Location": f"{request.path}/{erasure_id}"}
        return json_answer(_view(found), status=202, headers=headers)

    async def show(self, request: web.Request) -> web.Response:
        """``GET /erasures/{erasureId}``: what was removed so far."""
        erasure_id = _parse_id(request.match_info["erasureId"])
        found = await self._repository.get_erasure(erasure_id) if erasure_id else None
        if found is None:
            raise ProblemError("erasure_not_found", "No erasure has this erasureId.")
        return json_answer(_view(found))

    async def _read(self, request: web.Request) -> ErasureRequest:
        """Return the checked request; ``email`` is as it is stored in contacts."""
        if request.content_type != "application/json":
            raise ProblemError("unsupported_media_type", "Send application/json.")
        body = b"".join(
            [piece async for piece in receive(request.content, self._limits, lambda _: None)]
        )
        try:
            wanted = _decode(body)
        except msgspec.ValidationError:
            raise _invalid() from None
        except (msgspec.DecodeError, RecursionError):
            raise ProblemError("malformed_json", "The body is not JSON.") from None
        email = normalised_email(wanted.email.strip())
        if email is None:
            raise _invalid(param="email")
        return ErasureRequest(email, wanted.objects)


def _invalid(param: str | None = None) -> ProblemError:
    """Return the problem of a wrong request, without a word of it."""
    return ProblemError(
        "erasure_invalid",
        'Send {"email": "..."} with a valid address, and no other keys but "objects", which is '
        '"keep" or "remove".',
        param=param,
    )


def _parse_id(text: str) -> UUID | None:
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text else None


def _view(row: dict[str, Any]) -> Erasure:
    """Return an erasure as clients see it; ``row`` is the result of the SQL ``get_erasure``."""
    objects = [job_id(UUID(each)) for each in row["objects"]]
    return Erasure(
        erasure_id=row["id"],
        state=row["state"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        created_by=row["created_by"],
        contacts=row["contacts"],
        rejections=row["rejections"],
        objects=objects[:MAX_OBJECTS],
        more_objects=len(objects) > MAX_OBJECTS,
        objects_removed=row["objects_removed"],
        concurrent_imports=row["concurrent_imports"],
        failure=ErasureFailure(**row["failure"]) if row["failure"] else msgspec.UNSET,
    )
