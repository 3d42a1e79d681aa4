"""Problems: how the service answers a request that it cannot serve (RFC 9457)."""

from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from core.states import ImportState
from service.columns import Column
from service.problem_types import PROBLEM_TYPES

CONTENT_TYPE: Final = "application/problem+json"


class EncodingSample(msgspec.Struct, frozen=True):
    """An encoding in which a text may be."""

    encoding: Annotated[str, Meta(description="Its name, for the option `encoding`.")]
    sample: Annotated[str, Meta(description="Some of the text as it would be read.")]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request failed (RFC 9457)."""

    type: Annotated[
        str,
        Meta(
            description="Address of a page about this kind of problem, relative to the service: "
            "`/problems/{code}`.",
            extra_json_schema={"format": "uri-reference"},
        ),
    ]
    title: Annotated[str, Meta(description="The kind of problem, for people.")]
    status: Annotated[int, Meta(description="The HTTP status.", ge=400, le=599)]
    detail: Annotated[str, Meta(description="What is wrong in this case, and what to do.")]
    code: Annotated[
        str,
        Meta(
            description="The kind of problem, for programs: stable.",
            extra_json_schema={"enum": list(PROBLEM_TYPES)},
        ),
    ]
    param: Annotated[
        str | UnsetType,
        Meta(description="Name of the query parameter, form field, key or header at fault."),
    ] = UNSET
    offset: Annotated[
        Annotated[int, Meta(ge=0)] | UnsetType,
        Meta(description="Position of the error in the body, in bytes from 0."),
    ] = UNSET
    record: Annotated[
        Annotated[int, Meta(ge=1)] | UnsetType,
        Meta(description="Number of the record with the error, from 1."),
    ] = UNSET
    encodings: Annotated[
        list[EncodingSample] | UnsetType,
        Meta(description="Likely encodings of the text, where it is uncertain."),
    ] = UNSET
    columns: Annotated[
        list[Column] | UnsetType,
        Meta(description="The columns of the file, where it is not clear what they hold."),
    ] = UNSET
    state: Annotated[
        ImportState | UnsetType, Meta(description="State of the import, where it is the reason.")
    ] = UNSET
    checks: Annotated[
        dict[str, Literal["ok", "unavailable"]] | UnsetType,
        Meta(description="Results of `/readyz`: a failed check is `unavailable`."),
    ] = UNSET


class ProblemError(Exception):
    """Ends a request with a problem; ``code`` is one of PROBLEM_TYPES.

    ``extra`` holds optional members of Problem, such as ``offset`` and ``record``. ``param`` is
    taken from the problem's type, unless it is given here.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **extra: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.headers = headers or {}
        self.extra = {key: value for key, value in extra.items() if value is not None}

    @property
    def status(self) -> int:
        """The HTTP status of its type."""
        return PROBLEM_TYPES[self.code].status

    def response(self) -> web.Response:
        """Return the answer to the client."""
        response = web.Response(
            status=self.status,
            body=msgspec.json.encode(problem(self.code, self.detail, **self.extra)),
            content_type=CONTENT_TYPE,
            headers=self.headers,
        )
        if self.headers.get("Connection") == "close":
            response.force_close()
        return response


def problem(code: str, detail: str, **extra: Any) -> Problem:  # noqa: ANN401
    """Return a problem of the type ``code``; ``extra`` is as in ProblemError.

    ``type`` is a relative reference with a full path, since the service does not know the address
    under which clients reach it (RFC 9457, 3.1.1).
    """
    kind = PROBLEM_TYPES[code]
    return Problem(
        type=problem_type(code),
        title=kind.title,
        status=kind.status,
        detail=detail,
        code=code,
        **{"param": kind.param or UNSET} | extra,
    )


def problem_type(code: str) -> str:
    """Return the ``type`` of problems with this code: the path of the page about them."""
    return f"/problems/{code}"


def import_not_found() -> ProblemError:
    """Return the problem for a ``jobId`` that no import has."""
    return ProblemError("import_not_found", "No import has this jobId.")


def not_found() -> ProblemError:
    """Return the problem for an address at which there is nothing."""
    return ProblemError("not_found", "The page is at /, the API at /import; see /docs.")
